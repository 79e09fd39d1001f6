//! Models, Sequential and Functional.

use std::collections::HashMap;

use serde_json::Value;

use super::compilation::compilation;
use super::fields::Fields;
use super::layers::{layer, sample_shape};
use super::operations;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::graph::{Shared, Symbol};
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
    let outputs = model.output_names();
    let compiled = value.get("compile_config").map(|value| compilation(value, &outputs));
    if let Some((optimizer, losses, rest)) = compiled.transpose()?.flatten() {
        model.compile_with(optimizer, losses, rest)?;
    }
    Ok(model)
}

fn array<'a>(fields: &mut Fields<'a>, key: &'static str) -> Result<&'a [Value]> {
    let value = fields.need(key)?;
    let wrong = || fields.error(key, format!("expected an array, found {value}"));
    value.as_array().map(|array| &array[..]).ok_or_else(wrong)
}

/// Keys that every model has: its name, and whether it is trained.
fn model_keys(fields: &mut Fields, default: &str) -> Result<(String, bool)> {
    let name = fields.name()?;
    fields.dtype()?;
    Ok((name.unwrap_or_else(|| default.to_owned()), fields.flag("trainable", true)?))
}

fn sequential<T: Float>(mut fields: Fields) -> Result<Model<T>> {
    // Whether it is trained, its layers say by themselves: Keras reads it of them alone.
    let (name, _) = model_keys(&mut fields, "sequential")?;
    let mut layers =
        array(&mut fields, "layers")?.iter().map(layer).collect::<Result<Vec<Layer>>>()?;
    // Where the input was not a layer, its shape is that of the first call.
    let shape = fields.take("build_input_shape").filter(|shape| !shape.is_null());
    if let (Some(shape), false) = (shape, matches!(layers.first(), Some(Layer::Input(_)))) {
        let (batch_size, shape) = sample_shape(&fields, "build_input_shape", shape)?;
        let input = InputDescription { shape, batch_size, name: None };
        layers.insert(0, Layer::Input(input));
    }
    fields.finish()?;
    layers.into_iter().fold(Sequential::new().name(name), Sequential::add).build_as()
}

fn functional<T: Float>(mut fields: Fields) -> Result<Model<T>> {
    let (name, trainable) = model_keys(&mut fields, "functional")?;
    let layers = array(&mut fields, "layers")?;
    let input_layers = fields.need("input_layers")?;
    let output_layers = fields.need("output_layers")?;
    fields.finish()?;

    let mut calls = Calls::new();
    let mut waiting: Vec<Node> = Vec::new();
    for value in layers {
        nodes(value, trainable, &mut calls, &mut waiting)?;
    }
    // Layers are written in an order of Keras's; each is called once all it reads is there.
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut left = Vec::new();
        for node in waiting {
            match node.call(&calls)? {
                Some(symbol) => {
                    calls.insert((node.name, node.index), symbol);
                }
                None => left.push(node),
            }
        }
        if left.len() == before {
            let why = format!("`{}` reads what no layer makes", left[0].name);
            return Err(Error::config("layers", why));
        }
        waiting = left;
    }
    let inputs = places("input_layers", input_layers, &calls)?;
    let outputs = places("output_layers", output_layers, &calls)?;
    Ok(Model::new_as(&inputs[..], &outputs[..])?.named(name))
}

/// What the calls made so far return: `(layer, which of its calls)`.
type Calls<'a> = HashMap<(&'a str, usize), Symbol>;

/// A call of a layer.
struct Node<'a> {
    name: &'a str,
    index: usize,
    layer: Shared,
    /// Its inputs, `(layer, call, output)`.
    sources: Vec<Place<'a>>,
    mask: Option<Place<'a>>,
}

