//! Several inputs, one after another along an axis.

use kernels::{Buffer, Float};

use super::merge::several;
use super::{Describe, Flow, Inputs, Layer, Mask, Operation, Pass};
use crate::error::{Error, Result};
use crate::graph::{Shared, Symbol, Symbols};
use crate::shape::Shape;

/// Joins its inputs along an axis; the sizes of their other axes agree.
///
/// Options and defaults are those of `keras.layers.Concatenate`. Its mask is theirs, joined as they
/// are: along the last axis a step is valid where it is in one of them. An input without a mask is
/// valid everywhere; where no input has one, neither has the output.
#[derive(Clone, Debug, PartialEq)]
pub struct Concatenate {
    pub(crate) axis: isize,
    pub(crate) name: Option<String>,
}

impl Concatenate {
    /// A layer that joins along the last axis.
    pub fn new() -> Self {
        Concatenate { axis: -1, name: None }
    }

    /// The axis to join along, batch axis counted: 1 is the first of a sample, -1 the last. The last
    /// unless set.
    pub fn axis(self, axis: isize) -> Self {
        Concatenate { axis, ..self }
    }
}

impl Default for Concatenate {
    fn default() -> Self {
        Concatenate::new()
    }
}

several!(Concatenate);

/// The axis of a sample that is `axis` of a batch, in whose shape it may count from the end.
///
/// # Errors
///
/// If it is the batch axis, or beyond.
pub(super) fn axis_of_sample(what: &str, axis: isize, input: &Shape) -> Result<usize> {
    let rank = input.axes().len() as isize + 1;
    let found = if axis < 0 { axis + rank } else { axis };
    if found == 0 {
        return Err(Error::unsupported(
            format!("axis of {what} (it is that of the batch)"),
            axis.to_string(),
        ));
    }
    if !(0..rank).contains(&found) {
        let why = format!("axis {axis} is out of bounds for its input, {input}");
        return Err(Error::invalid(what, why));
    }
    Ok(found as usize - 1)
}

impl Describe for Concatenate {
    fn class(&self) -> &'static str {
        "Concatenate"
    }

    fn base_name(&self) -> &'static str {
        "concatenate"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let Some(first) = inputs.first() else {
            let what = format!("inputs of {what}");
            return Err(Error::Count { what, expected: 1, found: 0 });
        };
        let axis = axis_of_sample(what, self.axis, first)?;
        for (i, input) in inputs.iter().enumerate() {
            let agree = |(k, (a, b)): (usize, (&Option<usize>, &Option<usize>))| {
                k == axis || a.is_none() || b.is_none() || a == b
            };
            let alike = input.axes().len() == first.axes().len()
                && first.axes().iter().zip(input.axes()).enumerate().all(agree);
            if !alike {
                let mut expected = first.batched(None);
                expected[axis + 1] = None;
                let what = format!("input {i} of {what}, which joins along axis {}", self.axis);
                return Err(Error::Shape { what, expected, found: input.batched(None) });
            }
        }
        let joined: Option<usize> = inputs.iter().map(|input| input.axes()[axis]).sum();
        outputs.resize_with(1, Shape::default);
        let axes = first.axes().iter().enumerate();
        outputs[0].assign(axes.map(|(k, &size)| if k == axis { joined } else { size }));
        Ok(())
    }
}

/// The operation of a [`Concatenate`].
#[derive(Debug)]
pub(super) struct Join {
    /// Of a sample.
    axis: usize,
    /// Whether it is the last.
    last: bool,
}

impl Join {
    pub(super) fn new(concatenate: &Concatenate, inputs: &[Shape]) -> Self {
        let rank = inputs[0].axes().len();
        let axis = concatenate.axis;
        // `outputs` has seen that it is in bounds.
        let axis = if axis < 0 { (axis + rank as isize) as usize } else { axis as usize - 1 };
        Join { axis, last: axis + 1 == rank }
    }

    /// The entries of an input that lie together, up to those of the next input.
    fn piece<T: Float>(&self, inputs: Inputs<T>, i: usize) -> usize {
        inputs.shapes[i].axes()[self.axis..].iter().map(|size| size.unwrap_or(0)).product()
    }
}

impl<T: Float> Operation<T> for Join {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let row: usize = (0..pass.inputs.len()).map(|i| self.piece(pass.inputs, i)).sum();
        let mut start = 0;
        for i in 0..pass.inputs.len() {
            let piece = self.piece(pass.inputs, i);
            let pieces = pass.inputs.at(i).chunks_exact(piece.max(1));
            for (x, y) in pieces.zip(outputs[0].chunks_exact_mut(row.max(1))) {
                y[start..start + piece].copy_from_slice(x);
            }
            start += piece;
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
        let Some(dy) = douts[0].get() else { return };
        let row: usize = (0..pass.inputs.len()).map(|i| self.piece(pass.inputs, i)).sum();
        let mut start = 0;
        for (i, din) in dins.iter_mut().enumerate() {
            let piece = self.piece(pass.inputs, i);
            if let Some(dx) = din.room() {
                let pieces = dx.chunks_exact_mut(piece.max(1));
                for (dx, dy) in pieces.zip(dy.chunks_exact(row.max(1))) {
                    dx.copy_from_slice(&dy[start..start + piece]);
                }
            }
            start += piece;
        }
    }

    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        let all = 0..inputs.len();
        if all.clone().all(|i| inputs.mask(i).is_none()) {
            return;
        }
        // The mask has an entry for each row of features.
        let rows = |i: usize| inputs.at(i).len() / inputs.shapes[i].features().unwrap_or(1).max(1);
        let valid = |i: usize, row: usize| match inputs.mask(i) {
            None => true,
            Some(mask) => mask[row * mask.len() / rows(i)],
        };
        if self.last {
            outputs[0].set((0..rows(0)).map(|row| all.clone().any(|i| valid(i, row))));
            return;
        }
        let pieces = inputs.at(0).len() / self.piece(inputs, 0).max(1);
        outputs[0].set((0..pieces).flat_map(|at| {
            all.clone().flat_map(move |i| {
                let len = rows(i) / pieces;
                (at * len..(at + 1) * len).map(move |row| valid(i, row))
            })
        }));
    }
}
