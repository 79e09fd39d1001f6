//! How C is shared out among threads.

use core::ops::Range;

use super::blocking::Blocking;
use crate::matrix::MatMut;

/// Which way C is cut, and into how many bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bands {
    Rows(usize),
    Columns(usize),
}

impl Bands {
    /// As many as there are threads, where there are enough tiles. A band of columns packs all of
    /// A for itself, a band of rows all of B, unless both share a block of it.
    pub(super) fn of((m, n): (usize, usize), sizes: &Blocking, threads: usize) -> Self {
        let (tall, wide) = (m.div_ceil(sizes.mr), n.min(sizes.nc).div_ceil(sizes.nr));
        let rows_first = m > sizes.mc;
        match (tall.min(threads), wide.min(threads)) {
            (tall, wide) if tall > wide || tall == wide && rows_first => Bands::Rows(tall),
            (_, wide) => Bands::Columns(wide),
        }
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
    /// A row of C, if its elements are next to each other.
    #[inline(always)]
    pub(super) fn line(&mut self, row: usize, cols: &Range<usize>) -> &mut [T] {
        let (row, left) = (row - self.origin.0, self.origin.1);
        let cols = cols.start - left..cols.end - left;
        let [line] = self.c.pieces(&(row..row + 1), &cols).into_pieces(0);
        line
    }

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
}
