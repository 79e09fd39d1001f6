//! Descriptions of models as Keras writes them: `model.to_json()`, `layers.serialize`,
//! `optimizers.serialize`.
//!
//! A key whose value asks for something this crate lacks is an [`Error::Unsupported`], and so is a
//! custom class, whatever its name; a key that Keras does not write, or a value of another type, an
//! [`Error::Config`]. Read but not kept is what changes no number here: which of the two precisions,
//! the seeds of initializers, the shapes that `config` implies and how TensorFlow runs a graph.

mod compilation;
mod fields;
mod layers;
mod merging;
mod models;
mod operations;
mod optimizers;
mod reshaping;
mod schedules;
mod weights;
mod write;

use serde_json::Value;

use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::initializer::Initializer;
use crate::layer::Layer;
use crate::loss::Objective;
use crate::model::Model;
use crate::optimizer::Optimizer;
use crate::regularizer::Regularizer;

fn parse(json: &str) -> Result<Value> {
    serde_json::from_str(json).map_err(|error| Error::config("JSON", error.to_string()))
}

impl Layer {
    /// A layer from what `keras.layers.serialize` returns.
    ///
    /// # Errors
    ///
    /// If it is not JSON, or asks for what this crate does not have.
    pub fn from_json(json: &str) -> Result<Layer> {
        layers::layer(&parse(json)?)
    }

    /// What `keras.layers.serialize` returns for a layer of this description that is not built yet,
    /// in `float32`. A layer that was given no name has that of its class, initializers no seed;
    /// `unroll` is false, and a wrapper is trainable where something inside of it is.
    pub fn to_json(&self) -> String {
        write::layer(self, write::Site::OUTSIDE).to_string()
    }
}

impl Optimizer {
    /// An optimizer from what `keras.optimizers.serialize` returns.
    ///
    /// # Errors
    ///
    /// If it is not JSON, or asks for what this crate does not have.
    pub fn from_json(json: &str) -> Result<Optimizer> {
        optimizers::optimizer(&parse(json)?)
    }

    /// What `keras.optimizers.serialize` returns for it. Keras has the learning rate of a model in
    /// `f32` in that precision; here it is as it was given.
    pub fn to_json(&self) -> String {
        optimizers::json(self).to_string()
    }
}

impl Initializer {
    /// What `keras.initializers.serialize` returns for it, without a seed. A `VarianceScaling` that is
    /// the same as a class of another name, as `LecunNormal` is by default, is written as that.
    pub fn to_json(self) -> String {
        weights::initializer_json(self).to_string()
    }
}

impl Regularizer {
    /// A regularizer from what `keras.regularizers.serialize` returns.
    ///
    /// # Errors
    ///
    /// If it is not JSON, or asks for what this crate does not have.
    pub fn from_json(json: &str) -> Result<Regularizer> {
        weights::regularizer_of("regularizer", &parse(json)?)
    }

    /// What `keras.regularizers.serialize` returns for it.
    pub fn to_json(self) -> String {
        weights::regularizer_json(Some(self)).to_string()
    }
}

impl Constraint {
    /// A constraint from what `keras.constraints.serialize` returns.
    ///
    /// # Errors
    ///
    /// If it is not JSON, or asks for what this crate does not have.
    pub fn from_json(json: &str) -> Result<Constraint> {
        weights::constraint_of("constraint", &parse(json)?)
    }

    /// What `keras.constraints.serialize` returns for it.
    pub fn to_json(&self) -> String {
        weights::constraint_json(Some(self)).to_string()
    }
}

impl Objective {
    /// A loss from what `keras.losses.serialize` returns, or its name as a JSON string.
    ///
    /// # Errors
    ///
    /// If it is not JSON, or asks for what this crate does not have.
    pub fn from_json(json: &str) -> Result<Objective> {
        compilation::loss(&parse(json)?)
    }
}

impl Model<f32> {
    /// A model from what Keras's `model.to_json()` returns, Sequential or Functional, in `f32`
    /// whatever precision is written there. It is compiled if it was when it was written, as in
    /// Keras, with an optimizer and orders of samples that start anew.
    ///
    /// # Errors
    ///
    /// If it is not JSON, or asks for what this crate does not have.
    pub fn from_json(json: &str) -> Result<Model<f32>> {
        Model::from_json_as(json)
    }
}

impl<T: Float> Model<T> {
    /// As [`Model::from_json`], in the precision `T`.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn from_json_as(json: &str) -> Result<Model<T>> {
        models::model(&parse(json)?)
    }

    /// What Keras's `model.to_json()` returns for it: layers, the shapes they are built for, their
    /// calls, and what the model is compiled with. Keras reads it with
    /// `keras.models.model_from_json`.
    ///
    /// Not kept of a file that was read, beside what [`Layer::to_json`] says: the types of inputs
    /// (one that is nothing but a mask is of truths, all others are of `T`), the `training` of single
    /// calls (that of the model's call takes its place), whether a functional model is trainable (its
    /// layers are not if it is not), whether one input or output was in a list, whether losses, their
    /// weights and metrics were given by the names of outputs (they are written in the order of
    /// those), and whether a loss with Keras's defaults was given by its name, a shorter one, or an
    /// object of its class: its name is written.
    pub fn to_json(&self) -> String {
        write::model(self).to_string()
    }

    /// The same with the learning rate that its optimizer was given: what it was at the beginning of
    /// a training stays the same meanwhile.
    pub(crate) fn description(&self) -> Value {
        let mut written = write::model(self);
        if let Some(optimizer) = self.given_optimizer() {
            written["compile_config"]["optimizer"] = optimizers::json(optimizer);
        }
        written
    }
}
