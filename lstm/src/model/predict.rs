//! Prediction and evaluation.

use super::execution::{Mode, Params};
use super::logs::Logs;
use super::progress::Progress;
use super::rows::{Rows, batch_size};
use super::source::{Arrays, Order, Streamed};
use super::train::Data;
use super::{Model, Verbose};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::random::Draw;
use crate::tensor::{Inputs, Tensor};

/// How [`Model::predict_with`] and its like go about it: Keras's arguments and defaults.
///
/// ```
/// use lstm::{Predict, Verbose};
///
/// let options = Predict { batch_size: 256, verbose: Verbose::Bar, ..Predict::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Predict {
    /// Samples to a batch; 32 unless set.
    pub batch_size: usize,
    /// How many batches to go through, from the first; all unless set.
    pub steps: Option<usize>,
    /// What is shown meanwhile; nothing unless set, where Keras has a bar.
    pub verbose: Verbose,
    /// Whether layers do as they do in training, which is to drop out: Keras's `model(x, training=True)`.
    /// The number is the seed of what is drawn, anew for each batch. Not so unless set.
    pub training: Option<u64>,
}

impl Default for Predict {
    fn default() -> Self {
        Predict { batch_size: 32, steps: None, verbose: Verbose::Silent, training: None }
    }
}

/// How [`Model::evaluate_with`] goes about it: Keras's arguments and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluate {
    /// Samples to a batch; 32 unless set.
    pub batch_size: usize,
    /// How many batches to go through, from the first; all unless set.
    pub steps: Option<usize>,
    /// What is shown meanwhile; nothing unless set, where Keras has a bar.
    pub verbose: Verbose,
}

impl Default for Evaluate {
    fn default() -> Self {
        Evaluate { batch_size: 32, steps: None, verbose: Verbose::Silent }
    }
}

impl<T: Float> Model<T> {
    /// The loss over samples `x` with targets `y`.
    ///
    /// # Errors
    ///
    /// If the model is not compiled, or the data does not fit it.
    pub fn evaluate(&mut self, x: impl Inputs<T>, y: impl Inputs<T>) -> Result<f64> {
        self.evaluate_with(x, y, Evaluate::default())
    }

    /// [`evaluate`](Self::evaluate) with options.
    ///
    /// # Errors
    ///
    /// As there, and if an option is out of its range.
    pub fn evaluate_with(
        &mut self,
        x: impl Inputs<T>,
        y: impl Inputs<T>,
        options: Evaluate,
    ) -> Result<f64> {
        self.evaluate_weighted(x, y, &[], options)
    }

