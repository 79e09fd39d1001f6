//! After the first batch of a shape nothing is allocated or freed, whatever the options: of layers,
//! activations, losses, weights, metrics, regularizers and optimizers, and whatever the masks of the
//! batches to come.

use harness::allocation::{Counting, calls};
use harness::random::Random;
use kernels::Isa;
use lstm::gradcheck::random_batch;
use lstm::{
    AUC, Activation, Adam, Add, Batch, Bidirectional, Compile, Concatenate, Constraint,
    CosineDecay, CosineDecayRestarts, Dataset, Dense, Dropout, Embedding, Evaluate,
    ExponentialDecay, Input, InverseTimeDecay, LSTM, LSTMCell, Loss, Masking, Measure, MergeMode,
    Metric, Model, Optimizer, PiecewiseConstantDecay, PolynomialDecay, R2Score, RNN, Reduction,
    Regularizer, Result, Schedule, Sequential, Shared, SpatialDropout1D, StackedRNNCells, Symbol,
    Tensor, Threshold, Timeseries, timeseries_dataset_from_array,
};

#[global_allocator]
static COUNTING: Counting = Counting;

const BATCH: usize = 6;
const STEPS: usize = 5;

/// Batches of masks that leave fewer steps first, and more later.
fn batches(units: usize) -> Vec<(Tensor<f32>, Tensor<f32>)> {
    let mut random = Random::new(units as u64);
    let batch = |seed: usize| {
        let mut x: Vec<f32> = random.numbers(BATCH * STEPS * 3, 1.0);
        for (at, step) in x.chunks_exact_mut(3).enumerate() {
            if at % STEPS > seed || (at + seed).is_multiple_of(4) {
                step.fill(0.0);
            }
        }
        let y = Tensor::new([BATCH, 2], random.numbers(BATCH * 2, 1.0)).unwrap();
        (Tensor::new([BATCH, STEPS, 3], x).unwrap(), y)
    };
    (0..STEPS + 1).map(batch).collect()
}

fn check(what: &str, model: &mut Model, data: &[(Tensor<f32>, Tensor<f32>)]) {
    let mut prediction = Tensor::zeros(data[0].1.shape());
    let (x, y) = &data[0];
    model.train_on_batch(x, y).unwrap();
    model.predict_into(x, &mut prediction).unwrap();
    for (at, (x, y)) in data.iter().enumerate() {
        let training = calls(|| assert!(model.train_on_batch(x, y).is_ok()));
        assert_eq!(training, 0, "{what}: training on batch {at}");
        let predicting = calls(|| assert!(model.predict_into(x, &mut prediction).is_ok()));
        assert_eq!(predicting, 0, "{what}: prediction of batch {at}");
    }
}

#[test]
fn no_option_of_a_recurrent_layer_allocates_after_the_first_batch() {
    for isa in Isa::available() {
        for units in [3, 17] {
            let plain = || LSTM::new(units);
            let penalty = Regularizer::L1L2 { l1: 0.1, l2: 0.1 };
            let options = [
                ("plain", plain()),
                ("dropout", plain().dropout(0.3)),
                ("recurrent_dropout", plain().recurrent_dropout(0.3)),
                ("both dropouts", plain().dropout(0.3).recurrent_dropout(0.3)),
                ("softmax", plain().activation(Activation::Softmax)),
                (
                    "softmax, both dropouts",
                    plain().activation(Activation::Softmax).dropout(0.3).recurrent_dropout(0.3),
                ),
                ("relu", plain().activation(Activation::Relu)),
                (
                    "gelu, mish",
                    plain().activation(Activation::Gelu).recurrent_activation(Activation::Mish),
                ),
                ("no bias", plain().use_bias(false)),
                ("backwards", plain().go_backwards(true)),
                ("zero outputs", plain().zero_output_for_mask(true)),
                ("stateful", plain().stateful(true)),
                ("frozen", plain().trainable(false)),
                ("penalties", plain().kernel_regularizer(penalty).activity_regularizer(penalty)),
                ("constraints", plain().kernel_constraint(Constraint::max_norm(1.0))),
            ];
            for (what, layer) in options {
                for masked in [false, true] {
                    let model = Sequential::new().add(Input::new([STEPS, 3]));
                    let model = if masked { model.add(Masking::new()) } else { model };
                    let mut model = model
                        .add(layer.clone().return_sequences(true))
                        .add(layer.clone())
                        .add(Dense::new(2))
                        .build()
                        .unwrap();
                    model.set_isa(isa);
                    let optimizer = Optimizer::from(Adam::default()).clipnorm(1.0);
                    model.compile(optimizer, Loss::MeanSquaredError).unwrap();
                    let what = format!("{what}, {units} units, masked: {masked}, {isa}");
                    check(&what, &mut model, &batches(units));
                }
            }
        }
    }
}

