//! candle: `candle_nn::LSTM`, as it comes.

use std::collections::HashMap;
use std::error::Error;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::rnn::{LSTM, LSTMConfig, RNN as _};
use candle_nn::{AdamW, Linear, Module as _, Optimizer as _, ParamsAdamW, VarBuilder, loss};
use harness::conformance::Tensors;
use harness::race::serve::Built;
use harness::throughput::{Mode, Shape};
use race_peers::{Outcome, losses, named, run, transposed};

const DEVICE: Device = Device::Cpu;

fn main() -> std::io::Result<()> {
    run("0.11.1", |job, data| {
        Some(match job.mode {
            Mode::Infer => infer(job.shape, data),
            Mode::Train => train(job.shape, data),
            Mode::Step => step(job.shape, data),
            _ => return None,
        })
    })
}

/// An array of a job.
fn tensor(data: &Tensors<f32>, name: &str) -> Result<Tensor, Box<dyn Error>> {
    let array = named(data, name)?;
    Ok(Tensor::from_slice(array.data(), array.shape(), &DEVICE)?)
}

fn back(tensor: &Tensor) -> Result<lstm::Tensor<f32>, Box<dyn Error>> {
    let flat = tensor.flatten_all()?.to_vec1()?;
    Ok(lstm::Tensor::new(tensor.dims(), flat)?)
}

/// Weights of a layer, which have gradients: of the input, of the state, and a bias.
fn weights(shape: Shape, data: &Tensors<f32>) -> Result<[Var; 3], Box<dyn Error>> {
    let Shape { inputs, units, .. } = shape;
    let transposed = |name, columns: usize| {
        let flat = transposed(named(data, name)?);
        Ok::<_, Box<dyn Error>>(Var::from_vec(flat, (4 * units, columns), &DEVICE)?)
    };
    Ok([
        transposed("kernel", inputs)?,
        transposed("recurrent_kernel", units)?,
        Var::from_tensor(&tensor(data, "bias")?)?,
    ])
}

fn layer(shape: Shape, weights: [Tensor; 3]) -> Result<LSTM, Box<dyn Error>> {
    let names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"].map(str::to_owned);
    let weights: HashMap<_, _> = names.into_iter().zip(weights).collect();
    let config = LSTMConfig { b_hh_init: None, ..LSTMConfig::default() };
    let builder = VarBuilder::from_tensors(weights, DType::F32, &DEVICE);
    Ok(LSTM::new(shape.inputs, shape.units, config, builder)?)
}

fn forward(layer: &LSTM, x: &Tensor) -> candle_core::Result<Tensor> {
    layer.states_to_tensor(&layer.seq(x)?)
}

fn infer(shape: Shape, data: &Tensors<f32>) -> Outcome {
    let layer = layer(shape, weights(shape, data)?.map(|weight| weight.as_detached_tensor()))?;
    let x = tensor(data, "x")?;
    let answer = Tensors::from([("y".to_owned(), back(&forward(&layer, &x)?)?)]);
    Ok(Built { answer, run: Box::new(move || drop(forward(&layer, &x))) })
}

fn train(shape: Shape, data: &Tensors<f32>) -> Outcome {
    let weights = weights(shape, data)?;
    let layer = layer(shape, weights.each_ref().map(|weight| weight.as_tensor().clone()))?;
    let (x, dy) = (Var::from_tensor(&tensor(data, "x")?)?, tensor(data, "dy")?);
    let input = x.clone();
    let run = move || {
        let y = forward(&layer, &x)?;
        let grads = (&y * &dy)?.sum_all()?.backward()?;
        Ok::<_, candle_core::Error>((y, grads))
    };
    let (y, grads) = run()?;
    let grad = |of: &Var| grads.get(of).ok_or("a gradient is missing");
    let [kernel, recurrent_kernel, bias] = &weights;
    let answer = Tensors::from([
        ("y".to_owned(), back(&y)?),
        ("d_x".to_owned(), back(grad(&input)?)?),
        ("d_kernel".to_owned(), back(&grad(kernel)?.t()?.contiguous()?)?),
        ("d_recurrent_kernel".to_owned(), back(&grad(recurrent_kernel)?.t()?.contiguous()?)?),
        ("d_bias".to_owned(), back(grad(bias)?)?),
    ]);
    Ok(Built { answer, run: Box::new(move || drop(run())) })
}

fn step(shape: Shape, data: &Tensors<f32>) -> Outcome {
    let weights = weights(shape, data)?;
    let layer = layer(shape, weights.each_ref().map(|weight| weight.as_tensor().clone()))?;
    let kernel = Var::from_tensor(&tensor(data, "head_kernel")?.t()?.contiguous()?)?;
    let bias = Var::from_tensor(&tensor(data, "head_bias")?)?;
    let head = Linear::new(kernel.as_tensor().clone(), Some(bias.as_tensor().clone()));
    let parameters = ParamsAdamW { lr: 1e-3, eps: 1e-7, weight_decay: 0.0, ..Default::default() };
    let mut adam = AdamW::new(weights.into_iter().chain([kernel, bias]).collect(), parameters)?;
    let (x, y) = (tensor(data, "x")?, tensor(data, "y")?);
    let mut run = move || {
        let states = layer.seq(&x)?;
        let last = states.last().ok_or("no steps")?;
        let loss = loss::mse(&head.forward(last.h())?, &y)?;
        adam.backward_step(&loss)?;
        Ok::<_, Box<dyn Error>>(loss)
    };
    let answer = losses(|| Ok(run()?.to_scalar()?))?;
    Ok(Built { answer, run: Box::new(move || drop(run())) })
}
