//! The end of a training that no longer improves, or has gone wrong.

use super::monitor::{Mode, improves, watched};
use super::{Callback, Memory};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::metric::Direction;
use crate::model::{Logs, Model};
use crate::tensor::Tensor;

/// Stops when a number no longer improves: Keras's arguments and defaults.
///
/// ```
/// use lstm::EarlyStopping;
///
/// let mut stopping: EarlyStopping = EarlyStopping { patience: 3, ..EarlyStopping::default() };
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EarlyStopping<T = f32> {
    /// Which number; `val_loss` unless set.
    pub monitor: String,
    /// By how much it has to improve.
    pub min_delta: f64,
    /// After how many epochs without improvement to stop.
    pub patience: usize,
    /// Whether to say so.
    pub verbose: bool,
    /// What is better.
    pub mode: Mode,
    /// What the number has to be better than for the waiting to start over.
    pub baseline: Option<f64>,
    /// Whether the weights of the best epoch are put back at the end.
    pub restore_best_weights: bool,
    /// Epochs before this one are not looked at.
    pub start_from_epoch: usize,
    /// Where it has got to.
    pub state: Stopping<T>,
}

/// Where an [`EarlyStopping`] has got to.
#[derive(Clone, Debug, PartialEq)]
pub struct Stopping<T = f32> {
    /// Epochs since the last improvement.
    pub wait: usize,
    /// The epoch after which it stopped.
    pub stopped_epoch: usize,
    /// The best number so far.
    pub best: Option<f64>,
    /// The epoch that had it.
    pub best_epoch: usize,
    /// The weights after that epoch, if they are to be put back.
    pub best_weights: Option<Vec<Tensor<T>>>,
}

impl<T> Default for Stopping<T> {
    fn default() -> Self {
        Stopping { wait: 0, stopped_epoch: 0, best: None, best_epoch: 0, best_weights: None }
    }
}

impl<T> Default for EarlyStopping<T> {
    fn default() -> Self {
        EarlyStopping {
            monitor: "val_loss".to_owned(),
            min_delta: 0.0,
            patience: 0,
            verbose: false,
            mode: Mode::Auto,
            baseline: None,
            restore_best_weights: false,
            start_from_epoch: 0,
            state: Stopping::default(),
        }
    }
}

impl<T: Float> EarlyStopping<T> {
    fn keep(&mut self, epoch: usize, model: &Model<T>) {
        self.state.best_epoch = epoch;
        if self.restore_best_weights {
            self.state.best_weights = Some(model.get_weights());
        }
    }

    fn improves(&self, direction: Direction, current: f64, best: Option<f64>) -> bool {
        improves(direction, current, best, self.min_delta.abs())
    }
}

impl<T: Float> Callback<T> for EarlyStopping<T> {
    fn on_train_begin(&mut self, model: &mut Model<T>) -> Result<()> {
        self.state = Stopping::default();
        self.mode.direction(model, &self.monitor).map(|_| ())
    }

    fn on_epoch_end(&mut self, epoch: usize, model: &mut Model<T>, logs: &mut Logs) -> Result<()> {
        let direction = self.mode.direction(model, &self.monitor)?;
        let current = match watched(logs, &self.monitor, "EarlyStopping") {
            Some(current) if epoch >= self.start_from_epoch => current,
            _ => return Ok(()),
        };
        if self.restore_best_weights && self.state.best_weights.is_none() {
            self.keep(epoch, model);
        }
        self.state.wait += 1;
        if self.improves(direction, current, self.state.best) {
            self.state.best = Some(current);
            self.keep(epoch, model);
            let beaten = |baseline| self.improves(direction, current, Some(baseline));
            if self.baseline.is_none_or(beaten) {
                self.state.wait = 0;
            }
        } else if self.state.wait >= self.patience && epoch > 0 {
            self.state.stopped_epoch = epoch;
            model.stop_training();
        }
        Ok(())
    }

    fn memory(&self) -> Memory<T> {
        let Stopping { wait, stopped_epoch, best, best_epoch, best_weights } = &self.state;
        let memory = Memory::of([
            ("wait", Some(*wait as f64)),
            ("stopped_epoch", Some(*stopped_epoch as f64)),
            ("best", *best),
            ("best_epoch", Some(*best_epoch as f64)),
        ]);
        let weights = best_weights.iter().flatten().enumerate();
        let tensors = weights.map(|(at, weight)| (format!("best_weights/{at}"), weight.clone()));
        Memory { tensors: tensors.collect(), ..memory }
    }

    fn check_memory(&self, memory: &Memory<T>, model: &Model<T>) -> Result<()> {
        let counts = ["wait", "stopped_epoch", "best_epoch"];
        memory.check("EarlyStopping", &counts, &["best"])?;
        let expected = (0..).map(|at| format!("best_weights/{at}"));
        for ((found, _), expected) in memory.tensors.iter().zip(expected) {
            if *found != expected {
                let why = format!("expected `{expected}`, found `{found}`");
                return Err(Error::invalid("memory of EarlyStopping", why));
            }
        }
        match &best_weights(memory) {
            Some(weights) => model.check_weights(weights),
            None => Ok(()),
        }
    }

    fn remember(&mut self, memory: &Memory<T>) {
        self.state = Stopping {
            wait: memory.count("wait"),
            stopped_epoch: memory.count("stopped_epoch"),
            best: memory.number("best"),
            best_epoch: memory.count("best_epoch"),
            best_weights: best_weights(memory),
        };
    }

    fn on_train_end(&mut self, model: &mut Model<T>) -> Result<()> {
        let Stopping { stopped_epoch, best_epoch, best_weights, .. } = &self.state;
        if *stopped_epoch > 0 && self.verbose {
            println!("Epoch {}: early stopping", stopped_epoch + 1);
        }
        if let Some(weights) = best_weights {
            if self.verbose {
                let from = "Restoring model weights from the end of the best epoch";
                println!("{from}: {}.", best_epoch + 1);
            }
            model.put_back_weights(weights);
        }
        Ok(())
    }
}

/// The weights that a memory holds, if it does.
fn best_weights<T: Float>(memory: &Memory<T>) -> Option<Vec<Tensor<T>>> {
    let weights: Vec<_> = memory.tensors.iter().map(|(_, weight)| weight.clone()).collect();
    (!weights.is_empty()).then_some(weights)
}

/// Stops when the loss of a batch is NaN or infinite: Keras's argument and default.
///
/// ```
/// use lstm::TerminateOnNaN;
///
/// let mut stop = TerminateOnNaN::default();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TerminateOnNaN {
    /// Whether `fit` fails then, at once, rather than to end as it does after its last epoch.
    pub raise_error: bool,
}

impl<T: Float> Callback<T> for TerminateOnNaN {
    fn on_train_batch_end(
        &mut self,
        batch: usize,
        model: &mut Model<T>,
        logs: &Logs,
    ) -> Result<()> {
        let Some(loss) = logs.get("loss").filter(|loss| !loss.is_finite()) else { return Ok(()) };
        if self.raise_error {
            return Err(Error::invalid("loss", format!("it is {loss} at batch {batch}")));
        }
        println!("Batch {batch}: Invalid loss, terminating training");
        model.stop_training();
        Ok(())
    }
}
