//! A training that was broken off, at any moment, goes on as if it had not been.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lstm::engine::{Engine, Options};
use lstm::{
    Adam, Backup, Batches, Bidirectional, Bptt, Callback, Callbacks, Compile, Dense, Dropout,
    EarlyStopping, Error, ExponentialDecay, Fit, History, Input, Isa, LSTM, Loss, Measure, Memory,
    Metric, Model, Nadam, Optimizer, R2Score, RMSprop, ReduceLROnPlateau, Result, SGD, Sequential,
    Tensor, Threshold, Validation, Verbose,
};
use serde_json::{Value, json};

fn waves(shape: &[usize]) -> Tensor<f32> {
    let size: usize = shape.iter().product();
    Tensor::new(shape, (1..=size).map(|i| (i as f32 * 1.7).sin()).collect()).unwrap()
}

/// With everything that a training remembers: dropouts, slots of the optimizer, metrics.
fn model(optimizer: impl Into<Optimizer>) -> Model {
    let mut model = Sequential::new()
        .add(Input::new([6, 2]))
        .add(Bidirectional::new(LSTM::new(5).recurrent_dropout(0.2).return_sequences(true)))
        .add(LSTM::new(4).dropout(0.3))
        .add(Dropout::new(0.2))
        .add(Dense::new(1))
        .build()
        .unwrap();
    let r2: Metric = Measure::R2Score(R2Score::default()).into();
    let recall: Metric = Measure::Recall(Threshold::default()).into();
    let metrics = vec!["mae".parse().unwrap(), r2, recall];
    let compile = Compile { metrics, ..Compile::default() };
    model.compile_with(optimizer, Loss::MeanSquaredError, compile).unwrap();
    model
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("lstm-backup-{}-{name}.safetensors", std::process::id()))
}

/// Fails after a batch, and once only; takes its time with each.
struct Accident {
    left: usize,
    pause: Duration,
}

impl Accident {
    fn after(batches: usize) -> Self {
        Accident { left: batches, pause: Duration::ZERO }
    }
}

impl Callback<f32> for Accident {
    fn on_train_batch_end(&mut self, _: usize, _: &mut Model, _: &lstm::Logs) -> Result<()> {
        std::thread::sleep(self.pause);
        self.left = self.left.saturating_sub(1);
        match self.left {
            0 => Err(Error::NotBuilt { model: "power is off".to_owned() }),
            _ => Ok(()),
        }
    }
}

/// What a training comes to: history and weights.
type End = (History, Vec<Tensor<f32>>);

fn callbacks() -> (EarlyStopping, ReduceLROnPlateau) {
    let stopping = EarlyStopping {
        patience: 3,
        restore_best_weights: true,
        start_from_epoch: 1,
        ..EarlyStopping::default()
    };
    (stopping, ReduceLROnPlateau { patience: 1, factor: 0.5, ..ReduceLROnPlateau::default() })
}

/// Trains from the beginning, or from where it was broken off, until an accident happens.
fn train(backup: Option<Backup>, model: &mut Model, accident: usize) -> Result<End> {
    train_until(backup, model, Accident::after(accident))
}

fn train_until(backup: Option<Backup>, model: &mut Model, mut accident: Accident) -> Result<End> {
    let (x, y) = (waves(&[22, 6, 2]), waves(&[22, 1]));
    let (held_x, held_y) = ([&x], [&y]);
    let options = Fit {
        epochs: 4,
        batch_size: 5,
        seed: 3,
        verbose: Verbose::Silent,
        validation_data: Validation { x: &held_x, y: &held_y, sample_weight: &[] },
        backup,
        ..Fit::default()
    };
    let (mut stopping, mut plateau) = callbacks();
    let history =
        model.fit_with(&x, &y, options, &mut [&mut stopping, &mut plateau, &mut accident])?;
    Ok((history, model.get_weights()))
}

const NEVER: usize = usize::MAX;

#[test]
fn a_training_that_is_broken_off_after_any_batch_ends_with_the_same_bits() {
    let optimizers: [(&str, Optimizer); 3] = [
        ("adam", Optimizer::from(Adam::default()).clipnorm(0.9)),
        ("rmsprop", RMSprop { momentum: 0.5, ..RMSprop::default() }.into()),
        ("sgd", SGD { momentum: 0.9, ..SGD::default() }.into()),
    ];
    for (name, optimizer) in optimizers {
        let make = || model(optimizer.clone());
        let end = train(None, &mut make(), NEVER).unwrap();
        for every in [None, Some(1), Some(3)] {
            for accident in [1, 2, 5, 6, 11, 13, 20] {
                let path = file(&format!("{name}-{accident}-{every:?}"));
                let backup = Backup::new(&path);
                let backup = every.map_or(backup, |every| backup.every(every));
                let broken = train(Some(backup), &mut make(), accident);
                assert!(broken.is_err() || accident == 20, "{broken:?}");
                // Another process would have a model that knows of nothing.
                let found = train(Some(backup), &mut make(), NEVER).unwrap();
                assert!(found == end, "{name} {every:?} {accident}");
                // All is done: it only gives what it came to.
                assert!(train(Some(backup), &mut make(), 1).unwrap() == end, "{name}");
                std::fs::remove_file(&path).unwrap();
            }
        }
    }
}

