//! Training.

use std::borrow::Borrow;
use std::ops::Range;

use super::backup::{self, Backup};
use super::source::{Arrays, Order, Streamed};
use super::train::Data;
use super::{Bptt, History, Model, Verbose};
use crate::callback::Callback;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::metric::largest;
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
    /// How much the loss of each sample counts: `[samples]`; where the output has steps,
    /// `[samples, steps]`, or `[samples, 1]` if all of a sample count alike. Empty if all samples do,
    /// one array for all outputs, or one for each.
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
    /// How gradients go back through time: to the first step unless set.
    pub bptt: Bptt,
    /// A file to go on from: none unless set. What Keras's `BackupAndRestore` is for, exactly: where
    /// a training is broken off, the same program, run again, ends with the same bits as if it had
    /// not been, and the history is whole. Between the runs data, model, options and callbacks must
    /// be the same, but for `epochs`: it is then as if there had been so many from the beginning. They
    /// may grow, and may shrink down to those that have begun; fewer are refused, since what the model
    /// was like before is gone. All but the data and the settings of callbacks is checked, before
    /// anything is changed or a callback is called. A callback goes on if it has a
    /// [`memory`](Callback::memory), as all of this crate do; one that compiles the model anew is not
    /// gone on from.
    ///
    /// A training that is over begins, and ends at once with what it came to: callbacks see its
    /// beginning and its end, and no epoch.
    pub backup: Option<Backup<'a>>,
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
        bptt: Bptt::Full,
        backup: None,
    };
}

impl<T> Default for Fit<'_, T> {
    fn default() -> Self {
        Fit::DEFAULT
    }
}

/// The callbacks of a training.
pub type Callbacks<'a, 'b, T> = &'a mut [&'b mut dyn Callback<T>];

/// Samples to validate on.
type Held<'a, T> = Arrays<'a, &'a Tensor<T>>;

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
        let mut of_classes = Tensor::zeros([0]);
        let data = match options.class_weight {
            [] => whole,
            _ if !options.sample_weight.is_empty() => {
                let why = "it cannot be given beside sample_weight";
                return Err(Error::invalid("class_weight", why));
            }
            classes => {
                weigh_classes(whole.y, classes, &mut of_classes)?;
                Data { weights: &[&of_classes], ..whole }
            }
        };
        let batch_size = self.reserve_batch(data.x, options.batch_size, split, true)?;
        let mut held = self.held(data, split..samples, batch_size, &options)?;
        let order = match options.shuffle {
            true => Order::Shuffled((0..split).collect(), options.seed),
            false => Order::InTurn(0..split),
        };
        let mut source = Arrays::new(data, order, batch_size);
        let (steps, silent) = (options.validation_steps, Verbose::Silent);
        let mut validate =
            held.as_mut().map(|held| |model: &mut Self| model.test_batches(held, steps, silent));
        let validate = validate.as_mut().map(|validate| validate as _);
        self.train_epochs(&mut source, validate, &options, callbacks)
    }

    /// Trains on the batches of a dataset. The samples of a batch, their order and their weights are
    /// the dataset's affair: of the options, `batch_size` and `shuffle` have no meaning here.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit), and whatever the dataset fails with. A batch that does not fit is found
    /// when its turn comes.
    pub fn fit_dataset(
        &mut self,
        dataset: &mut dyn Dataset<T>,
        options: Fit<T>,
    ) -> Result<History> {
        self.fit_dataset_with(dataset, None, options, &mut [])
    }

    /// [`fit_dataset`](Self::fit_dataset) with callbacks, and with a dataset to validate on, in place
    /// of [`Fit::validation_data`].
    ///
    /// # Errors
    ///
    /// As there, and whatever a callback fails with.
    pub fn fit_dataset_with(
        &mut self,
        dataset: &mut dyn Dataset<T>,
        validation: Option<&mut dyn Dataset<T>>,
        options: Fit<T>,
        callbacks: Callbacks<T>,
    ) -> Result<History> {
        self.compiled()?;
        let arrays = !options.validation_data.x.is_empty() || !options.validation_data.y.is_empty();
        for (name, given, instead) in [
            ("validation_split", options.validation_split != 0.0, "give another dataset"),
            ("sample_weight", !options.sample_weight.is_empty(), "give them with each batch"),
            (
                "validation_data",
                arrays && validation.is_some(),
                "there is a dataset to validate on",
            ),
        ] {
            if given {
                let why = format!("it cannot be given beside a dataset: {instead}");
                return Err(Error::invalid(name, why));
            }
        }
        check(&options)?;
        let mut arrays = match arrays {
            true => self.held(Data { x: &[], y: &[], weights: &[] }, 0..0, 0, &options)?,
            false => None,
        };
        let mut streamed = validation.map(|dataset| Streamed::new(dataset, &[]));
        let (steps, silent) = (options.validation_steps, Verbose::Silent);
        let validated = arrays.is_some() || streamed.is_some();
        let mut validate = |model: &mut Self| match (&mut arrays, &mut streamed) {
            (Some(arrays), _) => model.test_batches(arrays, steps, silent),
            (_, Some(streamed)) => model.test_batches(streamed, steps, silent),
            _ => Ok(()),
        };
        let validate = validated.then_some(&mut validate as _);
        let mut source = Streamed::new(dataset, options.class_weight);
        self.train_epochs(&mut source, validate, &options, callbacks)
    }

    /// Ends the present `fit` after its present batch; for callbacks.
    pub fn stop_training(&mut self) {
        self.stop = true;
    }

    /// Checks what to validate on: data of its own, or the samples that are set aside. Training has
    /// `trained` rows in a batch, if it is known before.
    fn held<'a>(
        &mut self,
        data: Data<'a, &'a Tensor<T>>,
        rest: Range<usize>,
        trained: usize,
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
        let batch_size = self.reserve_batch(data.x, batch_size, range.len(), false)?;
        self.execution.check_rows_of(range.len(), batch_size, trained)?;
        Ok(Some(Arrays::new(data, Order::InTurn(range), batch_size)))
    }
}

