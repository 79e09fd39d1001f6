//! Layers that read a sequence step by step, as the layers around them see them.

use kernels::Isa;

use super::{Describe, LSTM, Layer, Operation, RNN, recur, stack};
use crate::error::{Error, Result};
use crate::shape::Shape;

/// A layer that reads a sequence step by step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Recurrent {
    /// See [`LSTM`].
    LSTM(Box<LSTM>),
    /// See [`RNN`].
    RNN(RNN),
}

/// How a recurrent layer goes through a sequence, and what it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) return_sequences: bool,
    pub(crate) return_state: bool,
    pub(crate) go_backwards: bool,
    pub(crate) stateful: bool,
    pub(crate) zero_output_for_mask: bool,
}

impl LSTM {
    pub(crate) fn sequence(&self) -> Sequence {
        Sequence {
            return_sequences: self.return_sequences,
            return_state: self.return_state,
            go_backwards: self.go_backwards,
            stateful: self.stateful,
            zero_output_for_mask: self.zero_output_for_mask,
        }
    }
}

impl RNN {
    pub(crate) fn sequence(&self) -> Sequence {
        Sequence {
            return_sequences: self.return_sequences,
            return_state: self.return_state,
            go_backwards: self.go_backwards,
            stateful: self.stateful,
            zero_output_for_mask: self.zero_output_for_mask,
        }
    }
}

impl Recurrent {
    pub(crate) fn describe(&self) -> &dyn Describe {
        match self {
            Recurrent::LSTM(lstm) => &**lstm,
            Recurrent::RNN(rnn) => rnn,
        }
    }

    pub(crate) fn trainable(self, trainable: bool) -> Self {
        match self {
            Recurrent::LSTM(lstm) => lstm.trainable(trainable).into(),
            Recurrent::RNN(rnn) => Recurrent::RNN(rnn.trainable(trainable)),
        }
    }

    pub(crate) fn sequence(&self) -> Sequence {
        match self {
            Recurrent::LSTM(lstm) => lstm.sequence(),
            Recurrent::RNN(rnn) => rnn.sequence(),
        }
    }

    /// The layer under a name, going through sequences in another way.
    pub(crate) fn with(self, sequence: Sequence, name: String) -> Self {
        let name = Some(name);
        match self {
            Recurrent::LSTM(lstm) => Recurrent::from(LSTM {
                return_sequences: sequence.return_sequences,
                return_state: sequence.return_state,
                go_backwards: sequence.go_backwards,
                stateful: sequence.stateful,
                zero_output_for_mask: sequence.zero_output_for_mask,
                name,
                ..*lstm
            }),
            Recurrent::RNN(rnn) => Recurrent::RNN(RNN {
                return_sequences: sequence.return_sequences,
                return_state: sequence.return_state,
                go_backwards: sequence.go_backwards,
                stateful: sequence.stateful,
                zero_output_for_mask: sequence.zero_output_for_mask,
                name,
                ..rnn
            }),
        }
    }

    /// The name that it was given, or that of its class.
    pub(crate) fn name(&self) -> &str {
        let description = self.describe();
        description.name().unwrap_or(description.base_name())
    }

    /// The features of the output.
    pub(crate) fn units(&self) -> usize {
        match self {
            Recurrent::LSTM(lstm) => lstm.units,
            Recurrent::RNN(rnn) => rnn.units(),
        }
    }

    /// The sizes of the states: `h` and `c`, of each cell where there are several.
    pub(crate) fn states(&self) -> impl Iterator<Item = usize> + Clone {
        let cells = match self {
            Recurrent::LSTM(_) => 1,
            Recurrent::RNN(rnn) => rnn.cell.cells().len(),
        };
        let units = move |i: usize| match self {
            Recurrent::LSTM(lstm) => lstm.units,
            Recurrent::RNN(rnn) => rnn.cell.cells()[i].0.units,
        };
        (0..cells).flat_map(move |i| [units(i); 2])
    }

    /// The operation, for inputs of which the first has this shape.
    pub(crate) fn operation<T: crate::Float>(
        &self,
        isa: Isa,
        inputs: &[Shape],
    ) -> Box<dyn Operation<T>> {
        match self {
            Recurrent::LSTM(lstm) => Box::new(recur::Recur::new(isa, lstm, inputs)),
            Recurrent::RNN(rnn) => Box::new(stack::Stack::new(isa, rnn, inputs)),
        }
    }
}

impl From<LSTM> for Recurrent {
    fn from(lstm: LSTM) -> Self {
        Recurrent::LSTM(Box::new(lstm))
    }
}

impl From<RNN> for Recurrent {
    fn from(rnn: RNN) -> Self {
        Recurrent::RNN(rnn)
    }
}

impl TryFrom<Layer> for Recurrent {
    type Error = Error;

    /// # Errors
    ///
    /// If the layer is of another kind.
    fn try_from(layer: Layer) -> Result<Self> {
        match layer {
            Layer::LSTM(lstm) => Ok(lstm.into()),
            Layer::RNN(rnn) => Ok(Recurrent::RNN(rnn)),
            other => {
                let why = format!("expected an LSTM or an RNN, found {}", other.describe().class());
                Err(Error::invalid("recurrent layer", why))
            }
        }
    }
}

/// Checks that the first input is `[steps, features]`, and that the initial states `[size]` come
/// after it, or none of them; gives the steps.
pub(super) fn check_sequence(
    what: &str,
    inputs: &[Shape],
    states: impl Iterator<Item = usize> + Clone,
) -> Result<Option<usize>> {
    let count = states.clone().count();
    let x = match inputs {
        [x] => x,
        [x, given @ ..] if given.len() == count => x,
        _ => {
            let why = format!("expected x, or x and {count} states, found {} inputs", inputs.len());
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
    for (i, (size, state)) in states.zip(&inputs[1..]).enumerate() {
        if state.axes() != [Some(size)] {
            return Err(Error::Shape {
                what: format!("initial state {i} of {what}"),
                expected: vec![None, Some(size)],
                found: state.batched(None),
            });
        }
    }
    Ok(steps)
}
