//! Models: layers with weights, trained and run as in Keras.

mod backup;
mod bptt;
mod compile;
mod conditions;
mod epochs;
mod execution;
mod files;
mod fit;
mod gradients;
mod history;
mod judge;
mod logs;
mod optimizer_state;
mod penalties;
mod predict;
mod progress;
mod rows;
mod saved;
mod sequential;
mod source;
mod stream;
mod summary;
mod train;

use std::borrow::Borrow;
use std::ops::Range;
use std::sync::Mutex;

use kernels::{Buffer, Isa};

pub use backup::Backup;
pub use bptt::Bptt;
pub use compile::Compile;
pub use fit::{Callbacks, Fit, Validation};
pub use gradients::Gradients;
pub use history::History;
pub use logs::Logs;
pub use optimizer_state::OptimizerState;
pub use predict::{Evaluate, Predict};
pub use progress::Verbose;
pub use sequential::Sequential;
pub use stream::Stream;

use crate::error::{Error, Result};
use crate::float::Float;
use crate::graph::{Graph, Symbols};
use crate::isa;
use crate::layer::Layer;
use crate::optimizer::Optimizer;
use crate::random::Rng;
use crate::shape::{Axes, Shape};
use crate::tensor::{self, Tensor};
use compile::Compiled;
use execution::Execution;
use summary::{Count, Row, Summary};

/// How a model was made: it shows in its summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sequential,
    Functional,
}

/// A model: a graph of layers with their weights. Made by [`Sequential::build`] or, in the
/// functional form, [`Model::new`].
///
/// ```
/// use lstm::{Input, LSTM, Model};
///
/// let inputs = Input::new([4, 8]);
/// let outputs = LSTM::new(3).call(&inputs)?;
/// let model = Model::new(&inputs, &outputs)?;
/// assert_eq!(model.count_params(), 144);
/// # Ok::<(), lstm::Error>(())
/// ```
#[derive(Debug)]
pub struct Model<T = f32> {
    kind: Kind,
    name: String,
    isa: Isa,
    graph: Graph,
    weights: Vec<WeightPlace>,
    params: Buffer<T>,
    grads: Buffer<T>,
    /// Changes whenever `params` do.
    version: u64,
    execution: Execution<T>,
    compiled: Option<Compiled<T>>,
    /// How often losses and metrics were fitted to data.
    fitted: u64,
    /// How many epochs `fit` has trained since `compile`.
    epochs: u64,
    /// Scratch of the constraints.
    norms: Vec<f64>,
    /// How many batches have trained it since `compile`, and the seed of their random numbers: that
    /// of the last `fit`.
    batches: u64,
    seed: u64,
    /// The targets of a batch and their weights, for each output.
    targets: Vec<[Buffer<T>; 2]>,
    /// What the samples of a batch weigh by their classes.
    of_classes: Option<Tensor<T>>,
    /// Whether a callback asked for the end of training.
    stop: bool,
    /// Scratch of the checks.
    shape: Vec<usize>,
    /// How training goes back through time, and the window under way.
    bptt: Bptt,
    window: bptt::Window<T>,
    /// What streams share.
    streamed: Mutex<stream::Streamed<T>>,
}

/// Where a weight lies among the parameters.
#[derive(Debug)]
struct WeightPlace {
    layer: usize,
    weight: crate::layer::Weight,
    range: Range<usize>,
}

impl Model<f32> {
    /// The model between `inputs` and `outputs`, in `f32`. Initial weights are those of seed 0:
    /// see [`reseed`](Self::reseed).
    ///
    /// # Errors
    ///
    /// If the outputs need inputs that are not given, or the other way round, if there is no memory
    /// for the weights, or if `KERNELS_ISA` names an instruction set that this CPU lacks.
    pub fn new(inputs: impl Symbols, outputs: impl Symbols) -> Result<Self> {
        Model::new_as(inputs, outputs)
    }
}

