//! Gradients of one precision against those of a higher one.

use std::fmt;

use super::index_of;
use crate::tensor::Tensor;

/// The largest error that passes: rounding errors of `f32` in sums over thousands of terms.
const BOUND: f64 = 1e-3;
/// Errors are relative to the largest entry of their tensor, or to this part of the largest of all:
/// what is smaller may be the rounding of what it is a difference of.
const LEAST: f64 = 1e-3;

/// The entry of a gradient that rounding has changed most.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounded {
    /// `layer/weight`, or the name of the input.
    pub name: String,
    /// The place of the entry.
    pub index: Vec<usize>,
    /// It, in the model's precision.
    pub found: f64,
    /// It, in `f64`.
    pub exact: f64,
    /// Their difference over the largest entry of the tensor, or a thousandth of that of all tensors.
    pub error: f64,
    /// What the error should not exceed.
    pub bound: f64,
}

impl Rounded {
    /// Of one of several tensors, whose largest entry is `most`.
    pub(super) fn new(name: String, found: &Tensor<f64>, exact: &Tensor<f64>, most: f64) -> Self {
        let size = largest(exact).max(LEAST * most).max(f64::MIN_POSITIVE);
        let error = |(&found, &exact): (&f64, &f64)| match (found - exact).abs() / size {
            error if error.is_nan() => f64::INFINITY,
            error => error,
        };
        let errors = found.data().iter().zip(exact.data()).map(error).enumerate();
        let (at, error) = errors.max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap_or((0, 0.0));
        Rounded {
            name,
            index: index_of(exact.shape(), at),
            found: found.data().get(at).copied().unwrap_or(0.0),
            exact: exact.data().get(at).copied().unwrap_or(0.0),
            error,
            bound: BOUND,
        }
    }

    /// Whether the error is within the bound.
    pub fn passed(&self) -> bool {
        self.error <= self.bound
    }
}

/// The size of the largest entry.
pub(super) fn largest(tensor: &Tensor<f64>) -> f64 {
    tensor.data().iter().fold(0.0, |size, x| size.max(x.abs()))
}

impl fmt::Display for Rounded {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let Rounded { name, index, found, exact, error, bound } = self;
        write!(
            out,
            "rounding has changed {name} {index:?} from {exact:e} to {found:e}, by {error:.1e} of the \
             largest, where {bound:.0e} is allowed"
        )
    }
}
