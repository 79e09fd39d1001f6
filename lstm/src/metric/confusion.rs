//! What was predicted right and wrong: precision, recall, and areas under their curves.

use kernels::Float;

use super::Measure;
use crate::error::{Error, Result};
use crate::loss::layout::Layout;
use crate::loss::objective::{Judged, divide_no_nan};

/// When a prediction counts as positive: Keras's arguments of `Precision` and `Recall`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Threshold {
    /// Predictions above it are positive; 0.5 unless set, where `top_k` is not.
    pub threshold: Option<f64>,
    /// Only the `k` largest of each row are positive.
    pub top_k: Option<usize>,
    /// Only this class is looked at.
    pub class_id: Option<usize>,
}

impl Threshold {
    pub(super) fn check(&self, name: &str) -> Result<()> {
        if let Some(threshold) = self.threshold.filter(|t| !(0.0..=1.0).contains(t)) {
            let why = format!("{threshold} is not within 0 ≤ threshold ≤ 1");
            return Err(Error::invalid(format!("threshold of metric `{name}`"), why));
        }
        if self.top_k == Some(0) {
            let what = format!("top_k of metric `{name}`");
            return Err(Error::invalid(what, "it must be positive"));
        }
        Ok(())
    }
}

/// The curve that an [`AUC`] is under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Curve {
    /// True over false positive rate.
    #[default]
    ROC,
    /// Precision over recall.
    PR,
    /// Precision gain over recall gain.
    PRGain,
}

/// How the area between two thresholds is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Summation {
    /// In the middle; for [`Curve::PR`] by J. Davis and M. Goadrich, *The Relationship Between
    /// Precision-Recall and ROC Curves*, 2006.
    #[default]
    Interpolation,
    /// By the higher side.
    Majoring,
    /// By the lower side.
    Minoring,
}

/// The area under a curve, from the counts at evenly spaced thresholds: Keras's arguments and
/// defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AUC {
    /// How many thresholds, those at both ends among them; 200 unless set.
    pub num_thresholds: usize,
    /// The curve; ROC unless set.
    pub curve: Curve,
    /// How areas are taken; by interpolation unless set.
    pub summation_method: Summation,
    /// Whether predictions are logits, to be put through a sigmoid.
    pub from_logits: bool,
}

impl Default for AUC {
    fn default() -> Self {
        AUC {
            num_thresholds: 200,
            curve: Curve::default(),
            summation_method: Summation::default(),
            from_logits: false,
        }
    }
}

impl AUC {
    pub(super) fn check(&self, name: &str) -> Result<()> {
        match self.num_thresholds {
            0..=1 => {
                let what = format!("num_thresholds of metric `{name}`");
                Err(Error::invalid(what, "there must be at least two"))
            }
            _ => Ok(()),
        }
    }

    /// The area, where `wrong` and `right` are the weights of negatives and positives between one
    /// threshold and the next.
    fn area(&self, [wrong, right]: &[Vec<f64>; 2]) -> f64 {
        let all: [f64; 2] = [wrong.iter().sum(), right.iter().sum()];
        // From the highest threshold down, what lies above: first nothing.
        let mut above = Counts { tp: 0.0, fp: 0.0, all };
        let mut area = 0.0;
        let last = wrong.len() - 1;
        above.take(wrong[last], right[last]);
        for (fp, tp) in wrong[..last].iter().zip(&right[..last]).rev() {
            let before = above;
            above.take(*fp, *tp);
            area += self.between(&above, &before);
        }
        area
    }

    /// The area between the counts at a threshold and those at the next higher one.
    fn between(&self, low: &Counts, high: &Counts) -> f64 {
        if (self.curve, self.summation_method) == (Curve::PR, Summation::Interpolation) {
            let dtp = low.tp - high.tp;
            let (p, next) = (low.tp + low.fp, high.tp + high.fp);
            let slope = divide_no_nan(dtp, (p - next).max(0.0));
            let intercept = high.tp - slope * next;
            let ratio = if p > 0.0 && next > 0.0 { p / next } else { 1.0 };
            return divide_no_nan(slope * (dtp + intercept * ratio.ln()), high.all[1].max(0.0));
        }
        let ((x, y), (next_x, next_y)) = (low.point(self.curve), high.point(self.curve));
        let height = match self.summation_method {
            Summation::Interpolation => (y + next_y) / 2.0,
            Summation::Majoring => y.max(next_y),
            Summation::Minoring => y.min(next_y),
        };
        (x - next_x) * height
    }
}

