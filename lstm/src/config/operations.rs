//! Operations that a functional model has between its layers: those that masks are made of.

use serde_json::Value;

use super::fields::Fields;
use super::merging;
use crate::error::{Error, Result};
use crate::layer::{Layer, Op, Truth};

/// Whether this is an operation, not a layer.
pub(super) fn is_one(value: &Value) -> bool {
    let module = value.get("module").and_then(Value::as_str).unwrap_or_default();
    module.starts_with("keras.src.ops") || module.starts_with("keras.ops")
}

/// The operation of a call that has `scalars` among its arguments; takes those it needs.
pub(super) fn operation(value: &Value, scalars: &mut Vec<&Value>) -> Result<Layer> {
    let (class, mut fields) = Fields::of_class("operation", value)?;
    let name = fields.name()?;
    fields.dtype_among(&["bool"])?; // truths are numbers here
    let op = match class {
        "NotEqual" => match scalars.pop().and_then(Value::as_f64) {
            Some(number) => Op::NotEqual(number),
            None => return Err(Error::unsupported("operation", "NotEqual of two tensors")),
        },
        "Any" => {
            fields.refuse("keepdims")?;
            last_axis(&mut fields)?;
            Op::Any
        }
        "ExpandDims" => {
            last_axis(&mut fields)?;
            Op::ExpandDims
        }
        // Of masks, as the layer does it with them.
        "Concatenate" => return merging::concatenate(fields).map(Layer::Concatenate),
        "LogicalOr" => Op::LogicalOr,
        "ZerosLike" => Op::ZerosLike,
        "OnesLike" => Op::OnesLike,
        other => return Err(Error::unsupported("operation", other)),
    };
    fields.finish()?;
    Ok(Layer::Truth(Truth { op, name }))
}

fn last_axis(fields: &mut Fields) -> Result<()> {
    match fields.need("axis")? {
        axis if axis.as_i64() == Some(-1) => Ok(()),
        axis => Err(fields.error("axis", format!("expected -1, the last one, found {axis}"))),
    }
}
