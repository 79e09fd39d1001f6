//! RTen: an ONNX model, with its weights packed before.

use harness::conformance::Tensors;
use harness::race::serve::Built;
use harness::throughput::{Mode, Shape};
use race_peers::{Outcome, named, onnx, run};
use rten::ModelOptions;
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

fn main() -> std::io::Result<()> {
    run("0.27.0", |job, data| (job.mode == Mode::Infer).then(|| infer(job.shape, data)))
}

fn infer(shape: Shape, data: &Tensors<f32>) -> Outcome {
    let Shape { batch, steps, inputs, .. } = shape;
    let mut options = ModelOptions::with_all_ops();
    let model = options.prepack_weights(true).load(onnx::model(shape, data)?)?;
    let x = NdTensor::from_data([batch, steps, inputs], named(data, "x")?.data().to_vec());
    let y: NdTensor<f32, 3> = model.run_one(x.view().into(), None)?.try_into()?;
    let answer = Tensors::from([("y".to_owned(), lstm::Tensor::new(y.shape(), y.to_vec())?)]);
    Ok(Built { answer, run: Box::new(move || drop(model.run_one(x.view().into(), None))) })
}
