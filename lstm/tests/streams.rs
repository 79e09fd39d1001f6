//! A model that takes one step at a time gives what it gives for the whole sequence.

use lstm::{
    Activation, ActivationLayer, Adam, Add, Backup, Bidirectional, Concatenate, Dense, Dropout,
    Embedding, Fit, Flatten, Input, Isa, LSTM, LSTMCell, LayerNormalization, Loss, Masking, Model,
    Permute, RNN, RepeatVector, Result, Sequential, Shared, Softmax, SpatialDropout1D,
    StackedRNNCells, Symbol, Tensor, TimeDistributed, Verbose,
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
                    let y = stream.step(&x).unwrap();
                    let want = whole[0].data().chunks_exact(4).skip(step).step_by(STEPS);
                    assert!(y.iter().eq(want.flatten()), "{rows} {units} {isa} {step} {again}");
                    assert_eq!(stream.output(1), so_far.data(), "{rows} {units} {isa}");
                }
                stream.reset();
            }
        }
    }
}

/// Streams a model, and holds every output after every step against those of the sequence so far.
fn check_masked(mut model: Model, x: &[Tensor<f32>], rows: usize) {
    let steps = x[0].shape()[1];
    let cut = |from: usize, to: usize| -> Vec<Tensor<f32>> {
        let cut = |x: &Tensor<f32>| {
            let size: usize = x.shape()[2..].iter().product();
            let mut shape = x.shape().to_vec();
            shape[1] = to - from;
            let rows = x.data().chunks_exact(steps * size);
            let numbers = rows.flat_map(|row| row[from * size..to * size].iter().copied());
            Tensor::new(shape, numbers.collect()).unwrap()
        };
        x.iter().map(cut).collect()
    };
    let mut whole = Vec::new();
    for step in 1..=steps {
        let so_far = cut(0, step);
        let so_far: Vec<_> = so_far.iter().collect();
        whole.push(model.predict_all(&so_far[..]).unwrap());
    }
    let mut stream = model.stream(rows).unwrap();
    for _ in 0..2 {
        for (step, whole) in whole.iter().enumerate() {
            let x = cut(step, step + 1);
            let x: Vec<_> = x.iter().map(Tensor::data).collect();
            stream.step_all(&x).unwrap();
            for (number, whole) in whole.iter().enumerate() {
                let size = whole.shape().last().copied().unwrap_or(1);
                let ends = whole.data().chunks_exact(whole.data().len() / rows);
                let ends: Vec<f32> =
                    ends.flat_map(|row| row[row.len() - size..].to_vec()).collect();
                assert_eq!(stream.output(number), ends, "output {number} after step {step}");
            }
        }
        stream.reset();
    }
}

/// Gaps, beginnings, ends, and rows without a step.
#[test]
fn a_masked_row_keeps_its_states_and_its_output() -> Result<()> {
    for (rows, units) in [(1, 3), (1, 20), (5, 4), (19, 17)] {
        for zeros in [false, true] {
            let mut x = waves(&[rows, STEPS, 3]);
            for (at, step) in x.data_mut().chunks_exact_mut(3).enumerate() {
                let (row, t) = (at / STEPS, at % STEPS);
                let masked = match row % 5 {
                    0 => t == 0 || t == 3 || t == 4,
                    1 => t > 2,
                    2 => true,
                    3 => false,
                    _ => (row + t) % 3 == 0,
                };
                if masked {
                    step.fill(0.0);
                }
            }
            let input = Input::new([None, Some(3)]);
            let masked = Masking::new().call(&input)?;
            let layer = |units| LSTM::new(units).return_sequences(true).zero_output_for_mask(zeros);
            let first = layer(units).return_state(true).call(&masked)?;
            let cells = RNN::new([LSTMCell::new(2), LSTMCell::new(units)]);
            let cells = cells.return_sequences(true).zero_output_for_mask(zeros);
            let sum = Add::new().call([&first, &cells.call(&masked)?])?;
            let last = LSTM::new(4).zero_output_for_mask(zeros).call(&sum)?;
            let states = first.states()?;
            let outputs = [&first, &sum, &last, &states[0], &states[1]];
            check_masked(Model::new(&input, outputs)?, &[x.clone()], rows);

            // Indices that mask, and a mask that is an input.
            let (words, given) = (Input::new([None]), Input::new([None]));
            let embedded = Embedding::new(5, 3).mask_zero(true).call(&words)?;
            let read = layer(units).call(&embedded)?;
            let also = Shared::new(layer(2)).call_masked(&read, &given)?;
            let model = Model::new([&words as &Symbol, &given], [&read, &also])?;
            let indices = x.data().chunks_exact(3).map(|step| (step[0].abs() * 5.0).floor());
            let indices = Tensor::new([rows, STEPS], indices.collect())?;
            let valid = x.data().chunks_exact(3).map(|step| f32::from(step[1] > -0.3));
            let valid = Tensor::new([rows, STEPS], valid.collect())?;
            check_masked(model, &[indices, valid], rows);
        }
    }
    Ok(())
}

