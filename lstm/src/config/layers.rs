//! Layers.

use serde_json::Value;

use super::fields::Fields;
use super::weights::{constraint, initializer, regularizer};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::layer::{Dense, Dropout, InputDescription, LSTM, Layer, Masking, SpatialDropout1D};
use crate::shape::Shape;

/// A layer of any supported class.
pub(super) fn layer(value: &Value) -> Result<Layer> {
    let (class, fields) = Fields::of_class("layer", value)?;
    match class {
        "InputLayer" => input(fields).map(Layer::Input),
        "LSTM" => lstm(fields).map(Layer::LSTM),
        "Dense" => dense(fields).map(Layer::Dense),
        "Masking" => masking(fields).map(Layer::Masking),
        "Dropout" => dropout(fields).map(Layer::Dropout),
        "SpatialDropout1D" => spatial_dropout(fields).map(Layer::SpatialDropout1D),
        other => Err(Error::unsupported("layer", other)),
    }
}

/// The shape of one sample, from a shape with a batch axis of any size.
pub(super) fn sample_shape(fields: &Fields, key: &str, value: &Value) -> Result<Shape> {
    let wrong = || fields.error(key, format!("expected [null, …], found {value}"));
    let batch = value.as_array().and_then(|axes| axes.first()).ok_or_else(wrong)?;
    if !batch.is_null() {
        return Err(Error::unsupported("fixed batch size", batch.to_string()));
    }
    let mut sample = self::axes(fields, key, value)?;
    sample.remove(0);
    Ok(Shape::from(sample))
}

fn input(mut fields: Fields) -> Result<InputDescription> {
    let shape = fields.need("batch_shape")?;
    let shape = sample_shape(&fields, "batch_shape", shape)?;
    let name = fields.name()?;
    fields.skip("dtype");
    for key in ["sparse", "ragged", "optional"] {
        fields.refuse(key)?;
    }
    fields.finish()?;
    Ok(InputDescription { shape, name })
}

/// Keys that every layer with weights has: its name, and whether it is trained.
fn layer_keys(fields: &mut Fields) -> Result<(Option<String>, bool)> {
    let name = fields.name()?;
    fields.skip("dtype"); // the precision is the caller's choice
    Ok((name, fields.flag("trainable", true)?))
}

fn lstm(mut fields: Fields) -> Result<LSTM> {
    let (name, trainable) = layer_keys(&mut fields)?;
    let lstm = LSTM {
        units: fields.size("units")?,
        activation: activation(&mut fields, "activation", Activation::Tanh)?,
        recurrent_activation: activation(&mut fields, "recurrent_activation", Activation::Sigmoid)?,
        use_bias: fields.flag("use_bias", true)?,
        kernel_initializer: initializer(
            &mut fields,
            "kernel_initializer",
            Initializer::GLOROT_UNIFORM,
        )?,
        recurrent_initializer: initializer(
            &mut fields,
            "recurrent_initializer",
            Initializer::ORTHOGONAL,
        )?,
        bias_initializer: initializer(&mut fields, "bias_initializer", Initializer::Zeros)?,
        unit_forget_bias: fields.flag("unit_forget_bias", true)?,
        kernel_regularizer: regularizer(&mut fields, "kernel_regularizer")?,
        recurrent_regularizer: regularizer(&mut fields, "recurrent_regularizer")?,
        bias_regularizer: regularizer(&mut fields, "bias_regularizer")?,
        activity_regularizer: regularizer(&mut fields, "activity_regularizer")?,
        kernel_constraint: constraint(&mut fields, "kernel_constraint")?,
        recurrent_constraint: constraint(&mut fields, "recurrent_constraint")?,
        bias_constraint: constraint(&mut fields, "bias_constraint")?,
        trainable,
        return_sequences: fields.flag("return_sequences", false)?,
        return_state: fields.flag("return_state", false)?,
        go_backwards: fields.flag("go_backwards", false)?,
        stateful: fields.flag("stateful", false)?,
        zero_output_for_mask: fields.flag("zero_output_for_mask", false)?,
        dropout: fields.number("dropout", 0.0)?.clamp(0.0, 1.0),
        recurrent_dropout: fields.number("recurrent_dropout", 0.0)?.clamp(0.0, 1.0),
        seed: fields.seed()?,
        name,
    };
    fields.skip("unroll"); // how TensorFlow computes, not what
    fields.finish()?;
    Ok(lstm)
}

