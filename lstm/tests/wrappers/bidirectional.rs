//! Both ways: against a layer for each of them, and against differences.

use lstm::{Activation, Bidirectional, LSTM, MergeMode, Tensor};

use crate::case::{BATCH, Case, STEPS, close, numbers};

const MODES: [Option<MergeMode>; 5] = [
    Some(MergeMode::Concat),
    Some(MergeMode::Sum),
    Some(MergeMode::Mul),
    Some(MergeMode::Ave),
    None,
];

/// What one way of a bidirectional layer makes, from a layer of its own.
fn way(case: &Case, layer: LSTM, way: usize, states: bool) -> Vec<Vec<f64>> {
    let given: &[usize] = if states { &[4, 4] } else { &[] };
    let mut alone = Case::new(layer, given, case.masked);
    let weights = case.model.get_weights();
    alone.model.set_weights(&weights[way * 3..way * 3 + 3]).unwrap();
    for i in 0..given.len() {
        alone.data[1 + i] = case.data[1 + 2 * way + i].clone();
    }
    alone.outputs().into_iter().map(Tensor::into_data).collect()
}

#[test]
fn both_ways_are_two_layers_of_which_one_reads_backwards() {
    for mode in MODES {
        for sequences in [false, true] {
            for masked in [false, true] {
                for states in [false, true] {
                    let what = format!("{mode:?}, {sequences}, {masked}, {states}");
                    let lstm = LSTM::new(4).return_sequences(sequences).return_state(states);
                    let layer = Bidirectional::new(lstm.clone()).merge_mode(mode);
                    let given: &[usize] = if states { &[4; 4] } else { &[] };
                    let mut case = Case::new(layer, given, masked);
                    let got = case.outputs();

                    // With sequences, masked steps have zeros.
                    let lstm = lstm.zero_output_for_mask(sequences);
                    let forward = way(&case, lstm.clone(), 0, states);
                    let mut backward = way(&case, lstm.go_backwards(true), 1, states);
                    if sequences {
                        let rows = backward[0].chunks(STEPS * 4);
                        let flipped = rows.flat_map(|row| row.chunks(4).rev().flatten().copied());
                        backward[0] = flipped.collect();
                    }
                    let pairs = forward[0].iter().zip(&backward[0]);
                    let values: Vec<Vec<f64>> = match mode {
                        None => vec![forward[0].clone(), backward[0].clone()],
                        Some(MergeMode::Concat) => {
                            let both = forward[0].chunks(4).zip(backward[0].chunks(4));
                            vec![both.flat_map(|(a, b)| [a, b].concat()).collect()]
                        }
                        Some(MergeMode::Sum) => vec![pairs.map(|(a, b)| a + b).collect()],
                        Some(MergeMode::Mul) => vec![pairs.map(|(a, b)| a * b).collect()],
                        Some(MergeMode::Ave) => vec![pairs.map(|(a, b)| (a + b) / 2.0).collect()],
                    };
                    let want: Vec<_> =
                        values.iter().chain(&forward[1..]).chain(&backward[1..]).collect();
                    assert_eq!(got.len(), want.len(), "{what}");
                    for (i, (got, want)) in got.iter().zip(want).enumerate() {
                        close(got.data(), want, &format!("{what}, output {i}"));
                    }
                }
            }
        }
    }
}

#[test]
fn gradients_of_both_ways_are_those_of_differences() {
    for mode in MODES {
        for (sequences, states, masked) in
            [(false, true, false), (true, false, true), (true, true, true), (false, false, true)]
        {
            let lstm = LSTM::new(2).return_sequences(sequences).return_state(states);
            let layer = Bidirectional::new(lstm).merge_mode(mode);
            let given: &[usize] = if states { &[2; 4] } else { &[] };
            let what = format!("{mode:?}, {sequences}, {states}, {masked}");
            Case::new(layer, given, masked).check_gradients(&what);
        }
    }
}

/// Only one of the outputs has a gradient: the other layer's are zero, not those of the call before.
#[test]
fn what_leads_nowhere_has_no_gradient() {
    let lstm = LSTM::new(2).return_sequences(true).return_state(true);
    let layer = Bidirectional::new(lstm).merge_mode(None);
    let mut case = Case::new(layer, &[2; 4], false);
    case.check_gradients("all outputs");
    let dy = numbers(7, &[BATCH, STEPS, 2]);
    let data: Vec<&Tensor<f64>> = case.data.iter().collect();
    let found = case.model.gradients(&data[..], &[Some(&dy), None, None, None, None, None]);
    let found = found.unwrap();
    let is_zero = |tensor: &Tensor<f64>| tensor.data().iter().all(|&d| d == 0.0);
    let weights: Vec<bool> = found.weights.iter().map(is_zero).collect();
    assert_eq!(weights, [false, false, false, true, true, true]);
    let inputs: Vec<bool> = found.inputs.iter().map(is_zero).collect();
    assert_eq!(inputs, [false, false, false, true, true]);
}

#[test]
fn a_backward_layer_of_its_own_may_have_other_units_and_activations() {
    let forward = LSTM::new(2).return_sequences(true).return_state(true);
    let backward = LSTM::new(3)
        .activation(Activation::Softsign)
        .return_sequences(true)
        .return_state(true)
        .go_backwards(true);
    for mode in [Some(MergeMode::Concat), None] {
        let layer = Bidirectional::new(forward.clone()).backward_layer(backward.clone());
        let mut case = Case::new(layer.merge_mode(mode), &[2, 2, 3, 3], true);
        let features: Vec<_> =
            case.outputs().iter().map(|y| y.shape()[y.shape().len() - 1]).collect();
        match mode {
            Some(_) => assert_eq!(features, [5, 2, 2, 3, 3]),
            None => assert_eq!(features, [2, 3, 2, 2, 3, 3]),
        }
        case.check_gradients(&format!("{mode:?}"));
    }
    // The forward layer may be the one that starts at the end.
    let layer =
        Bidirectional::new(forward.go_backwards(true)).backward_layer(backward.go_backwards(false));
    Case::new(layer, &[], true).check_gradients("ways exchanged");
}
