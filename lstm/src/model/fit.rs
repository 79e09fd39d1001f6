//! Training, evaluation and prediction.

use kernels::Float;

use super::execution::Params;
use super::progress::Progress;
use super::{History, Model, Verbose};
use crate::error::{Error, Result};
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
        let samples = self.check_samples(x, y)?;
        if options.batch_size == 0 {
            return Err(Error::invalid("batch_size", "it must be positive"));
        }
        let batch_size = options.batch_size.min(samples);
        self.execution.reserve(batch_size, true);

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
                let loss = self.train_rows(x, y, rows);
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
        let samples = self.check_samples(x, y)?;
        self.load(x, Rows::All(samples));
        Ok(self.step(y, Rows::All(samples)))
    }

    /// The loss over samples `x` with targets `y`.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit).
    pub fn evaluate(&mut self, x: impl Inputs<T>, y: &Tensor<T>) -> Result<f64> {
        let x = x.tensors();
        let samples = self.check_samples(x, y)?;
        let Some(loss) = self.compiled.as_ref().map(|compiled| compiled.loss) else {
            return Err(self.not_compiled());
        };
        let output = self.graph.outputs[0];
        let size = y.data().len() / samples;
        let mut sum = 0.0;
        for start in (0..samples).step_by(BATCH) {
            let rows = start..samples.min(start + BATCH);
            self.load(x, Rows::Range(rows.clone()));
            self.run_forward();
            let y = &y.data()[rows.start * size..rows.end * size];
            sum += loss.value(self.execution.value(output), y).to_f64() * rows.len() as f64;
        }
        Ok(sum / samples as f64)
    }

    /// The model's output for the samples `x`; the first one, if there are several.
    ///
    /// # Errors
    ///
    /// If `x` does not fit the model.
    pub fn predict(&mut self, x: impl Inputs<T>) -> Result<Tensor<T>> {
        let samples = self.check_inputs(x.tensors())?;
        let mut y = Tensor::zeros([&[samples], self.output_shape(0)].concat());
        self.predict_outputs(x.tensors(), std::slice::from_mut(&mut y));
        Ok(y)
    }

    /// All outputs of the model for the samples `x`.
    ///
    /// # Errors
    ///
    /// If `x` does not fit the model.
    pub fn predict_all(&mut self, x: impl Inputs<T>) -> Result<Vec<Tensor<T>>> {
        let samples = self.check_inputs(x.tensors())?;
        let outputs = 0..self.graph.outputs.len();
        let mut y: Vec<_> =
            outputs.map(|i| Tensor::zeros([&[samples], self.output_shape(i)].concat())).collect();
        self.predict_outputs(x.tensors(), &mut y);
        Ok(y)
    }

    /// [`predict`](Self::predict) into a tensor that is there already: allocates nothing after the
    /// first call of a shape.
    ///
    /// # Errors
    ///
    /// If `x` or `y` does not fit the model.
    pub fn predict_into(&mut self, x: impl Inputs<T>, y: &mut Tensor<T>) -> Result<()> {
        let samples = self.check_inputs(x.tensors())?;
        self.check_target(y, samples)?;
        self.predict_outputs(x.tensors(), std::slice::from_mut(y));
        Ok(())
    }

    fn predict_outputs(&mut self, x: &[&Tensor<T>], y: &mut [Tensor<T>]) {
        let samples = x[0].batch();
        for start in (0..samples).step_by(BATCH) {
            let rows = start..samples.min(start + BATCH);
            self.load(x, Rows::Range(rows.clone()));
            self.run_forward();
            for (y, &at) in y.iter_mut().zip(&self.graph.outputs) {
                let size = y.data().len() / samples;
                let out = &mut y.data_mut()[rows.start * size..rows.end * size];
                out.copy_from_slice(self.execution.value(at));
            }
        }
    }

    fn not_compiled(&self) -> Error {
        Error::NotCompiled { model: self.name.clone() }
    }

    /// Checks `x` and `y` for training; gives the number of samples.
    fn check_samples(&self, x: &[&Tensor<T>], y: &Tensor<T>) -> Result<usize> {
        if self.compiled.is_none() {
            return Err(self.not_compiled());
        }
        let samples = self.check_inputs(x)?;
        self.check_target(y, samples)?;
        match y.data().iter().position(|y| !y.is_finite()) {
            None => Ok(samples),
            Some(_) => y.check("y", &y.shape()[1..]).map(|()| samples),
        }
    }

    /// Checks that `y` has the shape of the output; a last axis of one may be left out.
    fn check_target(&self, y: &Tensor<T>, samples: usize) -> Result<()> {
        let output = self.output_shape(0);
        let same = |shape: &[usize]| y.shape().split_first() == Some((&samples, shape));
        let without_last = match output.split_last() {
            Some((1, rest)) => same(rest),
            _ => false,
        };
        if same(output) || without_last {
            return Ok(());
        }
        let expected = [&[samples], output].concat().into_iter().map(Some).collect();
        Err(Error::Shape { what: "y".to_owned(), expected, found: y.shape().to_vec() })
    }

    fn train_rows(&mut self, x: &[&Tensor<T>], y: &Tensor<T>, rows: &[usize]) -> T {
        self.load(x, Rows::These(rows));
        self.step(y, Rows::These(rows))
    }

    /// Copies rows of `x` into the model's inputs.
    fn load(&mut self, x: &[&Tensor<T>], rows: Rows) {
        self.execution.reserve(rows.len(), self.compiled.is_some());
        for (x, &input) in x.iter().zip(&self.graph.inputs) {
            rows.copy(x, self.execution.value((input, 0)));
        }
    }

    fn run_forward(&mut self) {
        let params = Params { weights: &self.params, version: self.version };
        self.execution.forward(params, false);
    }

    /// Forward, loss, backward, optimizer, for the inputs that were loaded.
    fn step(&mut self, y: &Tensor<T>, rows: Rows) -> T {
        let Some(compiled) = &mut self.compiled else { return T::ZERO };
        let params = Params { weights: &self.params, version: self.version };
        self.execution.forward(params, true);

        self.execution.clear_gradients();
        let output = self.graph.outputs[0];
        let (prediction, gradient) = self.execution.value_and_gradient(output);
        let target = rows.of(y, &mut self.targets);
        let loss = compiled.loss.value(prediction, target);
        compiled.loss.gradient(prediction, target, gradient);

        self.grads.fill(T::ZERO);
        self.execution.backward(params, &mut self.grads);
        compiled.optimizer.step(self.isa, &mut self.params, &self.grads);
        self.version += 1;
        loss
    }
}

