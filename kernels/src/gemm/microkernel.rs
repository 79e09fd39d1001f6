//! The register tile: `R` rows by `NV` vectors of C, held in registers while k runs.
//!
//! Public because a fused kernel (an LSTM cell, say) wants the tile itself, with its own epilogue.

use crate::simd::{Float, Simd, V, Vector};

/// `tile[r][v] += Σₚ a[p][r] · b[p][v]`, both operands packed.
///
/// `a` holds `width ≥ R` elements for each p, of which the first `R` are used; `b` holds
/// `NV * LANES` elements for each p. Runs as far as the shorter of the two.
#[inline(always)]
pub fn accumulate_panels<S: Simd, T: Float, const R: usize, const NV: usize>(
    simd: S,
    mut tile: [[V<S, T>; NV]; R],
    (a, width): (&[T], usize),
    b: &[T],
) -> [[V<S, T>; NV]; R] {
    let lanes = V::<S, T>::LANES;
    for (a, b) in a.chunks_exact(width).zip(b.chunks_exact(NV * lanes)) {
        let Some(a) = a.first_chunk::<R>() else { return tile };
        rank_one::<S, T, R, NV>(simd, &mut tile, *a, b);
    }
    tile
}

/// `tile[r][v] += Σₚ a[r][p] · b[p][v]`, the left operand as rows where they lie.
///
/// `b` holds `NV * LANES` elements for each p.
///
/// # Panics
///
/// If a row is shorter than `b` is deep.
#[inline(always)]
pub fn accumulate_rows<S: Simd, T: Float, const R: usize, const NV: usize>(
    simd: S,
    mut tile: [[V<S, T>; NV]; R],
    a: [&[T]; R],
    b: &[T],
) -> [[V<S, T>; NV]; R] {
    let lanes = V::<S, T>::LANES;
    let depth = b.len() / (NV * lanes);
    let a = a.map(|row| &row[..depth]);
    for (p, b) in b.chunks_exact(NV * lanes).enumerate().take(depth) {
        let column = core::array::from_fn(|r| a[r][p]);
        rank_one::<S, T, R, NV>(simd, &mut tile, column, b);
    }
    tile
}

/// `tile[r][v] += a[r] · b[v]`. The shorter operand is held in registers, the other streams by:
/// beside the accumulators there may be room for no more.
#[inline(always)]
fn rank_one<S: Simd, T: Float, const R: usize, const NV: usize>(
    simd: S,
    tile: &mut [[V<S, T>; NV]; R],
    a: [T; R],
    b: &[T],
) {
    let load = |v: usize| V::<S, T>::load(simd, &b[v * V::<S, T>::LANES..]);
    if R < NV {
        let a: [_; R] = core::array::from_fn(|r| V::<S, T>::splat(simd, a[r]));
        for (v, b) in (0..NV).map(|v| (v, load(v))) {
            for r in 0..R {
                tile[r][v] = a[r].mul_add(b, tile[r][v]);
            }
        }
    } else {
        let b: [_; NV] = core::array::from_fn(load);
        for r in 0..R {
            let a = V::<S, T>::splat(simd, a[r]);
            for v in 0..NV {
                tile[r][v] = a.mul_add(b[v], tile[r][v]);
            }
        }
    }
}
