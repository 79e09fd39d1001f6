//! Gradient descent.

use kernels::simd::{Float, Simd, V, Vector};

use super::rule::{Formula, Slot, Step, at_most_one, rounded};
use super::sweep::{Sweep, Update};
use crate::error::Result;

/// Gradient descent, with momentum if wanted.
///
/// `w ← w - lr g`, or with momentum `v ← μ v - lr g`, `w ← w + v`, Nesterov's form
/// `w ← w + μ v - lr g`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SGD {
    /// lr
    pub learning_rate: f64,
    /// μ
    pub momentum: f64,
    /// Whether Nesterov's form is taken.
    pub nesterov: bool,
}

impl Default for SGD {
    fn default() -> Self {
        SGD { learning_rate: 0.01, momentum: 0.0, nesterov: false }
    }
}

impl Formula for SGD {
    fn check(&self) -> Result<()> {
        at_most_one("momentum", self.momentum)
    }

    fn slots(&self) -> Vec<Slot> {
        if self.momentum == 0.0 { Vec::new() } else { vec![Slot::zeros("momentum")] }
    }

    fn step<T: Float>(&self, step: Step<T>) {
        let learning_rate = T::from_f64(step.learning_rate);
        let (isa, weights, read) = (step.isa, step.weights, [&*step.grads]);
        if self.momentum == 0.0 {
            let update = Descend { learning_rate };
            return isa.run(Sweep { update, written: [weights], read });
        }
        let [v] = step.slots.all();
        let momentum = T::from_f64(rounded(self.momentum));
        let update = Momentum { learning_rate, momentum, nesterov: self.nesterov };
        isa.run(Sweep { update, written: [weights, v], read });
    }
}

/// `w -= lr g`
pub(super) struct Descend<T> {
    pub(super) learning_rate: T,
}

impl<T: Float> Update<T, 1, 1> for Descend<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [w]: [V<S, T>; 1], [g]: [V<S, T>; 1]) -> [V<S, T>; 1] {
        [w - V::<S, T>::splat(simd, self.learning_rate) * g.flush()]
    }
}

/// `v = μ v - lr g`, then `w += v` or `w += μ v - lr g`.
struct Momentum<T> {
    learning_rate: T,
    momentum: T,
    nesterov: bool,
}

impl<T: Float> Update<T, 2, 1> for Momentum<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [w, v]: [V<S, T>; 2], [g]: [V<S, T>; 1]) -> [V<S, T>; 2] {
        let momentum = V::<S, T>::splat(simd, self.momentum);
        let step = V::<S, T>::splat(simd, self.learning_rate) * g.flush();
        let v = (momentum * v - step).flush();
        let change = if self.nesterov { momentum * v - step } else { v };
        [w + change, v]
    }
}