#[test]
fn streams_of_one_model_run_on_threads_of_their_own() -> Result<()> {
    let mut model = tall(20);
    let x = waves(&[3, STEPS, 3]);
    let whole = model.predict_all(&x)?.swap_remove(0);
    let rows = x.data().chunks_exact(STEPS * 3).zip(whole.data().chunks_exact(STEPS * 4));
    for _ in 0..2 {
        std::thread::scope(|scope| {
            for (x, y) in rows.clone() {
                let model = &model;
                scope.spawn(move || {
                    let mut stream = model.stream(1).unwrap();
                    for (x, y) in x.chunks_exact(3).zip(y.chunks_exact(4)) {
                        assert_eq!(stream.step(x).unwrap(), y);
                    }
                });
            }
        });
    }
    Ok(())
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
    (0..4).try_for_each(|step| three.step(&x(step, 3)).map(|_| ()))?;

    // A row goes on alone as it would among the others.
    let mut alone = model.stream(1)?;
    alone.set_row_state(0, &three.row_state(1))?;
    let next = x(4, 3);
    let y = alone.step(&next[3..6])?.to_vec();
    assert_eq!(three.step(&next)?[4..8], y);

    // One that is reset starts anew, while the others go on.
    let kept = three.state();
    three.reset_row(2);
    alone.reset();
    assert_eq!(three.step(&next)?[8..12], *alone.step(&next[6..9])?);
    three.set_state(&kept)?;
    let once = three.step(&next)?.to_vec();
    three.set_state(&kept)?;
    assert_eq!(three.step(&next)?, once);

    // And through a file.
    let path = std::env::temp_dir().join(format!("lstm-stream-{}.safetensors", std::process::id()));
    three.save_state(&path)?;
    let after = three.step(&next)?.to_vec();
    let mut other = model.stream(3)?;
    other.load_state(&path)?;
    assert_eq!(other.step(&next)?, after);
    // One row of it, into a stream of its own and back into another.
    other.load_state(&path)?;
    other.save_row_state(1, &path)?;
    alone.load_state(&path)?;
    assert_eq!(*alone.step(&next[3..6])?, after[4..8]);
    other.load_row_state(2, &path)?;
    assert_eq!(other.row_state(2), other.row_state(1));
    assert!(other.load_state(&path).is_err());
    three.save_state(&path)?;
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
        stream.step_all(&[&words.data()[step..=step], &x.data()[2 * step..2 * step + 2]])?;
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
        assert_eq!(stream.step(x)?, y);
    }
    Ok(())
}

