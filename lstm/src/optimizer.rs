//! Optimizers, by Keras's formulas, over all weights of a model in one pass.

use kernels::Buffer;
use kernels::simd::{Float, Isa, Kernel, Simd, V, Vector};

use crate::error::{Error, Result};

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

/// Adam (D. Kingma and J. Ba, *Adam: A Method for Stochastic Optimization*, 2015), in the form
/// before section 2.1 that Keras has: ε is added to the uncorrected `√v`.
///
/// `m ← m + (g - m)(1 - β₁)`, `v ← v + (g² - v)(1 - β₂)`,
/// `w ← w - lr √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε)`.
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
}

impl Default for Adam {
    fn default() -> Self {
        Adam { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

/// How weights follow their gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Optimizer {
    /// See [`SGD`].
    SGD(SGD),
    /// See [`Adam`].
    Adam(Adam),
}

impl From<SGD> for Optimizer {
    fn from(sgd: SGD) -> Self {
        Optimizer::SGD(sgd)
    }
}

impl From<Adam> for Optimizer {
    fn from(adam: Adam) -> Self {
        Optimizer::Adam(adam)
    }
}

/// A decimal constant as Keras's step uses it: rounded to `f32` on its way into the graph, even
/// where the weights are `f64`. Over hundreds of steps the difference shows in the sixth digit.
fn rounded(x: f64) -> f64 {
    f64::from(x as f32)
}

impl Optimizer {
    /// Checks that every setting is in its range.
    pub(crate) fn check(self) -> Result<()> {
        let within = |name: &str, x: f64, range: std::ops::Range<f64>| match range.contains(&x) {
            true => Ok(()),
            false => Err(Error::invalid(
                format!("optimizer's {name}"),
                format!("{x} is not within {} ≤ {name} < {}", range.start, range.end),
            )),
        };
        match self {
            Optimizer::SGD(sgd) => {
                within("learning_rate", sgd.learning_rate, 0.0..f64::INFINITY)?;
                within("momentum", sgd.momentum, 0.0..1.0 + f64::EPSILON)
            }
            Optimizer::Adam(adam) => {
                within("learning_rate", adam.learning_rate, 0.0..f64::INFINITY)?;
                within("beta_1", adam.beta_1, 0.0..1.0)?;
                within("beta_2", adam.beta_2, 0.0..1.0)?;
                within("epsilon", adam.epsilon, 0.0..f64::INFINITY)
            }
        }
    }

    /// How many arrays of the weights' size it keeps.
    fn slots(self) -> usize {
        match self {
            Optimizer::SGD(SGD { momentum: 0.0, .. }) => 0,
            Optimizer::SGD(_) => 1,
            Optimizer::Adam(_) => 2,
        }
    }

    /// How many variables Keras counts for it: the slots, the iterations and the learning rate.
    pub(crate) fn variables(self, weights: usize) -> usize {
        self.slots() * weights + 2
    }
}

/// An optimizer at work on a model's weights.
#[derive(Clone, Debug)]
pub(crate) struct State<T> {
    optimizer: Optimizer,
    iterations: u64,
    m: Buffer<T>,
    v: Buffer<T>,
}

impl<T: Float> State<T> {
    pub(crate) fn new(optimizer: Optimizer, weights: usize) -> Self {
        let slot = |n| Buffer::zeros(if optimizer.slots() > n { weights } else { 0 });
        State { optimizer, iterations: 0, m: slot(0), v: slot(1) }
    }

    pub(crate) fn optimizer(&self) -> Optimizer {
        self.optimizer
    }

    /// Whether a step has been taken.
    pub(crate) fn has_stepped(&self) -> bool {
        self.iterations > 0
    }

    /// Moves `weights` along their gradients `grads`.
    pub(crate) fn step(&mut self, isa: Isa, weights: &mut [T], grads: &[T]) {
        self.iterations += 1;
        let scalar = T::from_f64;
        match self.optimizer {
            Optimizer::SGD(SGD { learning_rate, momentum: 0.0, .. }) => {
                isa.run(Descend { learning_rate: scalar(learning_rate), weights, grads });
            }
            Optimizer::SGD(SGD { learning_rate, momentum, nesterov }) => isa.run(Momentum {
                learning_rate: scalar(learning_rate),
                momentum: scalar(rounded(momentum)),
                nesterov,
                weights,
                grads,
                velocity: &mut self.m,
            }),
            Optimizer::Adam(Adam { learning_rate, beta_1, beta_2, epsilon }) => {
                let t = self.iterations as f64;
                let correction =
                    (1.0 - rounded(beta_2).powf(t)).sqrt() / (1.0 - rounded(beta_1).powf(t));
                isa.run(AdamStep {
                    alpha: scalar(learning_rate * correction),
                    keep: [scalar(1.0 - beta_1), scalar(1.0 - beta_2)],
                    epsilon: scalar(epsilon),
                    weights,
                    grads,
                    m: &mut self.m,
                    v: &mut self.v,
                });
            }
        }
    }
}

/// `w -= lr g`
struct Descend<'a, T> {
    learning_rate: T,
    weights: &'a mut [T],
    grads: &'a [T],
}

impl<T: Float> Kernel for Descend<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let lanes = V::<S, T>::LANES;
        let learning_rate = V::<S, T>::splat(simd, self.learning_rate);
        for (w, g) in self.weights.chunks_mut(lanes).zip(self.grads.chunks(lanes)) {
            let step = learning_rate * V::<S, T>::load(simd, g);
            (V::<S, T>::load(simd, w) - step).store(w);
        }
    }
}

