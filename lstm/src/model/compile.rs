//! How a model is trained: optimizer, losses, metrics.

use super::Model;
use super::judge::{Judge, Weighing};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::loss::Losses;
use crate::metric::{Direction, Metric};
use crate::optimizer::{self, Optimizer};

/// What else [`Model::compile_with`] sets: Keras's arguments and defaults.
///
/// ```
/// use lstm::{Compile, Loss, Metric};
///
/// let compile = Compile { metrics: vec![Metric::ACCURACY, "mae".parse()?], ..Compile::default() };
/// # Ok::<(), lstm::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compile {
    /// What is shown beside the loss, of every sample alike; see [`Metric::of_output`] where the
    /// model has several outputs.
    pub metrics: Vec<Metric>,
    /// What is shown beside the loss, weighted as the loss is.
    pub weighted_metrics: Vec<Metric>,
    /// What the loss of each output is multiplied with in the total; one unless set.
    pub loss_weights: Vec<f64>,
}

/// What `compile` has set.
#[derive(Debug)]
pub(super) struct Compiled<T> {
    pub(super) optimizer: optimizer::State<T>,
    pub(super) judge: Judge,
    /// As they were given.
    losses: Losses,
    options: Compile,
}

impl<T: Float> Model<T> {
    /// Chooses how `fit` trains the model. The optimizer starts anew, and so do the orders of
    /// samples.
    ///
    /// # Errors
    ///
    /// If a setting is out of range, or there are more or fewer losses than outputs.
    pub fn compile(
        &mut self,
        optimizer: impl Into<Optimizer>,
        loss: impl Into<Losses>,
    ) -> Result<()> {
        self.compile_with(optimizer, loss, Compile::default())
    }

    /// [`compile`](Self::compile) with metrics, and with weights of losses.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn compile_with(
        &mut self,
        optimizer: impl Into<Optimizer>,
        loss: impl Into<Losses>,
        options: Compile,
    ) -> Result<()> {
        let optimizer = optimizer.into();
        optimizer.check()?;
        let names = self.output_names();
        let of_outputs = |what| format!("{what} of `{}`, one for each output", self.name);
        let count = |what, found| {
            Err(Error::Count { what: of_outputs(what), expected: names.len(), found })
        };
        let loss = loss.into();
        let losses = match loss.clone().of_outputs(names.len()) {
            Ok(losses) if losses.iter().all(Option::is_none) => {
                return Err(Error::invalid(of_outputs("losses"), "there is none"));
            }
            Ok(losses) => losses,
            Err(found) => return count("losses", found),
        };
        losses.iter().flatten().try_for_each(|objective| objective.loss.check())?;
        let weights = &options.loss_weights;
        if !weights.is_empty() && weights.len() != names.len() {
            return count("loss_weights", weights.len());
        }
        if let Some(weight) = weights.iter().find(|weight| !weight.is_finite()) {
            return Err(Error::invalid("loss_weights", format!("{weight} is not finite")));
        }
        let outputs = &self.graph.outputs;
        for (at, place) in outputs.iter().enumerate() {
            if losses[at].is_some() && outputs[..at].contains(place) {
                let why = "it is the same as an earlier one, which has a loss already";
                return Err(Error::invalid(format!("output {at} of `{}`", self.name), why));
            }
        }
        let Compile { metrics, weighted_metrics, .. } = options.clone();
        let plain = metrics.into_iter().map(|metric| (metric, Weighing::Plain));
        let weighted = weighted_metrics.into_iter().map(|metric| (metric, Weighing::Weighted));
        let metrics: Vec<(Metric, Weighing)> = plain.chain(weighted).collect();
        for (metric, _) in &metrics {
            metric.check()?;
            if metric.output >= names.len() {
                let why = format!("output {} of {}", metric.output, names.len());
                return Err(Error::invalid(format!("metric `{}`", metric.name()), why));
            }
        }
        let trained = self.weights.iter().filter(|place| place.weight.trainable);
        let ranges = trained.map(|place| place.range.clone());
        let optimizer = optimizer::State::new(optimizer, self.params.len(), ranges);
        let judge = Judge::new(&names, losses, weights, &metrics);
        self.compiled = Some(Compiled { optimizer, judge, losses: loss, options });
        (self.epochs, self.batches) = (0, 0);
        self.fitted += 1;
        Ok(())
    }

    /// The name of each output: that of the layer it comes from.
    pub fn output_names(&self) -> Vec<String> {
        let outputs = self.graph.outputs.iter();
        outputs.map(|&(call, _)| self.graph.name(call).to_owned()).collect()
    }

    /// The losses and the rest that it was compiled with.
    pub(crate) fn compilation(&self) -> Option<(&Losses, &Compile)> {
        self.compiled.as_ref().map(|compiled| (&compiled.losses, &compiled.options))
    }

    pub(super) fn compiled(&mut self) -> Result<&mut Compiled<T>> {
        let not_compiled = || Error::NotCompiled { model: self.name.clone() };
        self.compiled.as_mut().ok_or_else(not_compiled)
    }

    /// Whether the metric of this name is better when larger; none if there is no such metric.
    pub(crate) fn direction(&self, name: &str) -> Option<Direction> {
        self.compiled.as_ref()?.judge.direction(name)
    }
}
