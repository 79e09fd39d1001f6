//! Layers around recurrent layers: against what they are made of, and against differences.

use lstm::{
    Activation, Bidirectional, Dense, Dropout, Input, LSTM, LSTMCell, Layer, Masking, MergeMode,
    Model, RNN, Recurrent, Shared, Symbol, Tensor, TimeDistributed,
};

const MODES: [Option<MergeMode>; 5] = [
    Some(MergeMode::Concat),
    Some(MergeMode::Sum),
    Some(MergeMode::Mul),
    Some(MergeMode::Ave),
    None,
];

/// Numbers between -1 and 1 that look random.
fn numbers(seed: u32, shape: &[usize]) -> Tensor<f64> {
    let mut state = seed.wrapping_mul(2_654_435_761) ^ 0x9e37_79b9;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 23) - 1.0
    };
    let data = (0..shape.iter().product()).map(|_| next()).collect();
    Tensor::new(shape, data).unwrap()
}

/// Rows of different lengths: one whole, one that starts late, one with a gap, one with no step.
fn mask() -> Tensor<f64> {
    let rows = [[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 0, 0, 0]];
    Tensor::new([4, 5], rows.concat().into_iter().map(f64::from).collect()).unwrap()
}

const BATCH: usize = 4;
const STEPS: usize = 5;
const FEATURES: usize = 3;

/// A model of one layer, and its data: `x`, states, and a mask at the end.
struct Case {
    model: Model<f64>,
    data: Vec<Tensor<f64>>,
    masked: bool,
}

impl Case {
    fn new(layer: impl Into<Layer>, states: &[usize], masked: bool) -> Self {
        let mut inputs = vec![Symbol::clone(&Input::new([STEPS, FEATURES]))];
        let mut data = vec![numbers(1, &[BATCH, STEPS, FEATURES])];
        for (i, &units) in states.iter().enumerate() {
            inputs.push(Symbol::clone(&Input::new([units])));
            data.push(numbers(10 + i as u32, &[BATCH, units]));
        }
        let layer = Shared::new(layer);
        let y = match masked {
            false => layer.call(&inputs[..]).unwrap(),
            true => {
                let valid = Symbol::clone(&Input::new([STEPS]));
                let y = layer.call_masked(&inputs[..], &valid).unwrap();
                inputs.push(valid);
                data.push(mask());
                y
            }
        };
        let outputs: Vec<Symbol> = (0..y.outputs()).map(|i| y.output(i).unwrap()).collect();
        let mut model = Model::new_as(&inputs[..], &outputs[..]).unwrap();
        let weights: Vec<_> = model.get_weights();
        let other = weights.iter().enumerate();
        let other: Vec<_> = other.map(|(i, w)| numbers(100 + i as u32, w.shape())).collect();
        model.set_weights(&other).unwrap();
        Case { model, data, masked }
    }

    fn outputs(&mut self) -> Vec<Tensor<f64>> {
        let data: Vec<&Tensor<f64>> = self.data.iter().collect();
        let nothing = vec![None; self.model.output_shapes().count()];
        self.model.gradients(&data[..], &nothing).unwrap().outputs
    }

