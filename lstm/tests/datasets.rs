//! Training on datasets is training on the arrays that they stand for.

use std::error::Error as _;

use lstm::{
    Adam, Batch, Batches, Compile, Dataset, Dense, Dropout, Error, Fit, Input, LSTM, Loss, Metric,
    Model, Predict, Result, Sequential, Tensor, Timeseries, Validation, Verbose,
    timeseries_dataset_from_array,
};

const STEPS: usize = 5;

fn model() -> Model<f64> {
    let mut model = Sequential::new()
        .add(Input::new([STEPS, 2]))
        .add(LSTM::new(4).recurrent_dropout(0.2))
        .add(Dropout::new(0.1))
        .add(Dense::new(1))
        .build_as::<f64>()
        .unwrap();
    let metrics = vec!["mae".parse::<Metric>().unwrap()];
    let compile = Compile { metrics, ..Compile::default() };
    model.compile_with(Adam::default(), Loss::MeanSquaredError, compile).unwrap();
    model
}

/// `[time, 2]` and a target for each element.
fn series(length: usize) -> (Tensor<f64>, Tensor<f64>) {
    let x = (0..2 * length).map(|i| (0.3 * i as f64).sin()).collect();
    let y = (0..length).map(|i| (0.3 * (2 * i + 2 * STEPS) as f64).sin()).collect();
    (Tensor::new([length, 2], x).unwrap(), Tensor::new([length], y).unwrap())
}

/// All windows, one beside the other.
fn windows(x: &Tensor<f64>, count: usize) -> Tensor<f64> {
    let windows = (0..count).flat_map(|at| x.data()[2 * at..2 * (at + STEPS)].to_vec());
    Tensor::new([count, STEPS, 2], windows.collect()).unwrap()
}

fn first(tensor: &Tensor<f64>, count: usize) -> Tensor<f64> {
    let size = tensor.data().len() / tensor.shape()[0];
    let shape: Vec<usize> = [&[count], &tensor.shape()[1..]].concat();
    Tensor::new(shape, tensor.data()[..count * size].to_vec()).unwrap()
}

const QUIET: Fit<'static, f64> =
    Fit { epochs: 3, shuffle: false, verbose: Verbose::Silent, seed: 7, ..Fit::DEFAULT };

#[test]
fn windows_train_as_the_array_of_all_windows() {
    let (x, y) = series(40);
    let count = 40 - STEPS + 1;
    let (all, targets) = (windows(&x, count), first(&y, count));

    let mut expected = model();
    let want = expected.fit(&all, &targets, Fit { batch_size: 8, ..QUIET }).unwrap();
    let mut found = model();
    let options = Timeseries { batch_size: 8, ..Timeseries::default() };
    let mut dataset = timeseries_dataset_from_array(&x, Some(&y), STEPS, options).unwrap();
    let got = found.fit_dataset(&mut dataset, QUIET).unwrap();

    assert_eq!(got, want);
    assert_eq!(found.get_weights(), expected.get_weights());
    let options = lstm::Evaluate { batch_size: 8, ..lstm::Evaluate::default() };
    let loss = expected.evaluate_with(&all, &targets, options).unwrap();
    assert_eq!(found.evaluate_dataset(&mut dataset, None).unwrap(), loss);
    assert_eq!(found.metrics().unwrap(), expected.metrics().unwrap());
    let predicted =
        expected.predict_with(&all, Predict { batch_size: 8, ..Predict::default() }).unwrap();
    assert_eq!(
        found.predict_dataset(&mut dataset, None).unwrap(),
        std::slice::from_ref(&predicted)
    );
    assert_eq!(found.predict_dataset(&mut dataset, Some(2)).unwrap(), [first(&predicted, 16)]);
    assert_eq!(found.predict_on_batch(&first(&all, 16)).unwrap(), [first(&predicted, 16)]);
}

