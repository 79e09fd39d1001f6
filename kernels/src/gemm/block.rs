//! A block of A, packed or where it lies.

use core::ops::Range;

use super::job::Job;
use super::microkernel::Left;
use super::pack::Pack;
use super::packed::Operand;
use crate::buffer::Buffer;
use crate::matrix::MatRef;
use crate::simd::{Float, Simd};
use crate::unroll::written_out;

/// A block of A.
#[derive(Clone, Copy)]
pub(super) enum BlockA<'a, T> {
    /// Panels, `mr` wide.
    Packed(&'a [T]),
    /// Where it lies, neighbours in a row next to each other.
    Rows(MatRef<'a, T>),
    /// Where it lies, neighbours in a column next to each other.
    Columns(MatRef<'a, T>),
}

/// A block of A, and what it covers.
#[derive(Clone, Copy)]
pub(super) struct Block<'a, T> {
    pub(super) a: BlockA<'a, T>,
    pub(super) rows: &'a Range<usize>,
    pub(super) depth: &'a Range<usize>,
}

impl<T: Float, E> Job<'_, T, E> {
    /// A block of A, packed if it will be read often.
    #[inline(always)]
    pub(super) fn block_of_a<'a, S: Simd>(
        &'a self,
        simd: S,
        few: bool,
        rows: &Range<usize>,
        depth: &Range<usize>,
        memory: &'a mut Buffer<T>,
    ) -> BlockA<'a, T> {
        let Job { a, alpha, sizes, .. } = self;
        let (mr, one) = (sizes.mr, *alpha == T::ONE);
        match *a {
            Operand::Packed(a) if one => {
                BlockA::Packed(&a.panels(depth)[rows.start / mr * mr * depth.len()..])
            }
            Operand::Matrix(a) if one && few && a.has_lines() => BlockA::Rows(a),
            Operand::Matrix(a) if one && few && a.t().has_lines() => BlockA::Columns(a),
            _ => {
                memory.resize(rows.len().next_multiple_of(mr) * depth.len());
                match *a {
                    Operand::Matrix(a) => {
                        let (depth, cols) = (depth.clone(), rows.clone());
                        simd.run(Pack { width: mr, b: a.t(), depth, cols, out: memory });
                    }
                    Operand::Packed(a) => {
                        let panels = &a.panels(depth)[rows.start / mr * mr * depth.len()..];
                        let len = memory.len();
                        memory.copy_from_slice(&panels[..len]);
                    }
                }
                if !one {
                    memory.iter_mut().for_each(|a| *a = *alpha * *a);
                }
                BlockA::Packed(memory)
            }
        }
    }
}

impl<'a, T: Float> Block<'a, T> {
    /// Some rows of it.
    #[inline(always)]
    pub(super) fn left<const R: usize>(&self, mr: usize, rows: &Range<usize>) -> Left<'a, T, R> {
        let depth = self.depth;
        match self.a {
            BlockA::Packed(panels) => {
                Left::Columns(&panels[(rows.start - self.rows.start) * depth.len()..], mr)
            }
            // Rows past the last repeat it.
            BlockA::Rows(a) => {
                let mut lines: [&[T]; R] = [&[]; R];
                written_out! { r < R {
                    let row = (rows.start + r).min(rows.end - 1);
                    lines[r] = a.row(row, depth.clone()).unwrap_or(&[]);
                } }
                Left::Rows(lines)
            }
            BlockA::Columns(a) => match a.t().lines(depth.start, rows.start) {
                Some((columns, stride)) => Left::Columns(columns, stride),
                None => Left::Columns(&[], 1),
            },
        }
    }
}
