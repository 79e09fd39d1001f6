//! The operation of a [`Bidirectional`] layer: two recurrent ones, and what joins them.
//!
//! | mode   | forward        | backward                      |
//! |--------|----------------|-------------------------------|
//! | concat | `y = [a, b]`   | `da, db = dy` in two          |
//! | sum    | `y = a + b`    | `da = dy`, `db = dy`          |
//! | ave    | `y = (a + b)/2`| `da = dy/2`, `db = dy/2`      |
//! | mul    | `y = a b`      | `da = dy b`, `db = dy a`      |

use std::ops::Range;

use kernels::{Buffer, Isa};

use super::bidirectional::{Bidirectional, MergeMode};
use super::recurrent::Recurrent;
use super::{Flow, Inputs, Mask, Operation, Pass};
use crate::shape::Shape;

/// The operation of a [`Bidirectional`] layer.
#[derive(Debug)]
pub(super) struct Both<T> {
    ways: [Way<T>; 2],
    merge_mode: Option<MergeMode>,
    return_sequences: bool,
}

/// One of the two layers, with values of its own.
#[derive(Debug)]
struct Way<T> {
    operation: Box<dyn Operation<T>>,
    units: usize,
    weights: Range<usize>,
    /// Which of the inputs its initial states are, if they are given; and which of the states that
    /// are returned are its own.
    states: Range<usize>,
    sources: Vec<(usize, usize)>,
    /// The output, in its own order of steps, and the states if they are returned.
    outputs: Vec<Buffer<T>>,
    douts: Vec<Flow<T>>,
    dins: Vec<Flow<T>>,
}

impl<T: crate::Float> Way<T> {
    fn new(isa: Isa, layer: &Recurrent, inputs: &[Shape], [weight, state]: [usize; 2]) -> Self {
        let weights = layer.describe().weights(&inputs[..1]);
        let size: usize = weights.iter().map(|weight| weight.shape.iter().product::<usize>()).sum();
        let states = layer.states().count();
        let returned = if layer.sequence().return_state { states } else { 0 };
        Way {
            operation: layer.operation(isa, &inputs[..1]),
            units: layer.units(),
            weights: weight..weight + size,
            states: state..state + states,
            sources: Vec::new(),
            outputs: (0..1 + returned).map(|_| Buffer::new()).collect(),
            douts: (0..1 + returned).map(|_| Flow::default()).collect(),
            dins: (0..1 + states).map(|_| Flow::default()).collect(),
        }
    }

    /// The places, among the inputs, of its states.
    fn given(&self) -> Range<usize> {
        1 + self.states.start..1 + self.states.end
    }

    /// Says what the operation reads in a pass of the whole layer.
    fn read(&mut self, inputs: Inputs<T>) {
        let states = if inputs.len() > 1 { &inputs.sources[self.given()] } else { &[] };
        self.sources.clear();
        self.sources.extend(inputs.sources[..1].iter().chain(states));
    }
}

/// The pass of one of the ways, as number `part`.
fn part<'a, T>(
    pass: Pass<'a, T>,
    sources: &'a [(usize, usize)],
    weights: &Range<usize>,
    part: usize,
) -> Pass<'a, T> {
    let shapes = &pass.inputs.shapes[..sources.len()];
    Pass {
        training: pass.training.map(|draw| draw.of(part)),
        weights: &pass.weights[weights.clone()],
        inputs: Inputs { sources, shapes, ..pass.inputs },
        ..pass
    }
}

impl<T: crate::Float> Both<T> {
    pub(super) fn new(isa: Isa, layer: &Bidirectional, inputs: &[Shape]) -> Self {
        let forward = Way::new(isa, &layer.forward_layer, inputs, [0, 0]);
        let start = [forward.weights.end, forward.states.end];
        let backward = Way::new(isa, &layer.backward_layer, inputs, start);
        Both {
            ways: [forward, backward],
            merge_mode: layer.merge_mode,
            return_sequences: layer.forward_layer.sequence().return_sequences,
        }
    }

