//! After the first batch of a shape nothing is allocated or freed, whatever the options: of layers,
//! losses, metrics and regularizers, and whatever the masks of the batches to come.

use harness::allocation::{Counting, calls};
use harness::random::Random;
use kernels::Isa;
use lstm::gradcheck::random_batch;
use lstm::{
    AUC, Activation, Adam, Batch, Bidirectional, Compile, Constraint, Dataset, Dense, Dropout,
    Embedding, Input, LSTM, LSTMCell, Loss, Masking, Measure, Metric, Model, Optimizer, R2Score,
    RNN, Regularizer, Sequential, SpatialDropout1D, StackedRNNCells, Tensor, Threshold, Timeseries,
    timeseries_dataset_from_array,
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
