//! Models, Sequential and Functional.

use std::collections::HashMap;

use serde_json::Value;

use super::compilation::compilation;
use super::fields::Fields;
use super::layers::{layer, sample_shape};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::graph::Symbol;
use crate::layer::{Input, InputDescription, Layer};
use crate::model::{Model, Sequential};

/// A model of either form, compiled if it is described so.
pub(super) fn model<T: Float>(value: &Value) -> Result<Model<T>> {
    let (class, fields) = Fields::of_class_beside("model", value, &["compile_config"])?;
    let mut model = match class {
        "Sequential" => sequential(fields)?,
        "Functional" | "Model" => functional(fields)?,
        other => return Err(Error::unsupported("model", other)),
    };
    if let Some((optimizer, losses, rest)) =
        value.get("compile_config").map_or(Ok(None), compilation)?
    {
        model.compile_with(optimizer, losses, rest)?;
    }
    Ok(model)
}

fn array<'a>(fields: &mut Fields<'a>, key: &'static str) -> Result<&'a [Value]> {
    let value = fields.need(key)?;
    let wrong = || fields.error(key, format!("expected an array, found {value}"));
    value.as_array().map(|array| &array[..]).ok_or_else(wrong)
}

/// Keys that every model has, and its name.
fn model_keys(fields: &mut Fields, default: &str) -> Result<String> {
    let name = fields.name()?;
    fields.skip("dtype"); // the precision is the caller's choice
    if !fields.flag("trainable", true)? {
        return Err(Error::unsupported("model that is not trainable", name.unwrap_or_default()));
    }
    Ok(name.unwrap_or_else(|| default.to_owned()))
}

fn sequential<T: Float>(mut fields: Fields) -> Result<Model<T>> {
    let name = model_keys(&mut fields, "sequential")?;
    let mut layers =
        array(&mut fields, "layers")?.iter().map(layer).collect::<Result<Vec<Layer>>>()?;
    // Where the input was not a layer, its shape is that of the first call.
    let shape = fields.take("build_input_shape").filter(|shape| !shape.is_null());
    if let (Some(shape), false) = (shape, matches!(layers.first(), Some(Layer::Input(_)))) {
        let shape = sample_shape(&fields, "build_input_shape", shape)?;
        layers.insert(0, Layer::Input(InputDescription { shape, name: None }));
    }
    fields.finish()?;
    layers.into_iter().fold(Sequential::new().name(name), Sequential::add).build_as()
}

fn functional<T: Float>(mut fields: Fields) -> Result<Model<T>> {
    let name = model_keys(&mut fields, "functional")?;
    let layers = array(&mut fields, "layers")?;
    let input_layers = fields.need("input_layers")?;
    let output_layers = fields.need("output_layers")?;
    fields.finish()?;

    let mut calls: HashMap<&str, Symbol> = HashMap::new();
    let mut waiting: Vec<(&str, &Value)> = Vec::new();
    for value in layers {
        let name = value
            .get("name")
            .and_then(Value::as_str)
            .ok_or_else(|| Error::config("layers", "a layer without a name"))?;
        waiting.push((name, value));
    }
    // Layers are written in an order of Keras's; each is called once all it reads is there.
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut left = Vec::new();
        for (name, value) in waiting {
            match call(name, value, &calls)? {
                Some(symbol) => {
                    calls.insert(name, symbol);
                }
                None => left.push((name, value)),
            }
        }
        if left.len() == before {
            let why = format!("`{}` reads what no layer makes", left[0].0);
            return Err(Error::config("layers", why));
        }
        waiting = left;
    }
    let inputs = places("input_layers", input_layers, &calls)?;
    let outputs = places("output_layers", output_layers, &calls)?;
    Ok(Model::new_as(&inputs[..], &outputs[..])?.named(name))
}

/// Calls a layer on its inputs, unless one of them is not there yet.
fn call(name: &str, value: &Value, calls: &HashMap<&str, Symbol>) -> Result<Option<Symbol>> {
    let nodes = value.get("inbound_nodes").and_then(Value::as_array).map_or(&[][..], |n| &n[..]);
    let layer = layer(value)?;
    if let Layer::Input(description) = layer {
        let input = Input::of(InputDescription { name: Some(name.to_owned()), ..description });
        return Ok(Some(Symbol::clone(&input)));
    }
    let node = match nodes {
        [node] => node,
        nodes => {
            return Err(Error::unsupported(format!("layer called {} times", nodes.len()), name));
        }
    };
    let mut node = Fields::of(format!("inbound_nodes of {name}"), node)?;
    let args = node.need("args")?;
    let mut kwargs = Fields::of(format!("kwargs of {name}"), node.need("kwargs")?)?;
    node.finish()?;
    kwargs.refuse("mask")?;
    kwargs.skip("training"); // no layer here behaves differently in training
    let states = kwargs.take("initial_state");
    kwargs.finish()?;

    let mut sources = Vec::new();
    tensors(args, &mut sources)?;
    if let Some(states) = states {
        tensors(states, &mut sources)?;
    }
    let mut inputs = Vec::new();
    for (source, output) in sources {
        match calls.get(source) {
            Some(symbol) => inputs.push(symbol.output(output)?),
            None => return Ok(None),
        }
    }
    Symbol::of_call(layer, inputs).map(Some)
}

/// The `(layer, output)` of all tensors in a call's arguments.
fn tensors<'a>(value: &'a Value, out: &mut Vec<(&'a str, usize)>) -> Result<()> {
    match value {
        Value::Null => Ok(()),
        Value::Array(values) => values.iter().try_for_each(|value| tensors(value, out)),
        value => {
            let history = value
                .get("config")
                .and_then(|config| config.get("keras_history"))
                .ok_or_else(|| Error::unsupported("argument of a call", value.to_string()))?;
            out.push(place(history)?);
            Ok(())
        }
    }
}

/// `["layer", node, output]`
fn place(value: &Value) -> Result<(&str, usize)> {
    let wrong =
        || Error::config("tensor", format!("expected [layer, node, output], found {value}"));
    match value.as_array().map(|place| &place[..]) {
        Some([Value::String(layer), node, output]) => {
            if node.as_u64() != Some(0) {
                return Err(Error::unsupported("call beyond the first of layer", layer));
            }
            Ok((layer, output.as_u64().ok_or_else(wrong)? as usize))
        }
        _ => Err(wrong()),
    }
}

/// The symbols of `input_layers` or `output_layers`: one place, or a list of them.
fn places(at: &str, value: &Value, calls: &HashMap<&str, Symbol>) -> Result<Vec<Symbol>> {
    let list = match value.as_array().map(|places| &places[..]) {
        Some([Value::String(_), ..]) => std::slice::from_ref(value),
        Some(places) => places,
        None => return Err(Error::unsupported(at, value.to_string())),
    };
    let symbol = |value: &Value| {
        let (layer, output) = place(value)?;
        let unknown = || Error::config(at, format!("no layer `{layer}`"));
        calls.get(layer).ok_or_else(unknown)?.output(output)
    };
    list.iter().map(symbol).collect()
}