#[test]
fn no_layer_around_it_allocates_with_masks() {
    let cells =
        || StackedRNNCells::new([LSTMCell::new(4).recurrent_dropout(0.2), LSTMCell::new(3)]);
    let mut model = Sequential::new()
        .add(Input::new([STEPS, 3]))
        .add(Masking::new())
        .add(SpatialDropout1D::new(0.2))
        .add(Bidirectional::new(LSTM::new(4).dropout(0.2).return_sequences(true)))
        .add(RNN::new(cells()).go_backwards(true).return_sequences(true))
        .add(Dropout::new(0.3))
        .add(Bidirectional::new(RNN::new(cells())))
        .add(Dense::new(2))
        .build()
        .unwrap();
    model.compile(Adam::default(), Loss::MeanSquaredError).unwrap();
    check("wrappers", &mut model, &batches(4));
}

/// What is done to a model allocates nothing from the third time on.
fn check_again(what: &str, mut act: impl FnMut() -> Result<()>) {
    for _ in 0..2 {
        act().unwrap();
    }
    let found = calls(|| (0..3).for_each(|_| assert!(act().is_ok())));
    assert_eq!(found, 0, "{what}");
}

fn random(shape: &[usize]) -> Tensor<f32> {
    let size = shape.iter().product();
    Tensor::new(shape, Random::new(size as u64).numbers(size, 1.0)).unwrap()
}

#[test]
fn no_activation_of_an_lstm_allocates() {
    let data = &batches(5)[..3];
    for activation in Activation::ALL {
        let layers = [
            LSTM::new(5).activation(activation),
            LSTM::new(5).recurrent_activation(activation),
            LSTM::new(5).activation(activation).recurrent_activation(activation),
        ];
        for layer in layers {
            let mut model = Sequential::new()
                .add(Input::new([STEPS, 3]))
                .add(Masking::new())
                .add(layer)
                .add(Dense::new(2).activation(activation))
                .build()
                .unwrap();
            model.compile(Adam::default(), Loss::MeanSquaredError).unwrap();
            check(&format!("{activation:?}"), &mut model, data);
        }
    }
}

#[test]
fn no_way_to_merge_two_directions_allocates() -> Result<()> {
    let modes = [MergeMode::Concat, MergeMode::Sum, MergeMode::Mul, MergeMode::Ave].map(Some);
    for mode in modes.into_iter().chain([None]) {
        for own in [false, true] {
            for sequences in [false, true] {
                let layer = || LSTM::new(4).return_sequences(sequences);
                let both = Bidirectional::new(layer()).merge_mode(mode);
                let back = layer().go_backwards(true).use_bias(false).recurrent_dropout(0.2);
                let both = if own { both.backward_layer(back) } else { both };
                let x = Input::new([STEPS, 3]);
                let read = both.call(&Masking::new().call(&x)?)?;
                let read = match mode {
                    Some(_) => read,
                    None => Add::new().call([&read.output(0)?, &read.output(1)?])?,
                };
                let read = if sequences { LSTM::new(3).call(&read)? } else { read };
                let mut model = Model::new(&x, &Dense::new(2).call(&read)?)?;
                model.compile(Adam::default(), Loss::MeanSquaredError)?;
                let what = format!("{mode:?}, own backward layer: {own}, sequences: {sequences}");
                check(&what, &mut model, &batches(4));
            }
        }
    }
    Ok(())
}

