//! Layers without weights that have one input.

use lstm::{
    Activation, ActivationLayer, DataFormat, Flatten, Input, Layer, Model, Permute, RepeatVector,
    Reshape, Result, Shape, Softmax, Tensor,
};

use crate::check::{
    assert_close, check_gradients, counted, masked, message, model_of, numbers, two,
};

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

#[test]
fn softmax_sums_to_one_along_its_axes() {
    let shape = || [[Some(2), Some(3)].into()];
    let x = numbers(6, &[2, 2, 3]);
    let exp: Vec<f64> = x.data().iter().map(|x| x.exp()).collect();
    let groups: [(&[isize], [usize; 12]); 4] = [
        (&[-1], [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
        (&[1], [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]),
        (&[1, 2], [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]),
        (&[-1, -2], [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]),
    ];
    for (axes, groups) in groups {
        let mut model = model_of(Softmax::new().axes(axes), shape()).unwrap();
        let y = model.predict(&x).unwrap();
        let mut sums = [0.0; 6];
        groups.iter().zip(&exp).for_each(|(&group, exp)| sums[group] += exp);
        let wanted = groups.iter().zip(&exp).map(|(&group, exp)| exp / sums[group]);
        assert_close(y.data(), &wanted.collect::<Vec<_>>(), &format!("{axes:?}"));
        check_gradients(&mut model, std::slice::from_ref(&x), &format!("Softmax {axes:?}"));
    }
    assert!(message(model_of(Softmax::new().axis(3), shape())).contains("out of bounds"));
    assert!(message(model_of(Softmax::new().axis(0), shape())).contains("batch"));
}

#[test]
fn softmax_leaves_out_what_its_mask_does() -> Result<()> {
    let (x, mask) = (Input::new([3]), Input::new([3]));
    let y = Layer::from(Softmax::new()).call_masked(&[&x], &mask)?;
    let mut model = Model::<f64>::new_as([&x, &mask], &y)?;
    let x = Tensor::from([[1.0, 5.0, 1.0], [2.0, 2.0, 2.0], [0.0, 0.0, 0.0]]);
    let mask = Tensor::from([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]);
    let dy = Tensor::from([[1.0, 7.0, -1.0], [1.0, 2.0, 3.0], [0.0, 0.0, 9.0]]);
    // As Keras 3.15.1 has it.
    let found = model.gradients([&x, &mask], &[Some(&dy)])?;
    let third = 1.0 / 3.0;
    assert_close(found.outputs[0].data(), &[0.5, 0., 0.5, 0., 0., 0., third, third, third], "y");
    assert_close(found.inputs[0].data(), &[0.5, 0., -0.5, 0., 0., 0., -1., -1., 2.], "dx");
    Ok(())
}
