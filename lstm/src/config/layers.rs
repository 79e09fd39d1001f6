//! Layers and their initializers.

use serde_json::Value;

use super::fields::Fields;
use super::{merging, reshaping};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::initializer::{Distribution, Fan, Initializer};
use crate::layer::{Dense, Embedding, InputDescription, LSTM, Layer, LayerNormalization};
use crate::shape::Shape;

/// A layer of any supported class.
pub(super) fn layer(value: &Value) -> Result<Layer> {
    let (class, fields) = Fields::of_class("layer", value)?;
    match class {
        "InputLayer" => input(fields).map(Layer::Input),
        "LSTM" => lstm(fields).map(Layer::LSTM),
        "Dense" => dense(fields).map(Layer::Dense),
        "Embedding" => embedding(fields).map(Layer::Embedding),
        "LayerNormalization" => layer_normalization(fields).map(Layer::LayerNormalization),
        "RepeatVector" => reshaping::repeat_vector(fields).map(Layer::RepeatVector),
        "Activation" => reshaping::activation(fields).map(Layer::Activation),
        "Softmax" => reshaping::softmax(fields).map(Layer::Softmax),
        "Flatten" => reshaping::flatten(fields).map(Layer::Flatten),
        "Reshape" => reshaping::reshape(fields).map(Layer::Reshape),
        "Permute" => reshaping::permute(fields).map(Layer::Permute),
        "Concatenate" => merging::concatenate(fields).map(Layer::Concatenate),
        "Add" | "Subtract" | "Multiply" | "Average" | "Maximum" | "Minimum" => {
            merging::merge(class, fields)
        }
        other => Err(Error::unsupported("layer", other)),
    }
}

/// The shape of one sample, from a shape with a batch axis of any size.
pub(super) fn sample_shape(fields: &Fields, key: &str, value: &Value) -> Result<Shape> {
    let wrong = || fields.error(key, format!("expected [null, …], found {value}"));
    let (batch, axes) = value.as_array().and_then(|axes| axes.split_first()).ok_or_else(wrong)?;
    if !batch.is_null() {
        return Err(Error::unsupported("fixed batch size", batch.to_string()));
    }
    let axis = |axis: &Value| match axis {
        Value::Null => Ok(None),
        axis => {
            let size = axis.as_u64().and_then(|size| usize::try_from(size).ok());
            size.map(Some).ok_or_else(wrong)
        }
    };
    axes.iter().map(axis).collect::<Result<Vec<_>>>().map(Shape::from)
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

/// Keys that every layer has, and its name.
pub(super) fn layer_keys(fields: &mut Fields) -> Result<Option<String>> {
    let name = fields.name()?;
    fields.skip("dtype"); // the precision is the caller's choice
    if !fields.flag("trainable", true)? {
        return Err(Error::unsupported("layer that is not trainable", name.unwrap_or_default()));
    }
    Ok(name)
}

fn lstm(mut fields: Fields) -> Result<LSTM> {
    let name = layer_keys(&mut fields)?;
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
    for key in [
        "kernel_regularizer",
        "recurrent_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "recurrent_constraint",
        "bias_constraint",
    ] {
        fields.refuse(key)?;
    }
    fields.skip("unroll"); // how TensorFlow computes, not what
    fields.finish()?;
    Ok(lstm)
}

fn dense(mut fields: Fields) -> Result<Dense> {
    let name = layer_keys(&mut fields)?;
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
        name,
    };
    for key in [
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
        "lora_rank",
        "quantization_config",
    ] {
        fields.refuse(key)?;
    }
    fields.finish()?;
    Ok(dense)
}

fn embedding(mut fields: Fields) -> Result<Embedding> {
    let name = layer_keys(&mut fields)?;
    let start = Embedding::new(0, 0).embeddings_initializer;
    let embedding = Embedding {
        input_dim: fields.size("input_dim")?,
        output_dim: fields.size("output_dim")?,
        embeddings_initializer: initializer(&mut fields, "embeddings_initializer", start)?,
        mask_zero: fields.flag("mask_zero", false)?,
        name,
    };
    for key in [
        "embeddings_regularizer",
        "activity_regularizer",
        "embeddings_constraint",
        "lora_rank",
        "lora_alpha",
        "quantization_config",
    ] {
        fields.refuse(key)?;
    }
    fields.skip("input_length"); // as in Keras, which has it from old files
    fields.finish()?;
    Ok(embedding)
}

