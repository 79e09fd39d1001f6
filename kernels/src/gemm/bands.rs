//! How C is shared out among threads.

use core::ops::Range;

use super::blocking::Blocking;
use crate::matrix::MatMut;

/// Terms of a sum from which a copy of C in the other order is soon paid back by more threads.
const COPY_FROM: usize = 256;

/// Which way C is cut, and into how many bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bands {
    Rows(usize),
    Columns(usize),
}

impl Bands {
    /// As many as there are threads, where there are enough tiles: rows, if C lies so that both
    /// ways would do, since a band of columns packs all of A for itself.
    pub(super) fn of<T: Copy>(c: &MatMut<T>, sizes: &Blocking, threads: usize) -> Self {
        let (tall, wide) = Bands::tiles(c, sizes, threads);
        match (c.rows_are_apart(), c.cols_are_apart()) {
            (true, false) => Bands::Rows(tall),
            (true, true) if tall >= wide => Bands::Rows(tall),
            _ => Bands::Columns(wide),
        }
    }

    /// Whether C, with sums of `k` terms, can keep twice as many threads busy in the other order:
    /// row-major with few rows, or column-major with few columns.
    pub(super) fn pays_to_copy<T: Copy>(
        self,
        c: &MatMut<T>,
        k: usize,
        sizes: &Blocking,
        threads: usize,
    ) -> bool {
        let (tall, wide) = Bands::tiles(c, sizes, threads);
        let (now, then) = match self {
            Bands::Rows(_) => (tall, wide),
            Bands::Columns(_) => (wide, tall),
        };
        k >= COPY_FROM && then >= 2 * now
    }

    /// Tiles of a column of C and of a row of a block, as far as there are threads for them.
    fn tiles<T: Copy>(c: &MatMut<T>, sizes: &Blocking, threads: usize) -> (usize, usize) {
        let wide = c.cols().min(sizes.nc).div_ceil(sizes.nr);
        (c.rows().div_ceil(sizes.mr).min(threads), wide.min(threads))
    }

    pub(super) fn count(self) -> usize {
        match self {
            Bands::Rows(count) | Bands::Columns(count) => count,
        }
    }
}

/// A part of C: what one thread computes, or is yet to be cut.
#[derive(Debug)]
pub(super) struct Part<'a, T> {
    pub(super) rows: Range<usize>,
    pub(super) cols: Range<usize>,
    /// These rows and columns, perhaps among others.
    pub(super) c: MatMut<'a, T>,
    /// The row and column of C where `c` starts.
    pub(super) origin: (usize, usize),
}

impl<T: Copy> Part<'_, T> {
    /// Two parts that hold `share` of the tiles, and the rest.
    pub(super) fn cut(self, bands: Bands, sizes: &Blocking, share: (usize, usize)) -> [Self; 2] {
        let Part { rows, cols, c, origin } = self;
        let at = |range: &Range<usize>, tile: usize| {
            let before = (range.len() * share.0 / share.1).next_multiple_of(tile);
            range.end.min(range.start + before)
        };
        match bands {
            Bands::Rows(_) => {
                let middle = at(&rows, sizes.mr);
                let (above, below) = c.split_rows(middle - origin.0);
                let beyond = (middle, origin.1);
                [
                    Part { rows: rows.start..middle, cols: cols.clone(), c: above, origin },
                    Part { rows: middle..rows.end, cols, c: below, origin: beyond },
                ]
            }
            Bands::Columns(_) => {
                let middle = at(&cols, sizes.nr);
                let (left, right) = c.split_cols(middle - origin.1);
                let beyond = (origin.0, middle);
                [
                    Part { rows: rows.clone(), cols: cols.start..middle, c: left, origin },
                    Part { rows, cols: middle..cols.end, c: right, origin: beyond },
                ]
            }
        }
    }

    /// The place in `c` of a row and columns of C.
    #[inline(always)]
    pub(super) fn local(&self, row: usize, cols: &Range<usize>) -> (usize, Range<usize>) {
        (row - self.origin.0, cols.start - self.origin.1..cols.end - self.origin.1)
    }
}