#[test]
fn schedules_states_and_datasets_go_on_too() -> Result<()> {
    let make = || {
        let mut model = Sequential::new()
            .add(Input::batched(4, [3, 2]))
            .add(LSTM::new(3).stateful(true))
            .add(Dense::new(1))
            .build()
            .unwrap();
        let decay = ExponentialDecay::new(0.1, 3, 0.5);
        let optimizer = Optimizer::from(Adam::default()).schedule(decay);
        model.compile(optimizer, Loss::MeanSquaredError).unwrap();
        model
    };
    let path = file("dataset");
    let fit = |backup: Option<Backup>, model: &mut Model, accident: usize| {
        let batch = |at: usize| {
            let mut x = waves(&[4, 3, 2]);
            x.data_mut()[0] = at as f32;
            (x, waves(&[4, 1]))
        };
        let mut dataset = Batches::new(|epoch| (0..5 + epoch as usize).map(batch));
        let options = Fit { epochs: 3, verbose: Verbose::Silent, backup, ..Fit::default() };
        let mut accident = Accident::after(accident);
        let history = model.fit_dataset_with(&mut dataset, None, options, &mut [&mut accident])?;
        Ok::<_, Error>((history, model.get_weights()))
    };
    let end = fit(None, &mut make(), NEVER)?;
    for accident in [1, 3, 5, 6, 9, 12] {
        let backup = Some(Backup::new(&path).every(2));
        fit(backup, &mut make(), accident).unwrap_err();
        assert!(fit(backup, &mut make(), NEVER)? == end, "{accident}");
        std::fs::remove_file(&path).unwrap();
    }
    Ok(())
}

/// Breaks a training off after each of its batches, and after all of them, one after another. It saves
/// a file after each, and is otherwise the same whenever it is begun; gives its number of batches.
fn break_off_everywhere(
    name: &str,
    train: impl Fn(Option<Backup>, &mut Accident) -> Result<End>,
) -> usize {
    let end = train(None, &mut Accident::after(NEVER)).unwrap();
    let path = file(name);
    let backup = Some(Backup::new(&path).every(1));
    let is_accident = |error: Error| error.to_string().contains("power is off");
    let mut batches = 0;
    loop {
        let broken = train(backup, &mut Accident::after(batches + 1));
        let found = train(backup, &mut Accident::after(NEVER)).unwrap();
        assert!(found == end, "{name}: broken off after batch {batches}");
        std::fs::remove_file(&path).unwrap();
        match broken {
            Ok(_) => break,
            Err(error) => assert!(is_accident(error), "{name}"),
        }
        batches += 1;
    }
    // An accident comes before its batch is saved: each run brings it one further.
    for _ in 1..batches {
        assert!(is_accident(train(backup, &mut Accident::after(2)).unwrap_err()), "{name}");
    }
    assert!(train(backup, &mut Accident::after(2)).unwrap() == end, "{name}: one by one");
    std::fs::remove_file(&path).unwrap();
    batches
}

/// A model of steps, so that it can be trained in windows.
fn of_steps(optimizer: impl Into<Optimizer>, stateful: bool) -> Model {
    let input = match stateful {
        true => Input::batched(4, [None, Some(2)]),
        false => Input::new([None, Some(2)]),
    };
    let mut model = Sequential::new()
        .add(input)
        .add(LSTM::new(5).recurrent_dropout(0.2).return_sequences(true).stateful(stateful))
        .add(LSTM::new(3).dropout(0.3).return_sequences(true))
        .add(Dense::new(1))
        .build()
        .unwrap();
    let compile = Compile { metrics: vec!["mae".parse().unwrap()], ..Compile::default() };
    model.compile_with(optimizer, Loss::MeanSquaredError, compile).unwrap();
    model
}

/// Trains a model of steps on arrays.
fn train_steps(
    mut model: Model,
    [rows, steps]: [usize; 2],
    options: Fit,
    accident: &mut Accident,
) -> Result<End> {
    let (x, y) = (waves(&[rows, steps, 2]), waves(&[rows, steps, 1]));
    let options = Fit { seed: 5, verbose: Verbose::Silent, ..options };
    let history = model.fit_with(&x, &y, options, &mut [accident])?;
    Ok((history, model.get_weights()))
}

#[test]
fn windows_and_checkpoints_go_on() {
    for (name, stateful) in [("windows", false), ("stateful windows", true)] {
        let batches = break_off_everywhere(name, |backup, accident| {
            let bptt = Bptt::Truncated { window: 4 };
            let options = Fit { epochs: 2, batch_size: 4, bptt, backup, ..Fit::DEFAULT };
            train_steps(of_steps(Adam::default(), stateful), [20, 6], options, accident)
        });
        assert_eq!(batches, 10);
    }

    // Long enough for a budget to cut it.
    const ROWS: usize = 16;
    const STEPS: usize = 400;
    let bytes = [(2, 5, [true, false]), (5, 3, [false, true])].map(|(inputs, units, dropped)| {
        Engine::<f32>::new(Isa::best(), Options::new(inputs, units)).bytes(ROWS, STEPS, dropped)
    });
    let (all, least) = bytes.iter().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    let bytes = least + (all - least) / 3;
    assert!(bytes < all, "{bytes} of {all}");
    break_off_everywhere("checkpoints", |backup, accident| {
        // Once it is broken off, with as much memory as it likes, or the other way round.
        let bptt = match (&backup, accident.left) {
            (Some(_), left) if left.is_multiple_of(2) => Bptt::Full,
            _ => Bptt::Checkpointed { bytes },
        };
        let options = Fit { epochs: 2, batch_size: ROWS, bptt, backup, ..Fit::DEFAULT };
        train_steps(of_steps(Adam::default(), false), [2 * ROWS, STEPS], options, accident)
    });
}

