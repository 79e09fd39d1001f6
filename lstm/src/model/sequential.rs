//! Layers in a row.

use super::{Kind, Model};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::graph::{Graph, Symbol};
use crate::layer::{Input, Layer};

/// A stack of layers, described. [`build`](Self::build) makes it a [`Model`].
///
/// ```
/// use lstm::{Dense, Input, LSTM, Sequential};
///
/// let model = Sequential::new()
///     .add(Input::new([4, 8]))
///     .add(LSTM::new(3))
///     .add(Dense::new(1))
///     .build()?;
/// println!("{}", model.summary());
/// # Ok::<(), lstm::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sequential {
    name: String,
    layers: Vec<Layer>,
}

impl Default for Sequential {
    fn default() -> Self {
        Sequential::new()
    }
}

impl Sequential {
    /// No layers yet.
    pub fn new() -> Self {
        Sequential { name: "sequential".to_owned(), layers: Vec::new() }
    }

    /// The name of the model; `sequential` unless set.
    pub fn name(self, name: impl Into<String>) -> Self {
        Sequential { name: name.into(), ..self }
    }

    /// Puts a layer on top. The first is an [`Input`].
    #[allow(clippy::should_implement_trait, reason = "the name in Keras")]
    pub fn add(mut self, layer: impl Into<Layer>) -> Self {
        self.layers.push(layer.into());
        self
    }

    /// The model in `f32`. Initial weights are those of seed 0: see [`Model::reseed`].
    ///
    /// # Errors
    ///
    /// If there is no input, a layer does not fit what comes before it, there is no memory for the
    /// weights, or `KERNELS_ISA` names an instruction set that this CPU lacks.
    pub fn build(self) -> Result<Model<f32>> {
        self.build_as()
    }

    /// The model in the precision `T`: `build_as::<f64>()`.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_as<T: Float>(self) -> Result<Model<T>> {
        let mut layers = self.layers.into_iter();
        let input = match layers.next() {
            Some(Layer::Input(description)) => Input::of(description),
            _ => return Err(Error::NotBuilt { model: self.name }),
        };
        let mut top = Symbol::clone(&input);
        for layer in layers {
            if matches!(layer, Layer::Input(_)) {
                return Err(Error::invalid(self.name, "an Input can only be the first layer"));
            }
            top = Symbol::of_call(layer, vec![top])?;
        }
        let graph = Graph::new(&[Symbol::clone(&input)], &[top])?;
        Model::of_graph(Kind::Sequential, self.name, graph)
    }
}
