//! Trainings as Keras does them: `data/fits.py` made what they are held against.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lstm::{
    CSVLogger, Callback, EarlyStopping, Evaluate, Fit, LearningRateScheduler, Loss,
    ModelCheckpoint, Predict, ReduceLROnPlateau, SaveFreq, Tensor, TerminateOnNaN, Validation,
    Verbose,
};
use serde_json::Value;

type Model = lstm::Model<f64>;

/// Keras's numbers agree to this, relative to the largest of an array.
const TOLERANCE: f64 = 1e-7;

/// The table of epochs, in the folder of a case.
const TABLE: &str = "table.csv";

/// Says, where tests are run by one of them, which folder they are to write to.
const FOLDER: &str = "LSTM_TEST_FITS";

fn tensor(value: &Value) -> Tensor<f64> {
    let shape: Vec<usize> = serde_json::from_value(value["shape"].clone()).unwrap();
    Tensor::new(shape, serde_json::from_value(value["data"].clone()).unwrap()).unwrap()
}

fn tensors(value: &Value) -> Vec<Tensor<f64>> {
    value.as_array().into_iter().flatten().map(tensor).collect()
}

/// A number; what JSON lacks is written as a string.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

/// Names with what belongs to them.
fn pairs<X>(value: &Value, read: impl Fn(&Value) -> X) -> Vec<(String, X)> {
    let pairs = value.as_array().unwrap().iter();
    pairs.map(|pair| (pair[0].as_str().unwrap().to_owned(), read(&pair[1]))).collect()
}

fn refs(tensors: &[Tensor<f64>]) -> Vec<&Tensor<f64>> {
    tensors.iter().collect()
}

/// The largest difference, relative to the largest number.
fn distance(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len(), "{got:?} {want:?}");
    let size = want.iter().fold(1.0, |size: f64, x| size.max(x.abs()));
    let apart = |(got, want): (&f64, &f64)| if got == want { 0.0 } else { (got - want).abs() };
    got.iter()
        .zip(want)
        .map(apart)
        .fold(0.0, |most: f64, x| if x > most || x.is_nan() { x } else { most })
        / size
}

fn mode(given: &Value) -> lstm::Mode {
    match given["mode"].as_str() {
        None => lstm::Mode::Auto,
        Some("min") => lstm::Mode::Min,
        Some("max") => lstm::Mode::Max,
        Some(other) => panic!("{other}"),
    }
}

/// The callbacks of a case, which write to a folder.
fn callbacks(case: &Value, folder: &Path) -> Vec<Box<dyn Callback<f64>>> {
    let mut made: Vec<Box<dyn Callback<f64>>> = Vec::new();
    for given in case["callbacks"].as_array().unwrap() {
        let size = |key: &str| given[key].as_u64().unwrap_or(0) as usize;
        let number = |key: &str| given[key].as_f64().unwrap_or(0.0);
        let monitor = given["monitor"].as_str().unwrap_or("val_loss").to_owned();
        let (mode, verbose) = (mode(given), given["verbose"] == 1);
        match given["kind"].as_str().unwrap() {
            "EarlyStopping" => made.push(Box::new(EarlyStopping {
                monitor,
                mode,
                verbose,
                patience: size("patience"),
                min_delta: number("min_delta"),
                baseline: given["baseline"].as_f64(),
                start_from_epoch: size("start_from_epoch"),
                restore_best_weights: given["restore_best_weights"] == true,
                ..EarlyStopping::default()
            })),
            "ReduceLROnPlateau" => made.push(Box::new(ReduceLROnPlateau {
                monitor,
                mode,
                verbose,
                patience: size("patience"),
                min_delta: given["min_delta"].as_f64().unwrap_or(1e-4),
                factor: number("factor"),
                cooldown: size("cooldown"),
                min_lr: number("min_lr"),
                ..ReduceLROnPlateau::default()
            })),
            "LearningRateScheduler" => {
                let (by, add) = (number("by"), number("add"));
                let schedule = move |epoch: usize, rate: f64| rate * by + epoch as f64 * add;
                made.push(Box::new(LearningRateScheduler { schedule, verbose }));
            }
            "ModelCheckpoint" => {
                let path = folder.join(given["filepath"].as_str().unwrap());
                made.push(Box::new(ModelCheckpoint {
                    monitor,
                    mode,
                    verbose,
                    save_best_only: given["save_best_only"] == true,
                    save_freq: match size("save_freq") {
                        0 => SaveFreq::Epoch,
                        batches => SaveFreq::Batches(batches),
                    },
                    initial_value_threshold: given["initial_value_threshold"].as_f64(),
                    ..ModelCheckpoint::new(path.to_str().unwrap())
                }));
            }
            "TerminateOnNaN" => made.push(Box::new(TerminateOnNaN::default())),
            other => panic!("{other}"),
        }
    }
    if case["csv"].is_string() {
        let (path, table) = (folder.join(TABLE), &case["table"]);
        if let Some(before) = table["before"].as_str() {
            fs::write(&path, before).unwrap();
        }
        let mut logger = CSVLogger::new(path);
        logger.separator = table["separator"].as_str().map_or(',', |text| text.parse().unwrap());
        logger.append = table["append"] == true;
        made.push(Box::new(logger));
    }
    made
}

