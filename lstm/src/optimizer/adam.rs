//! Adam and AdamW.

use kernels::simd::{Float, Simd, V, Vector};

use super::rule::{Formula, Slot, Step, rounded, within};
use super::sweep::{Sweep, Update, of_squares, squarable};
use crate::error::Result;

/// Adam (D. Kingma and J. Ba, *Adam: A Method for Stochastic Optimization*, 2015), in the form
/// before section 2.1 that Keras has: ε is added to the uncorrected `√v`.
///
/// `m ← m + (g - m)(1 - β₁)`, `v ← v + (g² - v)(1 - β₂)`,
/// `w ← w - lr √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε)`.
///
/// With `amsgrad` the largest `v` so far stands in the place of `v` (S. Reddi et al., *On the
/// Convergence of Adam and Beyond*, 2018).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// lr
    pub learning_rate: f64,
    /// β₁
    pub beta_1: f64,
    /// β₂
    pub beta_2: f64,
    /// ε
    pub epsilon: f64,
    /// Whether the largest `v` so far is taken.
    pub amsgrad: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Adam { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, amsgrad: false }
    }
}

/// [`Adam`] with a weight decay apart from the gradient, `w ← w - lr wd w` before each step
/// (I. Loshchilov and F. Hutter, *Decoupled Weight Decay Regularization*, 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// lr
    pub learning_rate: f64,
    /// wd
    pub weight_decay: f64,
    /// β₁
    pub beta_1: f64,
    /// β₂
    pub beta_2: f64,
    /// ε
    pub epsilon: f64,
    /// Whether the largest `v` so far is taken.
    pub amsgrad: bool,
}

impl Default for AdamW {
    fn default() -> Self {
        let Adam { learning_rate, beta_1, beta_2, epsilon, amsgrad } = Adam::default();
        AdamW { learning_rate, weight_decay: 0.004, beta_1, beta_2, epsilon, amsgrad }
    }
}

/// Checks the settings that all of Adam's kin have.
pub(super) fn check_moments(beta_1: f64, beta_2: f64, epsilon: f64) -> Result<()> {
    within("beta_1", beta_1, 0.0..1.0)?;
    within("beta_2", beta_2, 0.0..1.0)?;
    within("epsilon", epsilon, 0.0..f64::INFINITY)
}

impl Formula for Adam {
    fn check(&self) -> Result<()> {
        check_moments(self.beta_1, self.beta_2, self.epsilon)
    }

    fn slots(&self) -> Vec<Slot> {
        let largest = self.amsgrad.then_some(Slot::zeros("velocity_hat").apart());
        [Slot::zeros("momentum"), Slot::zeros("velocity")].into_iter().chain(largest).collect()
    }

    fn step<T: Float>(&self, step: Step<T>) {
        let [power_1, power_2] = [self.beta_1, self.beta_2].map(|beta| rounded(beta).powf(step.t));
        let correction = (1.0 - power_2).sqrt() / (1.0 - power_1);
        let moments = Moments {
            alpha: T::from_f64(step.learning_rate * correction),
            keep_m: T::from_f64(1.0 - self.beta_1),
            keep_v: T::from_f64(1.0 - self.beta_2),
            epsilon: T::from_f64(self.epsilon),
        };
        let (isa, w, read) = (step.isa, step.weights, [&*step.grads]);
        if self.amsgrad {
            let [m, v, largest] = step.slots.all();
            isa.run(Sweep { update: Largest(moments), written: [w, m, v, largest], read });
        } else {
            let [m, v] = step.slots.all();
            isa.run(Sweep { update: moments, written: [w, m, v], read });
        }
    }
}

/// `m += (g - m)(1 - β₁)`, `v += (g² - v)(1 - β₂)`, `w -= α m / (√v + ε)`.
struct Moments<T> {
    alpha: T,
    /// `1 - β₁`
    keep_m: T,
    /// `1 - β₂`
    keep_v: T,
    epsilon: T,
}

impl<T: Float> Moments<T> {
    #[inline(always)]
    fn moments<S: Simd>(&self, simd: S, m: V<S, T>, v: V<S, T>, g: V<S, T>) -> (V<S, T>, V<S, T>) {
        let g = squarable::<S, T>(simd, g);
        let m = m + (g - m) * V::<S, T>::splat(simd, self.keep_m);
        let v = v + (g * g - v) * V::<S, T>::splat(simd, self.keep_v);
        (m.flush(), of_squares(v, g * g))
    }

    #[inline(always)]
    fn step<S: Simd>(&self, simd: S, m: V<S, T>, v: V<S, T>) -> V<S, T> {
        let below = v.sqrt() + V::<S, T>::splat(simd, self.epsilon);
        m * V::<S, T>::splat(simd, self.alpha) / below
    }
}

impl<T: Float> Update<T, 3, 1> for Moments<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [w, m, v]: [V<S, T>; 3], [g]: [V<S, T>; 1]) -> [V<S, T>; 3] {
        let (m, v) = self.moments(simd, m, v, g);
        [w - self.step(simd, m, v), m, v]
    }
}

/// The same with the largest `v` so far.
struct Largest<T>(Moments<T>);

impl<T: Float> Update<T, 4, 1> for Largest<T> {
    #[inline(always)]
    fn update<S: Simd>(
        &self,
        simd: S,
        [w, m, v, largest]: [V<S, T>; 4],
        [g]: [V<S, T>; 1],
    ) -> [V<S, T>; 4] {
        let (m, v) = self.0.moments(simd, m, v, g);
        let largest = largest.max(v);
        [w - self.0.step(simd, m, largest), m, v, largest]
    }
}
