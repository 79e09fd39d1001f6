//! Layers of one input, and those that combine several.

use serde_json::{Value, json};

use super::super::weights::{constraint_json, initializer_json, object, regularizer_json};
use super::{Site, extend, sequences};
use crate::layer::{
    DataFormat, Dense, Embedding, InputDescription, Layer, LayerNormalization, Truth,
};

/// What `keras.layers.serialize` writes for a layer.
pub(in super::super) fn layer(layer: &Layer, site: Site) -> Value {
    let description = layer.describe();
    let class = description.class();
    let name = description.name().unwrap_or(description.base_name());
    let start = || site.config(name, true);
    // Of these Keras writes no shapes: there is nothing to build.
    let plain = |more| object("keras.layers", class, extend(start(), more));
    let shaped = |more| site.built(class, extend(start(), more));
    match layer {
        Layer::Input(layer) => input(layer, name, site),
        Layer::LSTM(layer) => sequences::lstm(layer, site),
        Layer::Bidirectional(layer) => sequences::bidirectional(layer, site),
        Layer::RNN(layer) => sequences::rnn(layer, site),
        Layer::TimeDistributed(layer) => sequences::time_distributed(layer, site),
        Layer::Dense(layer) => dense(layer, name, site),
        Layer::Embedding(layer) => embedding(layer, name, site),
        Layer::LayerNormalization(layer) => layer_normalization(layer, name, site),
        Layer::Masking(layer) => plain(json!({ "mask_value": layer.mask_value })),
        Layer::Dropout(layer) => plain(json!({
            "rate": layer.rate,
            "seed": layer.seed,
            "noise_shape": layer.noise_shape,
        })),
        // Of this one Keras writes the name of the precision, and nothing of training.
        Layer::SpatialDropout1D(layer) => {
            let name = site.name.unwrap_or(name);
            let config = json!({
                "rate": layer.rate,
                "seed": layer.seed,
                "name": name,
                "dtype": site.dtype,
            });
            object("keras.layers", class, config)
        }
        Layer::Activation(layer) => plain(json!({ "activation": layer.activation.name() })),
        Layer::Softmax(layer) => plain(json!({ "axis": axes(&layer.axes) })),
        Layer::Reshape(layer) => {
            let size = |size: &Option<usize>| size.map_or(json!(-1), |size| json!(size));
            let sizes: Vec<Value> = layer.target_shape.axes().iter().map(size).collect();
            plain(json!({ "target_shape": sizes }))
        }
        Layer::RepeatVector(layer) => shaped(json!({ "n": layer.n })),
        Layer::Flatten(layer) => shaped(json!({ "data_format": match layer.data_format {
            DataFormat::ChannelsLast => "channels_last",
            DataFormat::ChannelsFirst => "channels_first",
        } })),
        Layer::Permute(layer) => shaped(json!({ "dims": layer.dims })),
        Layer::Concatenate(layer) => shaped(json!({ "axis": layer.axis })),
        Layer::Add(_)
        | Layer::Subtract(_)
        | Layer::Multiply(_)
        | Layer::Average(_)
        | Layer::Maximum(_)
        | Layer::Minimum(_) => shaped(json!({})),
        Layer::Truth(layer) => truth(layer, class, site.name.unwrap_or(name)),
    }
}

fn input(input: &InputDescription, name: &str, site: Site) -> Value {
    let config = json!({
        "batch_shape": input.shape.batched(input.batch_size),
        "dtype": site.dtype,
        "sparse": false,
        "ragged": false,
        "name": site.name.unwrap_or(name),
        "optional": false,
    });
    object("keras.layers", "InputLayer", config)
}

fn dense(dense: &Dense, name: &str, site: Site) -> Value {
    let mut config = json!({
        "units": dense.units,
        "activation": dense.activation.name(),
        "use_bias": dense.use_bias,
        "kernel_initializer": initializer_json(dense.kernel_initializer),
        "bias_initializer": initializer_json(dense.bias_initializer),
        "kernel_regularizer": regularizer_json(dense.kernel_regularizer),
        "bias_regularizer": regularizer_json(dense.bias_regularizer),
        "kernel_constraint": constraint_json(dense.kernel_constraint.as_ref()),
        "bias_constraint": constraint_json(dense.bias_constraint.as_ref()),
        "quantization_config": null,
    });
    // Keras writes it only where there is one.
    if dense.activity_regularizer.is_some() {
        config["activity_regularizer"] = regularizer_json(dense.activity_regularizer);
    }
    site.built("Dense", extend(site.config(name, dense.trainable), config))
}

fn embedding(embedding: &Embedding, name: &str, site: Site) -> Value {
    let config = json!({
        "input_dim": embedding.input_dim,
        "output_dim": embedding.output_dim,
        "embeddings_initializer": initializer_json(embedding.embeddings_initializer),
        "embeddings_regularizer": regularizer_json(embedding.embeddings_regularizer),
        "activity_regularizer": regularizer_json(embedding.activity_regularizer),
        "embeddings_constraint": constraint_json(embedding.embeddings_constraint.as_ref()),
        "mask_zero": embedding.mask_zero,
        "quantization_config": null,
    });
    site.built("Embedding", extend(site.config(name, embedding.trainable), config))
}

fn layer_normalization(layer: &LayerNormalization, name: &str, site: Site) -> Value {
    let config = json!({
        // Once it is built, Keras has a list of them.
        "axis": if site.inputs.is_some() { json!(layer.axes) } else { axes(&layer.axes) },
        "epsilon": layer.epsilon,
        "center": layer.center,
        "scale": layer.scale,
        "rms_scaling": layer.rms_scaling,
        "beta_initializer": initializer_json(layer.beta_initializer),
        "gamma_initializer": initializer_json(layer.gamma_initializer),
        "beta_regularizer": regularizer_json(layer.beta_regularizer),
        "gamma_regularizer": regularizer_json(layer.gamma_regularizer),
        "beta_constraint": constraint_json(layer.beta_constraint.as_ref()),
        "gamma_constraint": constraint_json(layer.gamma_constraint.as_ref()),
    });
    site.built("LayerNormalization", extend(site.config(name, layer.trainable), config))
}

/// One axis, or a list of several.
fn axes(axes: &[isize]) -> Value {
    match axes {
        [one] => json!(one),
        several => json!(several),
    }
}

fn truth(truth: &Truth, class: &str, name: &str) -> Value {
    use crate::layer::Op;
    let more = match truth.op {
        Op::Any => json!({ "axis": -1, "keepdims": false }),
        Op::ExpandDims => json!({ "axis": -1 }),
        Op::ZerosLike | Op::OnesLike => json!({ "dtype": "bool" }),
        Op::NotEqual(_) | Op::LogicalOr => json!({}),
    };
    operation(class, name, more)
}

/// An operation of `keras.ops` in a functional model.
pub(super) fn operation(class: &str, name: &str, more: Value) -> Value {
    let mut operation = object("keras.src.ops.numpy", class, extend(json!({ "name": name }), more));
    operation["registered_name"] = json!(class);
    operation
}
