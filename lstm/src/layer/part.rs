//! A recurrent layer inside of another: its operation, with values of its own.

use std::mem::swap;
use std::ops::Range;

use kernels::{Buffer, Isa};

use super::recurrent::Recurrent;
use super::{Flow, Inputs, Operation, Pass, Recurrence};
use crate::engine::Stage;
use crate::regularizer::Regularizer;
use crate::shape::Shape;

/// One of the recurrent layers that make up another. Its weights and states follow those of the one
/// before.
#[derive(Debug)]
pub(super) struct Part<T> {
    operation: Box<dyn Operation<T>>,
    pub(super) units: usize,
    /// Which part it is: each draws other random numbers.
    number: usize,
    /// Where what belongs to it is among what belongs to the whole.
    places: Places,
    /// The penalty on what it returns, and what the gradient of that is multiplied by in the backward
    /// that is next.
    activity_regularizer: Option<Regularizer>,
    activity_scale: Option<f64>,
    sources: Vec<(usize, usize)>,
    /// The output, and the states if they are returned.
    outputs: Vec<Buffer<T>>,
    /// Their gradients.
    douts: Vec<Flow<T>>,
    /// The gradients of the input, and of the initial states if they are given.
    dins: Vec<Flow<T>>,
}

impl<T: crate::Float> Part<T> {
    /// The part that comes after another, with inputs of this shape.
    pub(super) fn new(
        isa: Isa,
        layer: &Recurrent,
        input: &Shape,
        before: Option<&Part<T>>,
    ) -> Self {
        let inputs = std::slice::from_ref(input);
        let weights = layer.describe().weights(inputs);
        let size: usize = weights.iter().map(|weight| weight.shape.iter().product::<usize>()).sum();
        let states = layer.states().count();
        let [number, weight, state] = before.map_or([0; 3], |before| {
            [before.number + 1, before.places.weights.end, before.places.states.end]
        });
        let states = state..state + states;
        let returned = if layer.sequence().return_state { states.clone() } else { 0..0 };
        Part {
            operation: layer.operation(isa, inputs),
            units: layer.units(),
            number,
            activity_regularizer: layer.describe().activity_regularizer(),
            activity_scale: None,
            sources: Vec::new(),
            outputs: (0..1 + returned.len()).map(|_| Buffer::new()).collect(),
            douts: (0..1 + returned.len()).map(|_| Flow::default()).collect(),
            dins: (0..1 + states.len()).map(|_| Flow::default()).collect(),
            places: Places { weights: weight..weight + size, states, returned },
        }
    }

    /// The output of the last forward.
    pub(super) fn output(&self) -> &[T] {
        &self.outputs[0]
    }

    /// The same, and where its gradient goes.
    pub(super) fn output_and_dout(&mut self) -> (&[T], &mut Flow<T>) {
        (&self.outputs[0], &mut self.douts[0])
    }

    /// Where the gradient of the output goes before backward.
    pub(super) fn dout(&mut self) -> &mut Flow<T> {
        &mut self.douts[0]
    }

    /// The gradient of the input: whether it is wanted is said before backward, which makes it.
    pub(super) fn din(&mut self) -> &mut Flow<T> {
        &mut self.dins[0]
    }

    /// Where what belongs to it is among what belongs to the whole.
    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// Runs the layer in a pass of the whole, for an output with so many steps, and with the states that
    /// it returns.
    pub(super) fn forward(&mut self, pass: Pass<T>, steps: usize, returned: &mut [Buffer<T>]) {
        self.make_room(&pass, steps, returned);
        let Part { operation, outputs, sources, places, number, .. } = self;
        operation.forward(part(pass, sources, &places.weights, *number), outputs);
        self.give(returned);
    }

