//! `harness latency`

use std::io::Write;

use harness::dtype::Dtype;
use harness::json;
use harness::latency::{Latency, Layer, measure};
use harness::style::Style;
use harness::table::{Table, short, thousands};
use harness::throughput::LARGEST;
use kernels::Isa;

use super::{Outcome, size};

/// Measures single steps of an LSTM layer that carries its state along.
///
/// Nanoseconds. The mean is that of steps one after another; percentiles include one reading of the
/// clock, which the last column shows. Exit status 1 if a step has called the allocator.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Units; may be given several times
    #[arg(long, value_name = "H", required = true, value_parser = size)]
    units: Vec<usize>,
    /// Features of the input
    #[arg(long, value_name = "I", default_value = "1", value_parser = size)]
    inputs: usize,
    /// Rows that take a step together
    #[arg(long, value_name = "B", default_value = "1", value_parser = size)]
    batch: usize,
    /// Steps
    #[arg(long, value_name = "N", default_value = "1000000", value_parser = size)]
    steps: usize,
    /// Scalar
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// Instruction set; the best unless given
    #[arg(long, value_name = "NAME")]
    isa: Option<Isa>,
    /// One JSON object for each number of units
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, out: &mut impl Write) -> Outcome {
    let Args { inputs, batch, steps, dtype, .. } = args;
    let isa = args.isa.unwrap_or_else(Isa::best);
    for &units in &args.units {
        let weights = (inputs + units).saturating_mul(4 * units);
        if weights.max(batch.saturating_mul(1000 * inputs + 4 * units)) > LARGEST {
            let sizes = format!("{batch} rows, {inputs} inputs and {units} units");
            return Err(format!("{sizes}: an array would have more than 2^30 elements").into());
        }
    }
    let columns = ["units", "mean", "p50", "p99", "p99.9", "max", "allocations", "clock"];
    let mut table = Table::new(&columns);
    let mut passed = true;
    for units in args.units {
        let layer = Layer { batch, inputs, units };
        let Latency { mean, p50, p99, p999, max, clock, allocations } =
            measure(dtype, isa, layer, steps);
        passed &= allocations == 0;
        if !args.json {
            let times = [mean, p50, p99, p999, max].map(short);
            let cells = [units.to_string()].into_iter().chain(times);
            table.row(cells.chain([thousands(allocations as f64), short(clock)]));
            continue;
        }
        let line = json::line(&[
            ("batch", batch.into()),
            ("inputs", inputs.into()),
            ("units", units.into()),
            ("steps", steps.into()),
            ("dtype", dtype.name().into()),
            ("isa", isa.name().into()),
            ("mean_ns", json::rounded(mean)),
            ("p50_ns", json::rounded(p50)),
            ("p99_ns", json::rounded(p99)),
            ("p999_ns", json::rounded(p999)),
            ("max_ns", json::rounded(max)),
            ("clock_ns", json::rounded(clock)),
            ("allocations", allocations.into()),
        ]);
        writeln!(out, "{line}")?;
        out.flush()?;
    }
    if !args.json {
        let style = Style::of_stdout();
        let (title, steps) = (style.heading("stream"), thousands(steps as f64));
        let dtype = dtype.name();
        writeln!(
            out,
            "\n{title} · {steps} steps, batch {batch}, {inputs} inputs, {dtype}, {isa} · nanoseconds\n"
        )?;
        writeln!(out, "{}", table.render(style))?;
    }
    Ok(passed)
}
