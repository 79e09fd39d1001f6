//! Nadam.

use kernels::simd::{Float, Simd, V, Vector};

use super::adam::check_moments;
use super::rule::{Formula, Slot, Step, rounded};
use super::sweep::{Sweep, Update, of_squares, squarable};
use crate::error::Result;

/// Adam with Nesterov's momentum (T. Dozat, *Incorporating Nesterov Momentum into Adam*, 2016).
///
/// `uₜ = β₁ (1 - ½ · 0.96ᵗ)`, `Pₜ = u₁ … uₜ`, `m` and `v` as in [`Adam`](super::Adam),
/// `m̂ = uₜ₊₁ m / (1 - Pₜ uₜ₊₁) + (1 - uₜ) g / (1 - Pₜ)`, `w ← w - lr m̂ / (√(v / (1 - β₂ᵗ)) + ε)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nadam {
    /// lr
    pub learning_rate: f64,
    /// β₁
    pub beta_1: f64,
    /// β₂
    pub beta_2: f64,
    /// ε
    pub epsilon: f64,
}

impl Default for Nadam {
    fn default() -> Self {
        Nadam { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

impl Nadam {
    /// What step `t` multiplies the product `P` by. Keras does not round the constants here, where
    /// it does so in the step.
    pub(super) fn factor(&self, t: f64) -> f64 {
        self.beta_1 * (1.0 - 0.5 * 0.96_f64.powf(t))
    }
}

impl Formula for Nadam {
    fn check(&self) -> Result<()> {
        check_moments(self.beta_1, self.beta_2, self.epsilon)
    }

    fn slots(&self) -> Vec<Slot> {
        vec![Slot::zeros("momentum"), Slot::zeros("velocity")]
    }

    fn step<T: Float>(&self, step: Step<T>) {
        let [beta_1, beta_2] = [self.beta_1, self.beta_2].map(rounded);
        let u = |t| beta_1 * (1.0 - 0.5 * rounded(0.96).powf(t));
        let (now, next) = (u(step.t), u(step.t + 1.0));
        let update = Nesterov {
            learning_rate: T::from_f64(step.learning_rate),
            keep_m: T::from_f64(1.0 - beta_1),
            keep_v: T::from_f64(1.0 - beta_2),
            u: T::from_f64(next),
            below_m: T::from_f64(1.0 - step.product * next),
            rest: T::from_f64(1.0 - now),
            below_g: T::from_f64(1.0 - step.product),
            below_v: T::from_f64(1.0 - beta_2.powf(step.t)),
            epsilon: T::from_f64(self.epsilon),
        };
        let [m, v] = step.slots.all();
        step.isa.run(Sweep { update, written: [step.weights, m, v], read: [&*step.grads] });
    }
}

struct Nesterov<T> {
    learning_rate: T,
    /// `1 - β₁`
    keep_m: T,
    /// `1 - β₂`
    keep_v: T,
    /// `uₜ₊₁`
    u: T,
    /// `1 - Pₜ uₜ₊₁`
    below_m: T,
    /// `1 - uₜ`
    rest: T,
    /// `1 - Pₜ`
    below_g: T,
    /// `1 - β₂ᵗ`
    below_v: T,
    epsilon: T,
}

impl<T: Float> Update<T, 3, 1> for Nesterov<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [w, m, v]: [V<S, T>; 3], [g]: [V<S, T>; 1]) -> [V<S, T>; 3] {
        let g = squarable::<S, T>(simd, g);
        let m = (m + (g - m) * V::<S, T>::splat(simd, self.keep_m)).flush();
        let v = v + (g * g - v) * V::<S, T>::splat(simd, self.keep_v);
        let v = of_squares(v, g * g);
        let ahead = V::<S, T>::splat(simd, self.u) * m / V::<S, T>::splat(simd, self.below_m)
            + V::<S, T>::splat(simd, self.rest) * g / V::<S, T>::splat(simd, self.below_g);
        let v_hat = v / V::<S, T>::splat(simd, self.below_v);
        let below = v_hat.sqrt() + V::<S, T>::splat(simd, self.epsilon);
        [w - ahead * V::<S, T>::splat(simd, self.learning_rate) / below, m, v]
    }
}
