//! Every gradient of some layers and models, on every instruction set.

use kernels::Isa;
use lstm::Activation::{Linear, Relu, Sigmoid, Softmax, Tanh};

use super::Section;
use crate::gradcheck::{Checked, Gradcheck};
use crate::style::Style;
use crate::subject::{States, Subject};
use crate::table::{Table, thousands};

/// Fewer units than lanes and more, whole vectors and parts; every option at least once.
fn subjects() -> Vec<Subject> {
    let default = Subject::default();
    vec![
        Subject { batch: 8, units: 1, inputs: 2, steps: 6, ..default },
        Subject { batch: 9, units: 3, return_sequences: false, ..default },
        Subject { units: 16, inputs: 5, steps: 3, ..default },
        Subject { units: 21, steps: 3, inputs: 2, go_backwards: true, ..default },
        Subject { units: 10, activation: Relu, go_backwards: true, ..default },
        Subject { batch: 7, units: 2, activation: Relu, recurrent_activation: Linear, ..default },
        Subject {
            units: 6,
            activation: Linear,
            recurrent_activation: Tanh,
            use_bias: false,
            ..default
        },
        Subject {
            layers: 2,
            units: 9,
            activation: Sigmoid,
            recurrent_activation: Relu,
            states: States::Hidden,
            ..default
        },
        Subject {
            layers: 2,
            return_sequences: false,
            states: States::Hidden,
            head: Some((4, Softmax)),
            ..default
        },
    ]
}

pub(super) fn section(style: Style) -> lstm::Result<Section> {
    let check = Gradcheck::default();
    let isas = Isa::available();
    let mut columns = vec!["batch × steps × inputs → units", "entries"];
    columns.extend(isas.iter().map(|isa| isa.name()));
    let mut table = Table::new(&columns);
    let mut worst: Option<(Checked, Subject, Isa)> = None;
    let (mut entries, mut kinks) = (0, 0);

    for subject in subjects() {
        let mut cells = vec![subject.to_string(), String::new()];
        for &isa in &isas {
            let mut built = subject.build(isa, 0)?;
            let report = check.run(&mut built.model, &built.inputs)?;
            entries += report.entries();
            kinks += report.tensors.iter().map(|tensor| tensor.kinks).sum::<usize>();
            cells[1] = thousands(report.entries() as f64);
            let Some(here) = report.worst() else { continue };
            cells.push(format!("{:.1e}", here.worst.error));
            if worst.as_ref().is_none_or(|(there, ..)| here.worst.error > there.worst.error) {
                worst = Some((here.clone(), subject, isa));
            }
        }
        table.row(cells);
    }

    let passed = worst.as_ref().is_some_and(|(there, ..)| there.worst.error <= check.tolerance);
    let mut text = format!(
        "\n{} {}\n\n{}\n",
        style.heading("Gradients"),
        style.faint("· every weight, input and initial state against central differences, f64"),
        table.render(style),
    );
    if let Some((Checked { name, worst, .. }, subject, isa)) = worst {
        text += &format!(
            "  {} at {} {:?} {}\n  {}\n",
            style.strong(&format!("worst relative error {:.1e}", worst.error)),
            style.strong(&name),
            worst.index,
            style.faint(&format!("of {subject}, {isa}:")),
            style.faint(&format!(
                "{:+.10e}, by differences {:+.10e}",
                worst.analytic, worst.numeric
            )),
        );
    }
    let count = thousands(entries as f64);
    text += &match passed {
        true => format!(
            "  {}\n",
            style.good(&format!("✓ all {count} derivatives within {:e}", check.tolerance))
        ),
        false => format!(
            "  {}\n",
            style.bad(&format!(
                "✗ of {count} derivatives some are off by more than {:e}",
                check.tolerance
            ))
        ),
    };
    if kinks > 0 {
        text += &format!("  {}\n", style.faint(&format!("{kinks} more lie at a bend of relu")));
    }
    Ok(Section { text, passed })
}