fn model(case: &Value) -> Model {
    Model::from_json_as(case["model"].as_str().unwrap()).unwrap()
}

/// What differs between this training, which may write to a folder, and Keras's.
fn repeat(case: &Value, folder: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut model = model(case);
    model.set_weights(&tensors(&case["before"])).unwrap();
    if let Some(delta) = case["delta"].as_f64() {
        let optimizer = model.optimizer().unwrap();
        model.compile(optimizer, Loss::Huber { delta }).unwrap();
    }
    let (x, y) = (tensors(&case["x"]), tensors(&case["y"]));
    let fit = &case["fit"];
    let size = |key: &str| fit[key].as_u64().map(|size| size as usize);
    let (weights, held) = (tensors(&fit["sample_weight"]), tensors(&fit["validation_data"]));
    let (weights, held) = (refs(&weights), refs(&held));
    let classes: Vec<(i64, f64)> = match &fit["class_weight"] {
        Value::Null => Vec::new(),
        given => serde_json::from_value(given.clone()).unwrap(),
    };
    let options = Fit {
        epochs: size("epochs").unwrap(),
        batch_size: size("batch_size").unwrap(),
        shuffle: false,
        verbose: Verbose::Silent,
        sample_weight: &weights,
        class_weight: &classes,
        validation_split: fit["validation_split"].as_f64().unwrap_or(0.0),
        validation_data: match &held[..] {
            [x, y, rest @ ..] => Validation {
                x: std::slice::from_ref(x),
                y: std::slice::from_ref(y),
                sample_weight: rest,
            },
            _ => Validation::default(),
        },
        validation_batch_size: size("validation_batch_size"),
        validation_steps: size("validation_steps"),
        validation_freq: size("validation_freq").unwrap_or(1),
        initial_epoch: size("initial_epoch").unwrap_or(0),
        steps_per_epoch: size("steps_per_epoch"),
        ..Fit::default()
    };
    let name = case["name"].as_str().unwrap();
    let mut made = callbacks(case, folder);
    let mut made: Vec<&mut dyn Callback<f64>> =
        made.iter_mut().map(|one| &mut **one as _).collect();
    let history = model.fit_with(&refs(&x)[..], &refs(&y)[..], options, &mut made).unwrap();
    drop(made);

    let want = pairs(&case["history"], |values| -> Vec<f64> {
        values.as_array().unwrap().iter().map(number).collect()
    });
    let names: Vec<&str> = want.iter().map(|(name, _)| &name[..]).collect();
    let found: Vec<&str> = history.names().collect();
    if found != names {
        wrong.push(format!("{name}: history of {found:?}, not {names:?}"));
    }
    let epochs: Vec<usize> = serde_json::from_value(case["epochs"].clone()).unwrap();
    if history.epoch() != epochs {
        wrong.push(format!("{name}: epochs {:?}, not {epochs:?}", history.epoch()));
        return wrong;
    }
    for (series, want) in &want {
        let Some(got) = history.get(series) else { continue };
        if got.len() != want.len() || distance(got, want) > TOLERANCE {
            wrong.push(format!("{name}: {series} {got:?}, not {want:?}"));
        }
    }
    wrong.extend(apart(name, &model, &case["after"]));
    let options = Evaluate { batch_size: 3, ..Evaluate::default() };
    model.evaluate_with(&refs(&x)[..], &refs(&y)[..], options).unwrap();
    wrong.extend(judged(name, &mut model, &case["evaluate"]));
    if case["evaluate_weighted"].is_array() {
        let options = Evaluate { batch_size: 3, steps: Some(2), ..Evaluate::default() };
        model.evaluate_weighted(&refs(&x)[..], &refs(&y)[..], &weights, options).unwrap();
        let what = format!("{name}, two weighted batches");
        wrong.extend(judged(&what, &mut model, &case["evaluate_weighted"]));
        let loss = model.test_on_weighted_batch(&refs(&x)[..], &refs(&y)[..], &weights).unwrap();
        assert_eq!(model.metrics().unwrap()[0].1, loss);
        let what = format!("{name}, one weighted batch");
        wrong.extend(judged(&what, &mut model, &case["test_on_batch"]));
    }
    if case["train_on_batch"].is_array() {
        let (x, y) = (refs(&x), refs(&y));
        match &classes[..] {
            [] => model.train_on_weighted_batch(&x[..], &y[..], &weights),
            _ => model.train_on_class_weighted_batch(&x[..], &y[..], &classes),
        }
        .unwrap();
        let what = format!("{name}, one batch by hand");
        wrong.extend(judged(&what, &mut model, &case["train_on_batch"]));
        wrong.extend(apart(&what, &model, &case["after_it"]));
    }
    if let Some(want) = case["csv"].as_str() {
        let got = fs::read_to_string(folder.join(TABLE)).unwrap();
        wrong.extend(compare(name, &got, want));
    }
    if case["saved"].is_array() {
        let want = pairs(&case["saved"], Value::clone);
        let mut got = files(folder);
        got.sort();
        let paths: Vec<PathBuf> = want.iter().map(|(path, _)| folder.join(path)).collect();
        if got != paths {
            wrong.push(format!("{name}: saved {got:?}, not {paths:?}"));
            return wrong;
        }
        for ((path, weights), file) in want.iter().zip(paths) {
            model.load_weights(file).unwrap();
            wrong.extend(apart(&format!("{name}, {path}"), &model, weights));
        }
    }
    wrong
}

