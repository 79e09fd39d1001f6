//! The arithmetic of one row, where a group, or what a thread has of it, is no more.
//!
//! Each weight is used once: several vectors side by side share the elements of `h₋`, and have as many
//! chains of multiply-adds as the CPU can work on.

use std::ops::Range;

use kernels::gemm::accumulate_abreast;
use kernels::simd::{Float, Kernel, Simd, V, Vector};

use super::pack::Packed;
use super::{NV, Step, tile};
use crate::engine::cell::{self, Run};
use crate::engine::gates::{self, between, line, place};

/// Vectors of a forward tile, at most.
const ABREAST: usize = 4;

impl<T: Float> Step<'_, T> {
    /// `count` vectors of the only row, the first of which is this one of the layer. The last come first
    /// if it is `reversed`.
    #[inline(always)]
    pub(super) fn row<S: Simd>(mut self, simd: S, first: usize, count: usize, reversed: bool) {
        let most = match count {
            ..ABREAST => 2,
            // One by one, so that some of them are still in L1 for the next step.
            ABREAST => 1,
            _ => ABREAST,
        };
        let most = if S::REGISTERS >= 32 { most } else { 2 };
        let mut left = 0..count;
        while !left.is_empty() {
            let part = part(&mut left, most, reversed);
            match part.len() {
                ABREAST => {
                    tile(simd, Tile::<T, ABREAST> { step: &mut self, first, done: part.start })
                }
                2 => tile(simd, Tile::<T, 2> { step: &mut self, first, done: part.start }),
                _ => tile(simd, Tile::<T, 1> { step: &mut self, first, done: part.start }),
            }
        }
    }
}

/// `N` vectors of a step, after so many: the cells follow while `z` is at hand.
struct Tile<'s, 'a, T, const N: usize> {
    step: &'s mut Step<'a, T>,
    first: usize,
    done: usize,
}

impl<T: Float, const N: usize> Kernel for Tile<'_, '_, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Tile { step, first, done } = self;
        let lanes = V::<S, T>::LANES;
        let (at, first) = (done * lanes, first + done);
        let between = between::<T>(lanes, step.width, first * lanes);
        let h_prev = &step.h_prev[..step.units];
        let row = Row { weights: step.weights, between, x: step.x, h_prev, first };
        let z = row.sums(simd, step.gates.get(place::<T>(at)..).unwrap_or(&[]));
        // Either each vector is a line, or all of them lie in one.
        let gate_stride = if lanes == line::<T>() { 4 * lanes } else { lanes };
        let Step { gates, a, .. } = step;
        let kept = a.as_deref_mut().map(|a| (&mut gates[place::<T>(at)..], &mut a[at..]));
        step.activations.forward_at_hand::<S, T, N>(
            simd,
            z,
            cell::Forward {
                run: Run { count: N, stride: lanes, gate_stride, between },
                c_prev: &step.c_prev[at..],
                c: &mut step.c[at..],
                h: &mut step.h[at..],
                kept,
            },
        );
    }
}

/// Takes the next part of `left`: of as many as `most`, a power of two, of two, or one, largest first from zero
/// on; the last of them first if it is `reversed`.
#[inline(always)]
pub(super) fn part(left: &mut Range<usize>, most: usize, reversed: bool) -> Range<usize> {
    if reversed {
        let len = match left.end % most {
            0 => most,
            rest => 2 - rest % 2,
        };
        left.end -= len;
        left.end..left.end + len
    } else {
        let len = if left.len() >= most { most } else { left.len().min(2) };
        left.start += len;
        left.start - len..left.start
    }
}

/// The operands of a forward tile.
struct Row<'a, T> {
    weights: &'a Packed<T>,
    /// From a gate to the next, in what a tile starts from.
    between: usize,
    /// Nothing if `b + x W` is there already.
    x: Option<&'a [T]>,
    h_prev: &'a [T],
    first: usize,
}

