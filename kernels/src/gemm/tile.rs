//! Loops 2 and 1: strips of C, as wide as a register tile, and the tiles of each. A tile reads C, adds
//! the product, maps it and writes C.

use core::ops::Range;

use super::block::{Beside, Block};
use super::blocking::{Blocking, MR};
use super::epilogue::Epilogue;
use super::microkernel::{LINE, Right, Tile, accumulate};
use super::vendor::is_intel;
use crate::matrix::{MatMut, MatRef};
use crate::simd::{Float, Kernel, Simd, V, Vector};
use crate::strided::StridedMut;
use crate::unroll::written_out;

/// Bytes of a page.
const PAGE: usize = 4096;

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
    /// From a panel to the next.
    pub(super) apart: usize,
    /// They are packed: a vector may reach past the last column.
    pub(super) packed: bool,
}

impl<'a, T: Float> Panels<'a, T> {
    /// Packed ones.
    #[inline(always)]
    pub(super) fn packed(elements: &'a [T], width: usize, depth: usize) -> Self {
        Panels { elements, stride: width, apart: width * depth, packed: true }
    }

    /// The columns from `col` on where they lie, if rows are contiguous.
    #[inline(always)]
    pub(super) fn in_place(b: MatRef<'a, T>, col: usize) -> Option<Self> {
        let (elements, stride) = b.lines(0, col)?;
        Some(Panels { elements, stride, apart: 0, packed: false })
    }
}

impl<'a, T: Float> Panels<'a, T> {
    /// Bytes from a row to the next.
    #[inline(always)]
    pub(super) fn bytes_apart(&self) -> usize {
        self.stride.saturating_mul(size_of::<T>())
    }

    /// Whether rows are whole pages apart.
    #[inline(always)]
    pub(super) fn are_pages_apart(&self) -> bool {
        self.bytes_apart().is_multiple_of(PAGE)
    }

    /// Whether vectors of so many lanes, of rows where they lie, cross lines, on a CPU that is slow at that.
    #[inline(always)]
    pub(super) fn are_crooked(&self, lanes: usize) -> bool {
        let start = self.elements.as_ptr() as usize;
        let straight = self.bytes_apart().is_multiple_of(LINE) && start.is_multiple_of(LINE);
        lanes * size_of::<T>() == LINE && !self.packed && !straight && is_intel()
    }

    /// Columns up to the first that begins a line in every row, if there is one and it matters.
    #[inline(always)]
    pub(super) fn until_straight(&self, lanes: usize) -> usize {
        match self.bytes_apart().is_multiple_of(LINE) && self.are_crooked(lanes) {
            true => self.elements.as_ptr().align_offset(LINE),
            false => 0,
        }
    }

    /// The columns from `col` on.
    #[inline(always)]
    pub(super) fn from<S: Simd>(&self, col: usize) -> Self {
        // Narrower panels there are no more than one of.
        let width = Blocking::vectors::<S>() * V::<S, T>::LANES;
        let first = match self.packed {
            true => col / width * self.apart + col % width,
            false => col,
        };
        // Empty where there is no term.
        Panels { elements: self.elements.get(first..).unwrap_or(&[]), ..*self }
    }

    /// The first columns, read `lanes` at a time.
    #[inline(always)]
    pub(super) fn first(&self, width: usize, lanes: usize) -> Right<'a, T> {
        let width = if self.packed { width.next_multiple_of(lanes) } else { width };
        Right { panel: self.elements, stride: self.stride, width }
    }
}

/// Columns of the widest strip of so many. Of a single row it has eight vectors: each is a chain.
#[inline(always)]
pub(super) fn widest<S: Simd, T: Float>(cols: usize, one_row: bool) -> usize {
    let lanes = V::<S, T>::LANES;
    match cols / lanes {
        8.. if one_row => 8 * lanes,
        4.. if one_row || Blocking::vectors::<S>() == 4 => 4 * lanes,
        2.. => 2 * lanes,
        1 => lanes,
        _ => cols,
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
    let mut start = cols.start;
    while start < cols.end {
        let width = widest::<S, T>(cols.end - start, false);
        let b = b.from::<S>(start - cols.start).first(width, lanes);
        let (rows, cols) = (rows.clone(), start..start + width);
        let strip = &Strip { origin, block, b, rows, cols, sum };
        match width / lanes {
            4 if Blocking::vectors::<S>() == 4 => {
                strip.panel::<S, 4>(simd, c, copy.as_deref_mut());
            }
            2 if Blocking::vectors::<S>() == 2 => {
                strip.panel::<S, 2>(simd, c, copy.as_deref_mut());
            }
            2 => simd.run(Tiles::<T, E, 2, false> { c, strip }),
            1 => simd.run(Tiles::<T, E, 1, false> { c, strip }),
            _ => simd.run(Tiles::<T, E, 1, true> { c, strip }),
        }
        start += width;
    }
}

/// Columns of C not wider than a tile: what they are computed from.
pub(super) struct Strip<'b, T, E> {
    /// The row and column where the view of C starts.
    pub(super) origin: (usize, usize),
    pub(super) block: &'b Block<'b, T>,
    pub(super) b: Right<'b, T>,
    pub(super) rows: Range<usize>,
    pub(super) cols: Range<usize>,
    pub(super) sum: &'b Sum<'b, T, E>,
}

