//! What a layer computes, and what it is given for that.

use std::fmt::Debug;

use kernels::{Buffer, Float};

use crate::activation::Activation;
use crate::engine::{Engine, Stage, Stream, pays_threads};
use crate::random::Draw;
use crate::shape::Shape;

/// What an operation gets, forward and backward.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a, T> {
    /// Rows of the batch.
    pub(crate) batch: usize,
    /// Whether backward will follow, or is under way.
    pub(crate) kept: bool,
    /// Keras's `training=True`, with the source of random numbers: the same, in a call and its
    /// backward, whenever the same step is run.
    pub(crate) training: Option<Draw>,
    /// Whether it is to stay on its thread.
    pub(crate) serial: bool,
    /// Whether other threads have something else to do.
    pub(crate) beside: bool,
    /// The weights of the layer, flat.
    pub(crate) weights: &'a [T],
    /// A number that changes whenever the weights do.
    pub(crate) version: u64,
    /// The inputs.
    pub(crate) inputs: Inputs<'a, T>,
}

impl<T: Float> Pass<'_, T> {
    /// Whether it may use threads, and has enough for two to do.
    pub(crate) fn pays_threads(&self) -> bool {
        let steps = self.batch.saturating_mul(self.inputs.axis(0, 0));
        !self.serial && pays_threads(steps.saturating_mul(self.weights.len()))
    }
}

/// The values that flow into an operation.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a, T> {
    /// The outputs of every operation before this one, and their masks.
    pub(crate) values: &'a [Vec<Buffer<T>>],
    pub(crate) masks: &'a [Vec<Mask>],
    /// Which of them: `(operation, output)`.
    pub(crate) sources: &'a [(usize, usize)],
    /// The shape of one sample of each, all axes known.
    pub(crate) shapes: &'a [Shape],
    /// The mask that the call was given, in place of that of the first input.
    pub(crate) given: Option<&'a [bool]>,
    /// The values that are read in place of those of the first input.
    pub(crate) first: Option<&'a [T]>,
}

impl<'a, T: Float> Inputs<'a, T> {
    pub(crate) fn len(&self) -> usize {
        self.sources.len()
    }

    /// The size of an axis of an input's samples.
    pub(crate) fn axis(&self, i: usize, axis: usize) -> usize {
        self.shapes[i].axes()[axis].unwrap_or(0)
    }

    pub(crate) fn at(&self, i: usize) -> &'a [T] {
        if let (0, Some(first)) = (i, self.first) {
            return first;
        }
        let (operation, output) = self.sources[i];
        &self.values[operation][output]
    }

    /// Which entries of an input are valid, `[batch, steps]`, if that is said of it.
    pub(crate) fn mask(&self, i: usize) -> Option<&'a [bool]> {
        if let (0, Some(given)) = (i, self.given) {
            return Some(given);
        }
        let (operation, output) = self.sources[i];
        self.masks.get(operation)?.get(output)?.get()
    }

    /// The mask that a recurrent layer goes by: the one that it was given, or that of its only
    /// input. Keras passes the mask of `x` by where it has initial states beside it, and only
    /// hands it on.
    pub(crate) fn mask_of_steps(&self) -> Option<&'a [bool]> {
        match self.len() {
            1 => self.mask(0),
            _ => self.given,
        }
    }
}

/// Which entries of a value are valid, for each row and step, if that is said of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mask {
    live: bool,
    valid: Vec<bool>,
}

impl Mask {
    pub(crate) fn get(&self) -> Option<&[bool]> {
        self.live.then_some(&self.valid[..])
    }

    /// Says nothing.
    pub(crate) fn clear(&mut self) {
        self.live = false;
    }

    /// Says it entry by entry.
    pub(crate) fn set(&mut self, valid: impl IntoIterator<Item = bool>) {
        self.valid.clear();
        self.valid.extend(valid);
        self.live = true;
    }

    /// Says what another does.
    pub(crate) fn pass(&mut self, other: Option<&[bool]>) {
        match other {
            Some(valid) => self.set(valid.iter().copied()),
            None => self.clear(),
        }
    }
}

/// A gradient that flows through an operation.
#[derive(Debug, Default)]
pub(crate) struct Flow<T> {
    /// Whether it is there (outputs) or wanted (inputs).
    pub(crate) live: bool,
    pub(crate) grad: Buffer<T>,
}

impl<T: Float> Flow<T> {
    /// The gradient, if it is there.
    pub(crate) fn get(&self) -> Option<&[T]> {
        self.live.then_some(&self.grad[..])
    }

