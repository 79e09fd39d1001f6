//! Training with penalties, constraints, frozen layers and moving averages against Keras's own:
//! `keras/training.py` has computed it.

use lstm::{
    Activation, Adam, Constraint, Dense, Evaluate, Fit, Input, LSTM, Loss, Model, Nadam, Optimizer,
    PolynomialDecay, Regularizer, SGD, Sequential, Tensor, Vectors, Verbose,
};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs() / expected.abs().max(1.0);
        assert!(error <= 1e-7, "{what}: {found} instead of {expected}");
    }
}

fn tensor(shape: &[usize], numbers: Vec<f64>) -> Tensor<f64> {
    Tensor::new(shape.to_vec(), numbers).unwrap()
}

#[test]
fn models_train_as_in_keras() {
    let cases: Value = serde_json::from_str(include_str!("keras/training.json")).unwrap();
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for (at, case) in cases.iter().enumerate() {
        let mut model = Model::<f64>::from_json_as(&case["model"].to_string()).unwrap();
        let shapes: Vec<_> = model.get_weights().iter().map(|w| w.shape().to_vec()).collect();
        let before = case["before"].as_array().unwrap().iter().zip(&shapes);
        let before: Vec<_> = before.map(|(w, shape)| tensor(shape, numbers(w))).collect();
        model.set_weights(&before).unwrap();
        let optimizer = Optimizer::from_json(&case["optimizer"].to_string()).unwrap();
        model.compile(optimizer, Loss::MeanSquaredError).unwrap();
        let (x, y) = (tensor(&[10, 4, 3], numbers(&case["x"])), numbers(&case["y"]));
        let y = tensor(&[10, 1], y);

        let loss = model.evaluate_with(&x, &y, Evaluate { batch_size: 4, ..Evaluate::default() });
        close(&[loss.unwrap()], &[case["evaluate"].as_f64().unwrap()], "evaluate");
        let fit = Fit {
            epochs: 5,
            batch_size: 4,
            shuffle: false,
            verbose: Verbose::Silent,
            ..Fit::default()
        };
        let history = model.fit(&x, &y, fit).unwrap();
        close(history.loss(), &numbers(&case["loss"]), &format!("losses of {at}"));
        let after = case["after"].as_array().unwrap();
        for ((found, expected), name) in
            model.get_weights().iter().zip(after).zip(model.weight_names())
        {
            close(found.data(), &numbers(expected), &format!("{name} of {at}"));
        }
        let summary = model.summary();
        for line in case["params"].as_array().unwrap() {
            assert!(summary.contains(line.as_str().unwrap()), "{summary}\n{line}");
        }
    }
}

fn data() -> (Tensor<f64>, Tensor<f64>) {
    let x = (0..6 * 4 * 2).map(|i| f64::from(i * 7 % 11) / 11.0 - 0.4).collect();
    (tensor(&[6, 4, 2], x), tensor(&[6, 1], vec![0.1, 0.5, -0.3, 0.9, 0.0, -0.7]))
}

fn model(optimizer: impl Into<Optimizer>) -> Model<f64> {
    let mut model = Sequential::new()
        .add(Input::new([4, 2]))
        .add(LSTM::new(3).kernel_regularizer(Regularizer::L2(0.01)))
        .add(Dense::new(1).kernel_constraint(Constraint::max_norm(1.0)))
        .build_as::<f64>()
        .unwrap();
    model.compile(optimizer, Loss::MeanSquaredError).unwrap();
    model
}

#[test]
fn a_training_goes_on_from_weights_and_state_as_if_it_had_not_stopped() {
    let (x, y) = data();
    let optimizer = || {
        Optimizer::from(Nadam { learning_rate: 0.05, ..Nadam::default() })
            .gradient_accumulation_steps(2)
            .use_ema(true)
    };
    let mut through = model(optimizer());
    let mut first = model(optimizer());
    for _ in 0..3 {
        through.train_on_batch(&x, &y).unwrap();
        first.train_on_batch(&x, &y).unwrap();
    }
    let mut second = model(optimizer());
    second.set_weights(&first.get_weights()).unwrap();
    second.set_optimizer_state(&first.optimizer_state().unwrap()).unwrap();
    for _ in 0..3 {
        let losses = [&mut through, &mut second].map(|m| m.train_on_batch(&x, &y).unwrap());
        assert_eq!(losses[0], losses[1]);
    }
    assert_eq!(through.get_weights(), second.get_weights());
    assert_eq!(through.optimizer_state(), second.optimizer_state());

    let other = model(Adam::default()).optimizer_state().unwrap();
    let error = second.set_optimizer_state(&other).unwrap_err().to_string();
    assert_eq!(error, "slots of the optimizer of `sequential`: expected 20, found 10");
    assert_eq!(through.optimizer_state(), second.optimizer_state());
}