#[test]
fn windows_are_cut_as_keras_cuts_them() {
    let x = Tensor::new([20], (0..20).map(f64::from).collect()).unwrap();
    let y = Tensor::new([20], (100..120).map(f64::from).collect()).unwrap();
    let options = Timeseries {
        sequence_stride: 3,
        sampling_rate: 2,
        batch_size: 2,
        start_index: 1,
        end_index: Some(14),
        ..Timeseries::default()
    };
    let mut dataset = timeseries_dataset_from_array(&x, Some(&y), 3, options).unwrap();
    // Made by keras.utils.timeseries_dataset_from_array of Keras 3.15.1 with these arguments.
    let expected = [
        (vec![[1.0, 3.0, 5.0], [4.0, 6.0, 8.0]], vec![101.0, 104.0]),
        (vec![[7.0, 9.0, 11.0]], vec![107.0]),
    ];
    assert_eq!(dataset.batches(), Some(2));
    for epoch in 0..2 {
        dataset.start(epoch);
        for (x, y) in &expected {
            assert!(dataset.advance().unwrap());
            assert_eq!(dataset.batch().x[0].shape(), [x.len(), 3]);
            assert_eq!(dataset.batch().x[0].data(), x.as_flattened());
            assert_eq!(dataset.batch().y[0].data(), y);
        }
        assert!(!dataset.advance().unwrap());
    }
}

#[test]
fn shuffled_windows_are_each_there_once_in_another_order_each_epoch() {
    let x = Tensor::new([50], (0..50).map(f64::from).collect()).unwrap();
    let options = Timeseries { shuffle: true, batch_size: 7, ..Timeseries::default() };
    let mut dataset = timeseries_dataset_from_array(&x, None, 4, options).unwrap();
    let mut order = |epoch| {
        dataset.start(epoch);
        let mut firsts = Vec::new();
        while dataset.advance().unwrap() {
            assert!(dataset.batch().y.is_empty());
            firsts.extend(dataset.batch().x[0].data().chunks_exact(4).map(|row| row[0]));
        }
        firsts
    };
    let (one, two) = (order(0), order(1));
    assert_ne!(one, two);
    assert_eq!(order(0), one);
    for mut firsts in [one, two] {
        firsts.sort_by(f64::total_cmp);
        assert!(firsts.iter().copied().eq((0..47).map(f64::from)));
    }
}

#[test]
fn iterators_train_as_arrays_with_weights_of_samples_and_classes() {
    let (x, y) = series(24 + STEPS - 1);
    let (x, y) = (windows(&x, 24), first(&y, 24));
    let y = Tensor::new([24], y.data().iter().map(|&y| f64::from(u8::from(y > 0.0))).collect());
    let (y, w) = (y.unwrap(), Tensor::new([24], (0..24).map(|i| 0.1 * f64::from(i)).collect()));
    let w = w.unwrap();
    let of = |tensor: &Tensor<f64>, at: usize| {
        let size = tensor.data().len() / 24;
        let shape: Vec<usize> = [&[6], &tensor.shape()[1..]].concat();
        Tensor::new(shape, tensor.data()[6 * at * size..6 * (at + 1) * size].to_vec()).unwrap()
    };
    let arrays = Fit { batch_size: 6, ..QUIET };

    let (mut expected, mut found) = (model(), model());
    let weighted: &[&Tensor<f64>] = &[&w];
    let want = expected.fit(&x, &y, Fit { sample_weight: weighted, ..arrays }).unwrap();
    let make = |_| (0..4).map(|at| (of(&x, at), of(&y, at), of(&w, at)));
    let got = found.fit_dataset(&mut Batches::new(make), QUIET).unwrap();
    assert_eq!((got, found.get_weights()), (want, expected.get_weights()));

    let (mut expected, mut found) = (model(), model());
    let classes: &[(i64, f64)] = &[(0, 0.5), (1, 2.0)];
    let want = expected.fit(&x, &y, Fit { class_weight: classes, ..arrays }).unwrap();
    let make = |_| (0..4).map(|at| (of(&x, at), of(&y, at)));
    let options = Fit { class_weight: classes, ..QUIET };
    let got = found.fit_dataset(&mut Batches::new(make), options).unwrap();
    assert_eq!((got, found.get_weights()), (want, expected.get_weights()));

    // Validated on arrays, and on a dataset.
    let (mut expected, mut found, mut other) = (model(), model(), model());
    let (held_x, held_y): ([&Tensor<f64>; 1], [&Tensor<f64>; 1]) = ([&x], [&y]);
    let held = Validation { x: &held_x, y: &held_y, sample_weight: &[] };
    let options = Fit { validation_data: held, validation_batch_size: Some(6), ..arrays };
    let want = expected.fit(&x, &y, options).unwrap();
    assert_eq!(found.fit_dataset(&mut Batches::new(make), options).unwrap(), want);
    let (mut train, mut held) = (Batches::new(make), Batches::new(make));
    let got = other.fit_dataset_with(&mut train, Some(&mut held), QUIET, &mut []).unwrap();
    assert_eq!(got, want);
}

