//! What a backup holds: read and checked as a whole, before anything goes on from it.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;

use super::Model;
use super::backup::{Place, VERSION};
use super::conditions::Conditions;
use super::fit::{Callbacks, Fit};
use super::history::History;
use super::optimizer_state::OptimizerState;
use crate::archive::Reader;
use crate::callback::{Callback, Memory};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::tensor::Tensor;

/// A training that was broken off.
#[derive(Debug)]
pub(super) struct Saved<T> {
    pub(super) place: Place,
    weights: Vec<Tensor<T>>,
    optimizer: OptimizerState<T>,
    /// Of stateful layers, `[rows, units]`.
    states: Vec<Tensor<T>>,
    /// What losses and metrics have gathered.
    judged: Vec<Vec<f64>>,
    /// The numbers of the epochs, and the series over them.
    history: (Vec<usize>, Vec<(String, Vec<f64>)>),
    memories: Vec<Memory<T>>,
    /// Counts of the model.
    epochs: u64,
    batches: u64,
}

/// A file that is being read.
struct Source<'a> {
    reader: &'a Reader,
    /// The names of the arrays that were.
    read: HashSet<String>,
}

impl Source<'_> {
    fn tensor<T: Float>(&mut self, name: String) -> Result<Tensor<T>> {
        let tensor = self.reader.exact(&name)?;
        self.read.insert(name);
        Ok(tensor)
    }

    fn series(&mut self, name: String) -> Result<Vec<f64>> {
        Ok(self.tensor::<f64>(name)?.into_data())
    }

    /// Checks that there is no array that was not read.
    fn check_rest(&self) -> Result<()> {
        match self.reader.names().find(|&name| !self.read.contains(name)) {
            Some(name) => {
                let why = format!("it has `{name}`, for which there is no place");
                Err(self.reader.wrong(why))
            }
            None => Ok(()),
        }
    }
}

/// A value of the description of a training, with the way to it.
struct Field<'a> {
    reader: &'a Reader,
    value: &'a Value,
    at: String,
}

impl<'a> Field<'a> {
    fn get(&self, key: &str) -> Field<'a> {
        let at = if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) };
        Field { value: &self.value[key], at, ..*self }
    }

    fn broken(&self) -> Error {
        self.reader.wrong(format!("its `{}` is broken: {}", self.at, self.value))
    }

    fn whole(&self) -> Result<u64> {
        self.value.as_u64().ok_or_else(|| self.broken())
    }

    fn size(&self) -> Result<usize> {
        usize::try_from(self.whole()?).map_err(|_| self.broken())
    }

    fn flag(&self) -> Result<bool> {
        self.value.as_bool().ok_or_else(|| self.broken())
    }

    /// A real number, which is there as its bits.
    fn real(&self) -> Result<f64> {
        self.whole().map(f64::from_bits)
    }

    fn list(&self) -> Result<Vec<Field<'a>>> {
        let items = self.value.as_array().ok_or_else(|| self.broken())?.iter().enumerate();
        let item = |(i, value)| Field { value, at: format!("{}.{i}", self.at), ..*self };
        Ok(items.map(item).collect())
    }

    fn text(&self) -> Result<String> {
        self.value.as_str().map(str::to_owned).ok_or_else(|| self.broken())
    }

    /// Names, each there once.
    fn names(&self) -> Result<Vec<String>> {
        let names = self.list()?.iter().map(Field::text).collect::<Result<Vec<_>>>()?;
        match names.iter().collect::<HashSet<_>>().len() == names.len() {
            true => Ok(names),
            false => Err(self.broken()),
        }
    }
}

impl<T: Float> Model<T> {
    /// Reads where a training was broken off, if there is a file of one; `start` is where it would
    /// begin, before so many `epochs`. Nothing is changed.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is of another training or of one that has come further, or a
    /// callback cannot go on from it.
    pub(super) fn saved(
        &mut self,
        path: &Path,
        conditions: &Conditions,
        (start, epochs): (Place, usize),
        callbacks: &[&mut dyn Callback<T>],
    ) -> Result<Option<Saved<T>>> {
        if !path.try_exists().map_err(|error| Error::file(path, &error))? {
            return Ok(None);
        }
        let reader = &Reader::open(path)?;
        let foreign = || reader.wrong("this is no training that was broken off".to_owned());
        let text = reader.description("training").ok_or_else(foreign)?;
        let training: Value = serde_json::from_str(text).map_err(|_| foreign())?;
        let training = Field { reader, value: &training, at: String::new() };
        let version = training.get("version").whole().map_err(|_| foreign())?;
        if version != VERSION {
            return Err(reader.wrong(format!("its version is {version}, where {VERSION} is known")));
        }
        let then = reader.description("conditions").ok_or_else(foreign)?;
        let then: Value = serde_json::from_str(then).map_err(|_| foreign())?;
        if let Some(difference) = conditions.difference(&then) {
            return Err(reader.wrong(format!("its training had {difference}")));
        }
        let saved = self.read_saved(&training, start)?;
        let begun = saved.place.epoch + usize::from(saved.place.begun);
        if begun > epochs {
            // What it was like before is gone.
            let why = format!("its training has begun {begun} epochs, more than epochs {epochs}");
            return Err(reader.wrong(why));
        }
        if saved.memories.len() != callbacks.len() {
            return Err(training.get("callbacks").broken());
        }
        self.check_saved(&saved).map_err(|error| reader.wrong(error.to_string()))?;
        for (callback, memory) in callbacks.iter().zip(&saved.memories) {
            callback.check_memory(memory, self)?;
        }
        Ok(Some(saved))
    }

