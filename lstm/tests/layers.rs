//! The layers beside the LSTM: what they compute, their gradients, shapes and masks.

use lstm::{
    Activation, ActivationLayer, Add, Average, Concatenate, DataFormat, Flatten, Initializer,
    Input, LSTM, Layer, Masking, Maximum, Minimum, Model, Multiply, Permute, RepeatVector, Reshape,
    Result, Shape, Subtract, Symbol, Tensor,
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
