//! Gradients within a budget of bytes hold no more of them, and streams no weights of their own, by the
//! allocator's count.

use harness::allocation::{self, Counting, peak};
use harness::memory;
use harness::random::Random;
use harness::throughput::Shape;
use kernels::Isa;
use lstm::{
    Adam, Bptt, Dense, Fit, Input, LSTM, Loss, Masking, Model, Sequential, Tensor, Validation,
    Verbose,
};

#[global_allocator]
static COUNTING: Counting = Counting;

fn model(mask: bool, dropped: bool) -> Model {
    let model = Sequential::new().add(Input::new([None, Some(2)]));
    let model = if mask { model.add(Masking::new()) } else { model };
    let layer = LSTM::new(32);
    let layer = if dropped { layer.dropout(0.3).recurrent_dropout(0.3) } else { layer };
    let mut model = model.add(layer).add(Dense::new(1)).build().unwrap();
    model.compile(Adam::default(), Loss::MeanSquaredError).unwrap();
    model
}

/// The bytes that a training with one batch of so many rows and steps holds.
fn held(bptt: Bptt, (mask, dropped): (bool, bool), [rows, steps]: [usize; 2]) -> usize {
    let mut random = Random::new(0);
    let x = Tensor::new([rows, steps, 2], random.numbers(rows * steps * 2, 1.0)).unwrap();
    let y = Tensor::new([rows, 1], random.numbers(rows, 1.0)).unwrap();
    let mut model = model(mask, dropped);
    let options = Fit { bptt, verbose: Verbose::Silent, ..Fit::default() };
    peak(|| {
        let history = model.fit(&x, &y, options).unwrap();
        assert!(history.loss()[0].is_finite());
    })
}

/// One test and one thread, so that nothing else allocates meanwhile.
#[test]
fn no_more_is_held_than_is_allowed() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    pool.install(check);
}

/// Streams of one row share what is packed of the weights, as long as there are any, and those of more do.
fn check_streams() {
    let weights = 4 * 300 * (8 + 300 + 1) * size_of::<f32>();
    let mut model = Sequential::new()
        .add(Input::new([None, Some(8)]))
        .add(LSTM::new(300).return_sequences(true))
        .build()
        .unwrap();
    let before = allocation::held();
    let mut streams = Vec::new();
    for batch in [1, 3] {
        let before = allocation::held();
        streams.push(model.stream(batch).unwrap());
        let first = allocation::held() - before;
        streams.push(model.stream(batch).unwrap());
        let more = allocation::held() - before - first;
        let bytes = format!("{batch} rows: {first} bytes, then {more}, of {weights}");
        assert!(first > weights && 10 * more < weights, "{bytes}");
    }
    drop(streams);
    assert!(10 * (allocation::held() - before) < weights, "given back");

    // Other weights are packed anew.
    model.reseed(7);
    let x = [0.5; 8];
    let expected = model.predict(&Tensor::new([1, 1, 8], x.to_vec()).unwrap()).unwrap();
    let mut stream = model.stream(1).unwrap();
    assert_eq!(stream.step(&x).unwrap(), expected.data());
}

fn check() {
    check_streams();
    // The engine alone, to the byte, in both orientations.
    for isa in Isa::available() {
        for [batch, steps, inputs, units] in
            [[16, 2000, 3, 20], [40, 1500, 2, 3], [1, 9000, 5, 17], [5, 3000, 1, 40]]
        {
            let shape = Shape { batch, steps, inputs, units };
            let passes = memory::held::<f32>(isa, shape);
            for pass in &passes {
                assert!(pass.peak <= pass.bytes, "{shape} on {isa}: {pass:?}");
            }
            let (first, last) = (passes[0], passes[passes.len() - 1]);
            assert!(first.peak > first.bytes / 2 && last.bytes < first.bytes / 4, "{shape}");
        }
    }

    // A model: beside the bytes, what grows with the steps is the batch (and what is read of it
    // through a mask, twice), eight bytes of order for a step of a row with a mask, nothing else.
    // What does not grow, blocks of matrix products among it, is found by a short sequence that
    // keeps all: the inputs and 7 units of each step.
    let (rows, bytes) = (8, 4 << 20);
    let of_batch = |steps, mask| {
        let batch = rows * steps * 2 * size_of::<f32>();
        if mask { 3 * batch + rows * steps * (2 + size_of::<usize>()) } else { batch }
    };
    let fixed = |mask, dropped| {
        let steps = 1024;
        let kept = rows * steps * (2 + 7 * 32) * size_of::<f32>() + of_batch(steps, mask);
        let fixed = held(Bptt::Full, (mask, dropped), [rows, steps]) - kept;
        assert!(fixed < bytes / 10, "{fixed} bytes, {mask}, {dropped}");
        fixed
    };
    for (mask, dropped) in [(false, false), (true, false), (false, true)] {
        let steps = 100_000;
        let found = held(Bptt::Checkpointed { bytes }, (mask, dropped), [rows, steps]);
        let allowed = bytes + fixed(mask, dropped) + of_batch(steps, mask);
        assert!(found <= allowed, "{found} of {allowed} bytes, {mask}, {dropped}");
        // All that could be used would be far more: 7 units of each step.
        assert!(allowed * 10 < rows * steps * 7 * 32 * size_of::<f32>());
    }

    // Neither what a training without a budget has left nor validation adds to it.
    let steps = 20_000;
    let mut random = Random::new(0);
    let x = Tensor::new([rows, steps, 2], random.numbers(rows * steps * 2, 1.0)).unwrap();
    let y = Tensor::new([rows, 1], random.numbers(rows, 1.0)).unwrap();
    let before = allocation::held();
    let mut model = model(false, false);
    let mut train = |bptt| {
        let validation_data = Validation { x: &[&x], y: &[&y], sample_weight: &[] };
        let options = Fit { bptt, validation_data, verbose: Verbose::Silent, ..Fit::default() };
        model.fit(&x, &y, options).unwrap();
        allocation::held() - before
    };
    let whole = train(Bptt::Full);
    let found = train(Bptt::Checkpointed { bytes });
    let allowed = bytes + fixed(false, false) + of_batch(steps, false);
    assert!(whole > 10 * bytes && found <= allowed, "{whole}, then {found} of {allowed} bytes");
}
