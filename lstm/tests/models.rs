//! Models as a user writes them: what they compute, and what they look like.

use lstm::{
    Activation, Adam, Bidirectional, Dense, Embedding, Evaluate, Fit, Initializer, Input, LSTM,
    LSTMCell, LayerNormalization, Loss, Model, Predict, RNN, Result, SGD, Sequential, Tensor,
    TimeDistributed, Verbose,
};

const SILENT: Fit = Fit { verbose: Verbose::Silent, ..Fit::DEFAULT };

fn many_to_one() -> Result<Model> {
    let mut model = Sequential::new()
        .add(Input::new([3, 1]))
        .add(LSTM::new(10).activation(Activation::Relu))
        .add(Dense::new(10))
        .add(Dense::new(1))
        .build()?;
    model.compile(Adam::default(), Loss::MeanSquaredError)?;
    Ok(model)
}

fn counting() -> (Tensor<f32>, Tensor<f32>) {
    let sequence = |i: usize| [[i as f32], [i as f32 + 1.0], [i as f32 + 2.0]];
    (Tensor::from([1, 2, 3, 4].map(sequence)), Tensor::from([4.0, 5.0, 6.0, 7.0]))
}

fn keras(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../harness/fixtures/summaries/");
    let text = std::fs::read_to_string(format!("{folder}{name}.txt")).unwrap();
    text.trim_end().to_owned()
}

#[test]
fn a_graph_with_branches_shows_its_connections_as_in_keras() {
    let x = Input::new([5, 3]);
    let (h, c) = (Input::new([6]), Input::new([6]));
    let sequence = LSTM::new(6).return_sequences(true).return_state(true);
    let y = sequence.call_with_state(&x, [&h, &c]).unwrap();
    let [h_out, c_out] = y.states().unwrap();
    let z = Dense::new(2).call(&LSTM::new(4).call(&y).unwrap()).unwrap();
    let model = Model::new([&x, &h, &c], [&z, &h_out, &c_out]).unwrap();
    assert_eq!(model.summary(), keras("functional_states"));
}

#[test]
fn steps_that_are_not_known_are_none_in_the_summary() {
    let model = Sequential::new()
        .add(Input::new([None, Some(2)]))
        .add(LSTM::new(32).return_sequences(true))
        .add(LSTM::new(16).return_sequences(true))
        .add(Dense::new(1))
        .build()
        .unwrap();
    assert_eq!(model.summary(), keras("sequential_stack"));
}

#[test]
fn long_names_are_cut_and_large_sizes_scaled_as_in_keras() {
    let keras = keras("sequential_large");
    let first = LSTM::new(1024).return_sequences(true);
    let model = Sequential::new()
        .add(Input::new([100, 300]))
        .add(first.name("a_first_layer_whose_name_is_far_too_long_for_its_column"))
        .add(LSTM::new(512).name("second_layer_with_a_long_name"))
        .add(Dense::new(10_000).name("vocabulary"))
        .build()
        .unwrap();
    let rest = |text: &str| text.split_once('…').unwrap().1.to_owned();
    assert_eq!(rest(&model.summary()), rest(&keras));
}

#[test]
fn the_layers_of_a_functional_model_are_in_the_order_of_keras() {
    // Two ways from the input, one of them longer: by depth from the output, then as met from it.
    let x = Input::new([4, 3]);
    let short = LSTM::new(2).name("short").call(&x).unwrap();
    let long = LSTM::new(2).name("long").return_sequences(true).call(&x).unwrap();
    let states = LSTM::new(2).name("states").return_state(true).call(&long).unwrap();
    let [h, _] = states.states().unwrap();
    let y = LSTM::new(2).name("last").call_with_state(&long, [&short, &h]).unwrap();
    let model = Model::new(&x, &y).unwrap();
    let mut layers: Vec<String> = model.weight_names();
    layers.retain(|name| name.ends_with("/kernel"));
    assert_eq!(layers, ["long/kernel", "short/kernel", "states/kernel", "last/kernel"]);
}

