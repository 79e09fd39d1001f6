//! `harness linear`

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use harness::json;
use harness::linear::{Axis, exponent, measure, plot, relative};
use harness::style::Style;
use harness::table::{Table, short};
use harness::throughput::{Mode, Shape};

use super::{On, Outcome, on_threads, write};

/// Measures how time grows with steps and with rows, over three decades of each.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The smallest batch, steps, inputs and units
    #[arg(long, value_name = "B,T,I,H", default_value = "8,10,16,32")]
    shape: Shape,
    /// What is measured
    #[arg(long, value_enum, default_value = "train")]
    mode: Mode,
    #[command(flatten)]
    on: On,
    /// Seconds of each of the two; a large size may need more
    #[arg(long, value_name = "S", default_value = "6", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// A file for a plot
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// One JSON object for each size
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, out: &mut impl Write) -> Outcome {
    let Args { shape, mode, on, .. } = args;
    let (threads, dtype, isa) = (on.threads, on.dtype, on.isa());
    let budget = Duration::from_secs(args.seconds);
    let mut lines = Vec::new();
    for axis in Axis::ALL {
        let points = on_threads(threads, || measure((dtype, isa), mode, (shape, axis), budget))?;
        lines.push((axis, points.map_err(|error| format!("{shape}: {error}"))?));
    }
    let title = format!("{mode} from {shape} on, over three decades");
    let note = on.conditions();
    if let Some(path) = &args.svg {
        write(path, &plot(&lines, &title, &note))?;
    }
    let mut table = Table::new(&["grows", "B,T,I,H", "median µs", "time of each"]);
    for (axis, points) in &lines {
        let power = exponent(points);
        for (point, each) in points.iter().zip(relative(points)) {
            let Shape { batch, steps, inputs, units } = point.shape;
            if !args.json {
                let us = short(point.timing.median_us());
                table.row([axis.name().to_owned(), point.shape.to_string(), us, short(each)]);
                continue;
            }
            let line = json::line(&[
                ("axis", axis.name().into()),
                ("mode", mode.name().into()),
                ("shape", vec![batch, steps, inputs, units].into()),
                ("threads", threads.into()),
                ("dtype", dtype.name().into()),
                ("isa", isa.name().into()),
                ("median_us", json::rounded(point.timing.median_us())),
                ("min_us", json::rounded(point.timing.min_us())),
                ("relative", json::rounded(each)),
                ("exponent", json::rounded(power)),
            ]);
            writeln!(out, "{line}")?;
        }
    }
    if !args.json {
        let style = Style::of_stdout();
        writeln!(out, "\n{} · {note}\n\n{}", style.heading(&title), table.render(style))?;
        for (axis, points) in &lines {
            writeln!(out, "Time grows as {} to the power {:.3}.", axis.name(), exponent(points))?;
        }
    }
    Ok(true)
}
