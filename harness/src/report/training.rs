//! The smallest task there is: three numbers in a row, what comes next?

use std::time::Instant;

use lstm::{
    Activation, Adam, Dense, Fit, History, Input, LSTM, Loss, Model, Result, Sequential, Tensor,
    Verbose,
};

use super::Section;
use crate::style::Style;

/// Epochs of the training.
const EPOCHS: usize = 100;
/// How often it is repeated from other initial weights.
const SEEDS: u64 = 25;

/// LSTM(10, relu), Dense(10), Dense(1), compiled.
fn model() -> Result<Model> {
    let mut model = Sequential::new()
        .add(Input::new([3, 1]))
        .add(LSTM::new(10).activation(Activation::Relu))
        .add(Dense::new(10))
        .add(Dense::new(1))
        .build()?;
    model.compile(Adam::default(), Loss::MeanSquaredError)?;
    Ok(model)
}

/// Trains from the initial weights of a seed, then predicts what follows 7, 8, 9.
fn train(model: &mut Model, seed: u64) -> Result<(History, f32)> {
    let x = Tensor::from([
        [[1.0f32], [2.0], [3.0]],
        [[2.0], [3.0], [4.0]],
        [[3.0], [4.0], [5.0]],
        [[4.0], [5.0], [6.0]],
    ]);
    let y = Tensor::from([4.0, 5.0, 6.0, 7.0]);
    model.reseed(seed);
    let options =
        Fit { epochs: EPOCHS, batch_size: 1, seed, verbose: Verbose::Silent, ..Fit::default() };
    let history = model.fit(&x, &y, options)?;
    let prediction = model.predict(&Tensor::from([[[7.0], [8.0], [9.0]]]))?;
    Ok((history, prediction.data()[0]))
}

pub(super) fn section(style: Style) -> Result<Section> {
    let mut model = model()?;
    let start = Instant::now();
    let (history, prediction) = train(&mut model, 0)?;
    let elapsed = start.elapsed();
    let mut others = Vec::new();
    for seed in 1..=SEEDS {
        others.push(train(&mut model, seed)?.1);
    }
    others.sort_by(f32::total_cmp);
    let quartile = |i: usize| others[i * (others.len() - 1) / 4];

    let losses = history.loss();
    let (first, last) = (losses[0], losses[EPOCHS - 1]);
    let title = format!(
        "· 1 2 3 → 4, …, 4 5 6 → 7: LSTM(10, relu), Dense(10), Dense(1), {} parameters",
        model.count_params()
    );
    let spread = format!(
        "{SEEDS} other seeds: median {:.2}, quartiles {:.2} and {:.2}",
        quartile(2),
        quartile(1),
        quartile(3)
    );
    let loss = format!("{first:.2} → {last:.4}");
    let time = format!("{:.1} ms", elapsed.as_secs_f64() * 1e3);
    let text = format!(
        "\n{} {}\n\n  {}  {}  {}\n  {}  {loss:<14}  {}\n  {}  {time:<14}  {}\n\n",
        style.heading("Training"),
        style.faint(&title),
        style.faint("7 8 9 →"),
        style.strong(&format!("{prediction:<14.3}")),
        style.faint(&spread),
        style.faint("loss   "),
        curve(losses, 50),
        style.faint("time   "),
        style.faint(&format!("{EPOCHS} epochs of four batches of one, Adam, mean squared error")),
    );
    Ok(Section { text, passed: prediction.is_finite() && last < first })
}

/// Losses as a curve of `width` characters, its height the logarithm.
fn curve(losses: &[f64], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let logs: Vec<f64> = losses.iter().map(|loss| loss.max(1e-9).ln()).collect();
    let low = logs.iter().copied().fold(f64::INFINITY, f64::min);
    let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bar = |i: usize| {
        let height = (logs[i * logs.len() / width] - low) / (high - low).max(1e-9);
        BARS[((height * 8.0) as usize).min(7)]
    };
    (0..width).map(bar).collect()
}
