//! A model that takes one step at a time.

use std::path::Path;
use std::sync::PoisonError;

use kernels::{Buffer, Isa};

use super::Model;
use super::execution::{Execution, Mode, Params};
use crate::activation::Activation;
use crate::archive::Writer;
use crate::engine::SharedWeights;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::graph::{Call, Graph};
use crate::layer::{Embedding, Layer, Op, Truth};
use crate::shape::Shape;
use crate::tensor::{self, Tensor};

/// What a value is in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A step of a sequence.
    Step,
    /// What a sequence has come to so far, or what is no sequence.
    Whole,
}

/// An input of a stream.
#[derive(Debug)]
struct Feed<'m> {
    /// The call that it is.
    call: usize,
    name: &'m str,
    /// Those that read it.
    embeddings: Vec<&'m Embedding>,
    /// The shape of a batch of steps.
    shape: Vec<usize>,
}

impl Feed<'_> {
    /// Checks how many numbers a step has, and that they are finite.
    fn check<T: Float>(&self, x: &[T]) -> Result<()> {
        let expected = self.shape.iter().product();
        if x.len() != expected {
            let what = format!("numbers in a step of {}", self.name);
            return Err(Error::Count { what, expected, found: x.len() });
        }
        tensor::check_finite(self.name, &self.shape, x)
    }

    /// Checks that the embeddings know the numbers of a step.
    fn check_indices<T: Float>(&self, x: &[T]) -> Result<()> {
        self.embeddings.iter().try_for_each(|embedding| embedding.check_indices(self.name, x))
    }
}

/// What the streams of a model share of each recurrent layer's cells.
#[derive(Debug)]
pub(super) struct Streamed<T> {
    /// The version of the weights, and the instruction set.
    of: Option<(u64, Isa)>,
    layers: Vec<Vec<SharedWeights<T>>>,
}

impl<T> Default for Streamed<T> {
    fn default() -> Self {
        Streamed { of: None, layers: Vec::new() }
    }
}

impl<T> Streamed<T> {
    /// That of all layers, forgotten if it is of other weights.
    fn of(&mut self, version: u64, isa: Isa, layers: usize) -> &mut [Vec<SharedWeights<T>>] {
        if self.of.replace((version, isa)) != Some((version, isa)) {
            self.layers.clear();
        }
        self.layers.resize_with(layers, Vec::new);
        &mut self.layers
    }
}

/// A model that takes one step at a time and carries its states along: see [`Model::stream`].
///
/// A row is a sequence of its own: it can begin anew, be put aside and come back, in this stream or in
/// another, while the others go on.
///
/// ```
/// use lstm::{Input, LSTM, Sequential};
///
/// let model = Sequential::new().add(Input::new([None, Some(1)])).add(LSTM::new(4)).build()?;
/// let mut stream = model.stream(2)?;
/// assert_eq!(stream.state_names(), ["lstm/h", "lstm/c"]);
/// let first = stream.step(&[0.1f32, 0.2])?.to_vec();
///
/// // Row 1 is put aside, and makes room for another sequence.
/// let aside = stream.row_state(1);
/// # let folder = std::env::temp_dir().join(format!("lstm-stream-{}", std::process::id()));
/// # let path = folder.join("row.safetensors");
/// stream.save_row_state(1, &path)?;
/// stream.reset_row(1);
/// assert_eq!(stream.step(&[0.3, 0.1])?[4..], first[..4]);
///
/// // It goes on where it was: in another stream, from the file, or here.
/// let mut alone = model.stream(1)?;
/// alone.load_state(&path)?;
/// let next = alone.step(&[0.4])?.to_vec();
/// stream.set_row_state(1, &aside)?;
/// assert_eq!(stream.step(&[0.5, 0.4])?[4..], next);
///
/// // All at once: states go to a file, and come back.
/// stream.save_state(&path)?;
/// let before = stream.state();
/// stream.reset();
/// stream.load_state(&path)?;
/// assert_eq!(stream.state(), before);
/// # let _ = std::fs::remove_dir_all(&folder);
/// # Ok::<(), lstm::Error>(())
/// ```
#[derive(Debug)]
pub struct Stream<'m, T = f32> {
    execution: Execution<T>,
    name: &'m str,
    weights: &'m [T],
    batch: usize,
    inputs: Vec<Feed<'m>>,
    /// Where the outputs are.
    outputs: Vec<(usize, usize)>,
    /// The names of the states, with their units: `h` and `c` of each.
    states: Vec<(String, usize)>,
    /// Room for states on their way.
    room: [Buffer<T>; 2],
}

