//! The epochs of a training, wherever its batches come from.

use std::borrow::Borrow;

use super::backup::{Backup, Place};
use super::conditions::Conditions;
use super::fit::{Callbacks, Fit};
use super::history::History;
use super::logs::Logs;
use super::progress::Progress;
use super::rows::Rows;
use super::source::Source;
use super::train::{Checks, Data};
use super::{Bptt, Model, Verbose, shapes};
use crate::callback::{Callback, SaveFreq};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::tensor::Tensor;

/// Validates after an epoch.
pub(super) type Validate<'a, T> = &'a mut dyn FnMut(&mut Model<T>) -> Result<()>;

impl<T: Float> Model<T> {
    /// Trains for the epochs of the options; `validate` follows each that is validated.
    pub(super) fn train_epochs<S: Source<T>>(
        &mut self,
        source: &mut S,
        validate: Option<Validate<T>>,
        options: &Fit<T>,
        callbacks: Callbacks<T>,
    ) -> Result<History> {
        let outer = self.bptt;
        self.set_bptt(options.bptt)?;
        let enough = match (options.bptt, source.sizes()) {
            (Bptt::Checkpointed { .. }, Some((x, sizes))) => self.check_budget(x, sizes),
            _ => Ok(()),
        };
        let history = enough.and_then(|()| self.run_epochs(source, validate, options, callbacks));
        self.set_bptt(outer)?;
        history
    }

    /// Checks that [`Bptt::Checkpointed`] has enough bytes for batches of so many rows.
    fn check_budget<X: Borrow<Tensor<T>>>(
        &mut self,
        x: &[X],
        sizes: [Option<usize>; 2],
    ) -> Result<()> {
        self.execution.settle(shapes(&self.graph, x))?;
        sizes.into_iter().flatten().try_for_each(|rows| self.execution.check_budget(rows))
    }

    fn run_epochs<S: Source<T>>(
        &mut self,
        source: &mut S,
        mut validate: Option<Validate<T>>,
        options: &Fit<T>,
        callbacks: Callbacks<T>,
    ) -> Result<History> {
        let batches = source.batches();
        if batches == Some(0) {
            return Err(Error::invalid("dataset", "it has no batch"));
        }
        let start = Place::start(options.initial_epoch, options.steps_per_epoch.or(batches));
        let backup = match options.backup {
            Some(Backup { path, save_freq }) => {
                let known = (batches, validate.is_some());
                Some((path, save_freq, Conditions::new(self, options, known, callbacks)))
            }
            None => None,
        };
        // What can be wrong with a backup is found before anyone knows of the training.
        let saved = match &backup {
            Some((path, _, conditions)) => {
                self.saved(path, conditions, (start, options.epochs), callbacks)?
            }
            None => None,
        };
        let mut place = saved.as_ref().map_or(start, |saved| saved.place);
        if place.goes_on(options.epochs) {
            take_again(source, place.source)?;
        }
        // A callback may train, too: what it leaves is put right, here and before each batch.
        let outer = std::mem::replace(&mut self.stop, false);
        let names = self.compiled()?.judge.names().to_vec();
        let val_names: Vec<String> = names.iter().map(|name| format!("val_{name}")).collect();
        let mut values = Vec::with_capacity(names.len());
        let mut history = History::new(options.epochs.saturating_sub(options.initial_epoch));
        let mut logs = Logs::sorted(names.iter());
        let mut epoch_logs = Logs::sorted(names.iter().chain(&val_names));
        let mut fitted = 0;
        each(callbacks, |callback| callback.on_train_begin(self))?;
        if let Some(saved) = &saved {
            self.put_back(saved, options, &mut history, callbacks)?;
        }
        let mut written = true; // of a beginning, nothing has to be
        let mut progress = Progress::new(options.verbose, options.epochs, place.steps);
        while place.goes_on(options.epochs) {
            let epoch = place.epoch;
            progress.epoch(epoch);
            if !place.begun {
                self.compiled()?.judge.reset();
                each(callbacks, |callback| callback.on_epoch_begin(epoch, self))?;
                place.begun = true;
            }
            self.compiled()?.judge.results(&mut values);
            while !place.stop && place.steps.is_none_or(|steps| place.step < steps) {
                // An epoch of the source may go on in our next one.
                let more = place.source.is_some() && source.advance()?;
                if !more {
                    if place.step > 0 {
                        place.source = None;
                        break;
                    }
                    source.start(self.epochs);
                    place.source = Some((self.epochs, 0));
                    if !source.advance()? {
                        return Err(Error::invalid("dataset", "it has no batch"));
                    }
                }
                if let Some((_, taken)) = &mut place.source {
                    *taken += 1;
                }
                let step = place.step;
                each(callbacks, |callback| callback.on_train_batch_begin(step, self))?;
                self.seed = options.seed;
                let (data, rows) = source.batch();
                self.fit_to(S::CHECKS, data, rows, &mut fitted)?;
                self.train_back(data, rows)?;
                self.compiled()?.judge.results(&mut values);
                logs.fill(&names, &values);
                each(callbacks, |callback| callback.on_train_batch_end(step, self, &logs))?;
                place.step += 1;
                place.batches += 1;
                progress.step(place.step, &logs);
                if let Some((path, SaveFreq::Batches(every), conditions)) = &backup
                    && place.batches.is_multiple_of(*every as u64)
                {
                    let place = Place { stop: self.stop, ..place };
                    self.back_up(path, place, conditions, &history, callbacks)?;
                }
                if self.stop {
                    break;
                }
            }
            epoch_logs.clear();
            epoch_logs.fill(&names, &values);
            if (epoch + 1).is_multiple_of(options.validation_freq)
                && let Some(validate) = &mut validate
            {
                validate(self)?;
                self.compiled()?.judge.results(&mut values);
                epoch_logs.fill(&val_names, &values);
            }
            self.epochs += 1;
            each(callbacks, |callback| callback.on_epoch_end(epoch, self, &mut epoch_logs))?;
            progress.finish_epoch(place.step, &epoch_logs);
            history.push(epoch, &epoch_logs);
            place = Place { epoch: epoch + 1, step: 0, begun: false, stop: self.stop, ..place };
            written = false;
            if let Some((path, SaveFreq::Epoch, conditions)) = &backup {
                self.back_up(path, place, conditions, &history, callbacks)?;
                written = true;
            }
        }
        // The end that follows is gone through again whenever the training is.
        if let (Some((path, _, conditions)), false) = (&backup, written) {
            self.back_up(path, place, conditions, &history, callbacks)?;
        }
        if options.epochs > 0 {
            self.finalize();
        }
        // Each has its say at the end, also after one that failed.
        let mut result = Ok(());
        for callback in callbacks.iter_mut() {
            result = result.and(callback.on_train_end(self));
        }
        self.stop = outer;
        result.map(|()| history)
    }

