//! Wrong use, at each door: the error names what is wrong, and nothing is changed.

use lstm::{
    Activation, Adam, Dense, Fit, Initializer, Input, LSTM, Layer, Loss, Model, Optimizer, SGD,
    Sequential, Tensor, Verbose,
};

fn model() -> Model {
    let layers = Sequential::new().add(Input::new([3, 1])).add(LSTM::new(4)).add(Dense::new(1));
    layers.build().unwrap()
}

/// The message of an error.
fn message<T: std::fmt::Debug>(result: lstm::Result<T>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_model_without_an_input_is_not_built() {
    let unbuilt = Sequential::new().add(LSTM::new(3)).build();
    assert_eq!(
        message(unbuilt),
        "model `sequential` is not built: its first layer must be an `Input` with the shape of \
         one sample, as in `.add(Input::new([steps, features]))`"
    );
    assert!(message(Sequential::new().build()).contains("not built"));
}

#[test]
fn training_before_compile_is_refused() {
    let (x, y) = (Tensor::zeros([2, 3, 1]), Tensor::zeros([2, 1]));
    let expected = "model `sequential` is not compiled: call `compile(optimizer, loss)` first";
    assert_eq!(message(model().fit(&x, &y, Fit::default())), expected);
    assert_eq!(message(model().train_on_batch(&x, &y)), expected);
    assert_eq!(message(model().evaluate(&x, &y)), expected);
    assert!(model().predict(&x).is_ok());
}

#[test]
fn an_input_of_another_shape_is_refused() {
    let mut model = model();
    for (shape, found) in [
        (vec![2, 3], "(2, 3)"),
        (vec![2, 3, 2], "(2, 3, 2)"),
        (vec![2, 4, 1], "(2, 4, 1)"),
        (vec![3, 1], "(3, 1)"),
        (vec![], "()"),
    ] {
        let expected = format!("input_layer: expected shape (None, 3, 1), found {found}");
        assert_eq!(message(model.predict(&Tensor::zeros(shape))), expected);
    }
    assert_eq!(message(model.predict(&Tensor::zeros([0, 3, 1]))), "input_layer: no samples");
    let x = Tensor::zeros([2, 3, 1]);
    assert_eq!(message(model.predict([&x, &x])), "inputs of `sequential`: expected 1, found 2");
}

#[test]
fn targets_of_another_shape_are_refused() {
    let mut model = model();
    model.compile(Adam::default(), Loss::MeanSquaredError).unwrap();
    let x = Tensor::zeros([2, 3, 1]);
    let expected = "y: expected shape (2, 1), found (3, 1)";
    assert_eq!(message(model.evaluate(&x, &Tensor::zeros([3, 1]))), expected);
    let expected = "y: expected shape (2, 1), found (2, 2)";
    assert_eq!(message(model.train_on_batch(&x, &Tensor::zeros([2, 2]))), expected);
    // A last axis of one may be left out, as in Keras.
    assert!(model.train_on_batch(&x, &Tensor::zeros([2])).is_ok());
    let mut y = Tensor::zeros([3, 1]);
    assert!(message(model.predict_into(&x, &mut y)).starts_with("y: expected shape (2, 1)"));
}

#[test]
fn nan_and_infinity_are_refused_by_place_and_train_nothing() {
    let mut model = model();
    model.compile(Adam::default(), Loss::MeanSquaredError).unwrap();
    let weights = model.get_weights();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = Tensor::zeros([2, 3, 1]);
        x.data_mut()[4] = bad;
        let expected = "input_layer: NaN or infinite at [1, 1, 0]";
        assert_eq!(message(model.predict(&x)), expected);
        assert_eq!(message(model.fit(&x, &Tensor::zeros([2, 1]), Fit::default())), expected);
        let mut y = Tensor::zeros([2, 1]);
        y.data_mut()[1] = bad;
        let x = Tensor::zeros([2, 3, 1]);
        let expected = "y: NaN or infinite at [1, 0]";
        assert_eq!(message(model.fit(&x, &y, Fit::default())), expected);
        let mut broken = weights.clone();
        broken[2].data_mut()[5] = bad;
        assert_eq!(message(model.set_weights(&broken)), "lstm/bias: NaN or infinite at [5]");
    }
    assert_eq!(model.get_weights(), weights);
}

#[test]
fn weights_of_another_number_or_shape_are_refused() {
    let mut model = model();
    let weights = model.get_weights();
    let expected = "weights of `sequential`: expected 5, found 4";
    assert_eq!(message(model.set_weights(&weights[..4])), expected);
    let mut wrong = weights.clone();
    wrong[1] = Tensor::zeros([16, 4]);
    let expected = "lstm/recurrent_kernel: expected shape (4, 16), found (16, 4)";
    assert_eq!(message(model.set_weights(&wrong)), expected);
    assert_eq!(model.get_weights(), weights);
}

