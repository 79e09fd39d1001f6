//! Recurrent layers that take one step at a time.

use kernels::{Buffer, Isa};

use super::{Flow, Inputs, LSTM, Mask, Operation, Pass};
use crate::engine::{Options, SharedWeights, Stream, Weights};
use crate::shape::Shape;

/// The operation of an [`LSTM`], or of cells one upon the other, in a stream: inputs and outputs are
/// of one step, and the states go on to the next. A row that is masked keeps its states, and what it puts
/// out.
#[derive(Debug)]
pub(super) struct FlowOn<T> {
    /// The lowest first.
    cells: Vec<Stream<T>>,
    batch: usize,
    return_sequences: bool,
    zero_output_for_mask: bool,
    /// States, `h` and `c`, of each cell before a step, and of one after it: room for those of masked
    /// rows on their way back.
    before: Vec<[Buffer<T>; 2]>,
    after: [Buffer<T>; 2],
}

impl<T: crate::Float> FlowOn<T> {
    /// For `batch` rows, with the weights of all layers one after another, and what streams share of each.
    pub(super) fn new(
        isa: Isa,
        layers: impl Iterator<Item = (LSTM, Shape)>,
        mut weights: &[T],
        batch: usize,
        shared: &mut [SharedWeights<T>],
    ) -> Self {
        let (mut return_sequences, mut zero_output_for_mask) = (false, false);
        let mut before = Vec::new();
        let cells = layers.zip(shared).map(|((layer, input), shared)| {
            // Of the last one, which is what is seen.
            (return_sequences, zero_output_for_mask) =
                (layer.return_sequences, layer.zero_output_for_mask);
            before.push([(); 2].map(|()| Buffer::zeros(batch * layer.units)));
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
            let own = Weights::cut(own, inputs, layer.units);
            Stream::sharing(isa, options, own, batch, shared)
        });
        let cells = cells.collect();
        let widest = before.iter().map(|[h, _]| h.len()).max().unwrap_or(0);
        let after = [(); 2].map(|()| Buffer::zeros(widest));
        FlowOn { cells, batch, return_sequences, zero_output_for_mask, before, after }
    }
}

impl<T: crate::Float> FlowOn<T> {
    /// The outputs of a step of all rows.
    fn step<'a>(&'a mut self, mut below: &'a [T], y: &mut [T]) {
        if let Some((last, first)) = self.cells.split_last_mut() {
            for cell in first {
                below = cell.step(below);
            }
            last.step_to(below, y);
        }
    }

    /// The same where some rows are masked.
    fn step_masked(&mut self, x: &[T], mask: &[bool], y: &mut [T]) {
        for (cell, [h, c]) in self.cells.iter().zip(&mut self.before) {
            cell.state(h, c);
        }
        if mask.contains(&true) {
            self.step(x, y);
            let FlowOn { cells, before, after: [h, c], batch, .. } = self;
            for (cell, before) in cells.iter_mut().zip(before) {
                let size = before[0].len();
                cell.state(&mut h[..size], &mut c[..size]);
                for (after, before) in [&mut *h, &mut *c].into_iter().zip(before) {
                    let rows = after.chunks_exact_mut(size / *batch);
                    for ((after, before), _) in masked(rows, before, mask) {
                        after.copy_from_slice(before);
                    }
                }
                cell.set_state(&h[..size], &c[..size]);
            }
        }
        let Some([h, _]) = self.before.last() else { return };
        for ((y, h), _) in masked(y.chunks_exact_mut(h.len() / self.batch), h, mask) {
            if self.zero_output_for_mask { y.fill(T::ZERO) } else { y.copy_from_slice(h) }
        }
    }
}

/// The rows that are masked, with those of another array, which has as many.
fn masked<'a, Row, T>(
    rows: impl Iterator<Item = Row>,
    others: &'a [T],
    mask: &'a [bool],
) -> impl Iterator<Item = ((Row, &'a [T]), &'a bool)> {
    let others = others.chunks_exact(others.len() / mask.len());
    rows.zip(others).zip(mask).filter(|(_, valid)| !**valid)
}

impl<T: crate::Float> Operation<T> for FlowOn<T> {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let (y, states) = outputs.split_at_mut(1);
        match pass.inputs.mask_of_steps() {
            Some(mask) if mask.contains(&false) => {
                self.step_masked(pass.inputs.at(0), mask, &mut y[0]);
            }
            _ => self.step(pass.inputs.at(0), &mut y[0]),
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

    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        if self.return_sequences {
            outputs[0].pass(inputs.mask(0));
        }
    }

    fn streams(&mut self) -> &mut [Stream<T>] {
        &mut self.cells
    }
}
