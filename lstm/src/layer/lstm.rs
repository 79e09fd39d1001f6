//! The LSTM layer: Keras's options.

use super::{Describe, Layer, Weight, options, setters};
use crate::activation::Activation;
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::graph::Symbol;
use crate::initializer::Initializer;
use crate::regularizer::Regularizer;
use crate::shape::Shape;

/// Long short-term memory: `[steps, features]` to `[units]`, or to `[steps, units]` with
/// [`return_sequences`](LSTM::return_sequences).
///
/// Options and defaults are those of `keras.layers.LSTM`; the equations are
///
/// ```text
/// z = x W + h₋ U + b        in blocks i, f, g, o
/// i = σ(zi)   f = σ(zf)   g = φ(zg)   o = σ(zo)
/// c = f c₋ + i g            h = o φ(c)
/// ```
#[derive(Clone, Debug)]
pub struct LSTM {
    pub(crate) units: usize,
    pub(crate) activation: Activation,
    pub(crate) recurrent_activation: Activation,
    pub(crate) use_bias: bool,
    pub(crate) kernel_initializer: Initializer,
    pub(crate) recurrent_initializer: Initializer,
    pub(crate) bias_initializer: Initializer,
    pub(crate) unit_forget_bias: bool,
    pub(crate) kernel_regularizer: Option<Regularizer>,
    pub(crate) recurrent_regularizer: Option<Regularizer>,
    pub(crate) bias_regularizer: Option<Regularizer>,
    pub(crate) activity_regularizer: Option<Regularizer>,
    pub(crate) kernel_constraint: Option<Constraint>,
    pub(crate) recurrent_constraint: Option<Constraint>,
    pub(crate) bias_constraint: Option<Constraint>,
    pub(crate) trainable: bool,
    pub(crate) return_sequences: bool,
    pub(crate) return_state: bool,
    pub(crate) go_backwards: bool,
    pub(crate) stateful: bool,
    pub(crate) zero_output_for_mask: bool,
    pub(crate) dropout: f64,
    pub(crate) recurrent_dropout: f64,
    pub(crate) seed: Option<u64>,
    pub(crate) name: Option<String>,
}

impl LSTM {
    /// A layer that returns its last output.
    pub fn new(units: usize) -> Self {
        LSTM {
            units,
            activation: Activation::Tanh,
            recurrent_activation: Activation::Sigmoid,
            use_bias: true,
            kernel_initializer: Initializer::GLOROT_UNIFORM,
            recurrent_initializer: Initializer::ORTHOGONAL,
            bias_initializer: Initializer::Zeros,
            unit_forget_bias: true,
            kernel_regularizer: None,
            recurrent_regularizer: None,
            bias_regularizer: None,
            activity_regularizer: None,
            kernel_constraint: None,
            recurrent_constraint: None,
            bias_constraint: None,
            trainable: true,
            return_sequences: false,
            return_state: false,
            go_backwards: false,
            stateful: false,
            zero_output_for_mask: false,
            dropout: 0.0,
            recurrent_dropout: 0.0,
            seed: None,
            name: None,
        }
    }

    setters! {
        /// `φ`, of the candidate and the output; tanh unless set. Softmax goes over the units.
        activation: Activation,
        /// `σ`, of the gates; sigmoid unless set.
        recurrent_activation: Activation,
        /// Whether there is a bias `b [4 units]`; there is unless set.
        use_bias: bool,
        /// How `W [features, 4 units]` starts; `GLOROT_UNIFORM` unless set.
        kernel_initializer: Initializer,
        /// How `U [units, 4 units]` starts; `ORTHOGONAL` unless set.
        recurrent_initializer: Initializer,
        /// How `b` starts; `Zeros` unless set.
        bias_initializer: Initializer,
        /// Whether the forget gate's part of the bias starts at one instead (R. Jozefowicz et al.,
        /// 2015); it does unless set.
        unit_forget_bias: bool,
        /// Whether the output has every step, `[steps, units]`, or the last, `[units]`.
        return_sequences: bool,
        /// Whether the layer returns `h` and `c` after the last step, too: see
        /// [`Symbol::states`].
        return_state: bool,
        /// Whether the input is read from its last step to its first. The output is in the order
        /// in which it was computed.
        go_backwards: bool,
        /// Whether each row of a batch starts where the same row of the batch before has ended, in
        /// training and out of it, until [`reset_states`](crate::Model::reset_states). Gradients end
        /// at the batch.
        stateful: bool,
        /// Whether the output of a masked step is zero; it is the output of the step before unless
        /// set.
        zero_output_for_mask: bool,
        /// Whether training changes the weights; it does unless set.
        trainable: bool,
    }

    options! {
        /// The penalty on `W`.
        kernel_regularizer: Regularizer,
        /// The penalty on `U`.
        recurrent_regularizer: Regularizer,
        /// The penalty on `b`.
        bias_regularizer: Regularizer,
        /// The penalty on everything the layer returns, divided by the size of the batch.
        activity_regularizer: Regularizer,
        /// The bounds of `W`.
        kernel_constraint: Constraint,
        /// The bounds of `U`.
        recurrent_constraint: Constraint,
        /// The bounds of `b`.
        bias_constraint: Constraint,
    }

