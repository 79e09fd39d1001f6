//! What all of these tests need: small models, numbers, gradients by differences.

use lstm::{
    Initializer, Input, LSTM, Layer, Masking, Model, Reshape, Result, Shape, Symbol, Tensor,
};

/// Numbers that look random, none of them close to another or to a kink.
pub(crate) fn numbers(seed: u64, shape: &[usize]) -> Tensor<f64> {
    Initializer::RandomNormal { mean: 0.1, stddev: 1.0 }.draw(seed, shape).unwrap()
}

/// A model of one layer.
pub(crate) fn model_of<const N: usize>(
    layer: impl Into<Layer>,
    inputs: [Shape; N],
) -> Result<Model<f64>> {
    let inputs = inputs.map(Input::new);
    let symbols: Vec<&Symbol> = inputs.iter().map(|input| &**input).collect();
    Model::new_as(&symbols[..], &layer.into().call(&symbols)?)
}

/// Compares the gradients of `Σ dy·y` with central differences, for all inputs and weights.
pub(crate) fn check_gradients(model: &mut Model<f64>, x: &[Tensor<f64>], what: &str) {
    // Initial weights like zeros and ones would hide a lot.
    let weights: Vec<_> = (model.get_weights().iter().enumerate())
        .map(|(i, weight)| numbers(70 + i as u64, weight.shape()))
        .collect();
    model.set_weights(&weights).unwrap();

    fn refs(tensors: &[Tensor<f64>]) -> Vec<&Tensor<f64>> {
        tensors.iter().collect()
    }
    let shapes: Vec<_> =
        (model.predict_all(&refs(x)[..]).unwrap().iter()).map(|y| y.shape().to_vec()).collect();
    let dy: Vec<_> = (0..).zip(&shapes).map(|(i, shape)| numbers(90 + i, shape)).collect();
    let given: Vec<_> = dy.iter().map(Some).collect();
    let found = model.gradients(&refs(x)[..], &given).unwrap();
    assert_eq!(found.outputs, model.predict_all(&refs(x)[..]).unwrap(), "{what}");

    let objective = |model: &mut Model<f64>, x: &[Tensor<f64>]| -> f64 {
        let outputs = model.predict_all(&refs(x)[..]).unwrap();
        let products = outputs.iter().zip(&dy).flat_map(|(y, dy)| y.data().iter().zip(dy.data()));
        products.map(|(y, dy)| y * dy).sum()
    };
    let step = 1e-5;
    let close = |wanted: f64, found: f64, at: &str| {
        let error = (wanted - found).abs() / wanted.abs().max(1.0);
        assert!(error < 1e-7, "{what}: {at}: {found} instead of {wanted}");
    };
    for (i, dx) in found.inputs.iter().enumerate() {
        for at in 0..dx.data().len() {
            let mut moved = |by: f64| {
                let mut x = x.to_vec();
                x[i].data_mut()[at] += by;
                objective(model, &x)
            };
            close((moved(step) - moved(-step)) / (2.0 * step), dx.data()[at], &format!("x.{i}"));
        }
    }
    for (i, dw) in found.weights.iter().enumerate() {
        for at in 0..dw.data().len() {
            let mut moved = |by: f64| {
                let mut weights = weights.clone();
                weights[i].data_mut()[at] += by;
                model.set_weights(&weights).unwrap();
                objective(model, x)
            };
            close((moved(step) - moved(-step)) / (2.0 * step), dw.data()[at], &format!("w.{i}"));
        }
    }
    model.set_weights(&weights).unwrap();
}

/// A layer called on inputs, of which some pass through a `Masking`; the output, and what follows
/// takes for valid steps of it.
pub(crate) fn masked(
    layer: impl Into<Layer>,
    x: &[(Tensor<f64>, bool)],
) -> (Tensor<f64>, Vec<bool>) {
    let inputs: Vec<_> = x.iter().map(|(x, _)| Input::new(Shape::from(&x.shape()[1..]))).collect();
    let symbols: Vec<Symbol> = (inputs.iter().zip(x))
        .map(|(input, (_, masked))| match masked {
            true => Masking::new().call(input).unwrap(),
            false => Symbol::clone(input),
        })
        .collect();
    let y = layer.into().call(&symbols.iter().collect::<Vec<_>>()).unwrap();
    // Zero where it passes a step over.
    let reader = LSTM::new(1).return_sequences(true);
    let read = match y.shape().axes().len() {
        1 => reader.call(&Reshape::new([Some(1), None]).call(&y).unwrap()),
        _ => reader.zero_output_for_mask(true).call(&y),
    };
    let inputs: Vec<&Symbol> = inputs.iter().map(|input| &**input).collect();
    let mut model = Model::<f64>::new_as(&inputs[..], [&y, &read.unwrap()]).unwrap();
    let weights: Vec<_> = model.get_weights().iter().map(|w| numbers(8, w.shape())).collect();
    model.set_weights(&weights).unwrap();
    let x: Vec<_> = x.iter().map(|(x, _)| x).collect();
    let outputs = model.predict_all(&x[..]).unwrap();
    (outputs[0].clone(), outputs[1].data().iter().map(|&y| y != 0.0).collect())
}

/// What is wrong, or nothing.
pub(crate) fn message(result: Result<Model<f64>>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

/// Numbers from 0 on.
pub(crate) fn counted(shape: &[usize]) -> Tensor<f64> {
    let size = shape.iter().product::<usize>();
    Tensor::new(shape, (0..size).map(|i| i as f64).collect()).unwrap()
}

/// Two batches of which some steps are masked, and the same with one step for all.
pub(crate) fn two() -> [Tensor<f64>; 3] {
    let y = [[[1.0, 2.0], [3.0, 3.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]];
    [
        Tensor::from([[[1.0, 2.0], [0.0, 0.0], [3.0, 0.0]], [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]]),
        Tensor::from(y),
        Tensor::from([[[1.0, 2.0]], [[0.0, 0.0]]]),
    ]
}

/// Values that a Keras program can make, too.
pub(crate) fn waves(shape: &[usize]) -> Tensor<f64> {
    let size = shape.iter().product::<usize>();
    Tensor::new(shape, (1..=size).map(|i| (i as f64 * 1.7).sin()).collect()).unwrap()
}

pub(crate) fn assert_close(found: &[f64], wanted: &[f64], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (found, wanted) in found.iter().zip(wanted) {
        let error = (found - wanted).abs() / wanted.abs().max(1.0);
        assert!(error < 1e-12, "{what}: {found} instead of {wanted}");
    }
}
