//! Layers of several inputs.

use lstm::{
    Add, Average, Concatenate, Input, Layer, Masking, Maximum, Minimum, Model, Multiply, Shape,
    Subtract, Tensor,
};

use crate::check::{check_gradients, counted, masked, message, model_of, numbers, two};

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