#[test]
fn the_learning_rate_can_be_read_and_set_unless_a_schedule_has_it() {
    let (x, y) = data();
    let mut constant = model(SGD::default());
    assert_eq!(constant.learning_rate(), Ok(0.01));
    constant.set_learning_rate(0.0).unwrap();
    let before = constant.get_weights();
    constant.train_on_batch(&x, &y).unwrap();
    // The constraint alone may move the kernel of the Dense layer.
    assert_eq!(constant.get_weights()[..3], before[..3]);
    assert_eq!(constant.optimizer().unwrap(), SGD { learning_rate: 0.0, ..SGD::default() }.into());
    assert!(constant.set_learning_rate(f64::NAN).is_err());

    let mut scheduled =
        model(Optimizer::from(SGD::default()).schedule(PolynomialDecay::new(0.5, 2)));
    assert_eq!(scheduled.learning_rate(), Ok(0.5));
    scheduled.train_on_batch(&x, &y).unwrap();
    assert!((scheduled.learning_rate().unwrap() - 0.25005).abs() < 1e-7);
    let error = scheduled.set_learning_rate(0.1).unwrap_err().to_string();
    assert_eq!(error, "learning_rate: it follows a schedule, and cannot be set");
}

#[test]
fn penalties_and_constraints_that_do_not_fit_are_refused_by_name() {
    let x = Input::new([4, 2]);
    let columns = Regularizer::Orthogonal { factor: 0.1, mode: Vectors::Columns };
    for (call, expected) in [
        (
            LSTM::new(3).bias_regularizer(columns).call(&x),
            "bias_regularizer of LSTM: it needs an array of two axes, not of 1",
        ),
        (
            LSTM::new(3).return_sequences(true).activity_regularizer(columns).call(&x),
            "activity_regularizer of LSTM: it needs an array of two axes, not of 3",
        ),
        (
            LSTM::new(3).recurrent_constraint(Constraint::max_norm(-2.0)).name("a").call(&x),
            "recurrent_constraint of LSTM `a`: max_value must not be negative, as -2 is",
        ),
        (
            Dense::new(3).bias_constraint(Constraint::UnitNorm { axis: 1.into() }).call(&x),
            "bias_constraint of Dense: a weight of shape [3] has no axis 1",
        ),
        (
            Dense::new(3).kernel_regularizer(Regularizer::L1(-1.0)).call(&x),
            "kernel_regularizer of Dense: l1 must not be negative, as -1 is",
        ),
    ] {
        assert_eq!(call.unwrap_err().to_string(), expected);
    }
}

/// A loss that looks through the sigmoid has its gradient from before it, a penalty on the output from
/// behind it: both must reach the weights.
#[test]
fn a_penalty_on_what_a_loss_looks_through_reaches_the_weights() {
    let x = tensor(&[4, 3], (0..12).map(|i| f64::from(i * 7 % 12) / 6.0 - 1.0).collect());
    let y = tensor(&[4, 2], vec![0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    for (activation, loss) in [
        (Activation::Sigmoid, Loss::BINARY_CROSSENTROPY),
        (Activation::Softmax, Loss::CATEGORICAL_CROSSENTROPY),
    ] {
        let penalty = Regularizer::L2(0.3);
        let mut model = Sequential::new()
            .add(Input::new([3]))
            .add(Dense::new(2).activation(activation).activity_regularizer(penalty))
            .build_as::<f64>()
            .unwrap();
        let sgd = SGD { learning_rate: 1.0, ..SGD::default() };
        model.compile(sgd, loss).unwrap();
        let before = model.get_weights();
        let mut numeric = Vec::new();
        for (which, weight) in before.iter().enumerate() {
            for at in 0..weight.data().len() {
                let mut loss = |by: f64| {
                    let mut moved = before.clone();
                    moved[which].data_mut()[at] += by;
                    model.set_weights(&moved).unwrap();
                    model.evaluate(&x, &y).unwrap()
                };
                numeric.push((loss(1e-5) - loss(-1e-5)) / 2e-5);
            }
        }
        model.set_weights(&before).unwrap();
        model.train_on_batch(&x, &y).unwrap();
        let after = model.get_weights();
        let moved: Vec<f64> = (before.iter().zip(&after))
            .flat_map(|(before, after)| {
                before.data().iter().zip(after.data()).map(|(before, after)| before - after)
            })
            .collect();
        close(&moved, &numeric, activation.name());
    }
}
