//! What an LSTM drops out, seen through layers that put out the very factors. Keras's numbers cannot be had;
//! their distribution can.

use lstm::{
    Activation, Adam, Dropout, Fit, Initializer, Input, LSTM, Loss, Model, Predict, Result,
    Sequential, Tensor, Verbose,
};

const ROWS: usize = 300;
const STEPS: usize = 3;
const WIDTH: usize = 20;

/// Which operand of which gate the output shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    Input(usize),
    State(usize),
}

/// An LSTM without curves whose other gates are one, or zero for what forgets: `h` is `x` of each step, or
/// the `h` before it, as the gate sees it.
fn shown(layer: LSTM, seen: Seen) -> Result<Model<f64>> {
    let layer = layer.activation(Activation::Linear).recurrent_activation(Activation::Linear);
    let layer = layer.bias_initializer(Initializer::Zeros).unit_forget_bias(false);
    let x = Input::new([STEPS, WIDTH]);
    let (h, c) = (Input::new([WIDTH]), Input::new([WIDTH]));
    let y = layer.return_sequences(true).call_with_state(&x, [&h, &c])?;
    let mut model = Model::<f64>::new_as([&x as &lstm::Symbol, &h, &c], &y)?;
    let (Seen::Input(gate) | Seen::State(gate)) = seen;
    let mut weights = [Tensor::zeros([WIDTH, 4 * WIDTH]), Tensor::zeros([WIDTH, 4 * WIDTH])];
    let mut bias = Tensor::zeros([4 * WIDTH]);
    let kernel = &mut weights[usize::from(matches!(seen, Seen::State(_)))];
    for unit in 0..WIDTH {
        kernel.data_mut()[unit * 4 * WIDTH + gate * WIDTH + unit] = 1.0;
        for other in (0..4).filter(|&other| other != gate) {
            bias.data_mut()[other * WIDTH + unit] = f64::from(u8::from(other != 1));
        }
    }
    let [kernel, recurrent] = weights;
    model.set_weights(&[kernel, recurrent, bias])?;
    Ok(model)
}

/// The factors at every step, `[rows, steps, width]`.
fn factors(layer: LSTM, seen: Seen, seed: Option<u64>) -> Result<Vec<f64>> {
    let ones = |shape: &[usize]| Tensor::new(shape, vec![1.0; shape.iter().product()]);
    let (x, state) = (ones(&[ROWS, STEPS, WIDTH])?, ones(&[ROWS, WIDTH])?);
    let options = Predict { batch_size: ROWS, training: seed, ..Predict::default() };
    Ok(shown(layer, seen)?.predict_with([&x, &state, &state], options)?.data().to_vec())
}

/// Of each row and unit, at the first step.
fn first(factors: &[f64]) -> Vec<f64> {
    let rows = factors.chunks_exact(STEPS * WIDTH);
    rows.flat_map(|row| row[..WIDTH].iter().copied()).collect()
}

/// Checks that numbers are zero or what makes up for it, in their shares: within five deviations.
fn check_shares(drawn: &[f64], rate: f64, what: &str) {
    let kept = 1.0 / (1.0 - rate);
    assert!(drawn.iter().all(|&x| x == 0.0 || (x - kept).abs() < 1e-12), "{what}");
    let n = drawn.len() as f64;
    let zeros = drawn.iter().filter(|&&x| x == 0.0).count() as f64;
    let deviation = (rate * (1.0 - rate) / n).sqrt();
    assert!((zeros / n - rate).abs() < 5.0 * deviation, "{what}: {zeros} of {n}");
}

/// The share of places where both are dropped or both are not.
fn agreement(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).filter(|(a, b)| (**a == 0.0) == (**b == 0.0)).count() as f64 / a.len() as f64
}

#[test]
fn the_input_is_dropped_once_for_all_gates_and_steps() -> Result<()> {
    for rate in [0.1, 0.5, 0.8] {
        let seen = |gate| factors(LSTM::new(WIDTH).dropout(rate), Seen::Input(gate), Some(1));
        let all = seen(2)?;
        check_shares(&first(&all), rate, "dropout");
        for row in all.chunks_exact(STEPS * WIDTH) {
            assert!(row.chunks_exact(WIDTH).all(|step| step == &row[..WIDTH]), "every step alike");
        }
        // Each row and feature for itself.
        let rows = first(&all);
        let other = [&rows[WIDTH..], &rows[..WIDTH]].concat();
        let chance = rate * rate + (1.0 - rate) * (1.0 - rate);
        assert!((agreement(&rows, &other) - chance).abs() < 0.04, "rows differ");
        for gate in [0, 3] {
            assert_eq!(first(&seen(gate)?), rows, "every gate alike");
        }
    }
    Ok(())
}

