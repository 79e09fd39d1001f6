//! The arithmetic of a batch of one row.
//!
//! Each weight is used once: several vectors side by side share the elements of `h₋`, and have as many
//! chains of multiply-adds as the CPU can work on.

use kernels::gemm::accumulate_abreast;
use kernels::simd::{Float, MAX_LANES, Simd, V, Vector};

use super::pack::Packed;
use super::{NV, Step};
use crate::engine::cell::{self, Run};
use crate::engine::gates::{self, between, line, place};

/// Vectors of a forward tile, at most.
const ABREAST: usize = 4;

impl<T: Float> Step<'_, T> {
    /// `count` vectors of the only row, the first of which is this one of the layer.
    /// Their cells follow together.
    #[inline(always)]
    pub(super) fn row<S: Simd>(self, simd: S, first: usize, count: usize) {
        let Step {
            activations, weights, units, width, x, h_prev, c_prev, h, c, gates, mut a, ..
        } = self;
        let lanes = V::<S, T>::LANES;
        let mut z = [T::ZERO; ABREAST * 4 * MAX_LANES];
        let z = &mut z;
        let mut done = 0;
        while done < count {
            let at = done * lanes;
            let first = first + done;
            let between = between::<T>(lanes, width, first * lanes);
            let row = Row { weights, between, x, h_prev: &h_prev[..units], first };
            let hoisted = gates.get(place::<T>(at)..).unwrap_or(&[]);
            let vectors = match count - done {
                ABREAST.. if S::REGISTERS >= 32 => row.store::<S, ABREAST>(simd, hoisted, z),
                2.. => row.store::<S, 2>(simd, hoisted, z),
                _ => row.store::<S, 1>(simd, hoisted, z),
            };
            done += vectors;
            // Either each vector is a line, or all of them lie in one.
            let gate_stride = if lanes == line::<T>() { 4 * lanes } else { lanes };
            activations.forward(
                simd,
                cell::Forward {
                    run: Run { count: vectors, stride: lanes, gate_stride, between },
                    z: &mut z[..vectors * 4 * lanes],
                    c_prev: &c_prev[at..],
                    c: &mut c[at..],
                    h: &mut h[at..],
                    kept: a.as_deref_mut().map(|a| (&mut gates[place::<T>(at)..], &mut a[at..])),
                },
            );
        }
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
    /// `z = b + x W + h₋ U` for `N` vectors of units, `[N][4][lanes]`. Returns N.
    #[inline(always)]
    fn store<S: Simd, const N: usize>(&self, simd: S, hoisted: &[T], z: &mut [T]) -> usize {
        let panel = 4 * V::<S, T>::LANES;
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
        tile = accumulate(simd, tile, self.h_prev, &self.weights.recurrent, self.first);
        for (tile, z) in tile.iter().zip(z.chunks_exact_mut(panel)) {
            for (sum, z) in tile.iter().zip(z.chunks_exact_mut(V::<S, T>::LANES)) {
                sum.store(z);
            }
        }
        N
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

/// `dh = dz Uᵀ` for some blocks of `NV` vectors, the first of which is this one and that `dh` begins
/// with.
#[inline(always)]
pub(super) fn product<S: Simd, T: Float>(
    simd: S,
    weights: &Packed<T>,
    (first, blocks): (usize, usize),
    dz: &[T],
    dh: &mut [T],
) {
    #[inline(always)]
    fn store<S: Simd, T: Float, const N: usize>(
        simd: S,
        (panels, first): (&[T], usize),
        dz: &[T],
        dh: &mut [T],
    ) -> usize {
        let zero = [[V::<S, T>::splat(simd, T::ZERO); NV]; N];
        let tile = accumulate(simd, zero, dz, panels, first);
        // The last block may have one vector only.
        for (sum, dh) in tile.iter().flatten().zip(dh.chunks_exact_mut(V::<S, T>::LANES)) {
            sum.store(dh);
        }
        N
    }

    let block = NV * V::<S, T>::LANES;
    let panels = &weights.recurrent_t[..];
    let mut done = 0;
    while done < blocks {
        let (from, dh) = ((panels, first + done), &mut dh[done * block..]);
        done += match blocks - done {
            4.. => store::<S, T, 4>(simd, from, dz, dh),
            2.. => store::<S, T, 2>(simd, from, dz, dh),
            _ => store::<S, T, 1>(simd, from, dz, dh),
        };
    }
}