    /// The part of the input's features that each row goes without in training, the same ones in every
    /// step: [`Dropout`](super::Dropout) with one draw for a whole sequence. Each gate goes without
    /// others if there is a [`recurrent_dropout`](Self::recurrent_dropout), too. As in Keras, a rate
    /// is brought between 0 and 1, and one of 1 does nothing.
    pub fn dropout(self, rate: f64) -> Self {
        LSTM { dropout: rate.clamp(0.0, 1.0), ..self }
    }

    /// The part of `h` before a step that each gate goes without in training, the same in every step
    /// (Y. Gal and Z. Ghahramani, 2016).
    pub fn recurrent_dropout(self, rate: f64) -> Self {
        LSTM { recurrent_dropout: rate.clamp(0.0, 1.0), ..self }
    }

    /// The seed of the dropouts; that of the training unless set.
    pub fn seed(self, seed: u64) -> Self {
        LSTM { seed: Some(seed), ..self }
    }

    /// The layer's name in the model; `lstm`, `lstm_1`, … unless set.
    pub fn name(self, name: impl Into<String>) -> Self {
        LSTM { name: Some(name.into()), ..self }
    }

    /// Calls the layer on `x`, as part of a functional model. It starts at zero.
    ///
    /// # Errors
    ///
    /// If the layer does not fit the shape of `x`.
    pub fn call(self, x: &Symbol) -> Result<Symbol> {
        Symbol::of_call(self.into(), vec![x.clone()])
    }

    /// Calls the layer on `x` with the states `[h, c]` before the first step, `[units]` each.
    ///
    /// # Errors
    ///
    /// If the layer does not fit the shapes.
    pub fn call_with_state(self, x: &Symbol, [h, c]: [&Symbol; 2]) -> Result<Symbol> {
        Symbol::of_call(self.into(), vec![x.clone(), h.clone(), c.clone()])
    }
}

impl From<LSTM> for Layer {
    fn from(lstm: LSTM) -> Self {
        Layer::LSTM(lstm)
    }
}

impl Describe for LSTM {
    fn class(&self) -> &'static str {
        "LSTM"
    }

    fn base_name(&self) -> &'static str {
        "lstm"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let x = match inputs {
            [x] | [x, _, _] => x,
            _ => {
                let why = format!("expected x, or x, h and c, found {} inputs", inputs.len());
                return Err(Error::invalid(what, why));
            }
        };
        let &[steps, features] = x.axes() else {
            let what = format!("input of {what}, [batch, steps, features]");
            let expected = vec![None, None, x.features()];
            return Err(Error::Shape { what, expected, found: x.batched(None) });
        };
        if features.is_none() {
            let why = format!("the last axis of its input, {x}, must be known");
            return Err(Error::invalid(what, why));
        }
        for (name, state) in ["h", "c"].into_iter().zip(&inputs[1..]) {
            if state.axes() != [Some(self.units)] {
                return Err(Error::Shape {
                    what: format!("initial state {name} of {what}"),
                    expected: vec![None, Some(self.units)],
                    found: state.batched(None),
                });
            }
        }

        let last = [Some(self.units)];
        outputs.resize_with(if self.return_state { 3 } else { 1 }, Shape::default);
        outputs.iter_mut().for_each(|output| output.assign(last));
        if self.return_sequences {
            outputs[0].assign([steps, Some(self.units)]);
        }
        Ok(())
    }

    fn check(&self, what: &str, inputs: &[Shape]) -> Result<()> {
        self.check_activity(what, inputs)?;
        if self.units == 0 {
            return Err(Error::invalid(what, "units must be positive"));
        }
        self.weights(inputs).iter().try_for_each(|weight| weight.check(what))
    }

    fn activity_regularizer(&self) -> Option<Regularizer> {
        self.activity_regularizer
    }

    fn weights(&self, inputs: &[Shape]) -> Vec<Weight> {
        let features = inputs[0].features().unwrap_or(0);
        // Saturated, it is beyond any memory, which the model will say.
        let gates = self.units.saturating_mul(4);
        let kernel = Weight::new("kernel", vec![features, gates], self.kernel_initializer)
            .regularizer(self.kernel_regularizer)
            .constraint(self.kernel_constraint.as_ref())
            .trainable(self.trainable);
        let shape = vec![self.units, gates];
        let recurrent = Weight::new("recurrent_kernel", shape, self.recurrent_initializer)
            .regularizer(self.recurrent_regularizer)
            .constraint(self.recurrent_constraint.as_ref())
            .trainable(self.trainable);
        let mut weights = vec![kernel, recurrent];
        if self.use_bias {
            let bias = Weight::new("bias", vec![gates], self.bias_initializer)
                .regularizer(self.bias_regularizer)
                .constraint(self.bias_constraint.as_ref())
                .trainable(self.trainable);
            let forget = self.units..self.units.saturating_mul(2);
            weights.push(Weight { ones: self.unit_forget_bias.then_some(forget), ..bias });
        }
        weights
    }
}
