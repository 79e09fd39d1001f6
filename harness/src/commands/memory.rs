//! `harness memory`

use std::io::Write;
use std::path::PathBuf;

use harness::json;
use harness::memory::{Pass, measure, plot};
use harness::style::Style;
use harness::table::{Table, short};
use harness::throughput::Shape;

use super::{On, Outcome, on_threads, write};

/// Measures exact gradients in bounded memory: time against bytes.
///
/// A training pass of an LSTM layer of which the last output counts, within all bytes that it can
/// use, half of them, and so on to the least. All give the same bits.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Batch, steps, inputs and units
    #[arg(long, value_name = "B,T,I,H", default_value = "64,1000,64,128")]
    shape: Shape,
    #[command(flatten)]
    on: On,
    /// A file for a plot
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// One JSON object for each number of bytes
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, out: &mut impl Write) -> Outcome {
    let Args { shape, on, .. } = args;
    let (threads, dtype, isa) = (on.threads, on.dtype, on.isa());
    let passes = on_threads(threads, || measure(dtype, isa, shape))?;
    let first = passes[0];
    let ratio = |pass: &Pass| pass.seconds / first.seconds;
    let within = passes.iter().all(|pass| pass.peak <= pass.bytes);
    let title = format!("exact gradients of {shape} in bounded memory");
    let note = on.conditions();
    if let Some(path) = &args.svg {
        write(path, &plot(&passes, &title, &note))?;
    }
    if args.json {
        for pass in &passes {
            let Shape { batch, steps, inputs, units } = shape;
            let line = json::line(&[
                ("shape", vec![batch, steps, inputs, units].into()),
                ("dtype", dtype.name().into()),
                ("isa", isa.name().into()),
                ("threads", threads.into()),
                ("bytes", pass.bytes.into()),
                ("peak_bytes", pass.peak.into()),
                ("median_us", json::rounded(pass.seconds * 1e6)),
                ("ratio", json::rounded(ratio(pass))),
            ]);
            writeln!(out, "{line}")?;
        }
        return Ok(within);
    }
    let mut table = Table::new(&["MiB allowed", "part", "MiB held", "ms", "time"]);
    let mega = |bytes: usize| short(bytes as f64 / f64::from(1 << 20));
    for pass in &passes {
        table.row([
            mega(pass.bytes),
            short(pass.bytes as f64 / first.bytes as f64),
            mega(pass.peak),
            short(pass.seconds * 1e3),
            format!("{}×", short(ratio(pass))),
        ]);
    }
    let style = Style::of_stdout();
    writeln!(out, "\n{} · {note}\n\n{}", style.heading(&title), table.render(style))?;
    Ok(within)
}
