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

#[cfg(test)]
mod tests {
    use super::*;

    /// The output, mask and gradient of ones, of two rows with two steps of two features.
    fn run<T: Float>(mask_value: f64, x: [f64; 8]) -> ([f64; 8], Vec<bool>, [f64; 8]) {
        let mut values = vec![vec![Buffer::zeros(8)]];
        values[0][0].iter_mut().zip(x).for_each(|(value, x)| *value = T::from_f64(x));
        let shapes = [Shape::from([2, 2])];
        let inputs = Inputs {
            first: None,
            values: &values,
            masks: &[],
            sources: &[(0, 0)],
            shapes: &shapes,
            given: None,
        };
        let pass = Pass {
            batch: 2,
            kept: true,
            training: None,
            serial: false,
            beside: false,
            weights: &[],
            version: 0,
            inputs,
        };
        let mut erase = Erase::<T>::new(&Masking::new().mask_value(mask_value));
        let (mut y, mut mask) = ([Buffer::zeros(8)], [Mask::default()]);
        erase.mask(inputs, &mut mask);
        erase.forward(pass, &mut y);
        let flow = || Flow { live: true, grad: Buffer::zeros(8) };
        let (mut dy, mut dx) = ([flow()], [flow()]);
        dy[0].grad.fill(T::ONE);
        erase.backward(pass, &y, &mut dy, &mut [], &mut dx);
        let numbers = |buffer: &Buffer<T>| std::array::from_fn(|i| buffer[i].to_f64());
        (numbers(&y[0]), mask[0].get().unwrap().to_vec(), numbers(&dx[0].grad))
    }

    #[test]
    fn a_step_is_masked_where_all_of_its_features_are_the_value_and_is_zero_then() {
        let x = [5.0, 5.0, 5.0, 0.0, 0.0, 0.0, -1.0, 5.0];
        let (y, mask, dx) = run::<f64>(5.0, x);
        assert_eq!(y, [0.0, 0.0, 5.0, 0.0, 0.0, 0.0, -1.0, 5.0]);
        assert_eq!(mask, [false, true, true, true]);
        assert_eq!(dx, [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn the_value_is_one_of_single_precision_as_in_keras() {
        // What Keras does to these in float64 and float32, with a mask value of 0.1.
        assert_eq!(run::<f64>(0.1, [0.1; 8]).1, [true; 4]);
        assert_eq!(run::<f64>(0.1, [f64::from(0.1f32); 8]).1, [false; 4]);
        assert_eq!(run::<f32>(0.1, [0.1; 8]).1, [false; 4]);
    }
}
