//! The layers beside the LSTM: what they compute, their gradients, shapes and masks.

use lstm::{
    Activation, ActivationLayer, DataFormat, Flatten, Initializer, Input, Layer, Model, Permute,
    RepeatVector, Reshape, Result, Shape, Symbol, Tensor,
};

/// Numbers that look random, none of them close to another or to a kink.
fn numbers(seed: u64, shape: &[usize]) -> Tensor<f64> {
    Initializer::RandomNormal { mean: 0.1, stddev: 1.0 }.draw(seed, shape).unwrap()
}

/// A model of one layer.
fn model_of<const N: usize>(layer: impl Into<Layer>, inputs: [Shape; N]) -> Result<Model<f64>> {
    let inputs = inputs.map(Input::new);
    let symbols: Vec<&Symbol> = inputs.iter().map(|input| &**input).collect();
    Model::new_as(&symbols[..], &layer.into().call(&symbols)?)
}

/// Compares the gradients of `Σ dy·y` with central differences, for all inputs and weights.
fn check_gradients(model: &mut Model<f64>, x: &[Tensor<f64>], what: &str) {
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

/// What is wrong, or nothing.
fn message(result: Result<Model<f64>>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn repeat_vector_repeats() {
    let mut model = model_of(RepeatVector::new(3), [[2].into()]).unwrap();
    let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    let y = model.predict(&x).unwrap();
    assert_eq!(y.shape(), [2, 3, 2]);
    assert_eq!(y.data(), [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0, 3.0, 4.0]);
    check_gradients(&mut model, &[numbers(1, &[2, 2])], "RepeatVector");
}

#[test]
fn activation_is_that_of_the_function() {
    let shape = || [[Some(2), Some(3)].into()];
    for activation in Activation::ALL {
        let mut model = model_of(ActivationLayer::new(activation), shape()).unwrap();
        check_gradients(&mut model, &[numbers(2, &[2, 2, 3])], activation.name());
    }
    let mut relu = model_of(Activation::Relu, shape()).unwrap();
    let y = relu.predict(&Tensor::from([[[1.0, -2.0, 3.0], [-1.0, 0.0, 0.5]]])).unwrap();
    assert_eq!(y.data(), [1.0, 0.0, 3.0, 0.0, 0.0, 0.5]);
}

/// Numbers from 0 on.
fn counted(shape: &[usize]) -> Tensor<f64> {
    let size = shape.iter().product::<usize>();
    Tensor::new(shape, (0..size).map(|i| i as f64).collect()).unwrap()
}

#[test]
fn flatten_makes_one_axis_of_all() {
    let x = counted(&[2, 3, 2]);
    let mut last = model_of(Flatten::new(), [[None, Some(2)].into()]).unwrap();
    assert_eq!(last.output_shapes().next().unwrap().to_string(), "(None, None)");
    let y = last.predict(&x).unwrap();
    assert_eq!((y.shape(), y.data()), (&[2, 6][..], x.data()));

    let first = Flatten::new().data_format(DataFormat::ChannelsFirst);
    let mut first = model_of(first, [[3, 2].into()]).unwrap();
    let y = first.predict(&x).unwrap();
    assert_eq!(y.data(), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0, 6.0, 8.0, 10.0, 7.0, 9.0, 11.0]);
    check_gradients(&mut first, &[numbers(3, &[2, 3, 2])], "Flatten, channels first");
    check_gradients(&mut last, &[numbers(3, &[2, 3, 2])], "Flatten");

    let mut one = model_of(Flatten::new(), [Shape::from(vec![])]).unwrap();
    assert_eq!(one.predict(&counted(&[3])).unwrap().shape(), [3, 1]);
}

#[test]
fn reshape_finds_the_axis_that_follows_from_the_others() {
    let to = |target: [Option<usize>; 2], from: Shape| model_of(Reshape::new(target), [from]);
    let mut known = to([Some(2), None], [4, 3].into()).unwrap();
    assert_eq!(known.output_shapes().next().unwrap(), &Shape::from([2, 6]));
    let x = counted(&[5, 4, 3]);
    let y = known.predict(&x).unwrap();
    assert_eq!((y.shape(), y.data()), (&[5, 2, 6][..], x.data()));
    check_gradients(&mut known, &[numbers(4, &[2, 4, 3])], "Reshape");

    let mut open = to([None, Some(6)], [None, Some(3)].into()).unwrap();
    assert_eq!(open.output_shapes().next().unwrap(), &Shape::from([None, Some(6)]));
    for steps in [4, 2, 8] {
        let y = open.predict(&counted(&[2, steps, 3])).unwrap();
        assert_eq!(y.shape(), [2, steps / 2, 6]);
    }
    let error = open.predict(&counted(&[2, 3, 3])).unwrap_err().to_string();
    assert!(error.contains("9 entries") && error.contains("(None, None, 6)"), "{error}");
    let mut fixed = to([Some(2), Some(6)], [None, Some(3)].into()).unwrap();
    assert!(fixed.predict(&counted(&[2, 2, 3])).is_err());
    assert_eq!(fixed.predict(&counted(&[2, 4, 3])).unwrap().shape(), [2, 2, 6]);

    let error = message(to([Some(5), None], [4, 3].into()));
    assert!(error.contains("Reshape") && error.contains("12 entries"), "{error}");
    assert!(message(to([None, None], [4, 3].into())).contains("at most, can be unknown, not 2"));
    assert!(message(to([Some(0), None], [None, Some(3)].into())).contains("zero"));
}

#[test]
fn permute_moves_axes() {
    let mut model = model_of(Permute::new([2, 3, 1]), [[2, 3, 2].into()]).unwrap();
    assert_eq!(model.output_shapes().next().unwrap(), &Shape::from([3, 2, 2]));
    let y = model.predict(&counted(&[1, 2, 3, 2])).unwrap();
    assert_eq!(y.data(), [0.0, 6.0, 1.0, 7.0, 2.0, 8.0, 3.0, 9.0, 4.0, 10.0, 5.0, 11.0]);
    check_gradients(&mut model, &[numbers(5, &[2, 2, 3, 2])], "Permute");

    // Places follow the steps of each batch.
    let mut open = model_of(Permute::new([2, 1]), [[None, Some(2)].into()]).unwrap();
    for steps in [3, 2, 3] {
        let y = open.predict(&counted(&[1, steps, 2])).unwrap();
        let wanted = [0, 1].map(|k| (0..steps).map(move |t| (2 * t + k) as f64));
        assert_eq!(y.data(), wanted.into_iter().flatten().collect::<Vec<_>>());
    }
    for dims in [vec![1, 1], vec![0, 1], vec![2, 3]] {
        let error = message(model_of(Permute::new(dims), [[3, 2].into()]));
        assert!(error.contains("numbers from 1 on"), "{error}");
    }
    let error = message(model_of(Permute::new([2, 1]), [[3].into()]));
    assert!(error.contains("expected shape (None, None, None), found (None, 3)"), "{error}");
}

#[test]
fn repeat_vector_needs_a_vector_and_a_number() {
    let error = message(model_of(RepeatVector::new(3), [[2, 2].into()]));
    assert!(error.contains("RepeatVector") && error.contains("(None, 2, 2)"), "{error}");
    assert!(message(model_of(RepeatVector::new(0), [[2].into()])).contains("n must be positive"));
}
