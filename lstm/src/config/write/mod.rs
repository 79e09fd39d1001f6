//! Writing what the rest of `config` reads, with every key that Keras 3.15 writes.
//!
//! | module        | holds                                                             |
//! |---------------|-------------------------------------------------------------------|
//! | `layers`      | layers of one input                                               |
//! | `sequences`   | LSTM, its cells, and the layers around them                       |
//! | `models`      | Sequential and Functional                                         |
//! | `calls`       | the calls of a functional model                                   |
//! | `compilation` | what a model was compiled with                                    |

mod calls;
mod compilation;
mod layers;
mod models;
mod sequences;

use serde_json::{Value, json};

pub(super) use layers::layer;
pub(super) use models::model;

use super::weights::object;
use crate::shape::Shape;

/// Where a layer stands that is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    /// `float32` or `float64`.
    dtype: &'static str,
    /// The name that the model gave the layer, if it is one of a model's.
    name: Option<&'a str>,
    /// The shapes it was built for, if it was.
    inputs: Option<&'a [Shape]>,
    batch_size: Option<usize>,
}

impl<'a> Site<'a> {
    /// Of a layer that is in no model.
    pub(super) const OUTSIDE: Site<'static> =
        Site { dtype: "float32", name: None, inputs: None, batch_size: None };

    /// Of a layer inside of this one.
    fn inside(self, inputs: Option<&'a [Shape]>) -> Self {
        Site { name: None, inputs, ..self }
    }

    /// The keys that all layers begin with.
    fn config(&self, name: &str, trainable: bool) -> Value {
        let policy = json!({ "name": self.dtype });
        json!({
            "name": self.name.unwrap_or(name),
            "trainable": trainable,
            "dtype": object("keras", "DTypePolicy", policy),
        })
    }

    /// The object of a layer that is built with its weights or shapes.
    fn built(&self, class: &str, config: Value) -> Value {
        let mut layer = object("keras.layers", class, config);
        if let Some(shapes) = self.inputs {
            layer["build_config"] = match shapes {
                [one] => json!({ "input_shape": self.shape(one) }),
                several => json!({ "input_shape": self.shapes(several) }),
            };
        }
        layer
    }

    /// The shape of a batch, null where an axis is not known.
    fn shape(&self, shape: &Shape) -> Value {
        json!(shape.batched(self.batch_size))
    }

    fn shapes(&self, shapes: &[Shape]) -> Value {
        shapes.iter().map(|shape| self.shape(shape)).collect()
    }
}

/// Puts further keys into a config.
fn extend(mut config: Value, more: Value) -> Value {
    if let (Value::Object(config), Value::Object(more)) = (&mut config, more) {
        config.extend(more);
    }
    config
}
