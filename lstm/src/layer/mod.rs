//! Layers: descriptions with Keras's names and defaults, and what they compute.
//!
//! A description ([`LSTM`], [`Dense`], [`Input`]) is a plain value. Built into a model it becomes an
//! operation with its own memory; the model owns the weights, all of them in one array.

mod activation;
mod bidirectional;
mod both_ways;
mod cell;
mod combine;
mod concatenate;
mod dense;
mod dropout;
mod embedding;
mod flatten;
mod flow_on;
mod input;
mod layer_normalization;
#[allow(clippy::module_inception, reason = "the layer that the crate is named after")]
mod lstm;
mod masking;
mod merge;
mod operation;
mod part;
mod permute;
mod places;
mod recur;
mod recurrent;
mod repeat_vector;
mod reshape;
mod rnn;
mod softmax;
mod stack;
mod through;
mod time_distributed;
mod truth;
mod weight;

use std::fmt::Debug;

use kernels::Isa;

pub use activation::ActivationLayer;
pub use bidirectional::{Bidirectional, MergeMode};
pub use cell::{Cell, LSTMCell, StackedRNNCells};
pub use concatenate::Concatenate;
pub use dense::Dense;
pub use dropout::{Dropout, SpatialDropout1D};
pub use embedding::Embedding;
pub use flatten::{DataFormat, Flatten};
pub use input::{Description as InputDescription, Input};
pub use layer_normalization::LayerNormalization;
pub use lstm::LSTM;
pub use masking::Masking;
pub use merge::{Add, Average, Maximum, Minimum, Multiply, Subtract};
pub(crate) use operation::{Flow, Inputs, Mask, OfLoss, Operation, Pass, Recurrence};
pub use permute::Permute;
pub use recurrent::Recurrent;
pub(crate) use recurrent::Sequence;
pub use repeat_vector::RepeatVector;
pub use reshape::Reshape;
pub use rnn::RNN;
pub use softmax::Softmax;
pub use time_distributed::TimeDistributed;
pub(crate) use truth::Op;
pub use truth::Truth;
pub(crate) use weight::Weight;

use crate::engine::SharedWeights;
use crate::error::{Error, Result};
use crate::graph::{Shared, Symbol};
use crate::regularizer::Regularizer;
use crate::shape::Shape;

/// A layer of any kind, described.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Layer {
    /// See [`Input`].
    Input(input::Description),
    /// See [`LSTM`].
    LSTM(LSTM),
    /// See [`Bidirectional`].
    Bidirectional(Bidirectional),
    /// See [`Dense`].
    Dense(Dense),
    /// See [`Masking`].
    Masking(Masking),
    /// See [`Dropout`].
    Dropout(Dropout),
    /// See [`RNN`].
    RNN(RNN),
    /// See [`SpatialDropout1D`].
    SpatialDropout1D(SpatialDropout1D),
    /// See [`TimeDistributed`].
    TimeDistributed(TimeDistributed),
    /// See [`Truth`].
    Truth(Truth),
    /// See [`RepeatVector`].
    RepeatVector(RepeatVector),
    /// See [`ActivationLayer`].
    Activation(ActivationLayer),
    /// See [`Softmax`].
    Softmax(Softmax),
    /// See [`Flatten`].
    Flatten(Flatten),
    /// See [`Reshape`].
    Reshape(Reshape),
    /// See [`Permute`].
    Permute(Permute),
    /// See [`Concatenate`].
    Concatenate(Concatenate),
    /// See [`Add`].
    Add(Add),
    /// See [`Subtract`].
    Subtract(Subtract),
    /// See [`Multiply`].
    Multiply(Multiply),
    /// See [`Average`].
    Average(Average),
    /// See [`Maximum`].
    Maximum(Maximum),
    /// See [`Minimum`].
    Minimum(Minimum),
    /// See [`Embedding`].
    Embedding(Embedding),
    /// See [`LayerNormalization`].
    LayerNormalization(LayerNormalization),
}

/// What there is to know of a layer before it is built. Shapes are those of one sample.
pub(crate) trait Describe: Debug {
    /// The name of the class in Keras.
    fn class(&self) -> &'static str;

    /// What the class is called in names made for layers: `lstm`, `lstm_1`, ….
    fn base_name(&self) -> &'static str;

    /// The name the user gave.
    fn name(&self) -> Option<&str>;

