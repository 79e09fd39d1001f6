//! What Keras calls each loss.

use std::fmt;
use std::str::FromStr;

use super::Loss;
use crate::error::Error;

impl Loss {
    /// The name in Keras.
    pub fn name(self) -> &'static str {
        match self {
            Loss::MeanSquaredError => "mean_squared_error",
            Loss::MeanAbsoluteError => "mean_absolute_error",
            Loss::MeanAbsolutePercentageError => "mean_absolute_percentage_error",
            Loss::MeanSquaredLogarithmicError => "mean_squared_logarithmic_error",
            Loss::Huber { .. } => "huber",
            Loss::LogCosh => "log_cosh",
            Loss::BinaryCrossentropy { .. } => "binary_crossentropy",
            Loss::CategoricalCrossentropy { .. } => "categorical_crossentropy",
            Loss::SparseCategoricalCrossentropy { .. } => "sparse_categorical_crossentropy",
            Loss::KLDivergence => "kl_divergence",
            Loss::Poisson => "poisson",
            Loss::CosineSimilarity => "cosine_similarity",
            Loss::Hinge => "hinge",
            Loss::SquaredHinge => "squared_hinge",
            Loss::CategoricalHinge => "categorical_hinge",
        }
    }

    /// The short name in Keras, where there is one, or else the name.
    pub fn alias(self) -> &'static str {
        match self {
            Loss::MeanSquaredError => "mse",
            Loss::MeanAbsoluteError => "mae",
            Loss::MeanAbsolutePercentageError => "mape",
            Loss::MeanSquaredLogarithmicError => "msle",
            Loss::BinaryCrossentropy { .. } => "bce",
            Loss::KLDivergence => "kld",
            other => other.name(),
        }
    }

    /// The name of its class in Keras.
    pub fn class(self) -> &'static str {
        match self {
            Loss::MeanSquaredError => "MeanSquaredError",
            Loss::MeanAbsoluteError => "MeanAbsoluteError",
            Loss::MeanAbsolutePercentageError => "MeanAbsolutePercentageError",
            Loss::MeanSquaredLogarithmicError => "MeanSquaredLogarithmicError",
            Loss::Huber { .. } => "Huber",
            Loss::LogCosh => "LogCosh",
            Loss::BinaryCrossentropy { .. } => "BinaryCrossentropy",
            Loss::CategoricalCrossentropy { .. } => "CategoricalCrossentropy",
            Loss::SparseCategoricalCrossentropy { .. } => "SparseCategoricalCrossentropy",
            Loss::KLDivergence => "KLDivergence",
            Loss::Poisson => "Poisson",
            Loss::CosineSimilarity => "CosineSimilarity",
            Loss::Hinge => "Hinge",
            Loss::SquaredHinge => "SquaredHinge",
            Loss::CategoricalHinge => "CategoricalHinge",
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

    /// A loss by a name that Keras knows it by, with Keras's defaults.
    fn from_str(name: &str) -> Result<Self, Error> {
        let known = |loss: &Loss| {
            let short = loss.alias();
            let capitals = short.len() <= 4 && short.to_uppercase() == name;
            name == loss.name() || name == short || name == loss.class() || capitals
        };
        Loss::ALL.into_iter().find(known).ok_or_else(|| Error::unsupported("loss", name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_is_found_by_each_of_its_names_and_no_other() {
        for loss in Loss::ALL {
            for name in [loss.name(), loss.alias(), loss.class()] {
                assert_eq!(name.parse(), Ok(loss), "{name}");
            }
        }
        assert_eq!("MSLE".parse(), Ok(Loss::MeanSquaredLogarithmicError));
        assert_eq!("KLD".parse(), Ok(Loss::KLDivergence));
        for name in ["HUBER", "mse ", "", "crossentropy"] {
            let error = name.parse::<Loss>().unwrap_err();
            assert_eq!(error.to_string(), format!("unsupported loss: `{name}`"));
        }
    }
}