/// Some rows of a tensor.
#[derive(Clone, Debug)]
enum Rows<'a> {
    All(usize),
    Range(std::ops::Range<usize>),
    These(&'a [usize]),
}

impl Rows<'_> {
    fn len(&self) -> usize {
        match self {
            Rows::All(rows) => *rows,
            Rows::Range(rows) => rows.len(),
            Rows::These(rows) => rows.len(),
        }
    }

    /// Copies the rows, one after another.
    fn copy<T: Float>(&self, from: &Tensor<T>, to: &mut [T]) {
        let size = from.data().len() / from.batch();
        match self {
            Rows::All(_) => to.copy_from_slice(from.data()),
            Rows::Range(rows) => {
                to.copy_from_slice(&from.data()[rows.start * size..rows.end * size]);
            }
            Rows::These(rows) => {
                for (&row, to) in rows.iter().zip(to.chunks_exact_mut(size.max(1))) {
                    to.copy_from_slice(&from.data()[row * size..][..size]);
                }
            }
        }
    }

    /// The rows, where they lie or copied to `room`.
    fn of<'a, T: Float>(&self, tensor: &'a Tensor<T>, room: &'a mut kernels::Buffer<T>) -> &'a [T] {
        let size = tensor.data().len() / tensor.batch();
        match self {
            Rows::All(_) => tensor.data(),
            Rows::Range(rows) => &tensor.data()[rows.start * size..rows.end * size],
            Rows::These(rows) => {
                room.resize(rows.len() * size);
                self.copy(tensor, room);
                room
            }
        }
    }
}
