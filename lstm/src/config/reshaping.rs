//! Layers without weights that have one input.

use serde_json::Value;

use super::fields::Fields;
use super::layers::{self, layer_keys};
use crate::activation::Activation;
use crate::error::Result;
use crate::layer::{ActivationLayer, DataFormat, Flatten, Permute, RepeatVector, Reshape, Softmax};

pub(super) fn repeat_vector(mut fields: Fields) -> Result<RepeatVector> {
    let (name, _) = layer_keys(&mut fields)?;
    let layer = RepeatVector { n: fields.size("n")?, name };
    fields.finish()?;
    Ok(layer)
}

pub(super) fn activation(mut fields: Fields) -> Result<ActivationLayer> {
    let (name, _) = layer_keys(&mut fields)?;
    let activation = layers::activation(&mut fields, "activation", Activation::Linear)?;
    fields.finish()?;
    Ok(ActivationLayer { activation, name })
}

pub(super) fn softmax(mut fields: Fields) -> Result<Softmax> {
    let (name, _) = layer_keys(&mut fields)?;
    let axes = fields.axes("axis", -1)?;
    fields.finish()?;
    Ok(Softmax { axes, name })
}

pub(super) fn flatten(mut fields: Fields) -> Result<Flatten> {
    let (name, _) = layer_keys(&mut fields)?;
    let data_format = match fields.take("data_format") {
        None | Some(Value::Null) => DataFormat::default(),
        Some(value) => match value.as_str() {
            Some("channels_last") => DataFormat::ChannelsLast,
            Some("channels_first") => DataFormat::ChannelsFirst,
            _ => return Err(fields.error("data_format", format!("unknown value {value}"))),
        },
    };
    fields.finish()?;
    Ok(Flatten { data_format, name })
}

pub(super) fn reshape(mut fields: Fields) -> Result<Reshape> {
    let (name, _) = layer_keys(&mut fields)?;
    let target_shape = sizes(&mut fields, "target_shape", |size| match size {
        -1 => Some(None),
        size => usize::try_from(size).ok().map(Some),
    })?;
    fields.finish()?;
    Ok(Reshape { target_shape: target_shape.into(), name })
}

pub(super) fn permute(mut fields: Fields) -> Result<Permute> {
    let (name, _) = layer_keys(&mut fields)?;
    let dims = sizes(&mut fields, "dims", |dim| usize::try_from(dim).ok())?;
    fields.finish()?;
    Ok(Permute { dims, name })
}

/// A list of whole numbers, each of which has to be one that `read` takes.
fn sizes<S>(
    fields: &mut Fields,
    key: &'static str,
    read: impl Fn(i64) -> Option<S>,
) -> Result<Vec<S>> {
    let value = fields.need(key)?;
    let sizes = value.as_array().and_then(|sizes| {
        sizes.iter().map(|size| size.as_i64().and_then(&read)).collect::<Option<Vec<S>>>()
    });
    sizes.ok_or_else(|| fields.error(key, format!("expected a list of sizes, found {value}")))
}
