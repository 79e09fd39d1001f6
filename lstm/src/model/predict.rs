//! Prediction and evaluation.

use std::borrow::Borrow;
use std::ops::Range;

use super::Model;
use super::execution::{Mode, Params};
use super::rows::{Rows, batch_size};
use super::train::Data;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::tensor::{Inputs, Tensor};

/// How [`Model::predict_with`] and its like go about it: Keras's arguments and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Predict {
    /// Samples to a batch; 32 unless set.
    pub batch_size: usize,
}

impl Default for Predict {
    fn default() -> Self {
        Predict { batch_size: 32 }
    }
}

/// How [`Model::evaluate_with`] goes about it: Keras's arguments and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluate {
    /// Samples to a batch; 32 unless set.
    pub batch_size: usize,
}

impl Default for Evaluate {
    fn default() -> Self {
        Evaluate { batch_size: 32 }
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
        self.compiled()?.judge.reset();
        self.test_all(data, 0..samples, options.batch_size, usize::MAX)?;
        Ok(self.compiled()?.judge.loss())
    }

    /// The loss and the metrics by Keras's names, as gathered since the present epoch of `fit`,
    /// or `evaluate`, began; `train_on_batch` and `test_on_batch` gather on.
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

    /// Takes some samples in, in batches, at most a number of them.
    pub(super) fn test_all<X: Borrow<Tensor<T>>>(
        &mut self,
        data: Data<X>,
        samples: Range<usize>,
        batch_size: usize,
        steps: usize,
    ) -> Result<()> {
        let batch_size = self.reserve_batch(data.x, batch_size, samples.len(), false)?;
        for start in samples.clone().step_by(batch_size).take(steps) {
            self.test(data, Rows::Range(start, samples.end.min(start + batch_size)))?;
        }
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
        let samples = self.check_inputs(x)?;
        let batch_size = batch_size(options.batch_size, samples)?;
        self.execution.check_rows(samples, batch_size)?;
        self.reserve(x, batch_size, false)?;
        let mut outputs: Vec<Tensor<T>> = (self.graph.outputs.iter())
            .map(|&at| Tensor::zeros([&[samples], &self.execution.zeros(at).shape()[1..]].concat()))
            .collect();
        self.predict_batches(x, batch_size, &mut outputs)?;
        Ok(outputs)
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
        let samples = self.check_inputs(x)?;
        let batch_size = batch_size(options.batch_size, samples)?;
        self.execution.check_rows(samples, batch_size)?;
        self.reserve(x, batch_size, false)?;
        self.check_room(y, samples)?;
        self.predict_batches(x, batch_size, std::slice::from_mut(y))
    }

    fn predict_batches(
        &mut self,
        x: &[&Tensor<T>],
        batch_size: usize,
        outputs: &mut [Tensor<T>],
    ) -> Result<()> {
        let samples = x[0].batch();
        for start in (0..samples).step_by(batch_size) {
            let end = samples.min(start + batch_size);
            self.run(x, Rows::Range(start, end))?;
            for (output, &at) in outputs.iter_mut().zip(&self.graph.outputs) {
                let size = output.data().len() / samples;
                let rows = &mut output.data_mut()[start * size..end * size];
                rows.copy_from_slice(self.execution.value(at));
            }
        }
        Ok(())
    }

    /// Forward on rows of `x`.
    fn run(&mut self, x: &[&Tensor<T>], rows: Rows) -> Result<()> {
        self.load(x, rows, false)?;
        self.look_through(false);
        let params = Params { weights: &self.params, version: self.version };
        self.execution.forward(params, Mode::PREDICT);
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
