//! How far what was computed is from what was expected.

use std::fmt;

use lstm::{Float, Tensor};

use super::Tensors;

/// The worst disagreement in a case, and the tensor it is in.
#[derive(Clone, Debug, PartialEq)]
pub struct Worst {
    /// The tensor.
    pub tensor: String,
    /// Its error, relative to its largest entry or to one.
    pub error: f64,
    /// What the error may be.
    pub tolerance: f64,
}

impl Worst {
    /// Whether the error is within its tolerance; a NaN is not.
    pub fn passed(&self) -> bool {
        self.error <= self.tolerance
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{:.1e} in {}", self.error, self.tensor)
    }
}

/// Whether an error is larger than the largest before it. A NaN is larger than any number.
fn exceeds(error: f64, largest: f64) -> bool {
    error > largest || error.is_nan() && !largest.is_nan()
}

/// `max|got - want| / max(1, max|want|)`
fn error<T: Float>(got: &Tensor<T>, want: &Tensor<f64>) -> f64 {
    let largest = want.data().iter().fold(1.0, |max: f64, x| max.max(x.abs()));
    let errors = got.data().iter().zip(want.data()).map(|(g, w)| (g.to_f64() - w).abs());
    errors.fold(0.0, |max, error| if exceeds(error, max) { error } else { max }) / largest
}

/// The worst of all tensors that were computed: each of them is expected.
pub(crate) fn worst<T: Float>(
    got: &Tensors<T>,
    expected: &Tensors<f64>,
    tolerance: f64,
) -> Result<Worst, String> {
    let mut worst: Option<Worst> = None;
    for (name, got) in got {
        let want = expected.get(name).ok_or_else(|| format!("no tensor `{name}`"))?;
        if got.shape() != want.shape() {
            let (got, want) = (got.shape(), want.shape());
            return Err(format!("{name}: expected shape {want:?}, found {got:?}"));
        }
        let error = error(got, want);
        if worst.as_ref().is_none_or(|worst| exceeds(error, worst.error)) {
            worst = Some(Worst { tensor: name.clone(), error, tolerance });
        }
    }
    worst.ok_or_else(|| "nothing to compare".to_owned())
}