    /// [`evaluate_with`](Self::evaluate_with), with `sample_weight` as in
    /// [`Fit`](super::Fit::sample_weight). What the metrics gathered meanwhile is in
    /// [`metrics`](Self::metrics).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn evaluate_weighted(
        &mut self,
        x: impl Inputs<T>,
        y: impl Inputs<T>,
        sample_weight: &[&Tensor<T>],
        options: Evaluate,
    ) -> Result<f64> {
        let data = Data { x: x.tensors(), y: y.tensors(), weights: sample_weight };
        let samples = self.check_training(data)?;
        let batch_size = self.reserve_batch(data.x, options.batch_size, samples, false)?;
        check_steps(options.steps)?;
        let mut source = Arrays::new(data, Order::InTurn(0..samples), batch_size);
        self.test_batches(&mut source, options.steps, options.verbose)?;
        Ok(self.compiled()?.judge.loss())
    }

    /// The loss over the batches of a dataset, at most `steps` of them.
    ///
    /// # Errors
    ///
    /// If the model is not compiled, a batch does not fit it, there is none, or the dataset fails.
    pub fn evaluate_dataset(
        &mut self,
        dataset: &mut dyn Dataset<T>,
        steps: Option<usize>,
    ) -> Result<f64> {
        self.compiled()?;
        self.test_batches(&mut Streamed::new(dataset, &[]), steps, Verbose::Silent)?;
        Ok(self.compiled()?.judge.loss())
    }

    /// The loss and the metrics by Keras's names, as gathered since the present epoch of `fit`,
    /// or `evaluate`, began; those of its batch alone after `train_on_batch` and `test_on_batch`.
    ///
    /// # Errors
    ///
    /// If the model is not compiled.
    pub fn metrics(&mut self) -> Result<Vec<(String, f64)>> {
        let judge = &self.compiled()?.judge;
        let mut values = Vec::new();
        judge.results(&mut values);
        Ok(judge.names().iter().cloned().zip(values).collect())
    }

    /// Makes loss and metrics forget what they gathered.
    ///
    /// # Errors
    ///
    /// If the model is not compiled.
    pub fn reset_metrics(&mut self) -> Result<()> {
        self.compiled()?.judge.reset();
        Ok(())
    }

    /// The model's output for the samples `x`; the first one, if there are several.
    ///
    /// # Errors
    ///
    /// If `x` does not fit the model.
    pub fn predict(&mut self, x: impl Inputs<T>) -> Result<Tensor<T>> {
        self.predict_with(x, Predict::default())
    }

    /// [`predict`](Self::predict) with options.
    ///
    /// # Errors
    ///
    /// As there, and if an option is out of its range.
    pub fn predict_with(&mut self, x: impl Inputs<T>, options: Predict) -> Result<Tensor<T>> {
        let mut outputs = self.predict_all_with(x, options)?;
        Ok(outputs.swap_remove(0))
    }

    /// All outputs of the model for the samples `x`.
    ///
    /// # Errors
    ///
    /// If `x` does not fit the model.
    pub fn predict_all(&mut self, x: impl Inputs<T>) -> Result<Vec<Tensor<T>>> {
        self.predict_all_with(x, Predict::default())
    }

    /// [`predict_all`](Self::predict_all) with options.
    ///
    /// # Errors
    ///
    /// As there, and if an option is out of its range.
    pub fn predict_all_with(
        &mut self,
        x: impl Inputs<T>,
        options: Predict,
    ) -> Result<Vec<Tensor<T>>> {
        let x = x.tensors();
        let (samples, batch_size) = self.reserve_prediction(x, options)?;
        let mut outputs: Vec<Tensor<T>> = (self.graph.outputs.iter())
            .map(|&at| Tensor::zeros([&[samples], &self.execution.zeros(at).shape()[1..]].concat()))
            .collect();
        self.predict_batches(x, batch_size, options, &mut outputs)?;
        Ok(outputs)
    }

    /// All outputs for one batch of the samples `x`, however many they are.
    ///
    /// # Errors
    ///
    /// If `x` does not fit the model.
    pub fn predict_on_batch(&mut self, x: impl Inputs<T>) -> Result<Vec<Tensor<T>>> {
        let samples = x.tensors().first().map_or(1, |x| x.batch());
        self.predict_all_with(x, Predict { batch_size: samples.max(1), ..Predict::default() })
    }

    /// All outputs for the batches of a dataset, one after another; targets in it are left alone.
    ///
    /// # Errors
    ///
    /// If a batch does not fit the model, has outputs of another shape than the first one, there is
    /// none, or the dataset fails.
    pub fn predict_dataset(
        &mut self,
        dataset: &mut dyn Dataset<T>,
        steps: Option<usize>,
    ) -> Result<Vec<Tensor<T>>> {
        let mut outputs: Vec<Tensor<T>> = Vec::new();
        dataset.start(0);
        let mut step = 0;
        while steps.is_none_or(|steps| step < steps) && dataset.advance()? {
            let x: Vec<&Tensor<T>> = dataset.batch().x.iter().collect();
            let found = self.predict_on_batch(&x[..])?;
            if outputs.is_empty() {
                outputs = found;
            } else {
                for (output, found) in outputs.iter_mut().zip(&found) {
                    output.append(found, "outputs of a batch")?;
                }
            }
            step += 1;
        }
        match outputs.is_empty() {
            true => Err(Error::invalid("dataset", "it has no batch")),
            false => Ok(outputs),
        }
    }

    /// [`predict`](Self::predict) into a tensor that is there already, of a model with one output.
    /// After the first call of a shape it allocates nothing, on one thread.
    ///
    /// # Errors
    ///
    /// If `x` or `y` does not fit the model, or it has several outputs.
    pub fn predict_into(&mut self, x: impl Inputs<T>, y: &mut Tensor<T>) -> Result<()> {
        self.predict_into_with(x, y, Predict::default())
    }

    /// [`predict_into`](Self::predict_into) with options.
    ///
    /// # Errors
    ///
    /// As there, and if an option is out of its range.
    pub fn predict_into_with(
        &mut self,
        x: impl Inputs<T>,
        y: &mut Tensor<T>,
        options: Predict,
    ) -> Result<()> {
        let outputs = self.graph.outputs.len();
        if outputs != 1 {
            let why = format!(
                "it has {outputs} outputs, and `predict_into` fills one; `predict_all` gives all"
            );
            return Err(Error::invalid(format!("model `{}`", self.name), why));
        }
        let x = x.tensors();
        let (samples, batch_size) = self.reserve_prediction(x, options)?;
        self.check_room(y, samples)?;
        self.predict_batches(x, batch_size, options, std::slice::from_mut(y))
    }

    /// Makes room to predict: how many samples, in batches of how many.
    fn reserve_prediction(&mut self, x: &[&Tensor<T>], options: Predict) -> Result<(usize, usize)> {
        let samples = self.check_inputs(x)?;
        let batch_size = batch_size(options.batch_size, samples)?;
        check_steps(options.steps)?;
        let most = options.steps.map_or(samples, |steps| steps.saturating_mul(batch_size));
        let samples = samples.min(most);
        self.execution.check_rows(samples, batch_size)?;
        self.reserve(x, batch_size, false)?;
        Ok((samples, batch_size))
    }

    /// Predicts the first rows of `x`, as many as the outputs have.
    fn predict_batches(
        &mut self,
        x: &[&Tensor<T>],
        batch_size: usize,
        Predict { verbose, training, .. }: Predict,
        outputs: &mut [Tensor<T>],
    ) -> Result<()> {
        let samples = outputs[0].batch();
        let mut progress = Progress::once(verbose, Some(samples.div_ceil(batch_size)));
        for start in (0..samples).step_by(batch_size) {
            let end = samples.min(start + batch_size);
            let batch = (start / batch_size) as u64;
            // Layers with seeds of their own, too, draw other numbers for another seed.
            let draw = training.map(|seed| Draw::new(seed, (seed << 32).wrapping_add(batch)));
            self.run(x, Rows::Range(start, end), draw)?;
            for (output, &at) in outputs.iter_mut().zip(&self.graph.outputs) {
                let size = output.data().len() / samples;
                let rows = &mut output.data_mut()[start * size..end * size];
                rows.copy_from_slice(self.execution.value(at));
            }
            if let Some(progress) = &mut progress {
                progress.step(end.div_ceil(batch_size), &Logs::default());
            }
        }
        if let Some(progress) = &mut progress {
            progress.finish_epoch(samples.div_ceil(batch_size), &Logs::default());
        }
        Ok(())
    }

    /// Forward on rows of `x`.
    fn run(&mut self, x: &[&Tensor<T>], rows: Rows, draw: Option<Draw>) -> Result<()> {
        self.load(x, rows, false)?;
        self.look_through(false);
        let params = Params { weights: &self.params, version: self.version };
        self.execution.forward(params, Mode::outputs(draw));
        Ok(())
    }

    /// Checks that `y` has the shape of the output; a last axis of one may be left out.
    fn check_room(&self, y: &Tensor<T>, samples: usize) -> Result<()> {
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
}

fn check_steps(steps: Option<usize>) -> Result<()> {
    match steps {
        Some(0) => Err(Error::invalid("steps", "it must be positive")),
        _ => Ok(()),
    }
}