#[test]
fn epochs_that_end_in_the_middle_of_the_data_go_on() {
    // Of five batches: epochs of three and two; or of four and one.
    for (steps, expected) in [(3, 10), (4, 10)] {
        for shuffle in [true, false] {
            let batches = break_off_everywhere("part", |backup, accident| {
                let steps_per_epoch = Some(steps);
                let options =
                    Fit { epochs: 4, batch_size: 5, shuffle, steps_per_epoch, ..Fit::DEFAULT };
                let options = Fit { backup, ..options };
                train_steps(of_steps(Adam::default(), false), [22, 6], options, accident)
            });
            assert_eq!(batches, expected);
        }
    }
    let batches = break_off_everywhere("part of a dataset", |backup, accident| {
        let batch = |epoch: u64, at: usize| {
            let mut x = waves(&[4, 6, 2]);
            x.data_mut()[0] = epoch as f32 + at as f32 / 8.0;
            (x, waves(&[4, 6, 1]))
        };
        let mut dataset = Batches::new(|epoch| (0..7).map(move |at| batch(epoch, at)));
        let steps_per_epoch = Some(3);
        let options = Fit { epochs: 5, verbose: Verbose::Silent, backup, ..Fit::DEFAULT };
        let options = Fit { steps_per_epoch, ..options };
        let mut model = of_steps(Adam::default(), true);
        let history = model.fit_dataset_with(&mut dataset, None, options, &mut [accident])?;
        Ok((history, model.get_weights()))
    });
    // Of seven: three, three and one, twice, but for the last.
    assert_eq!(batches, 13);
}

#[test]
fn gradients_that_are_gathered_and_products_that_run_on_go_on() {
    let optimizers: [(&str, Optimizer); 4] = [
        ("gathered", Optimizer::from(Adam::default()).gradient_accumulation_steps(3)),
        (
            "gathered and averaged",
            Optimizer::from(SGD { momentum: 0.9, ..SGD::default() })
                .gradient_accumulation_steps(4)
                .use_ema(true)
                .ema_momentum(0.5),
        ),
        ("nadam", Nadam::default().into()),
        ("gathered nadam", Optimizer::from(Nadam::default()).gradient_accumulation_steps(2)),
    ];
    for (name, optimizer) in optimizers {
        let batches = break_off_everywhere(name, |backup, accident| {
            let options = Fit { epochs: 2, batch_size: 5, backup, ..Fit::DEFAULT };
            train_steps(of_steps(optimizer.clone(), false), [22, 6], options, accident)
        });
        assert_eq!(batches, 10);
    }
}

#[test]
fn a_training_on_several_threads_goes_on_with_another_number_of_them() {
    const ROWS: usize = 64;
    const STEPS: usize = 5;
    const UNITS: usize = 48;
    let (x, y) = (waves(&[3 * ROWS, STEPS, 8]), waves(&[3 * ROWS, 1]));
    let run = |threads: usize, backup: Option<Backup>, accident: usize| {
        let train = || {
            for inputs in [8, UNITS] {
                let engine = Engine::<f32>::new(Isa::best(), Options::new(inputs, UNITS));
                let plan = engine.plan(ROWS, STEPS, true);
                assert_eq!(plan.threads, threads, "{plan}");
            }
            let mut model = Sequential::new()
                .add(Input::new([STEPS, 8]))
                .add(LSTM::new(UNITS).recurrent_dropout(0.2).return_sequences(true))
                .add(LSTM::new(UNITS).dropout(0.3))
                .add(Dense::new(1))
                .build()?;
            model.compile(Adam::default(), Loss::MeanSquaredError)?;
            let silent = Fit { verbose: Verbose::Silent, backup, ..Fit::DEFAULT };
            let options = Fit { epochs: 2, batch_size: ROWS, ..silent };
            let mut accident = Accident::after(accident);
            let history = model.fit_with(&x, &y, options, &mut [&mut accident])?;
            Ok::<End, Error>((history, model.get_weights()))
        };
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(train)
    };
    let end = run(1, None, NEVER).unwrap();
    let path = file("threads");
    let backup = Some(Backup::new(&path).every(1));
    // From each number to each other.
    for [first, second, third] in [[1, 2, 3], [3, 2, 1], [2, 1, 3], [3, 1, 2]] {
        run(first, backup, 3).unwrap_err();
        run(second, backup, 3).unwrap_err();
        let found = run(third, backup, NEVER).unwrap();
        assert!(found == end, "{first}, {second}, then {third} threads");
        std::fs::remove_file(&path).unwrap();
    }
}

/// Asks for the end after a batch.
struct Enough(usize);

impl Callback<f32> for Enough {
    fn on_train_batch_end(&mut self, _: usize, model: &mut Model, _: &lstm::Logs) -> Result<()> {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 {
            model.stop_training();
        }
        Ok(())
    }
}

#[test]
fn an_end_that_was_asked_for_stays_one() -> Result<()> {
    let (x, y) = (waves(&[22, 6, 2]), waves(&[22, 1]));
    let path = file("enough");
    let fit = |backup: Option<Backup>, epochs: usize, accident: usize| {
        let options =
            Fit { epochs, batch_size: 5, verbose: Verbose::Silent, backup, ..Fit::default() };
        let (mut enough, mut accident) = (Enough(7), Accident::after(accident));
        let mut model = model(Adam::default());
        let history = model.fit_with(&x, &y, options, &mut [&mut enough, &mut accident])?;
        Ok::<_, Error>((history, model.get_weights()))
    };
    let end = fit(None, 4, NEVER)?;
    let backup = Some(Backup::new(&path).every(1));
    for epochs in [4, 4, 9] {
        let (history, weights) = fit(backup, epochs, NEVER)?;
        assert!(weights == end.1 && history.loss() == end.0.loss(), "{epochs}");
    }
    std::fs::remove_file(&path).unwrap();
    Ok(())
}

