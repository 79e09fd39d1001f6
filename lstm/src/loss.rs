//! Losses: the value over a batch, and its gradient.

use std::fmt;
use std::str::FromStr;

use kernels::Float;

use crate::error::{Error, Result};

/// What training makes small. Each is a mean over all elements of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// `Σ (p - y)² / n`
    MeanSquaredError,
    /// `Σ |p - y| / n`
    MeanAbsoluteError,
}

impl Loss {
    /// Every loss.
    pub const ALL: [Loss; 2] = [Loss::MeanSquaredError, Loss::MeanAbsoluteError];

    /// The name in Keras.
    pub fn name(self) -> &'static str {
        match self {
            Loss::MeanSquaredError => "mean_squared_error",
            Loss::MeanAbsoluteError => "mean_absolute_error",
        }
    }

    /// The short name in Keras.
    pub fn alias(self) -> &'static str {
        match self {
            Loss::MeanSquaredError => "mse",
            Loss::MeanAbsoluteError => "mae",
        }
    }

    /// The loss of predictions `p` against targets `y`.
    pub(crate) fn value<T: Float>(self, p: &[T], y: &[T]) -> T {
        let errors = p.iter().zip(y).map(|(&p, &y)| (p - y).to_f64());
        let sum: f64 = match self {
            Loss::MeanSquaredError => errors.map(|e| e * e).sum(),
            Loss::MeanAbsoluteError => errors.map(f64::abs).sum(),
        };
        T::from_f64(sum / p.len() as f64)
    }

    /// Writes the gradient of [`value`](Self::value) with respect to `p`.
    pub(crate) fn gradient<T: Float>(self, p: &[T], y: &[T], dp: &mut [T]) {
        let per_element = T::ONE / T::from_f64(p.len() as f64);
        let two = T::from_f64(2.0);
        for ((&p, &y), dp) in p.iter().zip(y).zip(dp) {
            let error = p - y;
            *dp = match self {
                Loss::MeanSquaredError => two * error * per_element,
                Loss::MeanAbsoluteError if error > T::ZERO => per_element,
                Loss::MeanAbsoluteError if error < T::ZERO => -per_element,
                // Zero, or the NaN of a prediction that diverged.
                Loss::MeanAbsoluteError => error,
            };
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Loss {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Loss::ALL
            .into_iter()
            .find(|loss| loss.name() == name || loss.alias() == name)
            .ok_or_else(|| Error::unsupported("loss", name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_mean_and_nan_where_the_prediction_is() {
        let (p, y) = ([3.0, -1.0, 2.0, f64::NAN], [1.0, 0.0, 2.0, 0.0]);
        for (loss, expected) in [
            (Loss::MeanSquaredError, [1.0, -0.5, 0.0]),
            (Loss::MeanAbsoluteError, [0.25, -0.25, 0.0]),
        ] {
            let mut dp = [9.0; 4];
            loss.gradient(&p, &y, &mut dp);
            assert_eq!(dp[..3], expected);
            assert!(dp[3].is_nan(), "{loss} {dp:?}");
            assert!(loss.value(&p, &y).is_nan());
        }
    }
}
