//! Operands that were packed before, and those that were not.

use core::ops::Range;

use super::block::Block;
use super::blocking::Blocking;
use super::pack::{Pack, pieces};
use super::tile::Panels;
use crate::buffer::Buffer;
use crate::matrix::MatRef;
use crate::simd::{Float, Isa};

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
        self.data.refit(self.depth * padded);
        let mut rest = &mut self.data[..];
        for depth in pieces(0..self.depth, self.kc) {
            let (block, after) = rest.split_at_mut(depth.len() * padded);
            let b = b.block(&depth, &(0..self.extent));
            self.isa.run(Pack { width: self.width, b, out: block });
            rest = after;
        }
    }

    /// The panels of a block of the depth.
    #[inline(always)]
    pub(super) fn panels(&self, depth: &Range<usize>) -> &[T] {
        let padded = self.extent.next_multiple_of(self.width);
        &self.data[depth.start * padded..depth.end * padded]
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

    /// Whether tiles can read a left operand, which has a term, where it lies: its rows or its columns are
    /// contiguous.
    #[inline(always)]
    pub(super) fn left_lies_well(&self) -> bool {
        matches!(self, Operand::Matrix(a) if a.has_lines() || a.t().has_lines())
    }

    /// Whether tiles can read a right operand where it lies: its rows are contiguous, or all of its terms are in
    /// one block.
    #[inline(always)]
    pub(super) fn right_lies_well(&self) -> bool {
        match self {
            Operand::Matrix(b) => b.has_lines(),
            Operand::Packed(b) => b.depth <= b.kc,
        }
    }

    /// Whether vectors of a right operand where it lies [cross lines](Panels::are_crooked).
    #[inline]
    pub(super) fn is_crooked(&self, lanes: usize) -> bool {
        match self {
            Operand::Matrix(b) => Panels::in_place(*b, 0).is_some_and(|b| b.are_crooked(lanes)),
            Operand::Packed(_) => false,
        }
    }

    /// A left operand where it lies, if its rows or its columns are contiguous and it has a term.
    #[inline(always)]
    pub(super) fn left_in_place(&self) -> Option<Block<'a, T>> {
        match self {
            Operand::Matrix(a) => Block::in_place(a, 0),
            Operand::Packed(_) => None,
        }
    }

    /// The columns of a right operand with `k` terms, where it lies, if its rows are contiguous or
    /// all of them are in one block.
    #[inline(always)]
    pub(super) fn panels(&self, k: usize) -> Option<Panels<'a, T>> {
        match self {
            Operand::Matrix(b) => Panels::in_place(*b, 0),
            Operand::Packed(b) => {
                (k <= b.kc).then(|| Panels::packed(b.panels(&(0..k)), b.width, k))
            }
        }
    }

    /// Whether the operand fits products on `isa`: a matrix always does.
    pub(super) fn is_for(&self, isa: Isa) -> bool {
        match self {
            Operand::Matrix(_) => true,
            Operand::Packed(packed) => packed.isa == isa,
        }
    }
}
