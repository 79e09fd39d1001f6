//! Operations on truths, which Keras's files have between a layer that makes a mask and one that reads
//! it: `keras.ops` that a functional model was made of without anybody's calling them. True is 1, false
//! 0, and whatever is not 0 is true.

use kernels::{Buffer, Float};

use super::{Describe, Flow, Operation, Pass, one_input};
use crate::error::{Error, Result};
use crate::shape::Shape;

/// An operation on truths, named in a model as in Keras.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    pub(crate) op: Op,
    pub(crate) name: Option<String>,
}

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    /// Whether each entry is another number.
    NotEqual(f64),
    /// Whether any entry along the last axis is true.
    Any,
    /// Whether either is true; an axis of one is repeated.
    LogicalOr,
    /// A last axis of one is put behind the others.
    ExpandDims,
    /// False everywhere.
    ZerosLike,
    /// True everywhere.
    OnesLike,
}

impl Describe for Truth {
    fn class(&self) -> &'static str {
        match self.op {
            Op::NotEqual(_) => "NotEqual",
            Op::Any => "Any",
            Op::LogicalOr => "LogicalOr",
            Op::ExpandDims => "ExpandDims",
            Op::ZerosLike => "ZerosLike",
            Op::OnesLike => "OnesLike",
        }
    }

    fn base_name(&self) -> &'static str {
        match self.op {
            Op::NotEqual(_) => "not_equal",
            Op::Any => "any",
            Op::LogicalOr => "logical_or",
            Op::ExpandDims => "expand_dims",
            Op::ZerosLike => "zeros_like",
            Op::OnesLike => "ones_like",
        }
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let input = match (self.op, inputs) {
            (Op::LogicalOr, [a, b]) => {
                let fits = a.axes().len() == b.axes().len()
                    && a.axes().iter().zip(b.axes()).all(|(a, b)| match (a, b) {
                        (Some(a), Some(b)) => a == b || *a == 1 || *b == 1,
                        _ => true,
                    });
                if !fits {
                    let (expected, found) = (a.batched(None), b.batched(None));
                    let what = format!("inputs of {what}");
                    return Err(Error::Shape { what, expected, found });
                }
                outputs.resize_with(1, Shape::default);
                let axes = a.axes().iter().zip(b.axes());
                outputs[0].assign(axes.map(|(a, b)| if *a == Some(1) { *b } else { *a }));
                return Ok(());
            }
            _ => one_input(what, inputs)?,
        };
        outputs.resize_with(1, Shape::default);
        let axes = input.axes().iter().copied();
        match self.op {
            Op::Any => outputs[0].assign(axes.take(input.axes().len().saturating_sub(1))),
            Op::ExpandDims => outputs[0].assign(axes.chain([Some(1)])),
            _ => outputs[0].assign(axes),
        }
        Ok(())
    }
}

/// The operation of a [`Truth`].
#[derive(Debug)]
pub(super) struct Judge(pub(super) Op);

/// 1 or 0.
fn truth<T: Float>(is: bool) -> T {
    if is { T::ONE } else { T::ZERO }
}

impl<T: Float> Operation<T> for Judge {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let (x, y) = (pass.inputs.at(0), &mut outputs[0][..]);
        match self.0 {
            Op::NotEqual(number) => {
                let number = T::from_f64(number);
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = truth(x != number));
            }
            Op::Any => {
                let last = pass.inputs.shapes[0].features().unwrap_or(1).max(1);
                let rows = y.iter_mut().zip(x.chunks_exact(last));
                rows.for_each(|(y, x)| *y = truth(x.iter().any(|&x| x != T::ZERO)));
            }
            Op::LogicalOr => {
                let other = pass.inputs.at(1);
                for (at, y) in y.iter_mut().enumerate() {
                    let one = x[place(at, &pass, 0)] != T::ZERO;
                    *y = truth(one || other[place(at, &pass, 1)] != T::ZERO);
                }
            }
            Op::ExpandDims => y.copy_from_slice(x),
            Op::ZerosLike => y.fill(T::ZERO),
            Op::OnesLike => y.fill(T::ONE),
        }
    }

    /// A truth does not change with what it is about, but at once.
    fn backward(
        &mut self,
        _: Pass<T>,
        _: &[Buffer<T>],
        _: &mut [Flow<T>],
        _: &mut [T],
        dins: &mut [Flow<T>],
    ) {
        dins.iter_mut().filter_map(Flow::room).for_each(|dx| dx.fill(T::ZERO));
    }
}

/// Where input number `i` has what belongs to entry `at` of the output: axes of one are repeated.
fn place<T: Float>(mut at: usize, pass: &Pass<T>, i: usize) -> usize {
    let (own, other) = (pass.inputs.shapes[i].axes(), pass.inputs.shapes[1 - i].axes());
    let (mut place, mut stride) = (0, 1);
    for (own, other) in own.iter().zip(other).rev() {
        let (own, other) = (own.unwrap_or(1), other.unwrap_or(1));
        let size = own.max(other);
        place += if own == 1 { 0 } else { at % size * stride };
        stride *= own;
        at /= size;
    }
    place + at * stride
}
