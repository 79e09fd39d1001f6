//! `fit` with truncated backpropagation through time, and with exact gradients in few bytes.

use lstm::{
    Adam, Bidirectional, Bptt, Callback, Dense, Dropout, Embedding, Error, Fit, Input, LSTM,
    LSTMCell, Loss, Masking, Model, RNN, RepeatVector, SGD, Sequential, Tensor, TimeDistributed,
    Validation, Verbose,
};

fn numbers(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
    .take(len)
    .collect()
}

fn tensor(seed: u32, shape: &[usize]) -> Tensor<f32> {
    Tensor::new(shape, numbers(seed, shape.iter().product())).unwrap()
}

fn bits(model: &Model) -> Vec<Vec<u32>> {
    let bits = |weight: &Tensor<f32>| weight.data().iter().map(|w| w.to_bits()).collect();
    model.get_weights().iter().map(bits).collect()
}

/// Two recurrent layers and a head that go step by step.
fn stepwise(stateful: bool, mask: bool) -> Model {
    let model = Sequential::new().add(Input::new([None, Some(2)]));
    let model = if mask { model.add(Masking::new()) } else { model };
    let mut model = model
        .add(LSTM::new(5).return_sequences(true).stateful(stateful))
        .add(
            RNN::new([LSTMCell::new(3), LSTMCell::new(4)])
                .return_sequences(true)
                .stateful(stateful),
        )
        .add(TimeDistributed::new(Dense::new(1)))
        .build()
        .unwrap();
    model.compile(Adam::default(), Loss::MeanSquaredError).unwrap();
    model
}

/// Steps of a tensor `[samples, steps, features]`.
fn steps(
    of: &Tensor<f32>,
    rows: std::ops::Range<usize>,
    steps: std::ops::Range<usize>,
) -> Tensor<f32> {
    let &[_, all, width] = of.shape() else { panic!("{:?}", of.shape()) };
    let mut data = Vec::new();
    for row in rows.clone() {
        data.extend_from_slice(
            &of.data()[(row * all + steps.start) * width..][..steps.len() * width],
        );
    }
    Tensor::new([rows.len(), steps.len(), width], data).unwrap()
}

/// What Keras's documentation tells to do: stateful layers, and windows cut by hand.
#[test]
fn windows_are_batches_of_stateful_layers() {
    for mask in [false, true] {
        let (mut x, y) = (tensor(1, &[8, 11, 2]), tensor(2, &[8, 11, 1]));
        if mask {
            // Rows of all lengths, of which two end in the first window.
            for (row, x) in x.data_mut().chunks_exact_mut(22).enumerate() {
                x[2 * (3 + row)..].fill(0.0);
            }
        }
        let mut by_hand = stepwise(true, mask);
        let mut losses = Vec::new();
        for _ in 0..2 {
            let mut sum = 0.0;
            for rows in [0..4, 4..8] {
                by_hand.reset_states();
                for window in [0..4, 4..8, 8..11] {
                    let part = |of| steps(of, rows.clone(), window.clone());
                    let loss = by_hand.train_on_batch(&part(&x), &part(&y)).unwrap();
                    sum += f64::from(loss) * window.len() as f64;
                }
            }
            losses.push(sum / 22.0);
        }
        let mut model = stepwise(false, mask);
        let options = Fit {
            epochs: 2,
            batch_size: 4,
            shuffle: false,
            bptt: Bptt::Truncated { window: 4 },
            verbose: Verbose::Silent,
            ..Fit::default()
        };
        let history = model.fit(&x, &y, options).unwrap();
        assert_eq!(bits(&model), bits(&by_hand), "mask: {mask}");
        for (found, expected) in history.loss().iter().zip(losses) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        // Afterwards the layers carry nothing on.
        let once = model.predict(&x).unwrap();
        assert_eq!(model.predict(&x).unwrap(), once);
    }
}

#[test]
fn a_window_as_long_as_the_sequence_truncates_nothing() {
    let (x, y) = (tensor(1, &[8, 6, 2]), tensor(2, &[8, 6, 1]));
    let trained = |bptt| {
        let mut model = stepwise(false, false);
        let options =
            Fit { epochs: 3, batch_size: 4, bptt, verbose: Verbose::Silent, ..Fit::default() };
        let history = model.fit(&x, &y, options).unwrap();
        (bits(&model), history.loss().to_vec())
    };
    let (weights, loss) = trained(Bptt::Full);
    for window in [6, 100] {
        let found = trained(Bptt::Truncated { window });
        assert_eq!(found.0, weights);
        for (found, loss) in found.1.iter().zip(&loss) {
            assert!((found - loss).abs() < 1e-7);
        }
    }
    assert_ne!(trained(Bptt::Truncated { window: 3 }).0, weights);
}

