//! Cells: against layers one upon the other, and against differences.

use lstm::{Activation, Bidirectional, Input, LSTM, LSTMCell, Model, RNN, Shared, Symbol, Tensor};

use crate::case::{Case, FEATURES, STEPS, close, mask};

pub(crate) fn cells() -> [LSTMCell; 2] {
    [LSTMCell::new(4), LSTMCell::new(2).activation(Activation::Softsign)]
}

#[test]
fn cells_are_layers_one_upon_the_other() {
    for masked in [false, true] {
        for sequences in [false, true] {
            let rnn = RNN::new(cells()).return_sequences(sequences).return_state(true);
            let mut case = Case::new(rnn.clone(), &[4, 4, 2, 2], masked);
            let got = case.outputs();

            let mut inputs = vec![Symbol::clone(&Input::new([STEPS, FEATURES]))];
            inputs.extend([4, 4, 2, 2].map(|units| Symbol::clone(&Input::new([units]))));
            let valid = Symbol::clone(&Input::new([STEPS]));
            let (lower, upper) = (LSTM::new(4), LSTM::new(2).activation(Activation::Softsign));
            let lower = Shared::new(lower.return_sequences(true).return_state(true));
            let upper = Shared::new(upper.return_sequences(sequences).return_state(true));
            let call = |layer: &Shared, inputs: [&Symbol; 3]| match masked {
                true => layer.call_masked(inputs, &valid).unwrap(),
                false => layer.call(inputs).unwrap(),
            };
            let a = call(&lower, [&inputs[0], &inputs[1], &inputs[2]]);
            let b = call(&upper, [&a, &inputs[3], &inputs[4]]);
            let [[h, c], [g, d]] = [a.states().unwrap(), b.states().unwrap()];
            if masked {
                inputs.push(valid);
            }
            let mut two = Model::<f64>::new_as(&inputs[..], [&b, &h, &c, &g, &d]).unwrap();
            two.set_weights(&case.model.get_weights()).unwrap();
            let data: Vec<_> = case.data.iter().collect();
            let want = two.gradients(&data[..], &[None; 5]).unwrap().outputs;
            for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                let what = format!("{masked}, {sequences}, output {i}");
                assert_eq!(got.shape(), want.shape(), "{what}");
                close(got.data(), want.data(), &what);
            }
        }
    }
}

#[test]
fn one_cell_is_an_lstm() {
    for backwards in [false, true] {
        let cell = RNN::new(LSTMCell::new(4)).return_sequences(true).go_backwards(backwards);
        let layer = LSTM::new(4).return_sequences(true).go_backwards(backwards);
        let got = Case::new(cell, &[4, 4], true).outputs();
        let want = Case::new(layer, &[4, 4], true).outputs();
        assert_eq!(got[0].shape(), want[0].shape());
        close(got[0].data(), want[0].data(), "one cell");
    }
}

#[test]
fn gradients_of_cells_are_those_of_differences() {
    for masked in [false, true] {
        for backwards in [false, true] {
            for (sequences, states) in [(false, true), (true, false), (true, true)] {
                let rnn = RNN::new(cells())
                    .return_sequences(sequences)
                    .return_state(states)
                    .go_backwards(backwards)
                    .zero_output_for_mask(sequences && states);
                let given: &[usize] = if states { &[4, 4, 2, 2] } else { &[] };
                let what = format!("{masked}, {backwards}, {sequences}, {states}");
                Case::new(rnn, given, masked).check_gradients(&what);
            }
        }
    }
    let both = Bidirectional::new(RNN::new(cells()).return_sequences(true).return_state(true));
    Case::new(both.clone(), &[4, 4, 2, 2, 4, 4, 2, 2], true).check_gradients("cells both ways");
    Case::new(both, &[], false).check_gradients("cells both ways, without states");
}

/// The cell above the first gets its steps in reverse, and so its mask has to be.
#[test]
fn a_stack_that_reads_backwards_passes_over_the_same_steps() {
    let rnn = RNN::new(cells()).go_backwards(true);
    let mut case = Case::new(rnn, &[], true);
    let before = case.outputs();
    let mut valid = mask().into_data();
    for (step, valid) in case.data[0].data_mut().chunks_mut(FEATURES).zip(&mut valid) {
        if *valid == 0.0 {
            step.fill(99.0);
        }
    }
    assert_eq!(before, case.outputs());
    // As if what is left were all there is.
    let x: Vec<f64> =
        case.data[0].data()[STEPS * FEATURES..][2 * FEATURES..STEPS * FEATURES].to_vec();
    let input = Input::new([None, Some(FEATURES)]);
    let y = RNN::new(cells()).go_backwards(true).call(&input).unwrap();
    let mut short = Model::<f64>::new_as(&input, &y).unwrap();
    short.set_weights(&case.model.get_weights()).unwrap();
    let got = short.predict(&Tensor::new([1, 3, FEATURES], x).unwrap()).unwrap();
    close(got.data(), &before[0].data()[2..4], "second row");
}