impl<T: Float> Model<T> {
    /// As [`Model::new`], in the precision `T`: `Model::<f64>::new_as(&inputs, &outputs)`.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn new_as(inputs: impl Symbols, outputs: impl Symbols) -> Result<Self> {
        let graph = Graph::new(&inputs.symbols(), &outputs.symbols())?;
        Model::of_graph(Kind::Functional, "functional".to_owned(), graph)
    }

    fn of_graph(kind: Kind, name: String, graph: Graph) -> Result<Self> {
        let isa = isa::best()?;
        let (mut weights, mut ranges, mut end) = (Vec::new(), Vec::new(), 0);
        for (layer, member) in graph.layers.iter().enumerate() {
            let start = end;
            for weight in member.layer.describe().weights(&member.inputs) {
                let what = format!("{}/{}", member.name, weight.name);
                let range = end..end + tensor::size_in_memory::<T>(&what, &weight.shape)?;
                end = tensor::size_in_memory::<T>("all weights", &[range.end])?;
                weights.push(WeightPlace { layer, weight, range });
            }
            ranges.push(start..end);
        }
        let mut model: Model<T> = Model {
            kind,
            name,
            isa,
            execution: Execution::new(isa, &graph, &ranges),
            graph,
            weights,
            params: Buffer::zeros(end),
            grads: Buffer::zeros(end),
            version: 0,
            compiled: None,
            fitted: 0,
            epochs: 0,
            norms: Vec::new(),
            batches: 0,
            seed: 0,
            targets: Vec::new(),
            of_classes: None,
            stop: false,
            shape: Vec::new(),
            bptt: Bptt::Full,
            streamed: Mutex::default(),
            window: bptt::Window::default(),
        };
        model.reseed(0);
        for weight in &model.weights {
            if !model.params[weight.range.clone()].iter().all(|w| w.is_finite()) {
                let why = format!("the initial weights are beyond the range of {}", T::NAME);
                return Err(Error::invalid(model.weight_name(weight), why));
            }
        }
        Ok(model)
    }

    /// A model like this one, in any precision: of the same layers, weights and `compile`, with
    /// nothing trained yet.
    pub(crate) fn twin<U: Float>(&self) -> Result<Model<U>> {
        let mut twin = Model::<U>::of_graph(self.kind, self.name.clone(), self.graph.clone())?;
        twin.set_isa(self.isa);
        for (to, from) in twin.params.iter_mut().zip(&self.params[..]) {
            *to = U::from_f64(from.to_f64());
        }
        if let (Some(optimizer), Some((losses, options))) = (self.optimizer(), self.compilation()) {
            twin.compile_with(optimizer, losses.clone(), options.clone())?;
        }
        Ok(twin)
    }

    /// The model under another name.
    pub fn named(self, name: impl Into<String>) -> Self {
        Model { name: name.into(), ..self }
    }

    /// Draws new initial weights, the same for the same seed. Training starts anew: the optimizer's
    /// memory and the orders of samples.
    pub fn reseed(&mut self, seed: u64) {
        for (stream, place) in self.weights.iter().enumerate() {
            let mut rng = Rng::new(seed, stream as u64);
            place.weight.fill(&mut rng, &mut self.params[place.range.clone()]);
        }
        self.version += 1;
        (self.epochs, self.batches) = (0, 0);
        if let Some(compiled) = &mut self.compiled {
            compiled.optimizer.restart();
        }
    }

    /// Runs on another instruction set than the best. For tests and measurements.
    pub fn set_isa(&mut self, isa: Isa) {
        self.isa = isa;
        self.execution = Execution::new(isa, &self.graph, &self.ranges());
    }

    /// Where the weights of each layer lie among the parameters.
    fn ranges(&self) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = vec![0..0; self.graph.layers.len()];
        for place in &self.weights {
            let range = &mut ranges[place.layer];
            let start = if range.end == 0 { place.range.start } else { range.start };
            *range = start..place.range.end;
        }
        ranges
    }

    /// The optimizer that the model is compiled with, with the learning rate it has by now.
    pub fn optimizer(&self) -> Option<Optimizer> {
        self.compiled.as_ref().map(|compiled| compiled.optimizer.optimizer())
    }

    /// The same as it was given.
    pub(crate) fn given_optimizer(&self) -> Option<&Optimizer> {
        self.compiled.as_ref().map(|compiled| compiled.optimizer.given())
    }

    /// The learning rate of the next step of training.
    ///
    /// # Errors
    ///
    /// If the model is not compiled.
    pub fn learning_rate(&self) -> Result<f64> {
        let not_compiled = || Error::NotCompiled { model: self.name.clone() };
        Ok(self.compiled.as_ref().ok_or_else(not_compiled)?.optimizer.learning_rate())
    }

    /// Changes the learning rate from the next step on.
    ///
    /// # Errors
    ///
    /// If the model is not compiled, the rate follows a schedule, or the number is no rate.
    pub fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        self.compiled()?.optimizer.set_learning_rate(learning_rate)
    }

    /// The name: `sequential` or `functional` unless it was given one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of each input.
    pub fn input_names(&self) -> Vec<String> {
        self.graph.inputs.iter().map(|&input| self.graph.name(input).to_owned()).collect()
    }

    /// The layers, inputs among them, in the order of [`summary`](Self::summary): Keras's
    /// `model.layers`.
    pub fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.graph.layers.iter().map(|instance| &instance.layer)
    }

    /// The shape of one sample of each input.
    pub fn input_shapes(&self) -> impl Iterator<Item = &Shape> {
        self.graph.inputs.iter().map(|&call| &self.graph.calls[call].outputs[0])
    }

    /// The shape of one sample of each output.
    pub fn output_shapes(&self) -> impl Iterator<Item = &Shape> {
        self.graph.outputs.iter().map(|&(call, output)| &self.graph.calls[call].outputs[output])
    }

    /// How many numbers the weights have, trained or not.
    pub fn count_params(&self) -> usize {
        self.params.len()
    }

    /// The name of each weight, `layer/weight`, in the order of [`get_weights`](Self::get_weights). Cells
    /// of one layer may have the same name: the weights of the second then end in `:1`, and so on.
    pub fn weight_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::with_capacity(self.weights.len());
        for place in &self.weights {
            let name = self.weight_name(place);
            let numbered = (1..).map(|number| format!("{name}:{number}"));
            let mut free = std::iter::once(name.clone()).chain(numbered);
            names.extend(free.find(|name| !names.contains(name)));
        }
        names
    }

    fn weight_name(&self, place: &WeightPlace) -> String {
        format!("{}/{}", self.graph.layers[place.layer].name, place.weight.name)
    }

    /// All weights, in Keras's order: layer after layer; kernel, recurrent kernel, bias.
    #[allow(clippy::wrong_self_convention, reason = "the name in Keras")]
    pub fn get_weights(&self) -> Vec<Tensor<T>> {
        self.tensors_of(&self.params)
    }

    fn tensors_of(&self, flat: &[T]) -> Vec<Tensor<T>> {
        let tensor = |place: &WeightPlace| {
            let mut tensor = Tensor::zeros(place.weight.shape.clone());
            tensor.data_mut().copy_from_slice(&flat[place.range.clone()]);
            tensor
        };
        self.weights.iter().map(tensor).collect()
    }

    /// Replaces all weights, in the order of [`get_weights`](Self::get_weights).
    ///
    /// # Errors
    ///
    /// If there are too few or too many, one has the wrong shape, or holds a NaN or infinity. The
    /// model is then as it was.
    pub fn set_weights(&mut self, weights: &[Tensor<T>]) -> Result<()> {
        self.check_weights(weights)?;
        for (place, weight) in self.weights.iter().zip(weights) {
            weight.check_finite(&self.weight_name(place))?;
        }
        self.put_back_weights(weights);
        Ok(())
    }

    /// Checks the number of weights, and their shapes.
    pub(crate) fn check_weights(&self, weights: &[Tensor<T>]) -> Result<()> {
        if weights.len() != self.weights.len() {
            let what = format!("weights of `{}`", self.name);
            return Err(Error::Count { what, expected: self.weights.len(), found: weights.len() });
        }
        for (place, weight) in self.weights.iter().zip(weights) {
            if weight.shape() != place.weight.shape {
                let expected = place.weight.shape.iter().copied().map(Some).collect();
                return Err(weight.misfit(&self.weight_name(place), expected));
            }
        }
        Ok(())
    }

    /// The same with weights that were its own, whatever they hold.
    pub(crate) fn put_back_weights(&mut self, weights: &[Tensor<T>]) {
        for (place, weight) in self.weights.iter().zip(weights) {
            self.params[place.range.clone()].copy_from_slice(weight.data());
        }
        self.version += 1;
    }

    /// What the model is made of, as Keras prints it in a console 80 columns wide.
    pub fn summary(&self) -> String {
        self.summary_of(None)
    }

    /// [`summary`](Self::summary) in lines of another length.
    pub fn summary_of(&self, line_length: Option<usize>) -> String {
        let count = |params: usize| Count { params, bytes: params * size_of::<T>() };
        let optimizer =
            self.compiled.as_ref().filter(|compiled| compiled.optimizer.has_stepped()).map(
                |compiled| {
                    let params = compiled.optimizer.variables();
                    // The iterations are 64 bits wide, whatever the rest is.
                    Count { params, bytes: (params - 1) * size_of::<T>() + size_of::<u64>() }
                },
            );
        let trained = self.weights.iter().filter(|place| place.weight.trainable);
        let trainable = trained.map(|place| place.range.len()).sum();
        let rows = self.graph.layers.iter().enumerate();
        let shown = rows.filter(|(_, member)| {
            self.kind == Kind::Functional || member.layer.describe().class() != "InputLayer"
        });
        let summary = Summary {
            model: self.name.clone(),
            rows: shown.map(|(at, _)| self.row(at)).collect(),
            connections: self.kind == Kind::Functional && self.branches(),
            trainable: count(trainable),
            non_trainable: count(self.params.len() - trainable),
            optimizer,
        };
        summary.render(line_length, 80).trim_end().to_owned()
    }

    /// Whether the graph is anything but a chain: Keras then shows what is connected to what.
    fn branches(&self) -> bool {
        let Graph { layers, calls, .. } = &self.graph;
        let chain =
            calls.iter().enumerate().all(|(at, call)| match (&call.sources[..], call.mask) {
                ([], None) => at == 0,
                ([(source, _)], None) => *source + 1 == at,
                _ => false,
            });
        !chain || layers.iter().any(|member| member.calls.len() > 1)
    }

    /// How it was made.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Its layers and their calls.
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The rows of every batch, if an input says it.
    pub(crate) fn batch_size(&self) -> Option<usize> {
        self.graph.inputs.iter().find_map(|&call| {
            match &self.graph.layers[self.graph.calls[call].layer].layer {
                Layer::Input(input) => input.batch_size,
                _ => None,
            }
        })
    }

    fn row(&self, at: usize) -> Row {
        let member = &self.graph.layers[at];
        // Keras shows the shapes of the last call.
        let last = member.calls.last().map_or(&[][..], |&call| &self.graph.calls[call].outputs);
        let batch_size = self.batch_size();
        let shape = |shape: &Shape| Axes(&shape.batched(batch_size)).to_string();
        let shapes: Vec<String> = last.iter().map(shape).collect();
        let places = self.weights.iter().filter(|place| place.layer == at);
        let source = |&(source, output): &(usize, usize)| {
            format!("{}[{}][{output}]", self.graph.name(source), self.graph.node(source))
        };
        let calls = member.calls.iter().map(|&call| &self.graph.calls[call]);
        let sources: Vec<String> =
            calls.flat_map(|call| call.sources.iter().chain(&call.mask)).map(source).collect();
        Row {
            name: member.name.clone(),
            class: member.layer.describe().class().to_owned(),
            output_shape: match &shapes[..] {
                [one] => one.clone(),
                several => format!("[{}]", several.join(", ")),
            },
            params: places.map(|place| place.range.len()).sum(),
            connected_to: sources.join(", "),
        }
    }

    /// Checks that `x` fits the model's inputs; gives the number of samples.
    fn check_inputs<X: Borrow<Tensor<T>>>(&self, x: &[X]) -> Result<usize> {
        let inputs = &self.graph.inputs;
        if x.len() != inputs.len() {
            let what = format!("inputs of `{}`", self.name);
            return Err(Error::Count { what, expected: inputs.len(), found: x.len() });
        }
        for (x, &input) in x.iter().map(Borrow::borrow).zip(inputs) {
            x.check(self.graph.name(input), &self.graph.calls[input].outputs[0])?;
        }
        let samples = x[0].borrow().batch();
        for (x, &input) in x.iter().map(Borrow::borrow).zip(inputs) {
            if x.batch() != samples {
                return Err(Error::Count {
                    what: format!("samples of {}", self.graph.name(input)),
                    expected: samples,
                    found: x.batch(),
                });
            }
        }
        if samples == 0 {
            return Err(Error::invalid(self.graph.name(inputs[0]), "no samples"));
        }
        for (x, &input) in x.iter().map(Borrow::borrow).zip(inputs) {
            if x.data().is_empty() {
                let why = format!("an axis of its shape, {:?}, is empty", x.shape());
                return Err(Error::invalid(self.graph.name(input), why));
            }
            let mut embeddings = self.graph.embeddings(input);
            embeddings
                .try_for_each(|layer| layer.check_indices(self.graph.name(input), x.data()))?;
        }
        Ok(samples)
    }

    /// Sets the states of all stateful layers to zero.
    pub fn reset_states(&mut self) {
        self.execution.reset();
    }

    /// Makes room for `batch` samples like those of `x`.
    fn reserve<X: Borrow<Tensor<T>>>(
        &mut self,
        x: &[X],
        batch: usize,
        gradients: bool,
    ) -> Result<()> {
        self.execution.reserve(batch, shapes(&self.graph, x), gradients)
    }

    /// Takes in the shapes of samples like those of `x`.
    fn settle<X: Borrow<Tensor<T>>>(&mut self, x: &[X]) -> Result<()> {
        self.execution.settle(shapes(&self.graph, x))
    }
}

/// The inputs of a graph, and the shapes of the samples in `x`.
fn shapes<'a, T: Float, X: Borrow<Tensor<T>>>(
    graph: &'a Graph,
    x: &'a [X],
) -> impl Iterator<Item = (usize, &'a [usize])> {
    graph.inputs.iter().zip(x).map(|(&input, x)| (input, &x.borrow().shape()[1..]))
}