    /// Hands on the base names of layers inside of this one that the user gave no name: Keras makes
    /// names for them, too, before it makes one for this layer.
    fn count_inside(&self, _count: &mut dyn FnMut(&'static str)) {}

    /// Writes the shapes of the outputs, for inputs of these shapes; the layer calls itself `what`.
    /// Allocates nothing where `outputs` are those of other shapes with as many axes.
    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()>;

    /// Checks the settings, for inputs that have passed [`outputs`](Self::outputs).
    fn check(&self, _what: &str, _inputs: &[Shape]) -> Result<()> {
        Ok(())
    }

    /// The weights, in Keras's order, for inputs that have passed [`outputs`](Self::outputs).
    fn weights(&self, _inputs: &[Shape]) -> Vec<Weight> {
        Vec::new()
    }

    /// The penalty on each output.
    fn activity_regularizer(&self) -> Option<Regularizer> {
        None
    }

    /// Checks that the penalty fits the outputs.
    fn check_activity(&self, what: &str, inputs: &[Shape]) -> Result<()> {
        let Some(regularizer) = self.activity_regularizer() else { return Ok(()) };
        let what = format!("activity_regularizer of {what}");
        let mut outputs = Vec::new();
        self.outputs(&what, inputs, &mut outputs)?;
        outputs.iter().try_for_each(|output| regularizer.check(&what, &output.batched(None)))
    }
}

/// The shape of the only input.
fn one_input<'a>(what: &str, inputs: &'a [Shape]) -> Result<&'a Shape> {
    match inputs {
        [input] => Ok(input),
        _ => {
            let what = format!("inputs of {what}");
            Err(Error::Count { what, expected: 1, found: inputs.len() })
        }
    }
}

impl Layer {
    /// Calls the layer on `inputs`, as part of a functional model.
    ///
    /// # Errors
    ///
    /// If the layer does not fit their number or shapes.
    pub fn call(self, inputs: &[&Symbol]) -> Result<Symbol> {
        Shared::new(self).call(inputs)
    }

    /// Calls the layer with a mask: see [`Shared::call_masked`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn call_masked(self, inputs: &[&Symbol], mask: &Symbol) -> Result<Symbol> {
        Shared::new(self).call_masked(inputs, mask)
    }

    /// Whether its output has a mask that no input had.
    pub(crate) fn makes_a_mask(&self) -> bool {
        match self {
            Layer::Masking(_) => true,
            Layer::Embedding(embedding) => embedding.mask_zero,
            _ => false,
        }
    }

    /// The layer with weights that training does not change.
    pub(crate) fn frozen(self) -> Self {
        match self {
            Layer::LSTM(layer) => layer.trainable(false).into(),
            Layer::Bidirectional(layer) => layer.trainable(false).into(),
            Layer::RNN(layer) => layer.trainable(false).into(),
            Layer::TimeDistributed(layer) => layer.trainable(false).into(),
            Layer::Dense(layer) => layer.trainable(false).into(),
            Layer::Embedding(layer) => layer.trainable(false).into(),
            Layer::LayerNormalization(layer) => layer.trainable(false).into(),
            without_weights => without_weights,
        }
    }

    pub(crate) fn describe(&self) -> &dyn Describe {
        match self {
            Layer::Input(input) => input,
            Layer::LSTM(lstm) => lstm,
            Layer::Bidirectional(layer) => layer,
            Layer::Dense(dense) => dense,
            Layer::Masking(masking) => masking,
            Layer::Dropout(dropout) => dropout,
            Layer::RNN(rnn) => rnn,
            Layer::SpatialDropout1D(dropout) => dropout,
            Layer::TimeDistributed(outer) => outer,
            Layer::Truth(truth) => truth,
            Layer::RepeatVector(repeat) => repeat,
            Layer::Activation(activation) => activation,
            Layer::Softmax(softmax) => softmax,
            Layer::Flatten(flatten) => flatten,
            Layer::Reshape(reshape) => reshape,
            Layer::Permute(permute) => permute,
            Layer::Concatenate(concatenate) => concatenate,
            Layer::Add(add) => add,
            Layer::Subtract(subtract) => subtract,
            Layer::Multiply(multiply) => multiply,
            Layer::Average(average) => average,
            Layer::Maximum(maximum) => maximum,
            Layer::Minimum(minimum) => minimum,
            Layer::Embedding(embedding) => embedding,
            Layer::LayerNormalization(layer) => layer,
        }
    }

    /// The operation of a layer with inputs of these shapes.
    pub(crate) fn operation<T: crate::Float>(
        &self,
        isa: Isa,
        inputs: &[Shape],
    ) -> Box<dyn Operation<T>> {
        match self {
            Layer::Input(input) => Box::new(input::Feed { batch_size: input.batch_size }),
            Layer::LSTM(lstm) => Box::new(recur::Recur::new(isa, lstm, inputs)),
            Layer::Bidirectional(layer) => Box::new(both_ways::Both::new(isa, layer, inputs)),
            Layer::Dense(dense) => Box::new(dense::Affine::new(isa, dense, inputs)),
            Layer::Masking(masking) => Box::new(masking::Erase::new(masking)),
            Layer::Dropout(dropout) => Box::new(dropout::Drop::new(dropout)),
            Layer::RNN(rnn) => Box::new(stack::Stack::new(isa, rnn, inputs)),
            Layer::SpatialDropout1D(dropout) => Box::new(dropout::Drop::of_features(dropout)),
            Layer::TimeDistributed(outer) => {
                Box::new(time_distributed::EachStep::new(isa, outer, inputs))
            }
            Layer::Truth(truth) => Box::new(truth::Judge(truth.op)),
            Layer::RepeatVector(repeat) => Box::new(repeat_vector::Repeat::new(repeat)),
            Layer::Activation(layer) => Box::new(activation::Activate::new(isa, layer)),
            Layer::Softmax(layer) => Box::new(softmax::Shares::new(isa, layer, inputs)),
            Layer::Flatten(flatten) => flatten.operation(&inputs[0]),
            Layer::Reshape(_) => Box::new(reshape::Recast),
            Layer::Permute(permute) => Box::new(permute::Rearrange::new(permute)),
            Layer::Concatenate(layer) => Box::new(concatenate::Join::new(layer, inputs)),
            Layer::Add(_) => merge::Rule::Add.operation(inputs),
            Layer::Subtract(_) => merge::Rule::Subtract.operation(inputs),
            Layer::Multiply(_) => merge::Rule::Multiply.operation(inputs),
            Layer::Average(_) => merge::Rule::Average.operation(inputs),
            Layer::Maximum(_) => merge::Rule::Maximum.operation(inputs),
            Layer::Minimum(_) => merge::Rule::Minimum.operation(inputs),
            Layer::Embedding(embedding) => Box::new(embedding::Lookup::new(embedding)),
            Layer::LayerNormalization(layer) => {
                Box::new(layer_normalization::Normalize::new(layer, inputs))
            }
        }
    }
}

