//! Against Keras's own numbers: `tests/keras/optimizers.py` has computed them.

use std::ops::Range;
use std::sync::LazyLock;

use kernels::Isa;
use serde_json::Value;

use super::*;
use crate::constraint::Constraint;
use crate::regularizer::Regularizer;

static KERAS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../tests/keras/optimizers.json")).unwrap()
});

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let list = value[key].as_array().unwrap();
    assert!(!list.is_empty());
    list
}

fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs() / expected.abs().max(1e-3);
        assert!(error <= tolerance, "{what}: {found} instead of {expected}");
    }
}

/// Whole numbers are written with a point or without one.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let found = |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| same(a, b));
            a.len() == b.len() && a.iter().all(found)
        }
        (a, b) => a == b,
    }
}

fn assert_same(written: &str, keras: &Value) {
    let written: Value = serde_json::from_str(written).unwrap();
    assert!(same(&written, keras), "{written}\n{keras}");
}

/// A kernel and a bias as in the file, with numbers between them that are not trained.
const KERNEL: Range<usize> = 0..6;
const FROZEN: Range<usize> = 6..11;
const BIAS: Range<usize> = 11..14;

fn laid_out(tensors: &Value) -> Vec<f64> {
    let mut flat = vec![7.5; BIAS.end];
    flat[KERNEL].copy_from_slice(&numbers(&tensors[0]));
    flat[BIAS].copy_from_slice(&numbers(&tensors[1]));
    flat
}

#[test]
fn steps_are_those_of_keras() {
    for case in list(&KERAS, "optimizers") {
        let what = case["optimizer"].to_string();
        let optimizer = Optimizer::from_json(&what).unwrap();
        optimizer.check().unwrap();
        let scale = optimizer.loss_scale_factor.unwrap_or(1.0);
        // A schedule is in f32, where the last digit is anybody's.
        let tolerance = if optimizer.schedule.is_some() { 1e-7 } else { 1e-9 };
        let mut weights = laid_out(&KERAS["start"]);
        let mut state = State::new(optimizer, BIAS.end, [KERNEL, BIAS].into_iter());
        let steps = list(case, "steps").iter().zip(list(&KERAS, "gradients"));
        for (at, (expected, grads)) in steps.enumerate() {
            let mut grads = laid_out(grads);
            grads.iter_mut().for_each(|g| *g *= scale);
            state.step(Isa::best(), &mut weights, &mut grads);
            let what = format!("step {at} of {what}");
            close(&weights, &laid_out(expected), tolerance, &what);
            assert_eq!(weights[FROZEN], [7.5; 5]);
        }

        // What it remembers, in Keras's order.
        let (names, values) = (list(case, "variables"), list(case, "values"));
        let names: Vec<_> = names.iter().map(|name| name.as_str().unwrap()).collect();
        let counter = |name: &str| match name {
            "iteration" => Some(state.counters().iterations as f64),
            "learning_rate" => Some(state.counters().learning_rate),
            name => name.starts_with("variable").then_some(state.counters().product),
        };
        let counters = names.iter().zip(values).filter_map(|(name, v)| Some((counter(name)?, v)));
        for (found, expected) in counters {
            close(&[found], &numbers(expected), 1e-12, &what);
        }
        let kept = names.iter().zip(values).filter(|(name, _)| counter(name).is_none());
        let (names, values): (Vec<&str>, Vec<&Value>) = kept.map(|(name, v)| (*name, v)).unzip();
        let places = state.places().into_iter();
        let found = places.map(|(tensor, slot)| format!("{}_{slot}", ["kernel", "bias"][tensor]));
        assert_eq!(found.collect::<Vec<_>>(), names);
        for (found, expected) in state.slots().zip(values) {
            close(found, &numbers(expected), tolerance.max(1e-9), &format!("slots of {what}"));
        }
        let all: usize = list(case, "values").iter().map(|v| v.as_array().unwrap().len()).sum();
        assert_eq!(state.variables(), all, "{what}");

        state.finalize(&mut weights);
        close(&weights, &laid_out(&case["final"]), tolerance, &what);
        assert_eq!(weights[FROZEN], [7.5; 5]);
    }
}

#[test]
fn steps_in_f32_and_on_every_instruction_set_are_near() {
    for case in list(&KERAS, "optimizers") {
        let what = case["optimizer"].to_string();
        for isa in Isa::available() {
            let optimizer = Optimizer::from_json(&what).unwrap();
            let scale = optimizer.loss_scale_factor.unwrap_or(1.0);
            let narrow = |xs: Vec<f64>| xs.into_iter().map(|x| x as f32).collect::<Vec<_>>();
            let mut weights = narrow(laid_out(&KERAS["start"]));
            let mut state = State::new(optimizer, BIAS.end, [KERNEL, BIAS].into_iter());
            for grads in list(&KERAS, "gradients") {
                let mut grads = narrow(laid_out(grads));
                grads.iter_mut().for_each(|g| *g *= scale as f32);
                state.step(isa, &mut weights, &mut grads);
            }
            let last = list(case, "steps").last().unwrap();
            let weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
            close(&weights, &laid_out(last), 2e-4, &format!("{isa:?} {what}"));
        }
    }
}

