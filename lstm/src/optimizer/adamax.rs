//! Adamax.

use kernels::simd::{Float, Simd, V, Vector};

use super::adam::check_moments;
use super::rule::{Formula, Slot, Step, rounded};
use super::sweep::{Sweep, Update};
use crate::error::Result;

/// Adam with the infinity norm (D. Kingma and J. Ba, 2015, section 7.1).
///
/// `m ← m + (g - m)(1 - β₁)`, `u ← max(β₂ u, |g|)`, `w ← w - lr m / ((1 - β₁ᵗ)(u + ε))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adamax {
    /// lr
    pub learning_rate: f64,
    /// β₁
    pub beta_1: f64,
    /// β₂
    pub beta_2: f64,
    /// ε
    pub epsilon: f64,
}

impl Default for Adamax {
    fn default() -> Self {
        Adamax { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

impl Formula for Adamax {
    fn check(&self) -> Result<()> {
        check_moments(self.beta_1, self.beta_2, self.epsilon)
    }

    fn slots(&self) -> Vec<Slot> {
        vec![Slot::zeros("momentum"), Slot::zeros("norm")]
    }

    fn step<T: Float>(&self, step: Step<T>) {
        let update = Infinity {
            learning_rate: T::from_f64(step.learning_rate),
            keep: T::from_f64(1.0 - self.beta_1),
            beta_2: T::from_f64(self.beta_2),
            correction: T::from_f64(1.0 - rounded(self.beta_1).powf(step.t)),
            epsilon: T::from_f64(self.epsilon),
        };
        let [m, u] = step.slots.all();
        step.isa.run(Sweep { update, written: [step.weights, m, u], read: [&*step.grads] });
    }
}

struct Infinity<T> {
    learning_rate: T,
    /// `1 - β₁`
    keep: T,
    beta_2: T,
    /// `1 - β₁ᵗ`
    correction: T,
    epsilon: T,
}

impl<T: Float> Update<T, 3, 1> for Infinity<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [w, m, u]: [V<S, T>; 3], [g]: [V<S, T>; 1]) -> [V<S, T>; 3] {
        let g = g.flush();
        let m = (m + (g - m) * V::<S, T>::splat(simd, self.keep)).flush();
        let u = (V::<S, T>::splat(simd, self.beta_2) * u).max(g.abs()).flush();
        let below = u + V::<S, T>::splat(simd, self.epsilon);
        let below = V::<S, T>::splat(simd, self.correction) * below;
        [w - V::<S, T>::splat(simd, self.learning_rate) * m / below, m, u]
    }
}
