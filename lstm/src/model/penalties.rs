//! What regularizers and constraints do to a step of training.

use super::Model;
use crate::float::Float;

impl<T: Float> Model<T> {
    /// The sum of the penalties on the weights that are trained, and on what layers returned for
    /// the last batch.
    pub(super) fn penalty(&self) -> f64 {
        let trained = self.weights.iter().filter(|place| place.weight.trainable);
        let penalties = trained.filter_map(|place| {
            let w = &self.params[place.range.clone()];
            Some(place.weight.regularizer?.value(&place.weight.shape, w))
        });
        penalties.sum::<f64>() + self.execution.activity_penalty()
    }

    /// Adds `scale` times the gradients of the penalties to those of the loss.
    pub(super) fn add_penalty_gradients(&mut self, scale: f64) {
        let Model { weights, params, grads, .. } = self;
        for place in weights.iter().filter(|place| place.weight.trainable) {
            if let Some(regularizer) = place.weight.regularizer {
                let (w, dw) = (&params[place.range.clone()], &mut grads[place.range.clone()]);
                regularizer.add_gradient(&place.weight.shape, w, scale, dw);
            }
        }
    }

    /// Brings the weights that are trained back to their constraints.
    pub(super) fn constrain(&mut self) {
        let Model { weights, params, norms, .. } = self;
        for place in weights.iter().filter(|place| place.weight.trainable) {
            if let Some(constraint) = &place.weight.constraint {
                constraint.apply(&place.weight.shape, &mut params[place.range.clone()], norms);
            }
        }
    }

    /// The end of training: weights of which there is a moving average become that.
    pub(super) fn finalize(&mut self) {
        if let Some(compiled) = &self.compiled {
            compiled.optimizer.finalize(&mut self.params);
            self.version += 1;
        }
    }
}
