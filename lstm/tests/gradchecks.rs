//! A model's own gradient check finds nothing wrong, whatever of the engine it runs through: lanes over units
//! and over the batch, one row, tiles of all heights, masks, dropouts, activations in the loop and apart.
//! (`harness/mutants` plants errors, which it must find.)

use lstm::gradcheck::{Gradcheck, random_batch};
use lstm::{
    Activation, ActivationLayer, Adam, Add, Average, Batch, Bidirectional, Concatenate, Dense,
    Dropout, Embedding, Flatten, Initializer, Input, LSTM, LSTMCell, Layer, LayerNormalization,
    Loss, Masking, Maximum, MergeMode, Minimum, Model, Multiply, Permute, RNN, Regularizer,
    RepeatVector, Reshape, Result, Sequential, Shared, Softmax, SpatialDropout1D, Subtract, Symbol,
    TimeDistributed, Vectors,
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
    let masked = if masked { 3 } else { 0 };
    check_model(&model, &what, (rows, steps), masked)
}

/// A compiled model; of how many features the steps of its first input are, if some are masked.
fn check_model(
    model: &Model,
    what: &str,
    (rows, steps): (usize, usize),
    masked: usize,
) -> Result<()> {
    let Batch { mut x, y, .. }: Batch = random_batch(model, rows, steps, 1)?;
    if masked > 0 {
        let steps = x[0].data_mut().chunks_exact_mut(masked);
        steps.filter(|step| step[0] < -0.3).for_each(|step| step.fill(0.0));
    }
    let [x, y] = [&x, &y].map(|tensors| tensors.iter().collect::<Vec<_>>());
    let check = Gradcheck { sample: Some(5), ..Gradcheck::default() };
    let report = check.training(model, &x[..], &y[..])?;
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

/// States that are inputs, and states that are outputs, of rows with a mask and without.
#[test]
fn states_in_and_out() -> Result<()> {
    for (units, rows) in [(3, 20), (17, 1), (19, 7)] {
        for masked in [false, true] {
            let x = Input::new([5, 3]);
            let [h, c] = [(); 2].map(|()| Input::new([units]));
            let read = if masked { Masking::new().call(&x)? } else { Symbol::clone(&x) };
            let layer = LSTM::new(units).return_sequences(true).return_state(true);
            let y = layer.call_with_state(&read, [&h, &c])?;
            let [last_h, last_c] = y.states()?;
            let ends = [&y, &last_h, &last_c].map(|end| Dense::new(2).call(end));
            let ends = ends.into_iter().collect::<Result<Vec<_>>>()?;
            let inputs: [&Symbol; 3] = [&x, &h, &c];
            let mut model = Model::new(&inputs[..], &ends[..])?;
            model.compile(Adam::default(), Loss::MeanSquaredError)?;
            let what = format!("{units} units, {rows} rows, masked: {masked}");
            check_model(&model, &what, (rows, 5), if masked { 3 } else { 0 })?;
        }
    }
    Ok(())
}

/// Narrower vectors take a cache line in several parts.
#[test]
fn every_instruction_set() -> Result<()> {
    for isa in lstm::Isa::available() {
        for (units, rows) in [(3, 20), (5, 1), (19, 7)] {
            let mut model: Model = Sequential::new()
                .add(Input::new([5, 3]))
                .add(LSTM::new(units).return_sequences(true))
                .add(LSTM::new(units))
                .add(Dense::new(2))
                .build()?;
            model.compile(Adam::default(), Loss::MeanSquaredError)?;
            model.set_isa(isa);
            check_model(&model, &format!("{units} units on {isa}"), (rows, 5), 0)?;
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
    let dropped = |units| LSTM::new(units).recurrent_dropout(0.3).return_sequences(true);
    check_steps(dropped(17), 17, 140, false)?;
    check_steps(dropped(17).dropout(0.3), 17, 140, true)?;
    check_steps(dropped(3).dropout(0.3), 20, 140, true)
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
    let of_units = LSTM::new(5).recurrent_activation(Activation::Softmax).recurrent_dropout(0.3);
    for (dropout, rows, masked) in [(0.0, 4, true), (0.3, 19, false)] {
        check(of_units.clone().dropout(dropout).return_sequences(true), rows, masked)?;
    }
    check(LSTM::new(4).dropout(0.3).return_sequences(true), 6, true)
}

#[test]
fn both_ways() -> Result<()> {
    for merge_mode in [MergeMode::Concat, MergeMode::Sum, MergeMode::Mul, MergeMode::Ave] {
        let layer = LSTM::new(4).return_sequences(true).zero_output_for_mask(true);
        check(Bidirectional::new(layer).merge_mode(merge_mode), 6, true)?;
    }
    // Both sequences apart, and their states.
    let x = Input::new([5, 3]);
    let both = Bidirectional::new(LSTM::new(4).return_sequences(true).return_state(true));
    let both = both.merge_mode(None).call(&Dense::new(3).call(&x)?)?;
    let ends = (0..both.outputs()).map(|end| Dense::new(2).call(&both.output(end)?));
    let ends = ends.collect::<Result<Vec<_>>>()?;
    let mut model = Model::new(&x, &ends.iter().collect::<Vec<_>>()[..])?;
    model.compile(Adam::default(), Loss::MeanSquaredError)?;
    check_model(&model, "apart", (6, 5), 0)
}

/// Layers without time between one layer with weights and another.
#[test]
fn layers_between() -> Result<()> {
    for rms_scaling in [false, true] {
        let layer = LayerNormalization::new().gamma_initializer(Initializer::Constant(0.7));
        check(layer.rms_scaling(rms_scaling), 2, false)?;
    }
    check(RNN::new([LSTMCell::new(3), LSTMCell::new(2)]).return_sequences(true), 3, true)?;
    let back = Permute::new([2, 1]);
    let turned = Sequential::new().add(Input::new([5, 3])).add(LSTM::new(4).return_sequences(true));
    let turned = turned.add(back.clone()).add(Dense::new(5)).add(back).add(LSTM::new(2));
    let mut turned: Model = turned.build()?;
    turned.compile(Adam::default(), Loss::MeanSquaredError)?;
    check_model(&turned, "permuted", (3, 5), 0)?;
    check(Dropout::new(0.3), 3, false)?;
    check(SpatialDropout1D::new(0.3), 3, false)?;
    check(Softmax::new(), 3, false)?;
    check(Softmax::new().axis(1), 3, false)?;
    check(TimeDistributed::new(Flatten::new()), 2, false)?;
    for merge in 0..7 {
        let x = Input::new([5, 3]);
        let a = LSTM::new(4).return_sequences(true).call(&x)?;
        let b = LSTM::new(4).return_sequences(true).call(&a)?; // `a` is read twice
        let sum = match merge {
            0 => Add::new().call([&a, &b])?,
            1 => Subtract::new().call([&a, &b])?,
            2 => Multiply::new().call([&a, &b])?,
            3 => Average::new().call([&a, &b])?,
            4 => Maximum::new().call([&a, &b])?,
            5 => Minimum::new().call([&a, &b])?,
            _ => Concatenate::new().call([&a, &b])?,
        };
        let repeated = RepeatVector::new(3).call(&LSTM::new(3).call(&sum)?)?;
        let y = Dense::new(2).call(&Reshape::new([9]).call(&repeated)?)?;
        let mut model = Model::new(&x, &y)?;
        model.compile(Adam::default(), Loss::MeanSquaredError)?;
        check_model(&model, &format!("merge {merge}"), (4, 5), 0)?;
    }
    let words = Input::new([5]);
    let read = Embedding::new(6, 3).mask_zero(true).call(&words)?;
    let mut model = Model::new(&words, &Dense::new(2).call(&LSTM::new(4).call(&read)?)?)?;
    model.compile(Adam::default(), Loss::MeanSquaredError)?;
    check_model(&model, "embedding", (4, 5), 0)
}

#[test]
fn activations_of_all_names() -> Result<()> {
    for activation in Activation::ALL {
        let layer = Dense::new(4).activation(activation);
        check(
            layer.bias_initializer(Initializer::RandomNormal { mean: 0.1, stddev: 0.5 }),
            3,
            false,
        )?;
        check(ActivationLayer::new(activation), 3, false)?;
        let both = LSTM::new(3).return_sequences(true);
        if activation != Activation::Exponential {
            check(both.activation(activation), 3, false)?;
        }
    }
    Ok(())
}

/// Every loss after an activation that it is for, penalties on all there is.
#[test]
fn losses_and_penalties() -> Result<()> {
    let (classes, binary) = (Activation::Softmax, Activation::Sigmoid);
    let smooth = |from_logits, label_smoothing| (from_logits, label_smoothing);
    let mut losses = vec![
        (Loss::MeanSquaredError, Activation::Linear),
        (Loss::MeanAbsoluteError, Activation::Linear),
        (Loss::MeanAbsolutePercentageError, Activation::Linear),
        (Loss::MeanSquaredLogarithmicError, Activation::Softplus),
        (Loss::Huber { delta: 0.3 }, Activation::Linear),
        (Loss::LogCosh, Activation::Linear),
        (Loss::KLDivergence, classes),
        (Loss::Poisson, binary),
        (Loss::CosineSimilarity, Activation::Linear),
        (Loss::Hinge, Activation::Tanh),
        (Loss::SquaredHinge, Activation::Tanh),
        (Loss::CategoricalHinge, Activation::Tanh),
    ];
    for (from_logits, label_smoothing) in [smooth(false, 0.1), smooth(true, 0.1)] {
        let ends = |end| if from_logits { Activation::Linear } else { end };
        let loss = Loss::BinaryCrossentropy { from_logits, label_smoothing };
        losses.push((loss, ends(binary)));
        let loss = Loss::CategoricalCrossentropy { from_logits, label_smoothing };
        losses.push((loss, ends(classes)));
        let loss = Loss::SparseCategoricalCrossentropy { from_logits, ignore_class: None };
        losses.push((loss, ends(classes)));
    }
    // Classes that do not sum to one: what softmax would undo is seen.
    let label_smoothing = 0.1;
    let loss = Loss::CategoricalCrossentropy { from_logits: false, label_smoothing };
    losses.push((loss, binary));
    let loss = Loss::SparseCategoricalCrossentropy { from_logits: false, ignore_class: None };
    losses.push((loss, binary));
    for (loss, end) in losses {
        // Looked through by a loss that can be, and not.
        for apart in [false, true] {
            let model = Sequential::new().add(Input::new([5, 3])).add(LSTM::new(4));
            let last = Dense::new(3).bias_initializer(Initializer::Constant(0.2));
            let model = model.add(last.activation(end));
            let model = if apart { model.add(Reshape::new([3])) } else { model };
            let mut model: Model = model.build()?;
            model.compile(Adam::default(), loss)?;
            check_model(&model, &format!("{loss:?} {apart}"), (4, 5), 0)?;
        }
    }
    // A loss looks through an output that another layer reads.
    let x = Input::new([5, 3]);
    let classes = Dense::new(3).activation(classes).call(&LSTM::new(4).call(&x)?)?;
    let after = Dense::new(3).activation(binary).call(&classes)?;
    let mut model = Model::new(&x, [&classes, &after])?;
    let entropies = [
        Loss::CategoricalCrossentropy { from_logits: false, label_smoothing: 0.0 },
        Loss::BinaryCrossentropy { from_logits: false, label_smoothing: 0.0 },
    ];
    model.compile(Adam::default(), entropies.map(Some).to_vec())?;
    check_model(&model, "read on", (4, 5), 0)?;
    let modes = [Vectors::Rows, Vectors::Columns];
    let penalties = modes.map(|mode| Regularizer::Orthogonal { factor: 0.3, mode });
    for penalty in penalties.into_iter().chain([Regularizer::L1L2 { l1: 0.1, l2: 0.2 }]) {
        let mut layer = LSTM::new(3).kernel_regularizer(penalty).return_sequences(true);
        if let Regularizer::L1L2 { .. } = penalty {
            layer = layer.bias_regularizer(penalty).activity_regularizer(penalty);
        }
        let both = Bidirectional::new(layer.clone());
        check(layer.recurrent_regularizer(penalty), 3, false)?;
        check(both, 3, false)?;
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