#[test]
fn layers_that_do_not_fit_are_refused_when_they_are_called() {
    let build = |layers: Sequential| message(layers.build());
    let input = || Sequential::new().add(Input::new([3, 2]));
    assert_eq!(build(input().add(LSTM::new(0))), "LSTM: units must be positive");
    assert_eq!(build(input().add(Dense::new(0))), "Dense: units must be positive");
    assert_eq!(
        build(input().add(LSTM::new(3)).add(LSTM::new(3).name("second"))),
        "input of LSTM `second`, [batch, steps, features]: expected shape (None, None, 3), found \
         (None, 3)"
    );
    assert_eq!(
        build(input().add(LSTM::new(3).activation(Activation::Softmax))),
        "unsupported activation of LSTM: `softmax`"
    );
    assert_eq!(
        build(input().add(LSTM::new(3).bias_initializer(Initializer::ORTHOGONAL))),
        "bias_initializer of LSTM: the orthogonal initializer needs a matrix, not [12]"
    );
    assert!(build(input().add(Input::new([3, 2]))).contains("only be the first layer"));
    assert!(build(Sequential::new().add(Input::new([0, 2]))).contains("is empty"));
    let twice = input().add(LSTM::new(2).name("a")).add(Dense::new(1).name("a"));
    assert_eq!(build(twice), "model: two layers are named `a`");

    let x = Input::new([3, 2]);
    let h = Input::new([5]);
    let wrong = LSTM::new(4).call_with_state(&x, [&h, &h]);
    assert!(message(wrong).starts_with("initial state h of LSTM: expected shape (None, 4)"));
    let unknown = Dense::new(1).call(&Input::new([Some(3), None]));
    assert!(message(unknown).contains("must be known"));
    let stateless = LSTM::new(4).call(&x).unwrap();
    assert!(message(stateless.states()).contains("return_state"));
}

#[test]
fn a_graph_must_reach_from_its_inputs_to_its_outputs() {
    let (x, other) = (Input::new([3, 2]), Input::named("other", [3, 2]));
    let y = LSTM::new(4).call(&x).unwrap();
    assert!(message(Model::new(&other, &y)).contains("does not lead to any output"));
    let all = message(Model::new([&x, &other], &y));
    assert!(all.contains("does not lead to any output"));
    let z = LSTM::new(4).call_with_state(&other, [&y, &y]).unwrap();
    let missing = message(Model::new(&x, &z));
    assert_eq!(missing, "model: the outputs need `other`, which is not among the inputs");
    assert!(message(Model::new([&x, &x], &y)).contains("given twice"));
    assert!(message(Model::new(&y, &y)).contains("not an Input"));
}

#[test]
fn settings_out_of_their_range_are_refused() {
    let mut model = model();
    let mse = Loss::MeanSquaredError;
    for (optimizer, setting) in [
        (Optimizer::from(Adam { learning_rate: -1.0, ..Adam::default() }), "learning_rate"),
        (Adam { learning_rate: f64::NAN, ..Adam::default() }.into(), "learning_rate"),
        (Adam { beta_1: 1.0, ..Adam::default() }.into(), "beta_1"),
        (Adam { beta_2: -0.1, ..Adam::default() }.into(), "beta_2"),
        (SGD { momentum: 1.5, ..SGD::default() }.into(), "momentum"),
    ] {
        assert!(message(model.compile(optimizer, mse)).contains(setting));
    }
    model.compile(SGD::default(), mse).unwrap();
    let (x, y) = (Tensor::zeros([2, 3, 1]), Tensor::zeros([2, 1]));
    let options = Fit { batch_size: 0, verbose: Verbose::Silent, ..Fit::default() };
    assert_eq!(message(model.fit(&x, &y, options)), "batch_size: it must be positive");
    assert_eq!(message("swish9".parse::<Activation>()), "unsupported activation: `swish9`");
    assert_eq!(message("hinge9".parse::<Loss>()), "unsupported loss: `hinge9`");
    let tensor = Tensor::new([2, 3], vec![0.0f32; 5]);
    assert_eq!(message(tensor), "elements of a tensor of shape [2, 3]: expected 6, found 5");
    let huge = Tensor::new([usize::MAX, 2], vec![0.0f32; 2]);
    assert!(message(huge).contains("elements of a tensor"));
}

#[test]
fn json_that_keras_does_not_write_is_refused_by_name() {
    let layer = |config: &str| {
        let json = format!(r#"{{"class_name": "LSTM", "config": {config}}}"#);
        message(Layer::from_json(&json))
    };
    assert_eq!(layer(r#"{}"#), "LSTM.units: missing");
    assert_eq!(layer(r#"{"units": -3}"#), "LSTM.units: expected a size, found -3");
    assert_eq!(layer(r#"{"units": 3, "colour": "red"}"#), "LSTM.colour: unknown key");
    assert_eq!(layer(r#"{"units": 3, "dropout": 0.1}"#), "unsupported dropout of LSTM: `0.1`");
    assert_eq!(
        layer(r#"{"units": 3, "kernel_regularizer": {"class_name": "L2", "config": {}}}"#),
        "unsupported kernel_regularizer of LSTM: `L2`"
    );
    assert_eq!(layer(r#"{"units": 3, "activation": "selu"}"#), "unsupported activation: `selu`");
    assert!(message(Layer::from_json("{")).starts_with("JSON: "));
    assert_eq!(message(Layer::from_json("3")), "layer: expected an object, found 3");
    let optimizer = r#"{"class_name": "Adam", "config": {"amsgrad": true}}"#;
    assert_eq!(message(Optimizer::from_json(optimizer)), "unsupported amsgrad of Adam: `true`");
    assert!(message(Model::from_json(r#"{"class_name": "Tree", "config": {}}"#)).contains("Tree"));
}
