//! `harness peak`

use std::io::Write;
use std::time::Duration;

use harness::json;
use harness::peak::Peak;
use harness::style::Style;
use harness::table::{Table, short};
use harness::timing::interleave;
use kernels::Isa;

use super::Outcome;

/// Measures the most multiply-adds that one core can do, on every instruction set.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One JSON object for each instruction set and scalar
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, out: &mut impl Write) -> Outcome {
    let mut table = Table::new(&["instructions", "", "GFLOP/s", "best"]);
    for isa in Isa::available() {
        let (single, double) = (Peak::<f32>::new(isa), Peak::<f64>::new(isa));
        let [f32, f64] =
            interleave(Duration::from_millis(400), [&mut || single.run(), &mut || double.run()]);
        for (dtype, timing, flops) in [("f32", f32, single.flops()), ("f64", f64, double.flops())] {
            let (median, best) = (timing.giga_per_second(flops), flops / timing.min * 1e-9);
            match args.json {
                true => writeln!(
                    out,
                    "{}",
                    json::line(&[
                        ("op", "multiply-add".into()),
                        ("isa", isa.name().into()),
                        ("dtype", dtype.into()),
                        ("gflops", json::rounded(median)),
                        ("best_gflops", json::rounded(best)),
                    ])
                )?,
                false => {
                    table.row([isa.name().into(), dtype.into(), short(median), short(best)]);
                }
            }
        }
    }
    if !args.json {
        let style = Style::of_stdout();
        writeln!(out, "\n{} · multiply-adds, one thread\n", style.heading("peak"))?;
        writeln!(out, "{}", table.render(style))?;
    }
    Ok(true)
}
