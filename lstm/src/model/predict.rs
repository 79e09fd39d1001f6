//! Prediction and evaluation.

use super::Model;
use super::execution::{Mode, Params};
use super::rows::{Rows, batch_size};
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
    pub fn evaluate(&mut self, x: impl Inputs<T>, y: &Tensor<T>) -> Result<f64> {
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
        y: &Tensor<T>,
        options: Evaluate,
    ) -> Result<f64> {
        let x = x.tensors();
        let (samples, batch_size) = self.check_training(x, y, options.batch_size)?;
        let loss = self.compiled()?.loss;
        let output = self.graph.outputs[0];
        let mut sum = 0.0;
        for start in (0..samples).step_by(batch_size) {
            let rows = Rows::Range(start, samples.min(start + batch_size));
            self.run(x, rows)?;
            let target = rows.of(y, &mut self.targets);
            let value = loss.value(self.execution.value(output), target).to_f64();
            sum += (value + self.penalty()) * rows.len() as f64;
        }
        Ok(sum / samples as f64)
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
        self.reserve(x, batch_size, false)?;
        self.check_target(y, samples)?;
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
        let params = Params { weights: &self.params, version: self.version };
        self.execution.forward(params, Mode::PREDICT);
        Ok(())
    }
}
