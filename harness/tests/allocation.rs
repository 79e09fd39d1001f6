//! After the first batch of a shape nothing is allocated or freed, neither in training nor in
//! prediction.

use harness::allocation::{Counting, calls};
use harness::dtype::Dtype;
use harness::latency::{self, Layer};
use harness::random::Random;
use harness::stack::Stack;
use harness::throughput::Shape;
use kernels::Isa;
use lstm::{
    Activation, Adam, Bidirectional, Constraint, Dense, ExponentialDecay, Fit, Float, Input, LSTM,
    LSTMCell, Loss, Masking, Model, Optimizer, RNN, Regularizer, SGD, Sequential, Tensor,
    TimeDistributed, Vectors, Verbose,
};

#[global_allocator]
static COUNTING: Counting = Counting;

/// Units below and above the lanes of every instruction set, small enough for one thread.
const SHAPES: [Shape; 5] = [
    Shape { batch: 32, steps: 10, inputs: 8, units: 4 },
    Shape { batch: 32, steps: 3, inputs: 5, units: 1 },
    Shape { batch: 20, steps: 4, inputs: 3, units: 17 },
    Shape { batch: 1, steps: 3, inputs: 1, units: 10 },
    Shape { batch: 19, steps: 6, inputs: 2, units: 33 },
];

/// A stack with every kind of layer.
fn model<T: Float>(isa: Isa, shape: Shape) -> lstm::Result<Model<T>> {
    let Shape { steps, inputs, units, .. } = shape;
    let mut model = Sequential::new()
        .add(Input::new([steps, inputs]))
        .add(LSTM::new(units).return_sequences(true).go_backwards(true))
        .add(Dense::new(3).activation(Activation::Softmax))
        .add(LSTM::new(units).activation(Activation::Relu))
        .add(Dense::new(1))
        .build_as::<T>()?;
    model.set_isa(isa);
    Ok(model)
}

fn batch<T: Float>(shape: Shape, rows: usize) -> lstm::Result<(Tensor<T>, Tensor<T>)> {
    let Shape { steps, inputs, .. } = shape;
    let mut random = Random::new(rows as u64);
    let x = Tensor::new([rows, steps, inputs], random.numbers(rows * steps * inputs, 1.0))?;
    Ok((x, Tensor::new([rows, 1], random.numbers(rows, 1.0))?))
}

#[test]
fn the_counter_counts() {
    assert_eq!(calls(|| drop(std::hint::black_box(Box::new(1)))), 2);
    assert_eq!(calls(|| ()), 0);
}

#[test]
fn training_and_prediction_allocate_nothing_after_the_first_batch() -> lstm::Result<()> {
    fn check<T: Float>(isa: Isa, shape: Shape) -> lstm::Result<()> {
        let mut model = model::<T>(isa, shape)?;
        model.compile(Adam::default(), Loss::MeanSquaredError)?;
        let full = batch::<T>(shape, shape.batch)?;
        let part = batch::<T>(shape, shape.batch.div_ceil(5))?;
        let mut predictions = [full.1.clone(), part.1.clone()];
        // The first batch of each size. A smaller one may have the other orientation, and
        // prediction has a layout of its own.
        for ((x, y), prediction) in [&full, &part].into_iter().zip(&mut predictions) {
            model.train_on_batch(x, y)?;
            model.predict_into(x, prediction)?;
        }

        let what = |work: &str| format!("{work}, {} {shape} on {isa}", T::NAME);
        for _ in 0..2 {
            for ((x, y), prediction) in [&full, &part].into_iter().zip(&mut predictions) {
                let training = calls(|| assert!(model.train_on_batch(x, y).is_ok()));
                assert_eq!(training, 0, "{}", what("training"));
                let predicting = calls(|| assert!(model.predict_into(x, prediction).is_ok()));
                assert_eq!(predicting, 0, "{}", what("prediction"));
                let evaluating = calls(|| assert!(model.evaluate(x, y).is_ok()));
                assert_eq!(evaluating, 0, "{}", what("evaluation"));
            }
        }
        Ok(())
    }

    for isa in Isa::available() {
        for shape in SHAPES {
            check::<f32>(isa, shape)?;
            check::<f64>(isa, shape)?;
        }
    }
    Ok(())
}