/// An encoder whose states begin a decoder, one way and both ways, with layers that are called
/// twice, and two outputs.
fn translator() -> Result<Model> {
    let (x, z) = (Input::new([None, Some(3)]), Input::new([None, Some(3)]));
    let dense = Shared::new(Dense::new(3).activation(Activation::Tanh));
    let lstm = Shared::new(LSTM::new(4).return_sequences(true));
    let shared = |from: &Symbol| lstm.call(&dense.call(from)?);
    let (read, other) = (shared(&Masking::new().call(&x)?)?, shared(&z)?);
    let encoded = LSTM::new(5).return_state(true).call(&read)?;
    let [h, c] = encoded.states()?;
    let decoder = LSTM::new(5).return_sequences(true).return_state(true);
    let decoded = decoder.call_with_state(&other, [&h, &c])?;
    let both = Bidirectional::new(LSTM::new(5).return_state(true));
    let both = both.call_with_state(&other, &[&h, &c, &decoded.output(1)?, &decoded.output(2)?])?;
    let end = Concatenate::new().call([&both, &both.output(3)?])?;
    let outputs = [Dense::new(2).call(&decoded)?, Dense::new(1).call(&end)?];
    Model::new([&x, &z], &outputs[..])
}

#[test]
fn states_shared_layers_and_several_outputs_allocate_nothing() -> Result<()> {
    let mut model = translator()?;
    let compile = Compile {
        metrics: vec![Metric::from(Measure::RootMeanSquaredError).of_output(1)],
        weighted_metrics: vec!["mae".parse()?],
        loss_weights: vec![0.5, 2.0],
    };
    model.compile_with(Adam::default(), [Loss::MeanSquaredError, Loss::HUBER], compile)?;
    let (x, z) = (random(&[BATCH, 4, 3]), random(&[BATCH, STEPS, 3]));
    let y = [random(&[BATCH, STEPS, 2]), random(&[BATCH, 1])];
    let weights = [random(&[BATCH, STEPS]), random(&[BATCH])];
    let (y, weights) = (y.each_ref(), weights.each_ref());
    check_again("training", || model.train_on_batch([&x, &z], y).map(drop));
    check_again("training, weighted", || {
        model.train_on_weighted_batch([&x, &z], y, &weights).map(drop)
    });
    check_again("testing, weighted", || {
        model.test_on_weighted_batch([&x, &z], y, &weights).map(drop)
    });
    let options = Evaluate { batch_size: 4, ..Evaluate::default() };
    check_again("evaluation, weighted", || {
        model.evaluate_weighted([&x, &z], y, &weights, options).map(drop)
    });
    Ok(())
}

#[test]
fn no_reduction_or_weight_of_a_loss_allocates() -> Result<()> {
    let (x, mask) = (random(&[BATCH, STEPS, 3]), random(&[BATCH, STEPS]));
    let (by_step, by_sample) = (random(&[BATCH, STEPS, 2]), random(&[BATCH, 1]));
    let labels = Tensor::new([BATCH], (0..BATCH).map(|at| (at % 3) as f32).collect())?;
    let one_hot = Tensor::new([BATCH, 3], [0.0, 0.0, 1.0].repeat(BATCH))?;
    for reduction in [
        Reduction::SumOverBatchSize,
        Reduction::Sum,
        Reduction::Mean,
        Reduction::MeanWithSampleWeight,
        Reduction::None,
    ] {
        let what = format!("{reduction:?}");
        let network = Sequential::new().add(Input::new([STEPS, 3])).add(Masking::new());
        let lstm = LSTM::new(4).return_sequences(true);
        let mut model = network.add(lstm).add(Dense::new(2)).build()?;
        model.compile(Adam::default(), Loss::MeanSquaredError.reduction(reduction))?;
        for weights in [&mask, &by_sample] {
            let weights = [weights];
            check_again(&what, || model.train_on_weighted_batch(&x, &by_step, &weights).map(drop));
            check_again(&what, || model.test_on_weighted_batch(&x, &by_step, &weights).map(drop));
        }
        let sparse = Loss::SPARSE_CATEGORICAL_CROSSENTROPY.reduction(reduction);
        let dense = Loss::CATEGORICAL_CROSSENTROPY.reduction(reduction);
        for (loss, y) in [(sparse, &labels), (dense, &one_hot)] {
            let network = Sequential::new().add(Input::new([STEPS, 3])).add(LSTM::new(4));
            let mut model = network.add(Dense::new(3).activation(Activation::Softmax)).build()?;
            model.compile(Adam::default(), loss)?;
            let classes = [(0, 0.5), (2, 3.0)];
            check_again(&what, || model.train_on_class_weighted_batch(&x, y, &classes).map(drop));
        }
    }
    Ok(())
}

