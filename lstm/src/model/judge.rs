//! Losses and metrics of a model's outputs, at work on batches.

use super::train::Checks;
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::loss::Loss;
use crate::loss::layout::Layout;
use crate::loss::objective::{Judged, Objective};
use crate::metric::meter::{Mean, Meter};
use crate::metric::{Direction, Measure, Metric};
use crate::tensor::Tensor;

/// Whether a metric heeds the weights of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weighing {
    Plain,
    Weighted,
}

/// A metric of an output.
#[derive(Clone, Debug)]
struct Watched {
    meter: Meter,
    weighing: Weighing,
    /// What it measures of targets of the present shape, and how they lie.
    measure: Measure,
    layout: Layout,
}

/// What is measured of one output.
#[derive(Clone, Debug)]
struct Output {
    name: String,
    /// What its targets are called.
    what: String,
    objective: Option<Objective>,
    /// What its loss is multiplied with in the total.
    weight: f64,
    losses: Mean,
    layout: Layout,
    watched: Vec<Watched>,
}

/// Losses and metrics, with what they have gathered since they were reset.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    outputs: Vec<Output>,
    total: Mean,
    names: Vec<String>,
}

impl Judge {
    /// For outputs of these names.
    pub(super) fn new(
        names: &[String],
        objectives: Vec<Option<Objective>>,
        loss_weights: &[f64],
        metrics: &[(Metric, Weighing)],
    ) -> Self {
        let output = |(at, (name, objective)): (usize, (&String, Option<Objective>))| {
            let watched = metrics.iter().filter(|(metric, _)| metric.output == at);
            let watched = watched.map(|(metric, weighing)| Watched {
                meter: Meter::new(metric.clone()),
                weighing: *weighing,
                measure: metric.measure.clone(),
                layout: Layout::default(),
            });
            Output {
                name: name.clone(),
                what: if names.len() == 1 { "y".to_owned() } else { format!("y of `{name}`") },
                objective,
                weight: loss_weights.get(at).copied().unwrap_or(1.0),
                losses: Mean::default(),
                layout: Layout::default(),
                watched: watched.collect(),
            }
        };
        let outputs = names.iter().zip(objectives).enumerate().map(output).collect();
        let mut judge = Judge { outputs, total: Mean::default(), names: Vec::new() };
        judge.names = judge.name_all();
        judge
    }

    /// Keras's names of all numbers, in its order: the loss, the metrics, those that are weighted,
    /// the losses of outputs if there are several. A name that is taken gets a number, or, of a
    /// weighted metric, `weighted_` in front.
    fn name_all(&self) -> Vec<String> {
        let several = self.outputs.len() > 1;
        let mut names = vec!["loss".to_owned()];
        let mut taken: Vec<(String, usize)> = Vec::new();
        let mut claim = |name: String| match taken.iter_mut().find(|(known, _)| *known == name) {
            None => {
                taken.push((name.clone(), 1));
                name
            }
            Some((_, count)) => {
                *count += 1;
                format!("{name}_{}", *count - 1)
            }
        };
        let full = |output: &Output, name: &str| match several {
            true => format!("{}_{name}", output.name),
            false => name.to_owned(),
        };
        let watched = |weighing| {
            self.outputs.iter().flat_map(move |output| {
                let kind = output.watched.iter().filter(move |w| w.weighing == weighing);
                kind.map(move |watched| (output, watched.meter.metric.name()))
            })
        };
        for (output, name) in watched(Weighing::Plain) {
            names.push(claim(full(output, name)));
        }
        for (output, name) in watched(Weighing::Weighted) {
            let first = full(output, name);
            let is_taken = names[1..].contains(&first);
            let name = if is_taken { full(output, &format!("weighted_{name}")) } else { first };
            names.push(claim(name));
        }
        names.extend(self.shown_losses().map(|output| format!("{}_loss", output.name)));
        names
    }

    /// The outputs whose losses are shown one by one: if there are several.
    fn shown_losses(&self) -> impl Iterator<Item = &Output> {
        let lossy = || self.outputs.iter().filter(|output| output.objective.is_some());
        let several = lossy().count() > 1;
        lossy().filter(move |_| several)
    }

    /// What the numbers are called.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Which outputs have targets.
    pub(super) fn judged(&self) -> impl Iterator<Item = usize> {
        (0..self.outputs.len()).filter(|&at| self.is_judged(at))
    }

    /// Whether an output has targets.
    pub(super) fn is_judged(&self, at: usize) -> bool {
        self.outputs[at].objective.is_some() || !self.outputs[at].watched.is_empty()
    }

    /// The loss of an output, if it has one.
    pub(super) fn loss_of(&self, at: usize) -> Option<Loss> {
        self.outputs[at].objective.map(|objective| objective.loss)
    }

