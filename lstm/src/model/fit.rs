//! Training.

use std::ops::Range;

use super::logs::Logs;
use super::progress::Progress;
use super::rows::Rows;
use super::train::{Checks, Data};
use super::{History, Model, Verbose};
use crate::callback::Callback;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::metric::largest;
use crate::random::Rng;
use crate::tensor::{Inputs, Tensor};

/// How [`Model::fit`] goes about it: Keras's arguments and defaults.
///
/// ```
/// use lstm::Fit;
///
/// let options: Fit = Fit { epochs: 10, batch_size: 16, validation_split: 0.2, ..Fit::default() };
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Fit<'a, T = f32> {
    /// The number of the epoch to stop before; 1 unless set.
    pub epochs: usize,
    /// Samples to a step; 32 unless set.
    pub batch_size: usize,
    /// Whether the samples are put in random order before each epoch; they are unless set.
    pub shuffle: bool,
    /// Which random orders and dropouts; 0 unless set. Epochs are counted from one `fit` to the
    /// next, so that two of one epoch each see the orders of one of two; `compile` and `reseed`
    /// start again.
    pub seed: u64,
    /// What is shown meanwhile.
    pub verbose: Verbose,
    /// How much the loss of each sample counts: `[samples]`, or `[samples, steps]` where the
    /// output has steps. Empty if all count alike, one array for all outputs, or one for each.
    pub sample_weight: &'a [&'a Tensor<T>],
    /// How much the samples of a class count: those where the target, or the place of the largest
    /// in it, is the number of the class. One for classes that are not named. In place of
    /// `sample_weight`.
    pub class_weight: &'a [(i64, f64)],
    /// The part of the samples, the last ones, that is set aside to validate on; none unless set.
    pub validation_split: f64,
    /// What to validate on after each epoch, in place of `validation_split`.
    pub validation_data: Validation<'a, T>,
    /// Samples to a batch of the validation; `batch_size` unless set.
    pub validation_batch_size: Option<usize>,
    /// How many batches to validate on; all unless set.
    pub validation_steps: Option<usize>,
    /// After every how many epochs to validate; each one unless set.
    pub validation_freq: usize,
    /// The number of the first epoch; 0 unless set.
    pub initial_epoch: usize,
    /// How many batches make an epoch; as many as there are unless set. The next epoch goes on
    /// where one ended; where the samples run out, an epoch ends early.
    pub steps_per_epoch: Option<usize>,
}

/// Samples to validate on; none by default.
#[derive(Clone, Copy, Debug)]
pub struct Validation<'a, T = f32> {
    /// The inputs of the model.
    pub x: &'a [&'a Tensor<T>],
    /// The targets.
    pub y: &'a [&'a Tensor<T>],
    /// As [`Fit::sample_weight`].
    pub sample_weight: &'a [&'a Tensor<T>],
}

impl<T> Default for Validation<'_, T> {
    fn default() -> Self {
        Validation { x: &[], y: &[], sample_weight: &[] }
    }
}

impl<T> Fit<'_, T> {
    /// Keras's defaults.
    pub const DEFAULT: Self = Fit {
        epochs: 1,
        batch_size: 32,
        shuffle: true,
        seed: 0,
        verbose: Verbose::Auto,
        sample_weight: &[],
        class_weight: &[],
        validation_split: 0.0,
        validation_data: Validation { x: &[], y: &[], sample_weight: &[] },
        validation_batch_size: None,
        validation_steps: None,
        validation_freq: 1,
        initial_epoch: 0,
        steps_per_epoch: None,
    };
}

impl<T> Default for Fit<'_, T> {
    fn default() -> Self {
        Fit::DEFAULT
    }
}

/// The callbacks of a training.
pub type Callbacks<'a, 'b, T> = &'a mut [&'b mut dyn Callback<T>];

/// What to validate on, in batches of a size, at most so many.
#[derive(Clone, Copy, Debug)]
struct Held<'a, T> {
    data: Data<'a, &'a Tensor<T>>,
    start: usize,
    end: usize,
    batch_size: usize,
    steps: usize,
}

/// The samples of a training in their present order.
#[derive(Debug)]
struct Order {
    rows: Vec<usize>,
    /// How many batches of it have been taken.
    taken: usize,
}