/// Checks the options that count something.
fn check<T>(options: &Fit<T>) -> Result<()> {
    backup::check(options)?;
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
    check_class_weight(options.class_weight)
}

/// Checks weights of classes.
pub(super) fn check_class_weight(class_weight: &[(i64, f64)]) -> Result<()> {
    if class_weight.iter().any(|(_, weight)| !weight.is_finite()) {
        return Err(Error::invalid("class_weight", "a weight is not finite"));
    }
    Ok(())
}

/// How many of the samples are trained on: all but the last ones that are set aside.
fn split<T>(samples: usize, options: &Fit<T>) -> Result<usize> {
    check(options)?;
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

/// The weights of samples that those of classes make.
pub(super) fn weigh_classes<T: Float, X: Borrow<Tensor<T>>>(
    y: &[X],
    classes: &[(i64, f64)],
    weights: &mut Tensor<T>,
) -> Result<()> {
    let refuse = |why: &str| Err(Error::invalid("class_weight", why));
    let [y] = y else {
        return refuse("it is only for models with one output");
    };
    let y = y.borrow();
    let classes_last = y.shape().len() > 1 && y.shape().last() != Some(&1);
    let width = if classes_last { y.shape().last().copied().unwrap_or(1) } else { 1 };
    if y.data().len() != y.batch() * width {
        return refuse("it is only for targets with one class for each sample");
    }
    weights.refit(&[y.batch()], &[]);
    for (weight, row) in weights.data_mut().iter_mut().zip(y.data().chunks_exact(width.max(1))) {
        let class = match classes_last {
            true => largest(row) as i64,
            false => row[0].to_f64().round_ties_even() as i64,
        };
        let known = classes.iter().find(|(known, _)| *known == class);
        *weight = T::from_f64(known.map_or(1.0, |&(_, weight)| weight));
    }
    Ok(())
}
