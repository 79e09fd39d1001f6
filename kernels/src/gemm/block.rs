//! A block of A, packed or where it lies.

use core::ops::Range;

use super::blocking::MR;
use super::job::Job;
use super::pack::Pack;
use super::packed::{Operand, Packed};
use crate::buffer::Buffer;
use crate::matrix::MatRef;
use crate::simd::{Float, Simd};

/// Rows of A, some of their terms.
#[derive(Clone, Copy)]
pub(super) struct Block<'a, T> {
    a: BlockA<'a, T>,
    /// Where it starts.
    pub(super) first: usize,
    pub(super) depth: usize,
}

#[derive(Clone, Copy)]
enum BlockA<'a, T> {
    /// Panels, [`MR`] wide.
    Packed(&'a [T]),
    /// Where it lies, its rows or its columns contiguous.
    InPlace(&'a MatRef<'a, T>),
}

impl<'a, T: Float> Block<'a, T> {
    /// All of `a` where it lies: its rows or its columns are contiguous, and there is a term.
    #[inline(always)]
    pub(super) fn in_place(a: &'a MatRef<'a, T>, first: usize) -> Self {
        Block { a: BlockA::InPlace(a), first, depth: a.cols() }
    }

    /// Whether tiles have to start where a panel does.
    #[inline(always)]
    pub(super) fn is_packed(&self) -> bool {
        matches!(self.a, BlockA::Packed(_))
    }

    /// Its rows where they lie, if they are contiguous.
    #[inline(always)]
    pub(super) fn rows(&self) -> Option<&'a MatRef<'a, T>> {
        match self.a {
            BlockA::InPlace(a) if a.has_lines() => Some(a),
            _ => None,
        }
    }

    /// The elements of a row, and their distance.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> (&'a [T], usize) {
        match self.rows() {
            Some(a) => (a.row(row - self.first, 0..self.depth).unwrap_or(&[]), 1),
            None => {
                let (elements, stride, step) = self.columns();
                (&elements[(row - self.first) * step..], stride)
            }
        }
    }

    /// Its columns otherwise: all elements, the distance of columns, and that of rows where a tile
    /// may start.
    #[inline(always)]
    pub(super) fn columns(&self) -> (&'a [T], usize, usize) {
        match self.a {
            BlockA::Packed(panels) => (panels, MR, self.depth),
            BlockA::InPlace(a) => {
                let (columns, stride) = a.t().lines(0, 0).unwrap_or((&[], 1));
                (columns, stride, 1)
            }
        }
    }
}

/// Whether tiles can read `a` where it lies: its rows or its columns are contiguous.
#[inline(always)]
pub(super) fn lies_well<T: Copy>(a: &MatRef<T>) -> bool {
    a.cols() > 0 && (a.has_lines() || a.t().has_lines())
}

impl<'a, T: Float, E> Job<'a, T, E> {
    /// A block of A, if it is to be read where it lies: few panels of B need it.
    #[inline(always)]
    pub(super) fn a_in_place(
        &self,
        few: bool,
        rows: &Range<usize>,
        depth: &Range<usize>,
    ) -> Option<MatRef<'a, T>> {
        match self.a {
            Operand::Matrix(a) if few && self.alpha == T::ONE => {
                Some(a.block(rows, depth)).filter(lies_well)
            }
            _ => None,
        }
    }

    /// A block of A that was packed before, or is now.
    #[inline(always)]
    pub(super) fn packed_block_of_a<'b, S: Simd>(
        &'b self,
        simd: S,
        rows: &Range<usize>,
        depth: &Range<usize>,
        memory: &'b mut Buffer<T>,
    ) -> Block<'b, T> {
        let Job { a, alpha, .. } = self;
        let panels = |a: &'b Packed<T>| &a.panels(depth)[rows.start / MR * MR * depth.len()..];
        let block = |a| Block { a: BlockA::Packed(a), first: rows.start, depth: depth.len() };
        let one = *alpha == T::ONE;
        if let (Operand::Packed(a), true) = (a, one) {
            return block(panels(a));
        }
        memory.refit(rows.len().next_multiple_of(MR) * depth.len());
        match *a {
            Operand::Matrix(a) => {
                simd.run(Pack { width: MR, b: a.block(rows, depth).t(), out: memory });
            }
            Operand::Packed(a) => {
                let len = memory.len();
                memory.copy_from_slice(&panels(a)[..len]);
            }
        }
        if !one {
            memory.iter_mut().for_each(|a| *a = *alpha * *a);
        }
        block(memory)
    }
}
