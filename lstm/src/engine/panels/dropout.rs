//! Dropout on the way into the gates, where each gate sees `h₋` and `x` in its own way.
//!
//! The formulas are those of [`rows`](crate::engine::rows). The factors `m` and `d` lie as states do,
//! `[4][unit][lanes]`, and meet them in registers: `h ∘ m` for the four gates, then as many products as
//! without. What backward adds up over steps is multiplied once: the factors of a row are the same in all.
//! So where such a sum is infinite, a dropped number has a gradient of NaN, not zero.

use kernels::simd::{Float, Simd, V, Vector};

use super::{Padding, read_panel};
use crate::engine::workspace::{Dims, Group};

/// Copies factors `[batch][4][width]` to panels `[4][width][lanes]`.
pub(in crate::engine) fn read_factors<T: Float>(dims: Dims, factors: &[T], panels: &mut [T]) {
    let width = panels.len() / dims.batch;
    for group in dims.groups() {
        let panel = &mut panels[group.lines(width)];
        read_panel((factors, width), group, (panel, Padding::LastRow));
    }
}

/// The factors of a group among those of all, `[4][width][lanes]`, if there are some.
#[inline(always)]
pub(super) fn of_group<T>(factors: &[T], group: Group, width: usize) -> Option<&[T]> {
    if factors.is_empty() { None } else { Some(&factors[group.lines(4 * width)]) }
}

/// `tile[g] += Σₖ weights[k][g] · (b[k] m[g mod 4][k])`, gates being together by unit.
#[inline(always)]
pub(super) fn accumulate<S: Simd, T: Float, const G: usize>(
    simd: S,
    mut tile: [[V<S, T>; 1]; G],
    weights: &[T],
    b: &[T],
    m: &[T],
) -> [[V<S, T>; 1]; G] {
    let lanes = V::<S, T>::LANES;
    let [i, f, g, o] = gates(m);
    let m = i.chunks_exact(lanes).zip(f.chunks_exact(lanes));
    let m = m.zip(g.chunks_exact(lanes).zip(o.chunks_exact(lanes)));
    for ((weights, b), ((i, f), (g, o))) in
        weights.chunks_exact(G).zip(b.chunks_exact(lanes)).zip(m)
    {
        let Some(weights) = weights.first_chunk::<G>() else { return tile };
        let mut gates = [V::<S, T>::load(simd, b); 4];
        for (b, m) in gates.iter_mut().zip([i, f, g, o]) {
            *b = *b * V::<S, T>::load(simd, m);
        }
        for (unit, weights) in tile.chunks_exact_mut(4).zip(weights.chunks_exact(4)) {
            for ((sum, &weight), b) in unit.iter_mut().zip(weights).zip(gates) {
                sum[0] = V::<S, T>::splat(simd, weight).mul_add(b, sum[0]);
            }
        }
    }
    tile
}

/// `Σ m ∘ (weights dz)` over the gates, for `R` rows of the weights from `first` on, packed
/// `[unit][4][R]`; `dz` `[unit][4][lanes]`.
#[inline(always)]
pub(super) fn product<S: Simd, T: Float, const R: usize>(
    simd: S,
    dz: &[T],
    weights: &[T],
    (m, first): (&[T], usize),
) -> [[V<S, T>; 1]; R] {
    let lanes = V::<S, T>::LANES;
    let mut total = [[V::<S, T>::splat(simd, T::ZERO)]; R];
    for (gate, m) in gates(m).into_iter().enumerate() {
        let mut tile = [V::<S, T>::splat(simd, T::ZERO); R];
        for (dz, weights) in dz.chunks_exact(4 * lanes).zip(weights.chunks_exact(4 * R)) {
            let dz = V::<S, T>::load(simd, &dz[gate * lanes..][..lanes]);
            for (sum, &weight) in tile.iter_mut().zip(&weights[gate * R..][..R]) {
                *sum = V::<S, T>::splat(simd, weight).mul_add(dz, *sum);
            }
        }
        let m = m[first * lanes..].chunks_exact(lanes);
        for ((total, sum), m) in total.iter_mut().zip(tile).zip(m) {
            total[0] = sum.mul_add(V::<S, T>::load(simd, m), total[0]);
        }
    }
    total
}

/// `tile[r][g] += sums[r][g] m[g][r]` for `R` rows of the left operand, from `first` on.
#[inline(always)]
pub(super) fn add<S: Simd, T: Float, const R: usize>(
    simd: S,
    tile: &mut [[V<S, T>; 4]; R],
    sums: [[V<S, T>; 4]; R],
    (m, first): (&[T], usize),
) {
    let lanes = V::<S, T>::LANES;
    for (gate, m) in gates(m).into_iter().enumerate() {
        let m = m[first * lanes..].chunks_exact(lanes);
        for ((total, sums), m) in tile.iter_mut().zip(sums).zip(m) {
            total[gate] = sums[gate].mul_add(V::<S, T>::load(simd, m), total[gate]);
        }
    }
}

/// The factors of each gate.
#[inline(always)]
fn gates<T>(m: &[T]) -> [&[T]; 4] {
    let (if_, go) = m.split_at(m.len() / 2);
    let ((i, f), (g, o)) = (if_.split_at(if_.len() / 2), go.split_at(go.len() / 2));
    [i, f, g, o]
}
