//! A model that takes one step at a time gives what it gives for the whole sequence.

use lstm::{
    Activation, ActivationLayer, Add, Bidirectional, Concatenate, Dense, Dropout, Embedding,
    Flatten, Input, Isa, LSTM, LSTMCell, LayerNormalization, Masking, Model, Permute, RNN,
    RepeatVector, Result, Sequential, Shared, Softmax, SpatialDropout1D, StackedRNNCells, Symbol,
    Tensor, TimeDistributed,
};

const STEPS: usize = 7;

fn waves(shape: &[usize]) -> Tensor<f32> {
    let size: usize = shape.iter().product();
    Tensor::new(shape, (1..=size).map(|i| (i as f32 * 1.7).sin()).collect()).unwrap()
}

/// Several layers of each kind that takes steps.
fn tall(units: usize) -> Model {
    let x = Input::new([None, Some(3)]);
    let a = LSTM::new(units).return_sequences(true).dropout(0.3).call(&x).unwrap();
    let b = Dense::new(units).activation(Activation::Gelu).call(&x).unwrap();
    let c = Add::new().call([&a, &b]).unwrap();
    let c = LayerNormalization::new().call(&c).unwrap();
    let d = RNN::new(StackedRNNCells::new([LSTMCell::new(5), LSTMCell::new(units)]));
    let d = d.return_sequences(true).return_state(true).call(&c).unwrap();
    let e = Concatenate::new().call([&c, &d]).unwrap();
    let e = SpatialDropout1D::new(0.2).call(&Dropout::new(0.5).call(&e).unwrap()).unwrap();
    let f = TimeDistributed::new(Dense::new(4)).call(&e).unwrap();
    let f = Softmax::new().call(&ActivationLayer::new(Activation::Relu).call(&f).unwrap()).unwrap();
    // Two outputs: of every step, and of what the sequence has come to.
    let last = LSTM::new(6).activation(Activation::Softmax).call(&f).unwrap();
    let last = RepeatVector::new(2).call(&Dense::new(3).call(&last).unwrap()).unwrap();
    let last = Flatten::new().call(&LSTM::new(2).return_sequences(true).call(&last).unwrap());
    Model::new(&x, [&f, &last.unwrap()]).unwrap()
}

#[test]
fn steps_give_the_bits_of_the_sequence() {
    for (rows, units) in [(1, 4), (1, 40), (2, 9), (5, 16), (33, 21)] {
        for isa in Isa::available() {
            let mut model = tall(units);
            model.set_isa(isa);
            let x = waves(&[rows, STEPS, 3]);
            let whole = model.predict_all(&x).unwrap();
            // The last of sequences that end here.
            let so_far: Vec<_> = (1..=STEPS)
                .map(|steps| {
                    let cut = x.data().chunks_exact(STEPS * 3).flat_map(|row| &row[..steps * 3]);
                    let cut = Tensor::new([rows, steps, 3], cut.copied().collect()).unwrap();
                    model.predict_all(&cut).unwrap().swap_remove(1)
                })
                .collect();
            let mut stream = model.stream(rows).unwrap();
            for again in 0..2 {
                for (step, so_far) in so_far.iter().enumerate() {
                    let rows_of = x.data().chunks_exact(3).skip(step).step_by(STEPS);
                    let x: Vec<f32> = rows_of.flatten().copied().collect();
                    let y = stream.step(&x);
                    let want = whole[0].data().chunks_exact(4).skip(step).step_by(STEPS);
                    assert!(y.iter().eq(want.flatten()), "{rows} {units} {isa} {step} {again}");
                    assert_eq!(stream.output(1), so_far.data(), "{rows} {units} {isa}");
                }
                stream.reset();
            }
        }
    }
}

