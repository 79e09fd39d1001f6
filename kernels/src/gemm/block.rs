//! A block of A, packed or where it lies.

use core::ops::Range;

use super::blocking::MR;
use super::job::Job;
use super::microkernel::{Columns, Left, Rows};
use super::pack::Pack;
use super::packed::{Operand, Packed};
use crate::buffer::Buffer;
use crate::matrix::MatRef;
use crate::simd::{Float, Simd};
use crate::strided::Strided;

/// Rows of A, some of their terms.
#[derive(Clone, Copy)]
pub(super) enum Block<'a, T> {
    Rows(BlockRows<'a, T>),
    Columns(BlockColumns<'a, T>),
}

/// Rows where they lie.
#[derive(Clone, Copy)]
pub(super) struct BlockRows<'a, T> {
    rows: Strided<'a, T>,
    /// The first of them.
    first: usize,
}

/// Columns where they lie, or packed in panels.
#[derive(Clone, Copy)]
pub(super) struct BlockColumns<'a, T> {
    elements: &'a [T],
    /// From a column to the next.
    stride: usize,
    /// From a row to the next, where a tile may start.
    step: usize,
    first: usize,
    depth: usize,
    /// Panels, [`MR`] wide.
    packed: bool,
}

impl<'a, T: Float> Block<'a, T> {
    /// All of `a` where it lies, if its rows or its columns are contiguous and there is a term.
    #[inline(always)]
    pub(super) fn in_place(a: &MatRef<'a, T>, first: usize) -> Option<Self> {
        let depth = a.cols();
        if depth == 0 {
            return None;
        }
        if let Some(rows) = a.pieces() {
            return Some(Block::Rows(BlockRows { rows, first }));
        }
        let (elements, stride) = a.t().lines(0, 0)?;
        let columns = BlockColumns { elements, stride, step: 1, first, depth, packed: false };
        Some(Block::Columns(columns))
    }

    /// Whether tiles have to start where a panel does.
    #[inline(always)]
    pub(super) fn is_packed(&self) -> bool {
        matches!(self, Block::Columns(columns) if columns.packed)
    }

    /// Its terms.
    #[inline(always)]
    pub(super) fn depth(&self) -> usize {
        match self {
            Block::Rows(a) => a.rows.len(),
            Block::Columns(a) => a.depth,
        }
    }

    /// The elements of a row, and their distance.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> (&'a [T], usize) {
        match self {
            Block::Rows(a) => {
                let [elements] = a.rows.from(row - a.first);
                (elements, 1)
            }
            Block::Columns(a) => (a.from(row), a.stride),
        }
    }
}

/// What tiles have on the left.
pub(super) trait Beside<T> {
    /// `R` rows, from one on.
    fn tile<const R: usize>(&self, row: usize) -> impl Left<T>;
}

impl<T: Float> Beside<T> for BlockRows<'_, T> {
    #[inline(always)]
    fn tile<const R: usize>(&self, row: usize) -> impl Left<T> {
        Rows::new(self.rows.from::<R>(row - self.first), self.rows.len())
    }
}

impl<'a, T: Float> BlockColumns<'a, T> {
    /// The rows from one on.
    #[inline(always)]
    fn from(&self, row: usize) -> &'a [T] {
        &self.elements[(row - self.first) * self.step..]
    }
}

impl<T: Float> Beside<T> for BlockColumns<'_, T> {
    #[inline(always)]
    fn tile<const R: usize>(&self, row: usize) -> impl Left<T> {
        Columns::<T, R>::new(self.from(row), self.stride, self.depth)
    }
}

impl<'a, T: Float, E> Job<'a, T, E> {
    /// A block of A, if it is to be read where it lies: few panels of B need it.
    #[inline(always)]
    pub(super) fn block_of_a_in_place(
        &self,
        few: bool,
        rows: &Range<usize>,
        depth: &Range<usize>,
    ) -> Option<Block<'a, T>> {
        match self.a {
            Operand::Matrix(a) if few && self.alpha == T::ONE => {
                Block::in_place(&a.block(rows, depth), rows.start)
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
        let first = rows.start;
        let block = |elements| {
            let (stride, step) = (MR, depth.len());
            Block::Columns(BlockColumns {
                elements,
                stride,
                step,
                first,
                depth: step,
                packed: true,
            })
        };
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