#[test]
fn indices_and_weights_of_steps_are_cut_too() {
    let indices: Vec<f32> = numbers(1, 8 * 9).iter().map(|x| (x.abs() * 4.0).floor()).collect();
    let x = Tensor::new([8, 9], indices).unwrap();
    let y = tensor(2, &[8, 9, 1]);
    // Only the second window counts: the first cannot teach anything.
    let weights: Vec<f32> = (0..72).map(|at| if at % 9 < 5 { 0.0 } else { 1.0 }).collect();
    let weights = Tensor::new([8, 9], weights).unwrap();
    let trained = |x: &Tensor<f32>, y: &Tensor<f32>| {
        let mut model = Sequential::new()
            .add(Input::new([None]))
            .add(Embedding::new(4, 3))
            .add(LSTM::new(4).return_sequences(true))
            .add(Dense::new(1))
            .build()
            .unwrap();
        model.compile(SGD::default(), Loss::MeanSquaredError).unwrap();
        let options = Fit {
            sample_weight: &[&weights],
            shuffle: false,
            bptt: Bptt::Truncated { window: 5 },
            verbose: Verbose::Silent,
            ..Fit::default()
        };
        model.fit(x, y, options).unwrap();
        bits(&model)
    };
    let mut other = y.clone();
    for row in other.data_mut().chunks_exact_mut(9) {
        row[..5].fill(7.0);
    }
    assert_eq!(trained(&x, &y), trained(&x, &other));
    other.data_mut()[8] = 7.0;
    assert_ne!(trained(&x, &y), trained(&x, &other));
}

fn refused(model: Sequential, x: &[usize], y: &[usize], bptt: Bptt) -> String {
    let mut model = model.build().unwrap();
    model.compile(SGD::default(), Loss::MeanSquaredError).unwrap();
    let before = bits(&model);
    let options = Fit { bptt, verbose: Verbose::Silent, ..Fit::default() };
    let refused = model.fit(&tensor(1, x), &tensor(2, y), options).unwrap_err();
    assert_eq!(bits(&model), before);
    // The next training is one as before.
    let options = Fit { verbose: Verbose::Silent, ..Fit::default() };
    model.fit(&tensor(1, x), &tensor(2, y), options).unwrap();
    refused.to_string()
}

#[test]
fn models_that_do_not_go_step_by_step_are_refused_by_name() {
    let window = Bptt::Truncated { window: 3 };
    let model = || Sequential::new().add(Input::new([6, 2]));
    let last = refused(model().add(LSTM::new(3).name("encoder")), &[2, 6, 2], &[2, 3], window);
    assert!(last.contains("`encoder`") && last.contains("no steps"), "{last}");
    let both = Bidirectional::new(LSTM::new(3).return_sequences(true));
    let both = refused(model().add(both), &[2, 6, 2], &[2, 6, 6], window);
    assert!(both.contains("Bidirectional `bidirectional`"), "{both}");
    let repeated = model().add(LSTM::new(3)).add(RepeatVector::new(6));
    let repeated = refused(repeated, &[2, 6, 2], &[2, 6, 3], window);
    assert!(repeated.contains("no steps"), "{repeated}");
    let sequence = model().add(LSTM::new(3).return_sequences(true));
    let none = refused(sequence, &[2, 6, 2], &[2, 6, 3], Bptt::Truncated { window: 0 });
    assert!(none.contains("window"), "{none}");
}

/// Recurrent layers in all places where there are some.
fn deep() -> Sequential {
    Sequential::new()
        .add(Input::new([None, Some(3), Some(2)]))
        .add(TimeDistributed::new(LSTM::new(3)))
        .add(Bidirectional::new(LSTM::new(5).return_sequences(true)))
        .add(Dropout::new(0.2))
        .add(LSTM::new(20).return_sequences(true).recurrent_dropout(0.2))
        .add(RNN::new([LSTMCell::new(3), LSTMCell::new(17)]))
        .add(Dense::new(1))
}

/// The bytes that an error says are needed.
fn needed(error: &Error) -> usize {
    let text = error.to_string();
    let at = text.find(": ").expect("a number");
    let digits = text[at..].split(|c: char| !c.is_ascii_digit()).rfind(|part| !part.is_empty());
    digits.unwrap().parse().unwrap()
}

#[test]
fn few_bytes_train_to_the_same_bits() {
    let (x, y) = (tensor(1, &[16, 300, 3, 2]), tensor(2, &[16, 1]));
    let trained = |bptt| {
        let mut model = deep().build().unwrap();
        model.compile(Adam::default(), Loss::MeanSquaredError).unwrap();
        let options =
            Fit { epochs: 2, batch_size: 16, bptt, verbose: Verbose::Silent, ..Fit::default() };
        model.fit(&x, &y, options).map(|history| (bits(&model), history))
    };
    let expected = trained(Bptt::Full).unwrap();
    let least = needed(&trained(Bptt::Checkpointed { bytes: 1000 }).unwrap_err());
    // Every layer is cut but the one over three steps. What all would keep, `inputs + 7 units`:
    let kept = 16 * 300 * (3 * 23 + 2 * 38 + 150 + 41 + 122) * size_of::<f32>();
    assert!(4 * least < 3 * kept, "{least} of {kept}");
    for bytes in [least / 2, least - 1] {
        assert!(trained(Bptt::Checkpointed { bytes }).is_err());
    }
    for bytes in [least, 2 * least, 1 << 40] {
        assert_eq!(trained(Bptt::Checkpointed { bytes }).unwrap(), expected, "{bytes} bytes");
    }
}