#[test]
fn the_same_sequence_is_predicted_alike_with_known_and_unknown_steps() {
    let stack = |steps: Option<usize>| {
        Sequential::new()
            .add(Input::new([steps, Some(2)]))
            .add(LSTM::new(5).return_sequences(true))
            .add(Dense::new(3))
            .build()
            .unwrap()
    };
    let mut any = stack(None);
    for steps in [7, 3, 7, 12] {
        let x = Initializer::RandomNormal { mean: 0.0, stddev: 1.0 }.draw(1, [4, steps, 2]);
        let x = x.unwrap();
        let y = any.predict(&x).unwrap();
        assert_eq!(y.shape(), [4, steps, 3]);
        assert_eq!(y, stack(Some(steps)).predict(&x).unwrap());
    }
}

#[test]
fn a_prediction_does_not_depend_on_how_samples_are_batched() {
    let mut model = many_to_one().unwrap();
    let draw = Initializer::RandomUniform { minval: 0.0, maxval: 9.0 };
    let x = draw.draw(5, [70, 3, 1]).unwrap();
    let all = model.predict(&x).unwrap();
    for (i, sample) in x.data().chunks(3).enumerate() {
        let alone = model.predict(&Tensor::new([1, 3, 1], sample.to_vec()).unwrap()).unwrap();
        assert!((alone.data()[0] - all.data()[i]).abs() <= 1e-5 * all.data()[i].abs().max(1.0));
    }
}

#[test]
fn weights_go_out_and_in_in_the_order_of_keras() {
    let mut model = many_to_one().unwrap();
    let names = model.weight_names();
    assert_eq!(
        names,
        [
            "lstm/kernel",
            "lstm/recurrent_kernel",
            "lstm/bias",
            "dense/kernel",
            "dense/bias",
            "dense_1/kernel",
            "dense_1/bias"
        ]
    );
    let weights = model.get_weights();
    let shapes: Vec<&[usize]> = weights.iter().map(|weight| weight.shape()).collect();
    let expected: [&[usize]; 7] = [&[1, 40], &[10, 40], &[40], &[10, 10], &[10], &[10, 1], &[1]];
    assert_eq!(shapes, expected);

    let (x, _) = counting();
    let before = model.predict(&x).unwrap();
    model.reseed(9);
    assert_ne!(model.predict(&x).unwrap(), before);
    model.set_weights(&weights).unwrap();
    assert_eq!(model.predict(&x).unwrap(), before);
}

#[test]
fn initial_weights_are_those_of_keras_in_kind() {
    let model = Sequential::new().add(Input::new([4, 8])).add(LSTM::new(16)).build().unwrap();
    let [kernel, recurrent, bias] = &model.get_weights()[..] else { panic!("three weights") };
    // Glorot's limit counts the four gates together.
    let limit = (6.0f32 / (8.0 + 64.0)).sqrt();
    assert!(kernel.data().iter().all(|w| w.abs() <= limit));
    assert!(kernel.data().iter().any(|w| w.abs() > 0.9 * limit));
    // The whole recurrent kernel has orthonormal rows.
    for (i, a) in recurrent.data().chunks(64).enumerate() {
        for (j, b) in recurrent.data().chunks(64).enumerate() {
            let dot: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
            assert!((dot - f32::from(u8::from(i == j))).abs() < 1e-5);
        }
    }
    // The forget gate, the second of four, starts open.
    for (gate, part) in bias.data().chunks(16).enumerate() {
        assert!(part.iter().all(|&b| b == f32::from(u8::from(gate == 1))));
    }
}

#[test]
fn the_bias_beside_the_forget_gate_is_drawn_in_parts_with_fans_of_their_own() {
    let bias = |unit_forget_bias| {
        let units = 300;
        let lstm = LSTM::new(units).bias_initializer(Initializer::GLOROT_UNIFORM);
        let layers = Sequential::new().add(Input::new([4, 8]));
        let model = layers.add(lstm.unit_forget_bias(unit_forget_bias)).build().unwrap();
        let bias = model.get_weights().swap_remove(2).into_data();
        bias.chunks(units).map(|gate| gate.iter().fold(0.0f32, |max, b| max.max(b.abs()))).collect()
    };
    // √(6 / 2n) for n of 300, 600 or, as a whole, 1200 numbers.
    let near = |found: &[f32], limits: [f32; 4]| {
        let close = |(found, limit): (&f32, f32)| *found <= limit && *found > 0.97 * limit;
        assert!(found.iter().zip(limits).all(close), "{found:?} {limits:?}");
    };
    let parts: Vec<f32> = bias(true);
    near(&parts, [0.1, 1.0, 0.005f32.sqrt(), 0.005f32.sqrt()]);
    near(&bias(false), [0.05; 4]);
}

