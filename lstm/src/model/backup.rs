//! A training that can be broken off at any moment, and goes on as if it had not been.

use std::path::Path;

use serde_json::{Value, json};

use super::Model;
use super::fit::{Callbacks, Fit};
use super::history::History;
use super::optimizer_state::OptimizerState;
use crate::archive::{Reader, Writer};
use crate::callback::{Callback, Memory, SaveFreq};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::tensor::Tensor;

/// The version of what is written here.
const VERSION: u64 = 1;

/// Where a training keeps what it needs to go on: see [`Fit::backup`].
///
/// ```no_run
/// use lstm::{Backup, Dense, Fit, Input, Loss, SGD, Sequential, Tensor};
///
/// let mut model = Sequential::new().add(Input::new([2])).add(Dense::new(1)).build()?;
/// model.compile(SGD::default(), Loss::MeanSquaredError)?;
/// let (x, y) = (Tensor::zeros([64, 2]), Tensor::zeros([64, 1]));
/// let backup = Some(Backup::new("training.safetensors").every(100));
/// // Broken off, and run again, it goes on after the last hundred batches.
/// model.fit(&x, &y, Fit { epochs: 1000, backup, ..Fit::default() })?;
/// # Ok::<(), lstm::Error>(())
/// ```
///
/// The file is a safetensors file. Its arrays are `weights/…`, `optimizer/…` (the slots, by Keras's
/// names), `states/…` (of stateful layers), `metrics/…` (what the epoch has gathered), `history/…` and
/// `callbacks/…`. Its metadata has a `checksum` of the whole, and `training`: JSON with the `version`
/// of all this, 1; the `conditions` that must not change; the `place` in the training; counts of the
/// model, from which all random numbers follow; those of the optimizer. Real numbers are there as the
/// bits of an `f64`. It is written beside the old file first, and takes its place when it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup<'a> {
    /// The file.
    pub path: &'a Path,
    /// When to write it; after each epoch unless set. It is written at the end of the training in
    /// any case.
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
    /// Whether its end was asked for.
    pub(super) stop: bool,
    /// Whether all is done.
    pub(super) over: bool,
}

impl Place {
    /// Before the first epoch.
    pub(super) fn start(epoch: usize, steps: Option<usize>) -> Self {
        Place { epoch, step: 0, begun: false, steps, source: None, stop: false, over: false }
    }
}

/// What has to be the same for a training to go on as it would have.
fn conditions<T>(options: &Fit<T>, batches: Option<usize>) -> Value {
    json!({
        "batches": batches,
        "batch_size": options.batch_size,
        "shuffle": options.shuffle,
        "seed": options.seed,
        "initial_epoch": options.initial_epoch,
        "steps_per_epoch": options.steps_per_epoch,
        "validation_freq": options.validation_freq,
    })
}