/// The batch sizes of a data set whose last batch is short.
#[test]
fn a_smaller_batch_and_back_again_allocate_nothing() -> lstm::Result<()> {
    for isa in Isa::available() {
        for units in [4, 20] {
            let shape = Shape { batch: 32, steps: 5, inputs: 3, units };
            let mut model = model::<f32>(isa, shape)?;
            model.compile(SGD::default(), Loss::MeanAbsoluteError)?;
            let [large, small] = [32, 7].map(|rows| batch::<f32>(shape, rows));
            let batches = [large?, small?];
            for (x, y) in &batches {
                model.train_on_batch(x, y)?;
            }
            for at in [0, 1, 0, 1, 1, 0] {
                let (x, y) = &batches[at];
                let training = calls(|| assert!(model.train_on_batch(x, y).is_ok()));
                assert_eq!(training, 0, "{} rows, {units} units on {isa}", x.shape()[0]);
            }
        }
    }
    Ok(())
}

/// Sequences of lengths that only the data tells, in turn.
#[test]
fn steps_that_change_from_batch_to_batch_allocate_nothing() -> lstm::Result<()> {
    for isa in Isa::available() {
        for units in [4, 20] {
            let mut model = Sequential::new()
                .add(Input::new([None, Some(3)]))
                .add(LSTM::new(units).return_sequences(true))
                .add(Dense::new(2))
                .add(LSTM::new(units))
                .add(Dense::new(1))
                .build()?;
            model.set_isa(isa);
            model.compile(Adam::default(), Loss::MeanSquaredError)?;
            let batches =
                [7, 3, 5].map(|steps| batch::<f32>(Shape { batch: 6, steps, inputs: 3, units }, 6));
            let batches = batches.into_iter().collect::<lstm::Result<Vec<_>>>()?;
            let mut prediction = batches[0].1.clone();
            for (x, y) in &batches[..2] {
                model.train_on_batch(x, y)?;
                model.predict_into(x, &mut prediction)?;
            }
            // Lengths seen before, and one between them.
            for at in [0, 1, 0, 2, 1, 2] {
                let (x, y) = &batches[at];
                let what = format!("{} steps, {units} units on {isa}", x.shape()[1]);
                let training = calls(|| assert!(model.train_on_batch(x, y).is_ok()));
                assert_eq!(training, 0, "training, {what}");
                let predicting = calls(|| assert!(model.predict_into(x, &mut prediction).is_ok()));
                assert_eq!(predicting, 0, "prediction, {what}");
            }
        }
    }
    Ok(())
}

