//! A whole training has the same bits on any number of threads, and on every instruction set with
//! multiply-adds that round once: weights, history, predictions and gradients, as one hash.

use std::hash::{DefaultHasher, Hash, Hasher};

use harness::random::Random;
use kernels::Isa;
use lstm::{
    Activation, Adam, Bidirectional, Compile, Dense, Dropout, Fit, Float, Input, LSTM,
    LayerNormalization, Loss, Masking, Model, Result, Tensor, Verbose,
};

/// Large enough that forward, backward and products are shared by threads.
fn model<T: Float>() -> Result<Model<T>> {
    let x = Input::new([None, Some(24)]);
    let h = Masking::new().call(&x)?;
    let both = LSTM::new(48).return_sequences(true).recurrent_dropout(0.1);
    let h = Bidirectional::new(both).call(&h)?;
    let h = LayerNormalization::new().call(&h)?;
    let h = LSTM::new(80).return_sequences(true).dropout(0.2).call(&h)?;
    let h = LSTM::new(72).activation(Activation::Silu).call(&h)?;
    let y = Dense::new(96).activation(Activation::Gelu).call(&Dropout::new(0.3).call(&h)?)?;
    let mut model = Model::new_as(&x, &Dense::new(2).call(&y)?)?;
    let compile = Compile { metrics: vec!["mae".parse()?], ..Compile::default() };
    model.compile_with(Adam::default(), Loss::HUBER, compile)?;
    Ok(model)
}

fn data<T: Float>() -> Result<[Tensor<T>; 2]> {
    let (rows, steps) = (72, 9);
    let mut random = Random::new(1);
    let mut x = random.numbers(rows * steps * 24, 1.0);
    for (at, step) in x.chunks_exact_mut(24).enumerate() {
        if at % steps > 3 + at / steps % 6 {
            step.fill(T::ZERO);
        }
    }
    let y = random.numbers(rows * 2, 1.0);
    Ok([Tensor::new([rows, steps, 24], x)?, Tensor::new([rows, 2], y)?])
}

/// The hash of all that comes of a training.
fn hash<T: Float>(isa: Isa) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    let mut model = model::<T>()?;
    model.set_isa(isa);
    let [x, y] = data::<T>()?;
    let options = Fit { epochs: 2, batch_size: 36, verbose: Verbose::Silent, ..Fit::default() };
    let history = model.fit(&x, &y, options)?;
    let series = history.names().flat_map(|name| history.get(name).unwrap_or(&[]));
    series.for_each(|value| value.to_bits().hash(&mut hasher));
    let prediction = model.predict(&x)?;
    let gradients = model.gradients(&x, &[Some(&y)])?;
    let tensors = model.get_weights();
    let tensors = tensors.iter().chain([&prediction]).chain(&gradients.weights);
    for value in tensors.chain(&gradients.inputs).flat_map(|tensor| tensor.data()) {
        value.to_f64().to_bits().hash(&mut hasher);
    }
    Ok(hasher.finish())
}

fn check_threads<T: Float>() -> Result<()> {
    for isa in Isa::available() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| hash::<T>(isa))
        };
        let one = on(1)?;
        for threads in [2, 3, 8] {
            assert_eq!(on(threads)?, one, "{threads} threads on {isa}");
        }
    }
    Ok(())
}

fn check_instructions<T: Float>() -> Result<()> {
    let with_fma = Isa::available().into_iter().filter(|isa| isa.name() != "portable");
    let hashes = with_fma.map(hash::<T>).collect::<Result<Vec<_>>>()?;
    assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]));
    Ok(())
}

#[test]
fn a_training_has_the_same_bits_on_any_number_of_threads() -> Result<()> {
    check_threads::<f32>()?;
    check_threads::<f64>()
}

#[test]
fn a_training_has_the_same_bits_on_instruction_sets_with_fma() -> Result<()> {
    check_instructions::<f32>()?;
    check_instructions::<f64>()
}
