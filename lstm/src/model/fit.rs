//! Training.

use super::progress::Progress;
use super::rows::Rows;
use super::train::Data;
use super::{History, Model, Verbose};
use crate::error::Result;
use crate::float::Float;
use crate::random::Rng;
use crate::tensor::{Inputs, Tensor};

/// How [`Model::fit`] goes about it: Keras's arguments and defaults.
///
/// ```
/// use lstm::Fit;
///
/// let options: Fit = Fit { epochs: 10, batch_size: 16, ..Fit::default() };
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Fit<'a, T = f32> {
    /// How often all samples are seen; 1 unless set.
    pub epochs: usize,
    /// Samples to a step; 32 unless set.
    pub batch_size: usize,
    /// Whether the samples are put in random order before each epoch; they are unless set.
    pub shuffle: bool,
    /// Which random orders and dropouts; 0 unless set. Epochs are counted from one `fit` to the next, so that
    /// two of one epoch each see the orders of one of two; `compile` and `reseed` start again.
    pub seed: u64,
    /// What is shown meanwhile.
    pub verbose: Verbose,
    /// How much the loss of each sample counts: `[samples]`, or `[samples, steps]` where the
    /// output has steps. Empty if all count alike, one array for all outputs, or one for each.
    pub sample_weight: &'a [&'a Tensor<T>],
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
    };
}

impl<T> Default for Fit<'_, T> {
    fn default() -> Self {
        Fit::DEFAULT
    }
}

impl<T: Float> Model<T> {
    /// Trains on the samples `x` with targets `y`.
    ///
    /// # Errors
    ///
    /// If the model is not compiled, or the data does not fit it. Nothing is trained then.
    pub fn fit(
        &mut self,
        x: impl Inputs<T>,
        y: impl Inputs<T>,
        options: Fit<T>,
    ) -> Result<History> {
        let data = Data { x: x.tensors(), y: y.tensors(), weights: options.sample_weight };
        let samples = self.check_training(data)?;
        let batch_size = self.reserve_batch(data.x, options.batch_size, samples, true)?;

        self.seed = options.seed;
        let names = self.compiled()?.judge.names().to_vec();
        let mut values = Vec::with_capacity(names.len());
        let mut history = History::new(&names, options.epochs);
        let mut order: Vec<usize> = (0..samples).collect();
        let steps = samples.div_ceil(batch_size);
        let mut progress = Progress::new(options.verbose, options.epochs, steps);
        for epoch in 0..options.epochs {
            if options.shuffle {
                order.iter_mut().enumerate().for_each(|(i, at)| *at = i);
                Rng::new(options.seed, self.epochs).shuffle(&mut order);
            }
            progress.epoch(epoch);
            self.compiled()?.judge.reset();
            for (step, rows) in order.chunks(batch_size).enumerate() {
                self.train(data, Rows::These(rows))?;
                self.compiled()?.judge.results(&mut values);
                progress.step(step + 1, &names, &values);
            }
            progress.finish_epoch(&names, &values);
            history.push(epoch, &values);
            self.epochs += 1;
        }
        if options.epochs > 0 {
            self.finalize();
        }
        Ok(history)
    }
}