#[test]
fn a_table_of_epochs_is_whole_and_has_no_epoch_twice() -> Result<()> {
    let (x, y) = (waves(&[22, 6, 2]), waves(&[22, 1]));
    let (path, table) = (file("table"), file("table").with_extension("csv"));
    std::fs::write(&table, "of something else, and long enough to be seen\r\n".repeat(20)).unwrap();
    let fit = |backup: Option<Backup>, accident: usize| {
        let options =
            Fit { epochs: 4, batch_size: 5, verbose: Verbose::Silent, backup, ..Fit::default() };
        let mut accident = Accident::after(accident);
        let mut csv = lstm::CSVLogger::new(&table);
        model(SGD::default()).fit_with(&x, &y, options, &mut [&mut csv, &mut accident])
    };
    fit(None, NEVER)?;
    let end = std::fs::read_to_string(&table).unwrap();
    assert_eq!(end.lines().count(), 5, "{end}");
    for accident in [1, 6, 9, 14, 19] {
        let backup = Some(Backup::new(&path));
        fit(backup, accident).unwrap_err();
        fit(backup, NEVER)?;
        assert_eq!(std::fs::read_to_string(&table).unwrap(), end, "{accident}");
        std::fs::remove_file(&path).unwrap();
    }
    std::fs::remove_file(&table).unwrap();
    Ok(())
}

/// Hears of everything, remembers a number and refuses some; leaves its mark at the end.
#[derive(Default)]
struct Listener {
    heard: Vec<&'static str>,
    number: f64,
}

impl Callback<f32> for Listener {
    fn on_train_begin(&mut self, _: &mut Model) -> Result<()> {
        self.heard.push("begin");
        Ok(())
    }

    fn on_epoch_begin(&mut self, _: usize, _: &mut Model) -> Result<()> {
        self.heard.push("epoch");
        self.number += 1.0;
        Ok(())
    }

    fn memory(&self) -> Memory<f32> {
        Memory { numbers: vec![("number".to_owned(), self.number)], tensors: Vec::new() }
    }

    fn check_memory(&self, memory: &Memory<f32>, _: &Model) -> Result<()> {
        match memory.number("number") {
            Some(number) if number >= 0.0 => Ok(()),
            number => Err(Error::File { path: "listener".to_owned(), why: format!("{number:?}") }),
        }
    }

    fn remember(&mut self, memory: &Memory<f32>) {
        self.heard.push("remember");
        self.number = memory.number("number").unwrap_or(f64::NAN);
    }

    fn on_train_end(&mut self, model: &mut Model) -> Result<()> {
        self.heard.push("end");
        let mut weights = model.get_weights();
        weights[0].data_mut()[0] += 1.0;
        model.set_weights(&weights)
    }
}

#[test]
fn a_training_that_is_over_begins_and_ends_again() -> Result<()> {
    let (x, y) = (waves(&[22, 6, 2]), waves(&[22, 1]));
    let path = file("over");
    let make = || model(Optimizer::from(Adam::default()).use_ema(true).ema_momentum(0.5));
    let fit = |backup: Option<Backup>, epochs: usize| {
        let options =
            Fit { epochs, batch_size: 5, verbose: Verbose::Silent, backup, ..Fit::default() };
        let mut listener = Listener::default();
        let mut best: EarlyStopping = EarlyStopping {
            monitor: "loss".to_owned(),
            patience: 9,
            restore_best_weights: true,
            ..EarlyStopping::default()
        };
        let mut model = make();
        let history = model.fit_with(&x, &y, options, &mut [&mut best, &mut listener])?;
        let numbers = (model.metrics()?, model.optimizer_state()?);
        Ok::<_, Error>(((history, model.get_weights(), numbers), listener.heard))
    };
    let (two, heard) = fit(None, 2)?;
    assert_eq!(heard, ["begin", "epoch", "epoch", "end"]);
    let (four, _) = fit(None, 4)?;
    for backup in [Backup::new(&path), Backup::new(&path).every(3)] {
        let backup = Some(backup);
        assert!(fit(backup, 2)?.0 == two);
        for _ in 0..2 {
            let (found, heard) = fit(backup, 2)?;
            // What is done at the end is done once to the weights.
            assert!(found == two);
            assert_eq!(heard, ["begin", "remember", "end"]);
        }
        // It can go on as if it had been meant to from the beginning.
        let (found, heard) = fit(backup, 4)?;
        assert_eq!(heard, ["begin", "remember", "epoch", "epoch", "end"]);
        assert!(found == four);
        std::fs::remove_file(&path).unwrap();
    }
    // Of a training without epochs there is nothing to go on from.
    fit(Some(Backup::new(&path)), 0)?;
    assert!(!path.exists());
    Ok(())
}

#[test]
fn fewer_epochs_than_have_begun_are_refused() -> Result<()> {
    let (x, y) = (waves(&[22, 6, 2]), waves(&[22, 1]));
    let path = file("fewer");
    let backup = Some(Backup::new(&path).every(1));
    let fit = |backup: Option<Backup>, epochs: usize, accident: usize| {
        let options =
            Fit { epochs, batch_size: 5, verbose: Verbose::Silent, backup, ..Fit::default() };
        let (mut model, mut listener) = (model(Adam::default()), Listener::default());
        let before = model.get_weights();
        let mut accident = Accident::after(accident);
        let found = model.fit_with(&x, &y, options, &mut [&mut listener, &mut accident]);
        let untouched = listener.heard.is_empty() && model.get_weights() == before;
        (found.map(|history| (history, model.get_weights())), untouched)
    };
    let refused = |epochs: usize, begun: usize| {
        let whole = std::fs::read(&path).unwrap();
        let (found, untouched) = fit(backup, epochs, NEVER);
        let why = format!("its training has begun {begun} epochs, more than epochs {epochs}");
        let expected = format!("{}: {why}", path.display());
        assert_eq!(found.unwrap_err().to_string(), expected);
        assert!(untouched && std::fs::read(&path).unwrap() == whole);
    };
    // In the middle of its third epoch, it can be one of three.
    fit(backup, 9, 14).0.unwrap_err();
    refused(0, 3);
    refused(2, 3);
    assert!(fit(backup, 3, NEVER).0? == fit(None, 3, NEVER).0?);
    // At the end of the third, still.
    refused(2, 3);
    assert!(fit(backup, 3, NEVER).0? == fit(None, 3, NEVER).0?);
    std::fs::remove_file(&path).unwrap();
    Ok(())
}

