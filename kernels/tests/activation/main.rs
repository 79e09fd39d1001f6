//! Activations over slices: how exact they are, what they keep, and their derivatives.

mod accuracy;
#[path = "../common/mod.rs"]
mod common;
mod double_double;
mod gradients;
mod properties;

use kernels::activation::{Exp, Expm1, Relu, Sigmoid, Tanh};
use kernels::{Float, Isa};

/// The activations, to go through them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Activation {
    Exp,
    Expm1,
    Sigmoid,
    Tanh,
    Relu,
}

use Activation as A;

const ALL: [Activation; 5] = [A::Exp, A::Expm1, A::Sigmoid, A::Tanh, A::Relu];

impl Activation {
    fn run<T: Float>(self, isa: Isa, xs: &mut [T]) {
        match self {
            A::Exp => isa.run(Exp(xs)),
            A::Expm1 => isa.run(Expm1(xs)),
            A::Sigmoid => isa.run(Sigmoid(xs)),
            A::Tanh => isa.run(Tanh(xs)),
            A::Relu => isa.run(Relu(xs)),
        }
    }

    fn of<T: Float>(self, isa: Isa, x: T) -> T {
        let mut xs = [x];
        self.run(isa, &mut xs);
        xs[0]
    }
}
