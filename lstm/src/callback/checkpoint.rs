//! Weights in files, as training goes on.

use std::path::PathBuf;

use super::monitor::{Mode, improves, watched};
use super::{Callback, Memory};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::model::{Logs, Model};

/// When a [`ModelCheckpoint`] saves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveFreq {
    /// After each epoch.
    #[default]
    Epoch,
    /// After every so many batches.
    Batches(usize),
}

/// Saves the weights as training goes on: Keras's arguments and defaults, with
/// [`Model::save_weights`] for the file, which appears only when it is whole; folders on the way to
/// it are made.
///
/// That is Keras's `save_weights_only=True`, and the only way there is: no format here holds a model
/// with the state of its optimizer. Of a model, there is [`Model::to_json`]; a training that is to go
/// on where it was broken off has [`Fit::backup`](crate::Fit::backup).
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCheckpoint {
    /// The file. `{epoch:02d}`, `{batch}` and the names of numbers, as in `{val_loss:.2f}`, stand
    /// for their values; epochs and batches count from 1 here.
    pub filepath: String,
    /// Which number `save_best_only` looks at; `val_loss` unless set.
    pub monitor: String,
    /// Whether to say so.
    pub verbose: bool,
    /// Whether to save only what is better than anything before.
    pub save_best_only: bool,
    /// What is better.
    pub mode: Mode,
    /// When to save.
    pub save_freq: SaveFreq,
    /// What the number has to be better than to be saved at all.
    pub initial_value_threshold: Option<f64>,
    /// The best number so far.
    pub best: Option<f64>,
    /// Batches since the last time it was saved after a batch.
    pub batches: usize,
    /// The present epoch.
    pub epoch: usize,
}

impl ModelCheckpoint {
    /// To this file, after each epoch.
    pub fn new(filepath: impl Into<String>) -> Self {
        ModelCheckpoint {
            filepath: filepath.into(),
            monitor: "val_loss".to_owned(),
            verbose: false,
            save_best_only: false,
            mode: Mode::Auto,
            save_freq: SaveFreq::Epoch,
            initial_value_threshold: None,
            best: None,
            batches: 0,
            epoch: 0,
        }
    }

    fn save<T: Float>(
        &mut self,
        batch: Option<usize>,
        model: &Model<T>,
        logs: &Logs,
    ) -> Result<()> {
        let path = path(&self.filepath, self.epoch + 1, batch.map(|batch| batch + 1), logs)?;
        let epoch = self.epoch + 1;
        if self.save_best_only {
            let direction = self.mode.direction(model, &self.monitor)?;
            if let Some(current) = watched(logs, &self.monitor, "ModelCheckpoint") {
                let best = self.best.map_or("None".to_owned(), |best| format!("{best:.5}"));
                let what = &self.monitor;
                if !improves(direction, current, self.best, 0.0) {
                    if self.verbose {
                        println!("\nEpoch {epoch}: {what} did not improve from {best}");
                    }
                    return Ok(());
                }
                if self.verbose {
                    let how = format!("improved from {best} to {current:.5}");
                    println!("\nEpoch {epoch}: {what} {how}, saving model to {}", path.display());
                }
                self.best = Some(current);
            }
        } else if self.verbose {
            println!("\nEpoch {epoch}: saving model to {}", path.display());
        }
        model.save_weights(&path)?;
        if self.verbose {
            println!("\nEpoch {epoch}: finished saving model to {}", path.display());
        }
        Ok(())
    }
}

impl<T: Float> Callback<T> for ModelCheckpoint {
    fn on_train_begin(&mut self, model: &mut Model<T>) -> Result<()> {
        if self.save_freq == SaveFreq::Batches(0) {
            return Err(Error::invalid("save_freq of ModelCheckpoint", "it must be positive"));
        }
        self.best = self.best.or(self.initial_value_threshold);
        match self.save_best_only {
            true => self.mode.direction(model, &self.monitor).map(|_| ()),
            false => Ok(()),
        }
    }

