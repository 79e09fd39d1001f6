//! Gradients without a loss: for tests, and for whoever trains in another way.

use super::Model;
use super::execution::{Mode, Params};
use super::rows::Rows;
use super::train::Data;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::layer::Layer;
use crate::loss::Loss;
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
    /// The loss of a step of training on one batch, as the first one after `compile` would have it,
    /// from states that are zero; with its gradients, if they are wanted. Nothing is trained.
    pub(crate) fn loss_and_gradients(
        &mut self,
        x: &[&Tensor<T>],
        y: &[&Tensor<T>],
        wanted: bool,
    ) -> Result<(f64, Gradients<T>)> {
        let data = Data { x, y, weights: &[] };
        let samples = self.check_training(data)?;
        self.execution.check_rows(samples, samples)?;
        (self.seed, self.batches) = (0, 0);
        self.reset_states();
        let rows = Rows::Range(0, samples);
        let none = Gradients { outputs: Vec::new(), weights: Vec::new(), inputs: Vec::new() };
        if !wanted {
            return Ok((self.training_loss(data, rows)?, none));
        }
        self.execution.want_input_gradients(true);
        let loss = self.backpropagate(data, rows, 1.0);
        self.execution.want_input_gradients(false);
        let gradients = Gradients {
            outputs: Vec::new(),
            weights: self.tensors_of(&self.grads),
            inputs: self.input_gradients(),
        };
        Ok((loss?, gradients))
    }

    /// Which of the weights and inputs have gradients: weights that are trained, and inputs that are
    /// no indices.
    pub(crate) fn differentiable(&self) -> Vec<bool> {
        let weights = self.weights.iter().map(|place| place.weight.trainable);
        weights.chain(self.index_ranges().map(|range| range.is_none())).collect()
    }

    /// For each input, where it is indices into an embedding, how many there are.
    pub(crate) fn index_ranges(&self) -> impl Iterator<Item = Option<usize>> {
        self.graph.inputs.iter().map(|&input| {
            let ranges = self.graph.readers(input).filter_map(|layer| match layer {
                Layer::Embedding(embedding) => Some(embedding.input_dim),
                _ => None,
            });
            ranges.min()
        })
    }

    /// The outputs that have targets, with their losses.
    pub(crate) fn judged_outputs(&self) -> Vec<(usize, Option<Loss>)> {
        let Some(compiled) = &self.compiled else { return Vec::new() };
        let judge = &compiled.judge;
        judge.judged().map(|output| (output, judge.loss_of(output))).collect()
    }

    /// For each weight, none; for each input, the number that masks its steps, if there is one.
    pub(crate) fn mask_values(&self) -> Vec<Option<f64>> {
        let of_input = |&input: &usize| {
            self.graph.readers(input).find_map(|layer| match layer {
                Layer::Masking(masking) => Some(T::from_f64(masking.mask_value).to_f64()),
                _ => None,
            })
        };
        let weights = self.weights.iter().map(|_| None);
        weights.chain(self.graph.inputs.iter().map(of_input)).collect()
    }

    /// Whether masks are made of other numbers than those that [`mask_values`](Self::mask_values) tells.
    pub(crate) fn masks_by_other_numbers(&self) -> bool {
        self.graph.calls.iter().enumerate().any(|(at, call)| {
            let of_inputs = call.sources.iter().all(|(call, _)| self.graph.inputs.contains(call));
            let made = matches!(self.graph.layer(at), Layer::Masking(_)) && !of_inputs;
            made || call.mask.is_some() || matches!(self.graph.layer(at), Layer::Truth(_))
        })
    }

    /// What all masks said of the last batch.
    pub(crate) fn valid(&self) -> Vec<bool> {
        self.execution.valid()
    }

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

        Ok(Gradients {
            inputs: self.input_gradients(),
            weights: self.tensors_of(&self.grads),
            outputs: outputs.into_iter().map(|at| self.execution.output(at)).collect(),
        })
    }

    fn input_gradients(&mut self) -> Vec<Tensor<T>> {
        let inputs = self.graph.inputs.iter().map(|&input| {
            let mut gradient = self.execution.zeros((input, 0));
            if let Some(grad) = self.execution.gradient((input, 0)) {
                gradient.data_mut().copy_from_slice(grad);
            }
            gradient
        });
        inputs.collect()
    }
}
