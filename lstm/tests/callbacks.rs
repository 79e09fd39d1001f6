//! What callbacks may do to the training that calls them.

use lstm::{
    Activation, ActivationLayer, Adam, Callback, Compile, Dense, EarlyStopping, Error, Fit, Input,
    LSTM, LambdaCallback, LearningRateScheduler, Logs, Loss, Measure, Metric, Mode, Model,
    ModelCheckpoint, ReduceLROnPlateau, Result, SGD, Sequential, Softmax, Tensor, TerminateOnNaN,
    Threshold, Validation, Verbose,
};

const QUIET: Fit<'static> =
    Fit { epochs: 3, batch_size: 4, verbose: Verbose::Silent, ..Fit::DEFAULT };

fn model() -> Model {
    let mut model = Sequential::new()
        .add(Input::new([None, Some(2)]))
        .add(LSTM::new(3).dropout(0.2).return_sequences(true))
        .add(Dense::new(1))
        .build()
        .unwrap();
    model.compile(Adam::default(), Loss::MeanSquaredError).unwrap();
    model
}

fn data(samples: usize, steps: usize) -> (Tensor, Tensor) {
    let wave = |size: usize| (0..size).map(|i| (0.7 * i as f32).sin()).collect();
    let x = Tensor::new([samples, steps, 2], wave(samples * steps * 2)).unwrap();
    (x, Tensor::new([samples, steps, 1], wave(samples * steps)).unwrap())
}

/// Looks at data of another shape, and trains another model, between batches.
struct Curious(Model);

impl Callback<f32> for Curious {
    fn on_train_batch_begin(&mut self, _: usize, model: &mut Model) -> Result<()> {
        let (x, y) = data(5, 7);
        model.evaluate(&x, &y)?;
        self.0.fit(&x, &y, QUIET)?;
        model.predict(&x).map(|_| ())
    }
}

#[test]
fn a_callback_that_evaluates_other_data_changes_nothing() {
    let (x, y) = data(10, 4);
    let (mut alone, mut watched) = (model(), model());
    alone.fit(&x, &y, QUIET).unwrap();
    watched.fit_with(&x, &y, QUIET, &mut [&mut Curious(model())]).unwrap();
    assert_eq!(alone.get_weights(), watched.get_weights());
}

/// Trains the model on other data within its training, with another seed.
struct Meddling;

impl Callback<f32> for Meddling {
    fn on_epoch_begin(&mut self, epoch: usize, model: &mut Model) -> Result<()> {
        let (x, y) = data(3, 9);
        if epoch == 1 {
            model.stop_training();
        }
        model.fit(&x, &y, Fit { epochs: 1, seed: 99, ..QUIET }).map(|_| ())
    }
}

#[test]
fn a_training_within_a_training_leaves_its_stop_to_it() {
    let (x, y) = data(10, 4);
    let history = model().fit_with(&x, &y, QUIET, &mut [&mut Meddling]).unwrap();
    assert_eq!(history.epoch(), [0, 1]);
}

/// Makes the weights useless, and remembers the end.
#[derive(Default)]
struct Spoiler(bool);

impl Callback<f32> for Spoiler {
    fn on_epoch_begin(&mut self, _: usize, model: &mut Model) -> Result<()> {
        model.compile(SGD { learning_rate: 1e30, ..SGD::default() }, Loss::MeanSquaredError)
    }

    fn on_train_end(&mut self, _: &mut Model) -> Result<()> {
        self.0 = true;
        Err(Error::NotBuilt { model: "spoiled".to_owned() })
    }
}

#[test]
fn weights_that_are_no_numbers_can_be_the_best_and_every_callback_sees_the_end() {
    let (x, y) = data(10, 4);
    let mut best: EarlyStopping = EarlyStopping {
        monitor: "loss".to_owned(),
        restore_best_weights: true,
        ..EarlyStopping::default()
    };
    let (mut first, mut last) = (Spoiler::default(), Spoiler::default());
    let (mut model, mut stop) = (model(), TerminateOnNaN::default());
    let error = model
        .fit_with(&x, &y, QUIET, &mut [&mut first, &mut best, &mut stop, &mut last])
        .unwrap_err();
    assert_eq!(error, Error::NotBuilt { model: "spoiled".to_owned() });
    assert!(first.0 && last.0);
    let weights = model.get_weights();
    assert!(weights.iter().any(|weight| weight.data().iter().any(|w| !w.is_finite())));
    assert_eq!(best.state.best_epoch, 0);
}

