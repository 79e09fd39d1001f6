//! Losses: the value over a batch, and its gradient.
//!
//! | module       | holds                                                                  |
//! |--------------|------------------------------------------------------------------------|
//! | `names`      | what Keras calls each loss                                             |
//! | [`layout`]   | how predictions and targets lie: rows along the last axis              |
//! | [`formula`]  | value and gradient of one row                                          |
//! | [`objective`]| the rows of a batch as one number: weights, masks, reductions          |
//! | [`losses`]   | a loss for each output of a model                                      |

pub(crate) mod formula;
pub(crate) mod layout;
mod losses;
mod names;
pub(crate) mod objective;

pub(crate) use losses::Given;
pub use losses::Losses;
pub use objective::{Objective, Reduction};

use crate::error::{Error, Result};

/// What training makes small: Keras's losses, each over the last axis of predictions `p` and
/// targets `y`.
///
/// `ε` is `1e-7`, as in Keras. Where a prediction was clipped to a range, its gradient is zero.
/// Class names and defaults of Keras's settings: [`Loss::HUBER`], [`Loss::BINARY_CROSSENTROPY`],
/// [`Loss::CATEGORICAL_CROSSENTROPY`], [`Loss::SPARSE_CATEGORICAL_CROSSENTROPY`].
///
/// As in Keras on TensorFlow, the crossentropies look through the sigmoid or softmax of a dense
/// layer that ends a model at what it was applied to, so that nothing is lost where it saturates;
/// not where the target lacks the last axis, of one, of predictions `[batch, steps, 1]`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// `Σ (p - y)² / n`
    MeanSquaredError,
    /// `Σ |p - y| / n`
    MeanAbsoluteError,
    /// `100 Σ |(y - p) / max(|y|, ε)| / n`
    MeanAbsolutePercentageError,
    /// `Σ (log(max(p, ε) + 1) - log(max(y, ε) + 1))² / n`
    MeanSquaredLogarithmicError,
    /// `Σ h(p - y) / n`, where `h(e) = e² / 2` up to `|e| = δ`, and `δ|e| - δ² / 2` beyond.
    Huber {
        /// `δ`
        delta: f64,
    },
    /// `Σ log cosh(p - y) / n`
    LogCosh,
    /// `-Σ (y log p + (1 - y) log(1 - p)) / n`, with `p` clipped to `[ε, 1 - ε]`.
    BinaryCrossentropy {
        /// Whether `p` are logits, to be put through a sigmoid.
        from_logits: bool,
        /// `s`: targets are squeezed to `y (1 - s) + s / 2`.
        label_smoothing: f64,
    },
    /// `-Σ y log(p / Σ p)`, with the quotient clipped to `[ε, 1 - ε]`.
    CategoricalCrossentropy {
        /// Whether `p` are logits, to be put through a softmax.
        from_logits: bool,
        /// `s`: targets are squeezed to `y (1 - s) + s / n`.
        label_smoothing: f64,
    },
    /// `-log(p[y] / Σ p)`, with `p` clipped to `[ε, 1 - ε]`; `y` is the number of a class.
    SparseCategoricalCrossentropy {
        /// Whether `p` are logits, to be put through a softmax.
        from_logits: bool,
        /// A class that counts neither in the sum nor among what the mean is over.
        ignore_class: Option<i64>,
    },
    /// `Σ y log(y / p)`, both clipped to `[ε, 1]`.
    KLDivergence,
    /// `Σ (p - y log(p + ε)) / n`
    Poisson,
    /// `-Σ p y / (‖p‖ ‖y‖)`
    CosineSimilarity,
    /// `Σ max(1 - y p, 0) / n`; targets that are all 0 or 1 are taken as -1 and 1.
    Hinge,
    /// `Σ max(1 - y p, 0)² / n`, with targets as for [`Hinge`](Self::Hinge).
    SquaredHinge,
    /// `max(max((1 - y) p) - Σ y p + 1, 0)`
    CategoricalHinge,
}

impl Loss {
    /// With `δ = 1`.
    pub const HUBER: Loss = Loss::Huber { delta: 1.0 };
    /// Of probabilities, without smoothing.
    pub const BINARY_CROSSENTROPY: Loss =
        Loss::BinaryCrossentropy { from_logits: false, label_smoothing: 0.0 };
    /// Of probabilities, without smoothing.
    pub const CATEGORICAL_CROSSENTROPY: Loss =
        Loss::CategoricalCrossentropy { from_logits: false, label_smoothing: 0.0 };
    /// Of probabilities, with every class.
    pub const SPARSE_CATEGORICAL_CROSSENTROPY: Loss =
        Loss::SparseCategoricalCrossentropy { from_logits: false, ignore_class: None };

    /// Every loss, with Keras's defaults.
    pub const ALL: [Loss; 15] = [
        Loss::MeanSquaredError,
        Loss::MeanAbsoluteError,
        Loss::MeanAbsolutePercentageError,
        Loss::MeanSquaredLogarithmicError,
        Loss::HUBER,
        Loss::LogCosh,
        Loss::BINARY_CROSSENTROPY,
        Loss::CATEGORICAL_CROSSENTROPY,
        Loss::SPARSE_CATEGORICAL_CROSSENTROPY,
        Loss::KLDivergence,
        Loss::Poisson,
        Loss::CosineSimilarity,
        Loss::Hinge,
        Loss::SquaredHinge,
        Loss::CategoricalHinge,
    ];

    /// The loss with another reduction than the mean over all values.
    pub fn reduction(self, reduction: Reduction) -> Objective {
        Objective { loss: self, reduction }
    }

    /// Checks that every setting is in its range.
    pub(crate) fn check(self) -> Result<()> {
        let smoothing = |s: f64| match (0.0..=1.0).contains(&s) {
            true => Ok(()),
            false => {
                let why = format!("{s} is not within 0 ≤ label_smoothing ≤ 1");
                Err(Error::invalid(format!("label_smoothing of {self}"), why))
            }
        };
        match self {
            Loss::BinaryCrossentropy { label_smoothing, .. }
            | Loss::CategoricalCrossentropy { label_smoothing, .. } => smoothing(label_smoothing),
            Loss::Huber { delta } if !delta.is_finite() => {
                Err(Error::invalid(format!("delta of {self}"), format!("{delta} is not finite")))
            }
            _ => Ok(()),
        }
    }

    /// The same loss of logits, if the activation that ends a model is one that the loss looks
    /// through.
    pub(crate) fn through(self, activation: crate::Activation) -> Option<Loss> {
        use crate::Activation::{Sigmoid, Softmax};
        match (self, activation) {
            (Loss::BinaryCrossentropy { label_smoothing, .. }, Sigmoid) => {
                Some(Loss::BinaryCrossentropy { from_logits: true, label_smoothing })
            }
            (Loss::CategoricalCrossentropy { label_smoothing, .. }, Softmax) => {
                Some(Loss::CategoricalCrossentropy { from_logits: true, label_smoothing })
            }
            (Loss::SparseCategoricalCrossentropy { ignore_class, .. }, Softmax) => {
                Some(Loss::SparseCategoricalCrossentropy { from_logits: true, ignore_class })
            }
            _ => None,
        }
    }

    /// Whether targets are numbers of classes, one for each row, rather than like predictions.
    pub(crate) fn reads_labels(self) -> bool {
        matches!(self, Loss::SparseCategoricalCrossentropy { .. })
    }

    /// The class that does not count.
    pub(crate) fn ignored_class(self) -> Option<i64> {
        match self {
            Loss::SparseCategoricalCrossentropy { ignore_class, .. } => ignore_class,
            _ => None,
        }
    }
}