/// Whether loss and metrics came to something else than this.
fn judged(what: &str, model: &mut Model, want: &Value) -> Option<String> {
    let split =
        |pairs: Vec<(String, f64)>| -> (Vec<String>, Vec<f64>) { pairs.into_iter().unzip() };
    let mut got = model.metrics().unwrap();
    got.sort_by(|(a, _), (b, _)| a.cmp(b));
    let ((names, got), (expected, want)) = (split(got), split(pairs(want, number)));
    let apart = names != expected || distance(&got, &want) > TOLERANCE;
    apart.then(|| format!("{what}: {names:?} {got:?}, not {expected:?} {want:?}"))
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let within = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    within.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Which weights are not these.
fn apart(name: &str, model: &Model, want: &Value) -> Vec<String> {
    let pairs = model.get_weights().into_iter().zip(tensors(want)).enumerate();
    let distances = pairs.map(|(at, (got, want))| (at, distance(got.data(), want.data())));
    distances
        .filter(|(_, distance)| distance.is_nan() || *distance > TOLERANCE)
        .map(|(at, distance)| format!("{name}: weights {at} differ by {distance:e}"))
        .collect()
}

/// The same table but for the last digits.
fn compare(name: &str, got: &str, want: &str) -> Option<String> {
    const ENDS: [char; 4] = [',', ';', '\t', '\n'];
    let cells =
        |text: &str| -> Vec<String> { text.split_inclusive(ENDS).map(str::to_owned).collect() };
    let split = |cell: &str| {
        let value = cell.trim_end_matches(ENDS).trim_end();
        (value.parse::<f64>().ok(), cell[value.len()..].to_owned())
    };
    let same = |(got, want): (&String, &String)| match (split(got), split(want)) {
        ((Some(a), end), (Some(b), other)) if a.is_finite() => {
            (a - b).abs() <= TOLERANCE * b.abs().max(1.0) && end == other
        }
        _ => got == want,
    };
    let (a, b) = (cells(got), cells(want));
    let alike = a.len() == b.len() && a.iter().zip(&b).all(same);
    (!alike).then(|| format!("{name}: {got:?}, not {want:?}"))
}

fn cases() -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("data/fits.json")).unwrap();
    all["cases"].as_array().unwrap().clone()
}

