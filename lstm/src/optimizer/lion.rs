//! Lion.

use kernels::simd::{Float, Simd, V, Vector};

use super::rule::{Formula, Slot, Step, at_most_one, rounded};
use super::sweep::{Sweep, Update};
use crate::error::{Error, Result};

/// Lion (X. Chen et al., *Symbolic Discovery of Optimization Algorithms*, 2023): every weight moves
/// by the learning rate, whatever the size of its gradient.
///
/// `w ← w - lr sign(β₁ m + (1 - β₁) g)`, `m ← β₂ m + (1 - β₂) g`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lion {
    /// lr
    pub learning_rate: f64,
    /// β₁
    pub beta_1: f64,
    /// β₂
    pub beta_2: f64,
}

impl Default for Lion {
    fn default() -> Self {
        Lion { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.99 }
    }
}

impl Formula for Lion {
    fn check(&self) -> Result<()> {
        if !(self.beta_1 > 0.0 && self.beta_1 <= 1.0) {
            let why = format!("{} is not within 0 < beta_1 ≤ 1", self.beta_1);
            return Err(Error::invalid("optimizer's beta_1", why));
        }
        at_most_one("beta_2", self.beta_2)
    }

    fn slots(&self) -> Vec<Slot> {
        vec![Slot::zeros("momentum")]
    }

    fn step<T: Float>(&self, step: Step<T>) {
        let [beta_1, beta_2] = [self.beta_1, self.beta_2].map(rounded);
        let update = Sign {
            learning_rate: T::from_f64(step.learning_rate),
            beta_1: T::from_f64(beta_1),
            rest_1: T::from_f64(1.0 - beta_1),
            beta_2: T::from_f64(beta_2),
            rest_2: T::from_f64(1.0 - beta_2),
        };
        let [m] = step.slots.all();
        step.isa.run(Sweep { update, written: [step.weights, m], read: [&*step.grads] });
    }
}

struct Sign<T> {
    learning_rate: T,
    beta_1: T,
    /// `1 - β₁`
    rest_1: T,
    beta_2: T,
    /// `1 - β₂`
    rest_2: T,
}

impl<T: Float> Update<T, 2, 1> for Sign<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [w, m]: [V<S, T>; 2], [g]: [V<S, T>; 1]) -> [V<S, T>; 2] {
        let splat = [T::ZERO, T::ONE, self.learning_rate, self.beta_1, self.rest_1];
        let [zero, one, lr, beta_1, rest_1] = splat.map(|x| V::<S, T>::splat(simd, x));
        let g = g.flush();
        let mixed = m * beta_1 + g * rest_1;
        // Zero and NaN are their own sign.
        let sign = V::<S, T>::select_gt(zero, mixed, -one, mixed);
        let sign = V::<S, T>::select_gt(mixed, zero, one, sign);
        let m = m * V::<S, T>::splat(simd, self.beta_2) + g * V::<S, T>::splat(simd, self.rest_2);
        [w - lr * sign, m.flush()]
    }
}
