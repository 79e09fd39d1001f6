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
//! What goes from step to step, `c` forward and `dh`, `dc` backward, is [flushed](Vector::flush): it may decay, and
//! a sequence can be long enough for it to become subnormal, at which some CPUs take a hundred times as long.
//!
//! Derivatives are taken from the outputs that forward has kept, so backward evaluates no
//! transcendental function; of the few activations whose derivative does not follow from the output,
//! forward keeps the operand in its place.

mod chosen;
mod softmax;
mod standard;

use std::ops::Range;

use kernels::Aligned;
use kernels::simd::{Float, MAX_LANES, Simd, V, Vector};

use super::call::Options;
use crate::activation::Activation;
use chosen::Chosen;
use standard::Standard;

/// The two activations of a cell.
#[derive(Clone, Copy, Debug)]
pub(super) enum Activations {
    /// Sigmoid and tanh, in the loop that they are called from.
    Standard,
    /// Any two, in functions of their own.
    Chosen(Chosen),
}

impl Activations {
    pub(super) fn of(options: &Options) -> Self {
        let (cell, gate) = (options.activation, options.recurrent_activation);
        match (cell, gate) {
            (Activation::Tanh, Activation::Sigmoid) => Activations::Standard,
            _ => Activations::Chosen(Chosen { gate, cell }),
        }
    }

    /// Whether cells of padding stay finite, whatever the number of steps: those whose weights are all
    /// zero.
    #[inline(always)]
    pub(super) fn are_bounded(self) -> bool {
        matches!(self, Activations::Standard)
    }

    /// Whether all units of a row must be in one run.
    pub(super) fn mix_units(self) -> bool {
        matches!(self, Activations::Chosen(chosen) if chosen.mixes_units())
    }

    /// From `z`, four vectors for each cell, close together; scratch afterwards.
    #[inline(always)]
    pub(super) fn forward<S: Simd, T: Float>(self, simd: S, z: &mut [T], cells: Forward<T>) {
        match self {
            Activations::Standard => Standard.forward(simd, z, cells),
            Activations::Chosen(chosen) => simd.run(chosen::ForwardCells { chosen, z, cells }),
        }
    }

    /// The same of `N` cells whose `z` is at hand.
    #[inline(always)]
    pub(super) fn forward_at_hand<S: Simd, T: Float, const N: usize>(
        self,
        simd: S,
        z: [[V<S, T>; 4]; N],
        cells: Forward<T>,
    ) {
        match self {
            Activations::Standard => Standard.forward_at_hand(simd, z, cells),
            Activations::Chosen(chosen) => {
                let Aligned(stored) = &mut Aligned([[T::ZERO; 4 * MAX_LANES]; N]);
                let stored = &mut stored.as_flattened_mut()[..N * 4 * V::<S, T>::LANES];
                let vectors = stored.chunks_exact_mut(V::<S, T>::LANES);
                vectors.zip(z.as_flattened()).for_each(|(stored, z)| z.store(stored));
                simd.run(chosen::ForwardCells { chosen, z: stored, cells });
            }
        }
    }

    #[inline(always)]
    pub(super) fn backward<S: Simd, T: Float>(self, simd: S, cells: Backward<T>) {
        match self {
            Activations::Standard => Standard.backward(simd, cells),
            Activations::Chosen(chosen) => simd.run(chosen::BackwardCells { chosen, cells }),
        }
    }
}

/// Where the cells lie: cell `n` is a vector at `n * stride` in arrays of states; its four gates begin at
/// `n * gate_stride` in arrays of gates, and are `between` apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) count: usize,
    pub(super) stride: usize,
    pub(super) gate_stride: usize,
    pub(super) between: usize,
}

impl Run {
    /// The gates of a cell, where a vector has so many lanes.
    #[inline(always)]
    pub(super) fn gates(self, n: usize, lanes: usize) -> Range<usize> {
        let start = n * self.gate_stride;
        start..start + 3 * self.between + lanes
    }
}

/// Forward: from `z` and `c₋` to `c` and `h`.
pub(super) struct Forward<'a, T> {
    pub(super) run: Run,
    pub(super) c_prev: &'a [T],
    pub(super) c: &'a mut [T],
    pub(super) h: &'a mut [T],
    /// What backward needs, where there will be one: the gates, and `a = φ(c)`, or their operands.
    pub(super) kept: Option<(&'a mut [T], &'a mut [T])>,
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
