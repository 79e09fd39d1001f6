//! Adadelta.

use kernels::simd::{Float, Simd, V, Vector};

use super::rule::{Formula, Slot, Step, at_most_one, within};
use super::sweep::{Sweep, Update, of_squares, squarable};
use crate::error::Result;

/// Adadelta (M. Zeiler, *ADADELTA: An Adaptive Learning Rate Method*, 2012).
///
/// `a ← ρ a + (1 - ρ) g²`, `Δ = -g √(d + ε) / √(a + ε)`, `d ← ρ d + (1 - ρ) Δ²`, `w ← w + lr Δ`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adadelta {
    /// lr: one in the paper.
    pub learning_rate: f64,
    /// ρ
    pub rho: f64,
    /// ε
    pub epsilon: f64,
}

impl Default for Adadelta {
    fn default() -> Self {
        Adadelta { learning_rate: 0.001, rho: 0.95, epsilon: 1e-7 }
    }
}

impl Formula for Adadelta {
    fn check(&self) -> Result<()> {
        at_most_one("rho", self.rho)?;
        within("epsilon", self.epsilon, 0.0..f64::INFINITY)
    }

    fn slots(&self) -> Vec<Slot> {
        vec![Slot::zeros("accumulated_grad"), Slot::zeros("accumulated_delta_var")]
    }

    fn step<T: Float>(&self, step: Step<T>) {
        let update = Delta {
            learning_rate: T::from_f64(step.learning_rate),
            rho: T::from_f64(self.rho),
            rest: T::from_f64(1.0 - self.rho),
            epsilon: T::from_f64(self.epsilon),
        };
        let [a, d] = step.slots.all();
        step.isa.run(Sweep { update, written: [step.weights, a, d], read: [&*step.grads] });
    }
}

struct Delta<T> {
    learning_rate: T,
    rho: T,
    /// `1 - ρ`
    rest: T,
    epsilon: T,
}

impl<T: Float> Update<T, 3, 1> for Delta<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [w, a, d]: [V<S, T>; 3], [g]: [V<S, T>; 1]) -> [V<S, T>; 3] {
        let (rho, rest) = (V::<S, T>::splat(simd, self.rho), V::<S, T>::splat(simd, self.rest));
        let epsilon = V::<S, T>::splat(simd, self.epsilon);
        let g = squarable::<S, T>(simd, g);
        let a = of_squares(rho * a + rest * (g * g), g * g);
        let delta = -((d + epsilon).sqrt() * g / (a + epsilon).sqrt());
        let square = squarable::<S, T>(simd, delta) * delta;
        let d = of_squares(rho * d + rest * square, square);
        [w + V::<S, T>::splat(simd, self.learning_rate) * delta, a, d]
    }
}
