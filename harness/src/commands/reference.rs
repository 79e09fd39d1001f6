//! `harness reference`: a peer of `harness race` that nobody has to install.

use std::io::{BufRead, Write};

use harness::conformance::Tensors;
use harness::race::job::Job;
use harness::race::refusal::Refusal;
use harness::race::serve::{Built, serve};
use harness::throughput::{Mode, Shape};
use lstm::engine::{Call, Options, Weights};
use lstm::{Tensor, reference};

use super::Outcome;

/// The scalar definition of an LSTM as a peer, which answers the lines of a race. Does not train.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Adds this to every output: to see it disagree
    #[arg(long, value_name = "X", default_value = "0")]
    off: f64,
}

pub(crate) fn run(Args { off }: Args, lines: impl BufRead, out: &mut impl Write) -> Outcome {
    serve(env!("CARGO_PKG_VERSION"), lines, out, |job, data| {
        // Step by step it computes the same.
        if !matches!(job.mode, Mode::Infer | Mode::Stream) {
            return Err(Refusal::Unsupported("it does not train".to_owned()));
        }
        let data = data.iter().map(|(name, x)| (name.clone(), x.cast::<f64>())).collect();
        let Job { shape: Shape { batch, steps, units, .. }, .. } = job;
        let y: Vec<f32> = forward(job.shape, &data)?.iter().map(|y| (y + off) as f32).collect();
        let y =
            Tensor::new([batch, steps, units], y).map_err(|e| Refusal::Failed(e.to_string()))?;
        let run = Box::new(move || drop(forward(job.shape, &data)));
        Ok(Built { answer: Tensors::from([("y".to_owned(), y)]), run })
    })?;
    Ok(true)
}

fn forward(shape: Shape, data: &Tensors<f64>) -> Result<Vec<f64>, Refusal> {
    let Shape { batch, steps, inputs, units } = shape;
    let named = |name: &str| {
        let tensor = data.get(name).map(Tensor::data);
        tensor.ok_or_else(|| Refusal::Failed(format!("no `{name}`")))
    };
    let weights = Weights {
        kernel: named("kernel")?,
        recurrent_kernel: named("recurrent_kernel")?,
        bias: Some(named("bias")?),
    };
    let call = Call {
        weights,
        version: 0,
        x: named("x")?,
        batch,
        steps,
        mask: None,
        dropout: None,
        initial: [None, None],
        training: false,
    };
    Ok(reference::forward(Options::new(inputs, units), &call).y)
}
