//! How fast a small batch goes through a small layer.

use std::time::Duration;

use kernels::Isa;

use super::Section;
use crate::peak::Peak;
use crate::stack::Stack;
use crate::style::Style;
use crate::table::{Table, short, thousands};
use crate::throughput::{Mode, Shape, Step};
use crate::timing::{Timing, interleave};

/// The batch.
const SHAPE: Shape = Shape { batch: 32, steps: 10, inputs: 8, units: 4 };
/// For all measurements together.
const BUDGET: Duration = Duration::from_millis(2500);

pub(super) fn section(style: Style) -> lstm::Result<Section> {
    let isa = Isa::best();
    let peak = Peak::<f32>::new(isa);
    let (mut infer, mut train) =
        (Stack::<f32>::new(isa, SHAPE, 1), Stack::<f32>::new(isa, SHAPE, 1));
    let mut step = Step::<f32>::new(isa, SHAPE, 1)?;
    let [ceiling, infer, train, step] = interleave(
        BUDGET,
        [&mut || peak.run(), &mut || infer.infer(), &mut || train.train(), &mut || step.run()],
    );

    let ceiling = ceiling.giga_per_second(peak.flops());
    let columns = ["", "median µs", "least µs", "sequences/s", "GFLOP/s", "of peak"];
    let mut table = Table::new(&columns);
    let mut row = |name: &str, mode: Mode, timing: Timing| {
        let rate = timing.giga_per_second(SHAPE.flops(mode, 1));
        table.row([
            name.to_owned(),
            short(timing.median_us()),
            short(timing.min_us()),
            thousands((SHAPE.batch as f64 / timing.median / 1e3).round() * 1e3),
            short(rate),
            format!("{:.0} %", 100.0 * rate / ceiling),
        ]);
    };
    row("forward", Mode::Infer, infer);
    row("forward + backward", Mode::Train, train);
    row("training step", Mode::Step, step);

    let Shape { batch, steps, inputs, units } = SHAPE;
    let title = format!(
        "· {batch} sequences of {steps} steps × {inputs} inputs, {units} units, f32, one thread, {isa}"
    );
    let note = format!(
        "peak: {} GFLOP/s of multiply-adds, measured in turns with the rest; GFLOP/s count the matrix\n  \
         products of the LSTM alone. Backward takes a gradient of every step and gives those of\n  \
         weights and input. The training step has a Dense(1) head on the last step, mean squared\n  \
         error and Adam; it needs no gradient of the input, so none is counted.",
        short(ceiling)
    );
    let text = format!(
        "\n{} {}\n\n{}\n  {}\n",
        style.heading("Throughput"),
        style.faint(&title),
        table.render(style),
        style.faint(&note),
    );
    Ok(Section { text, passed: true })
}
