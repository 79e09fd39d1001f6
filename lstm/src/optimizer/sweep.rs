//! One pass over weights, gradients and what an optimizer remembers, in vectors.

use kernels::simd::{Float, Kernel, Simd, V, Vector};

/// What becomes of `W` numbers that are overwritten, given `R` more: once for all lanes.
pub(super) trait Update<T: Float, const W: usize, const R: usize> {
    /// The new values. Mark it `#[inline(always)]`.
    fn update<S: Simd>(&self, simd: S, written: [V<S, T>; W], read: [V<S, T>; R]) -> [V<S, T>; W];
}

// Weights without gradients would be left with subnormal numbers, in what is remembered of gradients long ago, and some
// CPUs are slow at them. So each rule flushes what decays.

/// A gradient for rules that square it: zero where its square would be subnormal, or near to that. The gradient itself,
/// too: a mean of gradients must not outlive that of their squares, which it is divided by.
#[inline(always)]
pub(super) fn squarable<S: Simd, T: Float>(simd: S, g: V<S, T>) -> V<S, T> {
    // A power of two, whose square is a number that is kept.
    let least = V::<S, T>::splat(simd, T::FLUSH_MIN + T::FLUSH_MIN).sqrt();
    V::<S, T>::select_gt(least, g.abs(), V::<S, T>::splat(simd, T::ZERO), g)
}

/// A mean of squares after this one: flushed once squares are zero.
#[inline(always)]
pub(super) fn of_squares<S: Simd, X: Vector<S>>(mean: X, square: X) -> X {
    mean.flush_with(mean.max(square))
}

/// An [`Update`] of whole arrays, all of the same length.
pub(super) struct Sweep<'a, T, U, const W: usize, const R: usize> {
    pub(super) update: U,
    pub(super) written: [&'a mut [T]; W],
    pub(super) read: [&'a [T]; R],
}

impl<T, U, const W: usize, const R: usize> Kernel for Sweep<'_, T, U, W, R>
where
    T: Float,
    U: Update<T, W, R>,
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Sweep { update, written, read } = self;
        let (lanes, len) = (V::<S, T>::LANES, written[0].len());
        let mut written = written.map(|xs| &mut xs[..len]);
        let read = read.map(|xs| &xs[..len]);
        let zero = V::<S, T>::splat(simd, T::ZERO);
        for at in 0..len.div_ceil(lanes) {
            let at = at * lanes;
            let (mut new, mut given) = ([zero; W], [zero; R]);
            for (lane, xs) in new.iter_mut().zip(&written) {
                *lane = V::<S, T>::load(simd, &xs[at..]);
            }
            for (lane, xs) in given.iter_mut().zip(&read) {
                *lane = V::<S, T>::load(simd, &xs[at..]);
            }
            let new = update.update(simd, new, given);
            for (lane, xs) in new.into_iter().zip(&mut written) {
                lane.store(&mut xs[at..]);
            }
        }
    }
}
