//! RMSprop.

use kernels::simd::{Float, Simd, V, Vector};

use super::rule::{Formula, Slot, Step, within};
use super::sweep::{Sweep, Update, of_squares, squarable};
use crate::error::Result;

/// RMSprop (T. Tieleman and G. Hinton, *Lecture 6.5*, Coursera, 2012), in Keras's form: ε is added
/// below the root.
///
/// `v ← ρ v + (1 - ρ) g²`, `w ← w - lr g / √(v + ε)`. Centered, `a ← ρ a + (1 - ρ) g` is the mean
/// gradient and `v - a² + ε` stands below the root. With momentum, `m ← μ m + lr g / √(v + ε)`,
/// `w ← w - m`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RMSprop {
    /// lr
    pub learning_rate: f64,
    /// ρ
    pub rho: f64,
    /// μ
    pub momentum: f64,
    /// ε
    pub epsilon: f64,
    /// Whether the variance of the gradients is taken instead of their mean square.
    pub centered: bool,
}

impl Default for RMSprop {
    fn default() -> Self {
        RMSprop { learning_rate: 0.001, rho: 0.9, momentum: 0.0, epsilon: 1e-7, centered: false }
    }
}

impl Formula for RMSprop {
    fn check(&self) -> Result<()> {
        within("rho", self.rho, 0.0..1.0 + f64::EPSILON)?;
        within("momentum", self.momentum, 0.0..f64::INFINITY)?;
        within("epsilon", self.epsilon, 0.0..f64::INFINITY)
    }

    fn slots(&self) -> Vec<Slot> {
        let momentum = (self.momentum > 0.0).then_some(Slot::zeros("momentum").apart());
        let average = self.centered.then_some(Slot::zeros("average_gradient").apart());
        [Slot::zeros("velocity")].into_iter().chain(momentum).chain(average).collect()
    }

    fn step<T: Float>(&self, step: Step<T>) {
        let (isa, w, read) = (step.isa, step.weights, [&*step.grads]);
        let update = Root {
            learning_rate: T::from_f64(step.learning_rate),
            rho: T::from_f64(self.rho),
            rest: T::from_f64(1.0 - self.rho),
            momentum: T::from_f64(self.momentum),
            epsilon: T::from_f64(self.epsilon),
        };
        match (self.momentum > 0.0, self.centered) {
            (false, false) => {
                let [v] = step.slots.all();
                isa.run(Sweep { update: Plain(update), written: [w, v], read });
            }
            (true, false) => {
                let [v, m] = step.slots.all();
                isa.run(Sweep { update: Pushed(update), written: [w, v, m], read });
            }
            (false, true) => {
                let [v, a] = step.slots.all();
                isa.run(Sweep { update: Centered(update), written: [w, v, a], read });
            }
            (true, true) => {
                let [v, m, a] = step.slots.all();
                isa.run(Sweep { update: PushedCentered(update), written: [w, v, m, a], read });
            }
        }
    }
}

struct Root<T> {
    learning_rate: T,
    rho: T,
    /// `1 - ρ`
    rest: T,
    momentum: T,
    epsilon: T,
}

impl<T: Float> Root<T> {
    /// `ρ x + (1 - ρ) y`
    #[inline(always)]
    fn mean<S: Simd>(&self, simd: S, x: V<S, T>, y: V<S, T>) -> V<S, T> {
        V::<S, T>::splat(simd, self.rho) * x + V::<S, T>::splat(simd, self.rest) * y
    }

    /// `lr g / √(v + ε)`
    #[inline(always)]
    fn step<S: Simd>(&self, simd: S, g: V<S, T>, v: V<S, T>) -> V<S, T> {
        let below = v + V::<S, T>::splat(simd, self.epsilon);
        V::<S, T>::splat(simd, self.learning_rate) * g / below.sqrt()
    }
}

struct Plain<T>(Root<T>);
struct Pushed<T>(Root<T>);
struct Centered<T>(Root<T>);
struct PushedCentered<T>(Root<T>);

impl<T: Float> Update<T, 2, 1> for Plain<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [w, v]: [V<S, T>; 2], [g]: [V<S, T>; 1]) -> [V<S, T>; 2] {
        let g = squarable::<S, T>(simd, g);
        let v = of_squares(self.0.mean(simd, v, g * g), g * g);
        [w - self.0.step(simd, g, v), v]
    }
}

impl<T: Float> Update<T, 3, 1> for Pushed<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [w, v, m]: [V<S, T>; 3], [g]: [V<S, T>; 1]) -> [V<S, T>; 3] {
        let g = squarable::<S, T>(simd, g);
        let v = of_squares(self.0.mean(simd, v, g * g), g * g);
        let m = V::<S, T>::splat(simd, self.0.momentum) * m + self.0.step(simd, g, v);
        [w - m, v, m.flush()]
    }
}

impl<T: Float> Update<T, 3, 1> for Centered<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [w, v, a]: [V<S, T>; 3], [g]: [V<S, T>; 1]) -> [V<S, T>; 3] {
        let g = squarable::<S, T>(simd, g);
        let v = of_squares(self.0.mean(simd, v, g * g), g * g);
        let a = squarable::<S, T>(simd, self.0.mean(simd, a, g));
        [w - self.0.step(simd, g, v - a * a), v, a]
    }
}

impl<T: Float> Update<T, 4, 1> for PushedCentered<T> {
    #[inline(always)]
    fn update<S: Simd>(
        &self,
        simd: S,
        [w, v, m, a]: [V<S, T>; 4],
        [g]: [V<S, T>; 1],
    ) -> [V<S, T>; 4] {
        let g = squarable::<S, T>(simd, g);
        let v = of_squares(self.0.mean(simd, v, g * g), g * g);
        let a = squarable::<S, T>(simd, self.0.mean(simd, a, g));
        let m = V::<S, T>::splat(simd, self.0.momentum) * m + self.0.step(simd, g, v - a * a);
        [w - m, v, m.flush(), a]
    }
}
