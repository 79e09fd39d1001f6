//! Says which steps of a sequence to pass over.

use kernels::{Buffer, Float};

use super::{Describe, Flow, Inputs, Layer, Mask, Operation, Pass, named, one_input};
use crate::error::Result;
use crate::graph::{Shared, Symbol};
use crate::shape::Shape;

/// Masks the steps of which every feature is [`mask_value`](Masking::mask_value), and makes them
/// zero: `[…, features]` to the same. The layers after it pass over such steps, as far as the mask
/// reaches.
///
/// Options and defaults are those of `keras.layers.Masking`, which compares with `mask_value` in
/// single precision even where the data has double: a value like 0.1 marks no step of such data.
#[derive(Clone, Debug, PartialEq)]
pub struct Masking {
    pub(crate) mask_value: f64,
    pub(crate) name: Option<String>,
}

impl Masking {
    /// A layer that masks zeros.
    pub fn new() -> Self {
        Masking { mask_value: 0.0, name: None }
    }

    /// What marks a step; 0 unless set.
    pub fn mask_value(self, mask_value: f64) -> Self {
        Masking { mask_value, ..self }
    }
}

impl Default for Masking {
    fn default() -> Self {
        Masking::new()
    }
}

named!(Masking);

impl Describe for Masking {
    fn class(&self) -> &'static str {
        "Masking"
    }

    fn base_name(&self) -> &'static str {
        "masking"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let input = one_input(what, inputs)?;
        outputs.resize_with(1, Shape::default);
        outputs[0].assign(input.axes().iter().copied());
        Ok(())
    }
}

/// The operation of a [`Masking`] layer.
#[derive(Debug)]
pub(super) struct Erase<T> {
    mask_value: T,
    valid: Vec<bool>,
}

impl<T: Float> Erase<T> {
    pub(super) fn new(masking: &Masking) -> Self {
        let mask_value = T::from_f64(f64::from(masking.mask_value as f32));
        Erase { mask_value, valid: Vec::new() }
    }
}

/// The size of the last axis of an input; one if it has none.
fn features<T: Float>(inputs: Inputs<T>) -> usize {
    inputs.shapes[0].features().unwrap_or(1).max(1)
}

impl<T: Float> Operation<T> for Erase<T> {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let (x, features) = (pass.inputs.at(0), features(pass.inputs));
        let rows = x.chunks_exact(features).zip(outputs[0].chunks_exact_mut(features));
        for ((x, y), &valid) in rows.zip(&self.valid) {
            if valid { y.copy_from_slice(x) } else { y.fill(T::ZERO) }
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
        let features = features(pass.inputs);
        let rows = dy.chunks_exact(features).zip(dx.chunks_exact_mut(features));
        for ((dy, dx), &valid) in rows.zip(&self.valid) {
            if valid { dx.copy_from_slice(dy) } else { dx.fill(T::ZERO) }
        }
    }

    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        let steps = inputs.at(0).chunks_exact(features(inputs));
        self.valid.clear();
        self.valid.extend(steps.map(|step| step.iter().any(|&x| x != self.mask_value)));
        outputs[0].pass(Some(&self.valid));
    }
}