    /// Compares the gradients of `Σ dy·y` with central differences: of every input but the mask,
    /// and of some of the weights.
    fn check_gradients(&mut self, what: &str) {
        let outputs = self.outputs();
        let dy: Vec<_> = (200..).zip(&outputs).map(|(seed, y)| numbers(seed, y.shape())).collect();
        let some: Vec<_> = dy.iter().map(Some).collect();
        let data: Vec<&Tensor<f64>> = self.data.iter().collect();
        let found = self.model.gradients(&data[..], &some).unwrap();

        let loss = |case: &mut Case| -> f64 {
            let outputs = case.outputs();
            let pairs = outputs.iter().zip(&dy);
            pairs.flat_map(|(y, dy)| y.data().iter().zip(dy.data())).map(|(y, dy)| y * dy).sum()
        };
        let step = 1e-6;
        let given = self.data.len() - usize::from(self.masked);
        for (i, gradient) in found.inputs.iter().enumerate().take(given) {
            for at in 0..gradient.data().len() {
                let x = self.data[i].data()[at];
                let mut side = |x: f64| {
                    self.data[i].data_mut()[at] = x;
                    loss(self)
                };
                let difference = (side(x + step) - side(x - step)) / (2.0 * step);
                side(x);
                let error = (difference - gradient.data()[at]).abs();
                assert!(error < 1e-7 * (1.0 + difference.abs()), "{what}: input {i} at {at}");
            }
        }
        let weights = self.model.get_weights();
        for (i, gradient) in found.weights.iter().enumerate() {
            for at in (0..gradient.data().len()).step_by(3) {
                let mut side = |by: f64| {
                    let mut weights = weights.clone();
                    weights[i].data_mut()[at] += by;
                    self.model.set_weights(&weights).unwrap();
                    loss(self)
                };
                let difference = (side(step) - side(-step)) / (2.0 * step);
                let error = (difference - gradient.data()[at]).abs();
                assert!(error < 1e-7 * (1.0 + difference.abs()), "{what}: weight {i} at {at}");
            }
        }
        self.model.set_weights(&weights).unwrap();
    }
}

fn close(got: &[f64], want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() < 1e-14, "{what}: {got}, not {want}, at {i}");
    }
}

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