    /// Whether the metric of this name is better when larger; none if there is no such metric.
    pub(super) fn direction(&self, name: &str) -> Option<Direction> {
        let mut watched = self.outputs.iter().flat_map(|output| &output.watched);
        let found = watched.find(|watched| watched.meter.metric.name() == name)?;
        Some(found.meter.metric.measure.direction())
    }

    /// Forgets everything that was gathered.
    pub(super) fn reset(&mut self) {
        self.total = Mean::default();
        for output in &mut self.outputs {
            output.losses = Mean::default();
            output.watched.iter_mut().for_each(|watched| watched.meter.reset());
        }
    }

    /// All that is gathered, part by part: to go on from there.
    pub(super) fn memory(&mut self) -> Vec<Vec<f64>> {
        let mut parts = vec![self.total.memory().map(|x| *x).to_vec()];
        for output in &mut self.outputs {
            parts.push(output.losses.memory().map(|x| *x).to_vec());
            parts.extend(output.watched.iter_mut().map(|watched| watched.meter.memory()));
        }
        parts
    }

    /// Checks that these, as many as there are [parts](Self::parts), are the memory of losses and
    /// metrics like these; `what` names one.
    ///
    /// # Errors
    ///
    /// If one has another length.
    pub(super) fn check_memory(
        &mut self,
        parts: &[Vec<f64>],
        what: impl Fn(usize) -> String,
    ) -> Result<()> {
        let mut numbered = parts.iter().enumerate();
        let mut check = |fits: &mut dyn FnMut(&[f64]) -> Result<(), usize>| {
            let Some((at, part)) = numbered.next() else { return Ok(()) };
            let wrong = |expected| Error::Count { what: what(at), expected, found: part.len() };
            fits(part).map_err(wrong)
        };
        let mut mean = |part: &[f64]| (part.len() == 2).then_some(()).ok_or(2);
        check(&mut mean)?;
        for output in &mut self.outputs {
            check(&mut mean)?;
            for Watched { meter, layout, .. } in &mut output.watched {
                check(&mut |part| meter.check_memory(part, layout.width))?;
            }
        }
        Ok(())
    }

    /// How many parts a memory has.
    pub(super) fn parts(&self) -> usize {
        1 + self.outputs.iter().map(|output| 1 + output.watched.len()).sum::<usize>()
    }

    /// Goes on from there.
    pub(super) fn remember(&mut self, parts: &[Vec<f64>]) {
        let mut parts = parts.iter().map(Vec::as_slice);
        let set = |mean: &mut Mean, part: Option<&[f64]>| {
            let part = part.unwrap_or(&[]);
            mean.memory().into_iter().zip(part).for_each(|(x, &from)| *x = from);
        };
        set(&mut self.total, parts.next());
        for output in &mut self.outputs {
            set(&mut output.losses, parts.next());
            for watched in &mut output.watched {
                watched.meter.remember(parts.next().unwrap_or(&[]));
            }
        }
    }

    /// What was gathered, in the order of the names.
    pub(super) fn results(&self, results: &mut Vec<f64>) {
        results.clear();
        results.push(self.total.result());
        for weighing in [Weighing::Plain, Weighing::Weighted] {
            let watched = self.outputs.iter().flat_map(|output| &output.watched);
            let of_kind = watched.filter(|watched| watched.weighing == weighing);
            results.extend(of_kind.map(|watched| watched.meter.result()));
        }
        results.extend(self.shown_losses().map(|output| output.losses.result()));
    }

    /// The mean of the total loss.
    pub(super) fn loss(&self) -> f64 {
        self.total.result()
    }

    /// Adds the total loss of a batch.
    pub(super) fn add_total(&mut self, loss: f64, samples: usize) {
        self.total.add(loss, samples as f64);
    }

    /// The factor of the loss of an output in the total, if it has a loss.
    pub(super) fn weight(&self, output: usize) -> Option<f64> {
        let output = &self.outputs[output];
        output.objective.map(|_| output.weight)
    }

    /// Fits the targets `y`, and their weights, of an output that predicts shape `p` for as many
    /// samples.
    pub(super) fn fit<T: Float>(
        &mut self,
        at: usize,
        p: &[usize],
        y: &Tensor<T>,
        weights: Option<&Tensor<T>>,
        checks: Checks,
    ) -> Result<()> {
        let output = &mut self.outputs[at];
        let what = &output.what[..];
        let values = |layout: Layout| p[..layout.rank].iter().copied().map(Some).collect();
        let check_labels = |layout: Layout, ignored| match checks {
            Checks::All => check_labels(what, y, layout, ignored),
            Checks::Shapes => Ok(()),
        };
        if let Some(objective) = output.objective {
            let labels = objective.loss.reads_labels();
            let layout =
                Layout::of(p, y.shape(), labels).ok_or_else(|| misfit(what, p, y, labels))?;
            check_labels(layout, objective.loss.ignored_class())?;
            let takes = |weights: &&Tensor<T>| !layout.takes_weights(weights.shape());
            if let Some(weights) = weights.filter(takes) {
                return Err(weights.misfit("sample_weight", values(layout)));
            }
            output.layout = layout;
        }
        for watched in &mut output.watched {
            let name = watched.meter.metric.name();
            let Some((measure, layout)) = watched.meter.resolve(p, y.shape()) else {
                return Err(misfit(&format!("{what}, for metric `{name}`"), p, y, false));
            };
            measure.check_width(name, layout.width)?;
            let of_loss = output.objective.and_then(|objective| objective.loss.ignored_class());
            check_labels(layout, measure.ignored_class().or(of_loss))?;
            let takes = |weights: &&Tensor<T>| !layout.takes_weights(weights.shape());
            if let Some(weights) = weights.filter(takes)
                && output.objective.is_none()
            {
                return Err(weights.misfit("sample_weight", values(layout)));
            }
            (watched.measure, watched.layout) = (measure, layout);
        }
        if checks == Checks::All {
            y.check_finite(what)?;
            weights.map_or(Ok(()), |weights| weights.check_finite("sample_weight"))?;
        }
        Ok(())
    }

