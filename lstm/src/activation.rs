//! Activations: names as in Keras, forward over rows and vectors, derivatives from the output.

use std::fmt;
use std::str::FromStr;

use kernels::simd::{Float, Isa, Kernel, Simd, V, Vector};
use kernels::{activation as slices, math};

use crate::error::Error;

/// An activation function of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activation {
    /// `x`
    #[default]
    Linear,
    /// `max(x, 0)`
    Relu,
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// `tanh x`
    Tanh,
    /// `eˣⁱ / Σⱼ eˣʲ` over the last axis
    Softmax,
}

impl Activation {
    /// Every activation.
    pub const ALL: [Activation; 5] = [
        Activation::Linear,
        Activation::Relu,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Softmax,
    ];

    /// The name in Keras.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Linear => "linear",
            Activation::Relu => "relu",
            Activation::Sigmoid => "sigmoid",
            Activation::Tanh => "tanh",
            Activation::Softmax => "softmax",
        }
    }

    /// Maps the pre-activations `x [rows, units]` in place.
    pub(crate) fn forward<T: Float>(self, isa: Isa, units: usize, x: &mut [T]) {
        match self {
            Activation::Linear => {}
            Activation::Relu => isa.run(slices::Relu(x)),
            Activation::Sigmoid => isa.run(slices::Sigmoid(x)),
            Activation::Tanh => isa.run(slices::Tanh(x)),
            Activation::Softmax => isa.run(Softmax { units, x }),
        }
    }

    /// Turns `dy` into `dx` in place, from the outputs `y`, both `[rows, units]`.
    pub(crate) fn backward<T: Float>(self, isa: Isa, units: usize, y: &[T], dy: &mut [T]) {
        match self {
            Activation::Linear => {}
            Activation::Relu => isa.run(slices::ReluGrad { y, dy }),
            Activation::Sigmoid => isa.run(slices::SigmoidGrad { y, dy }),
            Activation::Tanh => isa.run(slices::TanhGrad { y, dy }),
            Activation::Softmax => softmax_backward(units, y, dy),
        }
    }

    /// `f(x)` of an element-wise activation.
    #[inline(always)]
    pub(crate) fn of<S: Simd, X: Vector<S>>(self, simd: S, x: X) -> X {
        match self {
            Activation::Sigmoid => math::sigmoid(simd, x),
            Activation::Tanh => math::tanh(simd, x),
            Activation::Relu => math::relu(simd, x),
            Activation::Linear | Activation::Softmax => x,
        }
    }

    /// `f'(x)` of an element-wise activation, from `y = f(x)`.
    #[inline(always)]
    pub(crate) fn slope<S: Simd, X: Vector<S>>(self, simd: S, y: X) -> X {
        match self {
            Activation::Sigmoid => math::sigmoid_grad(simd, y),
            Activation::Tanh => math::tanh_grad(simd, y),
            Activation::Relu => math::relu_grad(simd, y),
            Activation::Linear | Activation::Softmax => X::splat(simd, X::Scalar::ONE),
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Activation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Activation::ALL
            .into_iter()
            .find(|activation| activation.name() == name)
            .ok_or_else(|| Error::unsupported("activation", name))
    }
}

/// `y = e^(x - max x) / Σ e^(x - max x)` of each row.
struct Softmax<'a, T> {
    units: usize,
    x: &'a mut [T],
}

impl<T: Float> Kernel for Softmax<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let lanes = V::<S, T>::LANES;
        for row in self.x.chunks_mut(self.units) {
            // A NaN is larger than nothing here, and still reaches every output by way of the sum.
            let top = row.iter().copied().fold(row[0], |top, x| if x > top { x } else { top });
            for xs in row.chunks_mut(lanes) {
                let x = V::<S, T>::load(simd, xs) - V::<S, T>::splat(simd, top);
                math::exp(simd, x).store(xs);
            }
            let sum = row.iter().copied().fold(T::ZERO, |sum, x| sum + x);
            row.iter_mut().for_each(|x| *x = *x / sum);
        }
    }
}

/// `dx = y (dy - Σ dy y)` of each row.
fn softmax_backward<T: Float>(units: usize, y: &[T], dy: &mut [T]) {
    for (y, dy) in y.chunks(units).zip(dy.chunks_mut(units)) {
        let dot = y.iter().zip(&*dy).fold(T::ZERO, |sum, (&y, &dy)| sum + y * dy);
        for (&y, dy) in y.iter().zip(dy) {
            *dy = y * (*dy - dot);
        }
    }
}
