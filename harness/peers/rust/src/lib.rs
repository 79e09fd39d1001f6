//! What the peers of `harness race` in Rust share.

#[cfg(any(feature = "rten", feature = "tract"))]
pub mod onnx;

use std::error::Error;
use std::io::{BufReader, stdin, stdout};

use harness::conformance::Tensors;
use harness::race::job::Job;
use harness::race::refusal::Refusal;
use harness::race::serve::{Built, serve};
use lstm::Tensor;

/// What a peer makes of a job.
pub type Outcome = Result<Built, Box<dyn Error>>;

/// Serves a race until it ends. A peer gives nothing for a kind that it does not have.
///
/// # Errors
///
/// If nobody reads the answers.
pub fn run(
    version: &str,
    build: impl Fn(Job, &Tensors<f32>) -> Option<Outcome>,
) -> std::io::Result<()> {
    serve(version, BufReader::new(stdin()), stdout(), |job, data| match build(job, data) {
        Some(built) => built.map_err(|error| Refusal::Failed(error.to_string())),
        None => Err(Refusal::Unsupported(format!("no {}", job.mode))),
    })
}

/// An array of a job.
///
/// # Errors
///
/// If the job has none of this name.
pub fn named<'a>(data: &'a Tensors<f32>, name: &str) -> Result<&'a Tensor<f32>, String> {
    data.get(name).ok_or_else(|| format!("no `{name}`"))
}

/// A matrix with rows and columns exchanged.
pub fn transposed(matrix: &Tensor<f32>) -> Vec<f32> {
    let columns = matrix.shape().last().copied().unwrap_or(1);
    let column = |column| matrix.data().iter().skip(column).step_by(columns).copied();
    (0..columns).flat_map(column).collect()
}

/// Losses of the first steps, as an answer.
///
/// # Errors
///
/// If one of them fails.
pub fn losses(
    mut step: impl FnMut() -> Result<f32, Box<dyn Error>>,
) -> Result<Tensors<f32>, Box<dyn Error>> {
    let losses = (0..3).map(|_| step()).collect::<Result<Vec<_>, _>>()?;
    Ok(Tensors::from([("losses".to_owned(), Tensor::new([3], losses)?)]))
}
