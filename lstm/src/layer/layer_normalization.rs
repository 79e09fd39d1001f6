//! Steps, or other parts of a sample, brought to mean zero and variance one.
//!
//! | forward                             | backward                                          |
//! |-------------------------------------|---------------------------------------------------|
//! | `μ = Σ x / n`, `v = Σ (x - μ)² / n` | `dγ += Σ dy x̂`, `dβ += Σ dy`                      |
//! | `x̂ = (x - μ) / √(v + ε)`            | `g = dy γ`                                        |
//! | `y = γ x̂ + β`                       | `dx = (g - Σ g / n - x̂ Σ g x̂ / n) / √(v + ε)`     |

use kernels::{Buffer, Float};

use super::concatenate::axis_of_sample;
use super::places::LastAxes;
use super::{
    Describe, Flow, Inputs, Layer, Mask, Operation, Pass, Weight, named, one_input, options,
    setters,
};
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::graph::{Shared, Symbol};
use crate::initializer::Initializer;
use crate::regularizer::Regularizer;
use crate::shape::Shape;

/// `y = γ (x - μ) / √(v + ε) + β`: `[…]` to the same, with the mean `μ` and the variance `v` of `x`
/// along some axes, which `γ` and `β` have too (J. L. Ba et al., *Layer Normalization*, 2016).
///
/// Options and defaults are those of `keras.layers.LayerNormalization`. Masks pass through it.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNormalization {
    pub(crate) axes: Vec<isize>,
    pub(crate) epsilon: f64,
    pub(crate) center: bool,
    pub(crate) scale: bool,
    pub(crate) rms_scaling: bool,
    pub(crate) beta_initializer: Initializer,
    pub(crate) gamma_initializer: Initializer,
    pub(crate) beta_regularizer: Option<Regularizer>,
    pub(crate) gamma_regularizer: Option<Regularizer>,
    pub(crate) beta_constraint: Option<Constraint>,
    pub(crate) gamma_constraint: Option<Constraint>,
    pub(crate) trainable: bool,
    pub(crate) name: Option<String>,
}

impl LayerNormalization {
    /// A layer that normalizes along the last axis.
    pub fn new() -> Self {
        LayerNormalization {
            axes: vec![-1],
            epsilon: 1e-3,
            center: true,
            scale: true,
            rms_scaling: false,
            beta_initializer: Initializer::Zeros,
            gamma_initializer: Initializer::Ones,
            beta_regularizer: None,
            gamma_regularizer: None,
            beta_constraint: None,
            gamma_constraint: None,
            trainable: true,
            name: None,
        }
    }

    /// The axis to normalize along, batch axis counted: 1 is the first of a sample, -1 the last. The
    /// last unless set.
    pub fn axis(self, axis: isize) -> Self {
        self.axes([axis])
    }

    /// Several axes to normalize along, together: Keras's list for `axis`.
    pub fn axes(self, axes: impl Into<Vec<isize>>) -> Self {
        let mut axes = axes.into();
        axes.sort_unstable();
        LayerNormalization { axes, ..self }
    }

    setters! {
        /// `ε`, added to the variance; 0.001 unless set.
        epsilon: f64,
        /// Whether there is a `β`; there is unless set.
        center: bool,
        /// Whether there is a `γ`; there is unless set.
        scale: bool,
        /// Whether to compute `y = γ x / √(v + ε)` instead, without `β`: an option that Keras has
        /// kept for old models.
        rms_scaling: bool,
        /// How `β` starts; `Zeros` unless set.
        beta_initializer: Initializer,
        /// How `γ` starts; `Ones` unless set.
        gamma_initializer: Initializer,
        /// Whether training changes `γ` and `β`; it does unless set.
        trainable: bool,
    }

    options! {
        /// The penalty on `β`.
        beta_regularizer: Regularizer,
        /// The penalty on `γ`.
        gamma_regularizer: Regularizer,
        /// The bounds of `β`.
        beta_constraint: Constraint,
        /// The bounds of `γ`.
        gamma_constraint: Constraint,
    }

    /// Whether there is a `γ`, and whether a `β`.
    fn has(&self) -> [bool; 2] {
        [self.scale || self.rms_scaling, self.center && !self.rms_scaling]
    }
}

