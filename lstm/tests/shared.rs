//! Layers called more than once, and the masks of their calls.

use lstm::{
    Dense, Dropout, Fit, Initializer, Input, LSTM, Loss, Masking, Model, SGD, Sequential, Shared,
    Symbol, Tensor, Verbose,
};

fn draw(seed: u64, shape: &[usize]) -> Tensor<f64> {
    let normal = Initializer::RandomNormal { mean: 0.0, stddev: 1.0 };
    normal.draw(seed, shape).unwrap()
}

/// What Keras 3.15.1 prints for the model of the next test, in a console of 80 columns.
const SUMMARY: &str = r#"Model: "functional"
┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┓
┃ Layer (type)        ┃ Output Shape      ┃    Param # ┃ Connected to      ┃
┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━┩
│ input_layer         │ (None, 5, 4)      │          0 │ -                 │
│ (InputLayer)        │                   │            │                   │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ input_layer_1       │ (None, 5, 4)      │          0 │ -                 │
│ (InputLayer)        │                   │            │                   │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ t (LSTM)            │ (None, 5, 4)      │        144 │ input_layer[0][0] │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ lstm (LSTM)         │ (None, 5, 4)      │        144 │ t[0][0],          │
│                     │                   │            │ input_layer_1[0]… │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ r (LSTM)            │ (None, 2)         │         56 │ lstm[1][0]        │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ q (LSTM)            │ (None, 2)         │         56 │ lstm[0][0]        │
└─────────────────────┴───────────────────┴────────────┴───────────────────┘
 Total params: 400 (1.56 KB)
 Trainable params: 400 (1.56 KB)
 Non-trainable params: 0 (0.00 B)"#;

#[test]
fn a_layer_called_at_different_depths_is_listed_once_and_where_keras_lists_it() {
    let (a, b) = (Input::new([5, 4]), Input::new([5, 4]));
    let shared = Shared::new(LSTM::new(4).return_sequences(true));
    let t = LSTM::new(4).return_sequences(true).name("t").call(&a).unwrap();
    let q = LSTM::new(2).name("q").call(&shared.call(&t).unwrap()).unwrap();
    let r = LSTM::new(2).name("r").call(&shared.call(&b).unwrap()).unwrap();
    let model = Model::new([&a, &b], [&r, &q]).unwrap();
    assert_eq!(model.summary(), SUMMARY);
    let mut kernels = model.weight_names();
    kernels.retain(|name| name.ends_with("/kernel"));
    assert_eq!(kernels, ["t/kernel", "lstm/kernel", "r/kernel", "q/kernel"]);
}

#[test]
fn a_layer_called_on_its_own_output_shows_its_connections() {
    let x = Input::new([5, 4]);
    let shared = Shared::new(LSTM::new(4).return_sequences(true));
    let y = shared.call(&shared.call(&x).unwrap()).unwrap();
    let model = Model::new(&x, &Dense::new(1).call(&y).unwrap()).unwrap();
    let summary = model.summary();
    for line in [
        "│ lstm (LSTM)         │ (None, 5, 4)      │        144 │ input_layer[0][0… │",
        "│                     │                   │            │ lstm[0][0]        │",
        "│ dense (Dense)       │ (None, 5, 1)      │          5 │ lstm[1][0]        │",
        " Total params: 149 (596.00 B)",
    ] {
        assert!(summary.lines().any(|found| found == line), "{line}\n{summary}");
    }
}

/// The same layers in a row, shared or each with the same weights of its own.
fn twice(shared: bool) -> Model<f64> {
    let layer = || LSTM::new(3).return_sequences(true);
    let x = Input::new([4, 3]);
    let first = Shared::new(layer());
    let second = if shared { first.clone() } else { Shared::new(layer()) };
    let y = second.call(&first.call(&x).unwrap()).unwrap();
    Model::new_as(&x, &y).unwrap()
}

#[test]
fn gradients_of_shared_weights_are_the_sum_over_the_calls() {
    let (mut shared, mut apart) = (twice(true), twice(false));
    let weights = shared.get_weights();
    assert_eq!(weights.len(), 3);
    apart.set_weights(&[weights.clone(), weights].concat()).unwrap();
    let (x, dy) = (draw(1, &[5, 4, 3]), draw(2, &[5, 4, 3]));
    let one = shared.gradients(&x, &[Some(&dy)]).unwrap();
    let two = apart.gradients(&x, &[Some(&dy)]).unwrap();
    assert_eq!(one.outputs, two.outputs);
    assert_eq!(one.inputs, two.inputs);
    for (i, sum) in one.weights.iter().enumerate() {
        let parts = two.weights[i].data().iter().zip(two.weights[i + 3].data());
        for (sum, (a, b)) in sum.data().iter().zip(parts) {
            assert!((sum - (a + b)).abs() <= 1e-12 * sum.abs().max(1.0), "{i}: {sum} {a} {b}");
        }
    }
}

