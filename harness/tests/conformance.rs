//! Every committed case passes; what is missing is named.

use std::path::{Path, PathBuf};

use harness::conformance::{self, Case};

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder)
}

#[test]
fn every_case_of_keras_agrees_in_both_precisions() {
    let files = conformance::files(&[fixtures("conformance"), fixtures("program4")]);
    let files: Vec<_> = files.unwrap();
    assert!(files.len() >= 60, "only {} cases", files.len());
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
fn what_is_missing_is_named() {
    let path = fixtures("conformance/layer_000.safetensors");
    for (from, to, named) in [
        (r#""class_name":"LSTM""#, r#""class_name":"GRU""#, "unsupported layer: `GRU`"),
        (r#""dropout":0.0"#, r#""dropout":0.5"#, "unsupported dropout of LSTM: `0.5`"),
        (r#""stateful":false"#, r#""stateful":true"#, "unsupported stateful of LSTM: `true`"),
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