fn cells() -> [LSTMCell; 2] {
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

#[test]
fn states_are_carried_both_ways_and_by_every_cell_until_they_are_reset() {
    let lstm = LSTM::new(4).stateful(true);
    let rnn = RNN::new(cells()).stateful(true);
    let layers: [(Layer, Layer); 2] = [
        (
            Bidirectional::new(lstm.clone()).into(),
            Bidirectional::new(lstm.return_state(true)).into(),
        ),
        (rnn.clone().into(), rnn.return_state(true).into()),
    ];
    for (layer, with_states) in layers {
        let mut case = Case::new(layer, &[], false);
        let x = case.data[0].clone();
        let first = case.model.predict(&x).unwrap();
        let second = case.model.predict(&x).unwrap();
        assert_ne!(first, second);
        let message = case.model.predict(&numbers(1, &[3, STEPS, FEATURES])).unwrap_err();
        assert!(message.to_string().contains("stateful"), "{message}");
        case.model.reset_states();
        assert_eq!(case.model.predict(&x).unwrap(), first);

        // The second call starts with the states that the first has returned.
        let sizes: &[usize] =
            if matches!(with_states, Layer::RNN(_)) { &[4, 4, 2, 2] } else { &[4; 4] };
        let mut explicit = Case::new(with_states, sizes, false);
        explicit.model.set_weights(&case.model.get_weights()).unwrap();
        explicit.data[1..].iter_mut().for_each(|state| state.data_mut().fill(0.0));
        let outputs = explicit.outputs();
        assert_eq!(outputs[0], first);
        explicit.data[1..].clone_from_slice(&outputs[1..]);
        assert_eq!(explicit.outputs()[0], second);
    }
}

#[test]
fn every_step_goes_through_the_layer_on_its_own() {
    let (outer, steps, features) = (3, 4, 2);
    let input = Input::new([outer, steps, features]);
    let layers: [Layer; 4] = [
        Dense::new(3).activation(Activation::Tanh).into(),
        LSTM::new(3).into(),
        Bidirectional::new(LSTM::new(2).return_sequences(true)).into(),
        TimeDistributed::new(Dense::new(2)).into(),
    ];
    for layer in layers {
        let what = format!("{layer:?}");
        let y = TimeDistributed::new(layer.clone()).call(&input).unwrap();
        let mut model = Model::<f64>::new_as(&input, &y).unwrap();
        let one = Input::new([steps, features]);
        let mut alone = Model::<f64>::new_as(&one, &layer.call(&[&one]).unwrap()).unwrap();
        alone.set_weights(&model.get_weights()).unwrap();

        let x = numbers(3, &[2, outer, steps, features]);
        let got = model.predict(&x).unwrap();
        let rows = x.clone().reshape([2 * outer, steps, features]).unwrap();
        let want = alone.predict(&rows).unwrap();
        assert_eq!(got.shape()[..2], [2, outer], "{what}");
        assert_eq!(got.shape()[2..], want.shape()[1..], "{what}");
        assert_eq!(got.data(), want.data(), "{what}");

        let dy = numbers(4, got.shape());
        let got = model.gradients(&x, &[Some(&dy)]).unwrap();
        let dy = dy.reshape(want.shape()).unwrap();
        let want = alone.gradients(&rows, &[Some(&dy)]).unwrap();
        assert_eq!(got.inputs[0].data(), want.inputs[0].data(), "{what}");
        assert_eq!(got.weights, want.weights, "{what}");
    }
}

#[test]
fn a_mask_goes_on_through_every_step_and_into_them() {
    // Of the steps: on to a layer behind.
    let x = Input::new([4, 2]);
    let masked = Masking::new().call(&x).unwrap();
    let y = TimeDistributed::new(Dense::new(2).use_bias(true)).call(&masked).unwrap();
    let last = LSTM::new(3).call(&y).unwrap();
    let mut model = Model::<f64>::new_as(&x, &last).unwrap();
    let mut data = numbers(5, &[2, 4, 2]);
    data.data_mut()[4..8].fill(0.0);
    let padded = model.predict(&data).unwrap();
    let dense = Dense::new(2).call(&masked).unwrap();
    let mut plain = Model::<f64>::new_as(&x, &LSTM::new(3).call(&dense).unwrap()).unwrap();
    plain.set_weights(&model.get_weights()).unwrap();
    assert_eq!(padded, plain.predict(&data).unwrap());

    // Of what is inside the steps: to the layer.
    let x = Input::new([3, 4, 2]);
    let masked = Masking::new().call(&x).unwrap();
    let y = TimeDistributed::new(LSTM::new(3)).call(&masked).unwrap();
    let mut model = Model::<f64>::new_as(&x, &y).unwrap();
    let mut data = numbers(6, &[2, 3, 4, 2]);
    data.data_mut()[20..24].fill(0.0); // the last two steps of step 2 of row 0
    let got = model.predict(&data).unwrap();
    let short = Input::new([2, 2]);
    let mut alone = Model::<f64>::new_as(&short, &LSTM::new(3).call(&short).unwrap()).unwrap();
    alone.set_weights(&model.get_weights()).unwrap();
    let kept = Tensor::new([1, 2, 2], data.data()[16..20].to_vec()).unwrap();
    close(&got.data()[6..9], alone.predict(&kept).unwrap().data(), "shortened step");
    // It is not one of the steps of the output, and ends here.
    let behind = LSTM::new(2).call(&y).unwrap();
    assert!(Model::<f64>::new_as(&x, &behind).unwrap().predict(&data).is_ok());
    // Where the layer keeps the steps inside, it goes on.
    let y = TimeDistributed::new(LSTM::new(3).return_sequences(true)).call(&masked).unwrap();
    let behind = TimeDistributed::new(LSTM::new(2)).call(&y).unwrap();
    let mut model = Model::<f64>::new_as(&x, &behind).unwrap();
    let before = model.predict(&data).unwrap();
    assert!(before.data().iter().all(|y| y.is_finite()));
}

#[test]
fn names_of_weights_say_which_layer_they_are_of() {
    let x = Input::new([None, Some(3)]);
    let both = Bidirectional::new(LSTM::new(2).name("words").return_sequences(true)).name("both");
    let cells = RNN::new(cells()).name("cells").return_sequences(true);
    let y = both.call(&x).unwrap();
    let y = cells.call(&y).unwrap();
    let y = RNN::new(LSTMCell::new(2)).return_sequences(true).name("one").call(&y).unwrap();
    let y = TimeDistributed::new(Dense::new(1)).call(&y).unwrap();
    let names = Model::<f64>::new_as(&x, &y).unwrap().weight_names();
    let of = |layer: &str| {
        ["kernel", "recurrent_kernel", "bias"].map(|weight| format!("{layer}/{weight}")).to_vec()
    };
    let want = [
        of("both/forward_words"),
        of("both/backward_words"),
        of("cells/stacked_rnn_cells/lstm_cell"),
        of("cells/stacked_rnn_cells/lstm_cell_1"),
        of("one/lstm_cell"),
        vec!["time_distributed/dense/kernel".to_owned(), "time_distributed/dense/bias".to_owned()],
    ];
    assert_eq!(names, want.concat());
}

fn refusal(layer: impl Into<Layer>, shape: &[usize], more: &[usize]) -> String {
    let inputs: Vec<Symbol> = [Symbol::clone(&Input::new(shape))]
        .into_iter()
        .chain(more.iter().map(|&units| Symbol::clone(&Input::new([units]))))
        .collect();
    Shared::new(layer).call(&inputs[..]).unwrap_err().to_string()
}

#[test]
fn layers_that_do_not_fit_together_are_refused() {
    let lstm = LSTM::new(2);
    let x = &[5, 3];
    assert_eq!(
        refusal(Bidirectional::new(lstm.clone().go_backwards(true)), x, &[]),
        "Bidirectional: the forward layer and the backward layer should have different \
         `go_backwards` values, found true for both"
    );
    let backwards = lstm.clone().go_backwards(true);
    assert_eq!(
        refusal(
            Bidirectional::new(lstm.clone())
                .backward_layer(backwards.clone().return_sequences(true)),
            x,
            &[]
        ),
        "Bidirectional: the forward layer and the backward layer should have the same \
         `return_sequences`, found false for the forward layer and true for the backward layer"
    );
    let sum = Bidirectional::new(lstm.clone()).merge_mode(MergeMode::Sum);
    assert_eq!(
        refusal(sum.backward_layer(LSTM::new(3).go_backwards(true)), x, &[]),
        "Bidirectional: merge_mode `sum` needs layers with as many units, found 2 and 3"
    );
    let both = Bidirectional::new(lstm.clone());
    assert_eq!(
        refusal(both.clone(), x, &[2, 2]),
        "Bidirectional: expected x, or x and 4 states, found 3 inputs"
    );
    assert_eq!(
        refusal(both.clone(), x, &[2, 2, 2, 3]),
        "initial state 3 of Bidirectional: expected shape (None, 2), found (None, 3)"
    );
    assert_eq!(
        refusal(both, &[3], &[]),
        "input of Bidirectional, [batch, steps, features]: expected shape (None, None, 3), found \
         (None, 3)"
    );
    assert_eq!(
        refusal(Bidirectional::new(LSTM::new(0)).name("b"), x, &[]),
        "forward layer of Bidirectional `b`: units must be positive"
    );
    assert!(Recurrent::try_from(Layer::from(Dense::new(2))).is_err());
    assert_eq!(refusal(RNN::new([]), x, &[]), "RNN: expected at least one cell, found none");
    assert_eq!(
        refusal(RNN::new([LSTMCell::new(2), LSTMCell::new(0)]), x, &[]),
        "lstm_cell_1 of RNN: units must be positive"
    );
    assert_eq!(
        refusal(TimeDistributed::new(Dense::new(2)), &[3], &[]),
        "TimeDistributed: expected an input with at least 3 axes, found shape (None, 3)"
    );
    assert_eq!(
        refusal(TimeDistributed::new(LSTM::new(2).stateful(true)), &[4, 5, 3], &[]),
        "unsupported layer of TimeDistributed that is stateful: `LSTM`"
    );
    assert_eq!(
        refusal(TimeDistributed::new(LSTM::new(2).return_state(true)), &[4, 5, 3], &[]),
        "outputs of the LSTM of TimeDistributed: expected 1, found 3"
    );
    assert_eq!(
        refusal(TimeDistributed::new(Dropout::new(2.0)), &[5, 3], &[]),
        refusal(Dropout::new(2.0), &[5, 3], &[]).replacen(
            "Dropout",
            "Dropout of TimeDistributed",
            1
        )
    );
}
