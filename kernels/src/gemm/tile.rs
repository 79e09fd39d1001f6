//! Loops 2 and 1: strips of C, as wide as a register tile, and the tiles of each. A tile reads C, adds
//! the product, maps it and writes C.

use core::ops::Range;

use super::block::Block;
use super::blocking::{Blocking, MR};
use super::epilogue::Epilogue;
use super::microkernel::{Columns, Left, Right, Rows, Tile, accumulate};
use crate::matrix::{MatMut, MatRef};
use crate::simd::{Float, Kernel, MAX_LANES, Simd, V, Vector};
use crate::unroll::written_out;

/// What a sum starts from, and what becomes of it.
pub(super) struct Sum<'a, T, E> {
    /// What is there already is scaled by it, and not read if it is zero.
    pub(super) beta: T,
    /// What maps it, if no more terms are to come.
    pub(super) epilogue: Option<&'a E>,
}

/// Columns of B in panels, each read row by row.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a, T> {
    pub(super) elements: &'a [T],
    /// From a row to the next.
    pub(super) stride: usize,
    /// Columns of a panel.
    pub(super) width: usize,
    /// From a panel to the next.
    pub(super) apart: usize,
    /// They are packed: a vector may reach past the last column.
    pub(super) packed: bool,
}

impl<'a, T: Float> Panels<'a, T> {
    /// Packed ones.
    #[inline(always)]
    pub(super) fn packed(elements: &'a [T], width: usize, depth: usize) -> Self {
        Panels { elements, stride: width, width, apart: width * depth, packed: true }
    }

    /// The columns from `col` on where they lie, if rows are contiguous.
    #[inline(always)]
    pub(super) fn in_place(b: MatRef<'a, T>, col: usize, width: usize) -> Option<Self> {
        let (elements, stride) = b.lines(0, col)?;
        Some(Panels { elements, stride, width, apart: width, packed: false })
    }
}

/// Adds the product to rows and columns of C, a strip of the columns after another. Whole panels of B
/// are copied on the way, if there is where to.
#[inline(always)]
pub(super) fn strips<S: Simd, T: Float, E: Epilogue<T>>(
    simd: S,
    (c, origin): (&mut MatMut<T>, (usize, usize)),
    block: &Block<T>,
    b: &Panels<T>,
    (rows, cols): (&Range<usize>, &Range<usize>),
    sum: &Sum<T, E>,
    mut copy: Option<&mut [T]>,
) {
    let lanes = V::<S, T>::LANES;
    let (mut start, mut panel, mut first) = (cols.start, cols.start, 0);
    while start < cols.end {
        if start - panel == b.width {
            (panel, first) = (start, first + b.apart);
        }
        let left = cols.end.min(panel + b.width) - start;
        let width = match left / lanes {
            4.. if Blocking::vectors::<S>() == 4 => 4 * lanes,
            2.. => 2 * lanes,
            1 => lanes,
            _ => left,
        };
        // Empty where there is no term.
        let from = b.elements.get(first + start - panel..).unwrap_or(&[]);
        let whole = if b.packed { width.next_multiple_of(lanes) } else { width };
        let right = Right { panel: from, stride: b.stride, width: whole };
        let strip = Strip { c, origin, block, b: right, cols: start..start + width, sum };
        strip.run(simd, rows.clone(), copy.as_deref_mut());
        start += width;
    }
}

/// Columns of C not wider than a tile, and those of B.
struct Strip<'b, 'a, T, E> {
    c: &'b mut MatMut<'a, T>,
    /// The row and column of C where `c` starts.
    origin: (usize, usize),
    block: &'b Block<'b, T>,
    b: Right<'b, T>,
    cols: Range<usize>,
    sum: &'b Sum<'b, T, E>,
}

impl<'b, T: Float, E: Epilogue<T>> Strip<'b, '_, T, E> {
    /// Adds the product to some rows. A whole panel is copied on the way, if there is where to.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S, rows: Range<usize>, copy: Option<&'b mut [T]>) {
        match self.cols.len() / V::<S, T>::LANES {
            4 if Blocking::vectors::<S>() == 4 => self.panel::<S, 4>(simd, rows, copy),
            2 if Blocking::vectors::<S>() == 2 => self.panel::<S, 2>(simd, rows, copy),
            2 => self.tiles::<S, 2, false>(simd, rows),
            1 => self.tiles::<S, 1, false>(simd, rows),
            _ => self.tiles::<S, 1, true>(simd, rows),
        }
    }

    /// A whole panel. If it is to be copied, its first tile does that, and the others read the copy.
    #[inline(always)]
    fn panel<S: Simd, const N: usize>(
        mut self,
        simd: S,
        mut rows: Range<usize>,
        copy: Option<&'b mut [T]>,
    ) {
        if let Some(copy) = copy {
            let first = rows.start..rows.start + MR;
            rows.start += MR;
            simd.run(Tiles::<T, E, MR, N, false, true> { strip: &mut self, rows: first, copy });
            let width = N * V::<S, T>::LANES;
            self.b = Right { panel: copy, stride: width, width };
        }
        self.tiles::<S, N, false>(simd, rows);
    }

    #[inline(always)]
    fn tiles<S: Simd, const N: usize, const PART: bool>(mut self, simd: S, rows: Range<usize>) {
        let left = rows.len() % MR;
        // Two tiles of four rows take less time than one of six and one of two. Those of packed
        // rows start where a panel does.
        let eight = left == 2 && rows.len() > MR && !self.block.is_packed();
        let whole = rows.end - if eight { 8 } else { left };
        if whole > rows.start {
            self.rows::<S, MR, N, PART>(simd, rows.start..whole);
        }
        let rest = whole..rows.end;
        match rest.len() {
            1 => self.rows::<S, 1, N, PART>(simd, rest),
            2 => self.rows::<S, 2, N, PART>(simd, rest),
            3 => self.rows::<S, 3, N, PART>(simd, rest),
            4 | 8 => self.rows::<S, 4, N, PART>(simd, rest),
            5 => self.rows::<S, 5, N, PART>(simd, rest),
            _ => {}
        }
    }

    #[inline(always)]
    fn rows<S: Simd, const R: usize, const N: usize, const PART: bool>(
        &mut self,
        simd: S,
        rows: Range<usize>,
    ) {
        simd.run(Tiles::<T, E, R, N, PART, false> { strip: self, rows, copy: &mut [] });
    }
}

