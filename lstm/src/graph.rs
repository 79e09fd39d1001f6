//! The functional form: layers called on symbols, and the graph that comes of it.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::layer::{Input, InputDescription, Layer};
use crate::shape::Shape;

/// An output of a layer call, before there is any data: what a layer's `call` returns.
///
/// A call with several outputs is represented by its first; see [`states`](Self::states).
#[derive(Clone, Debug)]
pub struct Symbol {
    node: Rc<Node>,
    output: usize,
}

/// One call of one layer.
#[derive(Debug)]
struct Node {
    layer: Layer,
    inputs: Vec<Symbol>,
    /// Of one sample, for each output.
    shapes: Vec<Shape>,
    /// Calls are numbered as they are made: names count up in this order, as in Keras.
    serial: usize,
}

impl Symbol {
    pub(crate) fn of_input(input: InputDescription) -> Self {
        let shapes = vec![input.shape.clone()];
        Symbol::new(Layer::Input(input), Vec::new(), shapes)
    }

    pub(crate) fn of_call(layer: Layer, inputs: Vec<Symbol>) -> Result<Self> {
        let description = layer.describe();
        let what = match description.name() {
            Some(name) => format!("{} `{name}`", description.class()),
            None => description.class().to_owned(),
        };
        let shapes: Vec<_> = inputs.iter().map(|input| input.shape().clone()).collect();
        let mut outputs = Vec::new();
        description.outputs(&what, &shapes, &mut outputs)?;
        description.check(&what, &shapes)?;
        Ok(Symbol::new(layer, inputs, outputs))
    }

    fn new(layer: Layer, inputs: Vec<Symbol>, shapes: Vec<Shape>) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let serial = MADE.fetch_add(1, Ordering::Relaxed);
        Symbol { node: Rc::new(Node { layer, inputs, shapes, serial }), output: 0 }
    }

    /// The shape of one sample.
    pub fn shape(&self) -> &Shape {
        &self.node.shapes[self.output]
    }

    /// The states `[h, c]` after the last step, of a layer called with `return_state`.
    ///
    /// # Errors
    ///
    /// If the layer does not return them.
    pub fn states(&self) -> Result<[Symbol; 2]> {
        Ok([self.output(1)?, self.output(2)?])
    }

    /// Output number `output` of the same call.
    ///
    /// # Errors
    ///
    /// If there are not as many.
    pub fn output(&self, output: usize) -> Result<Symbol> {
        let found = self.node.shapes.len();
        if output >= found {
            let class = self.node.layer.describe().class();
            let what = format!("outputs of {class} (its states are there with `return_state`)");
            return Err(Error::Count { what, expected: output + 1, found });
        }
        Ok(Symbol { node: Rc::clone(&self.node), output })
    }

    /// How many outputs the call has.
    pub fn outputs(&self) -> usize {
        self.node.shapes.len()
    }

    pub(crate) fn layer(&self) -> &Layer {
        &self.node.layer
    }
}

impl AsRef<Symbol> for Symbol {
    fn as_ref(&self) -> &Symbol {
        self
    }
}

/// One symbol or several: the inputs or outputs of a model.
pub trait Symbols {
    /// All of them.
    fn symbols(&self) -> Vec<Symbol>;
}

impl Symbols for &Symbol {
    fn symbols(&self) -> Vec<Symbol> {
        vec![(*self).clone()]
    }
}

impl Symbols for &Input {
    fn symbols(&self) -> Vec<Symbol> {
        vec![Symbol::clone(self)]
    }
}

impl<S: AsRef<Symbol>, const N: usize> Symbols for [&S; N] {
    fn symbols(&self) -> Vec<Symbol> {
        self.iter().map(|symbol| (*symbol).as_ref().clone()).collect()
    }
}

impl Symbols for &[Symbol] {
    fn symbols(&self) -> Vec<Symbol> {
        self.to_vec()
    }
}

/// A call in a [`Graph`].
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) layer: Layer,
    pub(crate) name: String,
    /// Where its inputs come from: `(call, output)`.
    pub(crate) sources: Vec<(usize, usize)>,
    /// The shapes of its inputs, of one sample.
    pub(crate) inputs: Vec<Shape>,
    /// The shapes of its outputs, of one sample.
    pub(crate) outputs: Vec<Shape>,
}