#[test]
fn with_a_recurrent_dropout_each_gate_has_draws_of_its_own() -> Result<()> {
    let (rate, recurrent) = (0.2, 0.4);
    let layer = || LSTM::new(WIDTH).dropout(rate).recurrent_dropout(recurrent);
    let mut drawn = Vec::new();
    for gate in [0, 2, 3] {
        let of_input = factors(layer(), Seen::Input(gate), Some(1))?;
        check_shares(&first(&of_input), rate, "dropout");
        let of_state = factors(layer(), Seen::State(gate), Some(1))?;
        let once = first(&of_state);
        check_shares(&once, recurrent, "recurrent dropout");
        // The same factor at every step: `h` after three steps is its third power.
        let powers = of_state.chunks_exact(STEPS * WIDTH).zip(once.chunks_exact(WIDTH));
        for (row, once) in powers.filter(|_| gate == 2) {
            let third = row[2 * WIDTH..].iter().zip(once);
            assert!(third.clone().all(|(third, once)| (third - once.powi(3)).abs() < 1e-9));
        }
        drawn.push((first(&of_input), once, (rate, recurrent)));
    }
    for (a, b) in [(0, 1), (1, 2), (0, 2)] {
        let chance = |rate: f64| rate * rate + (1.0 - rate) * (1.0 - rate);
        let (of_input, of_state, (rate, recurrent)) = &drawn[a];
        assert!((agreement(of_input, &drawn[b].0) - chance(*rate)).abs() < 0.04);
        assert!((agreement(of_state, &drawn[b].1) - chance(*recurrent)).abs() < 0.04);
    }
    Ok(())
}

#[test]
fn nothing_is_dropped_out_of_training_nor_at_a_rate_of_zero_or_one() -> Result<()> {
    let ones = vec![1.0; ROWS * STEPS * WIDTH];
    for seen in [Seen::Input(2), Seen::State(2)] {
        let layer = LSTM::new(WIDTH).dropout(0.5).recurrent_dropout(0.5);
        assert_eq!(factors(layer, seen, None)?, ones);
        for rate in [0.0, 1.0] {
            let layer = LSTM::new(WIDTH).dropout(rate).recurrent_dropout(rate);
            assert_eq!(factors(layer, seen, Some(1))?, ones, "{rate}");
        }
    }
    Ok(())
}

#[test]
fn a_seed_draws_the_same_again_and_another_seed_other_numbers() -> Result<()> {
    let drawn = |own: Option<u64>, seed| {
        let layer = LSTM::new(WIDTH).dropout(0.5);
        let layer = own.into_iter().fold(layer, LSTM::seed);
        factors(layer, Seen::Input(2), Some(seed))
    };
    for own in [None, Some(3)] {
        assert_eq!(drawn(own, 1)?, drawn(own, 1)?);
        assert!((agreement(&drawn(own, 1)?, &drawn(own, 2)?) - 0.5).abs() < 0.04, "{own:?}");
    }
    assert!((agreement(&drawn(Some(3), 1)?, &drawn(Some(4), 1)?) - 0.5).abs() < 0.04);
    assert!((agreement(&drawn(Some(3), 1)?, &drawn(None, 1)?) - 0.5).abs() < 0.04);
    Ok(())
}

/// Predictions as in training leave the training as it is, and differ from batch to batch.
#[test]
fn predictions_as_in_training_disturb_no_training() -> Result<()> {
    let build = || -> Result<Model> {
        let model = Sequential::new().add(Input::new([4])).add(Dropout::new(0.5));
        let mut model = model.add(lstm::Dense::new(1)).build()?;
        model.compile(Adam::default(), Loss::MeanSquaredError)?;
        Ok(model)
    };
    let x = Tensor::new([8, 4], (0..32).map(|i| (i as f32).cos()).collect())?;
    let y = Tensor::new([8, 1], (0..8).map(|i| (i as f32).sin()).collect())?;
    let (mut one, mut other) = (build()?, build()?);
    for epoch in 0..3 {
        let fit = Fit { initial_epoch: epoch, epochs: epoch + 1, ..Fit::default() };
        let fit = Fit { verbose: Verbose::Silent, ..fit };
        one.fit(&x, &y, fit)?;
        other.fit(&x, &y, fit)?;
        let options = Predict { batch_size: 4, training: Some(epoch as u64), ..Predict::default() };
        let dropped = one.predict_with(&x, options)?;
        assert_ne!(dropped, one.predict(&x)?);
        assert_eq!(dropped, one.predict_with(&x, options)?);
    }
    assert_eq!(one.get_weights(), other.get_weights());
    Ok(())
}
