//! The functional form: layers called on symbols, and the graph that comes of it.

mod symbol;
mod walk;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

pub use symbol::{Shared, Symbol, Symbols};

use crate::error::{Error, Result};
use crate::layer::{Embedding, Layer};
use crate::shape::Shape;
use symbol::{Instance, Node};
use walk::Order;

/// A layer in a [`Graph`].
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) layer: Layer,
    pub(crate) name: String,
    /// The shapes of the inputs of its first call, of one sample: the weights follow from them.
    pub(crate) inputs: Vec<Shape>,
    /// Its calls, in the order in which they were made.
    pub(crate) calls: Vec<usize>,
}

/// A call of a layer in a [`Graph`].
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Which of the layers.
    pub(crate) layer: usize,
    /// Where its inputs come from: `(call, output)`.
    pub(crate) sources: Vec<(usize, usize)>,
    /// Where the mask comes from that it was given, if it was.
    pub(crate) mask: Option<(usize, usize)>,
    /// The shapes of its inputs, of one sample.
    pub(crate) inputs: Vec<Shape>,
    /// The shapes of its outputs, of one sample.
    pub(crate) outputs: Vec<Shape>,
}

/// The layers between a model's inputs and outputs, and their calls.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    /// In the order of Keras's `model.layers`.
    pub(crate) layers: Vec<Member>,
    /// Each after those it depends on.
    pub(crate) calls: Vec<Call>,
    /// The calls that are inputs, in the order in which data is given.
    pub(crate) inputs: Vec<usize>,
    /// `(call, output)`
    pub(crate) outputs: Vec<(usize, usize)>,
}

impl Graph {
    /// The graph between `inputs` and `outputs`.
    pub(crate) fn new(inputs: &[Symbol], outputs: &[Symbol]) -> Result<Self> {
        if outputs.is_empty() {
            return Err(Error::invalid("model", "it has no outputs"));
        }
        let Order { nodes, layers } = Order::new(outputs);
        let names = names(&layers)?;
        let places: HashMap<*const Node, usize> =
            nodes.iter().enumerate().map(|(at, node)| (Rc::as_ptr(node), at)).collect();
        let at = |symbol: &Symbol| (places[&Rc::as_ptr(&symbol.node)], symbol.output);
        let layer_of: HashMap<*const Instance, usize> =
            layers.iter().enumerate().map(|(at, layer)| (Rc::as_ptr(layer), at)).collect();

        let calls: Vec<Call> = nodes
            .iter()
            .map(|node| Call {
                layer: layer_of[&Rc::as_ptr(&node.layer)],
                sources: node.inputs.iter().map(at).collect(),
                mask: node.mask.as_ref().map(at),
                inputs: node.inputs.iter().map(|input| input.shape().clone()).collect(),
                outputs: node.shapes.clone(),
            })
            .collect();
        let layers = layers.iter().zip(names).enumerate().map(|(i, (instance, name))| {
            let mut made: Vec<usize> = (0..calls.len()).filter(|&c| calls[c].layer == i).collect();
            made.sort_by_key(|&call| nodes[call].serial);
            let (layer, inputs) = (instance.layer.clone(), instance.first().to_vec());
            Member { layer, name, inputs, calls: made }
        });
        let mut graph = Graph {
            layers: layers.collect(),
            calls,
            inputs: Vec::new(),
            outputs: outputs.iter().map(at).collect(),
        };
        graph.take_inputs(inputs, &places)?;
        Ok(graph)
    }

    /// The layer of a call.
    pub(crate) fn layer(&self, call: usize) -> &Layer {
        &self.layers[self.calls[call].layer].layer
    }

    /// The name of the layer of a call.
    pub(crate) fn name(&self, call: usize) -> &str {
        &self.layers[self.calls[call].layer].name
    }

    /// The layers that read an input.
    pub(crate) fn readers(&self, input: usize) -> impl Iterator<Item = &Layer> {
        let readers = self.calls.iter().filter(move |call| call.sources.contains(&(input, 0)));
        readers.map(|call| &self.layers[call.layer].layer)
    }

    /// The embeddings among them, to which it is of indices.
    pub(crate) fn embeddings(&self, input: usize) -> impl Iterator<Item = &Embedding> {
        self.readers(input).filter_map(|layer| match layer {
            Layer::Embedding(embedding) => Some(embedding),
            _ => None,
        })
    }

    /// Which call of its layer a call is.
    pub(crate) fn node(&self, call: usize) -> usize {
        let calls = &self.layers[self.calls[call].layer].calls;
        calls.iter().position(|&at| at == call).unwrap_or(0)
    }

    /// Finds the places of the inputs; an error if they are not exactly those that the outputs
    /// need.
    fn take_inputs(
        &mut self,
        inputs: &[Symbol],
        places: &HashMap<*const Node, usize>,
    ) -> Result<()> {
        for input in inputs {
            if !matches!(input.layer(), Layer::Input(_)) {
                let class = input.layer().describe().class();
                return Err(Error::invalid(
                    "model",
                    format!("an input is a {class}, not an Input"),
                ));
            }
            match places.get(&Rc::as_ptr(&input.node)) {
                Some(at) if self.inputs.contains(at) => {
                    let why = format!("input `{}` is given twice", self.name(*at));
                    return Err(Error::invalid("model", why));
                }
                Some(&at) => self.inputs.push(at),
                None => {
                    return Err(Error::invalid("model", "an input does not lead to any output"));
                }
            }
        }
        for at in 0..self.calls.len() {
            if !matches!(self.layer(at), Layer::Input(_)) {
                continue;
            }
            let name = self.name(at);
            self.layer(at).describe().check(name, &[])?;
            if !self.inputs.contains(&at) {
                let why = format!("the outputs need `{name}`, which is not among the inputs");
                return Err(Error::invalid("model", why));
            }
        }
        Ok(())
    }
}

/// A name for each layer: the given one, or `lstm`, `lstm_1`, … in the order of their making.
fn names(layers: &[Rc<Instance>]) -> Result<Vec<String>> {
    let mut names = vec![String::new(); layers.len()];
    let mut taken = HashSet::new();
    for (name, instance) in names.iter_mut().zip(layers) {
        if let Some(given) = instance.layer.describe().name() {
            if !taken.insert(given.to_owned()) {
                return Err(Error::invalid("model", format!("two layers are named `{given}`")));
            }
            *name = given.to_owned();
        }
    }
    let mut made: Vec<usize> = (0..layers.len()).collect();
    made.sort_by_key(|&i| layers[i].serial);
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for i in made {
        let inside = &mut |base| *counts.entry(base).or_default() += 1;
        layers[i].layer.describe().count_inside(inside);
        if !names[i].is_empty() {
            continue;
        }
        let base = layers[i].layer.describe().base_name();
        let count = counts.entry(base).or_default();
        names[i] = loop {
            let name = if *count == 0 { base.to_owned() } else { format!("{base}_{count}") };
            *count += 1;
            if taken.insert(name.clone()) {
                break name;
            }
        };
    }
    Ok(names)
}
