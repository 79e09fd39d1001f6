//! tract: an ONNX model, optimized.

use harness::conformance::Tensors;
use harness::race::job::Job;
use harness::race::serve::Built;
use harness::throughput::{Mode, Shape};
use race_peers::{Outcome, named, onnx, run};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::tract_linalg::multithread::{Executor, set_default_executor};

fn main() -> std::io::Result<()> {
    run("0.23.9", |job, data| (job.mode == Mode::Infer).then(|| infer(job, data)))
}

fn infer(job: Job, data: &Tensors<f32>) -> Outcome {
    let Shape { batch, steps, inputs, .. } = job.shape;
    if job.threads > 1 {
        set_default_executor(Executor::multithread(job.threads));
    }
    let bytes = onnx::model(job.shape, data)?;
    let model = tract_onnx::onnx().model_for_read(&mut &bytes[..])?;
    let model = model.into_optimized()?.into_runnable()?;
    let x: TValue = Tensor::from_shape(&[batch, steps, inputs], named(data, "x")?.data())?.into();
    let outputs = model.run(tvec!(x.clone()))?;
    let y = outputs[0].try_as_plain_ram()?;
    let y = lstm::Tensor::new(outputs[0].shape(), y.as_slice::<f32>()?.to_vec())?;
    let answer = Tensors::from([("y".to_owned(), y)]);
    Ok(Built { answer, run: Box::new(move || drop(model.run(tvec!(x.clone())))) })
}
