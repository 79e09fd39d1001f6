//! The same entries with other axes.

use kernels::{Buffer, Float};

use super::{Describe, Flow, Layer, Operation, Pass, named, one_input};
use crate::error::{Error, Result};
use crate::graph::{Shared, Symbol};
use crate::shape::Shape;

/// Gives samples other axes, with as many entries: `[…]` to `target_shape`. A mask ends here, as it
/// does in Keras.
///
/// Options are those of `keras.layers.Reshape`, with `None` for its `-1`:
///
/// ```
/// use lstm::{Input, Reshape};
///
/// let x = Input::new([12]);
/// let y = Reshape::new([None, Some(2), Some(2)]).call(&x)?;
/// assert_eq!(y.shape().to_string(), "(None, 3, 2, 2)");
/// # Ok::<(), lstm::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reshape {
    pub(crate) target_shape: Shape,
    pub(crate) name: Option<String>,
}

impl Reshape {
    /// A layer whose samples have these axes; the size of one, at most, may follow from the others
    /// and be `None`.
    pub fn new(target_shape: impl Into<Shape>) -> Self {
        Reshape { target_shape: target_shape.into(), name: None }
    }

    /// The entries of the axes whose sizes are given.
    fn known(&self) -> usize {
        self.target_shape.axes().iter().flatten().product()
    }
}

named!(Reshape);

impl Describe for Reshape {
    fn class(&self) -> &'static str {
        "Reshape"
    }

    fn base_name(&self) -> &'static str {
        "reshape"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let input = one_input(what, inputs)?;
        let target = self.target_shape.axes();
        let size: Option<usize> = input.axes().iter().copied().product();
        let mut missing = None;
        if let Some(size) = size {
            let known = self.known();
            let fits = match target.contains(&None) {
                true => known > 0 && size % known == 0,
                false => known == size,
            };
            if !fits {
                return Err(Error::Shape {
                    what: format!("input of {what}, which has {size} entries, as target_shape"),
                    expected: self.target_shape.batched(None),
                    found: input.batched(None),
                });
            }
            missing = size.checked_div(known);
        }
        outputs.resize_with(1, Shape::default);
        outputs[0].assign(target.iter().map(|axis| axis.or(missing)));
        Ok(())
    }

    fn check(&self, what: &str, _: &[Shape]) -> Result<()> {
        let unknown = self.target_shape.axes().iter().filter(|axis| axis.is_none()).count();
        if unknown > 1 {
            let why = format!("one axis of target_shape, at most, can be unknown, not {unknown}");
            return Err(Error::invalid(what, why));
        }
        match self.known() {
            0 => Err(Error::invalid(what, "an axis of target_shape is zero")),
            _ => Ok(()),
        }
    }
}

/// The operation of layers that change nothing but the shape.
#[derive(Debug)]
pub(super) struct Recast;

impl<T: Float> Operation<T> for Recast {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        outputs[0].copy_from_slice(pass.inputs.at(0));
    }

    fn backward(
        &mut self,
        _: Pass<T>,
        _: &[Buffer<T>],
        douts: &mut [Flow<T>],
        _: &mut [T],
        dins: &mut [Flow<T>],
    ) {
        let (Some(dx), Some(dy)) = (dins[0].room(), douts[0].get()) else { return };
        dx.copy_from_slice(dy);
    }
}
