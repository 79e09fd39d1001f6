//! What a model was compiled with.

use serde_json::Value;

use super::fields::Fields;
use super::optimizers::optimizer;
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::optimizer::Optimizer;

/// The arguments of `compile`; none where it was not called, which Keras writes as null or `{}`.
pub(super) fn compilation(value: &Value) -> Result<Option<(Optimizer, Loss)>> {
    if value.is_null() || value.as_object().is_some_and(|object| object.is_empty()) {
        return Ok(None);
    }
    let mut fields = Fields::of("compile_config", value)?;
    let optimizer = optimizer(fields.need("optimizer")?)?;
    let loss = match fields.need("loss")? {
        // A list has a loss for each output.
        Value::Array(losses) if losses.len() == 1 => loss(&losses[0])?,
        value => loss(value)?,
    };
    for key in ["loss_weights", "metrics", "weighted_metrics"] {
        fields.refuse(key)?;
    }
    // How TensorFlow computes, not what.
    for key in ["run_eagerly", "steps_per_execution", "jit_compile", "auto_scale_loss"] {
        fields.skip(key);
    }
    fields.finish()?;
    Ok(Some((optimizer, loss)))
}

/// A loss: the name of a function or class, a function, or a class with its settings.
fn loss(value: &Value) -> Result<Loss> {
    if let Value::String(name) = value {
        return by_name(name);
    }
    if let (Some("function"), Some(name)) =
        (value.get("class_name").and_then(Value::as_str), value.get("config"))
    {
        return match name.as_str() {
            Some(name) => by_name(name),
            None => Err(Error::unsupported("loss", name.to_string())),
        };
    }
    let (class, mut settings) = Fields::of_class("loss", value)?;
    let loss = by_name(class)?;
    match settings.take("reduction") {
        None => {}
        Some(Value::String(mean)) if mean == "sum_over_batch_size" => {}
        Some(other) => {
            return Err(Error::unsupported(format!("reduction of {class}"), other.to_string()));
        }
    }
    settings.skip("name");
    settings.skip("dtype"); // the precision is the caller's choice
    settings.finish()?;
    Ok(loss)
}

fn by_name(name: &str) -> Result<Loss> {
    match name {
        "MeanSquaredError" | "MSE" => Ok(Loss::MeanSquaredError),
        "MeanAbsoluteError" | "MAE" => Ok(Loss::MeanAbsoluteError),
        name => name.parse(),
    }
}
