//! Learning rates that change from epoch to epoch.

use std::fmt;

use super::csv::repr;
use super::monitor::{Mode, improves, watched};
use super::{Callback, Memory};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::model::{Logs, Model};

/// Lowers the learning rate when a number no longer improves: Keras's arguments and defaults. The
/// rate is added to the numbers of each epoch, as `learning_rate`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceLROnPlateau {
    /// Which number; `val_loss` unless set.
    pub monitor: String,
    /// What the rate is multiplied with; 0.1 unless set.
    pub factor: f64,
    /// After how many epochs without improvement; 10 unless set.
    pub patience: usize,
    /// Whether to say so.
    pub verbose: bool,
    /// What is better.
    pub mode: Mode,
    /// By how much it has to improve; `1e-4` unless set.
    pub min_delta: f64,
    /// How many epochs to leave the rate alone after it was lowered.
    pub cooldown: usize,
    /// The lowest rate.
    pub min_lr: f64,
    /// Where it has got to.
    pub state: Plateau,
}

/// Where a [`ReduceLROnPlateau`] has got to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Plateau {
    /// The best number so far.
    pub best: Option<f64>,
    /// Epochs since the last improvement.
    pub wait: usize,
    /// Epochs left to leave the rate alone.
    pub cooldown_counter: usize,
}

impl Default for ReduceLROnPlateau {
    fn default() -> Self {
        ReduceLROnPlateau {
            monitor: "val_loss".to_owned(),
            factor: 0.1,
            patience: 10,
            verbose: false,
            mode: Mode::Auto,
            min_delta: 1e-4,
            cooldown: 0,
            min_lr: 0.0,
            state: Plateau::default(),
        }
    }
}

impl<T: Float> Callback<T> for ReduceLROnPlateau {
    fn on_train_begin(&mut self, model: &mut Model<T>) -> Result<()> {
        if self.factor >= 1.0 || self.factor.is_nan() {
            let why = format!("{} is not below 1", self.factor);
            return Err(Error::invalid("factor of ReduceLROnPlateau", why));
        }
        self.state = Plateau::default();
        self.mode.direction(model, &self.monitor).map(|_| ())
    }

    fn memory(&self) -> Memory<T> {
        let Plateau { best, wait, cooldown_counter } = self.state;
        Memory::of([
            ("best", best),
            ("wait", Some(wait as f64)),
            ("cooldown_counter", Some(cooldown_counter as f64)),
        ])
    }

    fn check_memory(&self, memory: &Memory<T>, _model: &Model<T>) -> Result<()> {
        memory.check_numbers("ReduceLROnPlateau", &["wait", "cooldown_counter"], &["best"])
    }

    fn remember(&mut self, memory: &Memory<T>) {
        let cooldown_counter = memory.count("cooldown_counter");
        self.state =
            Plateau { best: memory.number("best"), wait: memory.count("wait"), cooldown_counter };
    }

    fn on_epoch_end(&mut self, epoch: usize, model: &mut Model<T>, logs: &mut Logs) -> Result<()> {
        let rate = model.learning_rate()?;
        logs.set("learning_rate", rate);
        let direction = self.mode.direction(model, &self.monitor)?;
        let Some(current) = watched(logs, &self.monitor, "ReduceLROnPlateau") else {
            return Ok(());
        };
        let state = &mut self.state;
        if state.cooldown_counter > 0 {
            state.cooldown_counter -= 1;
            state.wait = 0;
        }
        if improves(direction, current, state.best, self.min_delta.abs()) {
            state.best = Some(current);
            state.wait = 0;
        } else if state.cooldown_counter == 0 {
            state.wait += 1;
            // Keras compares both as f32, whatever the precision of the model.
            if state.wait >= self.patience && rate as f32 > self.min_lr as f32 {
                let lower = (rate * self.factor).max(self.min_lr);
                model.set_learning_rate(lower)?;
                if self.verbose {
                    let what = "ReduceLROnPlateau reducing learning rate to";
                    println!("\nEpoch {}: {what} {}.", epoch + 1, repr(lower));
                }
                state.cooldown_counter = self.cooldown;
                state.wait = 0;
            }
        }
        Ok(())
    }
}

/// Sets the learning rate at the beginning of each epoch, from its number and the present rate. The
/// rate is added to the numbers of the epoch, as `learning_rate`.
pub struct LearningRateScheduler<F> {
    /// The rate of an epoch, from its number and the present rate.
    pub schedule: F,
    /// Whether to say so.
    pub verbose: bool,
}

impl<F> fmt::Debug for LearningRateScheduler<F> {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.debug_struct("LearningRateScheduler").field("verbose", &self.verbose).finish()
    }
}

impl<F: FnMut(usize, f64) -> f64> LearningRateScheduler<F> {
    /// With this schedule, silent.
    pub fn new(schedule: F) -> Self {
        LearningRateScheduler { schedule, verbose: false }
    }
}

impl<T: Float, F: FnMut(usize, f64) -> f64> Callback<T> for LearningRateScheduler<F> {
    fn on_epoch_begin(&mut self, epoch: usize, model: &mut Model<T>) -> Result<()> {
        let rate = (self.schedule)(epoch, model.learning_rate()?);
        model.set_learning_rate(rate)?;
        if self.verbose {
            let what = "LearningRateScheduler setting learning rate to";
            println!("\nEpoch {}: {what} {}.", epoch + 1, repr(rate));
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, _epoch: usize, model: &mut Model<T>, logs: &mut Logs) -> Result<()> {
        logs.set("learning_rate", model.learning_rate()?);
        Ok(())
    }
}