    /// The gradient, to add to: `len` zeros if there was none.
    pub(crate) fn sum(&mut self, len: usize) -> &mut [T] {
        if !self.live {
            self.grad.resize(len);
            self.grad.fill(T::ZERO);
            self.live = true;
        }
        &mut self.grad
    }

    /// Room for the gradient, if it is wanted.
    pub(crate) fn room(&mut self) -> Option<&mut [T]> {
        self.live.then_some(&mut self.grad[..])
    }
}

/// What the gradient of a loss is with respect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfLoss {
    /// The output of an operation.
    Output,
    /// What the activation that ends the operation is applied to. It takes the place of the gradient of the
    /// output.
    Operand,
    /// The same, where other operations read the output, too: beside its gradient.
    Beside,
}

/// An LSTM, and the sizes of its calls.
#[derive(Debug)]
pub(crate) struct Recurrence<'a, T> {
    pub(crate) engine: &'a mut Engine<T>,
    pub(crate) batch: usize,
    pub(crate) steps: usize,
    /// Whether `h` and `x` are dropped out gate by gate.
    pub(crate) dropped: [bool; 2],
}

/// A layer's computation, with its memory. Buffers it is given have the right size.
pub(crate) trait Operation<T: Float>: Debug + Send + Sync {
    /// Reads the inputs, writes the outputs, keeps what backward needs if that will follow.
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]);

    /// The call that [`forward`](Self::forward) would make, if that is to run an LSTM, so that it can be made
    /// together with those of other layers; [`finish`](Self::finish) ends what is begun here. Nothing, if the
    /// input is yet to come, and has no numbers, where it is needed before the first step.
    fn stage<'a>(
        &'a mut self,
        _pass: Pass<'a, T>,
        _outputs: &'a mut [Buffer<T>],
    ) -> Option<Stage<'a, T>> {
        None
    }

    /// Writes what outputs are left after the [stage](Self::stage) of a pass over so many rows has been run.
    fn finish(&mut self, _batch: usize, _outputs: &mut [Buffer<T>]) {}

    /// Reads the gradients of the outputs (which it may overwrite), adds to those of the weights,
    /// overwrites those of the inputs that are wanted. At most once per forward.
    fn backward(
        &mut self,
        pass: Pass<T>,
        outputs: &[Buffer<T>],
        douts: &mut [Flow<T>],
        dweights: &mut [T],
        dins: &mut [Flow<T>],
    );

    /// Writes the masks of the outputs, which say nothing before: Keras's `compute_mask`. Masks end
    /// at a layer that does not speak of them, as they do in Keras.
    fn mask(&mut self, _inputs: Inputs<T>, _outputs: &mut [Mask]) {}

    /// The penalties on what layers inside of this one returned, for a batch of so many rows.
    fn inner_activity_penalty(&self, _batch: usize) -> f64 {
        0.0
    }

    /// Makes the next backward add `scale` times the gradients of those penalties, if there are any;
    /// says whether.
    fn add_inner_activity(&mut self, _scale: f64) -> bool {
        false
    }

    /// Whether the next forward keeps what the activation that ends the operation is applied to, for
    /// a loss that looks through it; gives that activation, if it can.
    fn look_through(&mut self, _keep: bool) -> Option<Activation> {
        None
    }

    /// What that activation was applied to, and, [beside](OfLoss::Beside) other gradients, room for that
    /// of the loss, which the next backward reads.
    fn operand(&mut self, _of_loss: OfLoss) -> Option<(&[T], Option<&mut [T]>)> {
        None
    }

    /// Shows every LSTM inside of it, for a batch of so many rows with inputs of these shapes.
    fn visit(&mut self, _batch: usize, _inputs: &[Shape], _see: &mut dyn FnMut(Recurrence<T>)) {}

    /// From now on the states go on from call to call, whatever the layer's options say, starting with
    /// zeros; or not any more.
    fn carry(&mut self, _on: bool) {}

    /// The streams inside of it, whose states go on from step to step.
    fn streams(&mut self) -> &mut [Stream<T>] {
        &mut []
    }

    /// The states that are kept from batch to batch, empty before the first one, with the units of
    /// each.
    fn carried(&mut self) -> Vec<(usize, &mut Buffer<T>)> {
        Vec::new()
    }

    /// Forgets the states that are kept from batch to batch.
    fn reset(&mut self) {}

    /// How many rows every batch must have, because of states that are carried on or because it was
    /// said so; 0 if it is yet to be seen, but the same for all.
    fn rows(&self) -> Option<usize> {
        None
    }
}
