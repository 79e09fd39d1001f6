//! Means over values: Keras's `MeanMetricWrapper`.

use kernels::Float;

use super::Measure;
use crate::loss::Loss;
use crate::loss::formula::Formula;
use crate::loss::layout::Layout;
use crate::loss::objective::{Judged, divide_no_nan};

/// The sum of weighted values so far, and of the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Mean {
    total: f64,
    count: f64,
}

impl Mean {
    /// Takes in a value that stands for `count` others.
    pub(crate) fn add(&mut self, value: f64, count: f64) {
        self.total += value * count;
        self.count += count;
    }

    pub(crate) fn result(&self) -> f64 {
        divide_no_nan(self.total, self.count)
    }

    /// All that it remembers.
    pub(crate) fn memory(&mut self) -> [&mut f64; 2] {
        [&mut self.total, &mut self.count]
    }

    /// Takes in the values of a batch, the mean over each sample's. Weights and mask make it a
    /// weighted mean; Keras heeds the mask here though it heeds no weights.
    pub(super) fn take<T: Float>(&mut self, measure: &Measure, batch: &Judged<T>) {
        let Layout { batch: samples, rows, .. } = batch.layout;
        let each = (rows / samples.max(1)) as f64;
        let formula = match measure {
            Measure::Loss(loss) => Some(Formula::new(*loss, batch.target)),
            _ => None,
        };
        let weighted = batch.weights.is_some() || batch.mask.is_some();
        let (mut total, mut count) = (0.0, 0.0);
        for row in 0..rows {
            let (p, y) = batch.row(row);
            let counts = batch.counts(row)
                && !(weighted && formula.is_some_and(|formula| formula.ignores(y)));
            let weight = if counts { batch.weight(row) } else { 0.0 };
            let value = match (measure, &formula) {
                (Measure::Loss(Loss::CosineSimilarity), Some(formula)) => -formula.row(p, y, None),
                (_, Some(formula)) => formula.row(p, y, None),
                (measure, None) => value(measure, p, y, batch.layout.labels),
            };
            total += value * weight;
            count += weight;
        }
        self.total += total / each;
        self.count += count / each;
    }
}

/// The value of a row for a measure that is no loss.
fn value<T: Float>(measure: &Measure, p: &[T], y: &[T], labels: bool) -> f64 {
    // A label that is no class, as one that the loss ignores, is never hit.
    let class = || match labels {
        true => (0..p.len()).find(|&class| y[0].to_f64() == class as f64),
        false => Some(largest(y)),
    };
    let hit = |hit: bool| f64::from(u8::from(hit));
    match measure {
        Measure::BinaryAccuracy { threshold } => {
            let threshold = T::from_f64(*threshold);
            let right =
                |(p, y): (&T, &T)| hit((if *p > threshold { T::ONE } else { T::ZERO }) == *y);
            p.iter().zip(y).map(right).sum::<f64>() / p.len() as f64
        }
        Measure::RootMeanSquaredError => {
            let square = |(p, y): (&T, &T)| (p.to_f64() - y.to_f64()).powi(2);
            p.iter().zip(y).map(square).sum::<f64>() / p.len() as f64
        }
        Measure::CategoricalAccuracy | Measure::SparseCategoricalAccuracy => {
            hit(class() == Some(largest(p)))
        }
        Measure::TopKCategoricalAccuracy { k } | Measure::SparseTopKCategoricalAccuracy { k } => {
            // Those that tie with the k-th are all among the first k.
            let own = class().map(|class| p[class]).filter(|own| own.is_finite());
            hit(own.is_some_and(|own| p.iter().filter(|&&p| p > own).count() < *k))
        }
        // Everything else is gathered in another way.
        _ => f64::NAN,
    }
}

/// Where the largest is; the first, if there are several.
pub(crate) fn largest<T: Float>(xs: &[T]) -> usize {
    xs.iter().enumerate().fold(0, |best, (i, x)| if *x > xs[best] { i } else { best })
}