impl<T: Float> Model<T> {
    /// Writes all that the training needs to go on from a place.
    pub(super) fn back_up(
        &mut self,
        path: &Path,
        place: Place,
        options: &Fit<T>,
        batches: Option<usize>,
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
        for (at, state) in self.execution.carried().enumerate() {
            writer.add(format!("states/{at}"), &[state.len()], state);
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
        let Place { epoch, step, begun, steps, source, stop, over } = place;
        let training = json!({
            "version": VERSION,
            "conditions": conditions(options, batches),
            "place": {
                "epoch": epoch, "step": step, "begun": begun, "steps": steps, "source": source,
                "stop": stop,
                "over": over,
            },
            "model": { "epochs": self.epochs, "batches": self.batches },
            "optimizer": {
                "iterations": iterations,
                "learning_rate": learning_rate.to_bits(),
                "product": product.to_bits(),
                "slots": slots.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            },
            "metrics": judged.len(),
            "history": { "names": names, "epochs": history.epoch() },
            "callbacks": remembered,
        });
        writer.describe("training", training.to_string());
        writer.finish(path)
    }

    /// Goes back to where a training was broken off, if there is a file of one.
    pub(super) fn restore(
        &mut self,
        path: &Path,
        options: &Fit<T>,
        batches: Option<usize>,
        history: &mut History,
        callbacks: Callbacks<T>,
    ) -> Result<Option<Place>> {
        if !path.try_exists().map_err(|error| Error::file(path, &error))? {
            return Ok(None);
        }
        let reader = Reader::open(path)?;
        let foreign = || reader.wrong("this is no training that was broken off".to_owned());
        let text = reader.description("training").ok_or_else(foreign)?;
        let training: Value = serde_json::from_str(text).map_err(|_| foreign())?;
        if training["version"] != VERSION {
            let why = format!("its version is {}, where {VERSION} is known", training["version"]);
            return Err(reader.wrong(why));
        }
        let expected = conditions(options, batches);
        for (key, now) in expected.as_object().into_iter().flatten() {
            let then = &training["conditions"][key];
            if then != now {
                return Err(reader.wrong(format!("its training had {key} {then}, not {now}")));
            }
        }
        let remembered = training["callbacks"].as_array().ok_or_else(foreign)?;
        if remembered.len() != callbacks.len() {
            let (then, now) = (remembered.len(), callbacks.len());
            return Err(reader.wrong(format!("its training had {then} callbacks, not {now}")));
        }
        let whole = |value: &Value| value.as_u64().ok_or_else(foreign);
        let bits = |value: &Value| whole(value).map(f64::from_bits);
        let texts = |value: &Value| -> Result<Vec<String>> {
            serde_json::from_value(value.clone()).map_err(|_| foreign())
        };

        // All is read before anything changes.
        let names = self.weight_names();
        let weights: Vec<Tensor<T>> = names
            .iter()
            .map(|name| reader.tensor(&format!("weights/{name}")))
            .collect::<Result<_>>()?;
        let of_optimizer = &training["optimizer"];
        let slot = |name: String| {
            let tensor = reader.tensor(&format!("optimizer/{name}"))?;
            Ok((name, tensor))
        };
        let state = OptimizerState {
            iterations: whole(&of_optimizer["iterations"])?,
            learning_rate: bits(&of_optimizer["learning_rate"])?,
            product: bits(&of_optimizer["product"])?,
            slots: texts(&of_optimizer["slots"])?.into_iter().map(slot).collect::<Result<_>>()?,
        };
        let judged = (0..whole(&training["metrics"])?)
            .map(|at| Ok(reader.tensor::<f64>(&format!("metrics/{at}"))?.into_data()))
            .collect::<Result<Vec<_>>>()?;
        let series = texts(&training["history"]["names"])?.into_iter().enumerate();
        let series = series.map(|(at, name)| {
            Ok((name, reader.tensor::<f64>(&format!("history/{at}"))?.into_data()))
        });
        let series = series.collect::<Result<Vec<_>>>()?;
        let epochs = serde_json::from_value(training["history"]["epochs"].clone());
        let place = &training["place"];
        let place = Place {
            epoch: whole(&place["epoch"])? as usize,
            step: whole(&place["step"])? as usize,
            begun: place["begun"] == true,
            steps: place["steps"].as_u64().map(|steps| steps as usize),
            source: serde_json::from_value(place["source"].clone()).map_err(|_| foreign())?,
            stop: place["stop"] == true,
            over: place["over"] == true,
        };
        let mut memories = Vec::new();
        for (at, memory) in remembered.iter().enumerate() {
            let numbers = memory["numbers"].as_array().ok_or_else(foreign)?.iter();
            let numbers = numbers.map(|pair| {
                let name = pair[0].as_str().ok_or_else(foreign)?;
                Ok((name.to_owned(), bits(&pair[1])?))
            });
            let tensors = texts(&memory["tensors"])?.into_iter().map(|name| {
                let tensor = reader.tensor(&format!("callbacks/{at}/{name}"))?;
                Ok((name, tensor))
            });
            let numbers = numbers.collect::<Result<_>>()?;
            memories.push(Memory { numbers, tensors: tensors.collect::<Result<_>>()? });
        }
        let carried = self.execution.carried().count();
        let states: Vec<Tensor<T>> =
            (0..carried).map(|at| reader.tensor(&format!("states/{at}"))).collect::<Result<_>>()?;

        for (place, weight) in self.weights.iter().zip(&weights) {
            self.check_shape(place, weight)?;
        }
        self.put_back_optimizer_state(&state)?;
        self.put_back_weights(&weights);
        for (state, from) in self.execution.carried().zip(&states) {
            state.resize(from.data().len());
            state.copy_from_slice(from.data());
        }
        self.compiled()?.judge.remember(&judged);
        self.epochs = whole(&training["model"]["epochs"])?;
        self.batches = whole(&training["model"]["batches"])?;
        history.restore(epochs.map_err(|_| foreign())?, series);
        for (callback, memory) in callbacks.iter_mut().zip(&memories) {
            callback.remember(memory)?;
        }
        Ok(Some(place))
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
