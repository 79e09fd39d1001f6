//! `harness bench`

use std::io::Write;

use harness::json;
use harness::style::Style;
use harness::table::{Table, count, short};
use harness::throughput::{Mode, Shape, measure};

use super::{On, Outcome, layers, on_threads};

/// Measures batches going through LSTM layers.
///
/// GFLOP/s count the matrix products of the LSTM layers alone: 8·B·T·H·(I+H) for each layer forward,
/// three times that with backward. A step needs no gradient of its input: 8·B·T·H·I less in the
/// first layer.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Batch, steps, inputs and units; may be given several times
    #[arg(long, value_name = "B,T,I,H", required = true)]
    shape: Vec<Shape>,
    /// What is measured
    #[arg(long, value_enum, default_value = "train")]
    mode: Mode,
    /// LSTM layers on top of each other
    #[arg(long, value_name = "L", default_value = "1", value_parser = layers)]
    layers: usize,
    #[command(flatten)]
    on: On,
    /// One JSON object for each shape
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, out: &mut impl Write) -> Outcome {
    let Args { mode, layers, on, .. } = args;
    let (threads, dtype, isa) = (on.threads, on.dtype, on.isa());
    let columns = ["B,T,I,H", "median µs", "least µs", "GFLOP/s"];
    let mut table = Table::new(&columns);
    for shape in &args.shape {
        shape.fits(layers).map_err(|error| format!("{shape} with {layers} layers: {error}"))?;
    }
    for shape in args.shape {
        let timing = on_threads(threads, || measure(dtype, isa, mode, shape, layers))??;
        let gflops = timing.giga_per_second(shape.flops(mode, layers));
        let Shape { batch, steps, inputs, units } = shape;
        match args.json {
            true => {
                let line = json::line(&[
                    ("peer", "lstm".into()),
                    ("mode", mode.name().into()),
                    ("shape", vec![batch, steps, inputs, units].into()),
                    ("layers", layers.into()),
                    ("threads", threads.into()),
                    ("dtype", dtype.name().into()),
                    ("isa", isa.name().into()),
                    ("median_us", json::rounded(timing.median_us())),
                    ("min_us", json::rounded(timing.min_us())),
                    ("gflops", json::rounded(gflops)),
                ]);
                writeln!(out, "{line}")?;
                out.flush()?;
            }
            false => table.row([
                shape.to_string(),
                short(timing.median_us()),
                short(timing.min_us()),
                short(gflops),
            ]),
        }
    }
    if !args.json {
        let style = Style::of_stdout();
        let title = style.heading(&mode.to_string());
        let (layers, threads) = (count(layers, "layer"), count(threads, "thread"));
        writeln!(out, "\n{title} · {layers}, {}, {threads}, {isa}\n", dtype.name())?;
        writeln!(out, "{}", table.render(style))?;
    }
    Ok(true)
}