#[test]
fn steps_per_epoch_go_on_through_a_dataset() {
    let (x, y) = series(40);
    let endless = |_| {
        (0..).map(|at| (windows(&x, 1 + at % 5), first(&y, 1 + at % 5))) // of several sizes
    };
    let options = Fit { steps_per_epoch: Some(4), ..QUIET };
    let (mut one, mut other) = (model(), model());
    one.fit_dataset(&mut Batches::new(endless), options).unwrap();
    let twelve = |_| endless(0).take(12);
    other.fit_dataset(&mut Batches::new(twelve), Fit { epochs: 1, ..QUIET }).unwrap();
    assert_eq!(one.get_weights(), other.get_weights());
}

#[test]
fn a_dataset_starts_at_the_number_of_epochs_since_compile() {
    let (x, y) = series(9);
    let mut starts = Vec::new();
    let mut dataset = Batches::new(|epoch| {
        starts.push(epoch);
        (0..6).map(|_| (windows(&x, 3), first(&y, 3)))
    });
    let mut model = model();
    let mut fit = |model: &mut Model<f64>, options| {
        model.fit_dataset(&mut dataset, options).unwrap();
    };
    fit(&mut model, QUIET); // 0, 1, 2
    fit(&mut model, Fit { initial_epoch: 1, ..QUIET }); // 3, 4
    // Six batches are two epochs: from 5 and from 7.
    fit(&mut model, Fit { epochs: 4, steps_per_epoch: Some(3), ..QUIET });
    model.reseed(0);
    fit(&mut model, Fit { epochs: 1, ..QUIET });
    model.compile(Adam::default(), Loss::MeanSquaredError).unwrap();
    fit(&mut model, Fit { epochs: 1, ..QUIET });
    model.evaluate_dataset(&mut dataset, None).unwrap();
    assert_eq!(starts, [0, 1, 2, 3, 4, 5, 7, 0, 0, 0]);
}

/// Fails after two batches.
struct Breaking(Batch<f64>, usize);

impl Dataset<f64> for Breaking {
    fn start(&mut self, _: u64) {
        self.1 = 0;
    }

    fn advance(&mut self) -> Result<bool> {
        self.1 += 1;
        match self.1 {
            ..=2 => Ok(true),
            _ => Err(Error::File { path: "series.csv".to_owned(), why: "gone".to_owned() }),
        }
    }

    fn batch(&self) -> &Batch<f64> {
        &self.0
    }
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let (x, y) = series(9);
    let mut model = model();
    let mut none = Batches::new(|_| std::iter::empty::<(Tensor<f64>, Tensor<f64>)>());
    let mut refused = |dataset: &mut dyn Dataset<f64>, options| {
        model.fit_dataset(dataset, options).unwrap_err().to_string()
    };
    assert_eq!(refused(&mut none, QUIET), "dataset: it has no batch");
    let split = Fit { validation_split: 0.5, ..QUIET };
    let why = "it cannot be given beside a dataset: give another dataset";
    assert_eq!(refused(&mut none, split), format!("validation_split: {why}"));
    let batch = Batch::from((windows(&x, 3), first(&y, 3)));
    assert_eq!(refused(&mut Breaking(batch, 0), QUIET), "series.csv: gone");
    let mut short = Batches::new(|_| [(windows(&x, 3), first(&y, 2))].into_iter());
    assert_eq!(refused(&mut short, QUIET), "y: expected shape (3, 1), found (2,)");
    let mut wrong = Batches::new(|_| [x.clone()].into_iter());
    let found = refused(&mut wrong, QUIET);
    assert_eq!(found, "input_layer: expected shape (None, 5, 2), found (9, 2)");

    let cut = |length, options| {
        let error = timeseries_dataset_from_array(&x, Some(&y), length, options).unwrap_err();
        assert!(error.source().is_none());
        error.to_string()
    };
    let options = Timeseries::default();
    assert_eq!(cut(0, options), "sequence_length: it must be positive");
    let beyond = Timeseries { end_index: Some(10), ..options };
    assert_eq!(cut(2, beyond), "end_index: 10 is beyond the series, which has 9 elements");
    let turned = Timeseries { start_index: 5, end_index: Some(3), ..options };
    assert_eq!(cut(2, turned), "end_index: 3 is not beyond start_index, which is 5");
    let long = cut(4, Timeseries { sampling_rate: 3, ..options });
    assert!(long.starts_with("sequence_length: no window of 4 elements, 3 apart,"), "{long}");
}