/// The calls between a model's inputs and outputs, each after those it depends on, in the order of
/// Keras's `model.layers`.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
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
        let mut walk = Walk::default();
        for output in outputs {
            walk.visit(&output.node);
        }
        let depths = walk.depths();
        let mut order: Vec<usize> = (0..walk.nodes.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(depths[i]), walk.traversal[i]));
        let place: HashMap<*const Node, usize> =
            order.iter().enumerate().map(|(at, &i)| (Rc::as_ptr(&walk.nodes[i]), at)).collect();
        let at = |symbol: &Symbol| (place[&Rc::as_ptr(&symbol.node)], symbol.output);

        let nodes: Vec<&Rc<Node>> = order.iter().map(|&i| &walk.nodes[i]).collect();
        let names = names(&nodes)?;
        let given = self::inputs(inputs, &nodes, &names, &place)?;
        let calls = nodes.iter().zip(names).map(|(node, name)| Call {
            layer: node.layer.clone(),
            name,
            sources: node.inputs.iter().map(at).collect(),
            inputs: node.inputs.iter().map(|input| input.shape().clone()).collect(),
            outputs: node.shapes.clone(),
        });
        Ok(Graph {
            calls: calls.collect(),
            inputs: given,
            outputs: outputs.iter().map(at).collect(),
        })
    }
}

/// The places of the inputs; an error if they are not exactly those that the outputs need.
fn inputs(
    inputs: &[Symbol],
    nodes: &[&Rc<Node>],
    names: &[String],
    place: &HashMap<*const Node, usize>,
) -> Result<Vec<usize>> {
    let mut given = Vec::new();
    for input in inputs {
        if !matches!(input.node.layer, Layer::Input(_)) {
            let class = input.node.layer.describe().class();
            return Err(Error::invalid("model", format!("an input is a {class}, not an Input")));
        }
        match place.get(&Rc::as_ptr(&input.node)) {
            Some(&at) if given.contains(&at) => {
                let name = &names[at];
                return Err(Error::invalid("model", format!("input `{name}` is given twice")));
            }
            Some(&at) => given.push(at),
            None => {
                return Err(Error::invalid("model", "an input does not lead to any output"));
            }
        }
    }
    for (at, node) in nodes.iter().enumerate() {
        if !matches!(node.layer, Layer::Input(_)) {
            continue;
        }
        node.layer.describe().check(&names[at], &[])?;
        if !given.contains(&at) {
            let why = format!("the outputs need `{}`, which is not among the inputs", names[at]);
            return Err(Error::invalid("model", why));
        }
    }
    Ok(given)
}

/// A name for each node: the given one, or `lstm`, `lstm_1`, … in the order of their making.
fn names(nodes: &[&Rc<Node>]) -> Result<Vec<String>> {
    let mut names = vec![String::new(); nodes.len()];
    let mut taken = HashSet::new();
    for (name, node) in names.iter_mut().zip(nodes) {
        if let Some(given) = node.layer.describe().name() {
            if !taken.insert(given.to_owned()) {
                return Err(Error::invalid("model", format!("two layers are named `{given}`")));
            }
            *name = given.to_owned();
        }
    }
    let mut made: Vec<usize> = (0..nodes.len()).filter(|&i| names[i].is_empty()).collect();
    made.sort_by_key(|&i| nodes[i].serial);
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for i in made {
        let base = nodes[i].layer.describe().base_name();
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

/// A walk from the outputs up to the inputs.
#[derive(Default)]
struct Walk {
    /// Each after those it depends on.
    nodes: Vec<Rc<Node>>,
    /// When the node was first met.
    traversal: Vec<usize>,
    met: HashMap<*const Node, usize>,
}

impl Walk {
    fn visit(&mut self, node: &Rc<Node>) {
        let key = Rc::as_ptr(node);
        if self.met.contains_key(&key) {
            return;
        }
        let turn = self.met.len();
        self.met.insert(key, turn);
        for input in &node.inputs {
            self.visit(&input.node);
        }
        self.nodes.push(Rc::clone(node));
        self.traversal.push(turn);
    }

    /// The longest way from each node to an output: Keras orders layers by it.
    fn depths(&self) -> Vec<usize> {
        let index: HashMap<_, _> =
            self.nodes.iter().enumerate().map(|(i, node)| (Rc::as_ptr(node), i)).collect();
        let mut depths = vec![0; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate().rev() {
            for input in &node.inputs {
                let source = index[&Rc::as_ptr(&input.node)];
                depths[source] = depths[source].max(depths[i] + 1);
            }
        }
        depths
    }
}