fn layer_normalization(mut fields: Fields) -> Result<LayerNormalization> {
    let name = layer_keys(&mut fields)?;
    let layer = LayerNormalization {
        epsilon: fields.number("epsilon", 1e-3)?,
        center: fields.flag("center", true)?,
        scale: fields.flag("scale", true)?,
        rms_scaling: fields.flag("rms_scaling", false)?,
        beta_initializer: initializer(&mut fields, "beta_initializer", Initializer::Zeros)?,
        gamma_initializer: initializer(&mut fields, "gamma_initializer", Initializer::Ones)?,
        name,
        ..LayerNormalization::new()
    };
    let layer = layer.axes(fields.axes("axis", -1)?);
    for key in ["beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint"] {
        fields.refuse(key)?;
    }
    fields.finish()?;
    Ok(layer)
}

/// An activation by name; null is linear, as in Keras.
pub(super) fn activation(
    fields: &mut Fields,
    key: &'static str,
    default: Activation,
) -> Result<Activation> {
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

/// An initializer, as a name or as a class with its settings.
fn initializer(
    fields: &mut Fields,
    key: &'static str,
    default: Initializer,
) -> Result<Initializer> {
    let value = match fields.take(key) {
        None => return Ok(default),
        Some(value) => value,
    };
    let empty = Value::Object(serde_json::Map::new());
    let (class, mut settings) = match value {
        Value::String(name) => (&name[..], Fields::of(&name[..], &empty)?),
        value => Fields::of_class(key, value)?,
    };
    settings.skip("seed"); // streams of random numbers are our own
    for axes in ["input_axes", "output_axes"] {
        settings.refuse(axes)?;
    }
    let initializer = match class {
        "Zeros" | "zeros" | "zero" => Initializer::Zeros,
        "Ones" | "ones" | "one" => Initializer::Ones,
        "Constant" | "constant" => Initializer::Constant(settings.number("value", 0.0)?),
        "RandomNormal" | "random_normal" | "normal" => Initializer::RandomNormal {
            mean: settings.number("mean", 0.0)?,
            stddev: settings.number("stddev", 0.05)?,
        },
        "RandomUniform" | "random_uniform" | "uniform" => Initializer::RandomUniform {
            minval: settings.number("minval", -0.05)?,
            maxval: settings.number("maxval", 0.05)?,
        },
        "TruncatedNormal" | "truncated_normal" => Initializer::TruncatedNormal {
            mean: settings.number("mean", 0.0)?,
            stddev: settings.number("stddev", 0.05)?,
        },
        "VarianceScaling" | "variance_scaling" => variance_scaling(&mut settings)?,
        "GlorotUniform" | "glorot_uniform" => Initializer::GLOROT_UNIFORM,
        "GlorotNormal" | "glorot_normal" => Initializer::GLOROT_NORMAL,
        "HeUniform" | "he_uniform" => Initializer::HE_UNIFORM,
        "HeNormal" | "he_normal" => Initializer::HE_NORMAL,
        "LecunUniform" | "lecun_uniform" => Initializer::LECUN_UNIFORM,
        "LecunNormal" | "lecun_normal" => Initializer::LECUN_NORMAL,
        "Orthogonal" | "OrthogonalInitializer" | "orthogonal" => {
            Initializer::Orthogonal { gain: settings.number("gain", 1.0)? }
        }
        "Identity" | "IdentityInitializer" | "identity" => {
            Initializer::Identity { gain: settings.number("gain", 1.0)? }
        }
        other => return Err(Error::unsupported(key, other)),
    };
    settings.finish()?;
    Ok(initializer)
}

fn variance_scaling(settings: &mut Fields) -> Result<Initializer> {
    let scale = settings.number("scale", 1.0)?;
    let mode = match settings.text("mode")? {
        "fan_in" => Fan::In,
        "fan_out" => Fan::Out,
        "fan_avg" => Fan::Average,
        other => return Err(settings.error("mode", format!("unknown value `{other}`"))),
    };
    let distribution = match settings.text("distribution")? {
        "truncated_normal" => Distribution::TruncatedNormal,
        "untruncated_normal" => Distribution::UntruncatedNormal,
        "uniform" => Distribution::Uniform,
        other => return Err(settings.error("distribution", format!("unknown value `{other}`"))),
    };
    Ok(Initializer::VarianceScaling { scale, mode, distribution })
}
