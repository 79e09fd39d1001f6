//! A cell run over a sequence: the layer.

use super::cell::{Cell, LSTMCell};
use super::recurrent::check_sequence;
use super::{Describe, LSTM, Layer, Weight, named, options, setters};
use crate::error::{Error, Result};
use crate::graph::{Shared, Symbol};
use crate::regularizer::Regularizer;
use crate::shape::Shape;

/// Runs a cell, or a stack of cells, over a sequence: `[steps, features]` to `[units]` of the last
/// cell, or to `[steps, units]` with [`return_sequences`](RNN::return_sequences).
///
/// Options and defaults are those of `keras.layers.RNN`. The states are `h` and `c` of each cell, the
/// lowest cell first. It computes what LSTM layers one upon the other would, as fast.
#[derive(Clone, Debug)]
pub struct RNN {
    pub(crate) cell: Cell,
    pub(crate) return_sequences: bool,
    pub(crate) return_state: bool,
    pub(crate) go_backwards: bool,
    pub(crate) stateful: bool,
    pub(crate) zero_output_for_mask: bool,
    pub(crate) activity_regularizer: Option<Regularizer>,
    pub(crate) name: Option<String>,
}

impl RNN {
    /// A layer that returns its last output: of one cell, of an array of cells or of
    /// [`StackedRNNCells`](super::StackedRNNCells).
    pub fn new(cell: impl Into<Cell>) -> Self {
        RNN {
            cell: cell.into(),
            return_sequences: false,
            return_state: false,
            go_backwards: false,
            stateful: false,
            zero_output_for_mask: false,
            activity_regularizer: None,
            name: None,
        }
    }

    /// Whether the weights of all cells are trained; each is as its cell says unless set.
    pub fn trainable(self, trainable: bool) -> Self {
        RNN { cell: self.cell.trainable(trainable), ..self }
    }

    setters! {
        /// See [`LSTM::return_sequences`].
        return_sequences: bool,
        /// Whether the layer returns the states after the last step, too: see [`Symbol::output`].
        return_state: bool,
        /// See [`LSTM::go_backwards`].
        go_backwards: bool,
        /// See [`LSTM::stateful`].
        stateful: bool,
        /// See [`LSTM::zero_output_for_mask`].
        zero_output_for_mask: bool,
    }

    options! {
        /// See [`LSTM::activity_regularizer`].
        activity_regularizer: Regularizer,
    }

    /// Calls the layer on `x` with the states before the first step: `h` and `c` of each cell, the
    /// lowest cell first, `[units]` each.
    ///
    /// # Errors
    ///
    /// If the layer does not fit the shapes, or a setting is out of its range.
    pub fn call_with_state(self, x: &Symbol, states: &[&Symbol]) -> Result<Symbol> {
        let inputs = [x].into_iter().chain(states.iter().copied());
        Symbol::of_call(self.into(), inputs.cloned().collect())
    }

    /// The layers that compute it, each upon the one before: all but the last return every step, and
    /// only the first finds the input in its own order. What a masked step puts out is not read by
    /// the cells above, which pass over it, too.
    pub(crate) fn layers(&self) -> impl Iterator<Item = LSTM> {
        let cells = self.cell.cells();
        cells.iter().enumerate().map(|(i, LSTMCell(cell))| LSTM {
            return_sequences: self.return_sequences || i + 1 < cells.len(),
            return_state: self.return_state,
            go_backwards: self.go_backwards && i == 0,
            stateful: self.stateful,
            zero_output_for_mask: self.zero_output_for_mask && i + 1 == cells.len(),
            name: Some(cell.name.clone().unwrap_or_else(|| match i {
                0 => "lstm_cell".to_owned(),
                i => format!("lstm_cell_{i}"),
            })),
            ..(**cell).clone()
        })
    }

    /// The layers, and the shapes of their inputs.
    pub(crate) fn layers_and_inputs(&self, input: &Shape) -> impl Iterator<Item = (LSTM, Shape)> {
        let below =
            self.cell.cells().iter().map(|LSTMCell(cell)| Shape::from([None, Some(cell.units)]));
        self.layers().zip([input.clone()].into_iter().chain(below))
    }

    /// The units of the last cell.
    pub(crate) fn units(&self) -> usize {
        self.cell.cells().last().map_or(0, |LSTMCell(cell)| cell.units)
    }
}

named!(RNN);

impl Describe for RNN {
    fn class(&self) -> &'static str {
        "RNN"
    }

    fn base_name(&self) -> &'static str {
        "rnn"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        if self.cell.cells().is_empty() {
            return Err(Error::invalid(what, "expected at least one cell, found none"));
        }
        let states = self.cell.cells().iter().flat_map(|LSTMCell(cell)| [cell.units; 2]);
        let steps = check_sequence(what, inputs, states.clone())?;

        let states = states.filter(|_| self.return_state);
        outputs.resize_with(1 + states.clone().count(), Shape::default);
        match self.return_sequences {
            true => outputs[0].assign([steps, Some(self.units())]),
            false => outputs[0].assign([Some(self.units())]),
        }
        outputs[1..].iter_mut().zip(states).for_each(|(state, size)| state.assign([Some(size)]));
        Ok(())
    }

    fn check(&self, what: &str, inputs: &[Shape]) -> Result<()> {
        self.check_activity(what, inputs)?;
        for (layer, input) in self.layers_and_inputs(&inputs[0]) {
            let name = layer.name.as_deref().unwrap_or_default();
            layer.check(&format!("{name} of {what}"), &[input])?;
        }
        Ok(())
    }

    fn activity_regularizer(&self) -> Option<Regularizer> {
        self.activity_regularizer
    }

    fn weights(&self, inputs: &[Shape]) -> Vec<Weight> {
        let mut weights = Vec::new();
        for (layer, input) in self.layers_and_inputs(&inputs[0]) {
            let name = layer.name.as_deref().unwrap_or_default();
            for weight in layer.weights(&[input]) {
                weights.push(match &self.cell {
                    Cell::LSTM(_) => weight.of(name),
                    Cell::Stacked(stack) => weight.of(name).of(stack.own_name()),
                });
            }
        }
        weights
    }
}
