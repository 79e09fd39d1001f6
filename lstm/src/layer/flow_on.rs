//! Recurrent layers that take one step at a time.

use kernels::{Buffer, Isa};

use super::{Flow, LSTM, Operation, Pass};
use crate::engine::{Options, Stream, Weights};
use crate::shape::Shape;

/// The operation of an [`LSTM`], or of cells one upon the other, in a stream: inputs and outputs are
/// of one step, and the states go on to the next.
#[derive(Debug)]
pub(super) struct FlowOn<T> {
    /// The lowest first.
    cells: Vec<Stream<T>>,
}

impl<T: crate::Float> FlowOn<T> {
    /// For `batch` rows, with the weights of all layers one after another.
    pub(super) fn new(
        isa: Isa,
        layers: impl Iterator<Item = (LSTM, Shape)>,
        mut weights: &[T],
        batch: usize,
    ) -> Self {
        let cells = layers.map(|(layer, input)| {
            let inputs = input.features().unwrap_or(0);
            let bias = usize::from(layer.use_bias);
            let own;
            (own, weights) = weights.split_at((inputs + layer.units + bias) * 4 * layer.units);
            let options = Options {
                inputs,
                units: layer.units,
                activation: layer.activation,
                recurrent_activation: layer.recurrent_activation,
                go_backwards: false,
                zero_output_for_mask: false,
            };
            Stream::new(isa, options, Weights::cut(own, inputs, layer.units), batch)
        });
        FlowOn { cells: cells.collect() }
    }
}

impl<T: crate::Float> Operation<T> for FlowOn<T> {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let (y, states) = outputs.split_at_mut(1);
        let mut below = pass.inputs.at(0);
        if let Some((last, first)) = self.cells.split_last_mut() {
            for cell in first {
                below = cell.step(below);
            }
            last.step_to(below, &mut y[0]);
        }
        for (cell, states) in self.cells.iter().zip(states.chunks_exact_mut(2)) {
            let (h, c) = states.split_at_mut(1);
            cell.state(&mut h[0], &mut c[0]);
        }
    }

    fn backward(
        &mut self,
        _: Pass<T>,
        _: &[Buffer<T>],
        _: &mut [Flow<T>],
        _: &mut [T],
        _: &mut [Flow<T>],
    ) {
        unreachable!("a stream is not trained");
    }

    fn streams(&mut self) -> &mut [Stream<T>] {
        &mut self.cells
    }
}
