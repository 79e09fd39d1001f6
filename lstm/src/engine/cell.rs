//! One LSTM step of a run of cells, each a vector wide: forward, and its exact reverse.
//!
//! `σ` is the recurrent activation, `φ` the activation; `z = [i, f, g, o]` in Keras's order; `c₋`
//! is the cell state before the step; `d·` is the gradient of the loss with respect to `·`.
//! (S. Hochreiter and J. Schmidhuber, *Long Short-Term Memory*, 1997; F. Gers et al., *Learning to
//! Forget*, 2000.)
//!
//! | forward          | backward                            |
//! |------------------|-------------------------------------|
//! | `i = σ(zi)`      | `dzi = dc g  σ'(i)`                 |
//! | `f = σ(zf)`      | `dzf = dc c₋ σ'(f)`                 |
//! | `g = φ(zg)`      | `dzg = dc i  φ'(g)`                 |
//! | `o = σ(zo)`      | `dzo = dh a  σ'(o)`                 |
//! | `c = f c₋ + i g` | `dc₋ = dc f`                        |
//! | `a = φ(c)`       | `dc = dc₊ + dh o φ'(a)` (first)     |
//! | `h = o a`        | `dh` comes from the step after      |
//!
//! Derivatives are taken from the outputs that forward has kept, so backward evaluates no
//! transcendental function.

use kernels::math;
use kernels::simd::{Float, Simd, V, Vector};

use crate::activation::Activation;

/// The two activations of a cell.
pub(super) trait Activations: Copy + Send + Sync {
    /// `σ(z)`
    fn gate<S: Simd, T: Float>(self, simd: S, z: V<S, T>) -> V<S, T>;
    /// `σ'(z)` from `y = σ(z)`
    fn gate_slope<S: Simd, T: Float>(self, simd: S, y: V<S, T>) -> V<S, T>;
    /// `φ(z)`
    fn cell<S: Simd, T: Float>(self, simd: S, z: V<S, T>) -> V<S, T>;
    /// `φ'(z)` from `y = φ(z)`
    fn cell_slope<S: Simd, T: Float>(self, simd: S, y: V<S, T>) -> V<S, T>;
}

/// `σ` is the sigmoid, `φ` is tanh.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standard;

impl Activations for Standard {
    #[inline(always)]
    fn gate<S: Simd, T: Float>(self, simd: S, z: V<S, T>) -> V<S, T> {
        math::sigmoid(simd, z)
    }

    #[inline(always)]
    fn gate_slope<S: Simd, T: Float>(self, simd: S, y: V<S, T>) -> V<S, T> {
        math::sigmoid_grad(simd, y)
    }

    #[inline(always)]
    fn cell<S: Simd, T: Float>(self, simd: S, z: V<S, T>) -> V<S, T> {
        math::tanh(simd, z)
    }

    #[inline(always)]
    fn cell_slope<S: Simd, T: Float>(self, simd: S, y: V<S, T>) -> V<S, T> {
        math::tanh_grad(simd, y)
    }
}

/// Any two element-wise activations: the same code with a well-predicted branch in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    pub(super) gate: Activation,
    pub(super) cell: Activation,
}

impl Activations for Chosen {
    #[inline(always)]
    fn gate<S: Simd, T: Float>(self, simd: S, z: V<S, T>) -> V<S, T> {
        self.gate.of::<S, T>(simd, z)
    }

    #[inline(always)]
    fn gate_slope<S: Simd, T: Float>(self, simd: S, y: V<S, T>) -> V<S, T> {
        self.gate.slope::<S, T>(simd, y)
    }

    #[inline(always)]
    fn cell<S: Simd, T: Float>(self, simd: S, z: V<S, T>) -> V<S, T> {
        self.cell.of::<S, T>(simd, z)
    }

    #[inline(always)]
    fn cell_slope<S: Simd, T: Float>(self, simd: S, y: V<S, T>) -> V<S, T> {
        self.cell.slope::<S, T>(simd, y)
    }
}

