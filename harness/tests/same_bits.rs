//! A whole training has the same bits on any number of threads, and on every instruction set with
//! multiply-adds that round once: weights, history, predictions and gradients, as one hash.

use harness::random::Random;
use kernels::Isa;
use lstm::engine::{Engine, Options};
use lstm::{
    Activation, Adam, Bidirectional, Bptt, Compile, Concatenate, Dense, Dropout, Embedding, Fit,
    Float, Input, LSTM, LSTMCell, LayerNormalization, Loss, Masking, Model, Predict, RNN, Result,
    SGD, Sequential, Tensor, Verbose,
};

/// A hash that stays what it is: FNV-1a, of 64 bits (G. Fowler, L. C. Noll and K.-P. Vo, 1991).
struct Hash(u64);

impl Hash {
    fn new() -> Self {
        Hash(0xcbf2_9ce4_8422_2325)
    }

    /// Takes in the bits of numbers; those of `f32` as the `f64` that they are.
    fn take(&mut self, numbers: impl IntoIterator<Item = f64>) {
        for byte in numbers.into_iter().flat_map(|number| number.to_bits().to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

/// What is trained, and how.
struct Case<T> {
    model: Model<T>,
    x: Tensor<T>,
    y: Tensor<T>,
    batch_size: usize,
    bptt: Bptt,
}

/// A name, and what makes the case of it.
type Named<T> = (&'static str, fn() -> Result<Case<T>>);

/// Each is large enough that threads share its recurrent layers.
fn cases<T: Float>() -> [Named<T>; 7] {
    [
        ("deep", deep),
        ("high", high),
        ("high, with states", high_with_states),
        ("checkpointed", checkpointed),
        ("windows of a stateful layer", windows),
        ("cells on an embedding", cells),
        ("softmax cells", softmax),
    ]
}

fn compiled<T: Float>(mut model: Model<T>) -> Result<Model<T>> {
    let compile = Compile { metrics: vec!["mae".parse()?], ..Compile::default() };
    model.compile_with(Adam::default(), Loss::HUBER, compile)?;
    Ok(model)
}

fn numbers<T: Float>(random: &mut Random, shape: &[usize]) -> Result<Tensor<T>> {
    Tensor::new(shape, random.numbers(shape.iter().product(), 1.0))
}

/// Of much that a model can have: masks, two directions, dropouts, activations.
fn deep<T: Float>() -> Result<Case<T>> {
    let x = Input::new([None, Some(24)]);
    let h = Masking::new().call(&x)?;
    let both = LSTM::new(48).return_sequences(true).recurrent_dropout(0.1);
    let h = Bidirectional::new(both).call(&h)?;
    let h = LayerNormalization::new().call(&h)?;
    let h = LSTM::new(80).return_sequences(true).dropout(0.2).call(&h)?;
    let h = LSTM::new(72).activation(Activation::Silu).call(&h)?;
    let y = Dense::new(96).activation(Activation::Gelu).call(&Dropout::new(0.3).call(&h)?)?;
    let model = compiled(Model::new_as(&x, &Dense::new(2).call(&y)?)?)?;
    let (rows, steps) = (72, 9);
    let mut random = Random::new(1);
    let mut x = numbers(&mut random, &[rows, steps, 24])?;
    for (at, step) in x.data_mut().chunks_exact_mut(24).enumerate() {
        if at % steps > 3 + at / steps % 6 {
            step.fill(T::ZERO);
        }
    }
    let y = numbers(&mut random, &[rows, 2])?;
    Ok(Case { model, x, y, batch_size: 36, bptt: Bptt::Full })
}

/// Few rows of many steps: threads share the layers.
fn high<T: Float>() -> Result<Case<T>> {
    let model = Sequential::new()
        .add(Input::new([None, Some(8)]))
        .add(LSTM::new(36).return_sequences(true).recurrent_dropout(0.1))
        .add(LSTM::new(40).return_sequences(true))
        .add(Dropout::new(0.2))
        .add(LSTM::new(40).return_sequences(true))
        // The second gives up, once the first has begun.
        .add(RNN::new([LSTMCell::new(36).recurrent_dropout(0.1), LSTMCell::new(30).dropout(0.2)]))
        .add(Dense::new(2))
        .build_as()?;
    let mut random = Random::new(7);
    let (x, y) = (numbers(&mut random, &[3, 150, 8])?, numbers(&mut random, &[3, 2])?);
    Ok(Case { model: compiled(model)?, x, y, batch_size: 1, bptt: Bptt::Full })
}

/// The same with states that are carried on, given and returned.
fn high_with_states<T: Float>() -> Result<Case<T>> {
    let x = Input::batched(2, [Some(150), Some(8)]);
    let lstm = |units| LSTM::new(units).return_sequences(true).stateful(true);
    let a = lstm(40).call(&x)?;
    let b = LSTM::new(40).stateful(true).return_state(true).call(&a)?;
    let [h, c] = b.states()?;
    let cells = RNN::new([LSTMCell::new(32), LSTMCell::new(32)]).return_sequences(true);
    let d = cells.return_state(true).call(&x)?;
    let [h_top, c_top] = [d.output(3)?, d.output(4)?];
    let e = LSTM::new(32).return_sequences(true).call_with_state(&d, [&h_top, &c_top])?;
    let both = Bidirectional::new(RNN::new([LSTMCell::new(32), LSTMCell::new(32)])).call(&e)?;
    let y = Concatenate::new().call([&b, &h, &c, &both])?;
    let model = compiled(Model::new_as(&x, &Dense::new(2).call(&y)?)?)?;
    let mut random = Random::new(8);
    let (x, y) = (numbers(&mut random, &[2, 150, 8])?, numbers(&mut random, &[2, 2])?);
    Ok(Case { model, x, y, batch_size: 2, bptt: Bptt::Full })
}

/// So long that there is less memory than backward could use.
fn checkpointed<T: Float>() -> Result<Case<T>> {
    let model = Sequential::new()
        .add(Input::new([None, Some(4)]))
        .add(LSTM::new(12).recurrent_dropout(0.2))
        .add(Dense::new(2))
        .build_as()?;
    let mut random = Random::new(2);
    let (x, y) = (numbers(&mut random, &[24, 150, 4])?, numbers(&mut random, &[24, 2])?);
    let (all, least) =
        Engine::<T>::new(Isa::best(), Options::new(4, 12)).bytes(24, 150, [true, false]);
    assert!(least < all, "{least} bytes of {all}");
    let bptt = Bptt::Checkpointed { bytes: least + (all - least) / 8 };
    Ok(Case { model: compiled(model)?, x, y, batch_size: 24, bptt })
}

/// States are carried from window to window, and from epoch to epoch.
fn windows<T: Float>() -> Result<Case<T>> {
    let model = Sequential::new()
        .add(Input::batched(24, [None, Some(16)]))
        .add(LSTM::new(48).return_sequences(true).stateful(true))
        .add(LSTM::new(40).return_sequences(true).recurrent_dropout(0.2))
        .add(Dense::new(2))
        .build_as()?;
    let mut random = Random::new(3);
    let (x, y) = (numbers(&mut random, &[24, 22, 16])?, numbers(&mut random, &[24, 22, 2])?);
    let bptt = Bptt::Truncated { window: 9 };
    Ok(Case { model: compiled(model)?, x, y, batch_size: 24, bptt })
}

/// Stacked cells in both directions, on words of which some are masked.
fn cells<T: Float>() -> Result<Case<T>> {
    let stack = [LSTMCell::new(40).recurrent_dropout(0.2), LSTMCell::new(33).dropout(0.1)];
    let model = Sequential::new()
        .add(Input::new([None]))
        .add(Embedding::new(30, 24).mask_zero(true))
        .add(Bidirectional::new(RNN::new(stack)))
        .add(Dense::new(2))
        .build_as()?;
    let (rows, steps) = (64, 11);
    let mut random = Random::new(4);
    let word = |at| if at % steps < 2 + at / steps % 10 { random.below(29) + 1 } else { 0 };
    let words = (0..rows * steps).map(word).map(|word| T::from_f64(word as f64)).collect();
    let (x, y) = (Tensor::new([rows, steps], words)?, numbers(&mut random, &[rows, 2])?);
    Ok(Case { model: compiled(model)?, x, y, batch_size: 32, bptt: Bptt::Full })
}

/// Softmax goes over the units, which lie across vectors.
fn softmax<T: Float>() -> Result<Case<T>> {
    let of_gates = LSTM::new(37).recurrent_activation(Activation::Softmax).return_sequences(true);
    let of_gates = of_gates.dropout(0.1).recurrent_dropout(0.2);
    let model = Sequential::new()
        .add(Input::new([None, Some(12)]))
        .add(of_gates)
        .add(LSTM::new(45).activation(Activation::Softmax))
        .add(Dense::new(2))
        .build_as()?;
    let mut random = Random::new(5);
    let (x, y) = (numbers(&mut random, &[50, 12, 12])?, numbers(&mut random, &[50, 2])?);
    Ok(Case { model: compiled(model)?, x, y, batch_size: 25, bptt: Bptt::Full })
}

/// The hash of all that comes of a training.
fn hash<T: Float>(isa: Isa, case: fn() -> Result<Case<T>>) -> Result<u64> {
    let Case { mut model, x, y, batch_size, bptt } = case()?;
    model.set_isa(isa);
    let silent = Verbose::Silent;
    let fit = Fit { epochs: 2, batch_size, bptt, verbose: silent, ..Fit::default() };
    let history = model.fit(&x, &y, fit)?;
    let mut hash = Hash::new();
    for name in history.names() {
        hash.take(history.get(name).unwrap_or(&[]).iter().copied());
    }
    let prediction = model.predict_with(&x, Predict { batch_size, ..Predict::default() })?;
    let gradients = model.gradients(&x, &[Some(&prediction)])?;
    let weights = model.get_weights();
    let tensors = weights.iter().chain([&prediction]).chain(&gradients.weights);
    hash.take(tensors.chain(&gradients.inputs).flat_map(|it| it.data()).map(|x| x.to_f64()));
    Ok(hash.0)
}

/// Those with multiply-adds that round once.
fn with_fma() -> impl Iterator<Item = Isa> {
    Isa::available().into_iter().filter(|isa| isa.name() != "portable")
}

fn check_threads<T: Float>() -> Result<()> {
    for (name, case) in cases::<T>() {
        for isa in Isa::available() {
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| hash(isa, case))
            };
            let one = on(1)?;
            for threads in [2, 3, 8] {
                assert_eq!(on(threads)?, one, "{name}: {threads} threads on {isa}");
            }
        }
    }
    Ok(())
}

fn check_instructions<T: Float>() -> Result<()> {
    for (name, case) in cases::<T>() {
        let hashes = with_fma().map(|isa| hash(isa, case)).collect::<Result<Vec<_>>>()?;
        assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "{name}");
    }
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

/// A model whose numbers come of additions, multiplications, divisions and the functions of `kernels`
/// alone: no function of the system's mathematical library has a part in them, whose bits differ from
/// one system to another. The initializers call some, so that the weights are from elsewhere.
fn of_arithmetic<T: Float>() -> Result<Case<T>> {
    let mut model = Sequential::new()
        .add(Input::new([None, Some(20)]))
        .add(LSTM::new(40).return_sequences(true))
        .add(Bidirectional::new(LSTM::new(24)))
        .add(Dense::new(3))
        .build_as::<T>()?;
    let mut random = Random::new(6);
    let weights = model.get_weights();
    let weights = weights.iter().map(|weight| {
        let numbers = random.numbers(weight.data().len(), 0.25);
        Tensor::new(weight.shape(), numbers)
    });
    model.set_weights(&weights.collect::<Result<Vec<_>>>()?)?;
    model.compile(SGD { momentum: 0.5, ..SGD::default() }, Loss::MeanSquaredError)?;
    let (x, y) = (numbers(&mut random, &[44, 13, 20])?, numbers(&mut random, &[44, 3])?);
    Ok(Case { model, x, y, batch_size: 24, bptt: Bptt::Full })
}

/// The hashes of that training in `f32` and `f64`. They may change only where bits are meant to: with
/// the order of a sum, an approximation of `kernels`, the random order of samples, or this case. Never
/// with the CPU, the system, the compiler or the number of threads.
const GOLDEN: [u64; 2] = [0xa1e5_3691_958b_3a80, 0xbe8d_8ab3_6064_d775];

#[test]
fn a_training_has_the_bits_that_it_always_had() -> Result<()> {
    for isa in with_fma() {
        let found = [hash::<f32>(isa, of_arithmetic)?, hash::<f64>(isa, of_arithmetic)?];
        assert_eq!(found, GOLDEN, "on {isa}: {found:#018x?}");
    }
    Ok(())
}
