//! The calls of a functional model: which layer reads what.

use serde_json::{Map, Value, json};

use super::{Site, extend, layers};
use crate::graph::{Call, Graph};
use crate::layer::{Layer, Op, Truth};

/// What the tensors of a call are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Numbers,
    Truths,
}

/// The keys `layers`, `input_layers` and `output_layers`.
pub(super) fn layers(graph: &Graph, site: Site) -> Value {
    let kinds = kinds(graph);
    let written: Vec<Value> = graph
        .layers
        .iter()
        .map(|member| {
            let first = member.calls.first().copied();
            let truths = first.is_some_and(|call| kinds[call] == Kind::Truths);
            let mut layer = match &member.layer {
                Layer::Concatenate(layer) if truths => {
                    let axis = json!({ "axis": layer.axis });
                    layers::operation("Concatenate", &member.name, axis)
                }
                layer @ Layer::Input(_) if truths => {
                    let name = Some(&member.name[..]);
                    layers::layer(layer, Site { name, dtype: "bool", ..site })
                }
                layer => {
                    let (name, inputs) = (Some(&member.name[..]), Some(&member.inputs[..]));
                    layers::layer(layer, Site { name, inputs, ..site })
                }
            };
            let calls = member.calls.iter().map(|&call| &graph.calls[call]);
            let nodes: Vec<Value> = calls
                .filter(|call| !call.sources.is_empty())
                .map(|call| node(graph, &kinds, call, site))
                .collect();
            layer["name"] = json!(member.name);
            layer["inbound_nodes"] = json!(nodes);
            layer
        })
        .collect();
    let inputs: Vec<Value> = graph.inputs.iter().map(|&call| place(graph, (call, 0))).collect();
    let outputs: Vec<Value> = graph.outputs.iter().map(|&output| place(graph, output)).collect();
    json!({
        "layers": written,
        "input_layers": one_or_list(inputs),
        "output_layers": one_or_list(outputs),
    })
}

/// Keras has one tensor by itself.
fn one_or_list(mut values: Vec<Value>) -> Value {
    match values.len() {
        1 => values.remove(0),
        _ => json!(values),
    }
}

/// Which calls make truths: inputs that are nothing but masks, operations, and what arranges truths.
fn kinds(graph: &Graph) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for (at, call) in graph.calls.iter().enumerate() {
        let is_mask = || graph.calls.iter().any(|reader| reader.mask == Some((at, 0)));
        let is_read = || graph.calls.iter().any(|reader| reader.sources.contains(&(at, 0)));
        let truths = || call.sources.iter().all(|&(source, _)| kinds[source] == Kind::Truths);
        let is = match &graph.layers[call.layer].layer {
            Layer::Truth(Truth { op: Op::ExpandDims, .. }) | Layer::Concatenate(_) => truths(),
            Layer::Truth(_) => true,
            Layer::Input(_) => is_mask() && !is_read(),
            _ => false,
        };
        kinds.push(if is { Kind::Truths } else { Kind::Numbers });
    }
    kinds
}

/// `["layer", call, output]`
fn place(graph: &Graph, (call, output): (usize, usize)) -> Value {
    json!([graph.name(call), graph.node(call), output])
}

/// The arguments of a call.
fn node(graph: &Graph, kinds: &[Kind], call: &Call, site: Site) -> Value {
    let tensor = |&(source, output): &(usize, usize)| {
        json!({
            "class_name": "__keras_tensor__",
            "config": {
                "shape": site.shape(&graph.calls[source].outputs[output]),
                "dtype": if kinds[source] == Kind::Truths { "bool" } else { site.dtype },
                "keras_history": place(graph, (source, output)),
            },
        })
    };
    let tensors = || call.sources.iter().map(tensor).collect::<Vec<Value>>();
    let mut kwargs = json!(Map::new());
    let args = match &graph.layers[call.layer].layer {
        Layer::LSTM(_) | Layer::RNN(_) | Layer::Bidirectional(_) => {
            let mut sequence = tensors();
            let states = sequence.split_off(1);
            if !states.is_empty() {
                kwargs = extend(kwargs, json!({ "initial_state": states }));
            }
            sequence
        }
        Layer::Truth(Truth { op: Op::NotEqual(number), .. }) => {
            tensors().into_iter().chain([json!(number)]).collect()
        }
        Layer::Concatenate(_)
        | Layer::Add(_)
        | Layer::Subtract(_)
        | Layer::Multiply(_)
        | Layer::Average(_)
        | Layer::Maximum(_)
        | Layer::Minimum(_) => vec![json!(tensors())],
        _ => tensors(),
    };
    if let Some(mask) = &call.mask {
        kwargs = extend(kwargs, json!({ "mask": tensor(mask) }));
    }
    json!({ "args": args, "kwargs": kwargs })
}