/// Weights whose gradients stay zero, or nearly so, are as fast as others where a CPU is slow at subnormal numbers.
#[test]
fn what_is_remembered_of_gradients_that_vanish_is_not_subnormal() {
    for case in list(&KERAS, "optimizers") {
        let what = case["optimizer"].to_string();
        let optimizer = Optimizer::from_json(&what).unwrap();
        if matches!(optimizer.rule(), Rule::Ftrl(_)) {
            continue; // remembers sums, which do not decay
        }
        for isa in Isa::available() {
            let mut weights = [1.0f32; BIAS.end];
            let mut state = State::new(optimizer.clone(), BIAS.end, [KERNEL, BIAS].into_iter());
            for step in 0..2000 {
                // One gradient, then small ones, then none.
                let small = [1e-3, 1e-16, 3e-20, 1e-30, 2e-38, 1e-40];
                let g = if step < 60 { small[step / 10] } else { 0.0 };
                state.step(isa, &mut weights, &mut [g; BIAS.end]);
                for (at, slot) in state.slots().enumerate() {
                    let place = || format!("slot {at} in step {step} on {isa}: {what}");
                    assert!(!slot.iter().any(|x| x.is_subnormal()), "{}", place());
                }
            }
            assert!(weights.iter().all(|w| w.is_finite()));
        }
    }
}