/// Reads a layer of a model, trained or not, and all its calls. An input is there already.
fn nodes<'a>(
    value: &'a Value,
    trainable: bool,
    calls: &mut Calls<'a>,
    waiting: &mut Vec<Node<'a>>,
) -> Result<()> {
    let name = value
        .get("name")
        .and_then(Value::as_str)
        .ok_or_else(|| Error::config("layers", "a layer without a name"))?;
    let nodes = value.get("inbound_nodes").and_then(Value::as_array).map_or(&[][..], |n| &n[..]);
    let mut shared = None;
    if !operations::is_one(value) {
        let layer = layer(value)?;
        if let Layer::Input(description) = layer {
            let input = Input::of(InputDescription { name: Some(name.to_owned()), ..description });
            calls.insert((name, 0), Symbol::clone(&input));
            return Ok(());
        }
        if nodes.is_empty() {
            return Err(Error::config(name, "a layer that is never called"));
        }
        shared = Some(Shared::new(if trainable { layer } else { layer.frozen() }));
    }
    for (index, node) in nodes.iter().enumerate() {
        let mut node = Fields::of(format!("inbound_nodes of {name}"), node)?;
        let args = node.need("args")?;
        let mut kwargs = Fields::of(format!("kwargs of {name}"), node.need("kwargs")?)?;
        node.finish()?;
        kwargs.skip("training"); // overridden by that of the model's call
        let (mut sources, mut scalars, mut masks) = (Vec::new(), Vec::new(), Vec::new());
        tensors(args, &mut sources, &mut scalars)?;
        if let Some(states) = kwargs.take("initial_state") {
            tensors(states, &mut sources, &mut scalars)?;
        }
        if let Some(mask) = kwargs.take("mask") {
            tensors(mask, &mut masks, &mut scalars)?;
        }
        kwargs.finish()?;
        if masks.len() > 1 {
            return Err(Error::unsupported(
                format!("number of masks of {name}"),
                masks.len().to_string(),
            ));
        }
        let layer = match &shared {
            Some(layer) => layer.clone(),
            None => Shared::new(operations::operation(value, &mut scalars)?),
        };
        if let Some(scalar) = scalars.first() {
            return Err(Error::unsupported(
                format!("argument of a call of {name}"),
                scalar.to_string(),
            ));
        }
        waiting.push(Node { name, index, layer, sources, mask: masks.pop() });
    }
    Ok(())
}

impl Node<'_> {
    /// What the call returns, unless an input is not there yet.
    fn call(&self, calls: &Calls) -> Result<Option<Symbol>> {
        let find = |&(layer, call, output): &Place| match calls.get(&(layer, call)) {
            Some(symbol) => symbol.output(output).map(Some),
            None => Ok(None),
        };
        let sources: Option<Vec<_>> = self.sources.iter().map(find).collect::<Result<_>>()?;
        let mask = self.mask.as_ref().map(find).transpose()?;
        match (sources, mask) {
            (None, _) | (_, Some(None)) => Ok(None),
            (Some(sources), mask) => self.layer.call_of(sources, mask.flatten()).map(Some),
        }
    }
}

/// `["layer", call, output]`
type Place<'a> = (&'a str, usize, usize);

/// All tensors in a call's arguments, and what is none.
fn tensors<'a>(
    value: &'a Value,
    out: &mut Vec<Place<'a>>,
    scalars: &mut Vec<&'a Value>,
) -> Result<()> {
    match value {
        Value::Null => Ok(()),
        Value::Array(values) => values.iter().try_for_each(|value| tensors(value, out, scalars)),
        value => {
            match value.get("config").and_then(|config| config.get("keras_history")) {
                Some(history) => out.push(place(history)?),
                None => scalars.push(value),
            }
            Ok(())
        }
    }
}

fn place(value: &Value) -> Result<Place<'_>> {
    let wrong =
        || Error::config("tensor", format!("expected [layer, call, output], found {value}"));
    match value.as_array().map(|place| &place[..]) {
        Some([Value::String(layer), call, output]) => {
            let number = |value: &Value| value.as_u64().map(|n| n as usize).ok_or_else(wrong);
            Ok((layer, number(call)?, number(output)?))
        }
        _ => Err(wrong()),
    }
}

/// The symbols of `input_layers` or `output_layers`: one place, or a list of them.
fn places(at: &str, value: &Value, calls: &Calls) -> Result<Vec<Symbol>> {
    let list = match value.as_array().map(|places| &places[..]) {
        Some([Value::String(_), ..]) => std::slice::from_ref(value),
        Some(places) => places,
        None => return Err(Error::unsupported(at, value.to_string())),
    };
    let symbol = |value: &Value| {
        let (layer, call, output) = place(value)?;
        let unknown = || Error::config(at, format!("no call {call} of a layer `{layer}`"));
        calls.get(&(layer, call)).ok_or_else(unknown)?.output(output)
    };
    list.iter().map(symbol).collect()
}