#[test]
fn a_shared_layer_refuses_what_its_weights_do_not_fit() {
    let shared = Shared::new(LSTM::new(2).name("both"));
    shared.call(&Input::new([4, 3])).unwrap();
    let error = shared.call(&Input::new([4, 5])).unwrap_err().to_string();
    assert_eq!(
        error,
        "LSTM `both`: its kernel has shape [3, 8] from its first call, for inputs of shape \
         (None, 4, 3); inputs of shape (None, 4, 5) need [5, 8]"
    );
}

#[test]
fn a_mask_given_to_a_call_must_have_the_steps_of_its_input() {
    let x = Input::new([4, 3]);
    let call = |mask: &Symbol| Shared::new(LSTM::new(2)).call_masked(&x, mask);
    assert!(call(&Input::new([4])).is_ok());
    for (wrong, found) in [
        (Input::new([5]), "(None, 5)"),
        (Input::new([4, 3]), "(None, 4, 3)"),
        (Input::new([None]), "(None, None)"),
    ] {
        let error = call(&wrong).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("mask of LSTM, [batch, steps]: expected shape (None, 4), found {found}")
        );
    }
}

/// A sequence with steps of zeros, and the mask that follows.
fn gaps() -> (Tensor<f64>, Tensor<f64>) {
    let mask = [[1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]];
    let mut x = draw(3, &[3, 4, 2]);
    for (step, &valid) in x.data_mut().chunks_mut(2).zip(mask.as_flattened()) {
        step.iter_mut().for_each(|x| *x *= valid);
    }
    (x, Tensor::from(mask))
}

#[test]
fn a_mask_that_travels_and_one_that_is_given_are_the_same() {
    let (x, mask) = gaps();
    let (input, given) = (Input::new([4, 2]), Input::new([4]));
    let shared = Shared::new(LSTM::new(3));
    let masked = Masking::new().call(&input).unwrap();
    let travels = shared.call(&Dropout::new(0.5).call(&masked).unwrap()).unwrap();
    let is_given = shared.call_masked(&input, &given).unwrap();
    let without = shared.call(&input).unwrap();
    let mut model =
        Model::<f64>::new_as([&input, &given], [&travels, &is_given, &without]).unwrap();
    let y = model.predict_all([&x, &mask]).unwrap();
    assert_eq!(y[0], y[1]);
    assert_ne!(y[0], y[2]);
    // One that is given takes the place of one that travels.
    let both = shared.call_masked(&masked, &given).unwrap();
    let mut model = Model::<f64>::new_as([&input, &given], &both).unwrap();
    let ones = Tensor::new([3, 4], vec![1.0; 12]).unwrap();
    let weights = model.get_weights();
    assert_eq!(model.predict([&x, &mask]).unwrap(), y[1]);
    assert_eq!(model.predict([&x, &ones]).unwrap(), y[2]);
    assert_eq!(weights.len(), 3);
}

#[test]
fn a_mask_that_travels_is_passed_by_beside_initial_states_as_in_keras() {
    let (x, mask) = gaps();
    let (input, state) = (Input::new([4, 2]), Input::new([3]));
    let given = Input::new([4]);
    let shared = Shared::new(LSTM::new(3));
    let masked = Masking::new().call(&input).unwrap();
    let travels = shared.call([&masked, &state, &state]).unwrap();
    let without = shared.call([&*input, &state, &state]).unwrap();
    let is_given = shared.call_masked([&masked, &state, &state], &given).unwrap();
    let mut model =
        Model::<f64>::new_as([&input, &state, &given], [&travels, &without, &is_given]).unwrap();
    let y = model.predict_all([&x, &draw(4, &[3, 3]), &mask]).unwrap();
    assert_eq!(y[0], y[1]);
    assert_ne!(y[0], y[2]);
}

#[test]
fn dropout_is_the_identity_but_in_training_where_the_same_seed_drops_the_same() {
    let build = || {
        let mut model = Sequential::new()
            .add(Input::new([6]))
            .add(Dropout::new(0.5))
            .add(Dense::new(1))
            .build_as::<f64>()
            .unwrap();
        model.compile(SGD::default(), Loss::MeanSquaredError).unwrap();
        model
    };
    let (x, y) = (draw(5, &[8, 6]), draw(6, &[8, 1]));
    let fit = |seed, epochs| Fit {
        epochs,
        seed,
        batch_size: 4,
        shuffle: false,
        verbose: Verbose::Silent,
        ..Fit::default()
    };
    let mut without =
        Sequential::new().add(Input::new([6])).add(Dense::new(1)).build_as::<f64>().unwrap();
    let mut model = build();
    without.set_weights(&model.get_weights()).unwrap();
    assert_eq!(model.predict(&x).unwrap(), without.predict(&x).unwrap());
    let trained = |seed| {
        let mut model = build();
        model.fit(&x, &y, fit(seed, 2)).unwrap();
        model.get_weights()
    };
    assert_eq!(trained(1), trained(1));
    assert_ne!(trained(1), trained(2));
    // Two fits of one epoch go on as one of two.
    model.fit(&x, &y, fit(1, 1)).unwrap();
    model.fit(&x, &y, fit(1, 1)).unwrap();
    assert_eq!(model.get_weights(), trained(1));
}
