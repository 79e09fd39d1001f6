//! Layers: descriptions with Keras's names and defaults, and what they compute.
//!
//! A description ([`LSTM`], [`Dense`], [`Input`]) is a plain value. Built into a model it becomes an
//! operation with its own memory; the model owns the weights, all of them in one array.

mod dense;
mod input;
#[allow(clippy::module_inception, reason = "the layer that the crate is named after")]
mod lstm;
mod weight;

use std::fmt::Debug;

use kernels::{Buffer, Float, Isa};

pub use dense::Dense;
pub use input::{Description as InputDescription, Input};
pub use lstm::LSTM;
pub(crate) use weight::Weight;

use crate::error::Result;
use crate::graph::Symbol;
use crate::shape::Shape;

/// A layer of any kind, described.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Layer {
    /// See [`Input`].
    Input(input::Description),
    /// See [`LSTM`].
    LSTM(LSTM),
    /// See [`Dense`].
    Dense(Dense),
}

/// What there is to know of a layer before it is built. Shapes are those of one sample.
pub(crate) trait Describe: Debug {
    /// The name of the class in Keras.
    fn class(&self) -> &'static str;

    /// What the class is called in names made for layers: `lstm`, `lstm_1`, ….
    fn base_name(&self) -> &'static str;

    /// The name the user gave.
    fn name(&self) -> Option<&str>;

    /// Writes the shapes of the outputs, for inputs of these shapes; the layer calls itself `what`.
    /// Allocates nothing where `outputs` are those of other shapes with as many axes.
    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()>;

    /// Checks the settings, for inputs that have passed [`outputs`](Self::outputs).
    fn check(&self, what: &str, inputs: &[Shape]) -> Result<()>;

    /// The weights, in Keras's order, for inputs that have passed [`outputs`](Self::outputs).
    fn weights(&self, inputs: &[Shape]) -> Vec<Weight>;
}

impl Layer {
    /// Calls the layer on `inputs`, as part of a functional model.
    ///
    /// # Errors
    ///
    /// If the layer does not fit their number or shapes.
    pub fn call(self, inputs: &[&Symbol]) -> Result<Symbol> {
        Symbol::of_call(self, inputs.iter().map(|&input| input.clone()).collect())
    }

    pub(crate) fn describe(&self) -> &dyn Describe {
        match self {
            Layer::Input(input) => input,
            Layer::LSTM(lstm) => lstm,
            Layer::Dense(dense) => dense,
        }
    }

    /// The operation of a layer with inputs of these shapes.
    pub(crate) fn operation<T: crate::Float>(
        &self,
        isa: Isa,
        inputs: &[Shape],
    ) -> Box<dyn Operation<T>> {
        match self {
            Layer::Input(_) => Box::new(input::Feed),
            Layer::LSTM(lstm) => Box::new(lstm::Recur::new(isa, lstm, inputs)),
            Layer::Dense(dense) => Box::new(dense::Affine::new(isa, dense, inputs)),
        }
    }
}

/// What an operation gets, forward and backward.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a, T> {
    /// Rows of the batch.
    pub(crate) batch: usize,
    /// Whether backward will follow, or is under way.
    pub(crate) training: bool,
    /// The weights of the layer, flat.
    pub(crate) weights: &'a [T],
    /// A number that changes whenever the weights do.
    pub(crate) version: u64,
    /// The inputs.
    pub(crate) inputs: Inputs<'a, T>,
}

/// The values that flow into an operation.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a, T> {
    /// The outputs of every operation before this one.
    pub(crate) values: &'a [Vec<Buffer<T>>],
    /// Which of them: `(operation, output)`.
    pub(crate) sources: &'a [(usize, usize)],
    /// The shape of one sample of each, all axes known.
    pub(crate) shapes: &'a [Shape],
}

impl<'a, T: Float> Inputs<'a, T> {
    pub(crate) fn len(&self) -> usize {
        self.sources.len()
    }

    /// The size of an axis of an input's samples.
    pub(crate) fn axis(&self, i: usize, axis: usize) -> usize {
        self.shapes[i].axes()[axis].unwrap_or(0)
    }

    pub(crate) fn at(&self, i: usize) -> &'a [T] {
        let (operation, output) = self.sources[i];
        &self.values[operation][output]
    }
}

/// A gradient that flows through an operation.
#[derive(Debug, Default)]
pub(crate) struct Flow<T> {
    /// Whether it is there (outputs) or wanted (inputs).
    pub(crate) live: bool,
    pub(crate) grad: Buffer<T>,
}

impl<T: Float> Flow<T> {
    /// The gradient, if it is there.
    pub(crate) fn get(&self) -> Option<&[T]> {
        self.live.then_some(&self.grad[..])
    }

    /// Room for the gradient, if it is wanted.
    pub(crate) fn room(&mut self) -> Option<&mut [T]> {
        self.live.then_some(&mut self.grad[..])
    }
}

/// A layer's computation, with its memory. Buffers it is given have the right size.
pub(crate) trait Operation<T: Float>: Debug + Send {
    /// Reads the inputs, writes the outputs, keeps what backward needs.
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]);

    /// Reads the gradients of the outputs (which it may overwrite), adds to those of the weights,
    /// overwrites those of the inputs that are wanted. Once per forward.
    fn backward(
        &mut self,
        pass: Pass<T>,
        outputs: &[Buffer<T>],
        douts: &mut [Flow<T>],
        dweights: &mut [T],
        dins: &mut [Flow<T>],
    );
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
