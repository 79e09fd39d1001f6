//! One vector as every step of a sequence.

use kernels::{Buffer, Float};

use super::{Describe, Flow, Layer, Operation, Pass, named, one_input};
use crate::error::{Error, Result};
use crate::graph::{Shared, Symbol};
use crate::shape::Shape;

/// Repeats its input: `[features]` to `[n, features]`. A mask ends here, as it does in Keras.
///
/// Options and defaults are those of `keras.layers.RepeatVector`.
#[derive(Clone, Debug, PartialEq)]
pub struct RepeatVector {
    pub(crate) n: usize,
    pub(crate) name: Option<String>,
}

impl RepeatVector {
    /// A layer that repeats its input `n` times.
    pub fn new(n: usize) -> Self {
        RepeatVector { n, name: None }
    }
}

named!(RepeatVector);

impl Describe for RepeatVector {
    fn class(&self) -> &'static str {
        "RepeatVector"
    }

    fn base_name(&self) -> &'static str {
        "repeat_vector"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let input = one_input(what, inputs)?;
        let &[features] = input.axes() else {
            let what = format!("input of {what}, [batch, features]");
            let expected = vec![None, input.features()];
            return Err(Error::Shape { what, expected, found: input.batched(None) });
        };
        outputs.resize_with(1, Shape::default);
        outputs[0].assign([Some(self.n), features]);
        Ok(())
    }

    fn check(&self, what: &str, _: &[Shape]) -> Result<()> {
        match self.n {
            0 => Err(Error::invalid(what, "n must be positive")),
            _ => Ok(()),
        }
    }
}

/// The operation of a [`RepeatVector`].
#[derive(Debug)]
pub(super) struct Repeat {
    n: usize,
}

impl Repeat {
    pub(super) fn new(repeat: &RepeatVector) -> Self {
        Repeat { n: repeat.n }
    }
}

impl<T: Float> Operation<T> for Repeat {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let features = pass.inputs.axis(0, 0).max(1);
        let rows = pass.inputs.at(0).chunks_exact(features);
        for (x, y) in rows.zip(outputs[0].chunks_exact_mut(self.n * features)) {
            y.chunks_exact_mut(features).for_each(|y| y.copy_from_slice(x));
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
        let features = pass.inputs.axis(0, 0).max(1);
        let rows = dy.chunks_exact(self.n * features);
        for (dy, dx) in rows.zip(dx.chunks_exact_mut(features)) {
            dx.copy_from_slice(&dy[..features]);
            for dy in dy.chunks_exact(features).skip(1) {
                dx.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += dy);
            }
        }
    }
}