#[test]
fn states_can_be_read_set_and_forgotten_by_row() -> Result<()> {
    let model = tall(5);
    let x =
        |step: usize, rows: usize| waves(&[step + 1, rows * 3]).data()[step * rows * 3..].to_vec();
    let mut three = model.stream(3)?;
    let names = three.state_names();
    assert_eq!(&names[..3], ["lstm/h", "lstm/c", "rnn/0/h"]);
    assert_eq!((three.batch(), names.len(), three.state().len()), (3, 8, 8));
    (0..4).for_each(|step| _ = three.step(&x(step, 3)));

    // A row goes on alone as it would among the others.
    let mut alone = model.stream(1)?;
    alone.set_row_state(0, &three.row_state(1))?;
    let next = x(4, 3);
    let y = alone.step(&next[3..6]).to_vec();
    assert_eq!(three.step(&next)[4..8], y);

    // One that is reset starts anew, while the others go on.
    let kept = three.state();
    three.reset_row(2);
    alone.reset();
    assert_eq!(three.step(&next)[8..12], *alone.step(&next[6..9]));
    three.set_state(&kept)?;
    let once = three.step(&next).to_vec();
    three.set_state(&kept)?;
    assert_eq!(three.step(&next), once);

    // And through a file.
    let path = std::env::temp_dir().join(format!("lstm-stream-{}.safetensors", std::process::id()));
    three.save_state(&path)?;
    let after = three.step(&next).to_vec();
    let mut other = model.stream(3)?;
    other.load_state(&path)?;
    assert_eq!(other.step(&next), after);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
    let error = other.load_state(&path).unwrap_err().to_string();
    assert!(error.ends_with("it was cut off, or has changed since it was written"), "{error}");
    std::fs::remove_file(&path).unwrap();

    let wrong = [Tensor::zeros([1, 5])];
    let error = three.set_state(&wrong).unwrap_err().to_string();
    assert_eq!(error, "states of a stream: expected 8, found 1");
    let mut kept = kept;
    kept[3] = Tensor::zeros([3, 4]);
    let error = three.set_state(&kept).unwrap_err().to_string();
    assert_eq!(error, "rnn/0/c: expected shape (3, 5), found (3, 4)");
    Ok(())
}

#[test]
fn several_inputs_and_indices_stream() -> Result<()> {
    let (words, x) = (Input::new([None]), Input::new([None, Some(2)]));
    let embedded = Embedding::new(6, 3).call(&words)?;
    let y = LSTM::new(4).return_sequences(true).call(&Concatenate::new().call([&embedded, &x])?)?;
    let mut model = Model::new([&words as &Symbol, &x], &y)?;
    let (words, x) = (Tensor::from([[0.0f32, 5.0, 3.0]]), waves(&[1, 3, 2]));
    let whole = model.predict([&words, &x])?;
    let mut stream = model.stream(1)?;
    for step in 0..3 {
        stream.step_all(&[&words.data()[step..=step], &x.data()[2 * step..2 * step + 2]]);
        assert_eq!(stream.output(0), &whole.data()[4 * step..4 * step + 4]);
    }
    Ok(())
}

#[test]
fn a_layer_that_is_called_twice_has_states_for_each_call() -> Result<()> {
    let x = Input::new([None, Some(3)]);
    let layer = Shared::new(LSTM::new(3).return_sequences(true));
    let twice = layer.call(&layer.call(&x)?)?;
    let mut model = Model::new(&x, &twice)?;
    let x = waves(&[1, 4, 3]);
    let whole = model.predict(&x)?;
    let mut stream = model.stream(1)?;
    assert_eq!(stream.state_names(), ["lstm/h", "lstm/c", "lstm:1/h", "lstm:1/c"]);
    for (x, y) in x.data().chunks_exact(3).zip(whole.data().chunks_exact(3)) {
        assert_eq!(stream.step(x), y);
    }
    Ok(())
}

