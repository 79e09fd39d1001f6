//! Softmax over the units, which a run must then have all of, one to a cell.
//!
//! | forward             | backward                     |
//! |---------------------|------------------------------|
//! | `y = eᶻ / Σ eᶻ`     | `dz = y (dy - Σ dy y)`       |

use kernels::math;
use kernels::simd::{Float, Simd, V, Vector};

use super::Backward;
use super::chosen::{Chosen, Parts};
use crate::activation::Activation;

/// Maps what lies at `start` of each cell, cells being `stride` apart.
#[inline(always)]
pub(super) fn over_cells<S: Simd, T: Float>(simd: S, z: &mut [T], stride: usize, start: usize) {
    let lanes = V::<S, T>::LANES;
    let mut top = V::<S, T>::load(simd, &z[start..]);
    for z in z.chunks_exact(stride) {
        top = top.max(V::<S, T>::load(simd, &z[start..]));
    }
    let mut sum = V::<S, T>::splat(simd, T::ZERO);
    for z in z.chunks_exact_mut(stride) {
        let e = math::exp(simd, V::<S, T>::load(simd, &z[start..]) - top);
        e.store(&mut z[start..start + lanes]);
        sum = sum + e;
    }
    for z in z.chunks_exact_mut(stride) {
        let z = &mut z[start..start + lanes];
        (V::<S, T>::load(simd, z) / sum).store(z);
    }
}

/// Backward, in rounds: each sum over the units has to be there before what it is taken from.
#[inline(always)]
pub(super) fn backward<S: Simd, T: Float>(chosen: Chosen, simd: S, mut cells: Backward<T>) {
    let lanes = V::<S, T>::LANES;
    let gate = chosen.gate == Activation::Softmax;
    let cell = chosen.cell == Activation::Softmax;
    // `dz` from `dy`, of an activation that mixes units or not.
    let through = |mixes: bool, dy: V<S, T>, y: V<S, T>, slope: V<S, T>, sum: V<S, T>| {
        if mixes { y * (dy - sum) } else { dy * slope }
    };
    let zero = V::<S, T>::splat(simd, T::ZERO);
    let mut sums = Parts { i: zero, f: zero, o: zero, g: zero, a: zero };

    // Σ da a, da = dh o
    chosen.each(simd, &mut cells, |cells, n, y, _| {
        let dh = V::<S, T>::load(simd, &cells.dh[n * cells.run.stride..]).flush();
        sums.a = (dh * y.o).mul_add(y.a, sums.a);
    });
    // dc = dc₊ + da through φ, and the sums of the gates
    let sum_a = sums.a;
    chosen.each(simd, &mut cells, |cells, n, y, slope| {
        let at = n * cells.run.stride;
        let load = |xs: &[T]| V::<S, T>::load(simd, &xs[at..]);
        let (dh, c_prev) = (load(cells.dh).flush(), load(cells.c_prev));
        let dc = load(cells.dc).flush() + through(cell, dh * y.o, y.a, slope.a, sum_a);
        dc.store(&mut cells.dc[at..]);
        sums.i = (dc * y.g).mul_add(y.i, sums.i);
        sums.f = (dc * c_prev).mul_add(y.f, sums.f);
        sums.g = (dc * y.i).mul_add(y.g, sums.g);
        sums.o = (dh * y.a).mul_add(y.o, sums.o);
    });
    chosen.each(simd, &mut cells, |cells, n, y, slope| {
        let at = n * cells.run.stride;
        let load = |xs: &[T]| V::<S, T>::load(simd, &xs[at..]);
        let (dh, c_prev, dc) = (load(cells.dh).flush(), load(cells.c_prev), load(cells.dc));
        let between = cells.run.between;
        let gates = &mut cells.gates[cells.run.gates(n, lanes)];
        through(gate, dc * y.g, y.i, slope.i, sums.i).store(gates);
        through(gate, dc * c_prev, y.f, slope.f, sums.f).store(&mut gates[between..]);
        through(cell, dc * y.i, y.g, slope.g, sums.g).store(&mut gates[2 * between..]);
        through(gate, dh * y.a, y.o, slope.o, sums.o).store(&mut gates[3 * between..]);
        (dc * y.f).store(&mut cells.dc[at..]);
    });
}
