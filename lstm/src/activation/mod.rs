//! Activations: names as in Keras, forward and backward over arrays.

mod functions;
mod map;
mod softmax;

use std::fmt;
use std::str::FromStr;

use kernels::Isa;

use crate::error::Error;
use functions::Function;
use kernels::Float;
use map::with_function;
pub(crate) use map::{Map, Pieces, Slopes};

/// An activation function of a layer: Keras's, with the parameters they have by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activation {
    /// `x`
    #[default]
    Linear,
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `x` if `x > 0`, else `0.2 x`
    LeakyRelu,
    /// `x` if `x > 0`, else `eˣ - 1`
    Elu,
    /// `λ x` if `x > 0`, else `λ α (eˣ - 1)` (G. Klambauer et al., 2017)
    Selu,
    /// As [`Elu`](Self::Elu): the two differ in a parameter which is 1 by name.
    Celu,
    /// `x Φ(x)`, `Φ` being the normal distribution
    Gelu,
    /// [`Gelu`](Self::Gelu) by its approximation with tanh; Keras has no name for it
    GeluTanh,
    /// `x sigmoid(x)`
    Silu,
    /// `x tanh(softplus(x))`
    Mish,
    /// `ln(1 + eˣ)`
    Softplus,
    /// `x / (1 + |x|)`
    Softsign,
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// `relu6(x + 3) / 6`
    HardSigmoid,
    /// `x hard_sigmoid(x)`
    HardSilu,
    /// `-softplus(-x)`
    LogSigmoid,
    /// `tanh x`
    Tanh,
    /// `eˣ`
    Exponential,
    /// `min(max(x, -1), 1)`
    HardTanh,
    /// `x - tanh x`
    TanhShrink,
    /// `x - 1/2` above 1/2, `x + 1/2` below -1/2, 0 between
    SoftShrink,
    /// `x` outside of ±1/2, 0 between
    HardShrink,
    /// `(x + √(x² + 4)) / 2`
    Squareplus,
    /// 0 below -1, `x` above 1, `(x + 1)² / 4` between
    SparsePlus,
    /// 0 below -1, 1 above 1, `(x + 1) / 2` between
    SparseSigmoid,
    /// `eˣⁱ / Σⱼ eˣʲ` over the last axis
    Softmax,
}

impl Activation {
    /// Every activation.
    pub const ALL: [Activation; 27] = [
        Activation::Linear,
        Activation::Relu,
        Activation::Relu6,
        Activation::LeakyRelu,
        Activation::Elu,
        Activation::Selu,
        Activation::Celu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::Mish,
        Activation::Softplus,
        Activation::Softsign,
        Activation::Sigmoid,
        Activation::HardSigmoid,
        Activation::HardSilu,
        Activation::LogSigmoid,
        Activation::Tanh,
        Activation::Exponential,
        Activation::HardTanh,
        Activation::TanhShrink,
        Activation::SoftShrink,
        Activation::HardShrink,
        Activation::Squareplus,
        Activation::SparsePlus,
        Activation::SparseSigmoid,
        Activation::Softmax,
    ];

    /// The name in Keras; `gelu_tanh` is ours.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Linear => "linear",
            Activation::Relu => "relu",
            Activation::Relu6 => "relu6",
            Activation::LeakyRelu => "leaky_relu",
            Activation::Elu => "elu",
            Activation::Selu => "selu",
            Activation::Celu => "celu",
            Activation::Gelu => "gelu",
            Activation::GeluTanh => "gelu_tanh",
            Activation::Silu => "silu",
            Activation::Mish => "mish",
            Activation::Softplus => "softplus",
            Activation::Softsign => "softsign",
            Activation::Sigmoid => "sigmoid",
            Activation::HardSigmoid => "hard_sigmoid",
            Activation::HardSilu => "hard_silu",
            Activation::LogSigmoid => "log_sigmoid",
            Activation::Tanh => "tanh",
            Activation::Exponential => "exponential",
            Activation::HardTanh => "hard_tanh",
            Activation::TanhShrink => "tanh_shrink",
            Activation::SoftShrink => "soft_shrink",
            Activation::HardShrink => "hard_shrink",
            Activation::Squareplus => "squareplus",
            Activation::SparsePlus => "sparse_plus",
            Activation::SparseSigmoid => "sparse_sigmoid",
            Activation::Softmax => "softmax",
        }
    }

    /// Whether [`backward`](Self::backward) needs the pre-activations: the derivative does not
    /// follow from the outputs.
    pub(crate) fn keeps_operand(self) -> bool {
        with_function!(self, F => F::FROM_OPERAND)
    }

    /// Maps the pre-activations `x [rows, units]` in place.
    pub(crate) fn forward<T: Float>(self, isa: Isa, units: usize, x: &mut [T]) {
        match self {
            Activation::Softmax => isa.run(softmax::Softmax { units, x }),
            activation => {
                let pieces = Pieces::all(x.len());
                isa.run(Map { activation, x, pieces });
            }
        }
    }

    /// Turns `dy` into `dx` in place, both `[rows, units]`, from the outputs or, if it
    /// [keeps them](Self::keeps_operand), the pre-activations.
    pub(crate) fn backward<T: Float>(self, isa: Isa, units: usize, kept: &[T], dy: &mut [T]) {
        match self {
            Activation::Softmax => softmax::backward(units, kept, dy),
            activation => isa.run(map::Backward { activation, kept, dy }),
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
        // Names that Keras has had, and still reads.
        let name = match name {
            "swish" => "silu",
            "hard_swish" => "hard_silu",
            name => name,
        };
        Activation::ALL
            .into_iter()
            .filter(|&activation| activation != Activation::GeluTanh)
            .find(|activation| activation.name() == name)
            .ok_or_else(|| Error::unsupported("activation", name))
    }
}