/// Options of the training that `saved` has saved.
const SAVED: Fit<'static> = Fit {
    epochs: 2,
    batch_size: 5,
    seed: 3,
    class_weight: &[(0, 2.0)],
    verbose: Verbose::Silent,
    ..Fit::DEFAULT
};

/// What a small training is made of; targets are classes.
#[derive(Clone)]
struct Parts {
    name: &'static str,
    rate: f64,
    optimizer: Optimizer,
    loss: Loss,
    metrics: Vec<Metric>,
}

impl Parts {
    fn new() -> Self {
        let optimizer = SGD { momentum: 0.9, ..SGD::default() }.into();
        let metrics = vec!["mae".parse().unwrap(), Measure::R2Score(R2Score::default()).into()];
        Parts { name: "top", rate: 0.1, optimizer, loss: Loss::MeanSquaredError, metrics }
    }

    fn model<T: lstm::Float>(self) -> Model<T> {
        let mut model = Sequential::new()
            .add(Input::new([2]))
            .add(Dropout::new(self.rate))
            .add(Dense::new(1).name(self.name))
            .build_as::<T>()
            .unwrap();
        let compile = Compile { metrics: self.metrics, ..Compile::default() };
        model.compile_with(self.optimizer, self.loss, compile).unwrap();
        model
    }
}

fn classes() -> (Tensor<f32>, Tensor<f32>) {
    (waves(&[22, 2]), Tensor::new([22, 1], (0..22).map(|i| (i % 3) as f32).collect()).unwrap())
}

fn best() -> EarlyStopping {
    EarlyStopping {
        monitor: "loss".to_owned(),
        patience: 5,
        restore_best_weights: true,
        ..EarlyStopping::default()
    }
}

/// A file of such a training, which was broken off in its second epoch.
fn saved(name: &str) -> PathBuf {
    let path = file(name);
    let (x, y) = classes();
    let options = Fit { backup: Some(Backup::new(&path).every(1)), ..SAVED };
    let (mut best, mut listener, mut accident) = (best(), Listener::default(), Accident::after(8));
    let mut model = Parts::new().model::<f32>();
    let callbacks: Callbacks<f32> = &mut [&mut best, &mut listener, &mut accident];
    model.fit_with(&x, &y, options, callbacks).unwrap_err();
    path
}

#[test]
fn a_file_of_another_training_is_refused_by_name() {
    let path = saved("other");
    let (x, y) = classes();
    let backup = Some(Backup::new(&path));
    let said = |error: Error| {
        let error = error.to_string();
        error.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&error).to_owned()
    };
    let refused = |parts: Parts, options: Fit| {
        let (mut best, mut listener) = (best(), Listener::default());
        let callbacks: Callbacks<f32> = &mut [&mut best, &mut listener, &mut Accident::after(9)];
        let found = parts.model().fit_with(&x, &y, Fit { backup, ..options }, callbacks);
        said(found.unwrap_err())
    };
    let held: ([&Tensor<f32>; 1], [&Tensor<f32>; 1]) = ([&x], [&y]);
    let validation_data = Validation { x: &held.0, y: &held.1, sample_weight: &[] };
    for (options, why) in [
        (Fit { batch_size: 7, ..SAVED }, "batch_size 5, not 7"),
        (Fit { seed: 4, ..SAVED }, "seed 3, not 4"),
        (Fit { shuffle: false, ..SAVED }, "shuffle true, not false"),
        (Fit { initial_epoch: 1, ..SAVED }, "initial_epoch 0, not 1"),
        (Fit { steps_per_epoch: Some(3), ..SAVED }, "steps_per_epoch none, not 3"),
        (Fit { class_weight: &[(0, 2.5)], ..SAVED }, "class_weight.0.1 2.0, not 2.5"),
        (Fit { class_weight: &[], ..SAVED }, "1 class_weight, not 0"),
        (Fit { validation_split: 0.1, ..SAVED }, "batches 5, not 4"),
        (Fit { validation_data, ..SAVED }, "validated false, not true"),
        (Fit { validation_freq: 2, ..SAVED }, "validation_freq 1, not 2"),
    ] {
        assert_eq!(refused(Parts::new(), options), format!("its training had {why}"));
    }
    let rate = |learning_rate| SGD { momentum: 0.9, learning_rate, ..SGD::default() };
    let mae: Metric = "mae".parse().unwrap();
    let parts = Parts::new;
    for (parts, why) in [
        (Parts { name: "last", ..parts() }, "model.config.layers.2.config.name top, not last"),
        (Parts { rate: 0.2, ..parts() }, "model.config.layers.1.config.rate 0.1, not 0.2"),
        (
            Parts { optimizer: Adam::default().into(), ..parts() },
            "compile.optimizer.class_name SGD, not Adam",
        ),
        (
            Parts { optimizer: rate(0.01_f64.next_up()).into(), ..parts() },
            "compile.optimizer.config.learning_rate 0.01, not 0.010000000000000002",
        ),
        (
            Parts { optimizer: parts().optimizer.clipnorm(0.5), ..parts() },
            "compile.optimizer.config.clipnorm none, not 0.5",
        ),
        (
            Parts { loss: Loss::MeanAbsoluteError, ..parts() },
            "compile.loss mean_squared_error, not mean_absolute_error",
        ),
        (Parts { metrics: vec![mae.clone()], ..parts() }, "2 compile.metrics, not 1"),
        (
            Parts {
                metrics: vec!["mse".parse().unwrap(), parts().metrics.swap_remove(1)],
                ..parts()
            },
            "compile.metrics.0 mae, not mse",
        ),
    ] {
        assert_eq!(refused(parts, SAVED), format!("its training had {why}"));
    }

    let with = |callbacks: Callbacks<f32>| {
        let options = Fit { backup, ..SAVED };
        said(Parts::new().model().fit_with(&x, &y, options, callbacks).unwrap_err())
    };
    assert_eq!(with(&mut []), "its training had 3 callbacks, not 0");
    let mut plateau = ReduceLROnPlateau { monitor: "loss".to_owned(), ..Default::default() };
    let why = with(&mut [&mut plateau, &mut Listener::default(), &mut Accident::after(9)]);
    assert_eq!(why, "its training had callbacks.0 EarlyStopping, not ReduceLROnPlateau");

    let zero = Fit { backup: Some(Backup::new(&path).every(0)), ..SAVED };
    let error = Parts::new().model().fit(&x, &y, zero).unwrap_err().to_string();
    assert_eq!(error, "save_freq of backup: it must be positive");

    model(SGD::default()).save_weights(&path).unwrap();
    assert_eq!(refused(parts(), SAVED), "this is no training that was broken off");
    std::fs::write(&path, b"what").unwrap();
    assert_eq!(refused(parts(), SAVED), "this is no safetensors file, or it was cut off");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_file_of_the_other_precision_is_refused() {
    let path = file("precision");
    let backup = Some(Backup::new(&path));
    let (x, y) = classes();
    Parts::new().model::<f32>().fit(&x, &y, Fit { backup, ..Fit::DEFAULT }).unwrap();
    let mut wide = Parts::new().model::<f64>();
    let (x, y) = (x.cast::<f64>(), y.cast::<f64>());
    let error = wide.fit(&x, &y, Fit { backup, ..Fit::DEFAULT }).unwrap_err().to_string();
    assert!(error.ends_with(": its training had dtype f32, not f64"), "{error}");
    std::fs::remove_file(&path).unwrap();
}

