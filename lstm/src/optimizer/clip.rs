//! Gradients cut down to size.

use std::ops::Range;

use kernels::simd::{Float, Isa, Simd, V, Vector};

use super::sweep::{Sweep, Update};

/// How gradients are clipped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Clip {
    /// The norm of each weight's gradient.
    Norm(f64),
    /// The norm of all gradients together.
    GlobalNorm(f64),
    /// Each number.
    Value(f64),
}

impl Clip {
    /// Clips the gradients of the weight `tensors`.
    pub(super) fn run<T: Float>(self, isa: Isa, tensors: &[Range<usize>], grads: &mut [T]) {
        match self {
            // g ← g c / max(‖g‖, c)
            Clip::Norm(clip) => {
                for range in tensors {
                    let grads = &mut grads[range.clone()];
                    let norm = sum_of_squares(grads).sqrt();
                    let largest = if norm <= clip { clip } else { norm }; // NaN, if it is that
                    let (times, over) = (T::from_f64(clip), T::from_f64(largest));
                    let update = Rescale { times, over };
                    isa.run(Sweep { update, written: [grads], read: [] });
                }
            }
            // g ← g c min(1 / ‖g‖, 1 / c), NaN if the norm is not finite.
            Clip::GlobalNorm(clip) => {
                let squares = tensors.iter().map(|range| sum_of_squares(&grads[range.clone()]));
                let norm = squares.sum::<f64>().sqrt();
                let within = clip * (1.0 / norm).min(1.0 / clip);
                let scale = if norm.is_finite() { within } else { f64::NAN };
                let update = Rescale { times: T::from_f64(scale), over: T::ONE };
                for range in tensors {
                    let written = [&mut grads[range.clone()]];
                    isa.run(Sweep { update, written, read: [] });
                }
            }
            Clip::Value(clip) => {
                let update = Limit { limit: T::from_f64(clip) };
                for range in tensors {
                    let written = [&mut grads[range.clone()]];
                    isa.run(Sweep { update, written, read: [] });
                }
            }
        }
    }
}

/// `Σ x²`, in eight partial sums that a CPU can work on at the same time.
pub(super) fn sum_of_squares<T: Float>(xs: &[T]) -> f64 {
    let mut sums = [0.0; 8];
    for xs in xs.chunks(8) {
        for (sum, x) in sums.iter_mut().zip(xs) {
            *sum += x.to_f64() * x.to_f64();
        }
    }
    sums.iter().sum()
}

/// `g ← g times / over`
#[derive(Clone, Copy)]
pub(super) struct Rescale<T> {
    pub(super) times: T,
    pub(super) over: T,
}

impl<T: Float> Update<T, 1, 0> for Rescale<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [g]: [V<S, T>; 1], []: [V<S, T>; 0]) -> [V<S, T>; 1] {
        [g * V::<S, T>::splat(simd, self.times) / V::<S, T>::splat(simd, self.over)]
    }
}

/// `g ← min(max(g, -limit), limit)`
#[derive(Clone, Copy)]
struct Limit<T> {
    limit: T,
}

impl<T: Float> Update<T, 1, 0> for Limit<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [g]: [V<S, T>; 1], []: [V<S, T>; 0]) -> [V<S, T>; 1] {
        let limit = V::<S, T>::splat(simd, self.limit);
        [(-limit).max(limit.min(g))] // in this order a NaN stays one
    }
}