/// A layer over few steps cannot do with less than it can use; the others still can.
#[test]
fn a_decoder_of_few_steps_does_not_make_its_encoder_keep_all() {
    let (x, y) = (tensor(1, &[16, 1500, 2]), tensor(2, &[16, 5, 1]));
    let trained = |bptt| {
        let mut model = Sequential::new()
            .add(Input::new([None, Some(2)]))
            .add(LSTM::new(16))
            .add(RepeatVector::new(5))
            .add(LSTM::new(16).return_sequences(true))
            .add(Dense::new(1))
            .build()
            .unwrap();
        model.compile(Adam::default(), Loss::MeanSquaredError).unwrap();
        let options = Fit { batch_size: 16, bptt, verbose: Verbose::Silent, ..Fit::default() };
        model.fit(&x, &y, options).map(|history| (bits(&model), history))
    };
    let kept = 16 * 1500 * (2 + 7 * 16) * size_of::<f32>();
    let expected = trained(Bptt::Full).unwrap();
    assert_eq!(trained(Bptt::Checkpointed { bytes: kept / 4 }).unwrap(), expected);
}

/// One layer upon another share what there is by a division that leaves a rest.
#[test]
fn as_many_bytes_as_are_asked_for_are_enough_and_fewer_are_not() {
    let layer = || LSTM::new(32).return_sequences(true);
    for upper in [None, Some(LSTM::new(16).return_sequences(true))] {
        let (x, y) = (tensor(1, &[16, 1000, 2]), tensor(2, &[16, 1]));
        let trained = |bytes| {
            let model = Sequential::new().add(Input::new([None, Some(2)])).add(layer());
            let model = upper.iter().cloned().fold(model, Sequential::add);
            let mut model = model.add(LSTM::new(3)).add(Dense::new(1)).build().unwrap();
            model.compile(SGD::default(), Loss::MeanSquaredError).unwrap();
            let bptt = Bptt::Checkpointed { bytes };
            let options = Fit { batch_size: 16, bptt, verbose: Verbose::Silent, ..Fit::default() };
            model.fit(&x, &y, options)
        };
        let least = needed(&trained(1).unwrap_err());
        assert_eq!(needed(&trained(least - 1).unwrap_err()), least);
        trained(least).unwrap();
    }
}

/// Sees whether a training has begun.
#[derive(Default)]
struct Witness(bool);

impl Callback<f32> for Witness {
    fn on_train_begin(&mut self, _: &mut Model) -> lstm::Result<()> {
        self.0 = true;
        Ok(())
    }
}

/// The last batch is smaller, and needs more: its chunks of steps are longer.
#[test]
fn all_batches_are_looked_at_before_the_training_begins() {
    let (x, y) = (tensor(1, &[19, 1000, 2]), tensor(2, &[19, 1]));
    let mut model = Sequential::new()
        .add(Input::new([None, Some(2)]))
        .add(LSTM::new(3))
        .add(Dense::new(1))
        .build()
        .unwrap();
    model.compile(SGD::default(), Loss::MeanSquaredError).unwrap();
    let before = bits(&model);
    let mut train = |bytes| {
        let bptt = Bptt::Checkpointed { bytes };
        let options = Fit { batch_size: 16, bptt, verbose: Verbose::Silent, ..Fit::default() };
        let mut witness = Witness::default();
        let result = model.fit_with(&x, &y, options, &mut [&mut witness]);
        (result, witness.0, bits(&model))
    };
    let (refused, begun, after) = train(300_000);
    let least = needed(&refused.unwrap_err());
    assert!(least > 300_000 && !begun && after == before);
    assert!(train(least).0.is_ok());

    // Sequences to validate on that are longer need nothing more: nothing goes back through them.
    let (longer, targets) = (tensor(3, &[19, 9000, 2]), tensor(4, &[19, 1]));
    let validation_data = Validation { x: &[&longer], y: &[&targets], sample_weight: &[] };
    let bptt = Bptt::Checkpointed { bytes: least };
    let options =
        Fit { batch_size: 16, bptt, validation_data, verbose: Verbose::Silent, ..Fit::default() };
    let found = model.fit(&x, &y, options).unwrap();
    let expected = model.evaluate(&longer, &targets).unwrap();
    assert!((found.get("val_loss").unwrap()[0] - expected).abs() < 1e-6);
}