impl<T: Float> Model<T> {
    /// Trains on the samples `x` with targets `y`.
    ///
    /// # Errors
    ///
    /// If the model is not compiled, the data does not fit it, or an option is out of its range.
    /// Nothing is trained then.
    pub fn fit(
        &mut self,
        x: impl Inputs<T>,
        y: impl Inputs<T>,
        options: Fit<T>,
    ) -> Result<History> {
        self.fit_with(x, y, options, &mut [])
    }

    /// [`fit`](Self::fit) with callbacks.
    ///
    /// # Errors
    ///
    /// As there, and whatever a callback fails with.
    pub fn fit_with(
        &mut self,
        x: impl Inputs<T>,
        y: impl Inputs<T>,
        options: Fit<T>,
        callbacks: Callbacks<T>,
    ) -> Result<History> {
        let whole = Data { x: x.tensors(), y: y.tensors(), weights: options.sample_weight };
        let samples = self.check_training(whole)?;
        let split = split(samples, &options)?;
        let weights = class_weights(&whole, samples, &options)?;
        let weights: Vec<&Tensor<T>> = weights.iter().collect();
        let data = match options.class_weight {
            [] => whole,
            _ => Data { weights: &weights, ..whole },
        };
        let held = self.held(data, split..samples, &options)?;
        let batch_size = self.reserve_batch(data.x, options.batch_size, split, true)?;
        self.refit(data, samples, Checks::Shapes)?;

        self.seed = options.seed;
        self.stop = false;
        let names = self.compiled()?.judge.names().to_vec();
        let val_names: Vec<String> = names.iter().map(|name| format!("val_{name}")).collect();
        let mut values = Vec::with_capacity(names.len());
        let mut history = History::new(options.epochs.saturating_sub(options.initial_epoch));
        let mut logs = Logs::sorted(names.iter());
        let mut epoch_logs = Logs::sorted(names.iter().chain(&val_names));
        let mut order = Order { rows: (0..split).collect(), taken: usize::MAX };
        let batches = split.div_ceil(batch_size);
        let steps = options.steps_per_epoch.unwrap_or(batches);
        let mut progress = Progress::new(options.verbose, options.epochs, steps);

        each(callbacks, |callback| callback.on_train_begin(self))?;
        for epoch in options.initial_epoch..options.epochs {
            progress.epoch(epoch);
            self.compiled()?.judge.reset();
            each(callbacks, |callback| callback.on_epoch_begin(epoch, self))?;
            for step in 0..steps {
                if order.taken >= batches {
                    if step > 0 {
                        break;
                    }
                    self.arrange(&mut order, &options);
                }
                each(callbacks, |callback| callback.on_train_batch_begin(step, self))?;
                let rows = order.rows.chunks(batch_size).nth(order.taken).unwrap_or(&[]);
                self.train(data, Rows::These(rows))?;
                order.taken += 1;
                self.compiled()?.judge.results(&mut values);
                logs.fill(&names, &values);
                each(callbacks, |callback| callback.on_train_batch_end(step, self, &logs))?;
                progress.step(step + 1, &logs);
                if self.stop {
                    break;
                }
            }
            epoch_logs.clear();
            epoch_logs.fill(&names, &values);
            if let Some(held) = held.filter(|_| (epoch + 1) % options.validation_freq == 0) {
                self.validate(held)?;
                self.compiled()?.judge.results(&mut values);
                epoch_logs.fill(&val_names, &values);
                self.refit(data, samples, Checks::Shapes)?;
            }
            self.epochs += 1;
            each(callbacks, |callback| callback.on_epoch_end(epoch, self, &mut epoch_logs))?;
            progress.finish_epoch(&epoch_logs);
            history.push(epoch, &epoch_logs);
            if self.stop {
                break;
            }
        }
        if options.epochs > 0 {
            self.finalize();
        }
        each(callbacks, |callback| callback.on_train_end(self))?;
        Ok(history)
    }

    /// Ends the present `fit` after its present batch; for callbacks.
    pub fn stop_training(&mut self) {
        self.stop = true;
    }

    /// Starts over in the order of the next epoch.
    fn arrange(&self, order: &mut Order, options: &Fit<T>) {
        order.taken = 0;
        if options.shuffle {
            order.rows.iter_mut().enumerate().for_each(|(i, at)| *at = i);
            Rng::new(options.seed, self.epochs).shuffle(&mut order.rows);
        }
    }

