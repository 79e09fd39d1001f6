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
use kernels::simd::{Bundle, Float, Simd, V, Vector};

use crate::activation::Activation;

/// The two activations of a cell.
pub(super) trait Activations: Copy + Send + Sync {
    /// Whether cells run two abreast, so that a core is busy while the long chain of operations of
    /// an activation goes on: twice the code.
    const ABREAST: bool;

    /// `σ(z)`
    fn gate<S: Simd, X: Vector<S>>(self, simd: S, z: X) -> X;
    /// `σ'(z)` from `y = σ(z)`
    fn gate_slope<S: Simd, X: Vector<S>>(self, simd: S, y: X) -> X;
    /// `φ(z)`
    fn cell<S: Simd, X: Vector<S>>(self, simd: S, z: X) -> X;
    /// `φ'(z)` from `y = φ(z)`
    fn cell_slope<S: Simd, X: Vector<S>>(self, simd: S, y: X) -> X;
}

/// `σ` is the sigmoid, `φ` is tanh.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standard;

impl Activations for Standard {
    const ABREAST: bool = true;

    #[inline(always)]
    fn gate<S: Simd, X: Vector<S>>(self, simd: S, z: X) -> X {
        math::sigmoid(simd, z)
    }

    #[inline(always)]
    fn gate_slope<S: Simd, X: Vector<S>>(self, simd: S, y: X) -> X {
        math::sigmoid_grad(simd, y)
    }

    #[inline(always)]
    fn cell<S: Simd, X: Vector<S>>(self, simd: S, z: X) -> X {
        math::tanh(simd, z)
    }

    #[inline(always)]
    fn cell_slope<S: Simd, X: Vector<S>>(self, simd: S, y: X) -> X {
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
    const ABREAST: bool = false;

    #[inline(always)]
    fn gate<S: Simd, X: Vector<S>>(self, simd: S, z: X) -> X {
        self.gate.of(simd, z)
    }

    #[inline(always)]
    fn gate_slope<S: Simd, X: Vector<S>>(self, simd: S, y: X) -> X {
        self.gate.slope(simd, y)
    }

    #[inline(always)]
    fn cell<S: Simd, X: Vector<S>>(self, simd: S, z: X) -> X {
        self.cell.of(simd, z)
    }

    #[inline(always)]
    fn cell_slope<S: Simd, X: Vector<S>>(self, simd: S, y: X) -> X {
        self.cell.slope(simd, y)
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
    pub(super) fn run<S: Simd, A: Activations>(mut self, simd: S, activations: A) {
        let mut first = 0;
        if A::ABREAST {
            while first + 2 <= self.run.count {
                self.cells::<S, 2>(simd, activations, first);
                first += 2;
            }
        }
        for cell in first..self.run.count {
            self.cells::<S, 1>(simd, activations, cell);
        }
    }

    /// `N` cells.
    #[inline(always)]
    fn cells<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        activations: impl Activations,
        first: usize,
    ) {
        let lanes = V::<S, T>::LANES;
        let Run { stride, gate_stride, .. } = self.run;
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

        let i = activations.gate(simd, z(0));
        let f = activations.gate(simd, z(1));
        let g = activations.cell(simd, z(2));
        let o = activations.gate(simd, z(3));
        let c = f.mul_add(c_prev, i * g);
        let a = activations.cell(simd, c);
        let h = o * a;

        for n in 0..N {
            let at = (first + n) * stride;
            if let Some((gates, kept_a)) = &mut self.kept {
                let gates = &mut gates[(first + n) * gate_stride..][..4 * lanes];
                i.0[n].store(gates);
                f.0[n].store(&mut gates[lanes..]);
                g.0[n].store(&mut gates[2 * lanes..]);
                o.0[n].store(&mut gates[3 * lanes..]);
                a.0[n].store(&mut kept_a[at..]);
            }
            c.0[n].store(&mut self.c[at..]);
            h.0[n].store(&mut self.h[at..]);
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
            let dc = (dh * o).mul_add(activations.cell_slope(simd, a), load(self.dc, at));

            (dc * g * activations.gate_slope(simd, i)).store(gates);
            (dc * c_prev * activations.gate_slope(simd, f)).store(&mut gates[lanes..]);
            (dc * i * activations.cell_slope(simd, g)).store(&mut gates[2 * lanes..]);
            (dh * a * activations.gate_slope(simd, o)).store(&mut gates[3 * lanes..]);
            (dc * f).store(&mut self.dc[at..]);
        }
    }
}