#[test]
fn the_same_seeds_give_the_same_training_to_the_last_bit_and_others_another() {
    let (x, y) = counting();
    let train = |weights, order| {
        let mut model = many_to_one().unwrap();
        model.reseed(weights);
        let options = Fit { epochs: 5, batch_size: 1, seed: order, ..SILENT };
        let history = model.fit(&x, &y, options).unwrap();
        (history, model.get_weights())
    };
    assert_eq!(train(1, 2), train(1, 2));
    assert_ne!(train(1, 2), train(1, 3));
    assert_ne!(train(1, 2), train(2, 2));
}

#[test]
fn epochs_one_by_one_are_the_epochs_of_one_training() {
    let (x, y) = counting();
    let train = |calls: &[usize]| {
        let mut model = many_to_one().unwrap();
        let mut losses = Vec::new();
        for &epochs in calls {
            let options = Fit { epochs, batch_size: 1, ..SILENT };
            losses.extend_from_slice(model.fit(&x, &y, options).unwrap().loss());
        }
        (losses, model)
    };
    let (losses, mut model) = train(&[6]);
    let (one_by_one, other) = train(&[1, 1, 3, 1]);
    assert_eq!(losses, one_by_one);
    assert_eq!(model.get_weights(), other.get_weights());

    // From the start again, with the same weights as every model has.
    model.reseed(0);
    let options = Fit { epochs: 6, batch_size: 1, ..SILENT };
    assert_eq!(model.fit(&x, &y, options).unwrap().loss(), losses);
    model.set_weights(&many_to_one().unwrap().get_weights()).unwrap();
    model.compile(Adam::default(), Loss::MeanSquaredError).unwrap();
    assert_eq!(model.fit(&x, &y, options).unwrap().loss(), losses);
}

#[test]
fn batches_of_any_size_predict_and_evaluate_alike() {
    let mut model = many_to_one().unwrap();
    let draw = Initializer::RandomUniform { minval: 0.0, maxval: 9.0 };
    let (x, y) = (draw.draw(5, [70, 3, 1]).unwrap(), draw.draw(6, [70, 1]).unwrap());
    let (all, loss) = (model.predict(&x).unwrap(), model.evaluate(&x, &y).unwrap());
    let mut into = y.clone();
    for batch_size in [1, 7, 32, 70, usize::MAX] {
        let options = Predict { batch_size, ..Predict::default() };
        let found = model.predict_with(&x, options).unwrap();
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * b.abs().max(1.0);
        assert!(found.data().iter().zip(all.data()).all(near), "{batch_size}");
        model.predict_into_with(&x, &mut into, options).unwrap();
        assert_eq!(into, found);
        assert_eq!(model.predict_all_with(&x, options).unwrap(), [found]);
        let options = Evaluate { batch_size, ..Evaluate::default() };
        let found = model.evaluate_with(&x, &y, options).unwrap();
        assert!((found - loss).abs() < 1e-5 * loss, "{batch_size}");
    }
}

