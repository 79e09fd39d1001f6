//! `harness gemm`

use std::io::Write;

use harness::contest;
use harness::dtype::Dtype;
use harness::json;
use harness::style::Style;
use harness::table::{Table, short};
use harness::throughput::{BadSizes, fits, sizes};
use kernels::Isa;

use super::{Outcome, on_threads, threads};

/// Measures matrix products beside those of matrixmultiply, in turns.
///
/// matrixmultiply has one thread here, and chooses its instructions by itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rows of A, columns of B, columns of A; may be given several times
    #[arg(long, value_name = "M,N,K", required = true, value_parser = mnk)]
    mnk: Vec<[usize; 3]>,
    /// Pack B before, as weights are that serve many products
    #[arg(long)]
    prepacked: bool,
    /// Threads
    #[arg(long, value_name = "N", default_value = "1", value_parser = threads)]
    threads: usize,
    /// Scalar
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// Instruction set; the best unless given
    #[arg(long, value_name = "NAME")]
    isa: Option<Isa>,
    /// Two JSON objects for each product: ours, the peer's
    #[arg(long)]
    json: bool,
}

fn mnk(text: &str) -> Result<[usize; 3], BadSizes> {
    let [m, n, k] = sizes(text)?;
    fits(&[m, n])?;
    fits(&[m, k])?;
    fits(&[k, n])?;
    Ok([m, n, k])
}

pub(crate) fn run(args: Args, out: &mut impl Write) -> Outcome {
    let Args { prepacked, threads, dtype, .. } = args;
    let isa = args.isa.unwrap_or_else(Isa::best);
    let columns =
        ["M,N,K", "median µs", "least µs", "GFLOP/s", "matrixmultiply", "ratio of speeds"];
    let mut table = Table::new(&columns);
    for [m, n, k] in args.mnk {
        let times = on_threads(threads, || contest::gemm(dtype, isa, (m, n, k), prepacked))?;
        let flops = 2.0 * m as f64 * n as f64 * k as f64;
        let rate = times.ours.giga_per_second(flops);
        let peer_rate = times.peer.giga_per_second(flops);
        if !args.json {
            table.row([
                format!("{m},{n},{k}"),
                short(times.ours.median_us()),
                short(times.ours.min_us()),
                short(rate),
                short(peer_rate),
                format!("{:.2}", times.peer.median / times.ours.median),
            ]);
            continue;
        }
        for (peer, timing, threads, isa, prepacked) in [
            ("kernels", times.ours, threads, isa.name(), prepacked),
            ("matrixmultiply", times.peer, 1, "auto", false),
        ] {
            let line = json::line(&[
                ("peer", peer.into()),
                ("op", "gemm".into()),
                ("mnk", vec![m, n, k].into()),
                ("threads", threads.into()),
                ("dtype", dtype.name().into()),
                ("isa", isa.into()),
                ("prepacked", prepacked.into()),
                ("median_us", json::rounded(timing.median_us())),
                ("min_us", json::rounded(timing.min_us())),
                ("gflops", json::rounded(timing.giga_per_second(flops))),
            ]);
            writeln!(out, "{line}")?;
        }
        out.flush()?;
    }
    if !args.json {
        let style = Style::of_stdout();
        let s = if threads == 1 { "" } else { "s" };
        let packed = if prepacked { ", B packed before" } else { "" };
        let (title, dtype) = (style.heading("gemm"), dtype.name());
        writeln!(out, "\n{title} · {dtype}, {threads} thread{s}, {isa}{packed}\n")?;
        writeln!(out, "{}", table.render(style))?;
    }
    Ok(true)
}