/// The parts of a safetensors file: its header, and the numbers.
fn read(path: &Path) -> (Value, Vec<u8>) {
    let bytes = std::fs::read(path).unwrap();
    let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    (serde_json::from_slice(header).unwrap(), data.to_vec())
}

/// Writes it without a checksum, as if whoever did knew what he did.
fn write(path: &Path, header: &Value, data: &[u8]) {
    let mut header = header.clone();
    header["__metadata__"].as_object_mut().unwrap().remove("checksum");
    let header = header.to_string().into_bytes();
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(path, [&length[..], &header, data].concat()).unwrap();
}

/// The description of a training, changed.
fn told(header: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut header = header.clone();
    let text = header["__metadata__"]["training"].as_str().unwrap();
    let mut training: Value = serde_json::from_str(text).unwrap();
    change(&mut training);
    header["__metadata__"]["training"] = training.to_string().into();
    header
}

#[test]
fn a_file_that_is_refused_changes_nothing_and_calls_nobody() {
    let path = saved("odd");
    let (x, y) = classes();
    let options = Fit { backup: Some(Backup::new(&path)), ..SAVED };
    let (header, data) = read(&path);
    // It would go on from this file.
    let go_on = |model: &mut Model, best: &mut EarlyStopping, listener: &mut Listener| {
        let callbacks: Callbacks<f32> = &mut [best, listener, &mut Accident::after(NEVER)];
        model.fit_with(&x, &y, options, callbacks)
    };
    let mut model = Parts::new().model::<f32>();
    write(&path, &header, &data);
    go_on(&mut model, &mut best(), &mut Listener::default()).unwrap();

    // What is there already is to stay.
    let (mut best, mut listener) = (best(), Listener { number: 7.0, ..Listener::default() });
    best.state.wait = 4;
    best.state.best_weights = Some(model.get_weights());
    model.set_learning_rate(0.5).unwrap();
    let bits = |model: &mut Model| {
        let weights: Vec<u32> =
            model.get_weights().iter().flat_map(|w| w.data().to_vec()).map(f32::to_bits).collect();
        (weights, model.optimizer_state().unwrap(), model.metrics().unwrap())
    };
    let before = (bits(&mut model), best.clone());
    let mut refused = |header: &Value, data: &[u8]| {
        write(&path, header, data);
        let error = go_on(&mut model, &mut best, &mut listener).unwrap_err().to_string();
        assert!((bits(&mut model), best.clone()) == before, "{error}");
        assert!(listener.heard.is_empty() && listener.number == 7.0, "{error}");
        error.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&error).to_owned()
    };
    let nowhere = |name: &str| format!("it has `{name}`, for which there is no place");

    // Arrays that are not there, are of another kind, or that nobody expects.
    let names = header.as_object().unwrap().keys().filter(|name| *name != "__metadata__");
    for name in names {
        let mut without = header.clone();
        let array = without.as_object_mut().unwrap().remove(name).unwrap();
        assert_eq!(refused(&without, &data), format!("it has no `{name}`"));
        let other = format!("{name}_1");
        let mut more = header.clone();
        more[&other] = array.clone();
        assert_eq!(refused(&more, &data), nowhere(&other));
        let mut cut = header.clone();
        cut[name]["shape"] = json!([9, 9]);
        assert_eq!(refused(&cut, &data), format!("the description of `{name}` is broken"));
        let mut other = header.clone();
        let (from, to) = if array["dtype"] == "F32" { ("F32", "F64") } else { ("F64", "F32") };
        other[name]["dtype"] = to.into();
        assert_eq!(refused(&other, &data), format!("`{name}` is of {to}, not of {from}"));
    }
    // Arrays of other shapes, or of other lengths.
    let mut shaped = |name: &str, shape: Value, numbers: usize, width: usize| {
        let mut header = header.clone();
        header[name]["shape"] = shape;
        header[name]["data_offsets"] = json!([0, numbers * width]);
        refused(&header, &data)
    };
    let kernel = shaped("weights/top/kernel", json!([1, 2]), 2, 4);
    assert_eq!(kernel, "top/kernel: expected shape (2, 1), found (1, 2)");
    let slot = shaped("optimizer/top/kernel/momentum", json!([3]), 3, 4);
    assert_eq!(slot, "top/kernel/momentum: expected shape (2, 1), found (3,)");
    let sums = shaped("metrics/0", json!([1]), 1, 8);
    assert_eq!(sums, "numbers of metrics/0: expected 2, found 1");
    let r2 = shaped("metrics/3", json!([9]), 9, 8);
    assert_eq!(r2, "numbers of metrics/3: expected 5, found 9");
    let series = shaped("history/0", json!([2]), 2, 8);
    assert_eq!(series, "epochs of `loss` in the history: expected 1, found 2");
    let best = shaped("callbacks/0/best_weights/1", json!([2]), 2, 4);
    assert_eq!(best, "top/bias: expected shape (1,), found (2,)");

    // Descriptions.
    let mut described = |way: &[&str], value: Value| {
        let changed = told(&header, |training| {
            let mut place = training;
            for key in way {
                place = match key.parse::<usize>() {
                    Ok(at) => &mut place[at],
                    Err(_) => &mut place[*key],
                };
            }
            *place = value;
        });
        refused(&changed, &data)
    };
    assert_eq!(described(&["version"], json!(1)), "its version is 1, where 2 is known");
    assert_eq!(described(&["version"], json!(3)), "its version is 3, where 2 is known");
    assert_eq!(described(&["version"], json!("x")), "this is no training that was broken off");
    for way in [
        &["place", "epoch"][..],
        &["place", "step"],
        &["place", "begun"],
        &["place", "source"],
        &["place", "source", "0"],
        &["place", "stop"],
        &["model", "epochs"],
        &["model", "batches"],
        &["optimizer", "iterations"],
        &["optimizer", "learning_rate"],
        &["optimizer", "product"],
        &["history", "names"],
        &["history", "names", "0"],
        &["history", "epochs"],
        &["history", "epochs", "0"],
        &["callbacks"],
        &["callbacks", "0", "numbers"],
        &["callbacks", "0", "numbers", "1", "1"],
        &["callbacks", "0", "tensors"],
        &["callbacks", "2", "tensors"],
    ] {
        let why = format!("its `{}` is broken: -1", way.join("."));
        assert_eq!(described(way, json!(-1)), why);
    }
    assert_eq!(described(&["place", "step"], json!(6)), "its `place.step` is broken: 6");
    let few = described(&["place", "source"], json!([0]));
    assert_eq!(few, "its `place.source` is broken: [0]");
    assert_eq!(
        described(&["history", "epochs"], json!([0, 1])),
        "its `history.epochs` is broken: [0,1]"
    );
    let twice = described(&["history", "names"], json!(["loss", "loss"]));
    assert_eq!(twice, "its `history.names` is broken: [\"loss\",\"loss\"]");
    assert_eq!(described(&["callbacks"], json!([])), nowhere("callbacks/0/best_weights/0"));
    let taken = described(&["place", "source"], json!([1, 7]));
    assert_eq!(taken, "dataset: its epoch 1 has 5 batches, where 7 were taken");

    // What only the callbacks know to be wrong.
    let numbers = &["callbacks", "0", "numbers"];
    let count = |number: f64| json!([["best", 0], ["wait", number.to_bits()]]);
    let memory = "memory of EarlyStopping: ";
    assert_eq!(described(numbers, json!([])), format!("{memory}it has no `wait`"));
    assert_eq!(described(numbers, count(-1.0)), format!("{memory}`wait` is -1, which is no count"));
    assert_eq!(described(numbers, count(0.5)), format!("{memory}`wait` is 0.5, which is no count"));
    let negative = json!([["number", (-1.0_f64).to_bits()]]);
    assert_eq!(described(&["callbacks", "1", "numbers"], negative), "listener: Some(-1.0)");

    // And of the conditions.
    let mut without = header.clone();
    without["__metadata__"]["conditions"] = Value::Null;
    assert_eq!(refused(&without, &data), "this is no training that was broken off");
    without["__metadata__"]["conditions"] = "{".into();
    assert_eq!(refused(&without, &data), "this is no training that was broken off");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn states_of_another_size_and_tables_that_are_gone_are_refused() -> Result<()> {
    let (path, table) = (file("states"), file("states").with_extension("csv"));
    let (x, y) = (waves(&[8, 3, 2]), waves(&[8, 1]));
    let backup = Some(Backup::new(&path));
    let options = Fit { batch_size: 4, verbose: Verbose::Silent, backup, ..Fit::DEFAULT };
    let fit = |epochs| {
        let mut model = Sequential::new()
            .add(Input::batched(4, [3, 2]))
            .add(LSTM::new(3).stateful(true))
            .add(Dense::new(1))
            .build()?;
        model.compile(SGD::default(), Loss::MeanSquaredError)?;
        let mut csv = lstm::CSVLogger::new(&table);
        model.fit_with(&x, &y, Fit { epochs, ..options }, &mut [&mut csv])
    };
    let refused = || {
        let error = fit(2).unwrap_err().to_string();
        error.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&error).to_owned()
    };
    fit(1)?;
    let (header, data) = read(&path);
    for (name, shape, expected) in [
        ("states/0", [3, 3], "(4, 3)"),
        ("states/0", [4, 4], "(4, 3)"),
        ("states/1", [3, 3], "(4, 3)"),
        ("states/0", [0, 3], "(0, 3)"),
    ] {
        let mut header = header.clone();
        header[name]["shape"] = json!(shape);
        header[name]["data_offsets"] = json!([0, 4 * shape[0] * shape[1]]);
        write(&path, &header, &data);
        let [rows, units] = shape;
        let (at, found) = if rows == 0 {
            ("states/1", "(4, 3)".to_owned())
        } else {
            (name, format!("({rows}, {units})"))
        };
        assert_eq!(refused(), format!("{at}: expected shape {expected}, found {found}"));
    }
    write(&path, &header, &data);
    let whole = std::fs::read(&table).unwrap();
    std::fs::write(&table, &whole[1..]).unwrap();
    let (some, all) = (whole.len() - 1, whole.len());
    let why = format!("it has {some} bytes of the {all} that were written");
    assert_eq!(refused(), format!("{}: {why}", table.display()));
    std::fs::write(&table, &whole).unwrap();
    fit(2)?;
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(&table).unwrap();
    Ok(())
}

