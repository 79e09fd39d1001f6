//! Lamb.

use kernels::simd::{Float, Simd, V, Vector};

use super::adam::check_moments;
use super::clip::sum_of_squares;
use super::rule::{Formula, Slot, Step, rounded};
use super::sgd::Descend;
use super::sweep::{Sweep, Update, of_squares, squarable};
use crate::error::Result;

/// Adam with a learning rate for each weight tensor (Y. You et al., *Large Batch Optimization for
/// Deep Learning: Training BERT in 76 Minutes*, 2020).
///
/// `m` and `v` as in [`Adam`](super::Adam), `u = m / (1 - β₁ᵗ) / (√(v / (1 - β₂ᵗ)) + ε)`,
/// `w ← w - lr ‖w‖ / ‖u‖ · u`, where the ratio is one if either norm is zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lamb {
    /// lr
    pub learning_rate: f64,
    /// β₁
    pub beta_1: f64,
    /// β₂
    pub beta_2: f64,
    /// ε
    pub epsilon: f64,
}

impl Default for Lamb {
    fn default() -> Self {
        Lamb { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

impl Formula for Lamb {
    fn check(&self) -> Result<()> {
        check_moments(self.beta_1, self.beta_2, self.epsilon)
    }

    fn slots(&self) -> Vec<Slot> {
        vec![Slot::zeros("momentum"), Slot::zeros("velocity")]
    }

    /// The weights are those of one tensor.
    fn step<T: Float>(&self, step: Step<T>) {
        let [power_1, power_2] = [self.beta_1, self.beta_2].map(|beta| rounded(beta).powf(step.t));
        let update = Direction {
            keep_m: T::from_f64(1.0 - self.beta_1),
            keep_v: T::from_f64(1.0 - self.beta_2),
            below_m: T::from_f64(1.0 - power_1),
            below_v: T::from_f64(1.0 - power_2),
            epsilon: T::from_f64(self.epsilon),
        };
        let [m, v] = step.slots.all();
        step.isa.run(Sweep { update, written: [&mut *step.grads, m, v], read: [] });

        let norm_w = sum_of_squares(step.weights).sqrt();
        let norm_u = sum_of_squares(step.grads).sqrt();
        let ratio = if norm_w > 0.0 && norm_u > 0.0 { norm_w / norm_u } else { 1.0 };
        let update = Descend { learning_rate: T::from_f64(ratio * step.learning_rate) };
        step.isa.run(Sweep { update, written: [step.weights], read: [&*step.grads] });
    }
}

/// `u` in the place of `g`.
struct Direction<T> {
    /// `1 - β₁`
    keep_m: T,
    /// `1 - β₂`
    keep_v: T,
    /// `1 - β₁ᵗ`
    below_m: T,
    /// `1 - β₂ᵗ`
    below_v: T,
    epsilon: T,
}

impl<T: Float> Update<T, 3, 0> for Direction<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [g, m, v]: [V<S, T>; 3], []: [V<S, T>; 0]) -> [V<S, T>; 3] {
        let g = squarable::<S, T>(simd, g);
        let m = (m + (g - m) * V::<S, T>::splat(simd, self.keep_m)).flush();
        let v = v + (g * g - v) * V::<S, T>::splat(simd, self.keep_v);
        let v = of_squares(v, g * g);
        let v_hat = v / V::<S, T>::splat(simd, self.below_v);
        let below = v_hat.sqrt() + V::<S, T>::splat(simd, self.epsilon);
        [m / V::<S, T>::splat(simd, self.below_m) / below, m, v]
    }
}