impl<T: Float> Model<T> {
    /// A predictor that takes one step at a time, for `batch` rows side by side, with the weights that
    /// the model has. It starts where a sequence does, with states of zero.
    ///
    /// The outputs of all steps, one after another, are those of [`predict`](Self::predict) on the
    /// sequence, bit for bit. Of a layer that returns its last output alone, the output after a step
    /// is that of the sequence up to there. A row whose step is masked, by a [`Masking`](crate::Masking) say,
    /// keeps its states and puts out what it did before. A step allocates nothing, takes no lock and makes no
    /// system call. The weights are those of the model, and what recurrent layers read is packed once for all
    /// streams of one row and once for all others; so there can be many, on several threads.
    ///
    /// ```
    /// use lstm::{Dense, Input, LSTM, Sequential, Tensor};
    ///
    /// let mut model = Sequential::new()
    ///     .add(Input::new([None, Some(2)]))
    ///     .add(LSTM::new(8).return_sequences(true))
    ///     .add(LSTM::new(4))
    ///     .add(Dense::new(1))
    ///     .build()?;
    /// let x = Tensor::from([[[0.1f32, 0.2], [0.3, 0.4], [0.5, 0.6]]]);
    /// let whole = model.predict(&x)?;
    ///
    /// let mut stream = model.stream(1)?;
    /// let mut last = 0.0;
    /// for step in x.data().chunks_exact(2) {
    ///     last = stream.step(step)?[0];
    /// }
    /// assert_eq!(last, whole.data()[0]);
    /// # Ok::<(), lstm::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If `batch` is zero, or a layer cannot take one step at a time: one that reads a sequence from
    /// its end, or as a whole. The error names it.
    pub fn stream(&self, batch: usize) -> Result<Stream<'_, T>> {
        if batch == 0 {
            return Err(Error::invalid("batch", "it must be positive"));
        }
        let kinds = kinds(&self.graph)?;
        let ranges = self.ranges();
        let mut states = Vec::new();
        let mut shared = self.streamed.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = shared.of(self.version, self.isa, self.graph.layers.len());
        let mut calls = 0..self.graph.calls.len();
        let mut execution = Execution::with(&self.graph, &ranges, |call| {
            let (number, member) = (calls.next().unwrap_or(0), &self.graph.layers[call.layer]);
            let weights = &self.params[ranges[call.layer].clone()];
            let first = call.sources.first();
            let steps = first.is_some_and(|&(call, output)| kinds[call][output] == Kind::Step);
            let found = member.layer.flow_on(
                self.isa,
                &call.inputs,
                weights,
                batch,
                &mut shared[call.layer],
            );
            match found.filter(|_| steps) {
                Some((operation, units)) => {
                    let cells = units.len();
                    // A layer that is called several times has states for each call.
                    let own = match member.calls.iter().position(|&other| other == number) {
                        None | Some(0) => member.name.clone(),
                        Some(node) => format!("{}:{node}", member.name),
                    };
                    let name = |at: usize| match cells {
                        1 => own.clone(),
                        _ => format!("{own}/{at}"),
                    };
                    states.extend(units.into_iter().enumerate().map(|(at, u)| (name(at), u)));
                    operation
                }
                None => T::operation(&member.layer, self.isa, &call.inputs),
            }
        });
        if execution.carried().next().is_some() {
            let why = "a stateful layer that reads no steps cannot be part of a stream";
            return Err(Error::invalid(format!("model `{}`", self.name), why));
        }
        let inputs: Vec<Feed> = (self.graph.inputs.iter())
            .map(|&call| {
                let axes = self.graph.calls[call].outputs[0].axes();
                let axes = axes.iter().map(|axis| axis.unwrap_or(1));
                let mut shape: Vec<usize> = [batch].into_iter().chain(axes).collect();
                if kinds[call][0] == Kind::Step {
                    shape[1] = 1;
                }
                let embeddings = self.graph.embeddings(call).collect();
                Feed { call, name: self.graph.name(call), embeddings, shape }
            })
            .collect();
        let samples = inputs.iter().map(|feed| (feed.call, &feed.shape[1..]));
        execution.reserve(batch, samples, false)?;
        let units = states.iter().map(|&(_, units)| units).max().unwrap_or(0);
        let mut stream = Stream {
            execution,
            name: &self.name,
            weights: &self.params,
            batch,
            inputs,
            outputs: self.graph.outputs.clone(),
            states,
            room: [Buffer::zeros(batch * units), Buffer::zeros(batch * units)],
        };
        // The first step makes room for what depends on sizes alone.
        stream.run();
        stream.reset();
        Ok(stream)
    }
}

