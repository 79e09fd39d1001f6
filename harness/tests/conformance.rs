//! Every committed case passes; what is missing is named.

use std::path::{Path, PathBuf};

use harness::conformance::{self, Case};
use lstm::Tensor;

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder)
}

#[test]
fn every_case_of_keras_agrees_in_both_precisions() {
    let files = conformance::files(&[fixtures("conformance"), fixtures("program4")]);
    let files: Vec<_> = files.unwrap();
    assert!(files.len() >= 367, "only {} cases", files.len());
    for file in files {
        let outcome = conformance::run(&file);
        assert!(outcome.passed(), "{}: {:?}", file.display(), outcome.result);
    }
}

#[test]
fn a_case_with_one_wrong_weight_fails() {
    let case = Case::read(&fixtures("conformance/layer_000.safetensors")).unwrap();
    let good = case.run::<f64>().unwrap();
    assert!(good.passed() && good.error < 1e-12, "{good}");
    let bad = case.with("weights.0", |data| data[0] += 1e-3).run::<f64>().unwrap();
    assert!(!bad.passed(), "{bad}");
}

#[test]
fn a_nan_is_no_agreement_wherever_it_is() {
    let case = Case::read(&fixtures("conformance/layer_000.safetensors")).unwrap();
    for tensor in ["grad.weights.0", "y.0"] {
        for place in [|_| 0, |len| len / 2, |len: usize| len - 1] {
            let case = case.clone().with(tensor, |data| data[place(data.len())] = f64::NAN);
            let worst = case.run::<f64>().unwrap();
            assert!(!worst.passed() && worst.error.is_nan(), "{worst}");
            assert_eq!(worst.tensor, tensor);
        }
    }
}

#[test]
fn every_expected_tensor_is_required_whatever_the_kind() {
    for (file, expected) in [
        ("layer_028", &["y.0", "state.0", "state.1", "grad.x", "grad.weights."][..]),
        ("layer_028", &["grad.initial_state.0", "grad.initial_state.1"]),
        ("model_011", &["y.0", "y.1", "y.2", "grad.weights."]),
        ("fit_000", &["loss", "predict", "weights_after."]),
    ] {
        let case = Case::read(&fixtures(&format!("conformance/{file}.safetensors"))).unwrap();
        for stem in expected {
            let names: Vec<_> = case.names().filter(|name| name.starts_with(stem)).collect();
            assert!(!names.is_empty(), "{file} has no {stem}");
            for name in names {
                let error = case.clone().without(name).run::<f64>().unwrap_err();
                assert_eq!(error, format!("no tensor `{name}`"), "{file}");
            }
        }
    }
}

#[test]
fn a_tensor_that_nothing_reads_is_refused() {
    for (file, extra) in [
        ("layer_000", &["x.5", "dstate.7", "weights.9", "sample_weight", "poem"][..]),
        ("model_000", &["mask.0", "initial_state.0", "weights.9", "y.1", "grad.x", "x"]),
        ("fit_000", &["x.1", "y.1", "grad.x", "weights.9", "dy.0", "mask"]),
    ] {
        let case = Case::read(&fixtures(&format!("conformance/{file}.safetensors"))).unwrap();
        assert!(case.run::<f64>().unwrap().passed(), "{file}");
        for name in extra {
            let tensor = Tensor::from([[1.0, 2.0]]);
            let error = case.clone().having(name, tensor).run::<f64>();
            assert_eq!(error, Err(format!("unexpected tensor `{name}`")), "{file}");
        }
    }
}

#[test]
fn a_tensor_without_a_batch_is_an_error() {
    let scalar = || Tensor::new([0usize; 0], vec![1.0]).unwrap();
    for (file, given) in [
        ("layer_028", &["x", "initial_state.0", "dy.0", "dstate.0", "weights.0", "y.0"][..]),
        ("model_011", &["x.0", "x.1", "dy.0", "weights.0", "y.0"]),
        ("fit_000", &["x.0", "y.0", "weights.0", "loss"]),
    ] {
        let case = Case::read(&fixtures(&format!("conformance/{file}.safetensors"))).unwrap();
        for name in given {
            for tensor in [scalar(), Tensor::zeros([0]), Tensor::zeros([0, 0, 0])] {
                let error = case.clone().having(name, tensor).run::<f64>();
                assert!(error.is_err(), "{file} {name}: {error:?}");
            }
        }
        let first = if file == "layer_028" { "x" } else { "x.0" };
        let error = case.having(first, scalar()).run::<f64>().unwrap_err();
        assert!(file != "layer_028" || error == "x: expected a batch axis", "{error}");
    }
}

#[test]
fn a_description_must_be_that_of_the_model_and_of_the_run() {
    for (file, from, to, named) in [
        (
            "fit_000",
            r#""shuffle":false"#,
            r#""shuffle":true"#,
            "fit.shuffle: expected false, found true",
        ),
        ("fit_000", r#""shuffle":false"#, r#""epoch":1"#, "unsupported argument of fit: `epoch`"),
        (
            "fit_000",
            r#""shuffle":false"#,
            r#""shuffle":false,"validation_split":0.2"#,
            "unsupported argument of fit: `validation_split`",
        ),
        ("model_000", r#""outputs":1"#, r#""outputs":7"#, "1 outputs, not 7"),
        ("model_000", r#""parameters":144"#, r#""parameters":145"#, "144 parameters, not 145"),
        (
            "model_000",
            r#"["keras_tensor"]"#,
            r#"["nope"]"#,
            "inputs: expected `input_layer`, found `nope`",
        ),
        ("model_000", r#"["keras_tensor"]"#, "[]", "1 inputs, not []"),
        (
            "model_012",
            r#""inputs":["hidden","memory","#,
            r#""inputs":["memory","hidden","#,
            "inputs: expected `hidden`, found `memory`",
        ),
        (
            "model_000",
            r#""name":"float64""#,
            r#""name":"mixed_float16""#,
            "unsupported dtype of Sequential: `mixed_float16`",
        ),
        (
            "layer_000",
            r#""name":"float64""#,
            r#""name":"bfloat16""#,
            "unsupported dtype of LSTM: `bfloat16`",
        ),
        ("fit_000", r#""name":"float64""#, r#""nome":"float64""#, "DTypePolicy.name: missing"),
    ] {
        let path = fixtures(&format!("conformance/{file}.safetensors"));
        let error = Case::read(&path).unwrap().reworded(from, to).run::<f64>().unwrap_err();
        assert!(error.starts_with(named), "{file}: {error}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let path = fixtures("conformance/layer_000.safetensors");
    for (from, to, named) in [
        (r#""class_name":"LSTM""#, r#""class_name":"GRU""#, "unsupported layer: `GRU`"),
        (r#""activation":"tanh""#, r#""activation":"glu""#, "unsupported activation: `glu`"),
        (r#""unroll":false"#, r#""unrolled":false"#, "LSTM.unrolled: unknown key"),
        (r#""kind":"layer""#, r#""kind":"poem""#, "unsupported kind of case: `poem`"),
    ] {
        let case = Case::read(&path).unwrap().reworded(from, to);
        assert_eq!(case.run::<f64>().unwrap_err(), named);
    }
}

#[test]
fn a_file_that_is_no_case_is_an_error() {
    let not_safetensors = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    assert!(conformance::run(&not_safetensors).result.is_err());
    assert!(conformance::run(Path::new("no such file")).result.is_err());
    let no_cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let error = conformance::files(&[no_cases]).unwrap_err();
    assert!(error.contains("no .safetensors files"), "{error}");
}