    /// Takes in batches from their beginning, at most so many: what losses and metrics gather.
    pub(super) fn test_batches<S: Source<T>>(
        &mut self,
        source: &mut S,
        steps: Option<usize>,
        verbose: Verbose,
    ) -> Result<()> {
        self.compiled()?.judge.reset();
        let known = source.batches().map_or(steps, |all| Some(steps.map_or(all, |n| n.min(all))));
        let mut shown = match Progress::once(verbose, known) {
            Some(progress) => {
                let names = self.compiled()?.judge.names().to_vec();
                Some((progress, Logs::sorted(names.iter()), names, Vec::new()))
            }
            None => None,
        };
        source.start(0);
        let (mut step, mut fitted) = (0, 0);
        while steps.is_none_or(|steps| step < steps) && source.advance()? {
            let (data, rows) = source.batch();
            self.fit_to(S::CHECKS, data, rows, &mut fitted)?;
            self.test(data, rows)?;
            step += 1;
            if let Some((progress, logs, names, values)) = &mut shown {
                self.compiled()?.judge.results(values);
                logs.fill(names, values);
                progress.step(step, logs);
            }
        }
        if step == 0 {
            return Err(Error::invalid("dataset", "it has no batch"));
        }
        if let Some((progress, logs, ..)) = &mut shown {
            progress.finish_epoch(step, logs);
        }
        Ok(())
    }

    /// Fits losses and metrics to the data of a batch, unless nothing else was done since.
    fn fit_to<X: Borrow<Tensor<T>>>(
        &mut self,
        checks: Checks,
        data: Data<X>,
        rows: Rows,
        fitted: &mut u64,
    ) -> Result<()> {
        match checks {
            Checks::All => {
                self.check_training(data)?;
                self.execution.check_rows(rows.len(), rows.len())?;
            }
            Checks::Shapes if *fitted != self.fitted => {
                self.refit(data, data.x[0].borrow().batch(), checks)?;
                *fitted = self.fitted;
            }
            Checks::Shapes => {}
        }
        Ok(())
    }
}

/// Starts a source where it was, and leaves alone what was taken from it there.
fn take_again<T, S: Source<T>>(source: &mut S, at: Option<(u64, usize)>) -> Result<()> {
    let Some((epoch, taken)) = at else { return Ok(()) };
    source.start(epoch);
    for batch in 0..taken {
        if !source.advance()? {
            let why = format!("its epoch {epoch} has {batch} batches, where {taken} were taken");
            return Err(Error::invalid("dataset", why));
        }
    }
    Ok(())
}

/// Does something with one callback after another.
fn each<T: Float>(
    callbacks: &mut [&mut dyn Callback<T>],
    mut act: impl FnMut(&mut dyn Callback<T>) -> Result<()>,
) -> Result<()> {
    callbacks.iter_mut().try_for_each(|callback| act(&mut **callback))
}