impl<T: Float> Stream<'_, T> {
    /// The output for the step `x`, `[batch, features]`, that comes after all those before: the first
    /// output, `[batch, ...]`, of a model with one input.
    ///
    /// # Errors
    ///
    /// If `x` has another size, holds a NaN or infinity, or a number that an
    /// [`Embedding`](crate::Embedding) does not know, as in [`predict`](Model::predict), or if the model
    /// has several inputs. No step is taken then.
    pub fn step(&mut self, x: &[T]) -> Result<&[T]> {
        self.step_all(&[x])?;
        Ok(self.output(0))
    }

    /// Takes a step of a model with several inputs; see [`output`](Self::output).
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step), and if there are more or fewer inputs.
    pub fn step_all(&mut self, x: &[&[T]]) -> Result<()> {
        if x.len() != self.inputs.len() {
            let what = format!("inputs of `{}`", self.name);
            return Err(Error::Count { what, expected: self.inputs.len(), found: x.len() });
        }
        // In the order in which `predict` does.
        let feeds = || self.inputs.iter().zip(x);
        feeds().try_for_each(|(feed, x)| feed.check(x))?;
        feeds().try_for_each(|(feed, x)| feed.check_indices(x))?;
        for (&x, feed) in x.iter().zip(&self.inputs) {
            self.execution.value((feed.call, 0)).copy_from_slice(x);
        }
        self.run();
        Ok(())
    }

    /// An output after the last step, `[batch, ...]`.
    ///
    /// # Panics
    ///
    /// If the model has no output of this number.
    pub fn output(&mut self, number: usize) -> &[T] {
        self.execution.value(self.outputs[number])
    }

    fn run(&mut self) {
        let params = Params { weights: self.weights, version: 0 };
        self.execution.forward(params, Mode::STREAM);
    }

    /// How many numbers a row of each input has.
    pub fn input_sizes(&self) -> impl Iterator<Item = usize> {
        self.inputs.iter().map(|feed| feed.shape[1..].iter().product())
    }

    /// The rows that take a step together.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The names of the states, in the order of [`state`](Self::state): `layer/h` and `layer/c` of
    /// each recurrent layer, `layer/0/h` and so on where it has several cells, `layer:1/h` of its
    /// second call.
    pub fn state_names(&self) -> Vec<String> {
        self.states.iter().flat_map(|(name, _)| ["h", "c"].map(|s| format!("{name}/{s}"))).collect()
    }

    /// A copy of all states, `[batch, units]` each.
    pub fn state(&mut self) -> Vec<Tensor<T>> {
        let mut states = Vec::new();
        for (cell, &(_, units)) in self.execution.streams().zip(&self.states) {
            let [mut h, mut c] = [0; 2].map(|_| Tensor::zeros([self.batch, units]));
            cell.state(h.data_mut(), c.data_mut());
            states.extend([h, c]);
        }
        states
    }

    /// Sets all states: of [`state`](Self::state), or of another stream of the model.
    ///
    /// # Errors
    ///
    /// If there are more or fewer, one has another shape, or holds a NaN or infinity. They are then
    /// as they were.
    pub fn set_state(&mut self, states: &[Tensor<T>]) -> Result<()> {
        self.check(states, self.batch)?;
        for (cell, states) in self.execution.streams().zip(states.chunks_exact(2)) {
            cell.set_state(states[0].data(), states[1].data());
        }
        Ok(())
    }

    /// A copy of the states of one row, `[1, units]` each.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn row_state(&mut self, row: usize) -> Vec<Tensor<T>> {
        assert!(row < self.batch, "row {row} of {}", self.batch);
        let all = self.state();
        let of_row = |state: &Tensor<T>| {
            let mut own = Tensor::zeros([1, state.shape()[1]]);
            own.gather(state, std::iter::once(row));
            own
        };
        all.iter().map(of_row).collect()
    }

    /// Sets the states of one row.
    ///
    /// # Errors
    ///
    /// As [`set_state`](Self::set_state).
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn set_row_state(&mut self, row: usize, states: &[Tensor<T>]) -> Result<()> {
        assert!(row < self.batch, "row {row} of {}", self.batch);
        self.check(states, 1)?;
        self.put_row(row, |number| states[number].data());
        Ok(())
    }

    /// Sets all states to zero: the next step is the first of a sequence.
    pub fn reset(&mut self) {
        self.execution.streams().for_each(|cell| cell.reset());
    }

    /// Sets the states of one row to zero, while the others go on. Allocates nothing.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn reset_row(&mut self, row: usize) {
        assert!(row < self.batch, "row {row} of {}", self.batch);
        self.put_row(row, |_| &[]);
    }

    /// Sets the states of a row, which are zeros where they are empty.
    fn put_row<'a>(&mut self, row: usize, given: impl Fn(usize) -> &'a [T])
    where
        T: 'a,
    {
        let [h, c] = &mut self.room;
        for (at, (cell, &(_, units))) in self.execution.streams().zip(&self.states).enumerate() {
            let size = self.batch * units;
            cell.state(&mut h[..size], &mut c[..size]);
            for (number, state) in [&mut *h, &mut *c].into_iter().enumerate() {
                let row = &mut state[row * units..(row + 1) * units];
                match given(2 * at + number) {
                    [] => row.fill(T::ZERO),
                    given => row.copy_from_slice(given),
                }
            }
            cell.set_state(&h[..size], &c[..size]);
        }
    }

    /// Writes all states to a file in the format of safetensors, under their
    /// [names](Self::state_names).
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn save_state(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let states = self.state();
        self.write_states(&states, path.as_ref())
    }

    /// Reads what [`save_state`](Self::save_state) has written.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or holds other states. They are then as they were.
    pub fn load_state(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let names = self.state_names();
        let states = super::files::read(path.as_ref(), &names)?;
        self.set_state(&states)
    }

    /// Writes the states of one row to a file, as [`save_state`](Self::save_state) does those of all: a
    /// stream of one row may [load](Self::load_state) it.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn save_row_state(&mut self, row: usize, path: impl AsRef<Path>) -> Result<()> {
        let states = self.row_state(row);
        self.write_states(&states, path.as_ref())
    }

    /// Reads the states of one row: what [`save_row_state`](Self::save_row_state) has written, or
    /// [`save_state`](Self::save_state) of a stream of one row.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or holds other states. They are then as they were.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn load_row_state(&mut self, row: usize, path: impl AsRef<Path>) -> Result<()> {
        let states = super::files::read(path.as_ref(), &self.state_names())?;
        self.set_row_state(row, &states)
    }

    fn write_states(&self, states: &[Tensor<T>], path: &Path) -> Result<()> {
        let mut writer = Writer::default();
        for (name, state) in self.state_names().into_iter().zip(states) {
            writer.add(name, state.shape(), state.data());
        }
        writer.finish(path)
    }

    fn check(&self, states: &[Tensor<T>], rows: usize) -> Result<()> {
        let names = self.state_names();
        if states.len() != names.len() {
            let what = "states of a stream".to_owned();
            return Err(Error::Count { what, expected: names.len(), found: states.len() });
        }
        let units = self.states.iter().flat_map(|&(_, units)| [units; 2]);
        for ((state, name), units) in states.iter().zip(&names).zip(units) {
            if state.shape() != [rows, units] {
                return Err(state.misfit(name, vec![Some(rows), Some(units)]));
            }
            state.check_finite(name)?;
        }
        Ok(())
    }
}

