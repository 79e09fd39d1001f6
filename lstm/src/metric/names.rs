//! What Keras calls each metric.

use std::borrow::Cow;
use std::str::FromStr;

use super::{AUC, Direction, Measure, Metric, R2Score, Threshold};
use crate::error::{Error, Result};
use crate::loss::Loss;

/// Measures with Keras's defaults, and the names of their classes.
fn known() -> [(&'static str, Measure); 12] {
    [
        ("BinaryAccuracy", Measure::BinaryAccuracy { threshold: 0.5 }),
        ("CategoricalAccuracy", Measure::CategoricalAccuracy),
        ("SparseCategoricalAccuracy", Measure::SparseCategoricalAccuracy),
        ("TopKCategoricalAccuracy", Measure::TopKCategoricalAccuracy { k: 5 }),
        ("SparseTopKCategoricalAccuracy", Measure::SparseTopKCategoricalAccuracy { k: 5 }),
        ("RootMeanSquaredError", Measure::RootMeanSquaredError),
        ("Precision", Measure::Precision(Threshold::default())),
        ("Recall", Measure::Recall(Threshold::default())),
        ("AUC", Measure::AUC(AUC::default())),
        ("R2Score", Measure::R2Score(R2Score::default())),
        ("LogCoshError", Measure::Loss(Loss::LogCosh)),
        ("log_cosh_error", Measure::Loss(Loss::LogCosh)),
    ]
}

impl Measure {
    /// The name that Keras gives a metric of this class.
    pub fn name(&self) -> &'static str {
        match self {
            Measure::Accuracy => "accuracy",
            Measure::BinaryAccuracy { .. } => "binary_accuracy",
            Measure::CategoricalAccuracy => "categorical_accuracy",
            Measure::SparseCategoricalAccuracy => "sparse_categorical_accuracy",
            Measure::TopKCategoricalAccuracy { .. } => "top_k_categorical_accuracy",
            Measure::SparseTopKCategoricalAccuracy { .. } => "sparse_top_k_categorical_accuracy",
            Measure::Loss(Loss::LogCosh) => "logcosh",
            Measure::Loss(loss) => loss.name(),
            Measure::RootMeanSquaredError => "root_mean_squared_error",
            Measure::Precision(_) => "precision",
            Measure::Recall(_) => "recall",
            Measure::AUC(_) => "auc",
            Measure::R2Score(_) => "r2_score",
        }
    }

    /// The class that does not count.
    pub(crate) fn ignored_class(&self) -> Option<i64> {
        match self {
            Measure::Loss(loss) => loss.ignored_class(),
            _ => None,
        }
    }

    /// Whether more is better.
    pub(crate) fn direction(&self) -> Direction {
        match self {
            Measure::Loss(Loss::CosineSimilarity) => Direction::Up,
            Measure::Loss(_) | Measure::RootMeanSquaredError => Direction::Down,
            _ => Direction::Up,
        }
    }

    /// A measure by the name of its class in Keras, or the same in snake case, with Keras's
    /// defaults.
    pub(crate) fn by_name(name: &str) -> Result<Measure> {
        if let "accuracy" | "acc" = name {
            return Ok(Measure::Accuracy);
        }
        let found = known().into_iter().find(|(class, measure)| {
            let snake = !matches!(measure, Measure::Loss(_)) && name == measure.name();
            name == *class || snake
        });
        if let Some((_, measure)) = found {
            return Ok(measure);
        }
        // Losses that are no metrics in Keras.
        let loss = name.parse::<Loss>().ok().filter(|loss| {
            !matches!(loss, Loss::Huber { .. } | Loss::LogCosh) && !matches!(name, "kld" | "KLD")
        });
        loss.map(Measure::Loss).ok_or_else(|| Error::unsupported("metric", name))
    }
}

impl FromStr for Metric {
    type Err = Error;

    /// A metric by a name that Keras knows it by, with Keras's defaults; shown under that name.
    fn from_str(name: &str) -> Result<Self> {
        Ok(Metric {
            measure: Measure::by_name(name)?,
            name: Cow::Owned(name.to_owned()),
            output: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_the_names_of_keras_and_shown_by_the_one_given() {
        for name in ["acc", "mse", "AUC", "auc", "RootMeanSquaredError", "r2_score", "bce"] {
            assert_eq!(name.parse::<Metric>().unwrap().name(), name);
        }
        let logcosh: Metric = Loss::LogCosh.into();
        assert_eq!(logcosh.name(), "logcosh");
        for name in ["huber", "log_cosh", "crossentropy", "kld"] {
            let error = name.parse::<Metric>().unwrap_err();
            assert_eq!(error.to_string(), format!("unsupported metric: `{name}`"));
        }
    }

    /// `_direction` of every class of metrics in Keras 3.15.1 that is there.
    #[test]
    fn what_is_better_of_a_metric_is_what_keras_says() {
        const UP: &str = "CosineSimilarity R2Score AUC Precision Recall BinaryAccuracy \
                          CategoricalAccuracy SparseCategoricalAccuracy TopKCategoricalAccuracy \
                          SparseTopKCategoricalAccuracy";
        const DOWN: &str = "MeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError \
                            MeanSquaredLogarithmicError RootMeanSquaredError LogCoshError \
                            KLDivergence Poisson BinaryCrossentropy CategoricalCrossentropy \
                            SparseCategoricalCrossentropy Hinge SquaredHinge CategoricalHinge";
        for (names, direction) in [(UP, Direction::Up), (DOWN, Direction::Down)] {
            for name in names.split_whitespace() {
                assert_eq!(Measure::by_name(name).unwrap().direction(), direction, "{name}");
            }
        }
    }
}
