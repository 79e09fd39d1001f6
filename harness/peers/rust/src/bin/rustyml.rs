//! RustyML: its `LSTM`, as it comes.

use std::error::Error;

use harness::conformance::Tensors;
use harness::race::serve::Built;
use harness::throughput::{Mode, Shape};
use ndarray::{Array, Array2, ArrayD};
use race_peers::{Outcome, losses, named, run};
use rustyml::neural_network::layers::{Activation, Dense, LSTM};
use rustyml::neural_network::losses::MeanSquaredError;
use rustyml::neural_network::optimizers::Adam;
use rustyml::neural_network::sequential::SequentialBuilder;
use rustyml::neural_network::traits::UnaryLayer as _;
use rustyml::neural_network::{Ctx, LayerPath, Shape as Sizes};

/// A layer draws orthogonal weights before it takes others, by loops that take 8 times as long for
/// twice the units: some 45 s for 1024 on a Zen 4.
const MOST_UNITS: usize = 1000;

fn main() -> std::io::Result<()> {
    run("0.17.0", |job, data| {
        Some(match job.mode {
            Mode::Infer => infer(job.shape, data),
            Mode::Train => train(job.shape, data),
            Mode::Step => step(job.shape, data),
            _ => return None,
        })
    })
}

/// An array of a job.
fn array(data: &Tensors<f32>, name: &str) -> Result<ArrayD<f32>, Box<dyn Error>> {
    let array = named(data, name)?;
    Ok(Array::from_shape_vec(array.shape(), array.data().to_vec())?)
}

/// One of weights. A bias is a row.
fn matrix(data: &Tensors<f32>, name: &str) -> Result<Array2<f32>, Box<dyn Error>> {
    let array = named(data, name)?;
    let columns = array.shape().last().copied().unwrap_or(1);
    let rows = array.data().len() / columns;
    Ok(Array2::from_shape_vec((rows, columns), array.data().to_vec())?)
}

fn back(array: &ArrayD<f32>) -> Result<lstm::Tensor<f32>, Box<dyn Error>> {
    Ok(lstm::Tensor::new(array.shape(), array.iter().copied().collect::<Vec<_>>())?)
}

fn layer(shape: Shape, data: &Tensors<f32>) -> Result<LSTM, Box<dyn Error>> {
    let Shape { batch, steps, inputs, units } = shape;
    if units > MOST_UNITS {
        return Err(format!("more than {MOST_UNITS} units take a minute to be drawn").into());
    }
    let mut layer = LSTM::new(units, Activation::Tanh)?;
    layer.build(&Sizes::known(&[batch, steps, inputs]))?;
    let weights = |name| matrix(data, name);
    layer.set_weights(weights("kernel")?, weights("recurrent_kernel")?, weights("bias")?)?;
    Ok(layer)
}

fn infer(shape: Shape, data: &Tensors<f32>) -> Outcome {
    let layer = layer(shape, data)?.with_return_sequences(true);
    let x = array(data, "x")?;
    let run = move || layer.forward(&x, &mut Ctx::inference());
    let answer = Tensors::from([("y".to_owned(), back(&run()?)?)]);
    Ok(Built { answer, run: Box::new(move || drop(run())) })
}

fn train(shape: Shape, data: &Tensors<f32>) -> Outcome {
    let layer = layer(shape, data)?.with_return_sequences(true);
    let (x, dy) = (array(data, "x")?, array(data, "dy")?);
    let run = move || {
        let mut context = Ctx::training();
        let y = layer.forward(&x, &mut context)?;
        let d_x = layer.backward(&dy, &mut context)?;
        Ok::<_, rustyml::error::Error>((y, d_x, context.take_grads()))
    };
    let (y, d_x, grads) = run()?;
    let grad = |name| grads.get(&LayerPath::root(0).param(name)).ok_or("a gradient is missing");
    let bias: Vec<_> = grad("bias")?.iter().copied().collect();
    let answer = Tensors::from([
        ("y".to_owned(), back(&y)?),
        ("d_x".to_owned(), back(&d_x)?),
        ("d_kernel".to_owned(), back(grad("kernel")?)?),
        ("d_recurrent_kernel".to_owned(), back(grad("recurrent_kernel")?)?),
        ("d_bias".to_owned(), lstm::Tensor::new([bias.len()], bias)?),
    ]);
    Ok(Built { answer, run: Box::new(move || drop(run())) })
}

fn step(shape: Shape, data: &Tensors<f32>) -> Outcome {
    let Shape { batch, steps, inputs, units } = shape;
    let mut head = Dense::new(1, Activation::Linear)?;
    head.build(&Sizes::known(&[batch, units]))?;
    head.set_weights(matrix(data, "head_kernel")?, matrix(data, "head_bias")?)?;
    let model = SequentialBuilder::new().add(layer(shape, data)?).add(head);
    let mut model = model.build(&Sizes::known(&[batch, steps, inputs]))?;
    model.compile(Adam::new(1e-3, 0.9, 0.999, 1e-7, 0.0)?, MeanSquaredError::new());
    let (x, y) = (array(data, "x")?, array(data, "y")?);
    let mut run = move || model.train_batch(&x, &y);
    let answer = losses(|| Ok(run()?))?;
    Ok(Built { answer, run: Box::new(move || drop(run())) })
}
