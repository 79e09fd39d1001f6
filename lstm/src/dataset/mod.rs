//! Datasets: batches that are made when their turn comes, in place of arrays that hold all samples.

mod timeseries;

use std::fmt;

pub use timeseries::{Timeseries, TimeseriesDataset, timeseries_dataset_from_array};

use crate::error::Result;
use crate::tensor::Tensor;

/// The samples of one step: inputs, targets and weights of a model, as many of each as it takes.
///
/// It is made of `x`, `(x, y)` or `(x, y, sample_weight)`, each a tensor, or a vector of tensors for
/// several inputs or outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch<T = f32> {
    /// The inputs.
    pub x: Vec<Tensor<T>>,
    /// The targets; none where a model only predicts.
    pub y: Vec<Tensor<T>>,
    /// How much the loss of each sample counts, as in [`Fit::sample_weight`](crate::Fit).
    pub sample_weight: Vec<Tensor<T>>,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Batch { x: Vec::new(), y: Vec::new(), sample_weight: Vec::new() }
    }
}

impl<T> From<Tensor<T>> for Batch<T> {
    fn from(x: Tensor<T>) -> Self {
        Batch { x: vec![x], ..Batch::default() }
    }
}

impl<T> From<(Tensor<T>, Tensor<T>)> for Batch<T> {
    fn from((x, y): (Tensor<T>, Tensor<T>)) -> Self {
        Batch { x: vec![x], y: vec![y], ..Batch::default() }
    }
}

impl<T> From<(Tensor<T>, Tensor<T>, Tensor<T>)> for Batch<T> {
    fn from((x, y, weights): (Tensor<T>, Tensor<T>, Tensor<T>)) -> Self {
        Batch { x: vec![x], y: vec![y], sample_weight: vec![weights] }
    }
}

impl<T> From<(Vec<Tensor<T>>, Vec<Tensor<T>>)> for Batch<T> {
    fn from((x, y): (Vec<Tensor<T>>, Vec<Tensor<T>>)) -> Self {
        Batch { x, y, ..Batch::default() }
    }
}

impl<T> From<(Vec<Tensor<T>>, Vec<Tensor<T>>, Vec<Tensor<T>>)> for Batch<T> {
    fn from((x, y, sample_weight): (Vec<Tensor<T>>, Vec<Tensor<T>>, Vec<Tensor<T>>)) -> Self {
        Batch { x, y, sample_weight }
    }
}

/// Batches, one after another, and over again in the next epoch: what
/// [`Model::fit_dataset`](crate::Model::fit_dataset) trains on.
///
/// [`Batches`] makes one of any iterator, [`timeseries_dataset_from_array`] one of the windows over
/// a series. To write one of your own lets it keep its memory from batch to batch, and fail.
pub trait Dataset<T> {
    /// Goes to the beginning of the batches, for the epoch number `epoch`: the same number has the same
    /// batches, so that a training can be repeated, and go on from a
    /// [backup](crate::Fit::backup).
    ///
    /// In a training, `epoch` is how many epochs the model was trained for since
    /// [`compile`](crate::Model::compile) or [`reseed`](crate::Model::reseed), by this
    /// [`fit_dataset`](crate::Model::fit_dataset) and all before it: from 0, whatever
    /// [`initial_epoch`](crate::Fit::initial_epoch) is. With
    /// [`steps_per_epoch`](crate::Fit::steps_per_epoch), one start lasts until there are no more
    /// batches, which may take several epochs of the training: then numbers are left out, and none
    /// comes twice. To validate, evaluate and predict, it is always 0.
    fn start(&mut self, epoch: u64);

    /// Makes the next batch. False if the epoch has no more.
    ///
    /// # Errors
    ///
    /// If it cannot be made: that ends the training, and is what `fit` returns.
    fn advance(&mut self) -> Result<bool>;

    /// The batch that [`advance`](Self::advance) has made.
    fn batch(&self) -> &Batch<T>;

    /// How many batches an epoch has, where that is known.
    fn batches(&self) -> Option<usize> {
        None
    }
}

/// The dataset of the batches that an iterator gives.
///
/// ```
/// use lstm::{Batches, Dense, Fit, Input, Loss, SGD, Sequential, Tensor};
///
/// let line = |epoch: u64| {
///     (0..8).map(move |at| {
///         let x = (at + epoch) as f32 / 8.0;
///         (Tensor::from([[x]]), Tensor::from([[2.0 * x + 1.0]]))
///     })
/// };
/// let mut model = Sequential::new().add(Input::new([1])).add(Dense::new(1)).build()?;
/// model.compile(SGD::default(), Loss::MeanSquaredError)?;
/// let history = model.fit_dataset(&mut Batches::new(line), Fit { epochs: 9, ..Fit::default() })?;
/// assert!(history.loss()[8] < history.loss()[0]);
/// # Ok::<(), lstm::Error>(())
/// ```
pub struct Batches<T, I, F> {
    make: F,
    epoch: Option<I>,
    batch: Batch<T>,
}

impl<T, I, F> Batches<T, I, F>
where
    I: Iterator<Item: Into<Batch<T>>>,
    F: FnMut(u64) -> I,
{
    /// `make` gives the iterator over the batches of an epoch, by its number: that of
    /// [`Dataset::start`]. One that never ends goes with [`Fit::steps_per_epoch`](crate::Fit).
    pub fn new(make: F) -> Self {
        Batches { make, epoch: None, batch: Batch::default() }
    }
}

impl<T, I, F> Dataset<T> for Batches<T, I, F>
where
    I: Iterator<Item: Into<Batch<T>>>,
    F: FnMut(u64) -> I,
{
    fn start(&mut self, epoch: u64) {
        self.epoch = Some((self.make)(epoch));
    }

    fn advance(&mut self) -> Result<bool> {
        let next = self.epoch.as_mut().and_then(Iterator::next);
        let more = next.is_some();
        if let Some(batch) = next {
            self.batch = batch.into();
        }
        Ok(more)
    }

    fn batch(&self) -> &Batch<T> {
        &self.batch
    }

    fn batches(&self) -> Option<usize> {
        None // what an iterator says of its length is a hint, and only of its present epoch
    }
}

impl<T: fmt::Debug, I, F> fmt::Debug for Batches<T, I, F> {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.debug_struct("Batches").field("batch", &self.batch).finish_non_exhaustive()
    }
}