    /// See [`Operation::stage`].
    pub(super) fn stage<'a>(
        &'a mut self,
        pass: Pass<'a, T>,
        steps: usize,
        returned: &[Buffer<T>],
    ) -> Option<Stage<'a, T>> {
        self.make_room(&pass, steps, returned);
        let Part { operation, outputs, sources, places, number, .. } = self;
        operation.stage(part(pass, sources, &places.weights, *number), outputs)
    }

    /// See [`Operation::finish`].
    pub(super) fn finish(&mut self, batch: usize, returned: &mut [Buffer<T>]) {
        self.operation.finish(batch, &mut self.outputs);
        self.give(returned);
    }

    /// Finds the inputs of a pass of the whole, and makes room for the outputs.
    fn make_room(&mut self, pass: &Pass<T>, steps: usize, returned: &[Buffer<T>]) {
        let Inputs { sources, .. } = pass.inputs;
        let states =
            if sources.len() > 1 { &sources[1..][self.places.states.clone()] } else { &[] };
        self.sources.clear();
        self.sources.extend(sources[..1].iter().chain(states));

        debug_assert_eq!(returned.len(), self.places.returned.len(), "states that are returned");
        self.outputs[0].resize(pass.batch * steps * self.units);
        for (inner, outer) in self.outputs[1..].iter_mut().zip(returned) {
            inner.resize(outer.len());
        }
    }

    /// Gives the states that it returns.
    fn give(&self, returned: &mut [Buffer<T>]) {
        for (inner, outer) in self.outputs[1..].iter().zip(returned) {
            outer.copy_from_slice(inner);
        }
    }

    /// Runs the layer backward in a pass of the whole, with the gradients of its own states and weights.
    pub(super) fn backward(
        &mut self,
        pass: Pass<T>,
        dreturned: &mut [Flow<T>],
        dweights: &mut [T],
        dinitial: &mut [Flow<T>],
    ) {
        debug_assert_eq!(dreturned.len(), self.places.returned.len(), "states that are returned");
        debug_assert_eq!(dinitial.len(), self.sources.len() - 1, "initial states");
        // Gradients of states are lent to the part that they belong to.
        self.lend(dreturned, dinitial);
        self.add_activity_gradients(pass.batch);
        let Part { operation, outputs, sources, places, number, douts, dins, .. } = self;
        let dins = &mut dins[..sources.len()];
        if douts.iter().any(|flow| flow.live) {
            let pass = part(pass, sources, &places.weights, *number);
            operation.backward(pass, outputs, douts, dweights, dins);
        } else {
            dins.iter_mut().filter_map(Flow::room).for_each(|din| din.fill(T::ZERO));
        }
        self.lend(dreturned, dinitial);
    }

    /// See [`Operation::visit`].
    pub(super) fn visit(
        &mut self,
        batch: usize,
        inputs: &[Shape],
        see: &mut dyn FnMut(Recurrence<T>),
    ) {
        self.operation.visit(batch, inputs, see);
    }

    /// See [`Operation::carry`].
    pub(super) fn carry(&mut self, on: bool) {
        self.operation.carry(on);
    }

    /// The states that are kept from batch to batch, with the units of each.
    pub(super) fn carried(&mut self) -> Vec<(usize, &mut Buffer<T>)> {
        self.operation.carried()
    }

    /// The penalty on what was returned for a batch of so many rows: each output is divided by them.
    pub(super) fn activity_penalty(&self, batch: usize) -> f64 {
        let Some(regularizer) = self.activity_regularizer else { return 0.0 };
        let value = |output: &Buffer<T>| regularizer.value(&rows(batch, output), output);
        self.outputs.iter().map(value).sum::<f64>() / batch as f64
    }

    /// Makes the next backward add `scale` times the gradients of the penalty, if there is one; says
    /// whether.
    pub(super) fn add_activity(&mut self, scale: f64) -> bool {
        self.activity_scale = self.activity_regularizer.map(|_| scale);
        self.activity_scale.is_some()
    }

    fn add_activity_gradients(&mut self, batch: usize) {
        let (Some(regularizer), Some(scale)) =
            (self.activity_regularizer, self.activity_scale.take())
        else {
            return;
        };
        for (output, dout) in self.outputs.iter().zip(&mut self.douts) {
            let (shape, scale) = (rows(batch, output), scale / batch as f64);
            regularizer.add_gradient(&shape, output, scale, dout.sum(output.len()));
        }
    }

    /// Exchanges the gradients of states with those from outside; a second time, gives them back.
    fn lend(&mut self, dreturned: &mut [Flow<T>], dinitial: &mut [Flow<T>]) {
        for (inner, outer) in self.douts[1..].iter_mut().zip(dreturned) {
            swap(inner, outer);
        }
        for (inner, outer) in self.dins[1..self.sources.len()].iter_mut().zip(dinitial) {
            swap(inner, outer);
        }
    }

    pub(super) fn reset(&mut self) {
        self.operation.reset();
    }

    pub(super) fn rows(&self) -> Option<usize> {
        self.operation.rows()
    }
}

/// Where what belongs to a part is among what belongs to the whole.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) weights: Range<usize>,
    pub(super) states: Range<usize>,
    /// The states that it returns.
    pub(super) returned: Range<usize>,
}

/// The shape of an output of a batch: states of stacked cells have sizes of their own.
fn rows<T>(batch: usize, output: &[T]) -> [usize; 2] {
    [batch, output.len() / batch.max(1)]
}

/// The part of a pass that a layer with these inputs and weights has.
fn part<'a, T>(
    pass: Pass<'a, T>,
    sources: &'a [(usize, usize)],
    weights: &Range<usize>,
    number: usize,
) -> Pass<'a, T> {
    let shapes = &pass.inputs.shapes[..sources.len()];
    Pass {
        training: pass.training.map(|draw| draw.of(number)),
        weights: &pass.weights[weights.clone()],
        inputs: Inputs { sources, shapes, ..pass.inputs },
        ..pass
    }
}