#[test]
fn no_clipping_or_schedule_allocates() -> Result<()> {
    let adam = || Optimizer::from(Adam::default());
    let schedules = [
        Schedule::from(ExponentialDecay::new(0.1, 2, 0.5)),
        PiecewiseConstantDecay::new([1.0, 3.0], [0.3, 0.2, 0.1]).into(),
        PolynomialDecay::new(0.1, 3).into(),
        InverseTimeDecay::new(0.1, 2, 0.5).into(),
        CosineDecay::new(0.1, 3).into(),
        CosineDecayRestarts::new(0.1, 2).into(),
    ];
    let scheduled = schedules.into_iter().map(|schedule| adam().schedule(schedule));
    let clipped = [adam().clipnorm(0.1), adam().global_clipnorm(0.1), adam().clipvalue(0.01)];
    let data = batches(4);
    for optimizer in scheduled.chain(clipped) {
        let what = format!("{optimizer:?}");
        let network = Sequential::new().add(Input::new([STEPS, 3])).add(LSTM::new(4));
        let mut model = network.add(Dense::new(2)).build()?;
        model.compile(optimizer, Loss::MeanSquaredError)?;
        check(&what, &mut model, &data);
    }
    Ok(())
}

#[test]
fn no_loss_or_metric_allocates_after_the_first_batch() {
    let one_hot = [Measure::CategoricalAccuracy, Measure::TopKCategoricalAccuracy { k: 2 }];
    let labels =
        [Measure::SparseCategoricalAccuracy, Measure::SparseTopKCategoricalAccuracy { k: 2 }];
    let numbers = [
        Measure::RootMeanSquaredError,
        Measure::Precision(Threshold::default()),
        Measure::Recall(Threshold { top_k: Some(1), ..Threshold::default() }),
        Measure::AUC(AUC::default()),
        Measure::R2Score(R2Score::default()),
        Measure::BinaryAccuracy { threshold: 0.5 },
    ];
    for loss in Loss::ALL {
        let sparse = matches!(loss, Loss::SparseCategoricalCrossentropy { .. });
        let measures: Vec<Metric> = match sparse {
            true => labels.iter().map(|it| it.clone().into()).collect(),
            false => one_hot.iter().chain(&numbers).map(|it| it.clone().into()).collect(),
        };
        let mut model = Sequential::new()
            .add(Input::new([3]))
            .add(Dense::new(4).activation(Activation::Softmax))
            .build()
            .unwrap();
        let compile = Compile { metrics: measures, ..Compile::default() };
        model.compile_with(Adam::default(), loss, compile).unwrap();
        let Batch { x, y, .. } = random_batch(&model, 7, 1, 5).unwrap();
        model.train_on_batch(&x[0], &y[0]).unwrap();
        let training = calls(|| assert!(model.train_on_batch(&x[0], &y[0]).is_ok()));
        assert_eq!(training, 0, "{loss}");
        let testing = calls(|| assert!(model.test_on_batch(&x[0], &y[0]).is_ok()));
        assert_eq!(testing, 0, "{loss}");
    }
}

#[test]
fn windows_over_a_series_are_cut_without_allocating() {
    let series = Tensor::new([50, 2], Random::new(0).numbers::<f32>(100, 1.0)).unwrap();
    let options = Timeseries { batch_size: 7, shuffle: true, ..Timeseries::default() };
    let mut windows = timeseries_dataset_from_array(&series, Some(&series), 6, options).unwrap();
    let mut epoch = |number: u64| {
        windows.start(number);
        while windows.advance().unwrap() {}
    };
    epoch(0);
    assert_eq!(calls(|| epoch(1)), 0);
}

#[test]
fn a_stream_of_a_model_allocates_nothing() {
    let model = Sequential::new()
        .add(Input::new([None]))
        .add(Embedding::new(5, 3).mask_zero(true))
        .add(LSTM::new(20).return_sequences(true))
        .add(RNN::new(StackedRNNCells::new([LSTMCell::new(4), LSTMCell::new(9)])))
        .add(Dense::new(700).activation(Activation::Softmax))
        .add(Dense::new(900).activation(Activation::Gelu))
        .build()
        .unwrap();
    let mut stream = model.stream(2).unwrap();
    let steps = calls(|| {
        for _ in 0..9 {
            std::hint::black_box(stream.step(&[4.0, -5.0])).unwrap();
            stream.reset_row(1);
            std::hint::black_box(stream.step(&[0.0, 3.0])).unwrap();
            std::hint::black_box(stream.step(&[0.0, 0.0])).unwrap();
        }
    });
    assert_eq!(steps, 0);
}
