//! `harness gemm`

use std::io::Write;

use harness::contest;
use harness::json;
use harness::style::Style;
use harness::table::{Table, count, short};
use harness::throughput::{BadSizes, fits, sizes};

use super::{On, Outcome, on_threads};

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
    #[command(flatten)]
    on: On,
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
    let Args { prepacked, on, .. } = args;
    let (threads, dtype, isa) = (on.threads, on.dtype, on.isa());
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
        let packed = if prepacked { ", B packed before" } else { "" };
        let (title, dtype, threads) =
            (style.heading("gemm"), dtype.name(), count(threads, "thread"));
        writeln!(out, "\n{title} · {dtype}, {threads}, {isa}{packed}\n")?;
        writeln!(out, "{}", table.render(style))?;
    }
    Ok(true)
}
