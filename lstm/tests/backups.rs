//! A training that was broken off, at any moment, goes on as if it had not been.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lstm::{
    Adam, Backup, Batches, Bidirectional, Callback, Compile, Dense, Dropout, EarlyStopping, Error,
    ExponentialDecay, Fit, History, Input, LSTM, Loss, Measure, Metric, Model, Optimizer, R2Score,
    RMSprop, ReduceLROnPlateau, Result, SGD, Sequential, Tensor, Threshold, Validation, Verbose,
};

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

#[test]
fn a_file_of_another_training_is_refused_by_name() {
    let path = file("other");
    train(Some(Backup::new(&path)), &mut model(Adam::default()), NEVER).unwrap();
    let (x, y) = (waves(&[22, 6, 2]), waves(&[22, 1]));
    let refused = |model: &mut Model, options: Fit| {
        let backup = Some(Backup::new(&path));
        let before = model.get_weights();
        let error = model.fit(&x, &y, Fit { backup, ..options }).unwrap_err().to_string();
        assert_eq!(model.get_weights(), before, "{error}");
        error.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&error).to_owned()
    };
    let options: Fit = Fit { epochs: 9, batch_size: 5, seed: 3, ..Fit::default() };
    let mut same = model(Adam::default());
    let larger = Fit { batch_size: 7, ..options };
    assert_eq!(refused(&mut same, larger), "its training had batch_size 5, not 7");
    let seed = Fit { seed: 4, ..options };
    assert_eq!(refused(&mut same, seed), "its training had seed 3, not 4");
    assert_eq!(refused(&mut same, options), "its training had 3 callbacks, not 0");
    let zero = Fit { backup: Some(Backup::new(&path).every(0)), ..options };
    let error = same.fit(&x, &y, zero).unwrap_err().to_string();
    assert_eq!(error, "save_freq of backup: it must be positive");

    let weights = model(SGD::default());
    weights.save_weights(&path).unwrap();
    assert_eq!(refused(&mut same, options), "this is no training that was broken off");
    std::fs::write(&path, b"what").unwrap();
    assert_eq!(refused(&mut same, options), "this is no safetensors file, or it was cut off");
    std::fs::remove_file(&path).unwrap();
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
    loop {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored"])
            .env(CHILD, &path)
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
            }
        }
    }
    assert!(kills > 3, "{kills} kills");
    let found = train(Some(Backup::new(&path).every(1)), &mut model(Adam::default()), 1).unwrap();
    assert!(found == end, "after {kills} kills");
    let beside = path.with_extension("safetensors.part");
    let _ = std::fs::remove_file(beside);
    std::fs::remove_file(&path).unwrap();
}