    fn memory(&self) -> Memory<T> {
        Memory::of([
            ("best", self.best),
            ("batches", Some(self.batches as f64)),
            ("epoch", Some(self.epoch as f64)),
        ])
    }

    fn check_memory(&self, memory: &Memory<T>, _model: &Model<T>) -> Result<()> {
        memory.check_numbers("ModelCheckpoint", &["batches", "epoch"], &["best"])
    }

    fn remember(&mut self, memory: &Memory<T>) {
        self.best = memory.number("best");
        self.batches = memory.count("batches");
        self.epoch = memory.count("epoch");
    }

    fn on_epoch_begin(&mut self, epoch: usize, _model: &mut Model<T>) -> Result<()> {
        self.epoch = epoch;
        Ok(())
    }

    fn on_train_batch_end(
        &mut self,
        batch: usize,
        model: &mut Model<T>,
        logs: &Logs,
    ) -> Result<()> {
        let SaveFreq::Batches(every) = self.save_freq else { return Ok(()) };
        self.batches += 1;
        if self.batches < every {
            return Ok(());
        }
        self.batches = 0;
        self.save(Some(batch), model, logs)
    }

    fn on_epoch_end(&mut self, _epoch: usize, model: &mut Model<T>, logs: &mut Logs) -> Result<()> {
        match self.save_freq {
            SaveFreq::Epoch => self.save(None, model, logs),
            SaveFreq::Batches(_) => Ok(()),
        }
    }
}

/// The path that a pattern stands for.
fn path(pattern: &str, epoch: usize, batch: Option<usize>, logs: &Logs) -> Result<PathBuf> {
    let wrong = |why: String| Error::invalid(format!("filepath `{pattern}`"), why);
    let (mut path, mut rest) = (String::new(), pattern);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((field, left)) = after.split_once('}') else {
            return Err(wrong("a `{` without its `}`".to_owned()));
        };
        path.push_str(before);
        rest = left;
        let (name, format) = field.split_once(':').unwrap_or((field, ""));
        let whole = match name {
            "epoch" => Some(epoch),
            "batch" => batch,
            _ => None,
        };
        let unknown = || wrong(format!("the format `{format}` of `{name}`"));
        if let Some(whole) = whole {
            let width = match format.strip_suffix('d').unwrap_or(format) {
                "" => 0,
                digits => digits.trim_start_matches('0').parse::<u8>().map_err(|_| unknown())?,
            };
            let width = usize::from(width);
            path.push_str(&format!("{whole:0width$}"));
            continue;
        }
        let value = logs.get(name).ok_or_else(|| wrong(format!("there is no `{name}`")))?;
        match format {
            "" => path.push_str(&super::csv::repr(value)),
            format => {
                let digits = format.strip_prefix('.').and_then(|rest| rest.strip_suffix('f'));
                let digits: u8 = digits.and_then(|d| d.parse().ok()).ok_or_else(unknown)?;
                let digits = usize::from(digits);
                path.push_str(&format!("{value:.digits$}"));
            }
        }
    }
    path.push_str(rest);
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_filled_in() {
        let mut logs = Logs::default();
        logs.set("val_loss", 0.12345);
        let fill = |pattern: &str, batch| path(pattern, 3, batch, &logs);
        let text = |pattern, batch| fill(pattern, batch).unwrap().display().to_string();
        assert_eq!(text("a-{epoch:02d}-{val_loss:.2f}.st", None), "a-03-0.12.st");
        assert_eq!(text("{epoch}-{batch:03d}", Some(12)), "3-012");
        for pattern in
            ["{loss:.2f}", "{batch}", "{epoch", "{val_loss:x}", "{epoch:q}", "{epoch:99999d}"]
        {
            let error = fill(pattern, None).unwrap_err().to_string();
            assert!(error.starts_with(&format!("filepath `{pattern}`: ")), "{error}");
        }
    }
}