impl Layer {
    /// The operation of a recurrent layer in a stream of `batch` rows, with the units of each of its
    /// cells. None for other layers, which do with a step what they do with many. Streams of the same weights
    /// share what they have packed of each cell.
    pub(crate) fn flow_on<T: crate::Float>(
        &self,
        isa: Isa,
        inputs: &[Shape],
        weights: &[T],
        batch: usize,
        shared: &mut Vec<SharedWeights<T>>,
    ) -> Option<(Box<dyn Operation<T>>, Vec<usize>)> {
        let layers: Vec<(LSTM, Shape)> = match self {
            Layer::LSTM(lstm) => vec![(lstm.clone(), inputs[0].clone())],
            Layer::RNN(rnn) => rnn.layers_and_inputs(&inputs[0]).collect(),
            _ => return None,
        };
        let units = layers.iter().map(|(layer, _)| layer.units).collect();
        shared.resize_with(layers.len(), Default::default);
        let flow = flow_on::FlowOn::new(isa, layers.into_iter(), weights, batch, shared);
        Some((Box::new(flow), units))
    }
}

/// Methods that set one field of a description and return it.
macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident: $type:ty),* $(,)?) => {$(
        $(#[$doc])*
        pub fn $field(self, $field: $type) -> Self {
            Self { $field, ..self }
        }
    )*};
}
pub(crate) use setters;

/// The same for fields that are `None` unless set.
macro_rules! options {
    ($($(#[$doc:meta])* $field:ident: $type:ty),* $(,)?) => {$(
        $(#[$doc])*
        ///
        /// None unless set.
        pub fn $field(self, $field: $type) -> Self {
            Self { $field: Some($field), ..self }
        }
    )*};
}
pub(crate) use options;
/// What is alike in all layers of one input: a name, a call, the way into a model.
macro_rules! named {
    ($class:ident) => {
        named!($class as $class);
    };
    ($class:ident as $variant:ident) => {
        impl $class {
            /// The layer's name in the model; made from that of its class unless set.
            pub fn name(self, name: impl Into<String>) -> Self {
                Self { name: Some(name.into()), ..self }
            }

            /// Calls the layer on `x`, as part of a functional model.
            ///
            /// # Errors
            ///
            /// If the layer does not fit the shape of `x`, or a setting is out of its range.
            pub fn call(self, x: &Symbol) -> Result<Symbol> {
                Shared::new(self).call(x)
            }
        }

        impl From<$class> for Layer {
            fn from(layer: $class) -> Self {
                Layer::$variant(layer)
            }
        }
    };
}
pub(crate) use named;
