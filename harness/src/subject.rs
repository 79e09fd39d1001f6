//! What is put to the test: recurrent layers with every option, as functional models with data.

use std::fmt;

use lstm::Activation::{Sigmoid, Tanh};
use lstm::{Activation, Dense, Input, Isa, LSTM, Model, Result, Tensor};

use crate::random::Random;
use crate::throughput::{BadSizes, Shape, fits};

/// Where the state before the first step comes from, and whether the last one is an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum States {
    /// From zero; not returned.
    Hidden,
    /// From inputs of the model, so that there are gradients for it; not returned.
    Given,
    /// From zero; returned, so that gradients come in through it.
    Returned,
    /// Both.
    GivenAndReturned,
}

impl States {
    /// Every choice.
    pub const ALL: [States; 4] =
        [States::Hidden, States::Given, States::Returned, States::GivenAndReturned];

    /// The choice with these two parts.
    pub fn new(given: bool, returned: bool) -> Self {
        States::ALL[usize::from(given) + 2 * usize::from(returned)]
    }

    fn given(self) -> bool {
        matches!(self, States::Given | States::GivenAndReturned)
    }

    fn returned(self) -> bool {
        matches!(self, States::Returned | States::GivenAndReturned)
    }
}

/// A stack of equal LSTM layers, a `Dense` head if wanted, and the size of their input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subject {
    /// Units of each layer.
    pub units: usize,
    /// Features of the input.
    pub inputs: usize,
    /// Steps of the input.
    pub steps: usize,
    /// Rows of the input.
    pub batch: usize,
    /// How many LSTM layers.
    pub layers: usize,
    /// `φ`
    pub activation: Activation,
    /// `σ`
    pub recurrent_activation: Activation,
    /// Whether the layers have a bias.
    pub use_bias: bool,
    /// Whether the last layer returns every step.
    pub return_sequences: bool,
    /// Whether the layers read their input from its end.
    pub go_backwards: bool,
    /// The states of the last layer.
    pub states: States,
    /// Units and activation of a `Dense` layer on top.
    pub head: Option<(usize, Activation)>,
}

impl Default for Subject {
    fn default() -> Self {
        Subject {
            units: 5,
            inputs: 3,
            steps: 4,
            batch: 3,
            layers: 1,
            activation: Tanh,
            recurrent_activation: Sigmoid,
            use_bias: true,
            return_sequences: true,
            go_backwards: false,
            states: States::GivenAndReturned,
            head: None,
        }
    }
}

impl Subject {
    /// Whether its arrays are of a size to work with.
    ///
    /// # Errors
    ///
    /// If they are not.
    pub fn fits(&self) -> std::result::Result<(), BadSizes> {
        let &Subject { units, inputs, steps, batch, layers, .. } = self;
        Shape { batch, steps, inputs, units }.fits(layers)?;
        match self.head {
            Some((head, _)) => fits(&[units + 1, head]).and(fits(&[batch, steps, head])),
            None => Ok(()),
        }
    }

    /// The model on an instruction set, with random weights, and random inputs with their names:
    /// `x`, then `initial h` and `initial c` if the states are given.
    ///
    /// # Errors
    ///
    /// If a layer does not know an option.
    pub fn build(&self, isa: Isa, seed: u64) -> Result<Built> {
        let &Subject { units, inputs, steps, batch, .. } = self;
        let x = Input::named("x", [steps, inputs]);
        let h = Input::named("h", [units]);
        let c = Input::named("c", [units]);
        let layer = || {
            LSTM::new(units)
                .activation(self.activation)
                .recurrent_activation(self.recurrent_activation)
                .use_bias(self.use_bias)
                .go_backwards(self.go_backwards)
        };

        let mut below = lstm::Symbol::clone(&x);
        for _ in 1..self.layers {
            below = layer().return_sequences(true).call(&below)?;
        }
        let last =
            layer().return_sequences(self.return_sequences).return_state(self.states.returned());
        let y = match self.states.given() {
            true => last.call_with_state(&below, [&h, &c])?,
            false => last.call(&below)?,
        };
        let states = match self.states.returned() {
            true => y.states()?.to_vec(),
            false => Vec::new(),
        };
        let y = match self.head {
            Some((units, activation)) => Dense::new(units).activation(activation).call(&y)?,
            None => y,
        };

        let given = if self.states.given() { vec![h, c] } else { Vec::new() };
        let ins: Vec<_> =
            [x].into_iter().chain(given).map(|input| lstm::Symbol::clone(&input)).collect();
        let outs = [vec![y], states].concat();
        let mut model = Model::<f64>::new_as(&ins[..], &outs[..])?;
        model.set_isa(isa);

        let mut random = Random::new(seed);
        // A variance as of glorot_uniform with a sum of order one; biases, too, are random.
        let weights: Vec<Tensor<f64>> = model
            .get_weights()
            .iter()
            .map(|weight| {
                let fan_in = if weight.shape().len() == 2 { weight.shape()[0] } else { 12 };
                // Without a bound on the gates states grow like powers of powers.
                let bounded = matches!(self.recurrent_activation, Sigmoid | Tanh);
                let gain = if bounded { 1.0 } else { 0.5 };
                let limit = gain * (3.0 / fan_in as f64).sqrt().min(1.0);
                Tensor::new(weight.shape(), random.numbers(weight.data().len(), limit))
            })
            .collect::<Result<_>>()?;
        model.set_weights(&weights)?;
        let mut tensor = |name, shape: Vec<usize>| {
            let numbers = random.numbers(shape.iter().product(), 1.0);
            Ok((name, Tensor::new(shape, numbers)?))
        };
        let mut data = vec![tensor("x", vec![batch, steps, inputs])?];
        if self.states.given() {
            data.push(tensor("initial h", vec![batch, units])?);
            data.push(tensor("initial c", vec![batch, units])?);
        }
        Ok(Built { model, inputs: data })
    }
}

/// A [`Subject`] made real.
#[derive(Debug)]
pub struct Built {
    /// The model.
    pub model: Model<f64>,
    /// Its inputs, with their names.
    pub inputs: Vec<(&'static str, Tensor<f64>)>,
}

/// Batch, steps and inputs, then the layers: `9×4×2 → 3 units relu/sigmoid, backwards`.
impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let Subject { units, inputs, steps, batch, .. } = self;
        let mut text = format!("{batch}×{steps}×{inputs} → {units}");
        if self.layers > 1 {
            text += &format!(" ×{}", self.layers);
        }
        if let Some((units, activation)) = self.head {
            text += &format!(" → {units} {activation}");
        }
        if (self.activation, self.recurrent_activation) != (Tanh, Sigmoid) {
            text += &format!(", {}/{}", self.activation, self.recurrent_activation);
        }
        let notes = [
            (!self.return_sequences, "last step"),
            (self.go_backwards, "backwards"),
            (!self.use_bias, "no bias"),
        ];
        for (_, note) in notes.iter().filter(|(holds, _)| *holds) {
            text += ", ";
            text += note;
        }
        out.pad(&text)
    }
}
