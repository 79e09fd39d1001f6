//! A training that can be broken off at any moment, and goes on as if it had not been.

use std::path::Path;

use serde_json::json;

use super::Model;
use super::conditions::Conditions;
use super::fit::Fit;
use super::history::History;
use super::optimizer_state::OptimizerState;
use crate::archive::Writer;
use crate::callback::{Callback, Memory, SaveFreq};
use crate::error::{Error, Result};
use crate::float::Float;

/// The version of what is written here.
pub(super) const VERSION: u64 = 2;

/// Where a training keeps what it needs to go on: see [`Fit::backup`].
///
/// ```
/// use lstm::{Backup, Dense, Fit, Input, Loss, SGD, Sequential, Tensor, Verbose};
///
/// # let folder = std::env::temp_dir().join(format!("lstm-backup-{}", std::process::id()));
/// # let path = folder.join("training.safetensors");
/// # let _ = std::fs::remove_file(&path);
/// // The whole program, as far as it is trained: run again, it begins here again.
/// let train = |epochs, backup| {
///     let mut model = Sequential::new().add(Input::new([2])).add(Dense::new(1)).build()?;
///     model.compile(SGD::default(), Loss::MeanSquaredError)?;
///     let (x, y) = (Tensor::zeros([64, 2]), Tensor::new([64, 1], vec![1.0; 64])?);
///     let verbose = Verbose::Silent;
///     model.fit(&x, &y, Fit { epochs, backup, verbose, ..Fit::default() })?;
///     Ok::<_, lstm::Error>(model.get_weights())
/// };
/// let backup = Some(Backup::new(&path).every(3));
/// train(10, backup)?;
/// // Broken off there, say, it goes on after the last three batches, and comes to the same.
/// assert_eq!(train(25, backup)?, train(25, None)?);
/// # let _ = std::fs::remove_dir_all(&folder);
/// # Ok::<(), lstm::Error>(())
/// ```
///
/// The file is a safetensors file. Its arrays are `weights/…`, `optimizer/…` (the slots, by Keras's
/// names), `states/…` (of stateful layers), `metrics/…` (what the epoch has gathered), `history/…` and
/// `callbacks/…`. Its metadata has a `checksum` of the whole; `conditions`, JSON with all that must not
/// change: options, the model and what it is compiled with, the [classes](Callback::class) of
/// callbacks; and `training`, JSON with the `version` of all this, 2; the `place` in the training;
/// counts of the model, from which all random numbers follow; those of the optimizer. Real numbers are
/// there as the bits of an `f64`. It is written beside the old file first, and takes its place when it
/// is whole. A file of another version is refused.
///
/// What happens at the end of a training is not in it, but happens again: the last file is from before
/// averages of weights take their place, and before [`on_train_end`](Callback::on_train_end).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup<'a> {
    /// The file.
    pub path: &'a Path,
    /// When to write it; after each epoch unless set. It is written after the last one in any case.
    pub save_freq: SaveFreq,
}

impl<'a> Backup<'a> {
    /// To this file, after each epoch.
    pub fn new(path: &'a (impl AsRef<Path> + ?Sized)) -> Self {
        Backup { path: path.as_ref(), save_freq: SaveFreq::Epoch }
    }

    /// To this file, after every so many batches.
    pub fn every(self, batches: usize) -> Self {
        Backup { save_freq: SaveFreq::Batches(batches), ..self }
    }
}

/// Where a training has got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) epoch: usize,
    /// Steps of the epoch that are done.
    pub(super) step: usize,
    /// Whether the epoch has begun.
    pub(super) begun: bool,
    /// How many steps an epoch has, if that is known.
    pub(super) steps: Option<usize>,
    /// Which epoch of its own the source is in, and how many batches of it were taken; none before
    /// its first.
    pub(super) source: Option<(u64, usize)>,
    /// Batches that are done, of all epochs.
    pub(super) batches: u64,
    /// Whether its end was asked for.
    pub(super) stop: bool,
}

impl Place {
    /// Before the first epoch.
    pub(super) fn start(epoch: usize, steps: Option<usize>) -> Self {
        Place { epoch, step: 0, begun: false, steps, source: None, batches: 0, stop: false }
    }

    /// Whether there is anything left to do of a training of so many epochs.
    pub(super) fn goes_on(&self, epochs: usize) -> bool {
        self.epoch < epochs && (self.begun || !self.stop)
    }
}

impl<T: Float> Model<T> {
    /// Writes all that the training needs to go on from a place.
    pub(super) fn back_up(
        &mut self,
        path: &Path,
        place: Place,
        conditions: &Conditions,
        history: &History,
        callbacks: &[&mut dyn Callback<T>],
    ) -> Result<()> {
        let mut writer = Writer::default();
        self.add_weights(&mut writer, "weights/");
        let OptimizerState { iterations, learning_rate, product, slots } =
            self.optimizer_state()?;
        for (name, slot) in &slots {
            writer.add(format!("optimizer/{name}"), slot.shape(), slot.data());
        }
        for (at, (units, state)) in self.execution.carried().enumerate() {
            writer.add(format!("states/{at}"), &[state.len() / units, units], state);
        }
        let judged = self.compiled()?.judge.memory();
        for (at, part) in judged.iter().enumerate() {
            writer.add(format!("metrics/{at}"), &[part.len()], part);
        }
        let names: Vec<&str> = history.names().collect();
        for (at, name) in names.iter().enumerate() {
            let series = history.get(name).unwrap_or(&[]);
            writer.add(format!("history/{at}"), &[series.len()], series);
        }
        let mut remembered = Vec::new();
        for (at, callback) in callbacks.iter().enumerate() {
            let Memory { numbers, tensors } = callback.memory();
            for (name, tensor) in &tensors {
                writer.add(format!("callbacks/{at}/{name}"), tensor.shape(), tensor.data());
            }
            let numbers: Vec<_> =
                numbers.iter().map(|(name, x)| json!([name, x.to_bits()])).collect();
            let tensors: Vec<_> = tensors.iter().map(|(name, _)| name).collect();
            remembered.push(json!({ "numbers": numbers, "tensors": tensors }));
        }
        let Place { epoch, step, begun, source, batches, stop, .. } = place;
        let training = json!({
            "version": VERSION,
            "place": {
                "epoch": epoch, "step": step, "begun": begun, "source": source, "batches": batches,
                "stop": stop,
            },
            "model": { "epochs": self.epochs, "batches": self.batches },
            "optimizer": {
                "iterations": iterations,
                "learning_rate": learning_rate.to_bits(),
                "product": product.to_bits(),
            },
            "history": { "names": names, "epochs": history.epoch() },
            "callbacks": remembered,
        });
        writer.describe("training", training.to_string());
        writer.describe("conditions", conditions.text().to_owned());
        writer.finish(path)
    }
}

/// Checks when it is to be written.
pub(super) fn check<T>(options: &Fit<T>) -> Result<()> {
    match options.backup {
        Some(Backup { save_freq: SaveFreq::Batches(0), .. }) => {
            Err(Error::invalid("save_freq of backup", "it must be positive"))
        }
        _ => Ok(()),
    }
}
