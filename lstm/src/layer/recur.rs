//! The operation of an [`LSTM`] layer: Keras's options around the engine.

use kernels::{Buffer, Isa};

use super::{Flow, Inputs, LSTM, Mask, Operation, Pass, Recurrence};
use crate::engine::{self, Call, Engine, Factors, Gradient, Gradients, Incoming, Stage, Weights};
use crate::random::Rng;
use crate::shape::Shape;

/// The operation of an [`LSTM`] layer.
#[derive(Debug)]
pub(super) struct Recur<T> {
    engine: Engine<T>,
    inputs: usize,
    units: usize,
    return_sequences: bool,
    stateful: bool,
    /// Whether states are carried from call to call, for a time.
    carries: bool,
    /// The states after the last call, `[batch, units]`, where they are carried to the next; empty
    /// before the first.
    carried: [Buffer<T>; 2],
    dropout: Dropout<T>,
}

/// The dropouts of a layer, and what they multiply by in the batch under way.
#[derive(Debug)]
struct Dropout<T> {
    rate: f64,
    recurrent_rate: f64,
    seed: Option<u64>,
    /// See [`LSTM::drops_whole_input`].
    whole_input: bool,
    /// `[batch, 4, units]`, if the gates differ.
    recurrent: Buffer<T>,
    /// `[batch, inputs]`, or `[batch, 4, inputs]` if the gates differ.
    input: Buffer<T>,
    /// The input as dropout leaves it for all gates, `[batch, steps, inputs]`.
    x: Buffer<T>,
    /// Whether the batch under way has any.
    live: bool,
}

/// Whether a rate makes for a dropout: as in Keras, one is none.
fn drops(rate: f64) -> bool {
    0.0 < rate && rate < 1.0
}

impl LSTM {
    /// Whether dropout in training is of the input of all gates alike, and so done before the first step.
    pub(crate) fn drops_whole_input(&self) -> bool {
        drops(self.dropout) && self.recurrent_dropout <= 0.0
    }
}

impl<T: crate::Float> Dropout<T> {
    fn new(lstm: &LSTM) -> Self {
        Dropout {
            rate: lstm.dropout,
            recurrent_rate: lstm.recurrent_dropout,
            seed: lstm.seed,
            whole_input: lstm.drops_whole_input(),
            recurrent: Buffer::new(),
            input: Buffer::new(),
            x: Buffer::new(),
            live: false,
        }
    }

    /// Whether each gate has a draw of its own: Keras's `implementation=1`, which a recurrent dropout
    /// brings with it.
    fn by_gate(&self) -> bool {
        self.recurrent_rate > 0.0
    }

    /// Draws for a batch, and multiplies an input that all gates share.
    fn draw(&mut self, pass: &Pass<T>, inputs: usize, units: usize) {
        self.live = false;
        let (of_input, of_states) = (drops(self.rate), drops(self.recurrent_rate));
        let Some(draw) = pass.training.filter(|_| of_input || of_states) else { return };
        self.live = true;
        let mut rng = draw.rng(self.seed);
        let gates = if self.by_gate() { 4 } else { 1 };
        if of_input {
            self.input.resize(pass.batch * gates * inputs);
            fill(&mut rng, self.rate, &mut self.input);
        }
        if self.by_gate() {
            self.recurrent.resize(pass.batch * gates * units);
            match of_states {
                true => fill(&mut rng, self.recurrent_rate, &mut self.recurrent),
                false => self.recurrent.fill(T::ONE),
            }
        } else {
            let x = pass.inputs.at(0);
            self.x.resize(x.len());
            self.x.copy_from_slice(x);
            multiply(&mut self.x, &self.input, inputs);
        }
    }

    /// What the engine multiplies by.
    fn factors(&self) -> Option<Factors<'_, T>> {
        (self.live && self.by_gate()).then(|| Factors {
            recurrent: &self.recurrent,
            input: drops(self.rate).then_some(&self.input[..]),
        })
    }

    /// Whether all gates see the same changed input.
    fn changes_input(&self) -> bool {
        self.live && !self.by_gate()
    }
}

/// Zeros with the probability `rate`, and what makes up for them.
fn fill<T: crate::Float>(rng: &mut Rng, rate: f64, factors: &mut [T]) {
    let kept = T::from_f64(1.0 / (1.0 - rate));
    factors.fill_with(|| if rng.uniform() >= rate { kept } else { T::ZERO });
}

/// Multiplies every step of `x [batch, steps, inputs]` by `factors [batch, inputs]`.
fn multiply<T: crate::Float>(x: &mut [T], factors: &[T], inputs: usize) {
    let row = x.len() / (factors.len() / inputs);
    for (row, factors) in x.chunks_exact_mut(row).zip(factors.chunks_exact(inputs)) {
        for step in row.chunks_exact_mut(inputs) {
            step.iter_mut().zip(factors).for_each(|(x, &factor)| *x = *x * factor);
        }
    }
}

impl<T: crate::Float> Recur<T> {
    pub(super) fn new(isa: Isa, lstm: &LSTM, inputs: &[Shape]) -> Self {
        let features = inputs[0].features().unwrap_or(0);
        let options = engine::Options {
            inputs: features,
            units: lstm.units,
            activation: lstm.activation,
            recurrent_activation: lstm.recurrent_activation,
            go_backwards: lstm.go_backwards,
            zero_output_for_mask: lstm.zero_output_for_mask,
        };
        Recur {
            engine: Engine::new(isa, options),
            inputs: features,
            units: lstm.units,
            return_sequences: lstm.return_sequences,
            stateful: lstm.stateful,
            carries: false,
            carried: Default::default(),
            dropout: Dropout::new(lstm),
        }
    }

