//! `harness activation`

use std::io::Write;

use harness::contest::{self, Activations};
use harness::dtype::Dtype;
use harness::json;
use harness::peer;
use harness::style::Style;
use harness::table::{Table, short};
use kernels::Isa;
use kernels::activation::Function;
use serde_json::Value;

use super::{Outcome, functions, size};

/// Measures activations over a slice beside those of the standard library, in turns.
///
/// erf, which it lacks, is that of the crate libm. Cycles are those of a clock at which two units of
/// 256 bits reach the peak of multiply-adds on AVX2, measured in the same contest.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The function; may be given several times
    #[arg(long, value_name = "NAME", required = true, value_parser = functions())]
    op: Vec<Function>,
    /// Elements
    #[arg(long, value_name = "L", default_value = "4096", value_parser = size)]
    len: usize,
    /// Scalar
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// Instruction set; the best unless given
    #[arg(long, value_name = "NAME")]
    isa: Option<Isa>,
    /// Two JSON objects for each function: ours, the peer's
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, out: &mut impl Write) -> Outcome {
    let Args { len, dtype, .. } = args;
    let isa = args.isa.unwrap_or_else(Isa::best);
    let mut table = Table::new(&["", "ns per element", "cycles", "peer", "ratio of speeds"]);
    for function in args.op {
        let Activations { times, clock } = contest::activation(dtype, isa, function, len);
        let each = |seconds: f64| seconds * 1e9 / len as f64;
        let cycles = |seconds: f64| clock.map(|clock| seconds * clock / len as f64);
        if !args.json {
            table.row([
                function.to_string(),
                format!("{:.3}", each(times.ours.median)),
                cycles(times.ours.median).map_or_else(|| "–".to_owned(), short),
                short(each(times.peer.median)),
                short(times.peer.median / times.ours.median),
            ]);
            continue;
        }
        for (peer, timing, isa) in
            [("kernels", times.ours, isa.name()), (peer::of(function), times.peer, "scalar")]
        {
            let line = json::line(&[
                ("peer", peer.into()),
                ("op", function.name().into()),
                ("len", len.into()),
                ("threads", 1.into()),
                ("dtype", dtype.name().into()),
                ("isa", isa.into()),
                ("ns_per_element", json::rounded(each(timing.median))),
                ("min_ns_per_element", json::rounded(each(timing.min))),
                ("cycles_per_element", cycles(timing.median).map_or(Value::Null, json::rounded)),
            ]);
            writeln!(out, "{line}")?;
        }
        out.flush()?;
    }
    if !args.json {
        let style = Style::of_stdout();
        let (title, dtype) = (style.heading("activations"), dtype.name());
        writeln!(out, "\n{title} · {len} elements, {dtype}, one thread, {isa}\n")?;
        writeln!(out, "{}", table.render(style))?;
    }
    Ok(true)
}
