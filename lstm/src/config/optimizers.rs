//! Optimizers.

use serde_json::Value;

use super::fields::Fields;
use crate::error::{Error, Result};
use crate::optimizer::{Adam, Optimizer, SGD};

/// An optimizer of any supported class.
pub(super) fn optimizer(value: &Value) -> Result<Optimizer> {
    let (class, mut fields) = Fields::of_class("optimizer", value)?;
    let optimizer = match class {
        "SGD" => {
            let default = SGD::default();
            Optimizer::SGD(SGD {
                learning_rate: learning_rate(&mut fields, default.learning_rate)?,
                momentum: fields.number("momentum", default.momentum)?,
                nesterov: fields.flag("nesterov", default.nesterov)?,
            })
        }
        "Adam" => {
            let default = Adam::default();
            fields.refuse("amsgrad")?;
            Optimizer::Adam(Adam {
                learning_rate: learning_rate(&mut fields, default.learning_rate)?,
                beta_1: fields.number("beta_1", default.beta_1)?,
                beta_2: fields.number("beta_2", default.beta_2)?,
                epsilon: fields.number("epsilon", default.epsilon)?,
            })
        }
        other => return Err(Error::unsupported("optimizer", other)),
    };
    for key in [
        "weight_decay",
        "clipnorm",
        "global_clipnorm",
        "clipvalue",
        "use_ema",
        "ema_overwrite_frequency",
        "loss_scale_factor",
        "gradient_accumulation_steps",
    ] {
        fields.refuse(key)?;
    }
    fields.skip("name");
    fields.skip("ema_momentum"); // means nothing without `use_ema`
    fields.finish()?;
    Ok(optimizer)
}

/// A constant learning rate; a schedule is an object.
fn learning_rate(fields: &mut Fields, default: f64) -> Result<f64> {
    match fields.take("learning_rate") {
        None => Ok(default),
        Some(Value::Object(schedule)) => {
            let class = schedule.get("class_name").and_then(Value::as_str).unwrap_or("?");
            Err(Error::unsupported("learning-rate schedule", class))
        }
        Some(value) => value.as_f64().ok_or_else(|| {
            fields.error("learning_rate", format!("expected a number, found {value}"))
        }),
    }
}
