//! The layers beside the LSTM: what they compute, their gradients, shapes and masks.

use lstm::{
    Activation, ActivationLayer, Adam, Add, Average, Concatenate, DataFormat, Dense, Embedding,
    Fit, Flatten, Initializer, Input, LSTM, Layer, LayerNormalization, Loss, Masking, Maximum,
    Minimum, Model, Multiply, Optimizer, Permute, RepeatVector, Reshape, Result, SGD, Sequential,
    Shape, Subtract, Symbol, Tensor, Verbose,
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

/// A layer called on inputs, of which some pass through a `Masking`; the output, and what follows
/// takes for valid steps of it.
fn masked(layer: impl Into<Layer>, x: &[(Tensor<f64>, bool)]) -> (Tensor<f64>, Vec<bool>) {
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

/// Two batches of which some steps are masked, and the same with one step for all.
fn two() -> [Tensor<f64>; 3] {
    let y = [[[1.0, 2.0], [3.0, 3.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]];
    [
        Tensor::from([[[1.0, 2.0], [0.0, 0.0], [3.0, 0.0]], [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]]),
        Tensor::from(y),
        Tensor::from([[[1.0, 2.0]], [[0.0, 0.0]]]),
    ]
}

#[test]
fn merges_are_those_of_keras_with_masks_and_without() {
    // From Keras 3.15.1: both masked; the first masked and the second one larger; the first one
    // larger and the second masked; the second with one step for all.
    let wanted: [(Layer, [[f64; 12]; 4]); 6] = [
        (
            Add::new().into(),
            [
                [2., 4., 3., 3., 3., 0., 0., 0., 1., 1., 0., 0.],
                [3., 5., 4., 4., 4., 1., 1., 1., 2., 2., 1., 1.],
                [3., 5., 4., 4., 4., 1., 1., 1., 2., 2., 1., 1.],
                [2., 4., 1., 2., 4., 2., 0., 0., 1., 1., 0., 0.],
            ],
        ),
        (
            Multiply::new().into(),
            [
                [1., 4., 3., 3., 3., 0., 0., 0., 1., 1., 0., 0.],
                [2., 6., 4., 4., 3., 0., 1., 1., 1., 1., 1., 1.],
                [2., 6., 3., 3., 4., 1., 1., 1., 2., 2., 1., 1.],
                [1., 4., 1., 2., 3., 0., 0., 0., 1., 1., 0., 0.],
            ],
        ),
        (
            Average::new().into(),
            [
                [1., 2., 1.5, 1.5, 1.5, 0., 0., 0., 0.5, 0.5, 0., 0.],
                [1.5, 2.5, 2., 2., 2., 0.5, 0.5, 0.5, 1., 1., 0.5, 0.5],
                [1.5, 2.5, 2., 2., 2., 0.5, 0.5, 0.5, 1., 1., 0.5, 0.5],
                [1., 2., 0.5, 1., 2., 1., 0., 0., 0.5, 0.5, 0., 0.],
            ],
        ),
        (
            Maximum::new().into(),
            [
                [1., 2., 3., 3., 3., 0., 0., 0., 1., 1., 0., 0.],
                [2., 3., 4., 4., 3., 1., 1., 1., 1., 1., 1., 1.],
                [2., 3., 3., 3., 4., 1., 1., 1., 2., 2., 1., 1.],
                [1., 2., 1., 2., 3., 2., 0., 0., 1., 1., 0., 0.],
            ],
        ),
        (
            Minimum::new().into(),
            [
                [1., 2., 3., 3., 3., 0., 0., 0., 1., 1., 0., 0.],
                [1., 2., 4., 4., 1., 0., 1., 1., 1., 1., 1., 1.],
                [1., 2., 1., 1., 4., 1., 1., 1., 2., 2., 1., 1.],
                [1., 2., 1., 2., 1., 0., 0., 0., 1., 1., 0., 0.],
            ],
        ),
        (
            Subtract::new().into(),
            [
                [0., 0., -3., -3., 3., 0., 0., 0., 1., 1., 0., 0.],
                [-1., -1., -4., -4., 2., -1., -1., -1., 0., 0., -1., -1.],
                [1., 1., -2., -2., 4., 1., 1., 1., 2., 2., 1., 1.],
                [0., 0., -1., -2., 2., -2., 0., 0., 1., 1., 0., 0.],
            ],
        ),
    ];
    let [x, y, one_step] = two();
    let larger = |x: &Tensor<f64>| {
        let data = x.data().iter().map(|x| x + 1.0).collect();
        Tensor::new(x.shape(), data).unwrap()
    };
    for (layer, wanted) in wanted {
        let given = [
            [(x.clone(), true), (y.clone(), true)],
            [(x.clone(), true), (larger(&y), false)],
            [(larger(&x), false), (y.clone(), true)],
            [(x.clone(), true), (one_step.clone(), true)],
        ];
        let either = [true, true, true, false, true, false];
        for (k, (given, wanted)) in given.iter().zip(wanted).enumerate() {
            let (found, mask) = masked(layer.clone(), given);
            assert_eq!(
                (found.shape(), found.data()),
                (&[2, 3, 2][..], &wanted[..]),
                "{layer:?} {k}"
            );
            assert_eq!(mask, if k % 3 == 0 { either } else { [true; 6] }, "{layer:?} {k}");
        }
    }
}

#[test]
fn merges_have_the_gradients_of_what_they_compute() {
    let layers: [Layer; 6] = [
        Add::new().into(),
        Subtract::new().into(),
        Multiply::new().into(),
        Average::new().into(),
        Maximum::new().into(),
        Minimum::new().into(),
    ];
    for layer in layers {
        let shapes = [[2, 3].into(), [2, 3].into()];
        let x = [numbers(1, &[2, 2, 3]), numbers(2, &[2, 2, 3])];
        let what = format!("{layer:?}");
        check_gradients(&mut model_of(layer.clone(), shapes).unwrap(), &x, &what);

        // Axes of one on both sides, and one that is missing.
        let shapes = [[2, 1].into(), [3].into()];
        let x = [numbers(3, &[2, 2, 1]), numbers(4, &[2, 3])];
        let mut model = model_of(layer.clone(), shapes).unwrap();
        assert_eq!(model.output_shapes().next().unwrap(), &Shape::from([2, 3]));
        check_gradients(&mut model, &x, &what);

        if !matches!(layer, Layer::Subtract(_)) {
            let shapes = [[3].into(), [3].into(), [1].into()];
            let x = [numbers(5, &[2, 3]), numbers(6, &[2, 3]), numbers(7, &[2, 1])];
            check_gradients(&mut model_of(layer.clone(), shapes).unwrap(), &x, &what);
        }

        // Masked: entries that do not count have no gradient.
        let inputs = [Input::new([4, 2]), Input::new([4, 2])];
        let symbols = [&inputs[0], &inputs[1]].map(|x| Masking::new().call(x).unwrap());
        let y = layer.call(&[&symbols[0], &symbols[1]]).unwrap();
        let mut model = Model::new_as([&inputs[0], &inputs[1]], &y).unwrap();
        let mut x = [numbers(8, &[2, 4, 2]), numbers(9, &[2, 4, 2])];
        let dy = numbers(10, &[2, 4, 2]);
        x[0].data_mut()[2..6].fill(0.0);
        x[1].data_mut()[4..8].fill(0.0);
        let found = model.gradients([&x[0], &x[1]], &[Some(&dy)]).unwrap();
        for i in 0..2 {
            for at in 0..16 {
                let masked = x[i].data()[at] == 0.0;
                let mut moved = |by: f64| {
                    let mut x = x.clone();
                    x[i].data_mut()[at] += if masked { 0.0 } else { by };
                    let y = model.predict([&x[0], &x[1]]).unwrap();
                    y.data().iter().zip(dy.data()).map(|(y, dy)| y * dy).sum::<f64>()
                };
                let wanted = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let found = found.inputs[i].data()[at];
                assert!((wanted - found).abs() < 1e-8, "{what}: {found} instead of {wanted}");
            }
        }
    }
}

#[test]
fn merges_refuse_what_does_not_fit() {
    let error = message(model_of(Add::new(), [[2, 3].into(), [3, 3].into()]));
    assert!(error.contains("input 1 of Add") && error.contains("(None, 3, 3)"), "{error}");
    let error = message(model_of(Subtract::new(), [[3].into(), [3].into(), [3].into()]));
    assert_eq!(error, "inputs of Subtract: expected 2, found 3");

    // Sizes that only the data tells.
    let mut model = model_of(Add::new(), [[None, Some(3)].into(), [5, 3].into()]).unwrap();
    assert_eq!(model.output_shapes().next().unwrap(), &Shape::from([None, Some(3)]));
    let predict = |model: &mut Model<f64>, steps: usize| {
        model.predict([&counted(&[2, steps, 3]), &counted(&[2, 5, 3])])
    };
    assert!(predict(&mut model, 4).is_err());
    assert_eq!(predict(&mut model, 5).unwrap().shape(), [2, 5, 3]);
    assert_eq!(predict(&mut model, 1).unwrap().shape(), [2, 5, 3]);
}

#[test]
fn concatenate_joins_values_and_masks_as_keras_does() {
    let [x, y, _] = two();
    let features = [1., 2., 1., 2., 0., 0., 3., 3., 3., 0., 0., 0., 0., 0., 0., 0., 1., 1.];
    let features = [&features[..], &[0.; 6]].concat();
    let steps = [1., 2., 0., 0., 3., 0., 1., 2., 3., 3., 0., 0., 0., 0., 1., 1.];
    let steps = [&steps[..], &[0.; 8]].concat();
    let [t, f] = [true, false];
    let cases = [
        (-1, true, &features, vec![t, t, t, f, t, f]),
        (2, false, &features, vec![t; 6]),
        (1, true, &steps, vec![t, f, t, t, t, f, f, t, f, f, f, f]),
        (-2, false, &steps, vec![t, f, t, t, t, t, f, t, f, t, t, t]),
    ];
    for (axis, both, wanted, mask) in cases {
        let layer = Concatenate::new().axis(axis);
        let (found, found_mask) = masked(layer, &[(x.clone(), true), (y.clone(), both)]);
        assert_eq!(found.data(), wanted, "axis {axis}");
        assert_eq!(found_mask, mask, "axis {axis}");
    }
}

#[test]
fn concatenate_takes_any_axis_and_number() {
    let shapes = || [[2, 3].into(), [2, 1].into(), [2, 2].into()];
    let mut model = model_of(Concatenate::new(), shapes()).unwrap();
    assert_eq!(model.output_shapes().next().unwrap(), &Shape::from([2, 6]));
    let x = [numbers(1, &[2, 2, 3]), numbers(2, &[2, 2, 1]), numbers(3, &[2, 2, 2])];
    check_gradients(&mut model, &x, "Concatenate");
    let first = Concatenate::new().axis(1);
    let mut model = model_of(first, [[None, Some(2)].into(), [3, 2].into()]).unwrap();
    assert_eq!(model.output_shapes().next().unwrap(), &Shape::from([None, Some(2)]));
    check_gradients(&mut model, &[numbers(4, &[2, 1, 2]), numbers(5, &[2, 3, 2])], "of steps");

    let error = message(model_of(Concatenate::new().axis(1), shapes()));
    assert!(
        error.contains("input 1 of Concatenate") && error.contains("(None, None, 3)"),
        "{error}"
    );
    let error = message(model_of(Concatenate::new().axis(3), shapes()));
    assert!(error.contains("axis 3 is out of bounds"), "{error}");
    let error = message(model_of(Concatenate::new().axis(-3), shapes()));
    assert!(error.contains("batch"), "{error}");
}

#[test]
fn masks_end_where_they_end_in_keras() {
    let [x, _, _] = two();
    let given = [(x, true)];
    let [t, f] = [true, false];
    let kept = [t, f, t, f, t, f];
    assert_eq!(masked(Activation::Relu, &given).1, kept);
    assert_eq!(masked(Reshape::new([3, 2]), &given).1, [true; 6]);
    assert_eq!(masked(Permute::new([1, 2]), &given).1, [true; 6]);
    let vectors = Tensor::from([[1.0, 2.0], [0.0, 0.0]]);
    assert_eq!(masked(RepeatVector::new(2), &[(vectors, true)]).1, [true; 4]);
}

/// Values that a Keras program can make, too.
fn waves(shape: &[usize]) -> Tensor<f64> {
    let size = shape.iter().product::<usize>();
    Tensor::new(shape, (1..=size).map(|i| (i as f64 * 1.7).sin()).collect()).unwrap()
}

fn assert_close(found: &[f64], wanted: &[f64], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (found, wanted) in found.iter().zip(wanted) {
        let error = (found - wanted).abs() / wanted.abs().max(1.0);
        assert!(error < 1e-12, "{what}: {found} instead of {wanted}");
    }
}

#[test]
fn layer_normalization_is_that_of_keras() {
    // From Keras 3.15.1: `Σ cos(i + 0.3) aᵢ` for the output, the gradient of x and those of the
    // weights, where `x` and the weights are `waves` (the first weight + 0.5), `dy = cos(0.9 i)`.
    let new = LayerNormalization::new;
    let centered = || new().scale(false).epsilon(0.1);
    let on = |axis: isize| new().axis(axis);
    let both = [vec![1, 2], vec![-1, 1]];
    let both = |i: usize| new().axes(both[i].clone());
    let (last, one, two) = (vec![4], vec![3], vec![3, 4]);
    let cases: [(LayerNormalization, &Vec<usize>, &[f64]); 14] = [
        (
            new(),
            &last,
            &[2.244574100882428, 3.0668052054551755, -0.0406764747501991, 1.6300840796818323],
        ),
        (
            new().center(false),
            &last,
            &[1.5138913083477095, 3.0668052054551755, -0.0406764747501991],
        ),
        (centered(), &last, &[0.7302820617775581, 2.029161206225355, 1.6300840796818323]),
        (
            new().rms_scaling(true),
            &last,
            &[1.5628110202086467, 1.6121679545851464, -0.006630077321670119],
        ),
        (
            on(1),
            &one,
            &[7.762044732692083, -1.0768460000071154, 2.3879025726418424, 1.614848241744625],
        ),
        (on(1).center(false), &one, &[4.879969994166162, -1.0768460000071154, 2.3879025726418424]),
        (centered().axis(-2), &one, &[4.0021047681165465, 3.8555983595767884, 1.614848241744625]),
        (
            on(1).rms_scaling(true),
            &one,
            &[-3.086786188325183, 2.9426560994294992, 4.4626105466422095],
        ),
        (
            both(0),
            &two,
            &[2.4462042622306077, 3.7211513419736173, -0.8262937265250953, -0.5109096008677447],
        ),
        (
            both(0).center(false),
            &two,
            &[0.43066097746243326, 3.7211513419736173, -0.8262937265250953],
        ),
        (
            centered().axes([2, 1]),
            &two,
            &[2.0788038841964553, 1.7432226313638752, -0.5109096008677447],
        ),
        (
            both(0).rms_scaling(true),
            &two,
            &[0.5399723022415659, 3.7327231557304277, -0.4002234204968588],
        ),
        (
            both(1),
            &vec![4, 3],
            &[2.4462042622306077, 3.7211513419736173, -0.8262937265250953, -0.5109096008677447],
        ),
        (
            both(1).rms_scaling(true),
            &vec![4, 3],
            &[0.5399723022415659, 3.7327231557304277, -0.4002234204968588],
        ),
    ];
    let projected = |tensor: &Tensor<f64>| -> f64 {
        let entries = tensor.data().iter().enumerate();
        entries.map(|(i, a)| (i as f64 + 0.3).cos() * a).sum()
    };
    let dy = (0..24).map(|i| (f64::from(i) * 0.9).cos()).collect();
    let dy = Tensor::new([2, 3, 4], dy).unwrap();
    for (layer, shape, wanted) in cases {
        let what = format!("{layer:?}");
        let mut model = model_of(layer, [[3, 4].into()]).unwrap();
        let mut weights: Vec<_> = model.get_weights().iter().map(|w| waves(w.shape())).collect();
        assert!(weights.iter().all(|weight| weight.shape() == *shape), "{what}");
        weights[0].data_mut().iter_mut().for_each(|entry| *entry += 0.5);
        model.set_weights(&weights).unwrap();
        let found = model.gradients(&waves(&[2, 3, 4]), &[Some(&dy)]).unwrap();
        let found: Vec<f64> = [&found.outputs[..], &found.inputs, &found.weights]
            .concat()
            .iter()
            .map(projected)
            .collect();
        assert_close(&found, wanted, &what);
        check_gradients(&mut model, &[numbers(1, &[2, 3, 4])], &what);
    }
}

#[test]
fn layer_normalization_takes_any_size_and_wants_its_axes_known() {
    // Long rows are summed in parts.
    for features in [1, 7, 8, 21] {
        let mut model =
            model_of(LayerNormalization::new(), [[None, Some(features)].into()]).unwrap();
        check_gradients(&mut model, &[numbers(2, &[2, 2, features])], "LayerNormalization");
    }
    let mut plain = LayerNormalization::new();
    plain = plain.center(false).scale(false);
    let mut model = model_of(plain, [[None, Some(4)].into()]).unwrap();
    check_gradients(&mut model, &[numbers(3, &[2, 3, 4])], "without weights");
    // Steps of other numbers, in another order of axes.
    let mut model = model_of(LayerNormalization::new().axis(2), [[None, Some(3), Some(2)].into()]);
    for steps in [2, 1, 3] {
        let x = numbers(4, &[2, steps, 3, 2]);
        check_gradients(model.as_mut().unwrap(), &[x], "LayerNormalization, axis 2");
    }

    let refused = |axes: &[isize]| {
        message(model_of(LayerNormalization::new().axes(axes), [[None, Some(4)].into()]))
    };
    assert!(refused(&[1]).contains("axis 1 of its input, (None, None, 4), must be known"));
    assert!(refused(&[0]).contains("batch"));
    assert!(refused(&[3]).contains("axis 3 is out of bounds"));
    assert!(refused(&[2, -1]).contains("are one"));
    let error = message(model_of(LayerNormalization::new().epsilon(-1.0), [[4].into()]));
    assert!(error.contains("epsilon"), "{error}");

    let [x, _, _] = two();
    let mask = masked(LayerNormalization::new(), &[(x, true)]).1;
    assert_eq!(mask, [true, false, true, false, true, false]);
}

#[test]
fn embedding_looks_up_rows() {
    let mut model = model_of(Embedding::new(3, 2), [[None].into()]).unwrap();
    assert!(model.get_weights()[0].data().iter().all(|w| w.abs() <= 0.05 && *w != 0.0));
    assert_eq!(model.weight_names(), ["embedding/embeddings"]);
    model.set_weights(&[counted(&[3, 2])]).unwrap();
    let x = Tensor::from([[2.0, 0.0], [-1.0, 2.0]]);
    let y = model.predict(&x).unwrap();
    assert_eq!((y.shape(), y.data()), (&[2, 2, 2][..], &[4., 5., 0., 1., 4., 5., 4., 5.][..]));

    let found = model.gradients(&x, &[Some(&counted(&[2, 2, 2]))]).unwrap();
    assert_eq!(found.weights[0].data(), [2.0, 3.0, 0.0, 0.0, 10.0, 13.0]);
    assert_eq!(found.inputs[0].data(), [0.0; 4]);

    for (wrong, why) in [(3.0, "entry 1 is 3"), (-4.0, "entry 1 is -4"), (0.5, "entry 1 is 0.5")] {
        let error = model.predict(&Tensor::from([[1.0, wrong]])).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("from 0 to 2"), "{error}");
    }
    assert!(message(model_of(Embedding::new(0, 2), [[2].into()])).contains("input_dim"));
    assert!(message(model_of(Embedding::new(2, 0), [[2].into()])).contains("output_dim"));

    // What another layer makes of the data is not known at the door.
    let x = Input::new([4]);
    let y = Embedding::new(3, 1).call(&ActivationLayer::new(Activation::Relu).call(&x).unwrap());
    let mut model = Model::<f64>::new_as(&x, &y.unwrap()).unwrap();
    model.set_weights(&[Tensor::from([[1.0], [2.0], [3.0]])]).unwrap();
    let y = model.predict(&Tensor::from([[2.9, 1e30, 3.0, -7.0]])).unwrap();
    assert_eq!(y.data(), [3.0, 0.0, 0.0, 1.0]);
}

#[test]
fn embedding_masks_zeros_and_trains_as_in_keras() {
    let often = [[1., 2., 0., 0.], [5., 4., 3., 1.], [2., 2., 2., 0.]];
    let once = [[1., 2., 0., 0.], [5., 4., 3., 0.], [3., 1., 5., 0.]];
    let y = Tensor::from([[0.5], [-0.2], [0.1]]);
    // Losses and embeddings after three epochs. The second is Keras with an embedding that is a
    // product with one-hot vectors: see `Embedding` about Adam and numbers that come twice.
    let cases: [(_, Optimizer, [f64; 3], [f64; 18]); 3] = [
        (
            often,
            SGD { learning_rate: 0.1, ..SGD::default() }.into(),
            [0.9640898790671697, 0.39074735830330504, 0.2535761634263615],
            [
                0.9916648104524686,
                -0.2555411020268312,
                -0.9258146823277325,
                0.5065149025656513,
                0.7922699676369009,
                -0.7195192137751932,
                -0.7052415627769695,
                0.8788688960225637,
                0.499732799648241,
                -0.9683674122261576,
                -0.15596743310895989,
                0.9997411880117697,
                -0.11562290186735429,
                -0.9853420561165096,
                0.35230845064362687,
                0.8811055544008186,
                -0.584221212224259,
                -0.728741112723491,
            ],
        ),
        (
            often,
            Adam { learning_rate: 0.01, ..Adam::default() }.into(),
            [1.0737155594081045, 0.9576164844829318, 0.859595490372675],
            [
                0.9916648104524686,
                -0.2555411020268312,
                -0.9258146823277325,
                0.5401743221751693,
                0.7552199689143313,
                -0.7457679479222488,
                -0.6657022363621271,
                0.8851886801894218,
                0.4439725134213975,
                -1.0074674142681022,
                -0.1951138727007316,
                0.953535831443022,
                -0.1541417742631126,
                -1.017451415204778,
                0.3133101418871801,
                0.9251603597623768,
                -0.5397911937329144,
                -0.7741961470806631,
            ],
        ),
        (
            once,
            Adam { learning_rate: 0.01, ..Adam::default() }.into(),
            [1.1062263158045027, 1.0002527637266756, 0.9092916482291334],
            [
                0.9916648104524686,
                -0.2555411020268312,
                -0.9258146823277325,
                0.469711067287044,
                0.8116831779177531,
                -0.6772344110524666,
                -0.664067465018945,
                0.8131604642090178,
                0.4428049680086047,
                -0.9094972865575146,
                -0.09328482649894074,
                0.9861768941963522,
                -0.15448616537261553,
                -1.0175837655068478,
                0.40512528607584475,
                0.8298270896761232,
                -0.6310496334914757,
                -0.7508394077824249,
            ],
        ),
    ];
    for (x, optimizer, losses, embeddings) in cases {
        let mut model = Sequential::new()
            .add(Input::new([4]))
            .add(Embedding::new(6, 3).mask_zero(true))
            .add(LSTM::new(2))
            .add(Dense::new(1))
            .build_as::<f64>()
            .unwrap();
        let weights: Vec<_> = model.get_weights().iter().map(|w| waves(w.shape())).collect();
        model.set_weights(&weights).unwrap();
        let wanted = [1.2670279253258732, 1.2060474092752245, 0.9576236569114221];
        let found = model.predict(&Tensor::from(often)).unwrap();
        assert_close(found.data(), &wanted, "masked zeros");

        model.compile(optimizer, Loss::MeanSquaredError).unwrap();
        let fit = Fit {
            epochs: 3,
            batch_size: 2,
            shuffle: false,
            verbose: Verbose::Silent,
            ..Fit::default()
        };
        let history = model.fit(&Tensor::from(x), &y, fit).unwrap();
        let after = model.get_weights().swap_remove(0);
        for (found, wanted) in [(history.loss(), &losses[..]), (after.data(), &embeddings)] {
            for (found, wanted) in found.iter().zip(wanted) {
                assert!((found - wanted).abs() < 1e-6, "{found} instead of {wanted}");
            }
        }
    }
}
