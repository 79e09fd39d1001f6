//! Layers.

use serde_json::Value;

use super::fields::Fields;
use super::weights::{constraint, initializer, regularizer};
use super::{merging, reshaping};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::layer::{
    Bidirectional, Cell, LSTMCell, MergeMode, RNN, Recurrent, StackedRNNCells, TimeDistributed,
};
use crate::layer::{
    Dense, Dropout, Embedding, InputDescription, LSTM, Layer, LayerNormalization, Masking,
    SpatialDropout1D,
};
use crate::shape::Shape;

/// A layer of any supported class.
pub(super) fn layer(value: &Value) -> Result<Layer> {
    let (class, fields) = Fields::of_class("layer", value)?;
    match class {
        "InputLayer" => input(fields).map(Layer::Input),
        "LSTM" => lstm(fields).map(Layer::LSTM),
        "Bidirectional" => bidirectional(fields).map(Layer::Bidirectional),
        "RNN" => rnn(fields).map(Layer::RNN),
        "TimeDistributed" => time_distributed(fields).map(Layer::TimeDistributed),
        "Dense" => dense(fields).map(Layer::Dense),
        "Masking" => masking(fields).map(Layer::Masking),
        "Dropout" => dropout(fields).map(Layer::Dropout),
        "SpatialDropout1D" => spatial_dropout(fields).map(Layer::SpatialDropout1D),
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

/// The batch size, if it is said, and the shape of one sample.
pub(super) fn sample_shape(
    fields: &Fields,
    key: &str,
    value: &Value,
) -> Result<(Option<usize>, Shape)> {
    let axes = self::axes(fields, key, value)?;
    match axes.split_first() {
        Some((&batch_size, sample)) => Ok((batch_size, Shape::from(sample.to_vec()))),
        None => Err(fields.error(key, "expected [batch size or null, …], found []")),
    }
}

/// The types of inputs that are no fractions.
const WHOLE: [&str; 9] =
    ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"];

fn input(mut fields: Fields) -> Result<InputDescription> {
    let shape = fields.need("batch_shape")?;
    let (batch_size, shape) = sample_shape(&fields, "batch_shape", shape)?;
    let name = fields.name()?;
    // Truths and whole numbers are numbers here.
    fields.dtype_among(&WHOLE)?;
    for key in ["sparse", "ragged", "optional"] {
        fields.refuse(key)?;
    }
    fields.finish()?;
    Ok(InputDescription { shape, batch_size, name })
}

/// Keys that every layer with weights has: its name, and whether it is trained.
pub(super) fn layer_keys(fields: &mut Fields) -> Result<(Option<String>, bool)> {
    let name = fields.name()?;
    fields.dtype()?;
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
    fields.flag("unroll", false)?; // how TensorFlow computes, not what
    fields.finish()?;
    Ok(lstm)
}

fn bidirectional(mut fields: Fields) -> Result<Bidirectional> {
    let (name, trainable) = layer_keys(&mut fields)?;
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
    let layer = match backward {
        None => layer,
        Some(backward) => layer.backward_layer(backward),
    };
    Ok(if trainable { layer } else { layer.trainable(false) })
}

/// A layer that reads sequences, inside of another.
fn recurrent(fields: &Fields, key: &str, value: &Value) -> Result<Recurrent> {
    let layer = layer(value)?;
    let class = layer.describe().class();
    layer
        .try_into()
        .map_err(|_| fields.error(key, format!("expected an LSTM or an RNN, found {class}")))
}

fn time_distributed(mut fields: Fields) -> Result<TimeDistributed> {
    let (name, trainable) = layer_keys(&mut fields)?;
    let layer = Box::new(layer(fields.need("layer")?)?);
    fields.finish()?;
    Ok(TimeDistributed { layer, trainable, name })
}

fn rnn(mut fields: Fields) -> Result<RNN> {
    let (name, trainable) = layer_keys(&mut fields)?;
    let rnn = RNN {
        cell: cell(fields.need("cell")?)?,
        return_sequences: fields.flag("return_sequences", false)?,
        return_state: fields.flag("return_state", false)?,
        go_backwards: fields.flag("go_backwards", false)?,
        stateful: fields.flag("stateful", false)?,
        zero_output_for_mask: fields.flag("zero_output_for_mask", false)?,
        activity_regularizer: regularizer(&mut fields, "activity_regularizer")?,
        name,
    };
    fields.flag("unroll", false)?; // how TensorFlow computes, not what
    fields.finish()?;
    Ok(if trainable { rnn } else { rnn.trainable(false) })
}

fn cell(value: &Value) -> Result<Cell> {
    let (class, mut fields) = Fields::of_class("cell", value)?;
    match class {
        "LSTMCell" => lstm_cell(fields).map(Cell::LSTM),
        "StackedRNNCells" => {
            let (name, trainable) = layer_keys(&mut fields)?;
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
            let stack = Cell::Stacked(StackedRNNCells { cells, name });
            Ok(if trainable { stack } else { stack.trainable(false) })
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
    lstm(fields).map(|lstm| LSTMCell(Box::new(lstm)))
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

fn embedding(mut fields: Fields) -> Result<Embedding> {
    let (name, trainable) = layer_keys(&mut fields)?;
    let start = Embedding::new(0, 0).embeddings_initializer;
    let embedding = Embedding {
        input_dim: fields.size("input_dim")?,
        output_dim: fields.size("output_dim")?,
        embeddings_initializer: initializer(&mut fields, "embeddings_initializer", start)?,
        embeddings_regularizer: regularizer(&mut fields, "embeddings_regularizer")?,
        activity_regularizer: regularizer(&mut fields, "activity_regularizer")?,
        embeddings_constraint: constraint(&mut fields, "embeddings_constraint")?,
        mask_zero: fields.flag("mask_zero", false)?,
        trainable,
        name,
    };
    for key in ["lora_rank", "lora_alpha", "quantization_config"] {
        fields.refuse(key)?;
    }
    // As in Keras, which has it from old files.
    if let Some(length) = fields.take("input_length").filter(|length| !length.is_u64()) {
        match length {
            Value::Null => {}
            length => axes(&fields, "input_length", length).map(|_| ())?,
        }
    }
    fields.finish()?;
    Ok(embedding)
}

fn layer_normalization(mut fields: Fields) -> Result<LayerNormalization> {
    let (name, trainable) = layer_keys(&mut fields)?;
    let layer = LayerNormalization {
        epsilon: fields.number("epsilon", 1e-3)?,
        center: fields.flag("center", true)?,
        scale: fields.flag("scale", true)?,
        rms_scaling: fields.flag("rms_scaling", false)?,
        beta_initializer: initializer(&mut fields, "beta_initializer", Initializer::Zeros)?,
        gamma_initializer: initializer(&mut fields, "gamma_initializer", Initializer::Ones)?,
        beta_regularizer: regularizer(&mut fields, "beta_regularizer")?,
        gamma_regularizer: regularizer(&mut fields, "gamma_regularizer")?,
        beta_constraint: constraint(&mut fields, "beta_constraint")?,
        gamma_constraint: constraint(&mut fields, "gamma_constraint")?,
        trainable,
        name,
        ..LayerNormalization::new()
    };
    let layer = layer.axes(fields.axes("axis", -1)?);
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
