//! Copies of operands in the order in which the register tile reads them.

use core::ops::Range;

use super::blocking::Blocking;
use crate::buffer::Buffer;
use crate::matrix::MatRef;
use crate::simd::{Float, Isa};

/// Cuts `range` into pieces of `step`, the last one short. An empty range is one empty piece.
#[inline(always)]
pub(super) fn pieces(range: Range<usize>, step: usize) -> impl Iterator<Item = Range<usize>> {
    let count = range.len().div_ceil(step).max(1);
    (0..count).map(move |i| {
        let start = range.start + i * step;
        start..range.end.min(start + step)
    })
}

/// Panels of `width` columns of `b`, one after another, each of them row after row; zeros past the
/// last column. A block of A is packed as one of its transpose.
#[inline(always)]
pub(super) fn pack<T: Float>(
    width: usize,
    b: MatRef<T>,
    depth: Range<usize>,
    cols: Range<usize>,
    out: &mut [T],
) {
    for (panel, out) in pieces(cols, width).zip(out.chunks_exact_mut(width * depth.len().max(1))) {
        pack_panel(width, b, depth.clone(), panel, out);
    }
}

/// One panel of [`pack`].
#[inline(always)]
pub(super) fn pack_panel<T: Float>(
    width: usize,
    b: MatRef<T>,
    depth: Range<usize>,
    cols: Range<usize>,
    out: &mut [T],
) {
    let rows = depth.clone().zip(out.chunks_exact_mut(width));
    if b.row(0, cols.clone()).is_some() {
        for (p, out) in rows {
            let row = b.row(p, cols.clone()).unwrap_or(&[]);
            out[..row.len()].copy_from_slice(row);
            out[row.len()..].fill(T::ZERO);
        }
    } else if let Some(columns) = b.t().row(0, depth.clone()).map(|_| b.t()) {
        // Columns are contiguous: read them one by one, write with a stride.
        for (j, at) in cols.clone().zip(0..) {
            let column = columns.row(j, depth.clone()).unwrap_or(&[]);
            for (out, &x) in out.chunks_exact_mut(width).zip(column) {
                out[at] = x;
            }
        }
        for out in out.chunks_exact_mut(width) {
            out[cols.len()..].fill(T::ZERO);
        }
    } else {
        for (p, out) in rows {
            for (out, j) in out.iter_mut().zip(cols.clone()) {
                *out = b.at(p, j);
            }
            out[cols.len()..].fill(T::ZERO);
        }
    }
}

/// Which operand of a product a [`Packed`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// An operand packed once, for many products on the same instruction set.
#[derive(Clone, Debug)]
pub struct Packed<T> {
    isa: Isa,
    side: Side,
    depth: usize,
    extent: usize,
    width: usize,
    kc: usize,
    data: Buffer<T>,
}

impl<T: Float> Packed<T> {
    /// The left operand A of products `A B` on `isa`.
    pub fn left(isa: Isa, a: MatRef<T>) -> Self {
        let mut packed = Packed::empty(isa, Side::Left);
        packed.pack(a.t());
        packed
    }

    /// The right operand B of products `A B` on `isa`.
    pub fn right(isa: Isa, b: MatRef<T>) -> Self {
        let mut packed = Packed::empty(isa, Side::Right);
        packed.pack(b);
        packed
    }

    /// Packs another A in place of the one before, in the same memory if it is not larger.
    ///
    /// # Panics
    ///
    /// If this is a right operand.
    #[track_caller]
    pub fn repack_left(&mut self, a: MatRef<T>) {
        assert_eq!(self.side, Side::Left, "a right operand repacked as a left one");
        self.pack(a.t());
    }

    /// Packs another B in place of the one before, in the same memory if it is not larger.
    ///
    /// # Panics
    ///
    /// If this is a left operand.
    #[track_caller]
    pub fn repack_right(&mut self, b: MatRef<T>) {
        assert_eq!(self.side, Side::Right, "a left operand repacked as a right one");
        self.pack(b);
    }

    fn empty(isa: Isa, side: Side) -> Self {
        let sizes = Blocking::on::<T>(isa);
        let width = match side {
            Side::Left => sizes.mr,
            Side::Right => sizes.nr,
        };
        Packed { isa, side, depth: 0, extent: 0, width, kc: sizes.kc, data: Buffer::new() }
    }

    fn pack(&mut self, b: MatRef<T>) {
        (self.depth, self.extent) = (b.rows(), b.cols());
        let padded = self.extent.next_multiple_of(self.width);
        self.data.resize(self.depth * padded);
        let mut rest = &mut self.data[..];
        for depth in pieces(0..self.depth, self.kc) {
            let (block, after) = rest.split_at_mut(depth.len() * padded);
            pack(self.width, b, depth, 0..self.extent, block);
            rest = after;
        }
    }

    /// Panels of one depth block, from panel `first` on.
    #[inline(always)]
    fn panels(&self, depth: &Range<usize>, first: usize) -> &[T] {
        let padded = self.extent.next_multiple_of(self.width);
        let block = &self.data[depth.start * padded..depth.end * padded];
        &block[first * self.width * depth.len()..]
    }
}

/// An operand of a product: a matrix where it lies, or packed before.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a, T> {
    /// Packed on the way, where that pays.
    Matrix(MatRef<'a, T>),
    /// Packed by [`Packed::left`] or [`Packed::right`].
    Packed(&'a Packed<T>),
}

impl<'a, T> From<MatRef<'a, T>> for Operand<'a, T> {
    fn from(matrix: MatRef<'a, T>) -> Self {
        Operand::Matrix(matrix)
    }
}

impl<'a, T> From<&'a Packed<T>> for Operand<'a, T> {
    fn from(packed: &'a Packed<T>) -> Self {
        Operand::Packed(packed)
    }
}

impl<'a, T: Float> Operand<'a, T> {
    /// `(m, k)` of a left operand.
    #[track_caller]
    pub(super) fn left_size(&self) -> (usize, usize) {
        match self {
            Operand::Matrix(a) => (a.rows(), a.cols()),
            Operand::Packed(a) => {
                assert_eq!(a.side, Side::Left, "A was packed as a right operand");
                (a.extent, a.depth)
            }
        }
    }

    /// `(k, n)` of a right operand.
    #[track_caller]
    pub(super) fn right_size(&self) -> (usize, usize) {
        match self {
            Operand::Matrix(b) => (b.rows(), b.cols()),
            Operand::Packed(b) => {
                assert_eq!(b.side, Side::Right, "B was packed as a left operand");
                (b.depth, b.extent)
            }
        }
    }

    /// Whether the operand fits products on `isa`: a matrix always does.
    pub(super) fn is_for(&self, isa: Isa) -> bool {
        match self {
            Operand::Matrix(_) => true,
            Operand::Packed(packed) => packed.isa.name() == isa.name(),
        }
    }

    /// The panels of a block, if they were packed before.
    #[inline(always)]
    pub(super) fn panels(&self, depth: &Range<usize>, first: usize) -> Option<&'a [T]> {
        match self {
            Operand::Matrix(_) => None,
            Operand::Packed(packed) => Some(packed.panels(depth, first)),
        }
    }
}
