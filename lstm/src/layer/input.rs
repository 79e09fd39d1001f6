//! Where data enters a model.

use std::ops::Deref;

use kernels::{Buffer, Float};

use super::{Describe, Flow, Layer, Operation, Pass, Weight};
use crate::error::{Error, Result};
use crate::graph::Symbol;
use crate::shape::Shape;

/// An input of a model, with the shape of one sample: `[steps, features]` for sequences.
///
/// It is a [`Symbol`] that layers can be called on, and the first layer of a
/// [`Sequential`](crate::Sequential).
#[derive(Clone, Debug)]
pub struct Input(Symbol);

impl Input {
    /// An input of samples of this shape: `[4, 8]`, or `[None, Some(8)]` for any number of steps.
    pub fn new(shape: impl Into<Shape>) -> Self {
        Input::of(Description { shape: shape.into(), batch_size: None, name: None })
    }

    /// An input with a name.
    pub fn named(name: impl Into<String>, shape: impl Into<Shape>) -> Self {
        Input::of(Description { shape: shape.into(), batch_size: None, name: Some(name.into()) })
    }

    /// An input of batches that all have so many rows: Keras's `batch_size`.
    pub fn batched(batch_size: usize, shape: impl Into<Shape>) -> Self {
        let (shape, batch_size) = (shape.into(), Some(batch_size));
        Input::of(Description { shape, batch_size, name: None })
    }

    pub(crate) fn of(description: Description) -> Self {
        Input(Symbol::of_input(description))
    }
}

impl Deref for Input {
    type Target = Symbol;

    fn deref(&self) -> &Symbol {
        &self.0
    }
}

impl AsRef<Symbol> for Input {
    fn as_ref(&self) -> &Symbol {
        &self.0
    }
}

impl From<Input> for Layer {
    fn from(input: Input) -> Self {
        input.0.layer().clone()
    }
}

/// What an [`Input`] is.
#[derive(Clone, Debug)]
pub struct Description {
    pub(crate) shape: Shape,
    /// Rows of every batch, if it is said.
    pub(crate) batch_size: Option<usize>,
    pub(crate) name: Option<String>,
}

impl Describe for Description {
    fn class(&self) -> &'static str {
        "InputLayer"
    }

    fn base_name(&self) -> &'static str {
        "input_layer"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        if !inputs.is_empty() {
            let what = format!("inputs of {what}, which is one itself");
            return Err(Error::Count { what, expected: 0, found: inputs.len() });
        }
        outputs.resize_with(1, Shape::default);
        outputs[0].assign(self.shape.axes().iter().copied());
        Ok(())
    }

    fn check(&self, what: &str, _: &[Shape]) -> Result<()> {
        if self.batch_size == Some(0) {
            return Err(Error::invalid(what, "batch_size must be positive"));
        }
        if self.shape.axes().contains(&Some(0)) {
            let why = format!("an axis of the shape {} is empty", self.shape);
            return Err(Error::invalid(what, why));
        }
        Ok(())
    }

    fn weights(&self, _: &[Shape]) -> Vec<Weight> {
        Vec::new()
    }
}

/// Nothing to compute: the model writes the data to the output.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) batch_size: Option<usize>,
}

impl<T: Float> Operation<T> for Feed {
    fn rows(&self) -> Option<usize> {
        self.batch_size
    }

    fn forward(&mut self, _: Pass<T>, _: &mut [Buffer<T>]) {}

    fn backward(
        &mut self,
        _: Pass<T>,
        _: &[Buffer<T>],
        _: &mut [Flow<T>],
        _: &mut [T],
        _: &mut [Flow<T>],
    ) {
    }
}
