//! Functions of a vector, for kernels that have their operands in registers.
//!
//! All are free of branches, so their time does not depend on the data, and a lane's result does
//! not depend on its neighbours. NaN gives NaN. None ever steps back as its operand grows.
//!
//! Errors in units in the last place (ULP) of the exact value: bounds of the largest found on any
//! instruction set, among all `f32` and a hundred million `f64` (thirty million for `softplus`, `log1p`
//! and `erf`).
//!
//! |      | `exp` | `expm1` | `sigmoid` | `tanh` | `softplus` | `log1p` | `erf` |
//! |------|-------|---------|-----------|--------|------------|---------|-------|
//! | f32  | 0.84  | 1.1     | 0.84      | 0.91   | 1.1        | 1.1     | 1.0   |
//! | f64  | 0.81  | 1.0     | 0.84      | 1.1    | 1.1        | 1.1     | 1.1   |
//!
//! `Function::max_ulps` in [`activation`](crate::activation) has the same numbers.

mod error_function;
mod exponential;
mod logarithm;
mod polynomial;
mod rectifier;

pub use error_function::erf;
pub use exponential::{exp, expm1, sigmoid, sigmoid_grad, tanh, tanh_grad};
pub use logarithm::{log1p, softplus, softplus_grad};
pub use rectifier::{relu, relu_grad};