/// Does something with each case and an empty folder of its own.
fn each_with_folder(root: &Path, mut act: impl FnMut(&Value, &str, &Path)) {
    for case in &cases() {
        let name = case["name"].as_str().unwrap();
        let folder = root.join(name);
        fs::create_dir_all(&folder).unwrap();
        act(case, name, &folder);
    }
    fs::remove_dir_all(root).unwrap();
}

fn root(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("lstm-fits-{name}-{}", std::process::id()))
}

#[test]
fn trainings_are_those_of_keras() {
    let mut seen = BTreeMap::new();
    let mut wrong = Vec::new();
    each_with_folder(&root("numbers"), |case, name, folder| {
        assert!(seen.insert(name.to_owned(), ()).is_none());
        wrong.extend(repeat(case, folder));
    });
    assert!(seen.len() >= 83, "{}", seen.len());
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

/// The trainings that print, for the test below to read.
#[test]
#[ignore = "run by `what_callbacks_print_is_what_those_of_keras_print`"]
fn printing() {
    let Some(root) = std::env::var_os(FOLDER) else { return };
    each_with_folder(Path::new(&root), |case, name, folder| {
        println!("[{name}]");
        repeat(case, folder);
    });
    let case = &cases()[0];
    let (mut model, x, y) = (model(case), tensors(&case["x"]), tensors(&case["y"]));
    for verbose in [Verbose::Bar, Verbose::Line, Verbose::Silent, Verbose::Auto] {
        let (batch_size, steps) = (3, Some(2));
        model.evaluate_with(&x[0], &y[0], Evaluate { batch_size, steps, verbose }).unwrap();
        let options = Predict { batch_size, verbose, ..Predict::default() };
        model.predict_with(&x[0], options).unwrap();
        model.predict_into_with(&x[0], &mut y[0].clone(), options).unwrap();
    }
    println!("[over]");
}

#[test]
fn what_callbacks_print_is_what_those_of_keras_print() {
    let root = root("texts");
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "printing", "--ignored", "--nocapture"]);
    let output = again.env(FOLDER, &root).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().skip_while(|line| !line.starts_with('['));
    lines.next();
    let (mut printed, mut shown, cases) = (0, Vec::new(), cases());
    for case in &cases {
        let folder = root.join(case["name"].as_str().unwrap());
        let want = case["printed"].as_str().unwrap_or("");
        let want = want.replace("FOLDER", folder.to_str().unwrap());
        let mut got: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with('[')).collect();
        if case["name"] == cases.last().unwrap()["name"] {
            shown = got.split_off(want.lines().count());
        }
        assert_eq!(got, want.lines().collect::<Vec<_>>(), "{}", case["name"]);
        printed += usize::from(!want.is_empty());
    }
    assert!(printed >= 20, "{printed}");
    // Of an evaluation and two predictions: a bar where no terminal is, then lines.
    let [bar, bars @ .., line, _, _] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!(bars.len(), 2, "{shown:?}");
    assert!(bar.starts_with("2/2 ━━━━━━━━━━━━━━━━━━━━ 0s ") && bar.contains("/step - loss: "));
    assert!(bars.iter().all(|bar| bar.starts_with("4/4 ━") && bar.ends_with("/step")), "{bars:?}");
    assert!(line.starts_with("2/2 - 0s - ") && line.contains("/step - loss: "), "{line}");
}
