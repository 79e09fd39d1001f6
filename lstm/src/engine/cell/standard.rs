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
    pub(super) fn forward<S: Simd, T: Float>(self, simd: S, mut cells: Forward<T>) {
        let mut first = 0;
        while first + 2 <= cells.run.count {
            cells.abreast::<S, 2>(simd, first);
            first += 2;
        }
        if first < cells.run.count {
            cells.abreast::<S, 1>(simd, first);
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
            let dh = load(cells.dh, at);
            let dc = (dh * o).mul_add(math::tanh_grad(simd, a), load(cells.dc, at));

            (dc * g * math::sigmoid_grad(simd, i)).store(gates);
            (dc * c_prev * math::sigmoid_grad(simd, f)).store(&mut gates[between..]);
            (dc * i * math::tanh_grad(simd, g)).store(&mut gates[2 * between..]);
            (dh * a * math::sigmoid_grad(simd, o)).store(&mut gates[3 * between..]);
            (dc * f).store(&mut cells.dc[at..]);
        }
    }
}

impl<T: Float> Forward<'_, T> {
    /// `N` cells.
    #[inline(always)]
    fn abreast<S: Simd, const N: usize>(&mut self, simd: S, first: usize) {
        let lanes = V::<S, T>::LANES;
        let Run { stride, between, .. } = self.run;
        let z = &self.z[first * 4 * lanes..][..N * 4 * lanes];
        let z = |gate: usize| {
            let mut vectors = [V::<S, T>::splat(simd, T::ZERO); N];
            for (n, vector) in vectors.iter_mut().enumerate() {
                *vector = V::<S, T>::load(simd, &z[(4 * n + gate) * lanes..]);
            }
            Bundle(vectors)
        };
        let c_prev = &self.c_prev[first * stride..];
        let mut vectors = [V::<S, T>::splat(simd, T::ZERO); N];
        for (n, vector) in vectors.iter_mut().enumerate() {
            *vector = V::<S, T>::load(simd, &c_prev[n * stride..]);
        }
        let c_prev = Bundle(vectors);

        let i = math::sigmoid(simd, z(0));
        let f = math::sigmoid(simd, z(1));
        let g = math::tanh(simd, z(2));
        let o = math::sigmoid(simd, z(3));
        let c = f.mul_add(c_prev, i * g);
        let a = math::tanh(simd, c);
        let h = o * a;

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
