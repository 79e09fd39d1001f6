//! Adagrad.

use kernels::simd::{Float, Simd, V, Vector};

use super::rule::{Formula, Slot, Step, rounded, within};
use super::sweep::{Sweep, Update, squarable};
use crate::error::Result;

/// Adagrad (J. Duchi et al., *Adaptive Subgradient Methods for Online Learning and Stochastic
/// Optimization*, 2011).
///
/// `a ← a + g²`, `w ← w - lr g / √(a + ε)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adagrad {
    /// lr
    pub learning_rate: f64,
    /// What `a` starts at.
    pub initial_accumulator_value: f64,
    /// ε
    pub epsilon: f64,
}

impl Default for Adagrad {
    fn default() -> Self {
        Adagrad { learning_rate: 0.001, initial_accumulator_value: 0.1, epsilon: 1e-7 }
    }
}

impl Formula for Adagrad {
    fn check(&self) -> Result<()> {
        let range = 0.0..f64::INFINITY;
        within("initial_accumulator_value", self.initial_accumulator_value, range.clone())?;
        within("epsilon", self.epsilon, range)
    }

    fn slots(&self) -> Vec<Slot> {
        vec![Slot::new("accumulator", rounded(self.initial_accumulator_value))]
    }

    fn step<T: Float>(&self, step: Step<T>) {
        let update = Accumulate {
            learning_rate: T::from_f64(step.learning_rate),
            epsilon: T::from_f64(self.epsilon),
        };
        let [a] = step.slots.all();
        step.isa.run(Sweep { update, written: [step.weights, a], read: [&*step.grads] });
    }
}

struct Accumulate<T> {
    learning_rate: T,
    epsilon: T,
}

impl<T: Float> Update<T, 2, 1> for Accumulate<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [w, a]: [V<S, T>; 2], [g]: [V<S, T>; 1]) -> [V<S, T>; 2] {
        let g = squarable::<S, T>(simd, g);
        let a = a + g * g;
        let below = (a + V::<S, T>::splat(simd, self.epsilon)).sqrt();
        [w - V::<S, T>::splat(simd, self.learning_rate) * g / below, a]
    }
}
