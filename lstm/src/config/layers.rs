//! Layers and their initializers.

use serde_json::Value;

use super::fields::Fields;
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::initializer::{Distribution, Fan, Initializer};
use crate::layer::{Bidirectional, Cell, LSTMCell, MergeMode, RNN, Recurrent, StackedRNNCells};
use crate::layer::{Dense, InputDescription, LSTM, Layer};
use crate::shape::Shape;

/// A layer of any supported class.
pub(super) fn layer(value: &Value) -> Result<Layer> {
    let (class, fields) = Fields::of_class("layer", value)?;
    match class {
        "InputLayer" => input(fields).map(Layer::Input),
        "LSTM" => lstm(fields).map(Layer::LSTM),
        "Bidirectional" => bidirectional(fields).map(Layer::Bidirectional),
        "RNN" => rnn(fields).map(Layer::RNN),
        "Dense" => dense(fields).map(Layer::Dense),
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

/// Keys that every layer with weights has.
fn layer_keys(fields: &mut Fields) -> Result<Option<String>> {
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

fn bidirectional(mut fields: Fields) -> Result<Bidirectional> {
    let name = layer_keys(&mut fields)?;
    let forward = fields.need("layer")?;
    let forward = recurrent(&fields, "layer", forward)?;
    let backward = match fields.take("backward_layer") {
        None | Some(Value::Null) => None,
        Some(value) => Some(recurrent(&fields, "backward_layer", value)?),
    };
    let merge_mode = match fields.take("merge_mode") {
        None => Some(MergeMode::Concat),
        Some(Value::Null) => None,
        Some(value) => match value.as_str() {
            Some("concat") => Some(MergeMode::Concat),
            Some("sum") => Some(MergeMode::Sum),
            Some("mul") => Some(MergeMode::Mul),
            Some("ave") => Some(MergeMode::Ave),
            _ => {
                let why = format!("expected concat, sum, mul, ave or null, found {value}");
                return Err(fields.error("merge_mode", why));
            }
        },
    };
    fields.finish()?;
    let layer = Bidirectional::new(forward).merge_mode(merge_mode);
    let layer = Bidirectional { name, ..layer };
    Ok(match backward {
        None => layer,
        Some(backward) => layer.backward_layer(backward),
    })
}

/// A layer that reads sequences, inside of another.
fn recurrent(fields: &Fields, key: &str, value: &Value) -> Result<Recurrent> {
    let layer = layer(value)?;
    let class = layer.describe().class();
    layer
        .try_into()
        .map_err(|_| fields.error(key, format!("expected an LSTM or an RNN, found {class}")))
}

fn rnn(mut fields: Fields) -> Result<RNN> {
    let name = layer_keys(&mut fields)?;
    let rnn = RNN {
        cell: cell(fields.need("cell")?)?,
        return_sequences: fields.flag("return_sequences", false)?,
        return_state: fields.flag("return_state", false)?,
        go_backwards: fields.flag("go_backwards", false)?,
        stateful: fields.flag("stateful", false)?,
        zero_output_for_mask: fields.flag("zero_output_for_mask", false)?,
        name,
    };
    fields.skip("unroll"); // how TensorFlow computes, not what
    fields.finish()?;
    Ok(rnn)
}

fn cell(value: &Value) -> Result<Cell> {
    let (class, mut fields) = Fields::of_class("cell", value)?;
    match class {
        "LSTMCell" => lstm_cell(fields).map(Cell::LSTM),
        "StackedRNNCells" => {
            let name = layer_keys(&mut fields)?;
            let cells = fields.need("cells")?;
            let wrong = || fields.error("cells", format!("expected an array, found {cells}"));
            let cells = cells.as_array().ok_or_else(wrong)?.iter().map(|value| {
                let (class, fields) = Fields::of_class("cell", value)?;
                match class {
                    "LSTMCell" => lstm_cell(fields),
                    other => Err(Error::unsupported("cell in StackedRNNCells", other)),
                }
            });
            let cells = cells.collect::<Result<Vec<_>>>()?;
            fields.finish()?;
            Ok(Cell::Stacked(StackedRNNCells { cells, name }))
        }
        other => Err(Error::unsupported("cell", other)),
    }
}

/// A cell has the keys of an LSTM but for those that say how it goes through a sequence.
fn lstm_cell(fields: Fields) -> Result<LSTMCell> {
    for key in [
        "return_sequences",
        "return_state",
        "go_backwards",
        "stateful",
        "unroll",
        "zero_output_for_mask",
        "activity_regularizer",
    ] {
        fields.lack(key)?;
    }
    lstm(fields).map(LSTMCell)
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
        "Zeros" | "zeros" => Initializer::Zeros,
        "Ones" | "ones" => Initializer::Ones,
        "Constant" | "constant" => Initializer::Constant(settings.number("value", 0.0)?),
        "RandomNormal" | "random_normal" => Initializer::RandomNormal {
            mean: settings.number("mean", 0.0)?,
            stddev: settings.number("stddev", 0.05)?,
        },
        "RandomUniform" | "random_uniform" => Initializer::RandomUniform {
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
