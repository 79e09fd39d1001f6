//! Gradients without a loss: for tests, and for whoever trains in another way.

use super::Model;
use super::execution::{Mode, Params};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::tensor::{Inputs, Tensor};

/// What [`Model::gradients`] returns.
#[derive(Clone, Debug)]
pub struct Gradients<T> {
    /// The outputs of the model.
    pub outputs: Vec<Tensor<T>>,
    /// With respect to each weight, in the order of [`Model::get_weights`].
    pub weights: Vec<Tensor<T>>,
    /// With respect to each input.
    pub inputs: Vec<Tensor<T>>,
}

impl<T: Float> Model<T> {
    /// Outputs for the whole of `x` as one batch, and the gradients of `Σ dy·y` with respect to
    /// weights and inputs: the vector–Jacobian product. `dy` has one gradient for each output;
    /// `None` stands for zero.
    ///
    /// # Errors
    ///
    /// If an array does not fit.
    pub fn gradients(
        &mut self,
        x: impl Inputs<T>,
        dy: &[Option<&Tensor<T>>],
    ) -> Result<Gradients<T>> {
        let samples = self.check_inputs(x.tensors())?;
        self.execution.want_input_gradients(true);
        let found = self.gradients_of(x.tensors(), dy, samples);
        self.execution.want_input_gradients(false);
        found
    }

    fn gradients_of(
        &mut self,
        x: &[&Tensor<T>],
        dy: &[Option<&Tensor<T>>],
        samples: usize,
    ) -> Result<Gradients<T>> {
        let outputs = self.graph.outputs.clone();
        if dy.len() != outputs.len() {
            let what = format!("gradients of the outputs of `{}`", self.name);
            return Err(Error::Count { what, expected: outputs.len(), found: dy.len() });
        }
        self.execution.check_rows(samples, samples)?;
        self.reserve(x, samples, true)?;
        for (i, (dy, &at)) in dy.iter().zip(&outputs).enumerate() {
            if let Some(dy) = dy {
                let what = format!("dy.{i}");
                dy.check(&what, self.execution.shape(at))?;
                if dy.batch() != samples {
                    let what = format!("samples of {what}");
                    return Err(Error::Count { what, expected: samples, found: dy.batch() });
                }
            }
        }

        for (x, &input) in x.iter().zip(&self.graph.inputs) {
            self.execution.value((input, 0)).copy_from_slice(x.data());
        }
        let params = Params { weights: &self.params, version: self.version };
        self.execution.forward(params, Mode::GRADIENTS);
        self.execution.clear_gradients();
        for (&at, dy) in outputs.iter().zip(dy) {
            let Some(dy) = dy else { continue };
            let fresh = self.execution.gradient(at).is_none();
            let (_, grad) = self.execution.value_and_gradient(at);
            for (grad, &dy) in grad.iter_mut().zip(dy.data()) {
                *grad = if fresh { dy } else { *grad + dy };
            }
        }
        self.grads.fill(T::ZERO);
        self.execution.backward(params, &mut self.grads);

        let inputs = self.graph.inputs.iter().map(|&input| {
            let mut gradient = self.execution.zeros((input, 0));
            if let Some(grad) = self.execution.gradient((input, 0)) {
                gradient.data_mut().copy_from_slice(grad);
            }
            gradient
        });
        Ok(Gradients {
            inputs: inputs.collect(),
            weights: self.tensors_of(&self.grads),
            outputs: outputs.into_iter().map(|at| self.execution.output(at)).collect(),
        })
    }
}
