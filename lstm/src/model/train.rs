//! One step of training, and what a batch is held against.

use std::borrow::Borrow;

use super::compile::Compiled;
use super::execution::{Mode, Outcome, Params};
use super::fit::{check_class_weight, weigh_classes};
use super::judge::Sight;
use super::rows::{Rows, batch_size};
use super::{Bptt, Model};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::random::Draw;
use crate::tensor::{Inputs, Tensor};

/// What to check of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checks {
    All,
    Shapes,
}

/// Samples, targets of the outputs that have any, and weights: none, one for all outputs, or one
/// for each target.
#[derive(Debug)]
pub(super) struct Data<'a, X> {
    pub(super) x: &'a [X],
    pub(super) y: &'a [X],
    pub(super) weights: &'a [X],
}

impl<X> Clone for Data<'_, X> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<X> Copy for Data<'_, X> {}

impl<'a, X> Data<'a, X> {
    /// The weights that go with the targets number `at`.
    fn weights(&self, at: usize) -> Option<&'a X> {
        match self.weights {
            [] => None,
            [all] => Some(all),
            each => each.get(at),
        }
    }
}

impl<T: Float> Model<T> {
    /// One step of training on one batch; gives its loss before the step.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit).
    pub fn train_on_batch(&mut self, x: impl Inputs<T>, y: impl Inputs<T>) -> Result<T> {
        self.train_on_weighted_batch(x, y, &[])
    }