/// What each output of each call is where a model goes step by step.
///
/// # Errors
///
/// If a layer cannot.
pub(super) fn kinds(graph: &Graph) -> Result<Vec<Vec<Kind>>> {
    let mut kinds: Vec<Vec<Kind>> = Vec::new();
    for (at, call) in graph.calls.iter().enumerate() {
        let layer = &graph.layers[call.layer].layer;
        let found = match call.sources.is_empty() {
            true => of_input(graph, at),
            false => {
                let steps = call.sources.iter().map(|&(call, output)| kinds[call][output]);
                match steps.clone().any(|kind| kind == Kind::Step) {
                    false => Kind::Whole,
                    true => {
                        let all = steps.clone().all(|kind| kind == Kind::Step);
                        let mask = call.mask.map(|(call, output)| kinds[call][output]);
                        refusal(layer, call, all, mask).map_or(Ok(()), |why| {
                            let (class, name) = (layer.describe().class(), graph.name(at));
                            let what = format!("{class} `{name}`");
                            let why = format!("it cannot take one step at a time: {why}");
                            Err(Error::invalid(what, why))
                        })?;
                        Kind::Step
                    }
                }
            }
        };
        // A recurrent layer may return its last output alone, and its states.
        let kind = |output: &Shape| match (layer, output.axes().len()) {
            (Layer::LSTM(_) | Layer::RNN(_), 1) => Kind::Whole,
            _ => found,
        };
        kinds.push(call.outputs.iter().map(kind).collect());
    }
    Ok(kinds)
}