/// Compiles the model anew when it begins.
struct Compiler(Option<Optimizer>);

impl Callback<f32> for Compiler {
    fn on_train_begin(&mut self, model: &mut Model) -> Result<()> {
        match self.0.take() {
            Some(optimizer) => model.compile(optimizer, Loss::MeanSquaredError),
            None => Ok(()),
        }
    }

    fn remember(&mut self, _: &Memory<f32>) {
        unreachable!("the model is not what was saved");
    }
}

#[test]
fn a_model_that_is_compiled_anew_when_it_begins_is_not_gone_on_from() {
    let path = file("compiled");
    let (x, y) = classes();
    let options =
        Fit { backup: Some(Backup::new(&path)), verbose: Verbose::Silent, ..Fit::DEFAULT };
    let fit = |optimizer| {
        let mut model = Parts::new().model::<f32>();
        let found = model.fit_with(&x, &y, options, &mut [&mut Compiler(optimizer)]);
        (found, model.get_weights())
    };
    fit(None).0.unwrap();
    let (found, weights) = fit(Some(Adam::default().into()));
    let error = found.unwrap_err().to_string();
    assert_eq!(error, "slots of the optimizer of `sequential`: expected 4, found 2");
    assert_eq!(weights, Parts::new().model::<f32>().get_weights());
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_dataset_that_has_become_shorter_is_refused_before_anything_is_changed() -> Result<()> {
    let path = file("shorter");
    let backup = Some(Backup::new(&path).every(1));
    let options = Fit { verbose: Verbose::Silent, backup, ..Fit::DEFAULT };
    let fit = |batches: usize, accident: usize, listener: &mut Listener| {
        let mut dataset = Batches::new(|_| (0..batches).map(|_| (waves(&[4, 2]), waves(&[4, 1]))));
        let mut accident = Accident::after(accident);
        let callbacks: Callbacks<f32> = &mut [listener, &mut accident];
        let mut model = Parts::new().model::<f32>();
        let result = model.fit_dataset_with(&mut dataset, None, options, callbacks);
        (result, model.get_weights())
    };
    let mut listener = Listener::default();
    fit(5, 4, &mut listener).0.unwrap_err();
    let mut listener = Listener::default();
    let (result, weights) = fit(2, NEVER, &mut listener);
    let error = result.unwrap_err().to_string();
    assert_eq!(error, "dataset: its epoch 0 has 2 batches, where 3 were taken");
    assert!(listener.heard.is_empty() && weights == Parts::new().model::<f32>().get_weights());
    fit(5, NEVER, &mut listener).0?;
    std::fs::remove_file(&path).unwrap();
    Ok(())
}

/// The variable that makes a process of the one below.
const CHILD: &str = "LSTM_BACKUP_OF_A_CHILD";

/// Trains with a file after every batch, slowly enough to be killed on the way.
#[test]
#[ignore = "a process of the test below"]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let backup = Backup::new(Path::new(&path)).every(1);
    let slow = Accident { left: NEVER, pause: Duration::from_millis(5) };
    train_until(Some(backup), &mut model(Adam::default()), slow).unwrap();
}

