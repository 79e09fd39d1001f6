//! Training.

use super::execution::{Mode, Params};
use super::progress::Progress;
use super::rows::{Rows, batch_size};
use super::{Compiled, History, Model, Verbose};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::random::{Draw, Rng};
use crate::tensor::{Inputs, Tensor};

/// How [`Model::fit`] goes about it: Keras's arguments and defaults.
///
/// ```
/// use lstm::Fit;
///
/// let options = Fit { epochs: 10, batch_size: 16, ..Fit::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// How often all samples are seen; 1 unless set.
    pub epochs: usize,
    /// Samples to a step; 32 unless set.
    pub batch_size: usize,
    /// Whether the samples are put in random order before each epoch; they are unless set.
    pub shuffle: bool,
    /// Which random orders and dropouts; 0 unless set. Epochs are counted from one `fit` to the next, so that
    /// two of one epoch each see the orders of one of two; `compile` and `reseed` start again.
    pub seed: u64,
    /// What is shown meanwhile.
    pub verbose: Verbose,
}

impl Default for Fit {
    fn default() -> Self {
        Fit { epochs: 1, batch_size: 32, shuffle: true, seed: 0, verbose: Verbose::Auto }
    }
}

impl<T: Float> Model<T> {
    /// Trains on the samples `x` with targets `y`.
    ///
    /// # Errors
    ///
    /// If the model is not compiled, or the data does not fit it. Nothing is trained then.
    pub fn fit(&mut self, x: impl Inputs<T>, y: &Tensor<T>, options: Fit) -> Result<History> {
        let x = x.tensors();
        let (samples, batch_size) = self.check_training(x, y, options.batch_size)?;
        self.reserve(x, batch_size, true)?;

        self.seed = options.seed;
        let mut history = History::new(&["loss"], options.epochs);
        let mut order: Vec<usize> = (0..samples).collect();
        let steps = samples.div_ceil(batch_size);
        let mut progress = Progress::new(options.verbose, options.epochs, steps);
        for epoch in 0..options.epochs {
            if options.shuffle {
                order.iter_mut().enumerate().for_each(|(i, at)| *at = i);
                Rng::new(options.seed, self.epochs).shuffle(&mut order);
            }
            progress.epoch(epoch);
            let (mut sum, mut seen) = (0.0, 0);
            for (step, rows) in order.chunks(batch_size).enumerate() {
                let loss = self.train(x, y, Rows::These(rows))?;
                sum += loss.to_f64() * rows.len() as f64;
                seen += rows.len();
                progress.step(step + 1, &[("loss", sum / seen as f64)]);
            }
            let loss = sum / seen as f64;
            progress.finish_epoch(&[("loss", loss)]);
            history.push(epoch, &[loss]);
            self.epochs += 1;
        }
        if options.epochs > 0 {
            self.finalize();
        }
        Ok(history)
    }

    /// One step of training on one batch; gives its loss before the step.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit).
    pub fn train_on_batch(&mut self, x: impl Inputs<T>, y: &Tensor<T>) -> Result<T> {
        let x = x.tensors();
        let (samples, _) = self.check_training(x, y, usize::MAX)?;
        self.train(x, y, Rows::Range(0, samples))
    }

    pub(super) fn compiled(&mut self) -> Result<&mut Compiled<T>> {
        let not_compiled = || Error::NotCompiled { model: self.name.clone() };
        self.compiled.as_mut().ok_or_else(not_compiled)
    }

    /// Checks `x` and `y` for training in batches of a size; gives the number of samples, and of
    /// those in a batch.
    pub(super) fn check_training(
        &mut self,
        x: &[&Tensor<T>],
        y: &Tensor<T>,
        wanted: usize,
    ) -> Result<(usize, usize)> {
        self.compiled()?;
        let samples = self.check_inputs(x)?;
        let batch_size = batch_size(wanted, samples)?;
        self.reserve(x, batch_size, false)?;
        self.check_target(y, samples)?;
        y.check_finite("y")?;
        Ok((samples, batch_size))
    }

    /// Checks that `y` has the shape of the output; a last axis of one may be left out.
    pub(super) fn check_target(&self, y: &Tensor<T>, samples: usize) -> Result<()> {
        let output = self.execution.shape(self.graph.outputs[0]);
        let fits = |axes: &[Option<usize>]| {
            let found = y.shape().iter().copied().map(Some);
            [Some(samples)].into_iter().chain(axes.iter().copied()).eq(found)
        };
        let without_last = match output.axes().split_last() {
            Some((Some(1), rest)) => fits(rest),
            _ => false,
        };
        match fits(output.axes()) || without_last {
            true => Ok(()),
            false => Err(y.misfit("y", output.batched(Some(samples)))),
        }
    }

    /// Copies rows of `x` into the model's inputs.
    pub(super) fn load(&mut self, x: &[&Tensor<T>], rows: Rows, training: bool) -> Result<()> {
        self.reserve(x, rows.len(), training)?;
        for (x, &input) in x.iter().zip(&self.graph.inputs) {
            rows.copy(x, self.execution.value((input, 0)));
        }
        Ok(())
    }

    /// Forward, loss, backward, optimizer, on rows of `x` and `y`.
    fn train(&mut self, x: &[&Tensor<T>], y: &Tensor<T>, rows: Rows) -> Result<T> {
        self.load(x, rows, true)?;
        let params = Params { weights: &self.params, version: self.version };
        let draw = Draw::new(self.seed, self.batches);
        self.execution.forward(params, Mode::training(draw));

        let loss = self.compiled()?.loss;
        self.execution.clear_gradients();
        let output = self.graph.outputs[0];
        let (prediction, gradient) = self.execution.value_and_gradient(output);
        let target = rows.of(y, &mut self.targets);
        let value = loss.value(prediction, target);
        loss.gradient(prediction, target, gradient);
        let scale = self.compiled.as_ref().and_then(|c| c.optimizer.loss_scale_factor());
        if let Some(scale) = scale.map(T::from_f64) {
            gradient.iter_mut().for_each(|g| *g = *g * scale);
        }
        self.execution.add_activity_gradients(scale.unwrap_or(1.0));
        let value = value + T::from_f64(self.penalty());

        self.grads.fill(T::ZERO);
        let params = Params { weights: &self.params, version: self.version };
        self.execution.backward(params, &mut self.grads);
        self.add_penalty_gradients(scale.unwrap_or(1.0));
        let Model { isa, params, grads, compiled, .. } = self;
        if let Some(compiled) = compiled {
            T::optimize(&mut compiled.optimizer, *isa, params, grads);
        }
        self.constrain();
        self.version += 1;
        self.batches += 1;
        Ok(value)
    }
}
