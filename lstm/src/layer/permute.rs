//! The axes of a sample in another order.

use kernels::{Buffer, Float};

use super::places::{Places, stride};
use super::{Describe, Flow, Inputs, Layer, Operation, Pass, named, one_input};
use crate::error::{Error, Result};
use crate::graph::{Shared, Symbol};
use crate::shape::Shape;

/// Changes the order of the axes: with `dims` of `[2, 1]`, `[steps, features]` becomes
/// `[features, steps]`. A mask ends here, as it does in Keras.
///
/// Options are those of `keras.layers.Permute`.
#[derive(Clone, Debug, PartialEq)]
pub struct Permute {
    pub(crate) dims: Vec<usize>,
    pub(crate) name: Option<String>,
}

impl Permute {
    /// A layer whose output has the axes `dims` of its input, in this order: the first after the
    /// batch is number 1.
    pub fn new(dims: impl Into<Vec<usize>>) -> Self {
        Permute { dims: dims.into(), name: None }
    }
}

named!(Permute);

impl Describe for Permute {
    fn class(&self) -> &'static str {
        "Permute"
    }

    fn base_name(&self) -> &'static str {
        "permute"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let input = one_input(what, inputs)?;
        if (1..=self.dims.len()).any(|dim| !self.dims.contains(&dim)) {
            let why =
                format!("dims must be the numbers from 1 on in any order, not {:?}", self.dims);
            return Err(Error::invalid(what, why));
        }
        if input.axes().len() != self.dims.len() {
            return Err(Error::Shape {
                what: format!("input of {what}, whose dims are {:?}", self.dims),
                expected: vec![None; self.dims.len() + 1],
                found: input.batched(None),
            });
        }
        outputs.resize_with(1, Shape::default);
        outputs[0].assign(self.dims.iter().map(|&dim| input.axes()[dim - 1]));
        Ok(())
    }
}

/// The operation of a [`Permute`], and of a flattening that moves an axis first.
#[derive(Debug)]
pub(super) struct Rearrange {
    /// Which axis of the input's samples each axis of the output's is.
    order: Vec<usize>,
    places: Places,
}

impl Rearrange {
    pub(super) fn new(permute: &Permute) -> Self {
        Rearrange::by(permute.dims.iter().map(|dim| dim - 1).collect())
    }

    pub(super) fn by(order: Vec<usize>) -> Self {
        Rearrange { order, places: Places::default() }
    }

    fn places<T: Float>(&mut self, inputs: Inputs<T>) -> &[usize] {
        let axes = inputs.shapes[0].axes();
        let order = self.order.iter();
        self.places.walk(order.map(|&axis| (axes[axis].unwrap_or(0), stride(axes, axis))))
    }
}

impl<T: Float> Operation<T> for Rearrange {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let places = self.places(pass.inputs);
        let size = places.len().max(1);
        let samples = pass.inputs.at(0).chunks_exact(size);
        for (x, y) in samples.zip(outputs[0].chunks_exact_mut(size)) {
            y.iter_mut().zip(places).for_each(|(y, &place)| *y = x[place]);
        }
    }

    fn backward(
        &mut self,
        pass: Pass<T>,
        _: &[Buffer<T>],
        douts: &mut [Flow<T>],
        _: &mut [T],
        dins: &mut [Flow<T>],
    ) {
        let (Some(dx), Some(dy)) = (dins[0].room(), douts[0].get()) else { return };
        let places = self.places(pass.inputs);
        let size = places.len().max(1);
        for (dy, dx) in dy.chunks_exact(size).zip(dx.chunks_exact_mut(size)) {
            dy.iter().zip(places).for_each(|(&dy, &place)| dx[place] = dy);
        }
    }
}
