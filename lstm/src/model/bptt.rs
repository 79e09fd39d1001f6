//! How far and in how much memory gradients go back through time.

use std::borrow::Borrow;

use super::Model;
use super::rows::Rows;
use super::stream::{Kind, kinds};
use super::train::{Checks, Data};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::tensor::Tensor;

/// How [`fit`](Model::fit) goes back through time.
///
/// ```
/// use lstm::{Adam, Bptt, Dense, Fit, Input, LSTM, Loss, Sequential, Tensor, Verbose};
///
/// // The next number of a wave, after each of twenty thousand.
/// let wave: Vec<f32> = (0..20_001).map(|t| (0.1 * t as f32).sin()).collect();
/// let x = Tensor::new([1, 20_000, 1], wave[..20_000].to_vec())?;
/// let y = Tensor::new([1, 20_000, 1], wave[1..].to_vec())?;
/// let train = |bptt| {
///     let mut model = Sequential::new()
///         .add(Input::new([None, Some(1)]))
///         .add(LSTM::new(16).return_sequences(true))
///         .add(Dense::new(1))
///         .build()?;
///     model.compile(Adam::default(), Loss::MeanSquaredError)?;
///     model.fit(&x, &y, Fit { epochs: 3, bptt, verbose: Verbose::Silent, ..Fit::default() })
/// };
/// // Exact gradients in 2 MB, where all that backward could use would be 9 MB.
/// let exact = train(Bptt::Checkpointed { bytes: 2_000_000 })?;
/// assert_eq!(exact.loss(), train(Bptt::Full)?.loss());
/// // Four hundred steps of the optimizer in each epoch, which go back fifty steps.
/// let truncated = train(Bptt::Truncated { window: 50 })?;
/// assert!(truncated.loss()[2] < exact.loss()[2]);
/// # Ok::<(), lstm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bptt {
    /// To the first step, with all that this takes kept from forward: for each step of each row and
    /// recurrent layer, `inputs + 7 units` numbers, units padded to whole vectors.
    #[default]
    Full,
    /// To the first step, with at most so many bytes kept: the same gradients to the bit, for about one
    /// more forward.
    ///
    /// Of all recurrent layers together, and all that backward makes them keep: states at some steps, and
    /// what a stretch between two of them is computed anew with. Each has the least that is enough; they
    /// share the rest in proportion to what more they could use. What is not for backward through time is
    /// not counted: data, outputs of layers and their gradients; nor are the copies that a layer with a
    /// mask or with `dropout` makes of its input. How many are needed depends on rows and steps of a
    /// batch, and fewer rows may need more: batches of arrays are checked before the training begins, one
    /// of a dataset when its turn comes.
    Checkpointed {
        /// The bytes.
        bytes: usize,
    },
    /// To the first of so many steps (R. Williams and J. Peng, *An Efficient Gradient-Based Algorithm
    /// for On-Line Training of Recurrent Network Trajectories*, 1990): a batch is cut into windows
    /// along its steps, the last one maybe shorter, and each is a batch to train on. Recurrent layers
    /// start a window with the states that the last one ended with, as numbers: no gradient goes
    /// back into them. Before each batch they are zeros, or what a stateful layer has carried on.
    ///
    /// It is what Keras does with stateful layers and data cut by hand. Each window has a step of the
    /// optimizer, its own dropout, and losses that are means over it; the loss of an epoch counts each
    /// window by its steps, those of the outputs of several and metrics as Keras counts batches. Callbacks see whole batches. The model must go step by step from its
    /// inputs to its outputs, as in a [`stream`](Model::stream); a masked step that starts a window puts
    /// out zeros.
    Truncated {
        /// The steps of a window.
        window: usize,
    },
}

/// A window of a batch.
#[derive(Debug)]
pub(super) struct Window<T> {
    x: Vec<Tensor<T>>,
    y: Vec<Tensor<T>>,
    weights: Vec<Tensor<T>>,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Window { x: Vec::new(), y: Vec::new(), weights: Vec::new() }
    }
}