/// An input is a sequence if it has features beside an axis of steps, or is of indices.
fn of_input(graph: &Graph, input: usize) -> Kind {
    let embedded = graph.embeddings(input).next().is_some();
    match graph.calls[input].outputs[0].axes().len() {
        2.. => Kind::Step,
        1 if embedded || graph.calls[input].outputs[0].axes()[0].is_none() => Kind::Step,
        _ => Kind::Whole,
    }
}

/// Why a layer cannot take one step at a time, if it cannot.
fn refusal(
    layer: &Layer,
    call: &Call,
    all_steps: bool,
    mask: Option<Kind>,
) -> Option<&'static str> {
    const WHOLE: &str = "it reads a sequence as a whole";
    // Of an input of indices, the last axis is that of the steps.
    let last_is_steps = call.inputs[0].axes().len() == 1;
    let along_steps = |axes: &[isize]| {
        let all = call.inputs[0].axes().len() as isize + 1;
        axes.iter().any(|&axis| axis == 1 || axis + all == 1)
    };
    let from_its_end = |backwards: bool| backwards.then_some("it reads a sequence from its end");
    if mask == Some(Kind::Whole) {
        return Some("the mask that it was given has no steps");
    }
    match layer {
        Layer::LSTM(_) | Layer::RNN(_) if call.sources.len() > 1 => {
            Some("it was given initial states; those of a stream are set with `set_state`")
        }
        Layer::LSTM(lstm) => from_its_end(lstm.go_backwards),
        Layer::RNN(rnn) => from_its_end(rnn.go_backwards),
        Layer::Bidirectional(_) => from_its_end(true),
        Layer::Softmax(softmax) if along_steps(&softmax.axes) => Some(WHOLE),
        Layer::LayerNormalization(layer) if along_steps(&layer.axes) => Some(WHOLE),
        Layer::Concatenate(join) if along_steps(&[join.axis]) => Some(WHOLE),
        Layer::Dense(_) if last_is_steps => Some(WHOLE),
        Layer::Truth(Truth { op: Op::Any, .. }) if last_is_steps => Some(WHOLE),
        Layer::Activation(layer) if last_is_steps && layer.activation == Activation::Softmax => {
            Some(WHOLE)
        }
        // What is inside sees a step alone, and keeps no states: no model has one there that does.
        Layer::TimeDistributed(_)
        | Layer::Input(_)
        | Layer::Dense(_)
        | Layer::Masking(_)
        | Layer::Truth(_)
        | Layer::Dropout(_)
        | Layer::SpatialDropout1D(_)
        | Layer::Activation(_)
        | Layer::Embedding(_)
        | Layer::Softmax(_)
        | Layer::LayerNormalization(_) => None,
        Layer::Concatenate(_)
        | Layer::Add(_)
        | Layer::Subtract(_)
        | Layer::Multiply(_)
        | Layer::Average(_)
        | Layer::Maximum(_)
        | Layer::Minimum(_) => {
            (!all_steps || !in_step(&call.inputs)).then_some("it merges steps with what is none")
        }
        Layer::Flatten(_) | Layer::Reshape(_) | Layer::Permute(_) | Layer::RepeatVector(_) => {
            Some(WHOLE)
        }
    }
}

/// Whether sequences that are merged have their steps along the same axis, which is as long in all:
/// merging widens the shorter ones, at the front.
fn in_step(inputs: &[Shape]) -> bool {
    let alike = |input: &Shape| {
        let (axes, first) = (input.axes(), inputs[0].axes());
        axes.len() == first.len() && (axes[0] == Some(1)) == (first[0] == Some(1))
    };
    inputs.iter().all(alike)
}