/// `v = μ v - lr g`, then `w += v` or `w += μ v - lr g`.
struct Momentum<'a, T> {
    learning_rate: T,
    momentum: T,
    nesterov: bool,
    weights: &'a mut [T],
    grads: &'a [T],
    velocity: &'a mut [T],
}

impl<T: Float> Kernel for Momentum<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let lanes = V::<S, T>::LANES;
        let learning_rate = V::<S, T>::splat(simd, self.learning_rate);
        let momentum = V::<S, T>::splat(simd, self.momentum);
        let slots = self.grads.chunks(lanes).zip(self.velocity.chunks_mut(lanes));
        for (w, (g, velocity)) in self.weights.chunks_mut(lanes).zip(slots) {
            let step = learning_rate * V::<S, T>::load(simd, g);
            let v = momentum * V::<S, T>::load(simd, velocity) - step;
            v.store(velocity);
            let change = if self.nesterov { momentum * v - step } else { v };
            (V::<S, T>::load(simd, w) + change).store(w);
        }
    }
}

/// `m += (g - m)(1 - β₁)`, `v += (g² - v)(1 - β₂)`, `w -= α m / (√v + ε)`.
struct AdamStep<'a, T> {
    alpha: T,
    /// `1 - β₁`, `1 - β₂`
    keep: [T; 2],
    epsilon: T,
    weights: &'a mut [T],
    grads: &'a [T],
    m: &'a mut [T],
    v: &'a mut [T],
}

impl<T: Float> Kernel for AdamStep<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let lanes = V::<S, T>::LANES;
        let splat = |x| V::<S, T>::splat(simd, x);
        let (alpha, epsilon) = (splat(self.alpha), splat(self.epsilon));
        let [keep_m, keep_v] = self.keep.map(splat);
        let slots = self.m.chunks_mut(lanes).zip(self.v.chunks_mut(lanes));
        let grads = self.grads.chunks(lanes).zip(slots);
        for (w, (g, (m_slot, v_slot))) in self.weights.chunks_mut(lanes).zip(grads) {
            let g = V::<S, T>::load(simd, g);
            let m = V::<S, T>::load(simd, m_slot);
            let v = V::<S, T>::load(simd, v_slot);
            let m = m + (g - m) * keep_m;
            let v = v + (g * g - v) * keep_v;
            m.store(m_slot);
            v.store(v_slot);
            (V::<S, T>::load(simd, w) - m * alpha / (v.sqrt() + epsilon)).store(w);
        }
    }
}
