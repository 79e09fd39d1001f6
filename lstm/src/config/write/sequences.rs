//! LSTM, its cells, and the layers around them.

use serde_json::{Value, json};

use super::super::weights::{constraint_json, initializer_json, regularizer_json};
use super::{Site, extend, layers};
use crate::layer::{
    Bidirectional, Cell, LSTM, LSTMCell, MergeMode, RNN, Recurrent, Sequence, StackedRNNCells,
    TimeDistributed,
};
use crate::shape::Shape;

pub(super) fn lstm(lstm: &LSTM, site: Site) -> Value {
    let name = lstm.name.as_deref().unwrap_or("lstm");
    let way = sequence(lstm.sequence());
    let mut config = extend(extend(site.config(name, lstm.trainable), way), step(lstm));
    config["activity_regularizer"] = regularizer_json(lstm.activity_regularizer);
    with_states("LSTM", config, site)
}

/// How a layer goes through a sequence. `unroll` is how TensorFlow computes, not what.
fn sequence(sequence: Sequence) -> Value {
    json!({
        "return_sequences": sequence.return_sequences,
        "return_state": sequence.return_state,
        "go_backwards": sequence.go_backwards,
        "stateful": sequence.stateful,
        "unroll": false,
        "zero_output_for_mask": sequence.zero_output_for_mask,
    })
}

/// What an LSTM does at each step.
fn step(lstm: &LSTM) -> Value {
    json!({
        "units": lstm.units,
        "activation": lstm.activation.name(),
        "recurrent_activation": lstm.recurrent_activation.name(),
        "use_bias": lstm.use_bias,
        "kernel_initializer": initializer_json(lstm.kernel_initializer),
        "recurrent_initializer": initializer_json(lstm.recurrent_initializer),
        "bias_initializer": initializer_json(lstm.bias_initializer),
        "unit_forget_bias": lstm.unit_forget_bias,
        "kernel_regularizer": regularizer_json(lstm.kernel_regularizer),
        "recurrent_regularizer": regularizer_json(lstm.recurrent_regularizer),
        "bias_regularizer": regularizer_json(lstm.bias_regularizer),
        "kernel_constraint": constraint_json(lstm.kernel_constraint.as_ref()),
        "recurrent_constraint": constraint_json(lstm.recurrent_constraint.as_ref()),
        "bias_constraint": constraint_json(lstm.bias_constraint.as_ref()),
        "dropout": lstm.dropout,
        "recurrent_dropout": lstm.recurrent_dropout,
        "seed": lstm.seed,
    })
}

/// The object of a layer whose first input is a sequence, and the others its initial states.
fn with_states(class: &str, config: Value, site: Site) -> Value {
    let mut layer = site.built(class, config);
    if let Some([sequences, states @ ..]) = site.inputs.filter(|inputs| inputs.len() > 1) {
        layer["build_config"] = json!({ "shapes_dict": {
            "sequences_shape": site.shape(sequences),
            "initial_state_shape": site.shapes(states),
        } });
    }
    layer
}

pub(super) fn bidirectional(layer: &Bidirectional, site: Site) -> Value {
    let name = layer.name.as_deref().unwrap_or("bidirectional");
    let ways = [&layer.forward_layer, &layer.backward_layer];
    let inside = site.inside(site.inputs.map(|inputs| &inputs[..inputs.len().min(1)]));
    let [forward, backward] = ways.map(|way| match way {
        Recurrent::LSTM(way) => lstm(way, inside),
        Recurrent::RNN(way) => rnn(way, inside),
    });
    let more = json!({
        "merge_mode": layer.merge_mode.map(MergeMode::name),
        "layer": forward,
        "backward_layer": backward,
    });
    let trainable = ways.into_iter().any(|way| match way {
        Recurrent::LSTM(way) => way.trainable,
        Recurrent::RNN(way) => is_trained(&way.cell),
    });
    with_states("Bidirectional", extend(site.config(name, trainable), more), site)
}

/// A layer around cells is trained if one of them is.
fn is_trained(cell: &Cell) -> bool {
    cell.cells().iter().any(|LSTMCell(cell)| cell.trainable)
}

pub(super) fn rnn(rnn: &RNN, site: Site) -> Value {
    let name = rnn.name.as_deref().unwrap_or("rnn");
    let way = sequence(rnn.sequence());
    let features = site.inputs.and_then(|inputs| inputs.first()).map(Shape::features);
    let cell = match &rnn.cell {
        Cell::LSTM(one) => cell(one, 0, features, site),
        Cell::Stacked(stack) => stacked(stack, features, site),
    };
    let config = extend(site.config(name, is_trained(&rnn.cell)), way);
    let mut config = extend(config, json!({ "cell": cell }));
    // Keras writes it only where there is one.
    if rnn.activity_regularizer.is_some() {
        config["activity_regularizer"] = regularizer_json(rnn.activity_regularizer);
    }
    with_states("RNN", config, site)
}

/// A cell, which is number `at` of its stack, for inputs of so many features if it is built.
fn cell(
    LSTMCell(cell): &LSTMCell,
    at: usize,
    features: Option<Option<usize>>,
    site: Site,
) -> Value {
    let name = match (&cell.name, at) {
        (Some(name), _) => name.clone(),
        (None, 0) => "lstm_cell".to_owned(),
        (None, at) => format!("lstm_cell_{at}"),
    };
    let inputs = features.map(|features| [Shape::from([features])]);
    let site = site.inside(inputs.as_ref().map(|inputs| &inputs[..]));
    site.built("LSTMCell", extend(site.config(&name, cell.trainable), step(cell)))
}

fn stacked(stack: &StackedRNNCells, features: Option<Option<usize>>, site: Site) -> Value {
    let mut below = features;
    let mut cells = Vec::new();
    for (at, one) in stack.cells.iter().enumerate() {
        cells.push(cell(one, at, below, site));
        below = below.map(|_| Some(one.0.units));
    }
    let inputs = features.map(|features| [Shape::from([features])]);
    let site = site.inside(inputs.as_ref().map(|inputs| &inputs[..]));
    let trainable = stack.cells.iter().any(|LSTMCell(cell)| cell.trainable);
    let config = site.config(stack.own_name(), trainable);
    site.built("StackedRNNCells", extend(config, json!({ "cells": cells })))
}

pub(super) fn time_distributed(layer: &TimeDistributed, site: Site) -> Value {
    let name = layer.name.as_deref().unwrap_or("time_distributed");
    let step = site.inputs.and_then(|inputs| inputs.first()).map(|input| {
        let step = input.axes().get(1..).unwrap_or_default();
        [Shape::from(step.to_vec())]
    });
    let inside = site.inside(step.as_ref().map(|step| &step[..]));
    let config = site.config(name, layer.trainable);
    let more = json!({ "layer": layers::layer(&layer.layer, inside) });
    site.built("TimeDistributed", extend(config, more))
}