#[test]
fn steps_take_the_first_batches_alone() {
    let mut model = many_to_one().unwrap();
    let draw = Initializer::RandomUniform { minval: 0.0, maxval: 9.0 };
    let (x, y) = (draw.draw(5, [20, 3, 1]).unwrap(), draw.draw(6, [20, 1]).unwrap());
    for (steps, samples) in [(1, 8), (2, 16), (3, 20), (usize::MAX, 20)] {
        let first = |from: &Tensor, axes: &[usize]| {
            let size = axes.iter().product::<usize>();
            let shape = [&[samples], axes].concat();
            Tensor::new(shape, from.data()[..samples * size].to_vec()).unwrap()
        };
        let (some_x, some_y) = (first(&x, &[3, 1]), first(&y, &[1]));
        let all = Predict { batch_size: 8, ..Predict::default() };
        let options = Predict { steps: Some(steps), ..all };
        let expected = model.predict_with(&some_x, all).unwrap();
        assert_eq!(model.predict_with(&x, options).unwrap(), expected);
        let mut into = some_y.clone();
        model.predict_into_with(&x, &mut into, options).unwrap();
        assert_eq!(into, expected);
        let all = Evaluate { batch_size: 8, ..Evaluate::default() };
        let expected = model.evaluate_with(&some_x, &some_y, all).unwrap();
        let options = Evaluate { steps: Some(steps), ..all };
        assert_eq!(model.evaluate_with(&x, &y, options).unwrap(), expected);
        let metrics = model.metrics().unwrap();
        assert_eq!(metrics, [("loss".to_owned(), expected)]);
        model.reset_metrics().unwrap();
        assert_eq!(model.metrics().unwrap(), [("loss".to_owned(), 0.0)]);
    }
    let options = Predict { batch_size: 8, steps: Some(1), ..Predict::default() };
    assert!(model.predict_into_with(&x, &mut y.clone(), options).is_err(), "room for more rows");
}

#[test]
fn the_loss_of_an_epoch_is_the_mean_over_its_samples_before_each_step() {
    let (x, y) = counting();
    let mut model = many_to_one().unwrap();
    // With a learning rate of zero, batches of 3 and 1 see the same weights as one of 4.
    model.compile(SGD { learning_rate: 0.0, ..SGD::default() }, Loss::MeanAbsoluteError).unwrap();
    let options = Fit { batch_size: 3, epochs: 2, ..SILENT };
    let history = model.fit(&x, &y, options).unwrap();
    let loss = model.evaluate(&x, &y).unwrap();
    assert_eq!(history.epoch(), [0, 1]);
    for &epoch in history.loss() {
        assert!((epoch - loss).abs() < 1e-6 * loss, "{epoch} {loss}");
    }
    assert_eq!(history.get("accuracy"), None);
}

#[test]
fn training_on_batches_by_hand_is_what_fit_does() {
    let (x, y) = counting();
    let mut by_fit = many_to_one().unwrap();
    let options = Fit { epochs: 3, batch_size: 4, shuffle: false, ..SILENT };
    let history = by_fit.fit(&x, &y, options).unwrap();
    let mut by_hand = many_to_one().unwrap();
    for &loss in history.loss() {
        assert_eq!(f64::from(by_hand.train_on_batch(&x, &y).unwrap()), loss);
    }
    assert_eq!(by_fit.get_weights(), by_hand.get_weights());
}

#[test]
fn a_model_built_from_the_json_of_keras_is_the_model() {
    let json = r#"{"module": "keras", "class_name": "Sequential", "config": {"name": "small",
        "trainable": true, "dtype": "float32", "layers": [
        {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape":
            [null, null, 2], "dtype": "float32", "sparse": false, "ragged": false, "name": "in"},
            "registered_name": null},
        {"module": "keras.layers", "class_name": "LSTM", "config": {"name": "memory", "units": 4,
            "activation": "tanh", "recurrent_activation": "sigmoid", "kernel_initializer":
            {"class_name": "HeNormal", "config": {"seed": null}}}, "registered_name": null}]}}"#;
    let model = Model::from_json(json).unwrap();
    assert_eq!(model.name(), "small");
    assert_eq!(model.weight_names()[0], "memory/kernel");
    assert_eq!(model.count_params(), 4 * 4 * (2 + 4 + 1));
    let error = Model::from_json(&json.replace("HeNormal", "Sinusoid")).unwrap_err();
    assert_eq!(error.to_string(), "unsupported kernel_initializer: `Sinusoid`");
}

