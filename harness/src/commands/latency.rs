//! `harness latency`

use std::io::Write;
use std::path::{Path, PathBuf};

use harness::dtype::Dtype;
use harness::json;
use harness::latency::{Latency, Layer, measure, measure_layers, measure_model};
use harness::style::Style;
use harness::table::{Table, short, thousands};
use harness::throughput::LARGEST;
use kernels::Isa;
use lstm::{Float, Model};
use serde_json::Value;

use super::{Outcome, size};

/// Measures single steps of an LSTM layer, or of a whole model, that carries its states along.
///
/// Nanoseconds. The mean is that of steps one after another; percentiles include one reading of the
/// clock, which the last column shows. Of a model that is a chain of layers, its layers are measured on their
/// own, too. Exit status 1 if a step has called the allocator.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Units; may be given several times
    #[arg(long, value_name = "H", required_unless_present = "model", value_parser = size)]
    units: Vec<usize>,
    /// A model, in Keras's JSON, in place of a layer
    #[arg(long, value_name = "FILE", conflicts_with = "units")]
    model: Option<PathBuf>,
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
    if let Some(path) = &args.model {
        return match dtype {
            Dtype::F32 => run_model::<f32>(path, &args, isa, out),
            Dtype::F64 => run_model::<f64>(path, &args, isa, out),
        };
    }
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
        let latency = measure(dtype, isa, layer, steps);
        passed &= latency.allocations == 0;
        if !args.json {
            table.row(cells(units.to_string(), &latency));
            continue;
        }
        let mut fields = vec![
            ("batch", batch.into()),
            ("inputs", inputs.into()),
            ("units", units.into()),
            ("steps", steps.into()),
            ("dtype", dtype.name().into()),
            ("isa", isa.name().into()),
        ];
        fields.extend(numbers(&latency));
        writeln!(out, "{}", json::line(&fields))?;
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

fn cells(what: String, latency: &Latency) -> impl Iterator<Item = String> {
    let Latency { mean, p50, p99, p999, max, clock, allocations } = *latency;
    let times = [mean, p50, p99, p999, max].map(short);
    [what].into_iter().chain(times).chain([thousands(allocations as f64), short(clock)])
}

fn numbers(latency: &Latency) -> [(&'static str, Value); 7] {
    let Latency { mean, p50, p99, p999, max, clock, allocations } = *latency;
    [
        ("mean_ns", json::rounded(mean)),
        ("p50_ns", json::rounded(p50)),
        ("p99_ns", json::rounded(p99)),
        ("p999_ns", json::rounded(p999)),
        ("max_ns", json::rounded(max)),
        ("clock_ns", json::rounded(clock)),
        ("allocations", allocations.into()),
    ]
}

/// Measures a model of the user's own.
fn run_model<T: Float>(path: &Path, args: &Args, isa: Isa, out: &mut impl Write) -> Outcome {
    let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let mut model = Model::<T>::from_json_as(&text).map_err(|error| failed(&error))?;
    model.set_isa(isa);
    let Args { batch, steps, dtype, .. } = *args;
    let latency = measure_model(&model, batch, steps).map_err(|error| failed(&error))?;
    let layers = measure_layers(&model, isa, batch, steps).map_err(|error| failed(&error))?;
    if args.json {
        let mut fields = vec![
            ("model", model.name().into()),
            ("batch", batch.into()),
            ("steps", steps.into()),
            ("dtype", dtype.name().into()),
            ("isa", isa.name().into()),
        ];
        fields.extend(numbers(&latency));
        if let Some(layers) = layers {
            fields.push(("layers_p50_ns", json::rounded(layers)));
        }
        writeln!(out, "{}", json::line(&fields))?;
    } else {
        let mut table =
            Table::new(&["model", "mean", "p50", "p99", "p99.9", "max", "allocations", "clock"]);
        table.row(cells(model.name().to_owned(), &latency));
        let style = Style::of_stdout();
        let (title, steps) = (style.heading("stream"), thousands(steps as f64));
        let dtype = dtype.name();
        writeln!(out, "\n{title} · {steps} steps, batch {batch}, {dtype}, {isa} · nanoseconds\n")?;
        writeln!(out, "{}", table.render(style))?;
        if let Some(layers) = layers {
            let layers = short(layers);
            writeln!(
                out,
                "Half of the steps of its layers, each on its own, take no longer than {layers}.\n"
            )?;
        }
    }
    Ok(latency.allocations == 0)
}
