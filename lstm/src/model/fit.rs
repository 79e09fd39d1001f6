//! Training, evaluation and prediction.

use kernels::Buffer;

use super::execution::Params;
use super::progress::Progress;
use super::{Compiled, History, Model, Verbose};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::random::Rng;
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
    /// Which random order; 0 unless set.
    pub seed: u64,
    /// What is shown meanwhile.
    pub verbose: Verbose,
}

impl Default for Fit {
    fn default() -> Self {
        Fit { epochs: 1, batch_size: 32, shuffle: true, seed: 0, verbose: Verbose::Auto }
    }
}

/// Samples to a batch of `predict` and `evaluate`.
const BATCH: usize = 32;

impl<T: Float> Model<T> {
    /// Trains on the samples `x` with targets `y`.
    ///
    /// # Errors
    ///
    /// If the model is not compiled, or the data does not fit it. Nothing is trained then.
    pub fn fit(&mut self, x: impl Inputs<T>, y: &Tensor<T>, options: Fit) -> Result<History> {
        let x = x.tensors();
        let samples = self.check_training(x, y)?;
        if options.batch_size == 0 {
            return Err(Error::invalid("batch_size", "it must be positive"));
        }
        let batch_size = options.batch_size.min(samples);
        self.reserve(x, batch_size, true)?;

        let mut history = History::new(&["loss"], options.epochs);
        let mut order: Vec<usize> = (0..samples).collect();
        let steps = samples.div_ceil(batch_size);
        let mut progress = Progress::new(options.verbose, options.epochs, steps);
        for epoch in 0..options.epochs {
            if options.shuffle {
                order.iter_mut().enumerate().for_each(|(i, at)| *at = i);
                Rng::new(options.seed, epoch as u64).shuffle(&mut order);
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
        let samples = self.check_training(x, y)?;
        self.train(x, y, Rows::Range(0, samples))
    }

    /// The loss over samples `x` with targets `y`.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit).
    pub fn evaluate(&mut self, x: impl Inputs<T>, y: &Tensor<T>) -> Result<f64> {
        let x = x.tensors();
        let samples = self.check_training(x, y)?;
        let loss = self.compiled()?.loss;
        let output = self.graph.outputs[0];
        let mut sum = 0.0;
        for start in (0..samples).step_by(BATCH) {
            let rows = Rows::Range(start, samples.min(start + BATCH));
            self.run(x, rows)?;
            let target = rows.of(y, &mut self.targets);
            sum += loss.value(self.execution.value(output), target).to_f64() * rows.len() as f64;
        }
        Ok(sum / samples as f64)
    }

    /// The model's output for the samples `x`; the first one, if there are several.
    ///
    /// # Errors
    ///
    /// If `x` does not fit the model.
    pub fn predict(&mut self, x: impl Inputs<T>) -> Result<Tensor<T>> {
        let mut outputs = self.predict_all(x)?;
        Ok(outputs.swap_remove(0))
    }

    /// All outputs of the model for the samples `x`.
    ///
    /// # Errors
    ///
    /// If `x` does not fit the model.
    pub fn predict_all(&mut self, x: impl Inputs<T>) -> Result<Vec<Tensor<T>>> {
        let x = x.tensors();
        let samples = self.check_inputs(x)?;
        self.reserve(x, samples.min(BATCH), false)?;
        let mut outputs: Vec<Tensor<T>> = (self.graph.outputs.iter())
            .map(|&at| Tensor::zeros([&[samples], &self.execution.zeros(at).shape()[1..]].concat()))
            .collect();
        self.predict_batches(x, &mut outputs)?;
        Ok(outputs)
    }

    /// [`predict`](Self::predict) into a tensor that is there already: allocates nothing after the
    /// first call of a shape.
    ///
    /// # Errors
    ///
    /// If `x` or `y` does not fit the model.
    pub fn predict_into(&mut self, x: impl Inputs<T>, y: &mut Tensor<T>) -> Result<()> {
        let x = x.tensors();
        let samples = self.check_inputs(x)?;
        self.reserve(x, samples.min(BATCH), false)?;
        self.check_target(y, samples)?;
        self.predict_batches(x, std::slice::from_mut(y))
    }

    fn predict_batches(&mut self, x: &[&Tensor<T>], outputs: &mut [Tensor<T>]) -> Result<()> {
        let samples = x[0].batch();
        for start in (0..samples).step_by(BATCH) {
            let end = samples.min(start + BATCH);
            self.run(x, Rows::Range(start, end))?;
            for (output, &at) in outputs.iter_mut().zip(&self.graph.outputs) {
                let size = output.data().len() / samples;
                let rows = &mut output.data_mut()[start * size..end * size];
                rows.copy_from_slice(self.execution.value(at));
            }
        }
        Ok(())
    }

    fn compiled(&mut self) -> Result<&mut Compiled<T>> {
        let not_compiled = || Error::NotCompiled { model: self.name.clone() };
        self.compiled.as_mut().ok_or_else(not_compiled)
    }

    /// Checks `x` and `y` for training; gives the number of samples.
    fn check_training(&mut self, x: &[&Tensor<T>], y: &Tensor<T>) -> Result<usize> {
        self.compiled()?;
        let samples = self.check_inputs(x)?;
        self.reserve(x, samples.min(BATCH), false)?;
        self.check_target(y, samples)?;
        y.check_finite("y")?;
        Ok(samples)
    }

    /// Checks that `y` has the shape of the output; a last axis of one may be left out.
    fn check_target(&self, y: &Tensor<T>, samples: usize) -> Result<()> {
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
    fn load(&mut self, x: &[&Tensor<T>], rows: Rows, training: bool) -> Result<()> {
        self.reserve(x, rows.len(), training)?;
        for (x, &input) in x.iter().zip(&self.graph.inputs) {
            rows.copy(x, self.execution.value((input, 0)));
        }
        Ok(())
    }

    /// Forward on rows of `x`.
    fn run(&mut self, x: &[&Tensor<T>], rows: Rows) -> Result<()> {
        self.load(x, rows, false)?;
        let params = Params { weights: &self.params, version: self.version };
        self.execution.forward(params, false);
        Ok(())
    }

    /// Forward, loss, backward, optimizer, on rows of `x` and `y`.
    fn train(&mut self, x: &[&Tensor<T>], y: &Tensor<T>, rows: Rows) -> Result<T> {
        self.load(x, rows, true)?;
        let params = Params { weights: &self.params, version: self.version };
        self.execution.forward(params, true);

        let loss = self.compiled()?.loss;
        self.execution.clear_gradients();
        let output = self.graph.outputs[0];
        let (prediction, gradient) = self.execution.value_and_gradient(output);
        let target = rows.of(y, &mut self.targets);
        let value = loss.value(prediction, target);
        loss.gradient(prediction, target, gradient);

        self.grads.fill(T::ZERO);
        let params = Params { weights: &self.params, version: self.version };
        self.execution.backward(params, &mut self.grads);
        let Model { isa, params, grads, compiled, .. } = self;
        if let Some(compiled) = compiled {
            T::optimize(&mut compiled.optimizer, *isa, params, grads);
        }
        self.version += 1;
        Ok(value)
    }
}

/// Some rows of a tensor.
#[derive(Clone, Copy, Debug)]
enum Rows<'a> {
    /// From one to before another.
    Range(usize, usize),
    These(&'a [usize]),
}

impl Rows<'_> {
    fn len(&self) -> usize {
        match self {
            Rows::Range(start, end) => end - start,
            Rows::These(rows) => rows.len(),
        }
    }

    /// Copies the rows, one after another.
    fn copy<T: Float>(&self, from: &Tensor<T>, to: &mut [T]) {
        let size = from.data().len() / from.batch();
        match self {
            Rows::Range(start, end) => {
                to.copy_from_slice(&from.data()[start * size..end * size]);
            }
            Rows::These(rows) => {
                for (&row, to) in rows.iter().zip(to.chunks_exact_mut(size.max(1))) {
                    to.copy_from_slice(&from.data()[row * size..][..size]);
                }
            }
        }
    }

    /// The rows, where they lie or copied to `room`.
    fn of<'a, T: Float>(&self, tensor: &'a Tensor<T>, room: &'a mut Buffer<T>) -> &'a [T] {
        let size = tensor.data().len() / tensor.batch();
        match self {
            Rows::Range(start, end) => &tensor.data()[start * size..end * size],
            Rows::These(rows) => {
                room.resize(rows.len() * size);
                self.copy(tensor, room);
                room
            }
        }
    }
}
