//! Trainings as Keras does them: `data/fits.py` made what they are held against.

use std::collections::BTreeMap;

use lstm::{
    CSVLogger, Callback, EarlyStopping, Evaluate, Fit, Model, ReduceLROnPlateau, Tensor,
    Validation, Verbose,
};
use serde_json::Value;

/// Keras's numbers agree to this, relative to the largest of an array.
const TOLERANCE: f64 = 1e-7;

fn tensor(value: &Value) -> Tensor<f64> {
    let shape: Vec<usize> = serde_json::from_value(value["shape"].clone()).unwrap();
    Tensor::new(shape, serde_json::from_value(value["data"].clone()).unwrap()).unwrap()
}

fn tensors(value: &Value) -> Vec<Tensor<f64>> {
    value.as_array().into_iter().flatten().map(tensor).collect()
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

fn callbacks(case: &Value, csv: &std::path::Path) -> Vec<Box<dyn Callback<f64>>> {
    let mut made: Vec<Box<dyn Callback<f64>>> = Vec::new();
    for given in case["callbacks"].as_array().unwrap() {
        let size = |key: &str| given[key].as_u64().unwrap_or(0) as usize;
        let number = |key: &str| given[key].as_f64().unwrap_or(0.0);
        let monitor = given["monitor"].as_str().unwrap_or("val_loss").to_owned();
        match given["kind"].as_str().unwrap() {
            "EarlyStopping" => made.push(Box::new(EarlyStopping {
                monitor,
                patience: size("patience"),
                min_delta: number("min_delta"),
                start_from_epoch: size("start_from_epoch"),
                restore_best_weights: given["restore_best_weights"] == true,
                ..EarlyStopping::default()
            })),
            "ReduceLROnPlateau" => made.push(Box::new(ReduceLROnPlateau {
                monitor,
                patience: size("patience"),
                min_delta: number("min_delta"),
                factor: number("factor"),
                cooldown: size("cooldown"),
                min_lr: number("min_lr"),
                ..ReduceLROnPlateau::default()
            })),
            other => panic!("{other}"),
        }
    }
    if case["csv"].is_string() {
        made.push(Box::new(CSVLogger::new(csv)));
    }
    made
}

/// What differs between this training and Keras's.
fn repeat(case: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut model = Model::<f64>::from_json_as(case["model"].as_str().unwrap()).unwrap();
    model.set_weights(&tensors(&case["before"])).unwrap();
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
    let csv = std::env::temp_dir().join(format!("lstm-fits-{}-{name}.csv", std::process::id()));
    let mut made = callbacks(case, &csv);
    let mut made: Vec<&mut dyn Callback<f64>> =
        made.iter_mut().map(|one| &mut **one as _).collect();
    let history = model.fit_with(&refs(&x)[..], &refs(&y)[..], options, &mut made).unwrap();
    drop(made);

    let want: Vec<(String, Vec<f64>)> = serde_json::from_value(case["history"].clone()).unwrap();
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
    for (at, (got, want)) in model.get_weights().iter().zip(tensors(&case["after"])).enumerate() {
        let distance = distance(got.data(), want.data());
        if distance.is_nan() || distance > TOLERANCE {
            wrong.push(format!("{name}: weights {at} differ by {distance:e}"));
        }
    }
    let options = Evaluate { batch_size: 3 };
    model.evaluate_with(&refs(&x)[..], &refs(&y)[..], options).unwrap();
    let mut got = model.metrics().unwrap();
    got.sort_by(|(a, _), (b, _)| a.cmp(b));
    let want: Vec<(String, f64)> = serde_json::from_value(case["evaluate"].clone()).unwrap();
    let split =
        |pairs: Vec<(String, f64)>| -> (Vec<String>, Vec<f64>) { pairs.into_iter().unzip() };
    let ((names, got), (expected, want)) = (split(got), split(want));
    if names != expected || distance(&got, &want) > TOLERANCE {
        wrong.push(format!("{name}: evaluate {names:?} {got:?}, not {expected:?} {want:?}"));
    }
    if let Some(want) = case["csv"].as_str() {
        let got = std::fs::read_to_string(&csv).unwrap();
        let _ = std::fs::remove_file(&csv);
        wrong.extend(compare(name, &got, want));
    }
    wrong
}

/// The same table but for the last digits.
fn compare(name: &str, got: &str, want: &str) -> Option<String> {
    let cells = |text: &str| -> Vec<Vec<String>> {
        text.split("\r\n").map(|line| line.split(',').map(str::to_owned).collect()).collect()
    };
    let same = |(got, want): (&String, &String)| match (got.parse::<f64>(), want.parse::<f64>()) {
        (Ok(got), Ok(want)) => (got - want).abs() <= TOLERANCE * want.abs().max(1.0),
        _ => got == want,
    };
    let (a, b) = (cells(got), cells(want));
    let lines =
        |(a, b): (&Vec<String>, &Vec<String>)| a.len() == b.len() && a.iter().zip(b).all(same);
    let alike = a.len() == b.len() && a.iter().zip(&b).all(lines);
    (!alike).then(|| format!("{name}: {got:?}, not {want:?}"))
}

#[test]
fn trainings_are_those_of_keras() {
    let all: Value = serde_json::from_str(include_str!("data/fits.json")).unwrap();
    let cases = all["cases"].as_array().unwrap();
    let mut seen = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in cases {
        assert!(seen.insert(case["name"].as_str().unwrap(), ()).is_none());
        wrong.extend(repeat(case));
    }
    assert!(cases.len() >= 25, "{}", cases.len());
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}