    /// [`train_on_batch`](Self::train_on_batch), with `sample_weight` as in
    /// [`Fit`](super::Fit::sample_weight).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn train_on_weighted_batch(
        &mut self,
        x: impl Inputs<T>,
        y: impl Inputs<T>,
        sample_weight: &[&Tensor<T>],
    ) -> Result<T> {
        self.train_batch(Data { x: x.tensors(), y: y.tensors(), weights: sample_weight })
    }

    /// [`train_on_batch`](Self::train_on_batch), with `class_weight` as in
    /// [`Fit`](super::Fit::class_weight).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn train_on_class_weighted_batch(
        &mut self,
        x: impl Inputs<T>,
        y: impl Inputs<T>,
        class_weight: &[(i64, f64)],
    ) -> Result<T> {
        let (x, y) = (x.tensors(), y.tensors());
        check_class_weight(class_weight)?;
        // Data that does not fit is found as such, before its classes are looked for.
        self.check_training(Data { x, y, weights: &[] })?;
        let mut weights = self.of_classes.take().unwrap_or_else(|| Tensor::zeros([0]));
        let result = weigh_classes(y, class_weight, &mut weights)
            .and_then(|()| self.train_batch(Data { x, y, weights: &[&weights] }));
        self.of_classes = Some(weights);
        result
    }

    /// Checks a batch by itself, and has losses and metrics begin with it; gives its rows.
    fn begin_batch(&mut self, data: Data<&Tensor<T>>) -> Result<Rows<'static>> {
        let samples = self.check_training(data)?;
        self.execution.check_rows(samples, samples)?;
        self.compiled()?.judge.reset();
        Ok(Rows::Range(0, samples))
    }

    fn train_batch(&mut self, data: Data<&Tensor<T>>) -> Result<T> {
        let rows = self.begin_batch(data)?;
        self.train(data, rows)
    }

    /// The loss of one batch.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate).
    pub fn test_on_batch(&mut self, x: impl Inputs<T>, y: impl Inputs<T>) -> Result<T> {
        self.test_on_weighted_batch(x, y, &[])
    }

    /// [`test_on_batch`](Self::test_on_batch), with `sample_weight` as in
    /// [`Fit`](super::Fit::sample_weight).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn test_on_weighted_batch(
        &mut self,
        x: impl Inputs<T>,
        y: impl Inputs<T>,
        sample_weight: &[&Tensor<T>],
    ) -> Result<T> {
        let data = Data { x: x.tensors(), y: y.tensors(), weights: sample_weight };
        let rows = self.begin_batch(data)?;
        self.test(data, rows).map(T::from_f64)
    }

    /// Checks data for training and evaluation; gives the number of samples.
    pub(super) fn check_training<X: Borrow<Tensor<T>>>(&mut self, data: Data<X>) -> Result<usize> {
        self.compiled()?;
        let samples = self.check_inputs(data.x)?;
        self.refit(data, samples, Checks::All)?;
        Ok(samples)
    }

    /// Fits losses and metrics to the shapes of data that was checked before, unless all is to be
    /// checked.
    pub(super) fn refit<X: Borrow<Tensor<T>>>(
        &mut self,
        data: Data<X>,
        samples: usize,
        checks: Checks,
    ) -> Result<()> {
        self.settle(data.x)?;
        self.fitted += 1;
        let Model { graph, execution, compiled, shape, name, .. } = self;
        let Some(Compiled { judge, .. }) = compiled else { return Ok(()) };
        let targets = judge.judged().count();
        let count = |what: &str, found| {
            let what = format!("{what} of `{name}`, one for each output with a loss");
            Err(Error::Count { what, expected: targets, found })
        };
        if data.y.len() != targets {
            return count("targets", data.y.len());
        }
        if data.weights.len() > 1 && data.weights.len() != targets {
            return count("arrays of sample weights", data.weights.len());
        }
        let mut at = 0;
        for (output, &place) in graph.outputs.iter().enumerate() {
            if !judge.is_judged(output) {
                continue;
            }
            shape.clear();
            shape.push(samples);
            shape.extend(execution.shape(place).axes().iter().map(|axis| axis.unwrap_or(0)));
            let (y, weights) = (data.y[at].borrow(), data.weights(at).map(Borrow::borrow));
            judge.fit(output, shape, y, weights, checks)?;
            at += 1;
        }
        Ok(())
    }

    /// The samples of a batch, where `wanted` are asked for, with room for it.
    pub(super) fn reserve_batch<X: Borrow<Tensor<T>>>(
        &mut self,
        x: &[X],
        wanted: usize,
        samples: usize,
        gradients: bool,
    ) -> Result<usize> {
        let batch_size = batch_size(wanted, samples)?;
        self.execution.check_rows(samples, batch_size)?;
        self.reserve(x, batch_size, gradients)?;
        Ok(batch_size)
    }

    /// Copies rows of `x` into the model's inputs.
    pub(super) fn load<X: Borrow<Tensor<T>>>(
        &mut self,
        x: &[X],
        rows: Rows,
        training: bool,
    ) -> Result<()> {
        self.reserve(x, rows.len(), training)?;
        for (x, &input) in x.iter().zip(&self.graph.inputs) {
            rows.copy(x.borrow(), self.execution.value((input, 0)));
        }
        Ok(())
    }

    /// Forward, loss, backward, optimizer, on rows of the data.
    pub(super) fn train<X: Borrow<Tensor<T>>>(&mut self, data: Data<X>, rows: Rows) -> Result<T> {
        let scale = self.compiled()?.optimizer.loss_scale_factor().unwrap_or(1.0);
        let value = T::from_f64(self.backpropagate(data, rows, scale)?);
        let Model { isa, params, grads, compiled, .. } = self;
        if let Some(compiled) = compiled {
            T::optimize(&mut compiled.optimizer, *isa, params, grads);
        }
        self.constrain();
        self.version += 1;
        self.batches += 1;
        Ok(value)
    }

    /// Forward as in training.
    fn forward<X: Borrow<Tensor<T>>>(&mut self, data: Data<X>, rows: Rows) -> Result<()> {
        self.load(data.x, rows, true)?;
        self.look_through(true);
        let params = Params { weights: &self.params, version: self.version };
        let draw = Draw::new(self.seed, self.batches);
        self.execution.forward(params, Mode::training(draw));
        Ok(())
    }

    /// Forward as in training, and the loss.
    pub(super) fn training_loss<X: Borrow<Tensor<T>>>(
        &mut self,
        data: Data<X>,
        rows: Rows,
    ) -> Result<f64> {
        self.forward(data, rows)?;
        Ok(self.judge(data, rows, None))
    }

    /// Forward, loss, backward: the loss, and the gradients of `scale` times it.
    pub(super) fn backpropagate<X: Borrow<Tensor<T>>>(
        &mut self,
        data: Data<X>,
        rows: Rows,
        scale: f64,
    ) -> Result<f64> {
        self.forward(data, rows)?;
        self.execution.clear_gradients();
        let value = self.judge(data, rows, Some(scale));
        self.execution.add_activity_gradients(scale);

        self.grads.fill(T::ZERO);
        let params = Params { weights: &self.params, version: self.version };
        self.execution.backward(params, &mut self.grads);
        self.add_penalty_gradients(scale);
        Ok(value)
    }

    /// Forward and loss, on rows of the data.
    pub(super) fn test<X: Borrow<Tensor<T>>>(&mut self, data: Data<X>, rows: Rows) -> Result<f64> {
        self.load(data.x, rows, false)?;
        self.look_through(true);
        let params = Params { weights: &self.params, version: self.version };
        self.execution.forward(params, Mode::PREDICT);
        Ok(self.judge(data, rows, None))
    }

    /// Has forward keep what losses look at through activations, or not.
    pub(super) fn look_through(&mut self, keep: bool) {
        let Model { graph, execution, .. } = self;
        for &(call, _) in &graph.outputs {
            execution.look_through(call, keep);
        }
    }

    /// Holds what forward gave against rows of the targets: the total loss, whose gradient, times
    /// a factor, is where backward starts, if it is wanted. Metrics take the batch in.
    fn judge<X: Borrow<Tensor<T>>>(
        &mut self,
        data: Data<X>,
        rows: Rows,
        gradient: Option<f64>,
    ) -> f64 {
        let penalty = self.penalty();
        let counted = match (gradient, self.bptt) {
            (Some(_), Bptt::Truncated { .. }) => {
                rows.len() * data.x.first().map_or(1, |x| x.borrow().shape()[1])
            }
            _ => rows.len(),
        };
        let Model { graph, execution, compiled, targets, .. } = self;
        let Some(Compiled { judge, .. }) = compiled else { return f64::NAN };
        targets.resize_with(graph.outputs.len(), Default::default);
        let (mut total, mut at) = (0.0, 0);
        for (output, (&place, room)) in graph.outputs.iter().zip(targets).enumerate() {
            if !judge.is_judged(output) {
                continue;
            }
            let weight = judge.weight(output);
            let [target, weights] = room;
            let activation = execution.look_through(place.0, true);
            let through = activation.and_then(|activation| judge.through(output, activation));
            let wanted = gradient.is_some() && weight.is_some();
            let Outcome { value: prediction, gradient: slope, mask, operand } =
                execution.outcome(place, wanted, through.is_some());
            let sight = Sight {
                samples: rows.len(),
                prediction,
                target: rows.of(data.y[at].borrow(), target),
                weights: data.weights(at).map(|given| rows.of(given.borrow(), weights)),
                mask,
                operand: activation.zip(operand),
                through: through.zip(operand),
            };
            let factor = gradient.unwrap_or(0.0) * weight.unwrap_or(0.0);
            let loss = judge.take(output, sight, slope.map(|slope| (slope, factor)));
            total += loss.unwrap_or(0.0) * weight.unwrap_or(0.0);
            at += 1;
        }
        total += penalty;
        judge.add_total(T::from_f64(total).to_f64(), counted);
        total
    }
}
