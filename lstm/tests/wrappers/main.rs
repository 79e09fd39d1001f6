//! Layers around recurrent layers: against what they are made of, and against differences.

mod bidirectional;
mod case;
mod cells;
mod json;
mod time_distributed;
mod training;

use lstm::{
    Bidirectional, Dense, Dropout, Input, LSTM, LSTMCell, Layer, MergeMode, Model, RNN, Recurrent,
    TimeDistributed,
};

use case::{Case, FEATURES, STEPS, numbers, refusal};
use cells::cells;

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

/// As Keras counts them: layers inside of others have names of the same series.
#[test]
fn layers_inside_are_counted_where_names_are_made() {
    let x = Input::new([5, 3]);
    let y = Bidirectional::new(LSTM::new(2).return_sequences(true)).name("both").call(&x).unwrap();
    let y = TimeDistributed::new(Dense::new(2)).call(&y).unwrap();
    let y = TimeDistributed::new(Dense::new(2).name("named")).call(&y).unwrap();
    let back = LSTM::new(2).go_backwards(true);
    let y = Bidirectional::new(LSTM::new(2)).backward_layer(back).call(&y).unwrap();
    let z = LSTM::new(1).call(&TimeDistributed::new(Dense::new(1)).call(&x).unwrap()).unwrap();
    let y = Dense::new(1).call(&y).unwrap();
    let names = Model::<f64>::new_as(&x, [&y, &z]).unwrap().weight_names();
    let mut layers: Vec<_> = names.iter().map(|name| name.split('/').next().unwrap()).collect();
    layers.sort();
    layers.dedup();
    let want = [
        "bidirectional",
        "both",
        "dense_2",
        "lstm_3",
        "time_distributed",
        "time_distributed_1",
        "time_distributed_2",
    ];
    assert_eq!(layers, want);
}
