//! Wrong use, at each door: the error names what is wrong, and nothing is changed.

use lstm::{
    Activation, Adam, Dense, Evaluate, Fit, Initializer, Input, LSTM, Layer, Loss, Model,
    Optimizer, Predict, SGD, Sequential, Tensor, Verbose,
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
fn an_input_without_steps_is_refused() {
    let layers = Sequential::new().add(Input::new([None, Some(1)])).add(LSTM::new(4));
    let mut model = layers.build().unwrap();
    model.compile(Adam::default(), Loss::MeanSquaredError).unwrap();
    let (empty, y) = (Tensor::zeros([2, 0, 1]), Tensor::zeros([2, 4]));
    let expected = "input_layer: an axis of its shape, [2, 0, 1], is empty";
    assert_eq!(message(model.predict(&empty)), expected);
    assert_eq!(message(model.predict_into(&empty, &mut y.clone())), expected);
    assert_eq!(message(model.evaluate(&empty, &y)), expected);
    assert_eq!(message(model.train_on_batch(&empty, &y)), expected);
    assert_eq!(message(model.fit(&empty, &y, Fit::default())), expected);
    assert_eq!(message(model.gradients(&empty, &[Some(&y)])), expected);
    assert!(model.predict(&Tensor::zeros([2, 5, 1])).is_ok());
}

#[test]
fn inputs_of_different_batches_are_refused() {
    let (x, h) = (Input::new([3, 1]), Input::new([4]));
    let y = LSTM::new(4).call_with_state(&x, [&h, &h]).unwrap();
    let mut model = Model::new([&x, &h], &y).unwrap();
    let (x, h) = (Tensor::zeros([2, 3, 1]), Tensor::zeros([5, 4]));
    assert_eq!(message(model.predict([&x, &h])), "samples of input_layer_1: expected 2, found 5");
}

#[test]
fn gradients_that_do_not_fit_the_outputs_are_refused() {
    let mut model = model();
    let x = Tensor::zeros([2, 3, 1]);
    let mut refused = |dy: &[Option<&Tensor<f32>>]| message(model.gradients(&x, dy));
    let expected = "gradients of the outputs of `sequential`: expected 1, found 0";
    assert_eq!(refused(&[]), expected);
    let wrong = Tensor::zeros([2, 2]);
    assert_eq!(refused(&[Some(&wrong)]), "dy.0: expected shape (None, 1), found (2, 2)");
    let wrong = Tensor::zeros([3, 1]);
    assert_eq!(refused(&[Some(&wrong)]), "samples of dy.0: expected 2, found 3");
    let wrong = Tensor::from([[0.0], [f32::NAN]]);
    assert_eq!(refused(&[Some(&wrong)]), "dy.0: NaN or infinite at [1, 0]");
}

#[test]
fn sizes_beyond_memory_are_refused() {
    let build = |layer: Layer| {
        let layers = Sequential::new().add(Input::new([3, 2])).add(layer);
        message(layers.build())
    };
    let json = |class: &str, units: usize| {
        let json = format!(r#"{{"class_name": "{class}", "config": {{"units": {units}}}}}"#);
        Layer::from_json(&json).unwrap()
    };
    for units in [1 << 58, 1 << 62, usize::MAX] {
        for refused in [
            build(LSTM::new(units).into()),
            build(LSTM::new(units).use_bias(false).into()),
            build(Dense::new(units).into()),
            build(json("LSTM", units)),
            build(json("Dense", units)),
        ] {
            assert!(refused.contains("/kernel: ") && refused.contains("does not fit in memory"));
        }
    }
    let wide = Sequential::new().add(Input::new([1 << 40])).add(Dense::new(1 << 40)).build();
    assert!(message(wide).starts_with("dense/kernel: "));
}

#[test]
#[should_panic(expected = "too many elements: a shape of [1099511627776, 1099511627776]")]
fn zeros_of_more_elements_than_can_be_counted_panic_by_name() {
    Tensor::<f32>::zeros([1 << 40, 1 << 40]);
}

#[test]
fn initial_weights_that_are_no_numbers_are_refused() {
    let input = || Sequential::new().add(Input::new([3, 2]));
    let constant = |value| input().add(LSTM::new(3).bias_initializer(Initializer::Constant(value)));
    let expected = "bias_initializer of LSTM: value must be finite, not NaN";
    assert_eq!(message(constant(f64::NAN).build()), expected);
    let expected = "lstm/bias: the initial weights are beyond the range of f32";
    assert_eq!(message(constant(1e300).build()), expected);
    assert!(constant(1e300).build_as::<f64>().is_ok());
    let wrong = Initializer::RandomNormal { mean: 0.0, stddev: -1.0 };
    let expected = "kernel_initializer of Dense: stddev must not be negative, as -1 is";
    assert_eq!(message(input().add(Dense::new(3).kernel_initializer(wrong)).build()), expected);
}

#[test]
fn an_input_reads_no_other_layer() {
    let x = Input::new([3, 2]);
    let called = Layer::from(Input::new([4, 5])).call(&[&x]);
    let expected = "inputs of InputLayer, which is one itself: expected 0, found 1";
    assert_eq!(message(called), expected);
    assert!(Layer::from(Input::new([4, 5])).call(&[]).is_ok());
}

#[test]
fn several_outputs_do_not_go_into_one_tensor() {
    let x = Input::new([3, 1]);
    let y = LSTM::new(4).return_state(true).call(&x).unwrap();
    let [h, c] = y.states().unwrap();
    let mut model = Model::new(&x, [&y, &h, &c]).unwrap();
    let (x, mut y) = (Tensor::zeros([2, 3, 1]), Tensor::zeros([2, 4]));
    let expected = "model `functional`: it has 3 outputs, and `predict_into` fills one; \
                    `predict_all` gives all";
    assert_eq!(message(model.predict_into(&x, &mut y)), expected);
    assert_eq!(model.predict_all(&x).unwrap().len(), 3);
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
    let expected = "Dense: the last axis of its input, (None, 3, None), must be known";
    assert_eq!(message(unknown), expected);
    let unknown = LSTM::new(1).call(&Input::new([Some(3), None]));
    let expected = "LSTM: the last axis of its input, (None, 3, None), must be known";
    assert_eq!(message(unknown), expected);
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
    let expected = "batch_size: it must be positive";
    assert_eq!(message(model.fit(&x, &y, options)), expected);
    for (batch_size, steps, expected) in
        [(0, None, expected), (1, Some(0), "steps: it must be positive")]
    {
        let options = Predict { batch_size, steps, ..Predict::default() };
        assert_eq!(message(model.predict_with(&x, options)), expected);
        assert_eq!(message(model.predict_into_with(&x, &mut y.clone(), options)), expected);
        let options = Evaluate { batch_size, steps, ..Evaluate::default() };
        assert_eq!(message(model.evaluate_with(&x, &y, options)), expected);
    }
    for (class, weight, wrong) in [
        (&y, f64::NAN, "class_weight: a weight is not finite"),
        (&Tensor::zeros([3, 1]), 2.0, "y: expected shape (2, 1), found (3, 1)"),
    ] {
        let found = message(model.train_on_class_weighted_batch(&x, class, &[(0, weight)]));
        assert!(found.starts_with(wrong), "{found}");
    }
    let three = Tensor::zeros([3]);
    let found = message(model.test_on_weighted_batch(&x, &y, &[&three]));
    assert_eq!(found, "sample_weight: expected shape (2,), found (3,)");
    let mut steps = Sequential::new().add(Input::new([3, 1])).add(Dense::new(1)).build().unwrap();
    steps.compile(SGD::default(), mse).unwrap();
    let found = message(steps.test_on_weighted_batch(&x, &x, &[&Tensor::zeros([2])]));
    assert_eq!(found, "sample_weight: expected shape (2, 3), found (2,)");
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
    assert_eq!(
        layer(r#"{"units": 3, "dropout": "much"}"#),
        r#"LSTM.dropout: expected a number, found "much""#
    );
    assert_eq!(
        layer(r#"{"units": 3, "kernel_regularizer": {"class_name": "L3", "config": {}}}"#),
        "unsupported kernel_regularizer: `L3`"
    );
    assert_eq!(
        layer(r#"{"units": 3, "bias_constraint": {"class_name": "NonNeg", "config": {"x": 1}}}"#),
        "NonNeg.x: unknown key"
    );
    assert_eq!(
        layer(
            r#"{"units": 3, "bias_constraint": {"class_name": "UnitNorm", "config": {"axis": "a"}}}"#
        ),
        r#"UnitNorm.axis: expected an axis or a list, found "a""#
    );
    assert_eq!(layer(r#"{"units": 3, "activation": "wavy"}"#), "unsupported activation: `wavy`");
    let compiled = r#"{"class_name": "LSTM", "config": {"units": 3}, "compile_config": {}}"#;
    assert_eq!(message(Layer::from_json(compiled)), "layer.compile_config: unknown key");
    assert!(message(Layer::from_json("{")).starts_with("JSON: "));
    assert_eq!(message(Layer::from_json("3")), "layer: expected an object, found 3");
    let optimizer = r#"{"class_name": "Adam", "config": {"amsgrade": true}}"#;
    assert_eq!(message(Optimizer::from_json(optimizer)), "Adam.amsgrade: unknown key");
    let schedule = r#"{"class_name": "Adam", "config": {"learning_rate":
        {"class_name": "ExponentialDecay", "config": {"initial_learning_rate": 0.1}}}}"#;
    let expected = "ExponentialDecay.decay_steps: missing";
    assert_eq!(message(Optimizer::from_json(schedule)), expected);
    assert!(message(Model::from_json(r#"{"class_name": "Tree", "config": {}}"#)).contains("Tree"));
}

#[test]
fn values_of_keys_that_change_no_number_are_looked_at_too() {
    let layer = |outer: &str, config: &str| {
        let json = format!(r#"{{"class_name": "LSTM"{outer}, "config": {{"units": 3{config}}}}}"#);
        Layer::from_json(&json).map(|_| ()).map_err(|error| error.to_string())
    };
    let seeded = |seed: &str| {
        let initializer = r#""class_name": "GlorotUniform", "config": {"seed": "#;
        layer("", &format!(r#", "kernel_initializer": {{{initializer}{seed}}}}}"#))
    };
    let policy = |class: &str, name: &str| {
        let policy = format!(
            r#""module": "keras", "class_name": "{class}", "config": {{"name": "{name}"}}"#
        );
        layer("", &format!(r#", "dtype": {{{policy}}}"#))
    };
    let generator = |seed: &str| {
        format!(
            r#"{{"module": "keras.random", "class_name": "SeedGenerator",
            "config": {{"seed": {seed}, "name": "seed_generator"}}}}"#
        )
    };
    for accepted in [
        seeded("null"),
        seeded("7"),
        seeded("-7"),
        seeded(&generator("3")),
        policy("DTypePolicy", "float32"),
        policy("DTypePolicy", "float64"),
        layer("", r#", "dtype": null"#),
        layer("", r#", "unroll": true"#),
        layer(r#", "module": "keras.layers", "registered_name": null"#, ""),
        layer(r#", "module": "keras.src.layers.rnn.lstm", "registered_name": "LSTM""#, ""),
        layer(r#", "build_config": {"input_shape": [null, 3, 2]}"#, ""),
    ] {
        assert_eq!(accepted, Ok(()));
    }
    for (refused, expected) in [
        (seeded(r#""seven""#), r#"GlorotUniform.seed: expected a seed, found "seven""#),
        (seeded("0.5"), "GlorotUniform.seed: expected a seed, found 0.5"),
        (seeded("true"), "GlorotUniform.seed: expected a seed, found true"),
        (seeded(&generator("[3]")), "SeedGenerator.seed: expected a seed, found [3]"),
        (seeded(r#"{"class_name": "Dice", "config": {}}"#), "unsupported seed: `Dice`"),
        (layer("", r#", "dtype": "float16""#), "unsupported dtype of LSTM: `float16`"),
        (layer("", r#", "dtype": "int32""#), "unsupported dtype of LSTM: `int32`"),
        (layer("", r#", "dtype": 32"#), "dtype of LSTM: expected an object, found 32"),
        (policy("DTypePolicy", "bfloat16"), "unsupported dtype of LSTM: `bfloat16`"),
        (policy("DTypePolicy", "mixed_float16"), "unsupported dtype of LSTM: `mixed_float16`"),
        (
            policy("QuantizedDTypePolicy", "float32"),
            "unsupported dtype of LSTM: `QuantizedDTypePolicy`",
        ),
        (layer("", r#", "unroll": 1"#), "LSTM.unroll: expected true or false, found 1"),
        (layer(r#", "build_config": 3"#, ""), "layer.build_config: expected an object, found 3"),
        (
            layer(r#", "module": null, "registered_name": "mine>LSTM""#, ""),
            "unsupported custom class of layer: `mine>LSTM`",
        ),
        (
            layer(r#", "module": "keras.layers", "registered_name": "mine>LSTM""#, ""),
            "unsupported custom class of layer: `mine>LSTM`",
        ),
        // Of a class that was not registered.
        (
            layer(r#", "module": null, "registered_name": "LSTM""#, ""),
            "unsupported custom class of layer: `LSTM`",
        ),
        (
            layer(r#", "module": "mine.layers", "registered_name": "LSTM""#, ""),
            "unsupported custom class of layer: `mine.layers.LSTM`",
        ),
        (
            layer(r#", "module": "keras.kitchen""#, ""),
            "unsupported custom class of layer: `keras.kitchen.LSTM`",
        ),
        (layer(r#", "module": 3"#, ""), "layer.module: expected a string, found 3"),
    ] {
        assert_eq!(refused, Err(expected.to_owned()));
    }
}

/// The message for a model with one output, `lstm`, that was compiled so.
fn message_of_compilation(compiled: &str) -> String {
    let json = r#"{"class_name": "Sequential", "config": {"layers": [
        {"class_name": "InputLayer", "config": {"batch_shape": [null, 3, 2]}},
        {"class_name": "LSTM", "config": {"units": 1, "name": "lstm"}}]}, "compile_config": COMPILED}"#;
    message(Model::from_json(&json.replace("COMPILED", compiled)))
}

#[test]
fn how_tensorflow_runs_a_model_is_looked_at_too() {
    let of = |key: &str, value: &str| {
        let colour = r#""colour": "red""#; // the error where nothing before it is one
        message_of_compilation(&format!(
            r#"{{"optimizer": "adam", "loss": "mse", "{key}": {value}, {colour}}}"#
        ))
    };
    for (key, value) in [
        ("run_eagerly", "true"),
        ("run_eagerly", "null"),
        ("jit_compile", r#""auto""#),
        ("jit_compile", "true"),
        ("steps_per_execution", "3"),
        ("steps_per_execution", r#""auto""#),
        ("auto_scale_loss", "false"),
        ("loss_weights", r#"{"lstm": 2.0}"#),
        ("metrics", r#"{"lstm": "mae"}"#),
        ("metrics", r#"[["mae"], ["mse"]]"#),
    ] {
        assert_eq!(of(key, value), "compile_config.colour: unknown key", "{key}: {value}");
    }
    for (key, value, why) in [
        ("run_eagerly", "1", "expected true or false, found 1"),
        ("jit_compile", r#""fast""#, r#"expected true or false, found "fast""#),
        ("steps_per_execution", "0", "expected a positive number or auto, found 0"),
        ("steps_per_execution", "true", "expected a positive number or auto, found true"),
        ("auto_scale_loss", r#""yes""#, r#"expected true or false, found "yes""#),
        ("loss_weights", r#"{"gru": 2.0}"#, "no output `gru`; there is lstm"),
        ("loss_weights", "{}", "missing for output `lstm`"),
        ("loss_weights", r#"{"lstm": "a"}"#, r#"expected a number for each output, found "a""#),
        ("metrics", r#"{"gru": "mae"}"#, "no output `gru`; there is lstm"),
        ("weighted_metrics", r#""mae""#, r#"expected a list, found "mae""#),
    ] {
        assert_eq!(of(key, value), format!("compile_config.{key}: {why}"));
    }
}

#[test]
fn a_compilation_that_is_not_known_is_refused_by_name() {
    for (compiled, expected) in [
        (r#"{"optimizer": "adam"}"#, "compile_config.loss: missing"),
        (r#"{"loss": "mse"}"#, "compile_config.optimizer: missing"),
        (r#"{"optimizer": "tiger", "loss": "mse"}"#, "unsupported optimizer: `tiger`"),
        (r#"{"optimizer": "adam", "loss": "fish"}"#, "unsupported loss: `fish`"),
        (r#"{"optimizer": "adam", "loss": null}"#, "loss: expected an object, found null"),
        (
            r#"{"optimizer": "adam", "loss": "mse", "metrics": ["mad"]}"#,
            "unsupported metric: `mad`",
        ),
        (
            r#"{"optimizer": "adam", "loss": {"class_name": "MeanSquaredError",
                "config": {"reduction": "all"}}}"#,
            r#"unsupported reduction of MeanSquaredError: `"all"`"#,
        ),
        (
            r#"{"optimizer": {"class_name": "Adam", "config": {"beta_1": 2.0}}, "loss": "mse"}"#,
            "optimizer's beta_1: 2 is not within 0 ≤ beta_1 < 1",
        ),
        (
            r#"{"optimizer": "adam", "loss": {"gru": "mse"}}"#,
            "compile_config.loss: no output `gru`; there is lstm",
        ),
        (r#"{"optimizer": "adam", "loss": {}}"#, "compile_config.loss: missing for output `lstm`"),
        (
            r#"{"optimizer": "adam", "loss": {"module": "mine", "class_name": "function",
                "config": "mse", "registered_name": "function"}}"#,
            "unsupported custom class of loss: `mine.function`",
        ),
        (
            r#"{"optimizer": "adam", "loss": {"class_name": "MeanSquaredError",
                "config": {"dtype": "float16"}}}"#,
            "unsupported dtype of MeanSquaredError: `float16`",
        ),
        (
            r#"{"optimizer": "adam", "loss": "mse", "metrics": [{"class_name": "R2Score",
                "config": {"class_aggregation": null}}]}"#,
            "unsupported class_aggregation of a metric: `null`",
        ),
        (
            r#"{"optimizer": "adam", "loss": "mse", "colour": "red"}"#,
            "compile_config.colour: unknown key",
        ),
    ] {
        assert_eq!(message_of_compilation(compiled), expected);
    }
}