impl<T: Float> Row<'_, T> {
    /// `z = b + x W + h₋ U` for `N` vectors of units.
    #[inline(always)]
    fn sums<S: Simd, const N: usize>(&self, simd: S, hoisted: &[T]) -> [[V<S, T>; 4]; N] {
        let start = match self.x {
            Some(_) => &self.weights.bias[place::<T>(self.first * V::<S, T>::LANES)..],
            None => hoisted,
        };
        let mut tile = [[V::<S, T>::splat(simd, T::ZERO); 4]; N];
        for (n, tile) in tile.iter_mut().enumerate() {
            let start = &start[place::<T>(n * V::<S, T>::LANES)..];
            *tile = gates::load(simd, start, self.between);
        }
        if let Some(x) = self.x {
            tile = accumulate(simd, tile, x, &self.weights.kernel, self.first);
        }
        accumulate(simd, tile, self.h_prev, &self.weights.recurrent, self.first)
    }
}

/// `tile[n] += a B[n]` with `N` neighbouring panels of B, the first of which is this one.
#[inline(always)]
fn accumulate<S: Simd, T: Float, const N: usize, const NV: usize>(
    simd: S,
    tile: [[V<S, T>; NV]; N],
    a: &[T],
    panels: &[T],
    first: usize,
) -> [[V<S, T>; NV]; N] {
    let panel = a.len() * NV * V::<S, T>::LANES;
    let mut abreast = [&[][..]; N];
    for (n, abreast) in abreast.iter_mut().enumerate() {
        *abreast = &panels[(first + n) * panel..][..panel];
    }
    accumulate_abreast::<S, T, N, NV, 0>(simd, tile, (a, 1), abreast)
}

/// `dh = dz Uᵀ` for some blocks of `NV` vectors of a layer, the first of which is this one and that `dh`
/// begins with. The last come first if it is `reversed`.
#[inline(always)]
pub(super) fn product<S: Simd, T: Float>(
    simd: S,
    (weights, units): (&Packed<T>, usize),
    (first, blocks): (usize, usize),
    dz: &[T],
    dh: &mut [T],
    reversed: bool,
) {
    // The chain of so few is what takes time: no terms of padding, which change no
    // sum but the sign of a zero, and that is not to be seen from outside.
    if units < line::<T>() && (first, blocks) == (0, 1) {
        let lanes = V::<S, T>::LANES;
        let between = dz.len() / 4;
        let mut tile = [[V::<S, T>::splat(simd, T::ZERO); NV]];
        for gate in 0..4 {
            let from = gate * between;
            let panel = &weights.recurrent_t[from * NV * lanes..][..units * NV * lanes];
            let dz = (&dz[from..from + units], 1);
            tile = accumulate_abreast::<S, T, 1, NV, 0>(simd, tile, dz, [panel]);
        }
        let [tile] = tile;
        for (sum, dh) in tile.iter().zip(dh.chunks_exact_mut(lanes)) {
            sum.store(dh);
        }
        return;
    }

    #[inline(always)]
    fn store<S: Simd, T: Float, const N: usize>(
        simd: S,
        (panels, first): (&[T], usize),
        dz: &[T],
        dh: &mut [T],
    ) {
        let zero = [[V::<S, T>::splat(simd, T::ZERO); NV]; N];
        let tile = accumulate(simd, zero, dz, panels, first);
        // The last block may have one vector only.
        for (sum, dh) in tile.iter().flatten().zip(dh.chunks_exact_mut(V::<S, T>::LANES)) {
            sum.store(dh);
        }
    }

    let block = NV * V::<S, T>::LANES;
    let panels = &weights.recurrent_t[..];
    let mut left = 0..blocks;
    while !left.is_empty() {
        let part = part(&mut left, 4, reversed);
        let (from, dh) = ((panels, first + part.start), &mut dh[part.start * block..]);
        match part.len() {
            4 => store::<S, T, 4>(simd, from, dz, dh),
            2 => store::<S, T, 2>(simd, from, dz, dh),
            _ => store::<S, T, 1>(simd, from, dz, dh),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_same_from_either_end() {
        for (most, count, expected) in [
            (4, 11, &[0..4, 4..8, 8..10, 10..11][..]),
            (4, 3, &[0..2, 2..3]),
            (4, 6, &[0..4, 4..6]),
            (2, 5, &[0..2, 2..4, 4..5]),
            (1, 3, &[0..1, 1..2, 2..3]),
            (4, 0, &[]),
        ] {
            let parts = |reversed| {
                let mut left = 0..count;
                let next = || (!left.is_empty()).then(|| part(&mut left, most, reversed));
                std::iter::from_fn(next).collect::<Vec<_>>()
            };
            assert_eq!(parts(false), expected);
            assert!(parts(true).iter().rev().eq(expected));
        }
    }
}
