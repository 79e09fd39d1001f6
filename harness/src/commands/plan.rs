//! `harness plan`

use std::io::Write;

use harness::dtype::Dtype;
use harness::json;
use harness::style::Style;
use harness::table::Table;
use harness::throughput::Shape;
use kernels::Isa;
use kernels::gemm::Caches;
use lstm::engine::{Costs, Cut, InputProduct, Lanes, Plan, Sizes, Wavefront};

use super::{Outcome, threads};

/// Shows how the engine computes a batch of some sizes.
///
/// Plans follow from the sizes, the instruction set and the caches of this CPU; the reasons are below the table.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Batch, steps, inputs and units; may be given several times
    #[arg(long, value_name = "B,T,I,H", required = true)]
    shape: Vec<Shape>,
    /// LSTM layers on top of each other
    #[arg(long, value_name = "L", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    layers: u8,
    /// For inference, without what backward needs
    #[arg(long)]
    infer: bool,
    /// Threads; as many as there are cores unless given
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<usize>,
    /// Scalar
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// Instruction set; the best unless given
    #[arg(long, value_name = "NAME")]
    isa: Option<Isa>,
    /// One JSON object for each shape
    #[arg(long)]
    json: bool,
}

/// How the lowest of some layers is computed, and whether all of them share threads.
struct Planned {
    plan: Plan,
    costs: Costs,
    wavefront: Option<Wavefront>,
}

fn planned<T: kernels::Float>(
    isa: Isa,
    sizes: Sizes,
    layers: usize,
    threads: impl Fn() -> usize,
) -> Planned {
    let caches = Caches::near_this_core();
    let of = |sizes| (sizes, Plan::of::<T>(isa, caches, sizes, &threads));
    let above = of(Sizes { inputs: sizes.units, ..sizes });
    let mut all = vec![above; layers];
    all[0] = of(sizes);
    Planned {
        plan: all[0].1,
        costs: Costs::of::<T>(caches, sizes),
        wavefront: Wavefront::of::<T>(caches, &all, &threads),
    }
}

pub(crate) fn run(args: Args, out: &mut impl Write) -> Outcome {
    let Args { infer, dtype, .. } = args;
    let layers = usize::from(args.layers);
    let isa = args.isa.unwrap_or_else(Isa::best);
    let threads = || args.threads.unwrap_or_else(rayon::current_num_threads);
    let mut table =
        Table::new(&["B,T,I,H", "lanes over", "rows of a group", "x W ahead for", "threads"]);
    let mut reasons = String::new();
    for &shape in &args.shape {
        let Shape { batch, steps, inputs, units } = shape;
        let sizes = Sizes { batch, steps, inputs, units, training: !infer };
        let Planned { plan, costs, wavefront } = match dtype {
            Dtype::F32 => planned::<f32>(isa, sizes, layers, threads),
            Dtype::F64 => planned::<f64>(isa, sizes, layers, threads),
        };
        let lanes = match plan.lanes {
            Lanes::Units => "units",
            Lanes::Batch => "batch",
        };
        let hoisted = match plan.input {
            InputProduct::Fused => 0,
            InputProduct::Hoisted(steps) => steps,
        };
        let cut = match plan.cut {
            Cut::Batch => "batch",
            Cut::Units => "units",
        };
        if !args.json {
            let steps = match plan.input {
                InputProduct::Fused => "–".to_owned(),
                InputProduct::Hoisted(steps) => format!("{steps} steps"),
            };
            let threads = match plan.threads {
                1 => "1".to_owned(),
                threads => format!("{threads}, of the {cut}"),
            };
            table.row([shape.to_string(), lanes.into(), plan.group.to_string(), steps, threads]);
            let lines = costs.reasons(plan).to_string();
            let together = match wavefront {
                _ if layers == 1 => String::new(),
                Some(wavefront) => format!("\n{layers} layers {wavefront}"),
                None => format!("\n{layers} layers one after the other"),
            };
            let lines = lines + &together;
            let lines: Vec<String> = lines.lines().map(|line| format!("    {line}\n")).collect();
            reasons += &format!("  {shape}\n{}", lines.concat());
            continue;
        }
        let line = json::line(&[
            ("shape", vec![batch, steps, inputs, units].into()),
            ("mode", if infer { "infer" } else { "train" }.into()),
            ("dtype", dtype.name().into()),
            ("isa", isa.name().into()),
            ("lanes", lanes.into()),
            ("group", plan.group.into()),
            ("hoisted_steps", hoisted.into()),
            ("threads", plan.threads.into()),
            ("cut", cut.into()),
            ("weights_bytes", costs.weights.into()),
            ("weights_in", costs.level.name().into()),
            ("multiply_adds", costs.work.into()),
            ("layers", layers.into()),
            ("wavefront_steps", wavefront.map_or(0, |it| it.steps).into()),
            ("wavefront_threads", wavefront.map_or(0, |it| it.threads).into()),
        ]);
        writeln!(out, "{line}")?;
    }
    if !args.json {
        let style = Style::of_stdout();
        let title = style.heading(if infer { "inference" } else { "training" });
        let table = table.render(style);
        writeln!(out, "\n{title} · {}, {isa}\n\n{table}\n{reasons}", dtype.name())?;
    }
    Ok(true)
}
