//! Callbacks: what happens between the batches and epochs of a training.
//!
//! | module       | holds                                                         |
//! |--------------|---------------------------------------------------------------|
//! | `monitor`    | a number that is watched, and what is better                   |
//! | `stopping`   | ends at a number that no longer improves, or is none           |
//! | `rate`       | learning rates by plateau and by epoch                         |
//! | `checkpoint` | weights in files                                               |
//! | `csv`        | a table of epochs in a file                                    |
//! | `memory`     | what a callback has to know to go on                           |

mod checkpoint;
mod csv;
mod memory;
mod monitor;
mod rate;
mod stopping;

pub use checkpoint::{ModelCheckpoint, SaveFreq};
pub use csv::CSVLogger;
pub use memory::Memory;
pub use monitor::Mode;
pub use rate::{LearningRateScheduler, Plateau, ReduceLROnPlateau};
pub use stopping::{EarlyStopping, Stopping, TerminateOnNaN};

use crate::error::Result;
use crate::float::Float;
use crate::model::{Logs, Model};

/// Something to do at the moments of [`Model::fit_with`]: Keras's `Callback`.
///
/// Every method does nothing unless written. An error ends the training at once, and is what `fit`
/// returns; [`Model::stop_training`] ends it after the present batch.
///
/// ```
/// use lstm::{Callback, Logs, Model, Result};
///
/// struct Patient(usize);
///
/// impl Callback<f32> for Patient {
///     fn on_epoch_end(&mut self, _: usize, model: &mut Model, logs: &mut Logs) -> Result<()> {
///         self.0 += usize::from(logs.get("loss") > Some(1.0));
///         if self.0 > 9 {
///             model.stop_training();
///         }
///         Ok(())
///     }
/// }
/// ```
#[allow(unused_variables, reason = "the methods are there to be written anew")]
pub trait Callback<T: Float> {
    /// Before the first epoch.
    #[allow(clippy::missing_errors_doc, reason = "said of all above")]
    fn on_train_begin(&mut self, model: &mut Model<T>) -> Result<()> {
        Ok(())
    }

    /// Before the epoch number `epoch`, from 0.
    #[allow(clippy::missing_errors_doc, reason = "said of all above")]
    fn on_epoch_begin(&mut self, epoch: usize, model: &mut Model<T>) -> Result<()> {
        Ok(())
    }

    /// Before the batch number `batch` of an epoch, from 0.
    #[allow(clippy::missing_errors_doc, reason = "said of all above")]
    fn on_train_batch_begin(&mut self, batch: usize, model: &mut Model<T>) -> Result<()> {
        Ok(())
    }

    /// After a batch; `logs` are those of the epoch up to there.
    #[allow(clippy::missing_errors_doc, reason = "said of all above")]
    fn on_train_batch_end(
        &mut self,
        batch: usize,
        model: &mut Model<T>,
        logs: &Logs,
    ) -> Result<()> {
        Ok(())
    }

    /// After an epoch and its validation. What is added to `logs` is shown, and kept in the
    /// history.
    #[allow(clippy::missing_errors_doc, reason = "said of all above")]
    fn on_epoch_end(&mut self, epoch: usize, model: &mut Model<T>, logs: &mut Logs) -> Result<()> {
        Ok(())
    }

    /// What it has to know to go on after a training was broken off: see
    /// [`Fit::backup`](crate::Fit). Nothing unless written.
    fn memory(&self) -> Memory<T> {
        Memory::default()
    }

    /// Whether it can go on from a memory, in a training of `model`: asked of all callbacks before
    /// anything else is done with them, or with the model.
    ///
    /// # Errors
    ///
    /// If it cannot: that is what `fit` returns, and everything is as it was.
    fn check_memory(&self, memory: &Memory<T>, model: &Model<T>) -> Result<()> {
        Ok(())
    }

    /// Goes on from what [`memory`](Self::memory) gave, after `on_train_begin`. It was
    /// [checked](Self::check_memory) before.
    fn remember(&mut self, memory: &Memory<T>) {}

    /// What a backup calls it, so that it is not taken for another: the name of its type, without
    /// that of its module, unless written.
    fn class(&self) -> &str {
        let name = std::any::type_name::<Self>();
        let name = name.split_once('<').map_or(name, |(name, _)| name);
        name.rsplit_once("::").map_or(name, |(_, name)| name)
    }

    /// After the last epoch.
    #[allow(clippy::missing_errors_doc, reason = "said of all above")]
    fn on_train_end(&mut self, model: &mut Model<T>) -> Result<()> {
        Ok(())
    }
}

/// A function as a callback: called after each epoch.
///
/// ```
/// use lstm::{LambdaCallback, Logs, Model};
///
/// let mut losses = Vec::new();
/// let mut keep = LambdaCallback(|_epoch: usize, _model: &mut Model, logs: &mut Logs| {
///     losses.extend(logs.get("loss"));
///     Ok::<(), lstm::Error>(())
/// });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LambdaCallback<F>(pub F);

impl<T: Float, F: FnMut(usize, &mut Model<T>, &mut Logs) -> Result<()>> Callback<T>
    for LambdaCallback<F>
{
    fn on_epoch_end(&mut self, epoch: usize, model: &mut Model<T>, logs: &mut Logs) -> Result<()> {
        (self.0)(epoch, model, logs)
    }
}
