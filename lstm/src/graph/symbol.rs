//! Symbols: what layers are called on, and what their calls return.

use std::cell::OnceCell;
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
    pub(super) node: Rc<Node>,
    pub(super) output: usize,
}

/// One call of one layer.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) layer: Rc<Instance>,
    pub(super) inputs: Vec<Symbol>,
    /// What says which steps of the first input are valid, if the call was given it.
    pub(super) mask: Option<Symbol>,
    /// Of one sample, for each output.
    pub(super) shapes: Vec<Shape>,
    /// Calls of a layer are numbered as they are made.
    pub(super) serial: usize,
}

impl Node {
    /// Everything that the call reads.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Symbol> {
        self.inputs.iter().chain(&self.mask)
    }
}

/// A layer with an identity: all of its calls share its weights.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) layer: Layer,
    /// The shapes of the inputs of the first call, which the weights follow from.
    first: OnceCell<Vec<Shape>>,
    /// Layers are numbered as they are made: names count up in this order, as in Keras.
    pub(super) serial: usize,
}

/// A number larger than all before.
fn serial() -> usize {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    MADE.fetch_add(1, Ordering::Relaxed)
}

impl Instance {
    fn new(layer: Layer) -> Rc<Self> {
        Rc::new(Instance { layer, first: OnceCell::new(), serial: serial() })
    }

    /// The class, and the name if it was given one.
    fn what(&self) -> String {
        let description = self.layer.describe();
        match description.name() {
            Some(name) => format!("{} `{name}`", description.class()),
            None => description.class().to_owned(),
        }
    }

    /// The shapes that the weights follow from.
    pub(super) fn first(&self) -> &[Shape] {
        self.first.get().map_or(&[], Vec::as_slice)
    }

    fn call(self: &Rc<Self>, inputs: Vec<Symbol>, mask: Option<Symbol>) -> Result<Symbol> {
        let (description, what) = (self.layer.describe(), self.what());
        let shapes: Vec<_> = inputs.iter().map(|input| input.shape().clone()).collect();
        let mut outputs = Vec::new();
        description.outputs(&what, &shapes, &mut outputs)?;
        description.check(&what, &shapes)?;
        if let Some(first) = self.first.get() {
            let here = description.weights(&shapes);
            for (weight, here) in description.weights(first).into_iter().zip(here) {
                if weight.shape != here.shape {
                    return Err(Error::invalid(
                        what,
                        format!(
                            "its {} has shape {:?} from its first call, for inputs of shape {}; \
                             inputs of shape {} need {:?}",
                            weight.name, weight.shape, first[0], shapes[0], here.shape
                        ),
                    ));
                }
            }
        }
        if let (Some(mask), Some(input)) = (&mask, shapes.first()) {
            let steps = &input.axes()[..input.axes().len().min(1)];
            if mask.shape().axes() != steps || steps.is_empty() {
                return Err(Error::Shape {
                    what: format!("mask of {what}, [batch, steps]"),
                    expected: [None].into_iter().chain(steps.iter().copied()).collect(),
                    found: mask.shape().batched(None),
                });
            }
        }
        let _ = self.first.set(shapes);
        Ok(Symbol::new(self, inputs, mask, outputs))
    }
}

/// A layer that can be called more than once: all of its calls share its weights.
///
/// ```
/// use lstm::{Dense, Input, LSTM, Model, Shared};
///
/// let (a, b) = (Input::new([5, 3]), Input::new([5, 3]));
/// let shared = Shared::new(LSTM::new(4));
/// let model = Model::new([&a, &b], [&shared.call(&a)?, &shared.call(&b)?])?;
/// assert_eq!(model.count_params(), 128);
/// # Ok::<(), lstm::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Shared(Rc<Instance>);

impl Shared {
    /// The layer, with weights of its own.
    pub fn new(layer: impl Into<Layer>) -> Self {
        Shared(Instance::new(layer.into()))
    }

    /// Calls the layer on one symbol, or on several.
    ///
    /// # Errors
    ///
    /// If the layer does not fit their number or shapes, or those of an earlier call.
    pub fn call(&self, inputs: impl Symbols) -> Result<Symbol> {
        self.call_of(inputs.symbols(), None)
    }

    /// Calls the layer with a mask `[steps]`: entries that are not zero are of valid steps. It
    /// takes the place of the mask that travels with the first input.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), and if the mask does not fit the input.
    pub fn call_masked(&self, inputs: impl Symbols, mask: &Symbol) -> Result<Symbol> {
        self.call_of(inputs.symbols(), Some(mask.clone()))
    }

    pub(crate) fn call_of(&self, inputs: Vec<Symbol>, mask: Option<Symbol>) -> Result<Symbol> {
        self.0.call(inputs, mask)
    }
}

impl Symbol {
    pub(crate) fn of_input(input: InputDescription) -> Self {
        let shapes = vec![input.shape.clone()];
        Symbol::new(&Instance::new(Layer::Input(input)), Vec::new(), None, shapes)
    }

    pub(crate) fn of_call(layer: Layer, inputs: Vec<Symbol>) -> Result<Self> {
        Instance::new(layer).call(inputs, None)
    }

    fn new(
        layer: &Rc<Instance>,
        inputs: Vec<Symbol>,
        mask: Option<Symbol>,
        shapes: Vec<Shape>,
    ) -> Self {
        let layer = Rc::clone(layer);
        let node = Node { layer, inputs, mask, shapes, serial: serial() };
        Symbol { node: Rc::new(node), output: 0 }
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
            let class = self.layer().describe().class();
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
        &self.node.layer.layer
    }
}

impl AsRef<Symbol> for Symbol {
    fn as_ref(&self) -> &Symbol {
        self
    }
}

/// One symbol or several: the inputs or outputs of a model or of a call.
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

impl Symbols for &[&Symbol] {
    fn symbols(&self) -> Vec<Symbol> {
        self.iter().map(|&symbol| symbol.clone()).collect()
    }
}