    /// The loss of an output, as one of what its activation was applied to, if it looks through it.
    pub(super) fn through(&self, at: usize, activation: Activation) -> Option<Objective> {
        let Output { objective, layout, .. } = &self.outputs[at];
        let objective = objective.filter(|_| !layout.squeezed)?;
        Some(Objective { loss: objective.loss.through(activation)?, ..objective })
    }

    /// The loss of an output over a batch of `samples`, not yet weighted against other outputs.
    /// Writes its gradient, times a factor, where that is wanted. With `sight`, metrics see the
    /// batch, too.
    pub(super) fn take<T: Float>(
        &mut self,
        at: usize,
        batch: Sight<T>,
        gradient: Option<(&mut [T], f64)>,
    ) -> Option<f64> {
        let output = &mut self.outputs[at];
        for watched in &mut output.watched {
            let measure = match (&watched.measure, batch.operand) {
                (Measure::Loss(loss), Some((activation, operand))) if !watched.layout.squeezed => {
                    loss.through(activation).map(|loss| (Measure::Loss(loss), operand))
                }
                _ => None,
            };
            let mask = batch.mask.filter(|_| watched.meter.heeds_mask());
            let weights = batch.weights.filter(|_| watched.weighing == Weighing::Weighted);
            let prediction = measure.as_ref().map_or(batch.prediction, |(_, operand)| *operand);
            let judged = Sight { prediction, mask, weights, ..batch }.judged(watched.layout);
            let measure = measure.as_ref().map_or(&watched.measure, |(measure, _)| measure);
            watched.meter.take(measure, &judged);
        }
        let (objective, batch) = match batch.through {
            Some((objective, operand)) => (objective, Sight { prediction: operand, ..batch }),
            None => (output.objective?, batch),
        };
        let loss = objective.measure(&batch.judged(output.layout), gradient);
        // In Keras's graph the size of a batch is not known here: each batch counts once.
        output.losses.add(loss, 1.0);
        Some(loss)
    }
}

/// A batch of one output, as losses and metrics see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'a, T> {
    pub(super) samples: usize,
    pub(super) prediction: &'a [T],
    pub(super) target: &'a [T],
    pub(super) weights: Option<&'a [T]>,
    pub(super) mask: Option<&'a [bool]>,
    /// The activation that ended the output, and what it was applied to.
    pub(super) operand: Option<(Activation, &'a [T])>,
    /// The loss of that, where the loss looks through.
    pub(super) through: Option<(Objective, &'a [T])>,
}

impl<'a, T> Sight<'a, T> {
    fn judged(self, layout: Layout) -> Judged<'a, T> {
        let Sight { samples, prediction, target, weights, mask, .. } = self;
        let layout = layout.of_batch(samples);
        // A mask says something of values that lie as it does.
        let mask = mask.filter(|mask| mask.len() == layout.rows);
        Judged { layout, prediction, target, weights, mask }
    }
}

fn misfit<T: Float>(what: &str, p: &[usize], y: &Tensor<T>, labels: bool) -> Error {
    let axes = if labels { &p[..p.len() - 1] } else { p };
    y.misfit(what, axes.iter().copied().map(Some).collect())
}

/// Checks that labels are numbers of classes.
fn check_labels<T: Float>(
    what: &str,
    y: &Tensor<T>,
    layout: Layout,
    ignored: Option<i64>,
) -> Result<()> {
    if !layout.labels {
        return Ok(());
    }
    let wrong = y.data().iter().find(|y| {
        let y = y.to_f64();
        let known = y >= 0.0 && y < layout.width as f64 && y.fract() == 0.0;
        !known && ignored.is_none_or(|class| y != class as f64)
    });
    wrong.map_or(Ok(()), |wrong| {
        let why = format!("{wrong} is not the number of one of {} classes", layout.width);
        Err(Error::invalid(what, why))
    })
}
