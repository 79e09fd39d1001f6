//! Sequential and Functional.

use serde_json::{Value, json};

use super::super::weights::object;
use super::{Site, calls, compilation, extend, layers};
use crate::float::Float;
use crate::model::{Kind, Model};

/// What `model.to_json()` writes.
pub(in super::super) fn model<T: Float>(model: &Model<T>) -> Value {
    let site = Site {
        dtype: if size_of::<T>() == size_of::<f64>() { "float64" } else { "float32" },
        batch_size: model.batch_size(),
        ..Site::OUTSIDE
    };
    let mut written = match model.kind() {
        Kind::Sequential => sequential(model, site),
        Kind::Functional => {
            let config = json!({ "name": model.name(), "trainable": true });
            let config = extend(config, calls::layers(model.graph(), site));
            let mut written = object("keras.src.models.functional", "Functional", config);
            written["registered_name"] = json!("Functional");
            written["build_config"] = json!({ "input_shape": null });
            written
        }
    };
    written["compile_config"] = compilation::json(model, site.dtype);
    written
}

fn sequential<T: Float>(model: &Model<T>, site: Site) -> Value {
    let members = model.graph().layers.iter();
    let layers: Vec<Value> = members
        .map(|member| {
            let site = Site { name: Some(&member.name), inputs: Some(&member.inputs), ..site };
            layers::layer(&member.layer, site)
        })
        .collect();
    let shape: Value = model.input_shapes().map(|shape| site.shape(shape)).next().into();
    let more = json!({ "layers": layers, "build_input_shape": shape });
    let mut written = object("keras", "Sequential", extend(site.config(model.name(), true), more));
    written["build_config"] = json!({ "input_shape": shape });
    written
}
