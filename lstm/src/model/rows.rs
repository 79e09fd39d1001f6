//! The samples of a batch.

use std::ops::Range;

use kernels::Buffer;

use crate::error::{Error, Result};
use crate::float::Float;
use crate::tensor::Tensor;

/// The samples of a batch, where `wanted` are asked for and there are `samples` in all.
pub(super) fn batch_size(wanted: usize, samples: usize) -> Result<usize> {
    match wanted {
        0 => Err(Error::invalid("batch_size", "it must be positive")),
        wanted => Ok(wanted.min(samples)),
    }
}

/// Some rows of a tensor.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rows<'a> {
    /// From one to before another.
    Range(usize, usize),
    These(&'a [usize]),
}

impl Rows<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Rows::Range(start, end) => end - start,
            Rows::These(rows) => rows.len(),
        }
    }

    /// Copies the rows, one after another.
    pub(super) fn copy<T: Float>(&self, from: &Tensor<T>, to: &mut [T]) {
        let size = from.data().len() / from.batch();
        match self {
            Rows::Range(start, end) => {
                to.copy_from_slice(&from.data()[start * size..end * size]);
            }
            Rows::These(rows) => {
                for (&row, to) in rows.iter().zip(to.chunks_exact_mut(size.max(1))) {
                    to.copy_from_slice(&from.data()[row * size..][..size]);
                }
            }
        }
    }

    /// The same, of some steps of each: `from` is `[rows, steps, …]`.
    pub(super) fn copy_steps<T: Float>(&self, from: &Tensor<T>, steps: Range<usize>, to: &mut [T]) {
        let row = from.data().len() / from.batch();
        let step = row / from.shape()[1];
        let mut to = to.chunks_exact_mut((steps.len() * step).max(1));
        let mut copy = |at: usize| {
            if let Some(to) = to.next() {
                to.copy_from_slice(&from.data()[at * row + steps.start * step..][..to.len()]);
            }
        };
        match self {
            Rows::Range(start, end) => (*start..*end).for_each(&mut copy),
            Rows::These(rows) => rows.iter().copied().for_each(&mut copy),
        }
    }

    /// The rows, where they lie or copied to `room`.
    pub(super) fn of<'a, T: Float>(
        &self,
        tensor: &'a Tensor<T>,
        room: &'a mut Buffer<T>,
    ) -> &'a [T] {
        let size = tensor.data().len() / tensor.batch();
        match self {
            Rows::Range(start, end) => &tensor.data()[start * size..end * size],
            Rows::These(rows) => {
                room.resize(rows.len() * size);
                self.copy(tensor, room);
                room
            }
        }
    }
}
