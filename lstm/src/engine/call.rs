//! What goes into a call of the engine, and what comes out.

use super::sequence::Gradient;
use crate::activation::Activation;

/// The weights of a layer as Keras has them; gates in the order i, f, g, o.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, T> {
    /// `[inputs, 4 units]`
    pub kernel: &'a [T],
    /// `[units, 4 units]`
    pub recurrent_kernel: &'a [T],
    /// `[4 units]`
    pub bias: Option<&'a [T]>,
}

impl<'a, T> Weights<'a, T> {
    /// Cuts a flat array of weights, `kernel`, `recurrent_kernel`, then `bias` if there is one.
    pub fn cut(flat: &'a [T], inputs: usize, units: usize) -> Self {
        let (kernel, rest) = flat.split_at(inputs * 4 * units);
        let (recurrent_kernel, bias) = rest.split_at(units * 4 * units);
        Weights { kernel, recurrent_kernel, bias: (!bias.is_empty()).then_some(bias) }
    }
}

/// Gradients of [`Weights`], in the same layout. Backward adds to them.
#[derive(Debug)]
pub struct Gradients<'a, T> {
    /// `[inputs, 4 units]`
    pub kernel: &'a mut [T],
    /// `[units, 4 units]`
    pub recurrent_kernel: &'a mut [T],
    /// `[4 units]`
    pub bias: Option<&'a mut [T]>,
}

impl<'a, T> Gradients<'a, T> {
    /// Cuts a flat array as [`Weights::cut`] does.
    pub fn cut(flat: &'a mut [T], inputs: usize, units: usize) -> Self {
        let (kernel, rest) = flat.split_at_mut(inputs * 4 * units);
        let (recurrent_kernel, bias) = rest.split_at_mut(units * 4 * units);
        Gradients { kernel, recurrent_kernel, bias: (!bias.is_empty()).then_some(bias) }
    }
}

/// What is fixed for a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Features of the input.
    pub inputs: usize,
    /// Units, the features of the output.
    pub units: usize,
    /// `φ`, of the candidate and the output; softmax goes over the units.
    pub activation: Activation,
    /// `σ`, of the gates; softmax goes over the units of each.
    pub recurrent_activation: Activation,
    /// Whether the input is read from its last step to its first.
    pub go_backwards: bool,
    /// Whether the output of a masked step is zero, not that of the step before.
    pub zero_output_for_mask: bool,
}

impl Options {
    /// Keras's defaults.
    pub const fn new(inputs: usize, units: usize) -> Self {
        Options {
            inputs,
            units,
            activation: Activation::Tanh,
            recurrent_activation: Activation::Sigmoid,
            go_backwards: false,
            zero_output_for_mask: false,
        }
    }

    /// Whether an activation makes of all units what it makes of one.
    pub(super) fn mix_units(&self) -> bool {
        [self.activation, self.recurrent_activation].contains(&Activation::Softmax)
    }
}

/// The input of a forward call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a, T> {
    /// The weights, and a number that changes whenever they do.
    pub weights: Weights<'a, T>,
    /// See `weights`.
    pub version: u64,
    /// `[batch, steps, inputs]`
    pub x: &'a [T],
    /// How many rows `x` has.
    pub batch: usize,
    /// How many steps `x` has.
    pub steps: usize,
    /// `[batch, steps]`: whether a step is valid. All are unless given.
    pub mask: Option<&'a [bool]>,
    /// Dropout on the way into the gates. (One of the input that all gates share is done before.)
    pub dropout: Option<Factors<'a, T>>,
    /// `h` and `c` before the first step, `[batch, units]` each; zeros if not given.
    pub initial: [Option<&'a [T]>; 2],
    /// Whether [`backward`](super::Engine::backward) will follow.
    pub training: bool,
}

/// What dropout multiplies by, the same in every step: zeros, and what makes up for them.
#[derive(Clone, Copy, Debug)]
pub struct Factors<'a, T> {
    /// `[batch, 4, units]`: what `h₋` is multiplied by on its way into each gate (Y. Gal and
    /// Z. Ghahramani, *A Theoretically Grounded Application of Dropout in Recurrent Neural Networks*,
    /// 2016).
    pub recurrent: &'a [T],
    /// `[batch, 4, inputs]`: the same for the input.
    pub input: Option<&'a [T]>,
}

/// The gradients that come into a backward call.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a, T> {
    /// Of the output.
    pub dy: Gradient<'a, T>,
    /// Of `h` and `c` after the last step, `[batch, units]` each; zeros if not given.
    pub states: [Option<&'a [T]>; 2],
}

impl<T> Call<'_, T> {
    /// Whether `h` and `x` are dropped out gate by gate.
    pub(super) fn dropped(&self) -> [bool; 2] {
        [self.dropout.is_some(), self.dropout.as_ref().is_some_and(|it| it.input.is_some())]
    }
}

impl<T: Copy> Call<'_, T> {
    /// # Panics
    ///
    /// If an array does not have the size stated for it.
    #[track_caller]
    pub(super) fn check(&self, Options { inputs, units, .. }: Options) {
        let Call { weights, batch, steps, .. } = *self;
        assert!(batch > 0 && steps > 0, "{batch} rows of {steps} steps");
        assert_eq!(self.x.len(), batch * steps * inputs, "x");
        assert_eq!(weights.kernel.len(), inputs * 4 * units, "kernel");
        assert_eq!(weights.recurrent_kernel.len(), units * 4 * units, "recurrent kernel");
        if let Some(bias) = weights.bias {
            assert_eq!(bias.len(), 4 * units, "bias");
        }
        if let Some(mask) = self.mask {
            assert_eq!(mask.len(), batch * steps, "mask");
        }
        if let Some(Factors { recurrent, input }) = self.dropout {
            assert_eq!(recurrent.len(), batch * 4 * units, "factors of h");
            assert!(input.is_none_or(|input| input.len() == batch * 4 * inputs), "factors of x");
        }
        for state in self.initial.iter().flatten() {
            assert_eq!(state.len(), batch * units, "initial state");
        }
    }
}

impl<T> Incoming<'_, T> {
    /// # Panics
    ///
    /// If an array does not have the size stated for it.
    pub(super) fn check(&self, units: usize, batch: usize, steps: usize) {
        match self.dy {
            Gradient::None => {}
            Gradient::Last(dy) => assert_eq!(dy.len(), batch * units, "dy"),
            Gradient::Sequence(dy) => assert_eq!(dy.len(), batch * steps * units, "dy"),
        }
        for state in self.states.iter().flatten() {
            assert_eq!(state.len(), batch * units, "gradient of a final state");
        }
    }
}

impl<T: Copy> Gradients<'_, T> {
    /// The same, for a shorter time.
    pub(super) fn reborrow(&mut self) -> Gradients<'_, T> {
        Gradients {
            kernel: self.kernel,
            recurrent_kernel: self.recurrent_kernel,
            bias: self.bias.as_deref_mut(),
        }
    }

    /// # Panics
    ///
    /// If an array does not have the size of that of `weights`.
    pub(super) fn check(&self, weights: Weights<T>) {
        assert_eq!(self.kernel.len(), weights.kernel.len(), "dW");
        assert_eq!(self.recurrent_kernel.len(), weights.recurrent_kernel.len(), "dU");
        let (db, bias) = (self.bias.as_ref().map(|db| db.len()), weights.bias.map(<[T]>::len));
        assert_eq!(db, bias, "db");
    }
}
