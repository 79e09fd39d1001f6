//! burn: `burn::nn::Lstm`, as it comes, on its backend Flex. NdArray, deprecated, was slower at each of
//! six shapes tried; CubeCL's for CPUs is not here because its build downloads an LLVM.

use std::error::Error;

use burn::Tensor;
use burn::module::Param;
use burn::nn::loss::{MseLoss, Reduction};
use burn::nn::{GateController, Linear, Lstm, LstmConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, TensorData};
use harness::conformance::Tensors;
use harness::race::serve::Built;
use harness::throughput::{Mode, Shape};
use race_peers::{Outcome, losses, named, run};

fn main() -> std::io::Result<()> {
    run("0.22.1", |job, data| {
        Some(match job.mode {
            Mode::Infer => infer(job.shape, data),
            Mode::Train => train(job.shape, data),
            Mode::Step => step(job.shape, data),
            _ => return None,
        })
    })
}

/// An array of a job.
fn tensor<const D: usize>(
    data: &Tensors<f32>,
    name: &str,
    device: &Device,
) -> Result<Tensor<D>, Box<dyn Error>> {
    let array = named(data, name)?;
    Ok(Tensor::from_data(TensorData::new(array.data().to_vec(), array.shape().to_vec()), device))
}

fn back<const D: usize>(tensor: &Tensor<D>) -> Result<lstm::Tensor<f32>, Box<dyn Error>> {
    Ok(lstm::Tensor::new(tensor.dims(), tensor.to_data().try_to_vec()?)?)
}

/// Weights of the gates, apart.
fn apart<const D: usize>(
    data: &Tensors<f32>,
    name: &str,
    device: &Device,
) -> Result<impl Iterator<Item = Param<Tensor<D>>>, Box<dyn Error>> {
    let gates = tensor::<D>(data, name, &Device::flex())?.chunk(4, D - 1);
    Ok(gates.into_iter().map(|gate| Param::from_data(gate.into_data(), device)))
}

/// One that has all biases in those of the input: those of the state are off.
fn layer(shape: Shape, data: &Tensors<f32>, device: &Device) -> Result<Lstm, Box<dyn Error>> {
    let mut layer = LstmConfig::new(shape.inputs, shape.units, true).init(device);
    let kernels = apart(data, "kernel", device)?;
    let recurrent_kernels = apart(data, "recurrent_kernel", device)?;
    let biases = apart(data, "bias", device)?;
    let mut gates =
        kernels.zip(recurrent_kernels).zip(biases).map(|((kernel, recurrent), bias)| {
            GateController {
                input_transform: Linear { weight: kernel, bias: Some(bias) },
                hidden_transform: Linear { weight: recurrent, bias: None },
            }
        });
    let mut next = || gates.next().ok_or("a gate is missing");
    layer.input_gate = next()?;
    layer.forget_gate = Some(next()?);
    layer.cell_gate = next()?;
    layer.output_gate = next()?;
    Ok(layer)
}

fn infer(shape: Shape, data: &Tensors<f32>) -> Outcome {
    let device = Device::flex();
    let layer = layer(shape, data, &device)?;
    let x = tensor(data, "x", &device)?;
    let run = move || layer.forward(x.clone(), None).0;
    let answer = Tensors::from([("y".to_owned(), back(&run())?)]);
    Ok(Built { answer, run: Box::new(move || drop(run())) })
}

fn train(shape: Shape, data: &Tensors<f32>) -> Outcome {
    let device = Device::flex().autodiff();
    let layer = layer(shape, data, &device)?;
    let x = tensor(data, "x", &device)?.require_grad();
    let dy = tensor(data, "dy", &device)?;
    let (weights, input) = (layer.clone(), x.clone());
    let run = move || {
        let y = layer.forward(x.clone(), None).0;
        let grads = (y.clone() * dy.clone()).sum().backward();
        (y, grads)
    };
    let (y, grads) = run();
    let forget_gate = weights.forget_gate.as_ref();
    let gates = [
        Some(&weights.input_gate),
        forget_gate,
        Some(&weights.cell_gate),
        Some(&weights.output_gate),
    ];
    // Of all gates, side by side.
    fn join<const D: usize>(
        grads: [Option<Tensor<D>>; 4],
    ) -> Result<lstm::Tensor<f32>, Box<dyn Error>> {
        let grads: Option<Vec<_>> = grads.into_iter().collect();
        back(&Tensor::cat(grads.ok_or("a gradient is missing")?, D - 1))
    }
    let answer = Tensors::from([
        ("y".to_owned(), back(&y)?),
        ("d_x".to_owned(), back(&input.grad(&grads).ok_or("a gradient is missing")?)?),
        ("d_kernel".to_owned(), join(gates.map(|gate| gate?.input_transform.weight.grad(&grads)))?),
        (
            "d_recurrent_kernel".to_owned(),
            join(gates.map(|gate| gate?.hidden_transform.weight.grad(&grads)))?,
        ),
        (
            "d_bias".to_owned(),
            join(gates.map(|gate| gate?.input_transform.bias.as_ref()?.grad(&grads)))?,
        ),
    ]);
    Ok(Built { answer, run: Box::new(move || drop(run())) })
}

fn step(shape: Shape, data: &Tensors<f32>) -> Outcome {
    let device = Device::flex().autodiff();
    let head = Linear {
        weight: Param::from_tensor(tensor(data, "head_kernel", &device)?),
        bias: Some(Param::from_tensor(tensor(data, "head_bias", &device)?)),
    };
    let mut model = Some((layer(shape, data, &device)?, head));
    let mut adam = AdamConfig::new().with_epsilon(1e-7).init();
    let (x, y) = (tensor(data, "x", &device)?, tensor(data, "y", &device)?);
    let mut run = move || {
        let (layer, head) = model.take()?;
        let last = layer.forward(x.clone(), None).1.hidden;
        let loss = MseLoss::new().forward(head.forward(last), y.clone(), Reduction::Mean);
        let both = (layer, head);
        let grads = GradientsParams::from_grads(loss.backward(), &both);
        model = Some(adam.step(1e-3, both, grads));
        Some(loss)
    };
    let answer = losses(|| Ok(run().ok_or("no model")?.try_into_scalar()?))?;
    Ok(Built { answer, run: Box::new(move || drop(run())) })
}
