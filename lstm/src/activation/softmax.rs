//! Softmax over rows.

use kernels::math;
use kernels::simd::{Float, Kernel, Simd, V, Vector};

/// `y = e^(x - max x) / Σ e^(x - max x)` of each row.
pub(super) struct Softmax<'a, T> {
    pub(super) units: usize,
    pub(super) x: &'a mut [T],
}

impl<T: Float> Kernel for Softmax<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let lanes = V::<S, T>::LANES;
        for row in self.x.chunks_mut(self.units) {
            // A NaN is larger than nothing here, and still reaches every output by way of the sum.
            let top = row.iter().copied().fold(row[0], |top, x| if x > top { x } else { top });
            for xs in row.chunks_mut(lanes) {
                let x = V::<S, T>::load(simd, xs) - V::<S, T>::splat(simd, top);
                math::exp(simd, x).store(xs);
            }
            let sum = row.iter().copied().fold(T::ZERO, |sum, x| sum + x);
            row.iter_mut().for_each(|x| *x = *x / sum);
        }
    }
}

/// `dx = y (dy - Σ dy y)` of each row.
pub(super) fn backward<T: Float>(units: usize, y: &[T], dy: &mut [T]) {
    for (y, dy) in y.chunks(units).zip(dy.chunks_mut(units)) {
        let dot = y.iter().zip(&*dy).fold(T::ZERO, |sum, (&y, &dy)| sum + y * dy);
        for (&y, dy) in y.iter().zip(dy) {
            *dy = y * (*dy - dot);
        }
    }
}
