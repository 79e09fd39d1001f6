//! After the first batch of a shape a graph allocates and frees nothing, whatever its layers.

use harness::allocation::{Counting, calls};
use harness::random::Random;
use kernels::Isa;
use lstm::{
    Activation, ActivationLayer, Adam, Add, Average, Concatenate, Dense, Embedding, Flatten, Input,
    LSTM, LayerNormalization, Loss, Masking, Maximum, Minimum, Model, Multiply, Permute,
    RepeatVector, Reshape, Softmax, Subtract, Tensor,
};

#[global_allocator]
static COUNTING: Counting = Counting;

/// All layers that look up, normalize, reshape and merge, with masks, for sequences of any length.
fn graph(isa: Isa) -> lstm::Result<Model<f32>> {
    let (words, x) = (Input::new([None]), Input::new([None, Some(3)]));
    let v = Input::new([3]);
    let embedded = Embedding::new(9, 3).mask_zero(true).call(&words)?;
    let normal = LayerNormalization::new().call(&embedded)?;
    let masked = Masking::new().call(&x)?;
    let merged = [
        Add::new().call([&normal, &v])?,
        Multiply::new().call([&masked, &embedded])?,
        Maximum::new().call([&masked, &normal])?,
    ];
    let joined = Concatenate::new().call(&merged[..])?;
    let read = LSTM::new(4).call(&joined)?;
    let turned = Permute::new([2, 1]).call(&Softmax::new().axis(1).call(&x)?)?;
    let turned = Reshape::new([None, Some(3)]).call(&turned)?;
    let turned = LSTM::new(4).call(&ActivationLayer::new(Activation::Gelu).call(&turned)?)?;
    let averaged = Average::new().call([&read, &Subtract::new().call([&turned, &read])?])?;
    let repeated = RepeatVector::new(2).call(&Minimum::new().call([&averaged, &read])?)?;
    let grouped = LayerNormalization::new().axis(1).call(&repeated)?;
    let y = Dense::new(1).call(&Flatten::new().call(&grouped)?)?;
    let mut model = Model::new([&words, &x, &v], &y)?;
    model.set_isa(isa);
    Ok(model)
}

#[test]
fn a_graph_of_all_layers_allocates_nothing_after_the_first_batch() -> lstm::Result<()> {
    for isa in Isa::available() {
        let mut model = graph(isa)?;
        model.compile(Adam::default(), Loss::MeanSquaredError)?;
        let batch = |steps: usize| -> lstm::Result<[Tensor<f32>; 4]> {
            let mut random = Random::new(steps as u64);
            let words = (0..6 * steps).map(|at| (at * 7 % 9) as f32).collect();
            Ok([
                Tensor::new([6, steps], words)?,
                Tensor::new([6, steps, 3], random.numbers(18 * steps, 1.0))?,
                Tensor::new([6, 3], random.numbers(18, 1.0))?,
                Tensor::new([6, 1], random.numbers(6, 1.0))?,
            ])
        };
        let batches = [batch(7)?, batch(3)?, batch(5)?];
        let mut prediction = batches[0][3].clone();
        for [words, x, v, y] in &batches[..2] {
            model.train_on_batch([words, x, v], y)?;
            model.predict_into([words, x, v], &mut prediction)?;
        }
        for at in [0, 1, 0, 2, 1, 2] {
            let [words, x, v, y] = &batches[at];
            let training = calls(|| assert!(model.train_on_batch([words, x, v], y).is_ok()));
            assert_eq!(training, 0, "training, batch {at} on {isa}");
            let mut predict = || model.predict_into([words, x, v], &mut prediction);
            let predicting = calls(|| assert!(predict().is_ok()));
            assert_eq!(predicting, 0, "prediction, batch {at} on {isa}");
        }
    }
    Ok(())
}
