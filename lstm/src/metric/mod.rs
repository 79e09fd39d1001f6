//! Metrics: numbers that training is watched by, gathered over the batches of an epoch.
//!
//! | module      | holds                                                              |
//! |-------------|--------------------------------------------------------------------|
//! | `names`     | what Keras calls each metric                                       |
//! | `mean`      | means over values: losses, accuracies                              |
//! | `confusion` | what was predicted right and wrong: precision, recall, AUC         |
//! | `r2`        | the coefficient of determination                                   |
//! | [`meter`]   | a metric at work                                                   |

mod confusion;
mod mean;
pub(crate) mod meter;
mod names;
mod r2;

use std::borrow::Cow;

pub use confusion::{AUC, Curve, Summation, Threshold};
pub(crate) use mean::largest;
pub use r2::{ClassAggregation, R2Score};

use crate::error::{Error, Result};
use crate::loss::Loss;

/// What a metric measures. `y` are targets, `p` predictions.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Measure {
    /// How often the prediction is right: [`BinaryAccuracy`](Self::BinaryAccuracy) for outputs of
    /// one number, else [`SparseCategoricalAccuracy`](Self::SparseCategoricalAccuracy) or
    /// [`CategoricalAccuracy`](Self::CategoricalAccuracy), whichever fits the targets.
    Accuracy,
    /// How often `p > threshold` is `y`.
    BinaryAccuracy {
        /// 0.5 in Keras unless set.
        threshold: f64,
    },
    /// How often the largest of `p` is where the largest of `y` is.
    CategoricalAccuracy,
    /// How often the largest of `p` is at number `y`.
    SparseCategoricalAccuracy,
    /// How often the place of the largest of `y` is among the `k` largest of `p`.
    TopKCategoricalAccuracy {
        /// 5 in Keras unless set.
        k: usize,
    },
    /// How often number `y` is among the `k` largest of `p`.
    SparseTopKCategoricalAccuracy {
        /// 5 in Keras unless set.
        k: usize,
    },
    /// The mean of a loss. Of [`Loss::CosineSimilarity`] the opposite: the mean similarity.
    Loss(Loss),
    /// `√(Σ (p - y)² / n)`
    RootMeanSquaredError,
    /// `true positives / (true positives + false positives)`
    Precision(Threshold),
    /// `true positives / (true positives + false negatives)`
    Recall(Threshold),
    /// The area under a curve.
    AUC(AUC),
    /// `1 - Σ (y - p)² / Σ (y - ȳ)²`
    R2Score(R2Score),
}

/// Whether more of a metric is better, or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More is better.
    Up,
    /// Less is better.
    Down,
}

/// A metric and the name it is shown under.
///
/// ```
/// use lstm::{Measure, Metric};
///
/// let mae: Metric = "mae".parse()?;
/// let top: Metric = Measure::TopKCategoricalAccuracy { k: 3 }.into();
/// assert_eq!(mae.name(), "mae");
/// assert_eq!(top.named("top_3").name(), "top_3");
/// # Ok::<(), lstm::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub(crate) measure: Measure,
    pub(crate) name: Cow<'static, str>,
    pub(crate) output: usize,
}

impl Metric {
    /// `accuracy`: whichever accuracy fits the output and its targets.
    pub const ACCURACY: Metric =
        Metric { measure: Measure::Accuracy, name: Cow::Borrowed("accuracy"), output: 0 };

    /// The metric under another name.
    pub fn named(self, name: impl Into<Cow<'static, str>>) -> Self {
        Metric { name: name.into(), ..self }
    }

    /// The metric of another output of the model than the first, which is 0.
    pub fn of_output(self, output: usize) -> Self {
        Metric { output, ..self }
    }

    /// What it is shown under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it measures.
    pub fn measure(&self) -> &Measure {
        &self.measure
    }

    /// Checks that every setting is in its range.
    pub(crate) fn check(&self) -> Result<()> {
        let positive = |k: usize| match k {
            0 => Err(Error::invalid(format!("k of metric `{}`", self.name), "it must be positive")),
            _ => Ok(()),
        };
        match &self.measure {
            Measure::TopKCategoricalAccuracy { k }
            | Measure::SparseTopKCategoricalAccuracy { k } => positive(*k),
            Measure::Loss(loss) => loss.check(),
            Measure::Precision(threshold) | Measure::Recall(threshold) => {
                threshold.check(&self.name)
            }
            Measure::AUC(auc) => auc.check(&self.name),
            _ => Ok(()),
        }
    }
}

impl Measure {
    /// Checks what is said of classes against how many there are.
    pub(crate) fn check_width(&self, name: &str, width: usize) -> Result<()> {
        let (what, found, most) = match self {
            Measure::Precision(threshold) | Measure::Recall(threshold) => {
                let Threshold { top_k, class_id, .. } = threshold;
                match (top_k.filter(|&k| k > width), class_id.filter(|&class| class >= width)) {
                    (Some(k), _) => ("top_k", k, width),
                    (_, Some(class)) => ("class_id", class, width - 1),
                    _ => return Ok(()),
                }
            }
            _ => return Ok(()),
        };
        let why = format!("{found}, where predictions of {width} values allow {most} at most");
        Err(Error::invalid(format!("{what} of metric `{name}`"), why))
    }
}

impl From<Measure> for Metric {
    fn from(measure: Measure) -> Self {
        let name = Cow::Borrowed(measure.name());
        Metric { measure, name, output: 0 }
    }
}

impl From<Loss> for Metric {
    fn from(loss: Loss) -> Self {
        Measure::Loss(loss).into()
    }
}