#[test]
fn steps_are_refused_as_predict_refuses_them_and_change_nothing() -> Result<()> {
    let words = Input::named("words", [None]);
    let x = Input::named("x", [None, Some(2)]);
    let embedded = Embedding::new(6, 3).call(&words)?;
    let y = LSTM::new(4).return_sequences(true).call(&Concatenate::new().call([&embedded, &x])?)?;
    let mut model = Model::new([&words as &Symbol, &x], &y)?;
    let rows = |words: [f32; 2], x: [f32; 4]| {
        (Tensor::new([2, 1], words.to_vec()).unwrap(), Tensor::new([2, 1, 2], x.to_vec()).unwrap())
    };
    let nan = f32::NAN;
    let bad = [
        rows([1.0, 6.0], [0.1; 4]),
        rows([-7.0, 1.0], [0.1; 4]),
        rows([0.5, 1.0], [0.1; 4]),
        rows([0.0, nan], [0.1; 4]),
        rows([0.0, 1.0], [0.1, 0.1, f32::INFINITY, 0.1]),
        rows([7.0, 1.0], [0.1, 0.1, nan, 0.1]),
    ];
    let expected: Vec<String> =
        bad.iter().map(|(words, x)| model.predict([words, x]).unwrap_err().to_string()).collect();
    assert!(expected[0].starts_with("words: entry 1 is 6, where an Embedding"), "{expected:?}");
    assert_eq!(
        expected[3..5],
        ["words: NaN or infinite at [1, 0]", "x: NaN or infinite at [1, 0, 0]"]
    );
    let mut stream = model.stream(2)?;
    stream.step_all(&[&[5.0, -6.0], &[0.4; 4]])?;
    let (states, output) = (stream.state(), stream.output(0).to_vec());
    for ((words, x), expected) in bad.iter().zip(&expected) {
        let error = stream.step_all(&[words.data(), x.data()]).unwrap_err().to_string();
        assert_eq!(&error, expected);
    }
    let mut refused = |x: &[&[f32]]| stream.step_all(x).unwrap_err().to_string();
    assert_eq!(refused(&[&[0.0]]), "inputs of `functional`: expected 2, found 1");
    let short = refused(&[&[0.0, 1.0], &[0.1; 3]]);
    assert_eq!(short, "numbers in a step of x: expected 4, found 3");
    let error = stream.step(&[0.0, 1.0]).unwrap_err().to_string();
    assert_eq!(error, "inputs of `functional`: expected 2, found 1");
    assert_eq!((stream.state(), stream.output(0)), (states, &output[..]));
    Ok(())
}

/// A model of indices, which an embedding reads, and another layer, too.
fn of_indices(other: impl Into<lstm::Layer>) -> Result<Model> {
    let words = Input::new([4]);
    let read = LSTM::new(2).call(&Embedding::new(6, 3).call(&words)?)?;
    Model::new(&words, [&read, &Shared::new(other).call(&words)?])
}

