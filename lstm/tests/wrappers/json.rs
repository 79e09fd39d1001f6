//! What Keras writes of layers around others.

use lstm::Layer;

/// A class with its settings, as Keras writes it.
fn of(class: &str, config: &str) -> String {
    format!(
        r#"{{"module": "keras.layers", "class_name": "{class}", "config": {{"trainable": true,
        "dtype": "float64", {config}}}, "registered_name": null}}"#
    )
}

fn lstm(more: &str) -> String {
    of("LSTM", &format!(r#""name": "words", "units": 2{more}"#))
}

fn read(class: &str, config: &str) -> Result<String, String> {
    let layer = Layer::from_json(&of(class, &format!(r#""name": "one", {config}"#)));
    layer.map(|layer| format!("{layer:?}")).map_err(|error| error.to_string())
}

#[test]
fn merge_modes_and_layers_are_read() {
    let inner = lstm(r#", "return_sequences": true"#);
    for (mode, shown) in [
        (r#""concat""#, "Some(Concat)"),
        (r#""sum""#, "Some(Sum)"),
        (r#""mul""#, "Some(Mul)"),
        (r#""ave""#, "Some(Ave)"),
        ("null", "None"),
    ] {
        let layer = read("Bidirectional", &format!(r#""layer": {inner}, "merge_mode": {mode}"#));
        let layer = layer.unwrap();
        assert!(layer.contains(&format!("merge_mode: {shown}")), "{layer}");
        assert!(layer.contains(r#"Some("forward_words")"#), "{layer}");
        assert!(layer.contains(r#"Some("backward_words")"#), "{layer}");
        // As in Keras, whatever was written.
        assert_eq!(layer.matches("zero_output_for_mask: true").count(), 2, "{layer}");
    }
    let backward = lstm(r#", "return_sequences": true, "go_backwards": true"#);
    let layer =
        read("Bidirectional", &format!(r#""layer": {inner}, "backward_layer": {backward}"#));
    assert!(layer.unwrap().contains(r#"name: Some("words")"#));
}

#[test]
fn cells_are_read() {
    let cell = of("LSTMCell", r#""name": "cell", "units": 3, "dropout": 0.5, "seed": 7"#);
    let layer =
        read("RNN", &format!(r#""cell": {cell}, "stateful": true, "unroll": true"#)).unwrap();
    for shown in ["units: 3", "dropout: 0.5", "seed: Some(7)", "stateful: true", r#"Some("cell")"#]
    {
        assert!(layer.contains(shown), "{shown} in {layer}");
    }
    let stack = of("StackedRNNCells", &format!(r#""name": "stack", "cells": [{cell}, {cell}]"#));
    let layer = read("RNN", &format!(r#""cell": {stack}"#)).unwrap();
    assert_eq!(layer.matches("units: 3").count(), 2, "{layer}");
    assert!(layer.contains(r#"Some("stack")"#), "{layer}");
}

#[test]
fn what_is_wrong_or_unknown_is_named() {
    let (inner, dense) = (lstm(""), of("Dense", r#""name": "d", "units": 2"#));
    let cell = of("LSTMCell", r#""name": "cell", "units": 3, "return_sequences": true"#);
    let gru = of("GRUCell", r#""name": "cell", "units": 3"#);
    for (class, config, error) in [
        ("Bidirectional", r#""merge_mode": "sum""#.to_owned(), "Bidirectional.layer: missing"),
        (
            "Bidirectional",
            format!(r#""layer": {inner}, "merge_mode": "max""#),
            "Bidirectional.merge_mode: expected concat, sum, mul, ave or null, found \"max\"",
        ),
        (
            "Bidirectional",
            format!(r#""layer": {dense}"#),
            "Bidirectional.layer: expected an LSTM or an RNN, found Dense",
        ),
        (
            "Bidirectional",
            format!(r#""layer": {inner}, "colour": 1"#),
            "Bidirectional.colour: unknown key",
        ),
        ("RNN", format!(r#""cell": {cell}"#), "LSTMCell.return_sequences: unknown key"),
        ("RNN", format!(r#""cell": {gru}"#), "unsupported cell: `GRUCell`"),
        ("RNN", format!(r#""cell": {inner}"#), "unsupported cell: `LSTM`"),
        ("TimeDistributed", r#""colour": 1"#.to_owned(), "TimeDistributed.layer: missing"),
        (
            "TimeDistributed",
            format!(r#""layer": {inner}, "colour": 1"#),
            "TimeDistributed.colour: unknown key",
        ),
    ] {
        assert_eq!(read(class, &config).unwrap_err(), error);
    }
}
