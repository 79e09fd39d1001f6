//! The order of calls and layers: that of Keras.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::rc::Rc;

use super::symbol::{Instance, Node, Symbol};

/// A walk from the outputs of a model up to its inputs.
#[derive(Default)]
pub(super) struct Walk {
    /// Each after those it depends on.
    nodes: Vec<Rc<Node>>,
    /// When a node and when a layer was first met.
    nodes_met: HashMap<*const Node, usize>,
    layers_met: HashMap<*const Instance, usize>,
}

/// The calls between a model's inputs and outputs, and their layers.
pub(super) struct Order {
    /// Each after those it depends on.
    pub(super) nodes: Vec<Rc<Node>>,
    /// As in Keras's `model.layers`.
    pub(super) layers: Vec<Rc<Instance>>,
}

impl Order {
    /// Calls and layers by their depth, which is the longest way to an output; those of one depth
    /// as they are met on the way from the outputs.
    pub(super) fn new(outputs: &[Symbol]) -> Self {
        let mut walk = Walk::default();
        outputs.iter().for_each(|output| walk.visit(&output.node));

        let mut nodes: HashMap<*const Node, usize> = HashMap::new();
        let mut layers: HashMap<*const Instance, usize> = HashMap::new();
        for node in walk.nodes.iter().rev() {
            // All calls of a layer that come up to the inputs later are as deep as the deepest.
            let layer = layers.entry(Rc::as_ptr(&node.layer)).or_default();
            let depth = *nodes.entry(Rc::as_ptr(node)).or_default().max(layer);
            *layer = depth;
            nodes.insert(Rc::as_ptr(node), depth);
            for source in node.sources() {
                let above = nodes.entry(Rc::as_ptr(&source.node)).or_default();
                *above = (depth + 1).max(*above);
            }
        }

        let mut unique: Vec<Rc<Instance>> = Vec::new();
        for node in &walk.nodes {
            if !unique.iter().any(|layer| Rc::ptr_eq(layer, &node.layer)) {
                unique.push(Rc::clone(&node.layer));
            }
        }
        unique.sort_by_key(|layer| {
            let layer = Rc::as_ptr(layer);
            (Reverse(layers[&layer]), walk.layers_met[&layer])
        });
        walk.nodes.sort_by_key(|node| {
            let node = Rc::as_ptr(node);
            (Reverse(nodes[&node]), walk.nodes_met[&node])
        });
        Order { nodes: walk.nodes, layers: unique }
    }
}

impl Walk {
    fn visit(&mut self, node: &Rc<Node>) {
        let turn = self.nodes_met.len();
        if self.nodes_met.contains_key(&Rc::as_ptr(node)) {
            return;
        }
        self.nodes_met.insert(Rc::as_ptr(node), turn);
        let turn = self.layers_met.len();
        self.layers_met.entry(Rc::as_ptr(&node.layer)).or_insert(turn);
        for source in node.sources() {
            self.visit(&source.node);
        }
        self.nodes.push(Rc::clone(node));
    }
}