/// What is flushed of a mean of gradients is so of the mean of their squares, which it is divided by.
#[test]
fn small_gradients_do_not_make_large_steps() {
    for case in list(&KERAS, "optimizers") {
        let what = case["optimizer"].to_string();
        let given = Optimizer::from_json(&what).unwrap();
        let mut rule = *given.rule();
        let epsilon = match &mut rule {
            Rule::Adam(adam) | Rule::AdamW(adam) => &mut adam.epsilon,
            Rule::Nadam(nadam) => &mut nadam.epsilon,
            Rule::RMSprop(rmsprop) if !rmsprop.centered => &mut rmsprop.epsilon,
            _ => continue,
        };
        *epsilon = 1e-30;
        for isa in Isa::available() {
            for g in [1e-3, 1e-12, 8e-15, 6e-15, 1e-20, 1e-30] {
                let mut weights = [1.0f32; BIAS.end];
                let optimizer = Optimizer::of(rule);
                let mut state = State::new(optimizer, BIAS.end, [KERNEL, BIAS].into_iter());
                for step in 0..50 {
                    let before = weights;
                    state.step(isa, &mut weights, &mut [g; BIAS.end]);
                    for (after, before) in weights.iter().zip(before) {
                        let rate = state.learning_rate() as f32;
                        let moved = (after - before).abs();
                        assert!(moved <= 40.0 * rate, "{moved} in step {step}, {g}: {isa} {what}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_state_put_back_goes_on_as_before() {
    for case in list(&KERAS, "optimizers") {
        let optimizer = Optimizer::from_json(&case["optimizer"].to_string()).unwrap();
        let fresh = || State::<f64>::new(optimizer.clone(), BIAS.end, [KERNEL, BIAS].into_iter());
        let (mut state, mut weights) = (fresh(), laid_out(&KERAS["start"]));
        for (at, grads) in list(&KERAS, "gradients").iter().enumerate() {
            if at == 3 {
                let slots: Vec<Vec<f64>> = state.slots().map(<[f64]>::to_vec).collect();
                let mut resumed = fresh();
                resumed.resume(state.counters(), slots.iter().map(|slot| &slot[..]));
                state = resumed;
            }
            state.step(Isa::best(), &mut weights, &mut laid_out(grads));
        }
        let mut again = (fresh(), laid_out(&KERAS["start"]));
        for grads in list(&KERAS, "gradients") {
            again.0.step(Isa::best(), &mut again.1, &mut laid_out(grads));
        }
        assert_eq!(weights, again.1, "{optimizer:?}");
    }
}

#[test]
fn descriptions_come_back_as_keras_wrote_them() {
    for case in list(&KERAS, "optimizers") {
        let optimizer = Optimizer::from_json(&case["optimizer"].to_string()).unwrap();
        assert_same(&optimizer.to_json(), &case["optimizer"]);
        assert_eq!(Optimizer::from_json(&optimizer.to_json()).unwrap(), optimizer);
    }
    for case in list(&KERAS, "regularizers") {
        let regularizer = Regularizer::from_json(&case["regularizer"].to_string()).unwrap();
        assert_same(&regularizer.to_json(), &case["regularizer"]);
    }
    for case in list(&KERAS, "constraints") {
        let constraint = Constraint::from_json(&case["constraint"].to_string()).unwrap();
        assert_same(&constraint.to_json(), &case["constraint"]);
    }
    for keras in list(&KERAS, "initializers") {
        let dense = format!(
            r#"{{"class_name": "Dense", "config": {{"units": 2, "kernel_initializer": {keras}}}}}"#
        );
        let written = crate::Layer::from_json(&dense).unwrap().to_json();
        let mut written = serde_json::from_str::<Value>(&written).unwrap();
        let written = written["config"]["kernel_initializer"].take();
        // By its defaults one class is the same as another.
        match (&written["class_name"], &keras["class_name"]) {
            (ours, theirs) if ours == "LecunNormal" && theirs == "VarianceScaling" => {}
            _ => assert_same(&written.to_string(), keras),
        }
    }
    for (name, class) in [("adam", "Adam"), ("RMSprop", "RMSprop"), ("SGD", "SGD")] {
        let optimizer = Optimizer::from_json(&format!("\"{name}\"")).unwrap();
        assert_eq!(optimizer.rule().class(), class);
    }
}

#[test]
fn rates_are_those_of_keras_to_the_last_digits_of_f32() {
    for case in list(&KERAS, "schedules") {
        let optimizer = serde_json::json!({
            "class_name": "SGD", "config": { "learning_rate": case["schedule"] },
        });
        let optimizer = Optimizer::from_json(&optimizer.to_string()).unwrap();
        let schedule = optimizer.schedule.unwrap();
        schedule.check().unwrap();
        for (at, expected) in numbers(&case["at"]).into_iter().zip(numbers(&case["rates"])) {
            let found = schedule.at(at as u64);
            let error = (found - expected).abs();
            let tolerance = f64::from(f32::EPSILON) * 2.0 * expected.abs() + 1e-9;
            assert!(error <= tolerance, "{schedule:?} at {at}: {found} instead of {expected}");
        }
    }
}

#[test]
fn penalties_and_constraints_are_those_of_keras() {
    let matrix = numbers(&KERAS["matrix"]);
    for case in list(&KERAS, "regularizers") {
        let regularizer = Regularizer::from_json(&case["regularizer"].to_string()).unwrap();
        let tolerance = if case["bits"] == 64 { 1e-12 } else { 1e-5 };
        let what = format!("{regularizer:?}");
        let value = regularizer.value(&[3, 4], &matrix);
        close(&[value], &[case["value"].as_f64().unwrap()], tolerance, &what);
        let mut gradient = vec![0.0; 12];
        regularizer.add_gradient(&[3, 4], &matrix, 1.0, &mut gradient);
        close(&gradient, &numbers(&case["gradient"]), tolerance, &what);
    }
    for case in list(&KERAS, "constraints") {
        let constraint = Constraint::from_json(&case["constraint"].to_string()).unwrap();
        let mut w = matrix.clone();
        constraint.apply(&[3, 4], &mut w, &mut Vec::new());
        close(&w, &numbers(&case["w"]), 1e-12, &format!("{constraint:?}"));
    }
}

#[test]
fn settings_that_do_not_fit_are_refused() {
    let adam = || Optimizer::from(Adam::default());
    for (optimizer, why) in [
        (
            adam().clipnorm(1.0).clipvalue(1.0),
            "clipnorm and clipvalue: only one of them can be set",
        ),
        (adam().clipnorm(-1.0), "clipnorm: -1 is not within"),
        (adam().weight_decay(f64::NAN), "weight_decay: NaN is not within"),
        (adam().gradient_accumulation_steps(1), "gradient_accumulation_steps: 1 is not 2 or more"),
        (adam().use_ema(true).ema_momentum(1.5), "ema_momentum: 1.5 is not within"),
        (adam().use_ema(true).ema_overwrite_frequency(0), "ema_overwrite_frequency: 0 is not 1"),
        (adam().loss_scale_factor(0.0), "loss_scale_factor: 0 is not positive"),
        (Optimizer { weight_decay: None, ..AdamW::default().into() }, "AdamW has one"),
        (
            Ftrl { learning_rate_power: 0.5, ..Ftrl::default() }.into(),
            "0.5 is not negative or zero",
        ),
        (Lion { beta_1: 0.0, ..Lion::default() }.into(), "beta_1: 0 is not within 0 < beta_1"),
    ] {
        let error = optimizer.check().unwrap_err().to_string();
        assert!(error.starts_with("optimizer's ") && error.contains(why), "{error}");
    }
    use crate::schedule::{ExponentialDecay, PiecewiseConstantDecay, PolynomialDecay};
    for (optimizer, why) in [
        (adam().schedule(ExponentialDecay::new(0.1, 0, 0.5)), "decay_steps of ExponentialDecay: 0"),
        (adam().schedule(PolynomialDecay::new(f64::NAN, 3)), "NaN is not finite"),
        (adam().schedule(PiecewiseConstantDecay::new([3.0], [0.1])), "found 1 for 1"),
        (adam().schedule(PiecewiseConstantDecay::new([3.0, 2.0], [0.1; 3])), "they must rise"),
    ] {
        let error = optimizer.check().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(adam().ema_momentum(9.0).check(), Ok(())); // means nothing without `use_ema`
}
