//! Functions of a vector, for kernels that have their operands in registers.
//!
//! All are free of branches, so their time does not depend on the data, and a lane's result does
//! not depend on its neighbours. NaN gives NaN. None ever steps back as its operand grows, but for
//! `softplus`, by a unit, at 681 `f32` from 6 · 10⁻⁸ to 1.3 · 10⁻⁴, where it hardly grows above ln 2.
//!
//! Errors in units in the last place (ULP) of the exact value: bounds of the largest found on any
//! instruction set, among all `f32`, and among 10⁹ `f64` and cases that are hard to round.
//!
//! |      | `exp` | `expm1` | `sigmoid` | `tanh` | `softplus` | `log1p` | `erf` |
//! |------|-------|---------|-----------|--------|------------|---------|-------|
//! | f32  | 0.84  | 1.1     | 0.84      | 0.93   | 1.1        | 1.1     | 1.0   |
//! | f64  | 0.82  | 0.83    | 0.84      | 1.2    | 1.1        | 1.0     | 1.1   |
//!
//! `Function::max_ulps` in [`activation`](crate::activation) has the same numbers.

mod error_function;
mod exponential;
mod hyperbolic;
mod logarithm;
mod polynomial;
mod rectifier;

pub use error_function::{erf, erf_grad};
pub use exponential::{exp, exp_grad, expm1, expm1_grad, sigmoid, sigmoid_grad};
pub use hyperbolic::{tanh, tanh_grad};
pub use logarithm::{log1p, log1p_grad, softplus, softplus_grad};
pub use rectifier::{relu, relu_grad};