/// Layers made of others, with a mask, over sequences of lengths that only the data tells.
#[test]
fn layers_around_others_allocate_nothing() -> lstm::Result<()> {
    for isa in Isa::available() {
        let cells = [LSTMCell::new(3), LSTMCell::new(20)];
        let both = RNN::new([LSTMCell::new(4), LSTMCell::new(2)]).return_sequences(true);
        let mut model = Sequential::new()
            .add(Input::new([None, Some(3)]))
            .add(Masking::new())
            .add(Bidirectional::new(LSTM::new(5).return_sequences(true)))
            .add(RNN::new(cells).return_sequences(true).go_backwards(true))
            .add(TimeDistributed::new(Dense::new(4)))
            .add(Bidirectional::new(both))
            .add(Bidirectional::new(LSTM::new(3)))
            .add(Dense::new(1))
            .build_as::<f64>()?;
        model.set_isa(isa);
        model.compile(SGD::default(), Loss::MeanSquaredError)?;
        let mut batches = Vec::new();
        for (steps, rows) in [(7, 6), (3, 6), (5, 4)] {
            let (mut x, y) = batch::<f64>(Shape { batch: rows, steps, inputs: 3, units: 0 }, rows)?;
            x.data_mut()[..3].fill(0.0); // the first step of the first row is masked
            let prediction = y.clone();
            batches.push((x, y, prediction));
        }
        for round in 0..3 {
            for (x, y, prediction) in &mut batches {
                let (x, y) = (&*x, &*y);
                let what = format!("{:?} on {isa}", x.shape());
                let training = calls(|| assert!(model.train_on_batch(x, y).is_ok()));
                let predicting = calls(|| assert!(model.predict_into(x, prediction).is_ok()));
                if round > 0 {
                    assert_eq!((training, predicting), (0, 0), "{what}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn the_engine_allocates_nothing_after_the_first_call() {
    fn check<T: Float>(isa: Isa, shape: Shape) {
        let mut stack = Stack::<T>::new(isa, shape, 2);
        stack.train();
        stack.infer();
        for _ in 0..3 {
            assert_eq!(calls(|| stack.train()), 0, "training, {} {shape} on {isa}", T::NAME);
            assert_eq!(calls(|| stack.infer()), 0, "inference, {} {shape} on {isa}", T::NAME);
        }
    }

    for isa in Isa::available() {
        for shape in SHAPES {
            check::<f32>(isa, shape);
            check::<f64>(isa, shape);
        }
    }
}

#[test]
fn a_stream_allocates_nothing() {
    for isa in Isa::available() {
        for Shape { batch, inputs, units, .. } in SHAPES {
            let layer = Layer { batch, inputs, units };
            let latency = latency::measure(Dtype::F32, isa, layer, 100);
            assert_eq!(latency.allocations, 0, "{layer:?} on {isa}");
        }
    }
}

#[test]
fn more_epochs_allocate_no_more() -> lstm::Result<()> {
    let shape = Shape { batch: 20, steps: 3, inputs: 2, units: 5 };
    let (x, y) = batch::<f32>(shape, 20)?;
    let mut model = model::<f32>(Isa::best(), shape)?;
    model.compile(Adam::default(), Loss::MeanSquaredError)?;
    let mut fit = |epochs| {
        let options = Fit { epochs, batch_size: 6, verbose: Verbose::Silent, ..Fit::default() };
        calls(|| assert!(model.fit(&x, &y, options).is_ok()))
    };
    fit(1);
    let (few, many) = (fit(2), fit(200));
    assert_eq!(few, many, "2 and 200 epochs");
    Ok(())
}

/// With penalties and constraints, clipping, averages and accumulation around every rule.
#[test]
fn every_optimizer_allocates_nothing_after_the_first_batch() -> lstm::Result<()> {
    let shape = Shape { batch: 6, steps: 3, inputs: 4, units: 5 };
    let names = [
        "sgd", "rmsprop", "adam", "adamw", "nadam", "adamax", "adagrad", "adadelta", "ftrl",
        "lion", "lamb",
    ];
    for name in names {
        let optimizer = name.parse::<Optimizer>()?.clipnorm(1.0).weight_decay(0.01).use_ema(true);
        let optimizer = optimizer
            .gradient_accumulation_steps(2)
            .ema_overwrite_frequency(2)
            .schedule(ExponentialDecay::new(0.1, 10, 0.5));
        let columns = Regularizer::Orthogonal { factor: 0.1, mode: Vectors::Columns };
        let mut model = Sequential::new()
            .add(Input::new([shape.steps, shape.inputs]))
            .add(
                LSTM::new(shape.units)
                    .kernel_regularizer(columns)
                    .activity_regularizer(Regularizer::L1L2 { l1: 0.1, l2: 0.1 })
                    .recurrent_constraint(Constraint::unit_norm())
                    .bias_constraint(Constraint::NonNeg),
            )
            .add(Dense::new(1).kernel_constraint(Constraint::max_norm(1.0)))
            .build()?;
        model.compile(optimizer, Loss::MeanSquaredError)?;
        let (x, y) = batch::<f32>(shape, shape.batch)?;
        for _ in 0..2 {
            model.train_on_batch(&x, &y)?;
        }
        let training = calls(|| {
            for _ in 0..4 {
                assert!(model.train_on_batch(&x, &y).is_ok());
            }
        });
        assert_eq!(training, 0, "{name}");
    }
    Ok(())
}