fn dense(mut fields: Fields) -> Result<Dense> {
    let (name, trainable) = layer_keys(&mut fields)?;
    let dense = Dense {
        units: fields.size("units")?,
        activation: activation(&mut fields, "activation", Activation::Linear)?,
        use_bias: fields.flag("use_bias", true)?,
        kernel_initializer: initializer(
            &mut fields,
            "kernel_initializer",
            Initializer::GLOROT_UNIFORM,
        )?,
        bias_initializer: initializer(&mut fields, "bias_initializer", Initializer::Zeros)?,
        kernel_regularizer: regularizer(&mut fields, "kernel_regularizer")?,
        bias_regularizer: regularizer(&mut fields, "bias_regularizer")?,
        activity_regularizer: regularizer(&mut fields, "activity_regularizer")?,
        kernel_constraint: constraint(&mut fields, "kernel_constraint")?,
        bias_constraint: constraint(&mut fields, "bias_constraint")?,
        trainable,
        name,
    };
    for key in ["lora_rank", "quantization_config"] {
        fields.refuse(key)?;
    }
    fields.finish()?;
    Ok(dense)
}

fn masking(mut fields: Fields) -> Result<Masking> {
    let (name, _) = layer_keys(&mut fields)?;
    let masking = Masking { mask_value: fields.number("mask_value", 0.0)?, name };
    fields.finish()?;
    Ok(masking)
}

fn dropout(mut fields: Fields) -> Result<Dropout> {
    let (name, _) = layer_keys(&mut fields)?;
    let rate = fields.need_number("rate")?;
    let noise_shape = match fields.take("noise_shape") {
        None | Some(Value::Null) => None,
        Some(shape) => Some(axes(&fields, "noise_shape", shape)?),
    };
    let dropout = Dropout { rate, noise_shape, seed: fields.seed()?, name };
    fields.finish()?;
    Ok(dropout)
}

fn spatial_dropout(mut fields: Fields) -> Result<SpatialDropout1D> {
    let (name, _) = layer_keys(&mut fields)?;
    let rate = fields.need_number("rate")?;
    fields.refuse("noise_shape")?;
    let dropout = SpatialDropout1D { rate, seed: fields.seed()?, name };
    fields.finish()?;
    Ok(dropout)
}

/// The sizes of axes, null where one is not known.
fn axes(fields: &Fields, key: &str, value: &Value) -> Result<Vec<Option<usize>>> {
    let wrong = || fields.error(key, format!("expected a shape, found {value}"));
    let axis = |axis: &Value| match axis {
        Value::Null => Ok(None),
        axis => {
            let size = axis.as_u64().and_then(|size| usize::try_from(size).ok());
            size.map(Some).ok_or_else(wrong)
        }
    };
    value.as_array().ok_or_else(wrong)?.iter().map(axis).collect()
}

/// An activation by name; null is linear, as in Keras.
fn activation(fields: &mut Fields, key: &'static str, default: Activation) -> Result<Activation> {
    match fields.take(key) {
        None => Ok(default),
        Some(Value::Null) => Ok(Activation::Linear),
        Some(Value::String(name)) => name.parse(),
        Some(other) => {
            let class = other.get("class_name").and_then(Value::as_str);
            Err(Error::unsupported(key, class.map_or(other.to_string(), str::to_owned)))
        }
    }
}