#[test]
fn a_model_that_was_compiled_in_keras_is_compiled() {
    let json = r#"{"module": "keras", "class_name": "Sequential", "config": {"name": "sequential",
        "trainable": true, "dtype": "float32", "layers": [
        {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape":
            [null, 3, 1], "name": "in"}},
        {"module": "keras.layers", "class_name": "LSTM", "config": {"units": 10, "activation":
            "relu"}},
        {"module": "keras.layers", "class_name": "Dense", "config": {"units": 10}},
        {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}}]},
        "build_config": {"input_shape": [null, 3, 1]}, "compile_config": {"optimizer": OPTIMIZER,
        "loss": LOSS, "loss_weights": null, "metrics": [], "weighted_metrics": null,
        "run_eagerly": false, "steps_per_execution": 1, "jit_compile": false}}"#;
    let adam = r#"{"module": "keras.optimizers", "class_name": "Adam", "config": {"name": "adam",
        "learning_rate": 0.001, "beta_1": 0.9}, "registered_name": null}"#;
    let (x, y) = counting();
    let options = Fit { epochs: 3, batch_size: 1, ..SILENT };
    let expected = many_to_one().unwrap().fit(&x, &y, options).unwrap();
    let losses = [
        r#""mse""#,
        r#""mean_squared_error""#,
        r#"["MSE"]"#,
        r#"{"module": "keras.losses", "class_name": "MeanSquaredError", "config": {"name":
            "mean_squared_error", "reduction": "sum_over_batch_size"}, "registered_name": null}"#,
        r#"{"module": "keras.losses", "class_name": "function", "config": "mean_squared_error",
            "registered_name": "mean_squared_error"}"#,
    ];
    for optimizer in [r#""adam""#, adam] {
        for loss in losses {
            let json = json.replace("OPTIMIZER", optimizer).replace("LOSS", loss);
            let mut model = Model::from_json(&json).unwrap();
            assert_eq!(model.fit(&x, &y, options).unwrap(), expected);
        }
    }
    let (start, _) = json.split_once("\"compile_config\"").unwrap();
    let mut model = Model::from_json(&format!("{start}\"compile_config\": {{}}}}")).unwrap();
    assert!(model.fit(&x, &y, options).unwrap_err().to_string().contains("not compiled"));
}

#[test]
fn f64_models_train_like_f32_models() {
    let (x, y) = counting();
    let mut single = many_to_one().unwrap();
    let layers = Sequential::new()
        .add(Input::new([3, 1]))
        .add(LSTM::new(10).activation(Activation::Relu))
        .add(Dense::new(10))
        .add(Dense::new(1));
    let mut double = layers.build_as::<f64>().unwrap();
    double.compile(Adam::default(), Loss::MeanSquaredError).unwrap();
    let options = Fit { epochs: 20, batch_size: 2, ..SILENT };
    let (single, double) = (
        single.fit(&x, &y, options).unwrap(),
        double
            .fit(
                &x.cast::<f64>(),
                &y.cast::<f64>(),
                Fit { epochs: 20, batch_size: 2, verbose: Verbose::Silent, ..Fit::DEFAULT },
            )
            .unwrap(),
    );
    for (single, double) in single.loss().iter().zip(double.loss()) {
        assert!((single - double).abs() < 1e-3 * double, "{single} {double}");
    }
}

#[test]
fn a_functional_model_that_is_not_trainable_is_read_with_all_layers_frozen() {
    let x = Input::new([3]);
    let y = Embedding::new(5, 2).call(&x).unwrap();
    let y = LayerNormalization::new().call(&y).unwrap();
    let y = Bidirectional::new(LSTM::new(2).return_sequences(true)).call(&y).unwrap();
    let y = RNN::new([LSTMCell::new(2), LSTMCell::new(3)]).return_sequences(true).call(&y).unwrap();
    let y = TimeDistributed::new(Dense::new(2)).call(&y).unwrap();
    let y = Dense::new(1).call(&LSTM::new(2).call(&y).unwrap()).unwrap();
    let model = Model::new(&x, &y).unwrap();
    let frozen = |model: &Model| {
        let mut config: serde_json::Value = serde_json::from_str(&model.to_json()).unwrap();
        config["config"]["trainable"] = false.into();
        Model::from_json(&config.to_string()).unwrap().summary()
    };
    let (summary, params) = (frozen(&model), model.count_params());
    assert!(summary.contains(&format!("Non-trainable params: {params}")), "{summary}");

    // In a Sequential model the layers say it by themselves, as in Keras.
    let small = Sequential::new().add(Input::new([3])).add(Dense::new(2)).build().unwrap();
    let summary = frozen(&small);
    assert!(summary.contains("Non-trainable params: 0"), "{summary}");
}
