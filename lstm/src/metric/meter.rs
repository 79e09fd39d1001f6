//! A metric at work: what it has gathered since it was reset.

use kernels::Float;

use super::confusion::Confusion;
pub(crate) use super::mean::Mean;
use super::r2::Sums;
use super::{Measure, Metric};
use crate::loss::layout::Layout;
use crate::loss::objective::Judged;

/// What a metric has gathered.
#[derive(Clone, Debug, PartialEq)]
enum Gathered {
    Mean(Mean),
    Confusion(Confusion),
    Sums(Sums),
}

/// A metric with what it has gathered.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    pub(crate) metric: Metric,
    gathered: Gathered,
}

impl Meter {
    pub(crate) fn new(metric: Metric) -> Self {
        let gathered = match &metric.measure {
            measure @ (Measure::Precision(_) | Measure::Recall(_) | Measure::AUC(_)) => {
                Gathered::Confusion(Confusion::new(measure))
            }
            Measure::R2Score(_) => Gathered::Sums(Sums::default()),
            _ => Gathered::Mean(Mean::default()),
        };
        Meter { metric, gathered }
    }

    /// All that it remembers.
    pub(crate) fn memory(&mut self) -> Vec<f64> {
        match &mut self.gathered {
            Gathered::Mean(mean) => mean.memory().map(|x| *x).to_vec(),
            Gathered::Confusion(confusion) => confusion.memory().map(|x| *x).collect(),
            Gathered::Sums(sums) => sums.memory(),
        }
    }

    /// Checks that this is the memory of a metric like it, over rows of `width` predictions, 0 if
    /// that is not known yet.
    ///
    /// # Errors
    ///
    /// How many numbers it should have.
    pub(crate) fn check_memory(&mut self, memory: &[f64], width: usize) -> Result<(), usize> {
        let expected = match &mut self.gathered {
            Gathered::Mean(mean) => mean.memory().len(),
            Gathered::Confusion(confusion) => confusion.memory().count(),
            Gathered::Sums(_) => return Sums::check_memory(memory, width),
        };
        (memory.len() == expected).then_some(()).ok_or(expected)
    }

    /// Remembers it.
    pub(crate) fn remember(&mut self, memory: &[f64]) {
        match &mut self.gathered {
            Gathered::Mean(mean) => {
                mean.memory().into_iter().zip(memory).for_each(|(x, &from)| *x = from);
            }
            Gathered::Confusion(confusion) => {
                confusion.memory().zip(memory).for_each(|(x, &from)| *x = from);
            }
            Gathered::Sums(sums) => sums.remember(memory),
        }
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        match &mut self.gathered {
            Gathered::Mean(mean) => *mean = Mean::default(),
            Gathered::Confusion(confusion) => confusion.reset(),
            Gathered::Sums(sums) => sums.reset(),
        }
    }

    /// What it measures of targets and predictions of these shapes, and how they lie; none if they
    /// do not fit.
    pub(crate) fn resolve(&self, p: &[usize], y: &[usize]) -> Option<(Measure, Layout)> {
        let measure = match &self.metric.measure {
            Measure::Accuracy => {
                let (last, label) = (p.last().copied()?, y.last().copied());
                match () {
                    () if last == 1 => Measure::BinaryAccuracy { threshold: 0.5 },
                    () if y.len() < p.len() || label == Some(1) => {
                        Measure::SparseCategoricalAccuracy
                    }
                    () => Measure::CategoricalAccuracy,
                }
            }
            other => other.clone(),
        };
        let labels = match &measure {
            Measure::SparseCategoricalAccuracy | Measure::SparseTopKCategoricalAccuracy { .. } => {
                true
            }
            Measure::Loss(loss) => loss.reads_labels(),
            _ => false,
        };
        let layout = Layout::of(p, y, labels)?;
        let flat = !matches!(measure, Measure::R2Score(_)) || (p.len() == 2 && !layout.squeezed);
        flat.then_some((measure, layout))
    }

    /// Whether a mask of the predictions is heeded: Keras's means of functions do.
    pub(crate) fn heeds_mask(&self) -> bool {
        matches!(self.gathered, Gathered::Mean(_))
            && self.metric.measure != Measure::RootMeanSquaredError
    }

    /// Takes in a batch, of which it measures `measure`.
    pub(crate) fn take<T: Float>(&mut self, measure: &Measure, batch: &Judged<T>) {
        match &mut self.gathered {
            Gathered::Mean(mean) => mean.take(measure, batch),
            Gathered::Confusion(confusion) => confusion.take(measure, batch),
            Gathered::Sums(sums) => sums.take(batch),
        }
    }

    /// The metric of everything taken in.
    pub(crate) fn result(&self) -> f64 {
        match (&self.gathered, &self.metric.measure) {
            (Gathered::Mean(mean), Measure::RootMeanSquaredError) => mean.result().sqrt(),
            (Gathered::Mean(mean), _) => mean.result(),
            (Gathered::Confusion(confusion), measure) => confusion.result(measure),
            (Gathered::Sums(sums), Measure::R2Score(settings)) => sums.result(settings),
            (Gathered::Sums(_), _) => f64::NAN,
        }
    }
}