#[test]
fn what_cannot_take_one_step_at_a_time_is_refused_by_name() -> Result<()> {
    let refused = |layer: lstm::Layer| {
        let model = Sequential::new().add(Input::new([4, 2])).add(layer).build().unwrap();
        model.stream(1).map(|_| ()).unwrap_err().to_string()
    };
    let end = "it cannot take one step at a time: it reads a sequence from its end";
    let whole = "it cannot take one step at a time: it reads a sequence as a whole";
    let masks = "it cannot take one step at a time: it masks steps; do not take those";
    let both = Bidirectional::new(LSTM::new(2)).name("both");
    assert_eq!(refused(both.into()), format!("Bidirectional `both`: {end}"));
    assert_eq!(refused(LSTM::new(2).go_backwards(true).into()), format!("LSTM `lstm`: {end}"));
    let cells = RNN::new(LSTMCell::new(2)).go_backwards(true);
    assert_eq!(refused(cells.into()), format!("RNN `rnn`: {end}"));
    assert_eq!(refused(Masking::new().into()), format!("Masking `masking`: {masks}"));
    assert_eq!(refused(Flatten::new().into()), format!("Flatten `flatten`: {whole}"));
    assert_eq!(refused(Permute::new([2, 1]).into()), format!("Permute `permute`: {whole}"));
    assert_eq!(refused(Softmax::new().axis(1).into()), format!("Softmax `softmax`: {whole}"));
    let normalized = LayerNormalization::new().axis(-2);
    let name = "LayerNormalization `layer_normalization`";
    assert_eq!(refused(normalized.into()), format!("{name}: {whole}"));

    let (x, h, c) = (Input::new([3, 2]), Input::new([2]), Input::new([2]));
    let y = LSTM::new(2).call_with_state(&x, [&h, &c])?;
    let model = Model::new([&x as &Symbol, &h, &c], &y)?;
    let error = model.stream(1).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("LSTM `lstm`: ") && error.contains("`set_state`"), "{error}");
    let mask = Input::new([3]);
    let y = Shared::new(LSTM::new(2)).call_masked(&x, &mask)?;
    let model = Model::new([&x as &Symbol, &mask], &y)?;
    let error = model.stream(1).map(|_| ()).unwrap_err().to_string();
    assert!(error.ends_with("it was given a mask"), "{error}");
    let error = model.stream(0).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "batch: it must be positive");
    Ok(())
}

#[test]
fn weights_go_through_files_and_what_is_wrong_with_one_is_named() -> Result<()> {
    let path =
        std::env::temp_dir().join(format!("lstm-weights-{}.safetensors", std::process::id()));
    let (mut model, mut other) = (tall(4), tall(4));
    other.reseed(9);
    other.save_weights(&path)?;
    model.load_weights(&path)?;
    assert_eq!(model.get_weights(), other.get_weights());

    let whole = std::fs::read(&path).unwrap();
    let mut refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let error = model.load_weights(&path).unwrap_err().to_string();
        assert!(error.starts_with(&path.display().to_string()), "{error}");
        error
    };
    for length in 0..whole.len().min(3000) {
        refused(&whole[..length]);
    }
    assert!(refused(b"PK\x03\x04 something else").contains("this is no safetensors file"));
    let mut flipped = whole.clone();
    flipped[whole.len() - 3] ^= 4;
    assert!(refused(&flipped).ends_with("has changed since it was written"));
    assert_eq!(model.get_weights(), other.get_weights(), "left as it was");

    let mut twice = Sequential::new().add(Input::new([3])).add(Dense::new(2)).build_as::<f64>()?;
    let mut once = Sequential::new().add(Input::new([3])).add(Dense::new(2)).build()?;
    once.reseed(3);
    once.save_weights(&path)?;
    twice.load_weights(&path)?;
    assert_eq!(twice.get_weights()[0], once.get_weights()[0].cast());
    let mut wide = Sequential::new().add(Input::new([3])).add(Dense::new(4)).build()?;
    let error = wide.load_weights(&path).unwrap_err().to_string();
    assert_eq!(error, "dense/kernel: expected shape (3, 4), found (3, 2)");
    std::fs::remove_file(&path).unwrap();
    Ok(())
}
