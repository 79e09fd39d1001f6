//! The rows of a batch as one number: sample weights, masks, reductions.

use kernels::Float;

use super::Loss;
use super::formula::{Formula, Slope};
use super::layout::Layout;

/// How the values of a loss, one for each row, become one number: Keras's `reduction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean, weighted values divided by the number of all; of those that a mask leaves.
    #[default]
    SumOverBatchSize,
    /// Their sum.
    Sum,
    /// The same as [`SumOverBatchSize`](Self::SumOverBatchSize).
    Mean,
    /// Their sum, divided by that of the weights.
    MeanWithSampleWeight,
    /// None: each value is minimized, their sum therefore; what is shown is their mean.
    None,
}

/// A [`Loss`] and its [`Reduction`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// The loss.
    pub loss: Loss,
    /// How its values become one.
    pub reduction: Reduction,
}

impl From<Loss> for Objective {
    fn from(loss: Loss) -> Self {
        Objective { loss, reduction: Reduction::default() }
    }
}

/// A batch of predictions with what they are held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged<'a, T> {
    pub(crate) layout: Layout,
    pub(crate) prediction: &'a [T],
    pub(crate) target: &'a [T],
    /// One for each row, or one for each sample.
    pub(crate) weights: Option<&'a [T]>,
    /// Which rows count.
    pub(crate) mask: Option<&'a [bool]>,
}

impl<'a, T: Float> Judged<'a, T> {
    /// The predictions and targets of a row.
    pub(crate) fn row(&self, row: usize) -> (&'a [T], &'a [T]) {
        let Layout { width, labels, .. } = self.layout;
        let y =
            if labels { &self.target[row..][..1] } else { &self.target[row * width..][..width] };
        (&self.prediction[row * width..][..width], y)
    }

    /// The weight that the user gave a row, or one.
    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.weights
            .map_or(1.0, |weights| weights[row / (self.layout.rows / weights.len())].to_f64())
    }

    /// Whether the mask lets a row count.
    pub(crate) fn counts(&self, row: usize) -> bool {
        self.mask.is_none_or(|mask| mask[row])
    }
}

/// `a / b`, or zero where `b` is.
pub(crate) fn divide_no_nan(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

impl Objective {
    /// The loss of a batch. Writes its gradient, times a factor, to `gradient`, if that is there.
    ///
    /// Keras merges a mask into the weights, of `rows / valid` where a row counts and zero
    /// elsewhere, so that the mean is over those that count (`apply_mask`).
    pub(crate) fn measure<T: Float>(
        &self,
        batch: &Judged<T>,
        mut gradient: Option<(&mut [T], f64)>,
    ) -> f64 {
        let Layout { rows, width, .. } = batch.layout;
        let formula = Formula::new(self.loss, batch.target);
        let ignores =
            matches!(self.loss, Loss::SparseCategoricalCrossentropy { ignore_class: Some(_), .. });
        let masked = ignores || batch.mask.is_some();
        let counts = |row: usize| batch.counts(row) && !formula.ignores(batch.row(row).1);
        let mean = matches!(self.reduction, Reduction::SumOverBatchSize | Reduction::Mean);
        let valid = match masked && mean {
            true => (0..rows).filter(|&row| counts(row)).count(),
            false => rows,
        };
        let kept = divide_no_nan(rows as f64, valid as f64);
        let weight = |row: usize| match masked && !counts(row) {
            true => 0.0,
            false => batch.weight(row) * kept,
        };
        let divisor = match self.reduction {
            Reduction::Sum | Reduction::None => 1.0,
            Reduction::SumOverBatchSize | Reduction::Mean => rows as f64,
            Reduction::MeanWithSampleWeight => match batch.weights {
                // Weights that are spread over rows count once.
                Some(weights) if !masked => weights.iter().map(|w| w.to_f64()).sum(),
                _ => (0..rows).map(weight).sum(),
            },
        };
        let mut total = 0.0;
        for row in 0..rows {
            let (p, y) = batch.row(row);
            let weight = weight(row);
            let slope = gradient.as_mut().map(|(gradient, factor)| Slope {
                factor: divide_no_nan(*factor * weight, divisor),
                row: &mut gradient[row * width..][..width],
            });
            total += formula.row(p, y, slope) * weight;
        }
        match self.reduction {
            Reduction::None => divide_no_nan(total, rows as f64),
            _ => divide_no_nan(total, divisor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged<'a>(shape: &[usize], p: &'a [f64], y: &'a [f64]) -> Judged<'a, f64> {
        let layout = Layout::of(shape, shape, false).unwrap();
        Judged { layout, prediction: p, target: y, weights: None, mask: None }
    }

    #[test]
    fn the_gradient_is_that_of_the_mean_and_nan_where_the_prediction_is() {
        let (p, y) = ([3.0, -1.0, 2.0, f64::NAN], [1.0, 0.0, 2.0, 0.0]);
        for (loss, expected) in [
            (Loss::MeanSquaredError, [1.0, -0.5, 0.0]),
            (Loss::MeanAbsoluteError, [0.25, -0.25, 0.0]),
        ] {
            let mut dp = [9.0; 4];
            let batch = judged(&[4, 1], &p, &y);
            let value = Objective::from(loss).measure(&batch, Some((&mut dp, 1.0)));
            assert_eq!(dp[..3], expected);
            assert!(dp[3].is_nan(), "{loss} {dp:?}");
            assert!(value.is_nan());
        }
    }

    #[test]
    fn what_diverged_is_nan_in_every_loss() {
        let (p, y) = ([f64::NAN; 2], [0.0, 1.0]);
        for loss in Loss::ALL.into_iter().filter(|loss| !loss.reads_labels()) {
            let mut dp = [9.0; 2];
            let batch = judged(&[1, 2], &p, &y);
            let value = Objective::from(loss).measure(&batch, Some((&mut dp, 1.0)));
            assert!(value.is_nan(), "{loss}: {value}");
            assert!(dp.iter().all(|dp| dp.is_nan()), "{loss}: {dp:?}");
        }
    }

    #[test]
    fn nothing_is_left_where_no_row_counts() {
        let batch =
            Judged { mask: Some(&[false, false]), ..judged(&[2, 1], &[1.0, 2.0], &[0.0; 2]) };
        let mut dp = [9.0; 2];
        let value = Objective::from(Loss::MeanSquaredError).measure(&batch, Some((&mut dp, 1.0)));
        assert_eq!((value, dp), (0.0, [0.0; 2]));
    }
}
