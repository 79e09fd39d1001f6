//! Follow the regularized leader.

use kernels::simd::Float;

use super::rule::{Formula, Slot, Step, rounded, within};
use crate::error::{Error, Result};

/// Follow the regularized leader (B. McMahan et al., *Ad Click Prediction: a View from the
/// Trenches*, 2013).
///
/// With `p = -learning_rate_power` and `λ₂' = λ₂ + β / (2 lr)`:
/// `ĝ = g + 2 s w`, `n' = n + g²`, `z ← z + ĝ - (n'ᵖ - nᵖ) / lr · w`,
/// `w ← (clip(z, -λ₁, λ₁) - z) / (n'ᵖ / lr + 2 λ₂')`, `n ← n'`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ftrl {
    /// lr
    pub learning_rate: f64,
    /// Zero for a constant learning rate; never positive.
    pub learning_rate_power: f64,
    /// What `n` starts at.
    pub initial_accumulator_value: f64,
    /// λ₁
    pub l1_regularization_strength: f64,
    /// λ₂
    pub l2_regularization_strength: f64,
    /// s
    pub l2_shrinkage_regularization_strength: f64,
    /// β
    pub beta: f64,
}

impl Default for Ftrl {
    fn default() -> Self {
        Ftrl {
            learning_rate: 0.001,
            learning_rate_power: -0.5,
            initial_accumulator_value: 0.1,
            l1_regularization_strength: 0.0,
            l2_regularization_strength: 0.0,
            l2_shrinkage_regularization_strength: 0.0,
            beta: 0.0,
        }
    }
}

impl Formula for Ftrl {
    fn check(&self) -> Result<()> {
        let power = self.learning_rate_power;
        if !(power <= 0.0 && power.is_finite()) {
            let why = format!("{power} is not negative or zero");
            return Err(Error::invalid("optimizer's learning_rate_power", why));
        }
        let range = 0.0..f64::INFINITY;
        let shrinkage = self.l2_shrinkage_regularization_strength;
        within("initial_accumulator_value", self.initial_accumulator_value, range.clone())?;
        within("l1_regularization_strength", self.l1_regularization_strength, range.clone())?;
        within("l2_regularization_strength", self.l2_regularization_strength, range.clone())?;
        within("l2_shrinkage_regularization_strength", shrinkage, range.clone())?;
        within("beta", self.beta, range)
    }

    fn slots(&self) -> Vec<Slot> {
        let initial = rounded(self.initial_accumulator_value);
        vec![Slot::new("accumulator", initial), Slot::zeros("linear")]
    }

    /// In `f64` and one by one: there is no power in vectors, and nobody trains an LSTM so.
    fn step<T: Float>(&self, step: Step<T>) {
        let (lr, p) = (step.learning_rate, -self.learning_rate_power);
        let power = |x: f64| if p == 0.5 { x.sqrt() } else { x.powf(p) };
        let l1 = self.l1_regularization_strength;
        let l2 = self.l2_regularization_strength + self.beta / (2.0 * lr);
        let shrinkage = 2.0 * self.l2_shrinkage_regularization_strength;
        let [accumulators, linears] = step.slots.all();
        let slots = accumulators.iter_mut().zip(linears);
        for ((w, g), (n, z)) in step.weights.iter_mut().zip(&*step.grads).zip(slots) {
            let (g, old) = (g.to_f64(), n.to_f64());
            let new = old + g * g;
            let (raised, before) = (power(new), power(old));
            let change = g + shrinkage * w.to_f64() - (raised - before) / lr * w.to_f64();
            let linear = z.to_f64() + change;
            *w = T::from_f64((linear.clamp(-l1, l1) - linear) / (raised / lr + 2.0 * l2));
            (*n, *z) = (T::from_f64(new), T::from_f64(linear));
        }
    }
}