    /// Reads all that the file has.
    fn read_saved(&mut self, training: &Field, start: Place) -> Result<Saved<T>> {
        let mut source = Source { reader: training.reader, read: HashSet::new() };
        let of_model = training.get("model");
        let (epochs, batches) = (of_model.get("epochs").whole()?, of_model.get("batches").whole()?);
        let place = read_place(&training.get("place"), start)?;

        let names = self.weight_names().into_iter();
        let weights = names.map(|name| source.tensor(format!("weights/{name}")));
        let weights = weights.collect::<Result<_>>()?;
        let slots = self.slot_names()?.into_iter().map(|name| {
            let slot = source.tensor(format!("optimizer/{name}"))?;
            Ok((name, slot))
        });
        let slots = slots.collect::<Result<_>>()?;
        let of_optimizer = training.get("optimizer");
        let optimizer = OptimizerState {
            iterations: of_optimizer.get("iterations").whole()?,
            learning_rate: of_optimizer.get("learning_rate").real()?,
            product: of_optimizer.get("product").real()?,
            slots,
        };
        let states = 0..self.execution.carried().count();
        let states = states.map(|at| source.tensor(format!("states/{at}")));
        let states = states.collect::<Result<_>>()?;
        let parts = 0..self.compiled()?.judge.parts();
        let judged = parts.map(|at| source.series(format!("metrics/{at}")));
        let judged = judged.collect::<Result<_>>()?;

        let of_history = training.get("history");
        let numbers = of_history.get("epochs");
        let trained: Vec<usize> = numbers.list()?.iter().map(Field::size).collect::<Result<_>>()?;
        if !trained.iter().copied().eq(start.epoch..place.epoch) {
            return Err(numbers.broken());
        }
        let names = of_history.get("names").names()?.into_iter().enumerate();
        let series = names.map(|(at, name)| {
            let series = source.series(format!("history/{at}"))?;
            match series.len() <= trained.len() {
                true => Ok((name, series)),
                false => Err(Error::Count {
                    what: format!("epochs of `{name}` in the history"),
                    expected: trained.len(),
                    found: series.len(),
                }),
            }
        });
        let series = series.collect::<Result<_>>()?;

        let mut memories = Vec::new();
        for (at, memory) in training.get("callbacks").list()?.iter().enumerate() {
            let numbers =
                memory.get("numbers").list()?.into_iter().map(|pair| match pair.list()?[..] {
                    [ref name, ref number] => Ok((name.text()?, number.real()?)),
                    _ => Err(pair.broken()),
                });
            let numbers = numbers.collect::<Result<_>>()?;
            let tensors = memory.get("tensors").names()?.into_iter().map(|name| {
                let tensor = source.tensor(format!("callbacks/{at}/{name}"))?;
                Ok((name, tensor))
            });
            memories.push(Memory { numbers, tensors: tensors.collect::<Result<_>>()? });
        }
        source.check_rest()?;
        let history = (trained, series);
        Ok(Saved { place, weights, optimizer, states, judged, history, memories, epochs, batches })
    }

    /// Checks that the model could be what was saved.
    fn check_saved(&mut self, saved: &Saved<T>) -> Result<()> {
        self.check_weights(&saved.weights)?;
        self.check_optimizer_state(&saved.optimizer)?;
        let rows = self.batch_size();
        let found = saved.states.first().map_or(0, Tensor::batch);
        // None before the first batch; the same of all layers.
        let rows = if found == 0 { Some(0) } else { Some(rows.unwrap_or(found)) };
        for (at, ((units, _), state)) in self.execution.carried().zip(&saved.states).enumerate() {
            if !matches!(*state.shape(), [found, width] if Some(found) == rows && width == units) {
                return Err(state.misfit(&format!("states/{at}"), vec![rows, Some(units)]));
            }
        }
        self.compiled()?.judge.check_memory(&saved.judged, |at| format!("numbers of metrics/{at}"))
    }

    /// Goes back to where a training was broken off, once its callbacks have begun.
    ///
    /// # Errors
    ///
    /// If a callback has made the model another one than was checked. Nothing is changed then.
    pub(super) fn put_back(
        &mut self,
        saved: &Saved<T>,
        options: &Fit<T>,
        history: &mut History,
        callbacks: Callbacks<T>,
    ) -> Result<()> {
        self.check_saved(saved)?;
        self.put_back_optimizer_state(&saved.optimizer)?;
        self.put_back_weights(&saved.weights);
        for ((_, state), from) in self.execution.carried().zip(&saved.states) {
            state.resize(from.data().len());
            state.copy_from_slice(from.data());
        }
        self.compiled()?.judge.remember(&saved.judged);
        (self.epochs, self.batches, self.seed) = (saved.epochs, saved.batches, options.seed);
        self.stop |= saved.place.stop;
        let (epochs, series) = &saved.history;
        history.restore(epochs, series.clone());
        for (callback, memory) in callbacks.iter_mut().zip(&saved.memories) {
            callback.remember(memory);
        }
        Ok(())
    }
}

/// The place of a training that would have begun at `start`.
fn read_place(place: &Field, start: Place) -> Result<Place> {
    let (step, begun) = (place.get("step"), place.get("begun").flag()?);
    let found = Place {
        epoch: place.get("epoch").size()?,
        step: step.size()?,
        begun,
        source: match place.get("source") {
            none if none.value.is_null() => None,
            source => match &source.list()?[..] {
                [epoch, taken] => Some((epoch.whole()?, taken.size()?)),
                _ => return Err(source.broken()),
            },
        },
        batches: place.get("batches").whole()?,
        stop: place.get("stop").flag()?,
        ..start
    };
    let most = match begun {
        true => start.steps.unwrap_or(usize::MAX),
        false => 0,
    };
    if found.step > most {
        return Err(step.broken());
    }
    if found.epoch < start.epoch {
        return Err(place.get("epoch").broken());
    }
    Ok(found)
}
