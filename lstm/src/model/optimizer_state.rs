//! What the optimizer remembers, as plain data: with the weights, all that a training can be
//! resumed from exactly.

use super::Model;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::optimizer::{Counters, State};
use crate::tensor::Tensor;

/// What the optimizer of a compiled model remembers from step to step.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState<T> {
    /// Steps taken, whether or not they changed the weights.
    pub iterations: u64,
    /// The learning rate, where no schedule takes its place.
    pub learning_rate: f64,
    /// The product `P` of [`Nadam`](crate::Nadam); one for the others.
    pub product: f64,
    /// `layer/weight/slot` with its numbers, in the order of Keras's `optimizer.variables`. The
    /// slots have Keras's names: `momentum`, `velocity`, `average`, ….
    pub slots: Vec<(String, Tensor<T>)>,
}

impl<T: Float> Model<T> {
    /// What the optimizer remembers.
    ///
    /// # Errors
    ///
    /// If the model is not compiled.
    pub fn optimizer_state(&self) -> Result<OptimizerState<T>> {
        let state = self.state()?;
        let Counters { iterations, learning_rate, product } = state.counters();
        let named = self.slots(state).into_iter().zip(state.slots());
        let slots = named.map(|((name, shape), values)| {
            let mut tensor = Tensor::zeros(shape);
            tensor.data_mut().copy_from_slice(values);
            (name, tensor)
        });
        Ok(OptimizerState { iterations, learning_rate, product, slots: slots.collect() })
    }

    /// Makes the optimizer remember what it did when `state` was taken.
    ///
    /// # Errors
    ///
    /// If the model is not compiled, the state is that of another optimizer or another model, or
    /// it holds a NaN or infinity. The optimizer is then as it was.
    pub fn set_optimizer_state(&mut self, state: &OptimizerState<T>) -> Result<()> {
        state.slots.iter().try_for_each(|(name, tensor)| tensor.check_finite(name))?;
        self.put_back_optimizer_state(state)
    }

    /// The same with a state that was its own, whatever it holds.
    pub(super) fn put_back_optimizer_state(&mut self, state: &OptimizerState<T>) -> Result<()> {
        self.check_optimizer_state(state)?;
        let OptimizerState { iterations, learning_rate, product, .. } = *state;
        let counters = Counters { iterations, learning_rate, product };
        let slots = state.slots.iter().map(|(_, tensor)| tensor.data());
        self.compiled()?.optimizer.resume(counters, slots);
        Ok(())
    }

    /// Checks that the state is one of this optimizer and this model.
    pub(super) fn check_optimizer_state(&self, state: &OptimizerState<T>) -> Result<()> {
        let expected = self.slots(self.state()?);
        if expected.len() != state.slots.len() {
            let what = format!("slots of the optimizer of `{}`", self.name);
            let (expected, found) = (expected.len(), state.slots.len());
            return Err(Error::Count { what, expected, found });
        }
        for ((name, shape), (found, tensor)) in expected.iter().zip(&state.slots) {
            if name != found {
                let why = format!("expected `{name}`, found `{found}`");
                return Err(Error::invalid(
                    format!("slots of the optimizer of `{}`", self.name),
                    why,
                ));
            }
            if tensor.shape() != shape {
                return Err(tensor.misfit(name, shape.iter().copied().map(Some).collect()));
            }
        }
        Ok(())
    }

    /// The names of the slots, in their order.
    pub(super) fn slot_names(&self) -> Result<Vec<String>> {
        Ok(self.slots(self.state()?).into_iter().map(|(name, _)| name).collect())
    }

    fn state(&self) -> Result<&State<T>> {
        let not_compiled = || Error::NotCompiled { model: self.name.clone() };
        Ok(&self.compiled.as_ref().ok_or_else(not_compiled)?.optimizer)
    }

    /// The name and the shape of each slot.
    fn slots(&self, state: &State<T>) -> Vec<(String, Vec<usize>)> {
        let weights = self.weights.iter().zip(self.weight_names());
        let trained: Vec<_> = weights.filter(|(place, _)| place.weight.trainable).collect();
        let slot = |(tensor, slot): (usize, &str)| {
            let (place, name) = &trained[tensor];
            (format!("{name}/{slot}"), place.weight.shape.clone())
        };
        state.places().into_iter().map(slot).collect()
    }
}