impl Default for LayerNormalization {
    fn default() -> Self {
        LayerNormalization::new()
    }
}

named!(LayerNormalization);

impl Describe for LayerNormalization {
    fn class(&self) -> &'static str {
        "LayerNormalization"
    }

    fn base_name(&self) -> &'static str {
        "layer_normalization"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let input = one_input(what, inputs)?;
        for (i, &axis) in self.axes.iter().enumerate() {
            let at = axis_of_sample(what, axis, input)?;
            if input.axes()[at].is_none() {
                let why = format!("axis {axis} of its input, {input}, must be known");
                return Err(Error::invalid(what, why));
            }
            for &other in &self.axes[..i] {
                if axis_of_sample(what, other, input)? == at {
                    let why = format!("axes {other} and {axis} of its input, {input}, are one");
                    return Err(Error::invalid(what, why));
                }
            }
        }
        outputs.resize_with(1, Shape::default);
        outputs[0].assign(input.axes().iter().copied());
        Ok(())
    }

    fn check(&self, what: &str, inputs: &[Shape]) -> Result<()> {
        if self.axes.is_empty() {
            return Err(Error::invalid(what, "it needs an axis to normalize along"));
        }
        if !(self.epsilon >= 0.0 && self.epsilon.is_finite()) {
            let why = format!("epsilon must not be negative, but is {}", self.epsilon);
            return Err(Error::invalid(what, why));
        }
        self.weights(inputs).iter().try_for_each(|weight| weight.check(what))
    }

    fn weights(&self, inputs: &[Shape]) -> Vec<Weight> {
        let axes = inputs[0].axes();
        // In Keras's order, in which axes counted from the end come first.
        let size = |&axis: &isize| {
            let at = if axis < 0 { axis + axes.len() as isize } else { axis - 1 };
            axes[at as usize].unwrap_or(0)
        };
        let shape: Vec<usize> = self.axes.iter().map(size).collect();
        let [gamma, beta] = self.has();
        let mut weights = Vec::new();
        if gamma {
            let gamma = Weight::new("gamma", shape.clone(), self.gamma_initializer)
                .regularizer(self.gamma_regularizer)
                .constraint(self.gamma_constraint.as_ref());
            weights.push(gamma.trainable(self.trainable));
        }
        if beta {
            let beta = Weight::new("beta", shape, self.beta_initializer)
                .regularizer(self.beta_regularizer)
                .constraint(self.beta_constraint.as_ref());
            weights.push(beta.trainable(self.trainable));
        }
        weights
    }
}

/// The operation of a [`LayerNormalization`].
#[derive(Debug)]
pub(super) struct Normalize<T> {
    last: LastAxes,
    /// How many entries are normalized together.
    len: usize,
    epsilon: T,
    has: [bool; 2],
    rms_scaling: bool,
    /// `μ` and `1 / √(v + ε)` of each row of `len`.
    moments: Vec<(T, T)>,
    /// With those axes last: the input; the output, or its gradient.
    x: Buffer<T>,
    y: Buffer<T>,
}

impl<T: Float> Normalize<T> {
    pub(super) fn new(layer: &LayerNormalization, inputs: &[Shape]) -> Self {
        let last = LastAxes::new(&layer.axes, inputs[0].axes().len());
        Normalize {
            len: last.len(&inputs[0]),
            last,
            epsilon: T::from_f64(layer.epsilon),
            has: layer.has(),
            rms_scaling: layer.rms_scaling,
            moments: Vec::new(),
            x: Buffer::new(),
            y: Buffer::new(),
        }
    }

    /// `γ` and `β`, empty where there is none.
    fn cut<'a>(&self, weights: &'a [T]) -> (&'a [T], &'a [T]) {
        weights.split_at(if self.has[0] { self.len } else { 0 })
    }
}

/// `Σ f(i)` below `len`, in eight parts.
#[inline(always)]
fn sum<T: Float>(len: usize, f: impl Fn(usize) -> T) -> T {
    const LANES: usize = 8;
    let mut parts = [T::ZERO; LANES];
    let whole = len / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, part) in parts.iter_mut().enumerate() {
            *part += f(start + lane);
        }
    }
    let rest = (whole..len).fold(T::ZERO, |sum, i| sum + f(i));
    parts.into_iter().fold(rest, |sum, part| sum + part)
}