impl<T: Float, E: Epilogue<T>> Strip<'_, T, E> {
    /// A whole panel. If it is to be copied, its first tile does that, and the others read the copy.
    #[inline(always)]
    fn panel<S: Simd, const N: usize>(&self, simd: S, c: &mut MatMut<T>, copy: Option<&mut [T]>) {
        let Some(copy) = copy else {
            return simd.run(Tiles::<T, E, N, false> { c, strip: self });
        };
        simd.run(CopyingTile::<T, E, N> { c: &mut *c, strip: self, copy: &mut *copy });
        let width = N * V::<S, T>::LANES;
        let b = Right { panel: copy, stride: width, width };
        let (rows, cols) = (self.rows.start + MR..self.rows.end, self.cols.clone());
        if !rows.is_empty() {
            let strip = &Strip { b, rows, cols, ..*self };
            simd.run(Tiles::<T, E, N, false> { c, strip });
        }
    }

    /// The rows of C.
    #[inline(always)]
    pub(super) fn of<'c>(&self, c: &'c mut MatMut<T>) -> StridedMut<'c, T> {
        let Strip { origin: (top, left), rows, cols, .. } = self;
        c.pieces(&(rows.start - top..rows.end - top), &(cols.start - left..cols.end - left))
    }

    /// The tile of `R` rows from `row` on, `N` vectors wide or a `PART` of one.
    #[inline(always)]
    pub(super) fn tile<
        S: Simd,
        const R: usize,
        const N: usize,
        const PART: bool,
        const COPY: bool,
    >(
        &self,
        simd: S,
        row: usize,
        left: &impl Beside<T>,
        c: &mut StridedMut<T>,
        copy: &mut [T],
    ) {
        let Strip { block, b, rows, cols, sum, .. } = self;
        let lanes = V::<S, T>::LANES;
        let width = if PART { cols.len() } else { N * lanes };
        let b = Right { width: if PART { b.width } else { N * lanes }, ..*b };
        let mut tile: Tile<S, T, R, N> = [[V::<S, T>::splat(simd, T::ZERO); N]; R];
        if sum.beta != T::ZERO {
            let beta = V::<S, T>::splat(simd, sum.beta);
            let c = c.from::<R>(row - rows.start);
            written_out! { r < R, at_most_six {
                for (v, sum) in tile[r].iter_mut().enumerate() {
                    *sum = beta * V::<S, T>::load(simd, &c[r][v * lanes..width]);
                }
            } }
        }
        let a = left.tile::<R>(row);
        tile = accumulate::<S, T, R, N, COPY>(simd, tile, a, b, block.depth(), copy);
        if let Some(epilogue) = sum.epilogue {
            written_out! { r < R, at_most_six {
                for (v, sum) in tile[r].iter_mut().enumerate() {
                    *sum = epilogue.finish(simd, row + r, cols.start + v * lanes, *sum);
                }
            } }
        }
        let lines = c.from::<R>(row - rows.start);
        written_out! { r < R, at_most_six {
            for (v, sum) in tile[r].iter().enumerate() {
                sum.store(&mut lines[r][v * lanes..width]);
            }
        } }
    }
}

/// The first tile of a strip, which copies what it reads of B.
struct CopyingTile<'s, 'b, 'a, T, E, const N: usize> {
    c: &'s mut MatMut<'a, T>,
    strip: &'s Strip<'b, T, E>,
    copy: &'s mut [T],
}

impl<T: Float, E: Epilogue<T>, const N: usize> Kernel for CopyingTile<'_, '_, '_, T, E, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let CopyingTile { c, strip, copy } = self;
        let (c, row) = (&mut strip.of(c), strip.rows.start);
        match strip.block {
            Block::Rows(a) => strip.tile::<S, MR, N, false, true>(simd, row, a, c, copy),
            Block::Columns(a) => strip.tile::<S, MR, N, false, true>(simd, row, a, c, copy),
        }
    }
}

/// The tiles of a strip, `N` vectors wide or a `PART` of one.
pub(super) struct Tiles<'s, 'b, 'a, T, E, const N: usize, const PART: bool> {
    pub(super) c: &'s mut MatMut<'a, T>,
    pub(super) strip: &'s Strip<'b, T, E>,
}

impl<T, E, const N: usize, const PART: bool> Kernel for Tiles<'_, '_, '_, T, E, N, PART>
where
    T: Float,
    E: Epilogue<T>,
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.strip.block {
            Block::Rows(a) => self.beside(simd, a),
            Block::Columns(a) => self.beside(simd, a),
        }
    }
}

impl<T: Float, E: Epilogue<T>, const N: usize, const PART: bool> Tiles<'_, '_, '_, T, E, N, PART> {
    #[inline(always)]
    fn beside<S: Simd>(self, simd: S, a: &impl Beside<T>) {
        let Tiles { c, strip } = self;
        let c = &mut strip.of(c);
        let Range { start: mut row, end } = strip.rows;
        // Two tiles of four rows take less time than one of six and one of two. Those of packed rows
        // start where a panel does.
        let eight = |left: usize| left == 8 && !strip.block.is_packed();
        while end - row >= MR && !eight(end - row) {
            strip.tile::<S, MR, N, PART, false>(simd, row, a, c, &mut []);
            row += MR;
        }
        if end - row >= MR {
            strip.tile::<S, 4, N, PART, false>(simd, row, a, c, &mut []);
            row += 4;
        }
        match end - row {
            1 => strip.tile::<S, 1, N, PART, false>(simd, row, a, c, &mut []),
            2 => strip.tile::<S, 2, N, PART, false>(simd, row, a, c, &mut []),
            3 => strip.tile::<S, 3, N, PART, false>(simd, row, a, c, &mut []),
            4 => strip.tile::<S, 4, N, PART, false>(simd, row, a, c, &mut []),
            5 => strip.tile::<S, 5, N, PART, false>(simd, row, a, c, &mut []),
            _ => {}
        }
    }
}