/// Tiles of `R` rows, `N` vectors wide or a `PART` of one.
struct Tiles<'c, 'b, 'a, T, E, const R: usize, const N: usize, const PART: bool, const COPY: bool> {
    strip: &'c mut Strip<'b, 'a, T, E>,
    rows: Range<usize>,
    /// Where the strip of B is copied to on the way, if `COPY`.
    copy: &'c mut [T],
}

impl<T, E, const R: usize, const N: usize, const PART: bool, const COPY: bool> Kernel
    for Tiles<'_, '_, '_, T, E, R, N, PART, COPY>
where
    T: Float,
    E: Epilogue<T>,
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Block { first, depth, .. } = *self.strip.block;
        if let Some(a) = self.strip.block.rows() {
            self.each(simd, |row| Rows::new(a.lines_of::<R>(row - first, 0..depth), depth));
        } else {
            let (elements, stride, step) = self.strip.block.columns();
            self.each(simd, |row| {
                let elements = &elements[(row - first) * step..];
                Columns::<T, R>::new(elements, stride, depth)
            });
        }
    }
}

impl<T, E, const R: usize, const N: usize, const PART: bool, const COPY: bool>
    Tiles<'_, '_, '_, T, E, R, N, PART, COPY>
where
    T: Float,
    E: Epilogue<T>,
{
    /// The tiles, with what is on the left of each.
    #[inline(always)]
    fn each<S: Simd, L: Left<T>>(self, simd: S, left: impl Fn(usize) -> L) {
        let Tiles { strip: Strip { c, origin, block, b, cols, sum }, rows, copy } = self;
        let lanes = V::<S, T>::LANES;
        let width = if PART { cols.len() } else { N * lanes };
        let b = Right { width: if PART { b.width } else { N * lanes }, ..*b };
        let depth = block.depth;
        let local = cols.start - origin.1..cols.start - origin.1 + width;
        let mut scattered =
            if c.has_lines() { None } else { Some(Scattered([[T::ZERO; WIDTH]; R])) };
        let mut row = rows.start;
        while row < rows.end {
            let local_row = row - origin.0;
            let mut tile: Tile<S, T, R, N> = [[V::<S, T>::splat(simd, T::ZERO); N]; R];
            if sum.beta != T::ZERO {
                let beta = V::<S, T>::splat(simd, sum.beta);
                match &mut scattered {
                    None => {
                        let c: [&mut [T]; R] = c.lines_of(local_row, local.clone());
                        written_out! { r < R, at_most_six {
                            for (v, sum) in tile[r].iter_mut().enumerate() {
                                *sum = beta * V::<S, T>::load(simd, &c[r][v * lanes..width]);
                            }
                        } }
                    }
                    Some(scattered) => {
                        scattered.gather(c, local_row, &local);
                        written_out! { r < R, at_most_six {
                            for (v, sum) in tile[r].iter_mut().enumerate() {
                                *sum = beta * V::<S, T>::load(simd, &scattered.0[r][v * lanes..]);
                            }
                        } }
                    }
                }
            }
            tile = accumulate::<S, T, R, N, COPY>(simd, tile, left(row), b, depth, copy);
            if let Some(epilogue) = sum.epilogue {
                written_out! { r < R, at_most_six {
                    for (v, sum) in tile[r].iter_mut().enumerate() {
                        *sum = epilogue.finish(simd, row + r, cols.start + v * lanes, *sum);
                    }
                } }
            }
            match &mut scattered {
                None => {
                    let c: [&mut [T]; R] = c.lines_of(local_row, local.clone());
                    written_out! { r < R, at_most_six {
                        for (v, sum) in tile[r].iter().enumerate() {
                            sum.store(&mut c[r][v * lanes..width]);
                        }
                    } }
                }
                Some(scattered) => {
                    written_out! { r < R, at_most_six {
                        for (v, sum) in tile[r].iter().enumerate() {
                            sum.store(&mut scattered.0[r][v * lanes..]);
                        }
                    } }
                    scattered.scatter(c, local_row, &local);
                }
            }
            row += R;
        }
    }
}

/// Columns of the widest tile.
const WIDTH: usize = 4 * MAX_LANES;

/// A tile of a C whose rows are not contiguous, on its way between there and the registers.
struct Scattered<T, const R: usize>([[T; WIDTH]; R]);

impl<T: Float, const R: usize> Scattered<T, R> {
    #[inline(never)]
    fn gather(&mut self, c: &MatMut<T>, row: usize, cols: &Range<usize>) {
        for (r, line) in self.0.iter_mut().enumerate() {
            for (x, col) in line.iter_mut().zip(cols.clone()) {
                *x = c.at(row + r, col);
            }
        }
    }

    #[inline(never)]
    fn scatter(&self, c: &mut MatMut<T>, row: usize, cols: &Range<usize>) {
        for (r, line) in self.0.iter().enumerate() {
            for (&x, col) in line.iter().zip(cols.clone()) {
                c.set(row + r, col, x);
            }
        }
    }
}