/// Counts the batches and the ends of trainings.
#[derive(Default)]
struct Count {
    batches: usize,
    ends: usize,
}

impl Callback<f32> for Count {
    fn on_train_batch_begin(&mut self, _: usize, _: &mut Model) -> Result<()> {
        self.batches += 1;
        Ok(())
    }

    fn on_train_end(&mut self, _: &mut Model) -> Result<()> {
        self.ends += 1;
        Ok(())
    }
}

#[test]
fn a_loss_that_is_no_number_ends_a_training_or_fails_it_at_that_batch() {
    let (x, mut y) = data(10, 4);
    y.data_mut()[4 * 5] = 1e30; // of the second of three batches
    let fit = Fit { shuffle: false, ..QUIET };
    for raise_error in [false, true] {
        let (mut stop, mut count) = (TerminateOnNaN { raise_error }, Count::default());
        let result = model().fit_with(&x, &y, fit, &mut [&mut stop, &mut count]);
        assert_eq!(count.batches, 2);
        match result {
            Ok(history) => {
                assert_eq!((raise_error, history.epoch(), count.ends), (false, &[0][..], 1))
            }
            Err(error) => {
                assert_eq!(error.to_string(), "loss: it is inf at batch 1");
                assert_eq!((raise_error, count.ends), (true, 0));
            }
        }
    }
}

#[test]
fn what_is_better_of_a_number_follows_from_its_name_or_is_asked_for() {
    let (x, y) = data(10, 4);
    let mut model = model();
    let compile = Compile { metrics: vec!["mae".parse().unwrap()], ..Compile::default() };
    model.compile_with(SGD::default(), Loss::MeanSquaredError, compile).unwrap();
    let path = std::env::temp_dir().join(format!("lstm-monitors-{}", std::process::id()));
    let mut fit = |monitor: &str, mode| {
        let monitor = monitor.to_owned();
        let mut stop = EarlyStopping { monitor: monitor.clone(), mode, ..EarlyStopping::default() };
        let mut rate = ReduceLROnPlateau { monitor: monitor.clone(), mode, ..Default::default() };
        let mut save = ModelCheckpoint {
            monitor,
            mode,
            save_best_only: true,
            initial_value_threshold: Some(if mode == Mode::Max { f64::MAX } else { f64::MIN }),
            ..ModelCheckpoint::new(path.to_str().unwrap())
        };
        let each: [&mut dyn Callback<f32>; 3] = [&mut stop, &mut rate, &mut save];
        each.map(|one| model.fit_with(&x, &y, QUIET, &mut [one]).map(|_| ()))
    };
    for monitor in ["loss", "mae", "mean_absolute_error"] {
        for mode in [Mode::Auto, Mode::Min, Mode::Max] {
            for result in fit(monitor, mode) {
                // A number that is nowhere may be asked for: Keras warns, and goes on.
                let unknown = monitor == "mean_absolute_error" && mode == Mode::Auto;
                assert_eq!(result.is_err(), unknown, "{monitor} {mode:?}: {result:?}");
                let Err(error) = result else { continue };
                let error = error.to_string();
                assert!(error.starts_with("monitor `mean_absolute_error`: whether it"), "{error}");
            }
        }
    }
    std::fs::remove_file(path).unwrap(); // saved where there is no number to look at
}

#[test]
fn metrics_of_single_batches_are_theirs_alone() {
    let (x, y) = data(4, 4);
    let mut model = model();
    model.train_on_batch(&x, &y).unwrap();
    let loss = model.test_on_batch(&x, &y).unwrap();
    assert_eq!(model.metrics().unwrap(), [("loss".to_owned(), f64::from(loss))]);
}

/// Scores of three classes, ended one way or another.
fn classifier(end: impl Into<lstm::Layer>, loss: Loss, metrics: Vec<Metric>) -> Result<Model> {
    let mut model = Sequential::new()
        .add(Input::new([2]))
        .add(Dense::new(3).activation(Activation::Linear))
        .add(end)
        .build()?;
    let compile = Compile { metrics, ..Compile::default() };
    model.compile_with(Adam::default(), loss, compile)?;
    Ok(model)
}

