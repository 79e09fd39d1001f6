//! The epochs of a training, wherever its batches come from.

use std::borrow::Borrow;

use super::Model;
use super::fit::{Callbacks, Fit};
use super::history::History;
use super::logs::Logs;
use super::progress::Progress;
use super::rows::Rows;
use super::source::Source;
use super::train::{Checks, Data};
use crate::callback::Callback;
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
        mut validate: Option<Validate<T>>,
        options: &Fit<T>,
        callbacks: Callbacks<T>,
    ) -> Result<History> {
        // A callback may train, too: what it leaves is put right, here and before each batch.
        let outer = std::mem::replace(&mut self.stop, false);
        let names = self.compiled()?.judge.names().to_vec();
        let val_names: Vec<String> = names.iter().map(|name| format!("val_{name}")).collect();
        let mut values = Vec::with_capacity(names.len());
        let mut history = History::new(options.epochs.saturating_sub(options.initial_epoch));
        let mut logs = Logs::sorted(names.iter());
        let mut epoch_logs = Logs::sorted(names.iter().chain(&val_names));
        let mut steps = options.steps_per_epoch.or(source.batches());
        let mut progress = Progress::new(options.verbose, options.epochs, steps);

        let mut fitted = 0;
        // Whether the source is within an epoch of its own, which may go on in our next one.
        let mut within = false;
        each(callbacks, |callback| callback.on_train_begin(self))?;
        for epoch in options.initial_epoch..options.epochs {
            progress.epoch(epoch);
            self.compiled()?.judge.reset();
            each(callbacks, |callback| callback.on_epoch_begin(epoch, self))?;
            let mut step = 0;
            while steps.is_none_or(|steps| step < steps) {
                within = within && source.advance()?;
                if !within {
                    if step > 0 {
                        break;
                    }
                    source.start(self.epochs);
                    if !source.advance()? {
                        return Err(Error::invalid("dataset", "it has no batch"));
                    }
                    within = true;
                }
                each(callbacks, |callback| callback.on_train_batch_begin(step, self))?;
                self.seed = options.seed;
                let (data, rows) = source.batch();
                self.fit_to(S::CHECKS, data, rows, &mut fitted)?;
                self.train(data, rows)?;
                self.compiled()?.judge.results(&mut values);
                logs.fill(&names, &values);
                each(callbacks, |callback| callback.on_train_batch_end(step, self, &logs))?;
                step += 1;
                progress.step(step, &logs);
                if self.stop {
                    break;
                }
            }
            if steps.is_none() && !self.stop {
                steps = Some(step); // Keras has counted by now, too
                within = false;
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
            progress.finish_epoch(step, &epoch_logs);
            history.push(epoch, &epoch_logs);
            if self.stop {
                break;
            }
        }
        if options.epochs > 0 {
            self.finalize();
        }
        // Each has its say at the end, also after one that failed.
        let mut result = Ok(());
        for callback in callbacks {
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
    ) -> Result<()> {
        self.compiled()?.judge.reset();
        source.start(0);
        let (mut step, mut fitted) = (0, 0);
        while steps.is_none_or(|steps| step < steps) && source.advance()? {
            let (data, rows) = source.batch();
            self.fit_to(S::CHECKS, data, rows, &mut fitted)?;
            self.test(data, rows)?;
            step += 1;
        }
        if step == 0 {
            return Err(Error::invalid("dataset", "it has no batch"));
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

/// Does something with one callback after another.
fn each<T: Float>(
    callbacks: &mut [&mut dyn Callback<T>],
    mut act: impl FnMut(&mut dyn Callback<T>) -> Result<()>,
) -> Result<()> {
    callbacks.iter_mut().try_for_each(|callback| act(&mut **callback))
}
