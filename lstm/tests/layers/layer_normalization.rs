//! Layer normalization.

use lstm::{LayerNormalization, Tensor};

use crate::check::{assert_close, check_gradients, masked, message, model_of, numbers, two, waves};

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