    /// Checks what to validate on: data of its own, or the samples that are set aside.
    fn held<'a>(
        &mut self,
        data: Data<'a, &'a Tensor<T>>,
        rest: Range<usize>,
        options: &Fit<'a, T>,
    ) -> Result<Option<Held<'a, T>>> {
        let Validation { x, y, sample_weight } = options.validation_data;
        let (data, range) = match (x.is_empty() && y.is_empty(), rest.is_empty()) {
            (true, true) => return Ok(None),
            (true, false) => {
                // Keras weights classes only where it trains.
                (Data { weights: options.sample_weight, ..data }, rest)
            }
            (false, _) => {
                let data = Data { x, y, weights: sample_weight };
                (data, 0..self.check_training(data)?)
            }
        };
        let batch_size = options.validation_batch_size.unwrap_or(options.batch_size);
        let steps = options.validation_steps.unwrap_or(usize::MAX);
        let batch_size = self.reserve_batch(data.x, batch_size, range.len(), false)?;
        Ok(Some(Held { data, start: range.start, end: range.end, batch_size, steps }))
    }

    fn validate(&mut self, held: Held<T>) -> Result<()> {
        let Held { data, start, end, batch_size, steps } = held;
        self.refit(data, data.x[0].batch(), Checks::Shapes)?;
        self.compiled()?.judge.reset();
        self.test_all(data, start..end, batch_size, steps)
    }
}

/// Does something with one callback after another.
fn each<T: Float>(
    callbacks: &mut [&mut dyn Callback<T>],
    mut act: impl FnMut(&mut dyn Callback<T>) -> Result<()>,
) -> Result<()> {
    callbacks.iter_mut().try_for_each(|callback| act(&mut **callback))
}

/// How many of the samples are trained on: all but the last ones that are set aside. Checks the
/// options on the way.
fn split<T>(samples: usize, options: &Fit<T>) -> Result<usize> {
    for (name, value) in [
        ("validation_freq", Some(options.validation_freq)),
        ("validation_batch_size", options.validation_batch_size),
        ("validation_steps", options.validation_steps),
        ("steps_per_epoch", options.steps_per_epoch),
    ] {
        if value == Some(0) {
            return Err(Error::invalid(name, "it must be positive"));
        }
    }
    let part = options.validation_split;
    if !(0.0..1.0).contains(&part) {
        let why = format!("{part} is not within 0 ≤ validation_split < 1");
        return Err(Error::invalid("validation_split", why));
    }
    if part == 0.0 || !options.validation_data.x.is_empty() {
        return Ok(samples);
    }
    match (samples as f64 * (1.0 - part)).floor() as usize {
        0 => {
            let why = format!("{samples} samples are too few to set aside {part} of them");
            Err(Error::invalid("validation_split", why))
        }
        at if at == samples => {
            let why = format!("{part} of {samples} samples is none");
            Err(Error::invalid("validation_split", why))
        }
        at => Ok(at),
    }
}

/// The weights of samples that those of classes make, if there are any.
fn class_weights<T: Float>(
    data: &Data<&Tensor<T>>,
    samples: usize,
    options: &Fit<T>,
) -> Result<Option<Tensor<T>>> {
    let classes = options.class_weight;
    if classes.is_empty() {
        return Ok(None);
    }
    let refuse = |why: &str| Err(Error::invalid("class_weight", why));
    if !options.sample_weight.is_empty() {
        return refuse("it cannot be given beside sample_weight");
    }
    if classes.iter().any(|(_, weight)| !weight.is_finite()) {
        return refuse("a weight is not finite");
    }
    let [y] = data.y else {
        return refuse("it is only for models with one output");
    };
    let classes_last = y.shape().len() > 1 && y.shape().last() != Some(&1);
    let width = if classes_last { y.shape().last().copied().unwrap_or(1) } else { 1 };
    if y.data().len() != samples * width {
        return refuse("it is only for targets with one class for each sample");
    }
    let weights = y.data().chunks_exact(width.max(1)).map(|row| {
        let class = match classes_last {
            true => largest(row) as i64,
            false => row[0].to_f64().round_ties_even() as i64,
        };
        let known = classes.iter().find(|(known, _)| *known == class);
        T::from_f64(known.map_or(1.0, |&(_, weight)| weight))
    });
    Tensor::new([samples], weights.collect()).map(Some)
}
