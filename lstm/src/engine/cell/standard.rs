//! `σ` is the sigmoid, `φ` is tanh: everything in registers.

use kernels::math;
use kernels::simd::{Bundle, Float, Simd, V, Vector};

use super::{Backward, Forward, Run};

/// `σ` is the sigmoid, `φ` is tanh.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standard;

impl Standard {
    /// Cells run two abreast, so that a core is busy while the long chain of operations of an
    /// activation goes on.
    #[inline(always)]
    pub(super) fn forward<S: Simd, T: Float>(self, simd: S, z: &[T], mut cells: Forward<T>) {
        let lanes = V::<S, T>::LANES;
        let load = |vector: usize| V::<S, T>::load(simd, &z[vector * lanes..]);
        let mut first = 0;
        while first + 2 <= cells.run.count {
            cells.abreast(
                simd,
                first,
                gates::<S, T, 2>(simd, |n, gate| load(4 * (first + n) + gate)),
            );
            first += 2;
        }
        if first < cells.run.count {
            cells.abreast(
                simd,
                first,
                gates::<S, T, 1>(simd, |n, gate| load(4 * (first + n) + gate)),
            );
        }
    }

    #[inline(always)]
    pub(super) fn forward_at_hand<S: Simd, T: Float, const N: usize>(
        self,
        simd: S,
        z: [[V<S, T>; 4]; N],
        mut cells: Forward<T>,
    ) {
        let mut first = 0;
        while first + 2 <= N {
            cells.abreast(simd, first, gates::<S, T, 2>(simd, |n, gate| z[first + n][gate]));
            first += 2;
        }
        if first < N {
            cells.abreast(simd, first, gates::<S, T, 1>(simd, |n, gate| z[first + n][gate]));
        }
    }

    #[inline(always)]
    pub(super) fn backward<S: Simd, T: Float>(self, simd: S, cells: Backward<T>) {
        let lanes = V::<S, T>::LANES;
        let load = |xs: &[T], at: usize| V::<S, T>::load(simd, &xs[at..][..lanes]);
        let Run { stride, between, .. } = cells.run;
        for n in 0..cells.run.count {
            let at = n * stride;
            let gates = &mut cells.gates[cells.run.gates(n, lanes)];

            let i = load(gates, 0);
            let f = load(gates, between);
            let g = load(gates, 2 * between);
            let o = load(gates, 3 * between);
            let c_prev = load(cells.c_prev, at);
            let a = load(cells.a, at);
            let dh = load(cells.dh, at).flush();
            let dc = (dh * o).mul_add(math::tanh_grad(simd, a), load(cells.dc, at).flush());

            (dc * g * math::sigmoid_grad(simd, i)).store(gates);
            (dc * c_prev * math::sigmoid_grad(simd, f)).store(&mut gates[between..]);
            (dc * i * math::tanh_grad(simd, g)).store(&mut gates[2 * between..]);
            (dh * a * math::sigmoid_grad(simd, o)).store(&mut gates[3 * between..]);
            (dc * f).store(&mut cells.dc[at..]);
        }
    }
}

/// Each gate of `N` cells.
#[inline(always)]
fn gates<S: Simd, T: Float, const N: usize>(
    simd: S,
    of: impl Fn(usize, usize) -> V<S, T>,
) -> [Bundle<V<S, T>, N>; 4] {
    let mut gates = [Bundle([V::<S, T>::splat(simd, T::ZERO); N]); 4];
    for (gate, bundle) in gates.iter_mut().enumerate() {
        for (n, vector) in bundle.0.iter_mut().enumerate() {
            *vector = of(n, gate);
        }
    }
    gates
}

impl<T: Float> Forward<'_, T> {
    /// `N` cells.
    #[inline(always)]
    fn abreast<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        first: usize,
        [zi, zf, zg, zo]: [Bundle<V<S, T>, N>; 4],
    ) {
        let lanes = V::<S, T>::LANES;
        let Run { stride, between, .. } = self.run;
        let c_prev = &self.c_prev[first * stride..];
        let mut vectors = [V::<S, T>::splat(simd, T::ZERO); N];
        for (n, vector) in vectors.iter_mut().enumerate() {
            *vector = V::<S, T>::load(simd, &c_prev[n * stride..]);
        }
        let c_prev = Bundle(vectors);

        // The longest chains first, of `f32`: all wait for them, and a core works on what is oldest.
        let i = math::sigmoid(simd, zi);
        let f = math::sigmoid(simd, zf);
        let g = math::tanh(simd, zg);
        let o = math::sigmoid(simd, zo);
        let c = f.mul_add(c_prev, i * g);
        let a = math::tanh(simd, c);
        // By a test of `c`, which does not wait for tanh: so `h` does not wait for the test.
        let h = (o * a).flush_with(c);
        let c = c.flush();

        for n in 0..N {
            let at = (first + n) * stride;
            if let Some((gates, kept_a)) = &mut self.kept {
                let gates = &mut gates[self.run.gates(first + n, lanes)];
                i.0[n].store(gates);
                f.0[n].store(&mut gates[between..]);
                g.0[n].store(&mut gates[2 * between..]);
                o.0[n].store(&mut gates[3 * between..]);
                a.0[n].store(&mut kept_a[at..]);
            }
            c.0[n].store(&mut self.c[at..]);
            h.0[n].store(&mut self.h[at..]);
        }
    }
}
