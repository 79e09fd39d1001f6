//! A model's own gradient check finds nothing wrong, whatever of the engine it runs through: lanes over units
//! and over the batch, one row, tiles of all heights, masks, dropouts, activations in the loop and apart.
//! (`harness/mutants` plants errors, which it must find.)

use lstm::gradcheck::{Gradcheck, random_batch};
use lstm::{
    Activation, Adam, Batch, Bidirectional, Dense, Dropout, Input, LSTM, Layer, Loss, Masking,
    MergeMode, Model, Result, Sequential, Shared, TimeDistributed,
};

/// A layer, the rows of a batch, and whether some of its steps are masked.
fn check(layer: impl Into<Layer>, rows: usize, masked: bool) -> Result<()> {
    check_steps(layer, rows, 5, masked)
}

fn check_steps(layer: impl Into<Layer>, rows: usize, steps: usize, masked: bool) -> Result<()> {
    let layer = layer.into();
    let what = format!("{layer:?}, {rows} rows, masked: {masked}");
    let model = Sequential::new().add(Input::new([None, Some(3)]));
    let model = if masked { model.add(Masking::new()) } else { model };
    // What is below it has a gradient from it; a penalty on its kernel would hide nothing.
    let model = model.add(TimeDistributed::new(Dense::new(3).use_bias(false))).add(layer);
    let mut model: Model = model.add(Dense::new(2)).build()?;
    model.compile(Adam::default(), Loss::MeanSquaredError)?;
    let Batch { mut x, y, .. }: Batch = random_batch(&model, rows, steps, 1)?;
    if masked {
        let steps = x[0].data_mut().chunks_exact_mut(3);
        steps.filter(|step| step[0] < -0.3).for_each(|step| step.fill(0.0));
    }
    let report =
        Gradcheck { sample: Some(5), ..Gradcheck::default() }.training(&model, &x[0], &y[0])?;
    assert!(report.passed(), "{what}\n{report}");
    // Below what differences resolve, an error of a derivative that is wrong would pass, too.
    assert!(2 * report.below_floor() < report.entries(), "{what}\n{report}");
    Ok(())
}

/// Few units, so that lanes run over the batch, and some, so that they run over units.
const SIZES: [(usize, usize); 6] = [(3, 20), (5, 33), (17, 1), (40, 1), (19, 7), (21, 20)];

#[test]
fn sequences_and_their_ends() -> Result<()> {
    for (units, rows) in SIZES {
        for masked in [false, true] {
            check(LSTM::new(units).return_sequences(true), rows, masked)?;
            check(LSTM::new(units), rows, masked)?;
        }
    }
    Ok(())
}

/// Sums over steps are added up in chunks, of 128 steps of 16 rows.
#[test]
fn more_steps_than_a_chunk_has() -> Result<()> {
    for (units, rows) in [(17, 17), (3, 20)] {
        for masked in [false, true] {
            check_steps(LSTM::new(units).return_sequences(true), rows, 140, masked)?;
        }
    }
    check_steps(LSTM::new(5).recurrent_dropout(0.3).return_sequences(true), 17, 140, false)
}

#[test]
fn activations_apart() -> Result<()> {
    for (units, rows) in [(3, 20), (19, 7), (40, 1)] {
        for (cell, gate) in [
            (Activation::Softsign, Activation::HardSigmoid),
            (Activation::Gelu, Activation::Silu),
            (Activation::Softmax, Activation::Sigmoid),
            (Activation::Tanh, Activation::Softmax),
        ] {
            let layer = LSTM::new(units).activation(cell).recurrent_activation(gate);
            check(layer.return_sequences(true), rows, false)?;
        }
    }
    Ok(())
}

#[test]
fn dropout_by_gate() -> Result<()> {
    for (units, rows) in [(3, 5), (19, 7), (21, 20)] {
        for dropout in [0.0, 0.3] {
            let layer = LSTM::new(units).recurrent_dropout(0.3).dropout(dropout);
            check(layer.return_sequences(true), rows, false)?;
        }
    }
    check(LSTM::new(4).dropout(0.3).return_sequences(true), 6, true)
}

#[test]
fn both_ways() -> Result<()> {
    for merge_mode in [MergeMode::Concat, MergeMode::Sum, MergeMode::Mul, MergeMode::Ave] {
        let layer = LSTM::new(4).return_sequences(true).zero_output_for_mask(true);
        check(Bidirectional::new(layer).merge_mode(merge_mode), 6, true)?;
    }
    Ok(())
}

/// Masks that follow from numbers which pass through another layer first, or which are an input of their
/// own: a step that became valid while the rounding of the loss is measured would hide every error.
#[test]
fn masks_from_elsewhere() -> Result<()> {
    let check = |model: &mut Model, masked: usize, features: usize| -> Result<()> {
        model.compile(Adam::default(), Loss::MeanSquaredError)?;
        let Batch { mut x, y, .. }: Batch = random_batch(model, 4, 5, 1)?;
        let steps = x[masked].data_mut().chunks_exact_mut(features);
        steps.filter(|step| step[0] < -0.3).for_each(|step| step.fill(0.0));
        let x: Vec<_> = x.iter().collect();
        for directions in [None, Some(3)] {
            let check = Gradcheck { sample: Some(5), directions, ..Gradcheck::default() };
            let report = check.training(model, &x[..], &y[0])?;
            assert!(report.passed() && report.entries() > 10, "{report}");
        }
        Ok(())
    };
    let mut after_another = Sequential::new()
        .add(Input::new([None, Some(3)]))
        .add(Dropout::new(0.0))
        .add(Masking::new())
        .add(LSTM::new(4))
        .add(Dense::new(2))
        .build()?;
    check(&mut after_another, 0, 3)?;
    let (x, mask) = (Input::new([5, 3]), Input::new([5]));
    let y = Dense::new(2).call(&Shared::new(LSTM::new(4)).call_masked(&x, &mask)?)?;
    let mut given = Model::new([&x, &mask], &y)?;
    check(&mut given, 1, 1)
}

/// All entries of a tensor at once.
#[test]
fn directions_through_each_tensor() -> Result<()> {
    let mut model: Model = Sequential::new()
        .add(Input::new([None, Some(3)]))
        .add(Masking::new())
        .add(LSTM::new(40).dropout(0.2).return_sequences(true))
        .add(LSTM::new(7))
        .add(Dense::new(2))
        .build()?;
    model.compile(Adam::default(), Loss::MeanSquaredError)?;
    let Batch { mut x, y, .. }: Batch = random_batch(&model, 6, 5, 1)?;
    x[0].data_mut()[3..9].fill(0.0);
    let check = Gradcheck { directions: Some(4), ..Gradcheck::default() };
    let report = check.training(&model, &x[0], &y[0])?;
    assert!(report.passed(), "{report}");
    assert_eq!(report.entries(), 4 * (8 + 1), "four of each weight and of the input");
    assert!(report.tensors.iter().all(|tensor| tensor.worst.index.len() == 1), "{report}");
    Ok(())
}
