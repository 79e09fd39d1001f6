//! Gradients of recurrent layers and small models are those that differences find, on every
//! instruction set.

use harness::gradcheck::Gradcheck;
use harness::subject::{States, Subject};
use kernels::Isa;
use lstm::Activation;
use lstm::Activation::{Linear, Relu, Sigmoid, Softmax, Tanh};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

/// Checks entries of every tensor; all of them unless `sample` says how many.
fn check(subject: Subject, seed: u64, sample: Option<usize>) -> Result<(), String> {
    let check = Gradcheck { sample, seed, ..Gradcheck::default() };
    for isa in Isa::available() {
        let failed = |what: &str| format!("{subject} with seed {seed} on {isa}: {what}");
        let mut built = subject.build(isa, seed).map_err(|error| failed(&error.to_string()))?;
        let report = check.run(&mut built.model, &built.inputs);
        let report = report.map_err(|error| failed(&error.to_string()))?;
        if !report.passed() || report.entries() == 0 {
            return Err(failed(&format!("{:?}", report.worst())));
        }
    }
    Ok(())
}

/// Checks the derivative along a random direction.
fn check_along(subject: Subject, seed: u64) -> Result<(), String> {
    let check = Gradcheck { seed, ..Gradcheck::default() };
    for isa in Isa::available() {
        let failed = |what: &str| format!("{subject} with seed {seed} on {isa}: {what}");
        let mut built = subject.build(isa, seed).map_err(|error| failed(&error.to_string()))?;
        let entry = check.along(&mut built.model, &built.inputs);
        match entry.map_err(|error| failed(&error.to_string()))? {
            Some(entry) if entry.error > check.tolerance => {
                return Err(failed(&format!("{entry:?}")));
            }
            _ => {}
        }
    }
    Ok(())
}

fn activation() -> impl Strategy<Value = Activation> {
    select(vec![Tanh, Sigmoid, Relu, Linear])
}

fn subject() -> impl Strategy<Value = Subject> {
    let sizes = (1..=40usize, 1..=12usize, 1..=5usize, 1..=20usize, 1..=2usize);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), select(States::ALL.to_vec()));
    let head = (1..=6usize, select(vec![Linear, Relu, Sigmoid, Tanh, Softmax]));
    (sizes, flags, (activation(), activation()), proptest::option::of(head)).prop_map(
        |(
            (units, inputs, steps, batch, layers),
            (use_bias, return_sequences, go_backwards, states),
            (activation, recurrent_activation),
            head,
        )| Subject {
            units,
            inputs,
            steps,
            batch,
            layers,
            activation,
            recurrent_activation,
            use_bias,
            return_sequences,
            go_backwards,
            states,
            head,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        // The same cases each time, so that CI tells of changes and not of luck.
        rng_seed: RngSeed::Fixed(1),
        cases: 1500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn backward_is_the_derivative_of_forward(subject in subject(), seed in 0..u64::MAX) {
        check_along(subject, seed).map_err(TestCaseError::fail)?;
        check(subject, seed, Some(3)).map_err(TestCaseError::fail)?;
    }
}

/// Units around the lanes of every instruction set (2, 4, 8), in batches that favour lanes over
/// the batch and in those that do not.
#[test]
fn every_entry_is_right_around_the_lanes() -> Result<(), String> {
    for units in [1, 2, 3, 4, 5, 7, 8, 9, 15, 17] {
        for batch in [1, 8] {
            let subject = Subject { units, batch, inputs: 2, steps: 3, ..Subject::default() };
            check(subject, 1, None)?;
        }
    }
    Ok(())
}

#[test]
fn every_entry_is_right_for_every_pair_of_activations() -> Result<(), String> {
    for activation in [Tanh, Sigmoid, Relu, Linear] {
        for recurrent_activation in [Tanh, Sigmoid, Relu, Linear] {
            for (units, batch) in [(2, 9), (6, 2)] {
                let sizes = Subject { units, batch, ..Subject::default() };
                check(Subject { activation, recurrent_activation, ..sizes }, 2, None)?;
            }
        }
    }
    Ok(())
}

#[test]
fn every_entry_is_right_with_every_option() -> Result<(), String> {
    for flags in 0..8 {
        for states in States::ALL {
            for (units, batch) in [(3, 8), (9, 3)] {
                let subject = Subject {
                    units,
                    batch,
                    steps: 3,
                    inputs: 2,
                    use_bias: flags & 1 == 0,
                    return_sequences: flags & 2 == 0,
                    go_backwards: flags & 4 == 0,
                    states,
                    ..Subject::default()
                };
                check(subject, 3, None)?;
            }
        }
    }
    Ok(())
}

#[test]
fn every_entry_is_right_in_stacks_with_a_head() -> Result<(), String> {
    for head in [Linear, Relu, Sigmoid, Tanh, Softmax] {
        for return_sequences in [false, true] {
            let head = Some((4, head));
            let subject = Subject { layers: 3, return_sequences, head, ..Subject::default() };
            check(subject, 4, None)?;
        }
    }
    Ok(())
}

/// More rows than `predict` takes at a time, more steps than a group has rows, one of everything.
#[test]
fn every_entry_is_right_at_the_ends_of_the_sizes() -> Result<(), String> {
    let default = Subject::default();
    check(Subject { batch: 40, units: 2, inputs: 1, steps: 2, ..default }, 5, None)?;
    check(Subject { batch: 1, units: 3, inputs: 1, steps: 40, ..default }, 5, None)?;
    check(Subject { batch: 1, units: 1, inputs: 1, steps: 1, ..default }, 5, None)?;
    check(Subject { batch: 18, units: 9, inputs: 30, steps: 1, ..default }, 5, None)
}