/// An entry of a weight, or what stands for it where there is none.
#[inline(always)]
fn entry<T: Float>(weight: &[T], i: usize, none: T) -> T {
    weight.get(i).copied().unwrap_or(none)
}

impl<T: Float> Normalize<T> {
    /// Rows of `len`, one after another.
    fn rows_forward(&mut self, weights: &[T], x: &[T], y: &mut [T]) {
        let (gamma, beta) = self.cut(weights);
        let n = T::from_f64(self.len as f64);
        self.moments.clear();
        for (x, y) in x.chunks_exact(self.len).zip(y.chunks_exact_mut(self.len)) {
            let mean = sum(self.len, |i| x[i]) / n;
            let variance = sum(self.len, |i| (x[i] - mean) * (x[i] - mean)) / n;
            let inverse = T::ONE / T::from_f64((variance + self.epsilon).to_f64().sqrt());
            self.moments.push((mean, inverse));
            let center = if self.rms_scaling { T::ZERO } else { mean };
            for (i, (y, &x)) in y.iter_mut().zip(x).enumerate() {
                *y = (x - center) * (inverse * entry(gamma, i, T::ONE)) + entry(beta, i, T::ZERO);
            }
        }
    }

    /// As [`rows_forward`](Self::rows_forward); `dy` becomes `dx`.
    fn rows_backward(&self, weights: &[T], x: &[T], dy: &mut [T], dweights: &mut [T]) {
        let (gamma, _) = self.cut(weights);
        let (dgamma, dbeta) = dweights.split_at_mut(if self.has[0] { self.len } else { 0 });
        let n = T::from_f64(self.len as f64);
        let rows = x.chunks_exact(self.len).zip(dy.chunks_exact_mut(self.len));
        for ((x, dy), &(mean, inverse)) in rows.zip(&self.moments) {
            let center = if self.rms_scaling { T::ZERO } else { mean };
            let hat = |i: usize| (x[i] - center) * inverse;
            for (i, dgamma) in dgamma.iter_mut().enumerate() {
                *dgamma += dy[i] * hat(i);
            }
            dbeta.iter_mut().zip(&*dy).for_each(|(dbeta, &dy)| *dbeta += dy);

            let g = |i: usize| dy[i] * entry(gamma, i, T::ONE);
            let flat = if self.rms_scaling { T::ZERO } else { sum(self.len, g) / n };
            let steep = sum(self.len, |i| g(i) * hat(i)) / n;
            for (i, (dy, &x)) in dy.iter_mut().zip(x).enumerate() {
                let g = *dy * entry(gamma, i, T::ONE);
                // The variance is about the mean in either case.
                *dy = (g - flat - (x - mean) * inverse * steep) * inverse;
            }
        }
    }
}

impl<T: Float> Operation<T> for Normalize<T> {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let (x, y) = (pass.inputs.at(0), &mut outputs[0]);
        if !self.last.moves() {
            return self.rows_forward(pass.weights, x, y);
        }
        let (mut own_x, mut own_y) = (std::mem::take(&mut self.x), std::mem::take(&mut self.y));
        self.last.gather(&pass.inputs.shapes[0], x, &mut own_x);
        own_y.resize(y.len());
        self.rows_forward(pass.weights, &own_x, &mut own_y);
        self.last.scatter(&own_y, y);
        (self.x, self.y) = (own_x, own_y);
    }

    fn backward(
        &mut self,
        pass: Pass<T>,
        _: &[Buffer<T>],
        douts: &mut [Flow<T>],
        dweights: &mut [T],
        dins: &mut [Flow<T>],
    ) {
        let dy = &mut douts[0].grad;
        if !self.last.moves() {
            self.rows_backward(pass.weights, pass.inputs.at(0), dy, dweights);
            if let Some(dx) = dins[0].room() {
                dx.copy_from_slice(dy);
            }
            return;
        }
        let mut own = std::mem::take(&mut self.y);
        self.last.gather(&pass.inputs.shapes[0], dy, &mut own);
        self.rows_backward(pass.weights, &self.x, &mut own, dweights);
        if let Some(dx) = dins[0].room() {
            self.last.scatter(&own, dx);
        }
        self.y = own;
    }

    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        outputs[0].pass(inputs.mask(0));
    }
}
