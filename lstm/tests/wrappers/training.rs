//! Dropout inside of other layers.

use lstm::{
    Bidirectional, Input, LSTM, LSTMCell, Layer, Loss, MergeMode, Model, RNN, Regularizer, SGD,
    Sequential, Tensor, TimeDistributed,
};

use crate::case::numbers;

/// A model whose only layer is trained for one step; gives the loss before, and the gradients.
struct Step {
    model: Model<f64>,
    x: Tensor<f64>,
    y: Tensor<f64>,
}

impl Step {
    fn new(layer: Layer, x: Tensor<f64>) -> Self {
        let input = Input::new(&x.shape()[1..]);
        let mut model = Sequential::new().add(input).add(layer).build_as::<f64>().unwrap();
        let y = numbers(2, model.predict(&x).unwrap().shape());
        Step { model, x, y }
    }

    fn run(&mut self, weights: &[Tensor<f64>]) -> (f64, Vec<Tensor<f64>>) {
        self.model.set_weights(weights).unwrap();
        // The first step after `compile` always draws the same numbers.
        self.model
            .compile(SGD { learning_rate: 1.0, ..SGD::default() }, Loss::MeanSquaredError)
            .unwrap();
        let loss = self.model.train_on_batch(&self.x, &self.y).unwrap();
        let mut gradients = weights.to_vec();
        for (gradient, after) in gradients.iter_mut().zip(self.model.get_weights()) {
            let pairs = gradient.data_mut().iter_mut().zip(after.data());
            pairs.for_each(|(w, after)| *w -= after);
        }
        (loss, gradients)
    }
}

#[test]
fn gradients_with_dropout_inside_are_those_of_differences() {
    let lstm = LSTM::new(3).dropout(0.4).return_sequences(true);
    let cells =
        [LSTMCell::new(3).dropout(0.5), LSTMCell::new(2).dropout(0.3).recurrent_dropout(0.4)];
    let layers: [(Layer, &[usize]); 4] = [
        (Bidirectional::new(lstm.clone()).into(), &[3, 4, 5]),
        (RNN::new(cells.clone()).return_sequences(true).into(), &[3, 4, 5]),
        (Bidirectional::new(RNN::new(cells)).merge_mode(MergeMode::Mul).into(), &[3, 4, 5]),
        (TimeDistributed::new(lstm.recurrent_dropout(0.3)).into(), &[2, 3, 4, 5]),
    ];
    for (layer, shape) in layers {
        let what = format!("{layer:?}");
        let mut step = Step::new(layer, numbers(1, shape));
        let weights = step.model.get_weights();
        let (_, gradients) = step.run(&weights);
        for (i, gradient) in gradients.iter().enumerate() {
            for at in (0..gradient.data().len()).step_by(5) {
                let mut side = |by: f64| {
                    let mut weights = weights.clone();
                    weights[i].data_mut()[at] += by;
                    step.run(&weights).0
                };
                let difference = (side(1e-6) - side(-1e-6)) / 2e-6;
                let error = (difference - gradient.data()[at]).abs();
                assert!(error < 1e-7, "{what}: weight {i} at {at}: {error}");
            }
        }
    }
}

/// One step, the same weights: the two ways differ by what they drop.
#[test]
fn each_way_and_each_row_draws_its_own_numbers() {
    let lstm = LSTM::new(3).dropout(0.5);
    let x = Tensor::new([4, 1, 6], vec![0.5; 24]).unwrap();
    let mut both =
        Step::new(Bidirectional::new(lstm.clone()).merge_mode(MergeMode::Sum).into(), x.clone());
    let mut weights = both.model.get_weights();
    let (forward, backward) = weights.split_at_mut(3);
    backward.clone_from_slice(forward);
    let (_, gradients) = both.run(&weights);
    assert_ne!(gradients[0], gradients[3]);

    // Rows that are alike but for what they drop, in each step of each sequence.
    let x = x.reshape([2, 2, 1, 6]).unwrap();
    let mut each = Step::new(TimeDistributed::new(lstm.recurrent_dropout(0.5)).into(), x);
    let weights = each.model.get_weights();
    let mut losses = Vec::new();
    for row in 0..4 {
        // All of the loss is of this row: every other has the output that is wanted of it.
        each.y.data_mut().fill(0.0);
        each.y.data_mut()[row * 3..row * 3 + 3].fill(100.0);
        losses.push(each.run(&weights).0);
    }
    assert!((1..4).any(|row| losses[row] != losses[0]), "{losses:?}");
}

/// What Keras 3.15.1 on TensorFlow computes in float64 for the same numbers: the loss of a step, and
/// of each weight after it `Σ i wᵢ`, counted from one.
#[test]
fn penalties_on_each_way_are_those_of_keras() {
    let concat = [
        -28.40343934253835,
        78.00693812697631,
        -26.70779352822109,
        26.875715655838825,
        93.69578284393002,
        3.306719467459753,
    ];
    let mul = [
        -28.904992513326242,
        78.89518019670587,
        -22.953860770002812,
        32.188025903914436,
        97.71905326421087,
        11.492954552310156,
    ];
    for (mode, sequences, loss, after) in [
        (MergeMode::Concat, true, 1.2624857675719996, concat),
        (MergeMode::Mul, false, 0.6387421366733227, mul),
    ] {
        let penalty = Regularizer::L1L2 { l1: 0.25, l2: 0.5 };
        let lstm = LSTM::new(3).return_sequences(sequences).activity_regularizer(penalty);
        let layer = Bidirectional::new(lstm).merge_mode(mode);
        let mut step = Step::new(layer.into(), numbers(1, &[3, 4, 2]));
        let weights = (100..).zip(step.model.get_weights());
        let weights: Vec<_> = weights.map(|(seed, w)| numbers(seed, w.shape())).collect();
        let (found, _) = step.run(&weights);
        assert!((found - loss).abs() < 1e-7 * loss, "{mode:?}: {found}, not {loss}");
        for (i, (w, want)) in step.model.get_weights().iter().zip(after).enumerate() {
            let places = (1..).map(f64::from);
            let found: f64 = w.data().iter().zip(places).map(|(w, at)| w * at).sum();
            assert!((found - want).abs() < 1e-6, "{mode:?}, weight {i}: {found}, not {want}");
        }
    }
}
