//! The coefficient of determination.

use kernels::Float;

use crate::loss::objective::Judged;

/// How the scores of several outputs become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClassAggregation {
    /// Their mean.
    #[default]
    UniformAverage,
    /// Their mean, weighted by the variances of the targets.
    VarianceWeightedAverage,
}

/// `1 - Σ (y - p)² / Σ (y - ȳ)²` over samples `[batch, outputs]`: Keras's arguments and defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct R2Score {
    /// How the scores of several outputs become one.
    pub class_aggregation: ClassAggregation,
    /// How many regressors the score is adjusted for; none unless set.
    pub num_regressors: usize,
}

/// The sums behind the score, for each output.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    /// `Σ w`, `Σ w y`, `Σ w y²`, `Σ w (y - p)²`
    outputs: Vec<[f64; 4]>,
    numbers: usize,
}

impl Sums {
    /// All that it remembers.
    pub(super) fn memory(&self) -> Vec<f64> {
        let outputs = self.outputs.as_flattened().iter().copied();
        outputs.chain([self.numbers as f64]).collect()
    }

    /// Checks that this is a memory of so many outputs, 0 if that is not known yet, or of none.
    ///
    /// # Errors
    ///
    /// How many numbers it should have.
    pub(super) fn check_memory(memory: &[f64], outputs: usize) -> Result<(), usize> {
        let found = memory.len();
        let fits = match outputs {
            0 => found % 4 == 1,
            _ => found == 1 || found == 4 * outputs + 1,
        };
        fits.then_some(()).ok_or(4 * outputs + 1)
    }

    /// Remembers it.
    pub(super) fn remember(&mut self, memory: &[f64]) {
        if let [outputs @ .., numbers] = memory {
            self.outputs = outputs.as_chunks().0.to_vec();
            self.numbers = *numbers as usize;
        }
    }

    pub(super) fn reset(&mut self) {
        self.outputs.fill([0.0; 4]);
        self.numbers = 0;
    }

    pub(super) fn take<T: Float>(&mut self, batch: &Judged<T>) {
        self.outputs.resize(batch.layout.width, [0.0; 4]);
        self.numbers += batch.prediction.len();
        for row in 0..batch.layout.rows {
            let (p, y) = batch.row(row);
            let w = batch.weight(row);
            for (sums, (p, y)) in self.outputs.iter_mut().zip(p.iter().zip(y)) {
                let (p, y) = (p.to_f64(), y.to_f64());
                let terms = [w, w * y, w * y * y, w * (y - p) * (y - p)];
                sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            }
        }
    }

    pub(super) fn result(&self, settings: &R2Score) -> f64 {
        let score = |[count, sum, squares, residual]: [f64; 4]| {
            let total = squares - sum * (sum / count);
            let score = 1.0 - residual / total;
            (total, if score.is_infinite() { 0.0 } else { score })
        };
        let scores = || self.outputs.iter().map(|&sums| score(sums));
        let mean = match settings.class_aggregation {
            ClassAggregation::UniformAverage => {
                scores().map(|(_, score)| score).sum::<f64>() / self.outputs.len() as f64
            }
            ClassAggregation::VarianceWeightedAverage => {
                let weighted: f64 = scores().map(|(total, score)| total * score).sum();
                weighted / scores().map(|(total, _)| total).sum::<f64>()
            }
        };
        // Keras counts every output of a sample as a sample here.
        let (n, k) = (self.numbers as f64, settings.num_regressors as f64);
        match k == 0.0 || k >= n - 1.0 {
            true => mean,
            false => 1.0 - (1.0 - mean) * (n - 1.0) / (n - k - 1.0),
        }
    }
}