    /// What there is to do with the engine in a pass.
    #[inline(always)] // small layers would notice the copy
    fn start<'a>(&'a mut self, pass: &Pass<'a, T>, outputs: &'a mut [Buffer<T>]) -> Stage<'a, T> {
        let Recur { engine, inputs, units, return_sequences, carried, dropout, .. } = self;
        dropout.draw(pass, *inputs, *units);
        engine.stay_on_one_thread(pass.serial);
        let call = call(pass, (*inputs, *units), dropout, carried);
        Stage { engine, call, y: return_sequences.then_some(&mut outputs[0]) }
    }
}

/// The call of the engine: from parts of the operation, since the engine itself is changed by it.
fn call<'a, T: crate::Float>(
    pass: &Pass<'a, T>,
    (inputs, units): (usize, usize),
    dropout: &'a Dropout<T>,
    [h_carried, c_carried]: &'a [Buffer<T>; 2],
) -> Call<'a, T> {
    let given = |i| (pass.inputs.len() > i).then(|| pass.inputs.at(i));
    Call {
        weights: Weights::cut(pass.weights, inputs, units),
        version: pass.version,
        x: if dropout.changes_input() { &dropout.x } else { pass.inputs.at(0) },
        batch: pass.batch,
        steps: pass.inputs.axis(0, 0),
        mask: pass.inputs.mask_of_steps(),
        dropout: dropout.factors(),
        initial: match given(1) {
            None if !h_carried.is_empty() => [Some(h_carried), Some(c_carried)],
            h => [h, given(2)],
        },
        training: pass.kept,
    }
}

impl<T: crate::Float> Operation<T> for Recur<T> {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let Stage { engine, call, y } = self.start(&pass, outputs);
        engine.forward(&call, y);
        self.finish(pass.batch, outputs);
    }

    fn stage<'a>(
        &'a mut self,
        pass: Pass<'a, T>,
        outputs: &'a mut [Buffer<T>],
    ) -> Option<Stage<'a, T>> {
        let to_come = pass.inputs.at(0).is_empty();
        let waits = to_come && pass.training.is_some() && self.dropout.whole_input;
        (!waits).then(|| self.start(&pass, outputs))
    }

    fn finish(&mut self, batch: usize, outputs: &mut [Buffer<T>]) {
        let Recur { engine, units, stateful, carries, carried, .. } = self;
        if !self.return_sequences {
            engine.last_output(&mut outputs[0]);
        }
        if let [_, h, c] = outputs {
            engine.states(Some(h), Some(c));
        }
        if *stateful || *carries {
            let [h, c] = carried;
            h.resize(batch * *units);
            c.resize(batch * *units);
            engine.states(Some(h), Some(c));
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
        let Recur { engine, inputs, units, dropout, carried, .. } = self;
        // The states are those after the call by now, of which backward makes no use.
        let call = call(&pass, (*inputs, *units), dropout, carried);
        let incoming = Incoming {
            dy: match douts[0].get() {
                None => Gradient::None,
                Some(dy) if self.return_sequences => Gradient::Sequence(dy),
                Some(dy) => Gradient::Last(dy),
            },
            states: match &*douts {
                [_, dh, dc] => [dh.get(), dc.get()],
                _ => [None, None],
            },
        };
        let grads = Gradients::cut(dweights, *inputs, *units);
        let (mut dx, initial) = match dins {
            [dx, dh, dc] => (dx.room(), [dh.room(), dc.room()]),
            [dx, ..] => (dx.room(), [None, None]),
            [] => (None, [None, None]),
        };
        engine.backward(&call, incoming, grads, dx.as_deref_mut(), initial);
        if let (Some(dx), true) = (dx, dropout.changes_input()) {
            multiply(dx, &dropout.input, *inputs);
        }
    }

    /// The mask goes on with the sequence, in its own order even where the sequence is reversed.
    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        if self.return_sequences {
            outputs[0].pass(inputs.mask(0));
        }
    }

    fn visit(&mut self, batch: usize, inputs: &[Shape], see: &mut dyn FnMut(Recurrence<T>)) {
        let Dropout { rate, recurrent_rate, .. } = self.dropout;
        let by_gate = self.dropout.by_gate() && (drops(rate) || drops(recurrent_rate));
        see(Recurrence {
            engine: &mut self.engine,
            batch,
            steps: inputs[0].axes()[0].unwrap_or(0),
            dropped: [by_gate, by_gate && drops(rate)],
        });
    }

    fn carry(&mut self, on: bool) {
        self.carries = on;
        if !self.stateful {
            self.reset();
        }
    }

    fn carried(&mut self) -> Vec<(usize, &mut Buffer<T>)> {
        let states = self.carried.iter_mut().filter(|_| self.stateful);
        states.map(|state| (self.units, state)).collect()
    }

    fn reset(&mut self) {
        self.carried.iter_mut().for_each(|state| state.resize(0));
    }

    fn rows(&self) -> Option<usize> {
        self.stateful.then(|| self.carried[0].len() / self.units)
    }
}