/// Where the cells lie: cell `n` is a vector at `n * stride` in arrays of states and, with its
/// four gates side by side, at `n * gate_stride` in arrays of gates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) count: usize,
    pub(super) stride: usize,
    pub(super) gate_stride: usize,
}

/// Forward: from `z` (`count` times four vectors, close together) and `c₋` to `c` and `h`.
pub(super) struct Forward<'a, T> {
    pub(super) run: Run,
    pub(super) z: &'a [T],
    pub(super) c_prev: &'a [T],
    pub(super) c: &'a mut [T],
    pub(super) h: &'a mut [T],
    /// What backward needs, where there will be one: the gates, and `a = φ(c)`.
    pub(super) kept: Option<(&'a mut [T], &'a mut [T])>,
}

impl<T: Float> Forward<'_, T> {
    #[inline(always)]
    pub(super) fn run<S: Simd>(mut self, simd: S, activations: impl Activations) {
        let lanes = V::<S, T>::LANES;
        let load = |xs: &[T], at: usize| V::<S, T>::load(simd, &xs[at..]);
        for (n, z) in self.z.chunks_exact(4 * lanes).enumerate().take(self.run.count) {
            let at = n * self.run.stride;

            let i = activations.gate::<S, T>(simd, load(z, 0));
            let f = activations.gate::<S, T>(simd, load(z, lanes));
            let g = activations.cell::<S, T>(simd, load(z, 2 * lanes));
            let o = activations.gate::<S, T>(simd, load(z, 3 * lanes));
            let c = f.mul_add(load(self.c_prev, at), i * g);
            let a = activations.cell::<S, T>(simd, c);
            let h = o * a;

            if let Some((gates, kept_a)) = &mut self.kept {
                let gates = &mut gates[n * self.run.gate_stride..][..4 * lanes];
                i.store(gates);
                f.store(&mut gates[lanes..]);
                g.store(&mut gates[2 * lanes..]);
                o.store(&mut gates[3 * lanes..]);
                a.store(&mut kept_a[at..]);
            }
            c.store(&mut self.c[at..]);
            h.store(&mut self.h[at..]);
        }
    }
}

/// Backward: `gates` become `dz`; `dc`, the gradient of `c` from the step after, becomes that of
/// `c₋`.
pub(super) struct Backward<'a, T> {
    pub(super) run: Run,
    pub(super) gates: &'a mut [T],
    pub(super) c_prev: &'a [T],
    pub(super) a: &'a [T],
    pub(super) dh: &'a [T],
    pub(super) dc: &'a mut [T],
}

impl<T: Float> Backward<'_, T> {
    #[inline(always)]
    pub(super) fn run<S: Simd>(self, simd: S, activations: impl Activations) {
        let lanes = V::<S, T>::LANES;
        let load = |xs: &[T], at: usize| V::<S, T>::load(simd, &xs[at..]);
        for n in 0..self.run.count {
            let at = n * self.run.stride;
            let gates = &mut self.gates[n * self.run.gate_stride..][..4 * lanes];

            let i = load(gates, 0);
            let f = load(gates, lanes);
            let g = load(gates, 2 * lanes);
            let o = load(gates, 3 * lanes);
            let c_prev = load(self.c_prev, at);
            let a = load(self.a, at);
            let dh = load(self.dh, at);
            let dc = (dh * o).mul_add(activations.cell_slope::<S, T>(simd, a), load(self.dc, at));

            (dc * g * activations.gate_slope::<S, T>(simd, i)).store(gates);
            (dc * c_prev * activations.gate_slope::<S, T>(simd, f)).store(&mut gates[lanes..]);
            (dc * i * activations.cell_slope::<S, T>(simd, g)).store(&mut gates[2 * lanes..]);
            (dh * a * activations.gate_slope::<S, T>(simd, o)).store(&mut gates[3 * lanes..]);
            (dc * f).store(&mut self.dc[at..]);
        }
    }
}
