//! What runs here.

use std::thread::available_parallelism;

use kernels::Isa;

use super::Section;
use crate::machine::cpu;
use crate::style::Style;

pub(super) fn section(style: Style) -> lstm::Result<Section> {
    let threads = available_parallelism().map_or(1, usize::from);
    let plural = if threads == 1 { "" } else { "s" };
    let best = Isa::best();
    let others: Vec<_> =
        Isa::available().into_iter().map(Isa::name).filter(|&name| name != best.name()).collect();
    let others = match others[..] {
        [] => String::new(),
        _ => format!("· also here: {} (KERNELS_ISA chooses)", others.join(", ")),
    };
    let text = format!(
        "\n{} {}\n\n  {}  {}, {threads} thread{plural}\n  {}  {} · {} × f32, {} × f64 in a vector {}\n",
        style.heading("LSTM in Rust"),
        style.faint("· every gradient checked, every number measured, now and here"),
        style.faint("CPU         "),
        cpu(),
        style.faint("instructions"),
        style.strong(best.name()),
        best.lanes::<f32>(),
        best.lanes::<f64>(),
        style.faint(&others),
    );
    Ok(Section { text, passed: true })
}
