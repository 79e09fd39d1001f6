//! Windows over a series.

use super::{Batch, Dataset};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::random::Rng;
use crate::tensor::Tensor;

/// How [`timeseries_dataset_from_array`] cuts: Keras's arguments and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeseries {
    /// From the beginning of a window to that of the next; 1 unless set.
    pub sequence_stride: usize,
    /// From an element of a window to the next; 1 unless set.
    pub sampling_rate: usize,
    /// Windows to a batch; 128 unless set.
    pub batch_size: usize,
    /// Whether the windows are in random order, another in each epoch; they are not unless set.
    pub shuffle: bool,
    /// Which random orders; 0 unless set.
    pub seed: u64,
    /// The first element of the series that is used; 0 unless set.
    pub start_index: usize,
    /// The end of those that are used; that of the series unless set.
    pub end_index: Option<usize>,
}

impl Default for Timeseries {
    fn default() -> Self {
        Timeseries {
            sequence_stride: 1,
            sampling_rate: 1,
            batch_size: 128,
            shuffle: false,
            seed: 0,
            start_index: 0,
            end_index: None,
        }
    }
}

/// The windows of `sequence_length` elements over a series, cut while they are asked for: nothing is
/// copied but the present batch. Keras's function of this name.
///
/// `data` is `[time, ...]`; window number n begins at element `n * sequence_stride`, and a batch is
/// `[windows, sequence_length, ...]`. The target of a window is the element of `targets` with the
/// number of its *first* element; to predict what comes after a window, shift the targets.
///
/// ```
/// use lstm::{Dataset, Tensor, Timeseries, timeseries_dataset_from_array};
///
/// let series = Tensor::new([6, 1], vec![0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0])?;
/// let next = Tensor::from([3.0f32, 4.0, 5.0]);
/// let options = Timeseries { batch_size: 2, ..Timeseries::default() };
/// let mut windows = timeseries_dataset_from_array(&series, Some(&next), 3, options)?;
/// assert_eq!(windows.batches(), Some(2));
/// windows.start(0);
/// assert!(windows.advance()?);
/// assert_eq!(windows.batch().x, [Tensor::from([[[0.0], [1.0], [2.0]], [[1.0], [2.0], [3.0]]])]);
/// assert_eq!(windows.batch().y, [Tensor::from([3.0, 4.0])]);
/// # Ok::<(), lstm::Error>(())
/// ```
///
/// # Errors
///
/// If an option is out of its range, or the series is shorter than a window.
pub fn timeseries_dataset_from_array<'a, T: Float>(
    data: &'a Tensor<T>,
    targets: Option<&'a Tensor<T>>,
    sequence_length: usize,
    options: Timeseries,
) -> Result<TimeseriesDataset<'a, T>> {
    let Timeseries { sequence_stride, sampling_rate, batch_size, start_index, .. } = options;
    let length = data.shape().first().copied().unwrap_or(0);
    let positive = [
        ("sequence_length", sequence_length),
        ("sequence_stride", sequence_stride),
        ("sampling_rate", sampling_rate),
        ("batch_size", batch_size),
    ];
    for (name, value) in positive {
        if value == 0 {
            return Err(Error::invalid(name, "it must be positive"));
        }
    }
    let end = options.end_index.unwrap_or(length);
    for (name, value) in [("start_index", start_index), ("end_index", end)] {
        if value > length {
            let why = format!("{value} is beyond the series, which has {length} elements");
            return Err(Error::invalid(name, why));
        }
    }
    if end <= start_index {
        let why = format!("{end} is not beyond start_index, which is {start_index}");
        return Err(Error::invalid("end_index", why));
    }
    let span = (sequence_length - 1).saturating_mul(sampling_rate);
    let mut starts = (end - start_index).saturating_sub(span);
    if let Some(targets) = targets {
        let known = targets.shape().first().map_or(0, |&known| known.min(end));
        starts = starts.min(known.saturating_sub(start_index));
    }
    if starts == 0 {
        let why = format!(
            "no window of {sequence_length} elements, {sampling_rate} apart, fits in elements \
             {start_index} to {end} and their targets"
        );
        return Err(Error::invalid("sequence_length", why));
    }
    Ok(TimeseriesDataset {
        data,
        targets,
        sequence_length,
        options,
        order: (0..starts).step_by(sequence_stride).map(|at| start_index + at).collect(),
        taken: usize::MAX,
        batch: Batch::default(),
    })
}

/// What [`timeseries_dataset_from_array`] makes.
#[derive(Clone, Debug)]
pub struct TimeseriesDataset<'a, T> {
    data: &'a Tensor<T>,
    targets: Option<&'a Tensor<T>>,
    sequence_length: usize,
    options: Timeseries,
    /// The first element of each window, in the order of the epoch.
    order: Vec<usize>,
    /// How many windows of it have been taken.
    taken: usize,
    batch: Batch<T>,
}

impl<T: Float> Dataset<T> for TimeseriesDataset<'_, T> {
    fn start(&mut self, epoch: u64) {
        self.taken = 0;
        if self.options.shuffle {
            self.order.sort_unstable();
            Rng::new(self.options.seed, epoch).shuffle(&mut self.order);
        }
    }

    fn advance(&mut self) -> Result<bool> {
        let Timeseries { sampling_rate, batch_size, .. } = self.options;
        let rest = self.order.get(self.taken..).unwrap_or(&[]);
        let starts = &rest[..rest.len().min(batch_size)];
        if starts.is_empty() {
            return Ok(false);
        }
        let Batch { x, y, .. } = &mut self.batch;
        x.resize_with(1, || Tensor::zeros([0]));
        x[0].refit(&[starts.len(), self.sequence_length], &self.data.shape()[1..]);
        let elements = starts
            .iter()
            .flat_map(|&start| (0..self.sequence_length).map(move |at| start + at * sampling_rate));
        x[0].gather(self.data, elements);
        if let Some(targets) = self.targets {
            y.resize_with(1, || Tensor::zeros([0]));
            y[0].refit(&[starts.len()], &targets.shape()[1..]);
            y[0].gather(targets, starts.iter().copied());
        }
        self.taken += starts.len();
        Ok(true)
    }

    fn batch(&self) -> &Batch<T> {
        &self.batch
    }

    fn batches(&self) -> Option<usize> {
        Some(self.order.len().div_ceil(self.options.batch_size))
    }
}
