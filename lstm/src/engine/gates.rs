//! How the gates of a row lie where lanes run over units: `[line][i f g o][units of the line]`.
//!
//! A line is a cache line of units, whatever the lanes of a vector are; the last one has as many whole vectors
//! as it needs. Backward adds up over all gates of a row, in the order in which they lie: so that is the same
//! on every instruction set.

use kernels::simd::{Float, Simd, V, Vector};

/// Units of a line.
pub(super) const fn line<T>() -> usize {
    64 / size_of::<T>()
}

/// Where the first gate of a unit lies in a row.
#[inline(always)]
pub(super) const fn place<T>(unit: usize) -> usize {
    let line = line::<T>();
    unit / line * (4 * line) + unit % line
}

/// From a gate of a unit to the next, in a row of so many units, padded to whole vectors.
#[inline(always)]
pub(super) fn between<T>(lanes: usize, width: usize, unit: usize) -> usize {
    let line = line::<T>();
    if lanes == line { line } else { line.min(width - unit / line * line) }
}

/// `G` gates of a vector of units, with the first of which `gates` begins, so far apart.
#[inline(always)]
pub(super) fn load<S: Simd, T: Float, const G: usize>(
    simd: S,
    gates: &[T],
    between: usize,
) -> [V<S, T>; G] {
    let lanes = V::<S, T>::LANES;
    let mut vectors = [V::<S, T>::splat(simd, T::ZERO); G];
    let gates = &gates[..(G - 1) * between + lanes];
    for (gate, vector) in vectors.iter_mut().enumerate() {
        *vector = V::<S, T>::load(simd, &gates[gate * between..][..lanes]);
    }
    vectors
}