#[test]
fn a_process_that_is_killed_again_and_again_ends_with_the_same_bits() {
    let path = file("killed");
    let end = train(None, &mut model(Adam::default()), NEVER).unwrap();
    let (mut kills, mut wait) = (0, 1u64);
    let mut places = HashSet::new();
    loop {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored"])
            .env(CHILD, &path)
            .env("RAYON_NUM_THREADS", (1 + kills % 3).to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Moments that look random, a little later each time.
        wait = wait * 7 % 31 + kills / 4;
        let patience = Instant::now();
        let done = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if patience.elapsed() > Duration::from_millis(wait) => break None,
                None => std::thread::sleep(Duration::from_micros(200)),
            }
        };
        match done {
            Some(status) => {
                assert!(status.success(), "after {kills} kills");
                break;
            }
            None => {
                child.kill().unwrap(); // SIGKILL
                child.wait().unwrap();
                kills += 1;
                // Whole, if there is one: what it holds tells where it was broken off.
                places.extend(std::fs::read(&path).ok());
            }
        }
    }
    assert!(kills > 3 && places.len() > 3, "{kills} kills, {} places", places.len());
    let found = train(Some(Backup::new(&path).every(1)), &mut model(Adam::default()), 1).unwrap();
    assert!(found == end, "after {kills} kills");
    let beside = path.with_extension("safetensors.part");
    let _ = std::fs::remove_file(beside);
    std::fs::remove_file(&path).unwrap();
}