#[test]
fn a_softmax_layer_is_looked_through_as_an_activation_is() {
    let x = Tensor::from([[400.0f32, -300.0], [0.5, 90.0], [-70.0, 800.0]]);
    let y = Tensor::from([[1.0f32, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    let loss = Loss::CATEGORICAL_CROSSENTROPY;
    let mut one = classifier(Softmax::new(), loss, vec![]).unwrap();
    let mut other = classifier(ActivationLayer::new(Activation::Softmax), loss, vec![]).unwrap();
    for _ in 0..3 {
        let losses = [one.train_on_batch(&x, &y).unwrap(), other.train_on_batch(&x, &y).unwrap()];
        assert_eq!(losses[0], losses[1]);
        assert!(losses[0] > 20.0, "{losses:?}: of probabilities it could not be more than 16.2");
    }
    assert_eq!(one.get_weights(), other.get_weights());
}

#[test]
fn metrics_leave_ignored_labels_to_the_loss_and_know_their_classes() {
    let x = Tensor::from([[1.0f32, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 2.0]]);
    let y = Tensor::from([0.0f32, -1.0, 2.0, -1.0]);
    let loss = Loss::SparseCategoricalCrossentropy { from_logits: true, ignore_class: Some(-1) };
    let top = Measure::SparseTopKCategoricalAccuracy { k: 3 };
    let metrics = vec![Metric::ACCURACY, top.into()];
    let linear = || ActivationLayer::new(Activation::Linear);
    let mut model = classifier(linear(), loss, metrics).unwrap();
    model.evaluate(&x, &y).unwrap();
    let metrics = model.metrics().unwrap();
    assert_eq!(metrics[2].1, 0.5, "{metrics:?}"); // no class is never among the first
    assert!(metrics[1].1 <= 0.5, "{metrics:?}");

    let one_hot = Tensor::from([[1.0f32, 0.0, 0.0]; 4]);
    for (threshold, wrong) in [
        (Threshold { class_id: Some(3), ..Threshold::default() }, "class_id of metric `recall`: 3"),
        (Threshold { top_k: Some(4), ..Threshold::default() }, "top_k of metric `recall`: 4"),
    ] {
        let metrics = vec![Measure::Recall(threshold).into()];
        let mut model = classifier(linear(), Loss::MeanSquaredError, metrics).unwrap();
        let error = model.evaluate(&x, &one_hot).unwrap_err().to_string();
        assert!(error.starts_with(wrong), "{error}");
    }
}

/// The names and their order in a line of Keras 3.15.1, `verbose=2`, of a fit with these options:
/// `4/4 - 1s - 171ms/step - accuracy: 0.5000 - loss: …`.
#[test]
fn what_an_epoch_came_to_has_the_names_and_order_of_keras() {
    const LINE: &str = "accuracy loss mae mse val_accuracy val_loss val_mae val_mse learning_rate";
    let mut model = Sequential::new()
        .add(Input::new([3]))
        .add(Dense::new(2).activation(Activation::Softmax))
        .build()
        .unwrap();
    let compile = Compile {
        metrics: vec!["mae".parse().unwrap(), Metric::ACCURACY],
        weighted_metrics: vec!["mse".parse().unwrap()],
        ..Compile::default()
    };
    let loss = "categorical_crossentropy".parse::<Loss>().unwrap();
    model.compile_with(SGD::default(), loss, compile).unwrap();
    let x = Tensor::new([8, 3], vec![1.0; 24]).unwrap();
    let y = Tensor::new([8, 2], [1.0, 0.0, 0.0, 1.0].repeat(4)).unwrap();
    let mut seen = Vec::new();
    let mut see = LambdaCallback(|_: usize, _: &mut Model, logs: &mut Logs| {
        seen.push(logs.iter().map(|(name, _)| name).collect::<Vec<_>>().join(" "));
        Ok::<(), Error>(())
    });
    let mut rate = LearningRateScheduler::new(|_, _| 0.1);
    let validation_data = Validation { x: &[&x], y: &[&y], sample_weight: &[] };
    let options = Fit { epochs: 2, validation_data, ..QUIET };
    model.fit_with(&x, &y, options, &mut [&mut rate, &mut see]).unwrap();
    assert_eq!(seen, [LINE, LINE]);
}
