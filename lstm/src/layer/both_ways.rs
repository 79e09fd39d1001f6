//! The operation of a [`Bidirectional`] layer: two recurrent ones, and what joins them.
//!
//! | mode   | forward        | backward                      |
//! |--------|----------------|-------------------------------|
//! | concat | `y = [a, b]`   | `da, db = dy` in two          |
//! | sum    | `y = a + b`    | `da = dy`, `db = dy`          |
//! | ave    | `y = (a + b)/2`| `da = dy/2`, `db = dy/2`      |
//! | mul    | `y = a b`      | `da = dy b`, `db = dy a`      |

use kernels::{Buffer, Isa};

use super::bidirectional::{Bidirectional, MergeMode};
use super::part::{Part, Places};
use super::{Flow, Inputs, Mask, Operation, Pass, Recurrence};
use crate::shape::Shape;

/// The operation of a [`Bidirectional`] layer.
#[derive(Debug)]
pub(super) struct Both<T> {
    ways: [Part<T>; 2],
    merge_mode: Option<MergeMode>,
    return_sequences: bool,
}

impl<T: crate::Float> Both<T> {
    pub(super) fn new(isa: Isa, layer: &Bidirectional, inputs: &[Shape]) -> Self {
        let forward = Part::new(isa, &layer.forward_layer, &inputs[0], None);
        let backward = Part::new(isa, &layer.backward_layer, &inputs[0], Some(&forward));
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
        let [m, n] = self.ways.each_ref().map(|way| way.units);
        let live = match self.merge_mode {
            None => [douts[0].live, douts[1].live],
            Some(_) => [douts[0].live; 2],
        };
        for (way, live) in self.ways.iter_mut().zip(live) {
            let len = if live { batch * steps * way.units } else { 0 };
            way.dout().live = live;
            way.dout().grad.resize(len);
        }
        let half = T::from_f64(0.5);
        let [(a, da), (b, db)] = self.ways.each_mut().map(Part::output_and_dout);
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

/// Runs what the two directions do in a pass, on two threads if that pays: neither needs the other.
fn side_by_side<'a, T: crate::Float>(
    pass: Pass<'a, T>,
    a: impl FnOnce(Pass<'a, T>) + Send,
    b: impl FnOnce(Pass<'a, T>) + Send,
) {
    if pass.pays_threads() && rayon::current_num_threads() > 1 {
        let pass = Pass { beside: true, ..pass };
        rayon::join(|| a(pass), || b(pass));
    } else {
        a(pass);
        b(pass);
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
        let [forward, backward] = &mut self.ways;
        let (a, b) = outputs[values..].split_at_mut(forward.places().returned.end);
        side_by_side(
            pass,
            |pass| forward.forward(pass, steps, a),
            |pass| backward.forward(pass, steps, b),
        );

        let ([a, b], [m, n]) = (&self.ways, self.ways.each_ref().map(|way| way.units));
        for (at, back) in steps_of(pass.batch, steps) {
            let (a, b) = (vector(a.output(), at, m), vector(b.output(), back, n));
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
        let ([dx, dinitial @ ..], dreturned) = (dins, &mut douts[values..]) else { return };
        for way in &mut self.ways {
            way.din().live = dx.live;
            way.din().grad.resize(if dx.live { pass.inputs.at(0).len() } else { 0 });
        }
        let [forward, backward] = &mut self.ways;
        let Places { weights, states, returned } = forward.places();
        let (returned, dreturned) = dreturned.split_at_mut(returned.end);
        let (weights, dweights) = dweights.split_at_mut(weights.end);
        // Initial states need not be given.
        let (initial, dinitial) = dinitial.split_at_mut(states.end.min(dinitial.len()));
        side_by_side(
            pass,
            |pass| forward.backward(pass, returned, weights, initial),
            |pass| backward.backward(pass, dreturned, dweights, dinitial),
        );
        if let Some(dx) = dx.room() {
            let [a, b] = self.ways.each_mut().map(|way| &way.din().grad[..]);
            dx.iter_mut().zip(a.iter().zip(b)).for_each(|(dx, (&a, &b))| *dx = a + b);
        }
    }

    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        if self.return_sequences {
            let values = self.values();
            outputs[..values].iter_mut().for_each(|mask| mask.pass(inputs.mask(0)));
        }
    }

    fn inner_activity_penalty(&self, batch: usize) -> f64 {
        self.ways.iter().map(|way| way.activity_penalty(batch)).sum()
    }

    fn add_inner_activity(&mut self, scale: f64) -> bool {
        let any = self.ways.each_mut().map(|way| way.add_activity(scale));
        any.contains(&true)
    }

    fn visit(&mut self, batch: usize, inputs: &[Shape], see: &mut dyn FnMut(Recurrence<T>)) {
        self.ways.iter_mut().for_each(|way| way.visit(batch, inputs, see));
    }

    fn carried(&mut self) -> Vec<(usize, &mut Buffer<T>)> {
        self.ways.iter_mut().flat_map(|way| way.carried()).collect()
    }

    fn reset(&mut self) {
        self.ways.iter_mut().for_each(|way| way.reset());
    }

    fn rows(&self) -> Option<usize> {
        self.ways.iter().find_map(Part::rows)
    }
}
