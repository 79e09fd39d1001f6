//! Activations over slices: how exact they are, what they keep, and their derivatives.

#![allow(unsafe_code, reason = "the control register of the floating point unit")]

mod accuracy;
#[path = "../common/mod.rs"]
mod common;
mod gradients;
mod properties;

use kernels::activation::{Function, Relu};
use kernels::{Float, Isa};

/// The activations, to go through them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Activation {
    Exp,
    Expm1,
    Sigmoid,
    Tanh,
    Softplus,
    Log1p,
    Erf,
    Relu,
}

use Activation as A;

const ALL: [Activation; 8] =
    [A::Exp, A::Expm1, A::Sigmoid, A::Tanh, A::Softplus, A::Log1p, A::Erf, A::Relu];

impl Activation {
    fn run<T: Float>(self, isa: Isa, xs: &mut [T]) {
        match self {
            A::Exp => Function::Exp.run(isa, xs),
            A::Expm1 => Function::Expm1.run(isa, xs),
            A::Sigmoid => Function::Sigmoid.run(isa, xs),
            A::Tanh => Function::Tanh.run(isa, xs),
            A::Softplus => Function::Softplus.run(isa, xs),
            A::Log1p => Function::Log1p.run(isa, xs),
            A::Erf => Function::Erf.run(isa, xs),
            A::Relu => isa.run(Relu(xs)),
        }
    }

    fn of<T: Float>(self, isa: Isa, x: T) -> T {
        let mut xs = [x];
        self.run(isa, &mut xs);
        xs[0]
    }
}