/// The weights above a threshold, and of all negatives and positives.
#[derive(Clone, Copy)]
struct Counts {
    tp: f64,
    fp: f64,
    all: [f64; 2],
}

impl Counts {
    fn take(&mut self, fp: f64, tp: f64) {
        self.fp += fp;
        self.tp += tp;
    }

    fn point(&self, curve: Curve) -> (f64, f64) {
        let Counts { tp, fp, all: [negatives, positives] } = *self;
        match curve {
            Curve::ROC => (divide_no_nan(fp, negatives), divide_no_nan(tp, positives)),
            Curve::PR => (divide_no_nan(tp, positives), divide_no_nan(tp, tp + fp)),
            Curve::PRGain if tp == 0.0 => (0.0, 1.0),
            Curve::PRGain => {
                let scale = divide_no_nan(positives, negatives);
                let gain = |wrong: f64| 1.0 - scale * divide_no_nan(wrong, tp);
                (gain(positives - tp).max(0.0), gain(fp))
            }
        }
    }
}

/// Weights of negatives and positives, by where they were predicted: in two parts, for
/// [`Threshold`], below and above it, and for an [`AUC`] between one threshold and the next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Confusion {
    weights: [Vec<f64>; 2],
}

impl Confusion {
    pub(super) fn new(measure: &Measure) -> Self {
        let parts = match measure {
            Measure::AUC(auc) => auc.num_thresholds,
            _ => 2,
        };
        Confusion { weights: [vec![0.0; parts], vec![0.0; parts]] }
    }

    /// All that it remembers.
    pub(super) fn memory(&mut self) -> impl Iterator<Item = &mut f64> {
        self.weights.iter_mut().flatten()
    }

    pub(super) fn reset(&mut self) {
        self.weights.iter_mut().for_each(|weights| weights.fill(0.0));
    }

    /// Takes in a batch. As in Keras, no mask is heeded.
    pub(super) fn take<T: Float>(&mut self, measure: &Measure, batch: &Judged<T>) {
        let Layout { rows, .. } = batch.layout;
        for row in 0..rows {
            let (p, y) = batch.row(row);
            let weight = batch.weight(row);
            for (j, (&one, &y)) in p.iter().zip(y).enumerate() {
                let part = match measure {
                    Measure::Precision(threshold) | Measure::Recall(threshold) => {
                        if threshold.class_id.is_some_and(|class| class != j) {
                            continue;
                        }
                        usize::from(threshold.is_above(p, j))
                    }
                    Measure::AUC(auc) => auc.bucket(one),
                    _ => 0,
                };
                self.weights[usize::from(y != T::ZERO)][part] += weight;
            }
        }
    }

    pub(super) fn result(&self, measure: &Measure) -> f64 {
        let [wrong, right] = &self.weights;
        match measure {
            Measure::Precision(_) => divide_no_nan(right[1], right[1] + wrong[1]),
            Measure::Recall(_) => divide_no_nan(right[1], right[1] + right[0]),
            Measure::AUC(auc) => auc.area(&self.weights),
            _ => f64::NAN,
        }
    }
}

impl Threshold {
    /// Whether the prediction at `j` of a row is positive.
    fn is_above<T: Float>(&self, p: &[T], j: usize) -> bool {
        let first = self.top_k.is_none_or(|k| {
            let before = |i: usize| p[i] > p[j] || (p[i] == p[j] && i < j);
            (0..p.len()).filter(|&i| before(i)).take(k).count() < k
        });
        let threshold = match (self.threshold, self.top_k) {
            (Some(threshold), _) => threshold,
            (None, Some(_)) => f64::NEG_INFINITY,
            (None, None) => 0.5,
        };
        first && p[j] > T::from_f64(threshold)
    }
}

impl AUC {
    /// Between which thresholds a prediction lies: `⌈p (n - 1)⌉ - 1`.
    fn bucket<T: Float>(&self, p: T) -> usize {
        let p = p.to_f64();
        let p = if self.from_logits { T::from_f64(1.0 / (1.0 + (-p).exp())).to_f64() } else { p };
        let scaled = T::from_f64(p.clamp(0.0, 1.0) * (self.num_thresholds - 1) as f64);
        (scaled.to_f64().ceil() - 1.0).max(0.0) as usize
    }
}
