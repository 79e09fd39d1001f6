//! An activation as a layer of its own.

use kernels::{Buffer, Float, Isa};

use super::through::Through;
use super::{Describe, Flow, Inputs, Layer, Mask, OfLoss, Operation, Pass, named, one_input};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::graph::{Shared, Symbol};
use crate::shape::Shape;

/// `y = φ(x)`: `[…]` to the same. Masks pass through it.
///
/// Options are those of `keras.layers.Activation`, whose name is taken here by the function
/// itself; where the layer needs no name of its own, [`Activation`] can stand for it:
/// `Sequential::new().add(Activation::Relu)`.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivationLayer {
    pub(crate) activation: Activation,
    pub(crate) name: Option<String>,
}

impl ActivationLayer {
    /// A layer that applies a function.
    pub fn new(activation: Activation) -> Self {
        ActivationLayer { activation, name: None }
    }
}

named!(ActivationLayer as Activation);

impl From<Activation> for Layer {
    fn from(activation: Activation) -> Self {
        ActivationLayer::new(activation).into()
    }
}

impl Describe for ActivationLayer {
    fn class(&self) -> &'static str {
        "Activation"
    }

    fn base_name(&self) -> &'static str {
        "activation"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let input = one_input(what, inputs)?;
        if self.activation == Activation::Softmax && input.axes().is_empty() {
            let why = format!("softmax needs an axis beside the batch, which {input} lacks");
            return Err(Error::invalid(what, why));
        }
        outputs.resize_with(1, Shape::default);
        outputs[0].assign(input.axes().iter().copied());
        Ok(())
    }
}

/// The operation of an [`ActivationLayer`].
#[derive(Debug)]
pub(super) struct Activate<T> {
    isa: Isa,
    activation: Activation,
    through: Through<T>,
}

impl<T: Float> Activate<T> {
    pub(super) fn new(isa: Isa, layer: &ActivationLayer) -> Self {
        Activate { isa, activation: layer.activation, through: Through::new(layer.activation) }
    }
}

impl<T: Float> Operation<T> for Activate<T> {
    fn look_through(&mut self, keep: bool) -> Option<Activation> {
        self.through.look(keep)
    }

    fn operand(&mut self, of_loss: OfLoss) -> Option<(&[T], Option<&mut [T]>)> {
        self.through.operand(of_loss)
    }

    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let units = pass.inputs.shapes[0].features().unwrap_or(1);
        self.through.keep(pass.inputs.at(0));
        outputs[0].copy_from_slice(pass.inputs.at(0));
        self.activation.forward(self.isa, units, &mut outputs[0]);
    }

    fn backward(
        &mut self,
        pass: Pass<T>,
        outputs: &[Buffer<T>],
        douts: &mut [Flow<T>],
        _: &mut [T],
        dins: &mut [Flow<T>],
    ) {
        let (Some(dx), Some(dy)) = (dins[0].room(), douts[0].get()) else { return };
        let units = pass.inputs.shapes[0].features().unwrap_or(1);
        let x = pass.inputs.at(0);
        let kept = if self.activation.keeps_operand() { x } else { &outputs[0] };
        dx.copy_from_slice(dy);
        self.through.backward(dx, |dx| self.activation.backward(self.isa, units, kept, dx));
    }

    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        outputs[0].pass(inputs.mask(0));
    }
}