#[test]
fn what_reads_all_indices_at_once_is_refused_and_what_reads_each_is_not() -> Result<()> {
    let whole = "it cannot take one step at a time: it reads a sequence as a whole";
    let refused = |layer: lstm::Layer| {
        of_indices(layer).unwrap().stream(1).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(refused(Dense::new(3).into()), format!("Dense `dense`: {whole}"));
    let softmax = ActivationLayer::new(Activation::Softmax);
    assert_eq!(refused(softmax.into()), format!("Activation `activation`: {whole}"));
    assert_eq!(refused(Softmax::new().into()), format!("Softmax `softmax`: {whole}"));

    let mut model = of_indices(ActivationLayer::new(Activation::Relu))?;
    let x = Tensor::from([[3.0, -2.0, 0.0, 5.0]]);
    let whole = model.predict_all(&x)?;
    let mut stream = model.stream(1)?;
    for (x, y) in x.data().iter().zip(whole[1].data()) {
        stream.step(&[*x])?;
        assert_eq!(stream.output(1), [*y]);
    }
    assert_eq!(stream.output(0), whole[0].data());
    Ok(())
}

#[test]
fn sequences_that_are_merged_off_their_steps_are_refused() -> Result<()> {
    let error = |model: Model| model.stream(1).map(|_| ()).unwrap_err().to_string();
    let none = "Add `add`: it cannot take one step at a time: it merges steps with what is none";
    // The steps of the first would meet the features of the second.
    let (words, x) = (Input::new([4]), Input::new([4, 4]));
    let read = LSTM::new(2).call(&Embedding::new(6, 3).call(&words)?)?;
    let sum = Add::new().call([&words as &Symbol, &x])?;
    assert_eq!(error(Model::new([&words as &Symbol, &x], [&read, &sum])?), none);
    // The only step of one would meet all of the other.
    let (one, x) = (Input::new([1, 2]), Input::new([None, Some(2)]));
    let sum = Add::new().call([&one as &Symbol, &x])?;
    assert_eq!(error(Model::new([&one as &Symbol, &x], &sum)?), none);
    Ok(())
}

#[test]
fn layers_inside_of_each_step_see_it_whole_and_keep_nothing() -> Result<()> {
    let inner: [lstm::Layer; 5] = [
        LSTM::new(3).go_backwards(true).into(),
        RNN::new(StackedRNNCells::new([LSTMCell::new(4), LSTMCell::new(3)])).into(),
        Bidirectional::new(LSTM::new(2).return_sequences(true)).into(),
        Flatten::new().into(),
        TimeDistributed::new(Dense::new(2)).into(),
    ];
    for layer in inner {
        let mut model = Sequential::new()
            .add(Input::new([None, Some(3), Some(2)]))
            .add(TimeDistributed::new(layer.clone()))
            .add(TimeDistributed::new(Flatten::new()))
            .add(LSTM::new(3).return_sequences(true).name("top"))
            .build()?;
        let x = waves(&[2, STEPS, 3, 2]);
        let whole = model.predict(&x)?;
        let mut stream = model.stream(2)?;
        assert_eq!(stream.state_names(), ["top/h", "top/c"]);
        for step in 0..STEPS {
            let rows = |all: &Tensor<f32>, size: usize| -> Vec<f32> {
                let rows = all.data().chunks_exact(size).skip(step).step_by(STEPS);
                rows.flatten().copied().collect()
            };
            assert_eq!(stream.step(&rows(&x, 6))?, rows(&whole, 3), "{layer:?} {step}");
        }
    }

    // What keeps states never gets there.
    let nested = TimeDistributed::new(RNN::new(LSTMCell::new(3)).stateful(true));
    let inner: [(lstm::Layer, &[usize]); 4] = [
        (LSTM::new(3).stateful(true).into(), &[5, 4, 3]),
        (RNN::new(LSTMCell::new(3)).stateful(true).into(), &[5, 4, 3]),
        (Bidirectional::new(LSTM::new(2).stateful(true)).into(), &[5, 4, 3]),
        (nested.into(), &[5, 4, 3, 2]),
    ];
    for (layer, shape) in inner {
        let each = TimeDistributed::new(layer).name("each");
        let model = Sequential::new().add(Input::batched(2, shape)).add(each).build();
        let error = model.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("`each` that is stateful"), "{error}");
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
    let both = Bidirectional::new(LSTM::new(2)).name("both");
    assert_eq!(refused(both.into()), format!("Bidirectional `both`: {end}"));
    assert_eq!(refused(LSTM::new(2).go_backwards(true).into()), format!("LSTM `lstm`: {end}"));
    let cells = RNN::new(LSTMCell::new(2)).go_backwards(true);
    assert_eq!(refused(cells.into()), format!("RNN `rnn`: {end}"));
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
    // A mask of three entries is no sequence of any length.
    let mask = Input::new([3]);
    let y = Shared::new(LSTM::new(2)).call_masked(&x, &mask)?;
    let model = Model::new([&x as &Symbol, &mask], &y)?;
    let error = model.stream(1).map(|_| ()).unwrap_err().to_string();
    assert!(error.ends_with("the mask that it was given has no steps"), "{error}");
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

    // Two cells of one name have weights of their own.
    let cell = || LSTMCell::new(3).name("cell");
    let alike =
        || Sequential::new().add(Input::new([4, 3])).add(RNN::new([cell(), cell()])).build();
    let (mut model, mut other) = (alike()?, alike()?);
    assert!(model.weight_names()[3].ends_with("cell/kernel:1"), "{:?}", model.weight_names());
    other.reseed(9);
    other.save_weights(&path)?;
    model.load_weights(&path)?;
    assert_eq!(model.get_weights(), other.get_weights());
    model.compile(Adam::default(), Loss::MeanSquaredError)?;
    let backup = Some(Backup::new(&path));
    std::fs::remove_file(&path).unwrap();
    let options = Fit { backup, verbose: Verbose::Silent, ..Fit::default() };
    model.fit(&waves(&[2, 4, 3]), &waves(&[2, 3]), options)?;
    std::fs::remove_file(&path).unwrap();

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
