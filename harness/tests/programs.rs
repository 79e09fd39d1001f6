//! The four programs, beside what Keras prints and computes for them.

use std::path::Path;

use harness::conformance::Case;
use lstm::Tensor;
use serde_json::Value;

macro_rules! example {
    ($name:ident, $path:literal) => {
        #[path = $path]
        #[allow(
            dead_code,
            unreachable_pub,
            reason = "an example is a program of its own, with a `main`"
        )]
        mod $name;
    };
}
example!(sequential, "../../lstm/examples/program_1_sequential.rs");
example!(functional, "../../lstm/examples/program_2_functional.rs");
example!(batch, "../../lstm/examples/program_3_batch.rs");
example!(many_to_one, "../../lstm/examples/program_4_many_to_one.rs");

#[test]
fn the_sequential_summary_is_that_of_keras() {
    let model = sequential::model().unwrap();
    let keras = include_str!("../fixtures/summaries/program1.txt");
    assert_eq!(model.summary(), keras.trim_end());
    assert_eq!(model.count_params(), 144);
}

#[test]
fn the_functional_summary_is_that_of_keras() {
    let model = functional::model().unwrap();
    let keras = include_str!("../fixtures/summaries/program2.txt");
    assert_eq!(model.summary(), keras.trim_end());
    assert_eq!(model.count_params(), 144);
}

#[test]
fn a_batch_of_32_sequences_gives_32_vectors_of_4_units() {
    let output = batch::output().unwrap();
    assert_eq!(output.shape(), [32, 4]);
    assert!(output.data().iter().all(|y| y.abs() < 1.0 && *y != 0.0));
}

#[test]
fn the_summary_of_program_4_is_that_of_keras_before_and_after_training() {
    let mut model = many_to_one::model(0).unwrap();
    let keras = include_str!("../fixtures/summaries/program4.txt");
    assert_eq!(model.summary(), keras.trim_end());
    many_to_one::train(&mut model, 0).unwrap();
    let keras = include_str!("../fixtures/summaries/program4_fitted.txt");
    assert_eq!(model.summary(), keras.trim_end());
}

#[test]
fn from_keras_weights_every_epoch_of_program_4_has_the_loss_of_keras() {
    let case =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/program4/fit_123_to_4.safetensors");
    let case = Case::read(&case).unwrap();
    let want: Tensor<f64> = case.tensor("loss").unwrap();
    let got = &case.compute::<f64>().unwrap()["loss"];
    assert_eq!((got.shape(), want.shape()), (&[100][..], &[100][..]));
    for (epoch, (got, want)) in got.data().iter().zip(want.data()).enumerate() {
        let error = (got - want).abs();
        assert!(error <= 1e-6, "epoch {epoch}: {got}, Keras {want}");
    }
}

/// The value below which the share `q` of sorted `xs` lies.
fn quantile(xs: &[f64], q: f64) -> f64 {
    let at = q * (xs.len() - 1) as f64;
    let (low, high) = (xs[at.floor() as usize], xs[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// The largest distance between the distributions of two sorted samples (N. Smirnov, 1939).
fn smirnov(a: &[f64], b: &[f64]) -> f64 {
    let below = |xs: &[f64], x: f64| xs.partition_point(|&y| y <= x) as f64 / xs.len() as f64;
    a.iter().chain(b).map(|&x| (below(a, x) - below(b, x)).abs()).fold(0.0, f64::max)
}

#[test]
fn over_many_seeds_program_4_ends_where_keras_does() {
    let keras: Value =
        serde_json::from_str(include_str!("../fixtures/program4/seeds.json")).unwrap();
    let runs = keras["runs"].as_array().unwrap();
    let (mut losses, mut predictions) = (Vec::new(), Vec::new());
    for seed in 0..400 {
        let mut model = many_to_one::model(seed).unwrap();
        let history = many_to_one::train(&mut model, seed).unwrap();
        losses.extend(history.loss().last());
        predictions.push(f64::from(many_to_one::after_789(&mut model).unwrap()));
    }

    for (name, ours) in [("loss", &mut losses), ("prediction", &mut predictions)] {
        let mut theirs: Vec<f64> = runs.iter().map(|run| run[name].as_f64().unwrap()).collect();
        assert!(theirs.len() >= 30);
        ours.sort_by(f64::total_cmp);
        theirs.sort_by(f64::total_cmp);
        let quartiles = |xs: &[f64]| [0.25, 0.5, 0.75].map(|q| quantile(xs, q));
        println!("{name}: quartiles {:.3?}, Keras {:.3?}", quartiles(ours), quartiles(&theirs));

        // Were both drawn from one distribution, a quantile of ours would lie between those of
        // theirs that are three standard errors away, √(q (1 - q) (1/n + 1/m)) as shares.
        let share = |q: f64| {
            3.0 * (q * (1.0 - q) * (1.0 / ours.len() as f64 + 1.0 / theirs.len() as f64)).sqrt()
        };
        for q in [0.25, 0.5, 0.75] {
            let (low, high) = (quantile(&theirs, q - share(q)), quantile(&theirs, q + share(q)));
            let found = quantile(ours, q);
            assert!((low..=high).contains(&found), "{name} at {q}: {found} not in {low}..{high}");
        }
        // At significance 0.001.
        let critical = 1.95 * (1.0 / ours.len() as f64 + 1.0 / theirs.len() as f64).sqrt();
        let distance = smirnov(ours, &theirs);
        assert!(distance < critical, "{name}: distance {distance}, critical {critical}");
    }
}
