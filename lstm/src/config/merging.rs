//! Layers of several inputs.

use super::fields::Fields;
use super::layers::layer_keys;
use crate::error::{Error, Result};
use crate::layer::{Add, Average, Concatenate, Layer, Maximum, Minimum, Multiply, Subtract};

pub(super) fn concatenate(mut fields: Fields) -> Result<Concatenate> {
    let (name, _) = layer_keys(&mut fields)?;
    let axis = fields.axis("axis", -1)?;
    fields.finish()?;
    Ok(Concatenate { axis, name })
}

/// A layer that combines its inputs entry by entry.
pub(super) fn merge(class: &str, mut fields: Fields) -> Result<Layer> {
    let (name, _) = layer_keys(&mut fields)?;
    fields.finish()?;
    match class {
        "Add" => Ok(Add { name }.into()),
        "Subtract" => Ok(Subtract { name }.into()),
        "Multiply" => Ok(Multiply { name }.into()),
        "Average" => Ok(Average { name }.into()),
        "Maximum" => Ok(Maximum { name }.into()),
        "Minimum" => Ok(Minimum { name }.into()),
        other => Err(Error::unsupported("layer", other)),
    }
}
