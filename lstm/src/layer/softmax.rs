//! Softmax as a layer of its own.

use kernels::{Buffer, Float, Isa};

use super::concatenate::axis_of_sample;
use super::places::LastAxes;
use super::through::Through;
use super::{Describe, Flow, Inputs, Layer, Mask, OfLoss, Operation, Pass, named, one_input};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::graph::{Shared, Symbol};
use crate::shape::Shape;

/// `y = eˣⁱ / Σⱼ eˣʲ` along some axes: `[…]` to the same.
///
/// Options and defaults are those of `keras.layers.Softmax`. A mask that it is called with, of
/// vectors, says which entries count: the others are zero in `y`. Masks pass through it. Where one
/// is of the steps of a sequence, which Keras refuses, it does nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax {
    pub(crate) axes: Vec<isize>,
    pub(crate) name: Option<String>,
}

impl Softmax {
    /// A layer along the last axis.
    pub fn new() -> Self {
        Softmax { axes: vec![-1], name: None }
    }

    /// The axis to sum along, batch axis counted: 1 is the first of a sample, -1 the last. The last
    /// unless set.
    pub fn axis(self, axis: isize) -> Self {
        self.axes([axis])
    }

    /// Several axes to sum along, together: Keras's list for `axis`.
    pub fn axes(self, axes: impl Into<Vec<isize>>) -> Self {
        Softmax { axes: axes.into(), ..self }
    }
}

impl Default for Softmax {
    fn default() -> Self {
        Softmax::new()
    }
}

named!(Softmax);

impl Describe for Softmax {
    fn class(&self) -> &'static str {
        "Softmax"
    }

    fn base_name(&self) -> &'static str {
        "softmax"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let input = one_input(what, inputs)?;
        for &axis in &self.axes {
            axis_of_sample(what, axis, input)?;
        }
        outputs.resize_with(1, Shape::default);
        outputs[0].assign(input.axes().iter().copied());
        Ok(())
    }

    fn check(&self, what: &str, _: &[Shape]) -> Result<()> {
        match self.axes.is_empty() {
            true => Err(Error::invalid(what, "it needs an axis to sum along")),
            false => Ok(()),
        }
    }
}

/// The operation of a [`Softmax`].
#[derive(Debug)]
pub(super) struct Shares<T> {
    isa: Isa,
    last: LastAxes,
    through: Through<T>,
    /// In the order of axes that has those to sum along last: outputs; gradients.
    y: Buffer<T>,
    dy: Buffer<T>,
}

/// What Keras puts in the place of masked entries.
const MASKED: f64 = -1e9;

/// Sets the entries of vectors that are masked.
fn set_masked<T: Float>(inputs: Inputs<T>, y: &mut [T], value: T) {
    if let Some(mask) = inputs.mask(0).filter(|mask| mask.len() == y.len()) {
        y.iter_mut().zip(mask).filter(|(_, valid)| !**valid).for_each(|(y, _)| *y = value);
    }
}

impl<T: Float> Shares<T> {
    pub(super) fn new(isa: Isa, softmax: &Softmax, inputs: &[Shape]) -> Self {
        let last = LastAxes::new(&softmax.axes, inputs[0].axes().len());
        // Along anything but the last axis it does not end with Keras's operation of that name.
        let through = match last.moves() || softmax.axes.len() > 1 {
            true => Through::closed(),
            false => Through::new(Activation::Softmax),
        };
        Shares { isa, last, through, y: Buffer::new(), dy: Buffer::new() }
    }
}

impl<T: Float> Operation<T> for Shares<T> {
    fn look_through(&mut self, keep: bool) -> Option<Activation> {
        self.through.look(keep)
    }

    fn operand(&mut self, of_loss: OfLoss) -> Option<(&[T], Option<&mut [T]>)> {
        self.through.operand(of_loss)
    }

    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let (shape, y) = (&pass.inputs.shapes[0], &mut outputs[0]);
        y.copy_from_slice(pass.inputs.at(0));
        set_masked(pass.inputs, y, T::from_f64(MASKED));
        self.through.keep(y);
        let units = self.last.len(shape);
        if self.last.moves() {
            self.last.gather(shape, y, &mut self.y);
            Activation::Softmax.forward(self.isa, units, &mut self.y);
            self.last.scatter(&self.y, y);
        } else {
            Activation::Softmax.forward(self.isa, units, y);
        }
        // Where all are masked, they would have equal shares.
        set_masked(pass.inputs, y, T::ZERO);
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
        let shape = &pass.inputs.shapes[0];
        let units = self.last.len(shape);
        if self.last.moves() {
            self.last.gather(shape, &outputs[0], &mut self.y);
            self.last.gather(shape, dy, &mut self.dy);
            Activation::Softmax.backward(self.isa, units, &self.y, &mut self.dy);
            self.last.scatter(&self.dy, dx);
        } else {
            dx.copy_from_slice(dy);
            let y = &outputs[0];
            self.through.backward(dx, |dx| Activation::Softmax.backward(self.isa, units, y, dx));
        }
    }

    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        outputs[0].pass(inputs.mask(0));
    }
}