    /// How many outputs come before the states.
    fn values(&self) -> usize {
        if self.merge_mode.is_none() { 2 } else { 1 }
    }

    /// The steps of an output.
    fn steps(&self, pass: &Pass<T>) -> usize {
        if self.return_sequences { pass.inputs.axis(0, 0) } else { 1 }
    }
}

impl<T: crate::Float> Both<T> {
    /// Makes the gradients of the two outputs, each in its own order of steps, from those of what
    /// was made of them.
    fn divide(&mut self, batch: usize, steps: usize, douts: &[Flow<T>]) {
        let [forward, backward] = &mut self.ways;
        let [m, n] = [forward.units, backward.units];
        let live = match self.merge_mode {
            None => [douts[0].live, douts[1].live],
            Some(_) => [douts[0].live; 2],
        };
        for (way, live) in [&mut *forward, &mut *backward].into_iter().zip(live) {
            way.douts[0].live = live;
            way.douts[0].grad.resize(if live { batch * steps * way.units } else { 0 });
        }
        let ([a, b], half) = ([&forward.outputs[0], &backward.outputs[0]], T::from_f64(0.5));
        let [da, db] = [&mut forward.douts[0], &mut backward.douts[0]];
        for (at, back) in steps_of(batch, steps) {
            let Some(mode) = self.merge_mode else {
                if let (Some(da), Some(dy)) = (da.room(), douts[0].get()) {
                    vector_mut(da, at, m).copy_from_slice(vector(dy, at, m));
                }
                if let (Some(db), Some(dy)) = (db.room(), douts[1].get()) {
                    vector_mut(db, back, n).copy_from_slice(vector(dy, at, n));
                }
                continue;
            };
            let (Some(dy), Some(da), Some(db)) = (douts[0].get(), da.room(), db.room()) else {
                return;
            };
            let (da, db) = (vector_mut(da, at, m), vector_mut(db, back, n));
            match mode {
                MergeMode::Concat => {
                    let dy = vector(dy, at, m + n);
                    da.copy_from_slice(&dy[..m]);
                    db.copy_from_slice(&dy[m..]);
                }
                MergeMode::Sum => {
                    da.copy_from_slice(vector(dy, at, m));
                    db.copy_from_slice(da);
                }
                MergeMode::Ave => {
                    let dy = vector(dy, at, m);
                    da.iter_mut().zip(dy).for_each(|(da, &dy)| *da = dy * half);
                    db.copy_from_slice(da);
                }
                MergeMode::Mul => {
                    let (dy, a, b) = (vector(dy, at, m), vector(a, at, m), vector(b, back, m));
                    da.iter_mut().zip(dy.iter().zip(b)).for_each(|(da, (&dy, &b))| *da = dy * b);
                    db.iter_mut().zip(dy.iter().zip(a)).for_each(|(db, (&dy, &a))| *db = dy * a);
                }
            }
        }
    }
}

/// Every row of a batch with every step of the output, in order: the place of the step, and that of
/// the same one where steps are in reverse.
fn steps_of(batch: usize, steps: usize) -> impl Iterator<Item = (usize, usize)> {
    let row = move |row| (0..steps).map(move |t| (row * steps + t, (row + 1) * steps - 1 - t));
    (0..batch).flat_map(row)
}

/// Entry number `at` of an array of vectors with so many features.
fn vector<T>(values: &[T], at: usize, features: usize) -> &[T] {
    &values[at * features..(at + 1) * features]
}

fn vector_mut<T>(values: &mut [T], at: usize, features: usize) -> &mut [T] {
    &mut values[at * features..(at + 1) * features]
}

impl<T: crate::Float> Operation<T> for Both<T> {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let (values, steps) = (self.values(), self.steps(&pass));
        for (i, way) in self.ways.iter_mut().enumerate() {
            way.read(pass.inputs);
            way.outputs[0].resize(pass.batch * steps * way.units);
            for (inner, outer) in way.outputs[1..].iter_mut().zip(way.states.clone()) {
                inner.resize(outputs[values + outer].len());
            }
            let pass = part(pass, &way.sources, &way.weights, i);
            way.operation.forward(pass, &mut way.outputs);
            for (inner, outer) in way.outputs[1..].iter().zip(way.states.clone()) {
                outputs[values + outer].copy_from_slice(inner);
            }
        }

