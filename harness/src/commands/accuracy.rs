//! `harness accuracy`

use std::io::Write;

use harness::accuracy::{self, Accuracy, BINS};
use harness::dtype::Dtype;
use harness::json;
use harness::style::Style;
use harness::table::{Table, thousands};
use kernels::Isa;
use kernels::activation::Function;
use serde_json::Value;

use super::{Outcome, functions, on_threads, threads};

/// Points of `f64`, unless said.
const POINTS: u64 = 100_000_000;

/// Measures errors of activations in units in the last place (ULP) of the exact value.
///
/// f32: every number there is. f64: points drawn evenly over the bit patterns, half of them
/// between 2^-32 and 2^11, and cases that are hard to round. Exit status 1 if an error exceeds the
/// bound that is documented.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The function; may be given several times
    #[arg(long, value_name = "NAME", required = true, value_parser = functions())]
    op: Vec<Function>,
    /// Instruction set; every one of this CPU unless given
    #[arg(long, value_name = "NAME")]
    isa: Option<Isa>,
    /// Scalar
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// Every Nth number only, of f32; an odd one reaches all exponents
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..1 << 32))]
    stride: Option<u64>,
    /// Points, of f64; a hundred million unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..1 << 40))]
    points: Option<u64>,
    /// Threads; as many as there are cores unless given
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<usize>,
    /// One JSON object for each function and instruction set
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, out: &mut impl Write) -> Outcome {
    let Args { dtype, stride, points, .. } = args;
    match dtype {
        Dtype::F32 if points.is_some() => return Err("--points is for f64".into()),
        Dtype::F64 if stride.is_some() => return Err("--stride is for f32".into()),
        _ => {}
    }
    let isas = args.isa.map_or_else(Isa::available, |isa| vec![isa]);
    // A pool of as many threads as there are cores, by rayon.
    let threads = args.threads.unwrap_or(0);

    let ends = BINS.map(|end| format!("≤ {end}"));
    let beyond = format!("> {}", BINS[BINS.len() - 1]);
    let bins = ends.iter().chain([&beyond]).map(String::as_str);
    let mut worst = Table::new(&["", "instructions", "worst ULP", "bound", "at", "bits"]);
    let mut histogram =
        Table::new(&["", "instructions"].into_iter().chain(bins).collect::<Vec<_>>());
    let mut passed = true;
    for function in args.op {
        let (found, bound) = on_threads(threads, || match dtype {
            Dtype::F32 => {
                (accuracy::of_f32(function, &isas, stride.unwrap_or(1)), function.max_ulps::<f32>())
            }
            Dtype::F64 => (
                accuracy::of_f64(function, &isas, points.unwrap_or(POINTS)),
                function.max_ulps::<f64>(),
            ),
        })?;
        for accuracy in found {
            let within = accuracy.worst <= bound;
            passed &= within;
            let Accuracy { isa, x, .. } = accuracy;
            let (at, bits) = match dtype {
                Dtype::F32 => {
                    (format!("{:e}", x as f32), format!("{:#010x}", (x as f32).to_bits()))
                }
                Dtype::F64 => (format!("{x:e}"), format!("{:#018x}", x.to_bits())),
            };
            if args.json {
                let line = json::line(&[
                    ("op", function.name().into()),
                    ("isa", isa.name().into()),
                    ("dtype", dtype.name().into()),
                    ("points", accuracy.points().into()),
                    ("worst_ulps", json::rounded(accuracy.worst)),
                    ("x", x.into()),
                    ("bits", bits.into()),
                    ("bound", bound.into()),
                    ("passed", within.into()),
                    ("bins", Value::from(BINS.to_vec())),
                    ("histogram", Value::from(accuracy.histogram.to_vec())),
                ]);
                writeln!(out, "{line}")?;
                continue;
            }
            let verdict = if within { "" } else { " exceeded" };
            worst.row([
                function.to_string(),
                isa.to_string(),
                format!("{:.4}", accuracy.worst),
                format!("{bound}{verdict}"),
                at,
                bits,
            ]);
            let counts = accuracy.histogram.map(|count| thousands(count as f64));
            histogram.row([function.to_string(), isa.to_string()].into_iter().chain(counts));
        }
        out.flush()?;
    }
    if !args.json {
        let style = Style::of_stdout();
        let which = match (dtype, stride) {
            (Dtype::F32, None | Some(1)) => "every f32".to_owned(),
            (Dtype::F32, Some(stride)) => format!("one f32 of {stride}"),
            (Dtype::F64, _) => {
                let points = points.unwrap_or(POINTS);
                format!("{} f64 and the hard cases", thousands(points as f64))
            }
        };
        writeln!(out, "\n{} · {which}\n", style.heading("accuracy"))?;
        writeln!(out, "{}\n{}", worst.render(style), histogram.render(style))?;
    }
    Ok(passed)
}