impl<T: Float> Window<T> {
    /// Takes steps of rows of the data, of which sequences have `all` steps.
    fn take<X: Borrow<Tensor<T>>>(
        &mut self,
        data: Data<X>,
        rows: Rows,
        (start, end, all): (usize, usize, usize),
    ) {
        for (to, from) in
            [(&mut self.x, data.x), (&mut self.y, data.y), (&mut self.weights, data.weights)]
        {
            to.resize_with(from.len(), || Tensor::zeros([0]));
            for (to, from) in to.iter_mut().zip(from) {
                let from = from.borrow();
                match from.shape() {
                    [_, steps, rest @ ..] if *steps == all => {
                        to.refit(&[rows.len(), end - start], rest);
                        rows.copy_steps(from, start..end, to.data_mut());
                    }
                    shape => {
                        to.refit(&[rows.len()], &shape[1..]);
                        rows.copy(from, to.data_mut());
                    }
                }
            }
        }
    }

    fn data(&self) -> Data<'_, Tensor<T>> {
        Data { x: &self.x, y: &self.y, weights: &self.weights }
    }
}

impl<T: Float> Model<T> {
    /// Takes in how training goes back through time.
    ///
    /// # Errors
    ///
    /// If a window has no step, or the model cannot be trained in windows.
    pub(super) fn set_bptt(&mut self, bptt: Bptt) -> Result<()> {
        if let Bptt::Truncated { window } = bptt {
            if window == 0 {
                return Err(Error::invalid("window", "it must have a step"));
            }
            let kinds = kinds(&self.graph)?;
            let places = self.graph.inputs.iter().map(|&input| (input, 0));
            for (call, output) in places.chain(self.graph.outputs.iter().copied()) {
                if kinds[call][output] == Kind::Whole {
                    let what = format!("output of `{}`", self.graph.name(call));
                    let why = "it has no steps to cut into windows for truncated BPTT";
                    return Err(Error::invalid(what, why));
                }
            }
        }
        self.execution.keep_within(match bptt {
            Bptt::Checkpointed { bytes } => Some(bytes),
            Bptt::Full | Bptt::Truncated { .. } => None,
        });
        self.bptt = bptt;
        Ok(())
    }

    /// A step of training on a batch that was fitted, or one for each window of it.
    pub(super) fn train_back<X: Borrow<Tensor<T>>>(
        &mut self,
        data: Data<X>,
        rows: Rows,
    ) -> Result<()> {
        let Bptt::Truncated { window } = self.bptt else {
            return self.train(data, rows).map(|_| ());
        };
        let all = self.steps_of(data)?;
        let mut cut = std::mem::take(&mut self.window);
        self.execution.carry(true);
        let mut result = Ok(());
        for start in (0..all).step_by(window) {
            let end = all.min(start + window);
            cut.take(data, rows, (start, end, all));
            result = self.train_window(cut.data(), rows.len());
            if result.is_err() {
                break;
            }
        }
        self.execution.carry(false);
        self.window = cut;
        result
    }

    fn train_window(&mut self, data: Data<Tensor<T>>, rows: usize) -> Result<()> {
        self.refit(data, rows, Checks::Shapes)?;
        self.train(data, Rows::Range(0, rows))?;
        Ok(())
    }

    /// The steps that all inputs and targets have.
    fn steps_of<X: Borrow<Tensor<T>>>(&self, data: Data<X>) -> Result<usize> {
        let steps = |x: &X| x.borrow().shape().get(1).copied().unwrap_or(0);
        let all = data.x.first().map_or(0, steps);
        for (what, arrays) in [("input", data.x), ("target", data.y)] {
            for (at, array) in arrays.iter().enumerate() {
                if steps(array) != all {
                    let what = format!("steps of {what} {at}, for truncated BPTT");
                    return Err(Error::Count { what, expected: all, found: steps(array) });
                }
            }
        }
        Ok(all)
    }
}
