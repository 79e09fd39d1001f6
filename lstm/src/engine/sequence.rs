//! Arrays outside of the engine: batch first, `[batch, steps, width]`, as in Keras.

use kernels::Float;

use super::workspace::Group;

/// The gradient of an output.
#[derive(Clone, Copy, Debug)]
pub enum Gradient<'a, T> {
    /// Zero.
    None,
    /// Of the last step alone: `[batch, units]`.
    Last(&'a [T]),
    /// Of every step: `[batch, steps, units]`.
    Sequence(&'a [T]),
}

impl<'a, T> Gradient<'a, T> {
    /// The gradient at `row` and step `t`, unless it is zero.
    #[inline(always)]
    pub(super) fn at(&self, row: usize, t: usize, units: usize, steps: usize) -> Option<&'a [T]> {
        match self {
            Gradient::None => None,
            Gradient::Last(dy) if t + 1 == steps => dy.chunks_exact(units).nth(row),
            Gradient::Last(_) => None,
            Gradient::Sequence(dy) => dy.chunks_exact(units).nth(row * steps + t),
        }
    }

    /// The gradient of the first `rows` rows, and that of the others.
    pub(super) fn split(self, rows: usize, units: usize, steps: usize) -> (Self, Self) {
        match self {
            Gradient::None => (Gradient::None, Gradient::None),
            Gradient::Last(dy) => {
                let (first, rest) = dy.split_at((rows * units).min(dy.len()));
                (Gradient::Last(first), Gradient::Last(rest))
            }
            Gradient::Sequence(dy) => {
                let (first, rest) = dy.split_at((rows * steps * units).min(dy.len()));
                (Gradient::Sequence(first), Gradient::Sequence(rest))
            }
        }
    }
}

/// Step `t` of the rows of `group`, from `[batch, steps, width]` to rows `stride` apart.
#[inline(always)]
pub(super) fn read_rows<T: Float>(
    (array, steps, width): (&[T], usize, usize),
    group: Group,
    t: usize,
    rows: &mut [T],
    stride: usize,
) {
    for (row, out) in (group.first..).zip(rows.chunks_exact_mut(stride.max(1))) {
        out[..width].copy_from_slice(&array[(row * steps + t) * width..][..width]);
    }
}

/// Step `t` of the rows of `group`, from rows `stride` apart to `[batch, steps, width]`.
#[inline(always)]
pub(super) fn write_rows<T: Float>(
    rows: &[T],
    stride: usize,
    (array, steps, width): (&mut [T], usize, usize),
    group: Group,
    t: usize,
) {
    for (row, from) in (group.first..).zip(rows.chunks_exact(stride.max(1))) {
        array[(row * steps + t) * width..][..width].copy_from_slice(&from[..width]);
    }
}