        let [a, b] = &self.ways;
        let [m, n] = [a.units, b.units];
        for (at, back) in steps_of(pass.batch, steps) {
            let (a, b) = (vector(&a.outputs[0], at, m), vector(&b.outputs[0], back, n));
            let Some(mode) = self.merge_mode else {
                vector_mut(&mut outputs[0], at, m).copy_from_slice(a);
                vector_mut(&mut outputs[1], at, n).copy_from_slice(b);
                continue;
            };
            let both = a.iter().zip(b);
            match mode {
                MergeMode::Concat => {
                    let y = vector_mut(&mut outputs[0], at, m + n);
                    y[..m].copy_from_slice(a);
                    y[m..].copy_from_slice(b);
                }
                MergeMode::Sum => {
                    let y = vector_mut(&mut outputs[0], at, m).iter_mut();
                    y.zip(both).for_each(|(y, (&a, &b))| *y = a + b);
                }
                MergeMode::Ave => {
                    let (y, half) = (vector_mut(&mut outputs[0], at, m), T::from_f64(0.5));
                    y.iter_mut().zip(both).for_each(|(y, (&a, &b))| *y = (a + b) * half);
                }
                MergeMode::Mul => {
                    let y = vector_mut(&mut outputs[0], at, m).iter_mut();
                    y.zip(both).for_each(|(y, (&a, &b))| *y = a * b);
                }
            }
        }
    }

    fn backward(
        &mut self,
        pass: Pass<T>,
        _: &[Buffer<T>],
        douts: &mut [Flow<T>],
        dweights: &mut [T],
        dins: &mut [Flow<T>],
    ) {
        let (values, steps) = (self.values(), self.steps(&pass));
        self.divide(pass.batch, steps, douts);
        let dx_wanted = dins[0].live;
        for (i, way) in self.ways.iter_mut().enumerate() {
            let count = way.sources.len();
            // Gradients of states are lent to the way that they belong to.
            let lend = |way: &mut Way<T>, douts: &mut [Flow<T>], dins: &mut [Flow<T>]| {
                let returned = &mut douts[values..];
                for (inner, outer) in way.douts[1..].iter_mut().zip(way.states.clone()) {
                    std::mem::swap(inner, &mut returned[outer]);
                }
                for (inner, outer) in way.dins[1..count].iter_mut().zip(way.states.clone()) {
                    std::mem::swap(inner, &mut dins[1 + outer]);
                }
            };
            lend(way, douts, dins);
            way.dins[0].live = dx_wanted;
            way.dins[0].grad.resize(if dx_wanted { pass.inputs.at(0).len() } else { 0 });
            if way.douts.iter().any(|flow| flow.live) {
                let pass = part(pass, &way.sources, &way.weights, i);
                let Way { operation, outputs, douts, dins, weights, .. } = way;
                let dweights = &mut dweights[weights.clone()];
                operation.backward(pass, outputs, douts, dweights, &mut dins[..count]);
            } else {
                let wanted = way.dins[..count].iter_mut().filter_map(Flow::room);
                wanted.for_each(|din| din.fill(T::ZERO));
            }
            lend(way, douts, dins);
        }
        if let Some(dx) = dins[0].room() {
            let [a, b] = &self.ways;
            let both = a.dins[0].grad.iter().zip(&b.dins[0].grad[..]);
            dx.iter_mut().zip(both).for_each(|(dx, (&a, &b))| *dx = a + b);
        }
    }

    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        if self.return_sequences {
            let values = self.values();
            outputs[..values].iter_mut().for_each(|mask| mask.pass(inputs.mask(0)));
        }
    }

    fn reset(&mut self) {
        self.ways.iter_mut().for_each(|way| way.operation.reset());
    }

    fn carries(&self) -> Option<usize> {
        self.ways.iter().find_map(|way| way.operation.carries())
    }
}
