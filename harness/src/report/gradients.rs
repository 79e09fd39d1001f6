//! Every gradient of some layers and models, on every instruction set.

use kernels::Isa;
use lstm::Activation::{Linear, Relu, Sigmoid, Softmax, Tanh};

use super::Section;
use crate::gradcheck::{Entry, Gradcheck, Report};
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
    let mut checks: Vec<(Report, Subject, Isa)> = Vec::new();

    for subject in subjects() {
        let mut cells = vec![subject.to_string(), String::new()];
        for &isa in &isas {
            let mut built = subject.build(isa, 0)?;
            let report = check.run(&mut built.model, &built.inputs)?;
            cells[1] = thousands(report.entries() as f64);
            let Some((_, worst)) = report.telling() else { continue };
            cells.push(format!("{:.1e}", worst.error));
            checks.push((report, subject, isa));
        }
        table.row(cells);
    }

    let title = format!(
        "\n{} {}\n\n{}\n",
        style.heading("Gradients"),
        style.faint("· every weight, input and initial state against central differences, f64"),
        table.render(style),
    );
    Ok(Section {
        text: title + &verdict(&checks, check.tolerance, style),
        passed: checks.iter().all(|(report, ..)| report.passed()),
    })
}

/// The worst entry of all, and how many there are.
fn verdict(checks: &[(Report, Subject, Isa)], tolerance: f64, style: Style) -> String {
    let passed = checks.iter().all(|(report, ..)| report.passed());
    // What failed, if anything did.
    let shown = checks.iter().filter(|(report, ..)| passed || !report.passed());
    let worst = shown
        .filter_map(|(report, subject, isa)| Some((report.telling()?, subject, isa)))
        .max_by(|((_, a), ..), ((_, b), ..)| a.error.total_cmp(&b.error));
    let mut text = String::new();
    if let Some(((tensor, worst), subject, isa)) = worst {
        let Entry { index, analytic, numeric, error, .. } = worst;
        text += &format!(
            "  {} at {} {index:?} {}\n  {}\n",
            style.strong(&format!("worst relative error {error:.1e}")),
            style.strong(&tensor.name),
            style.faint(&format!("of {subject}, {isa}:")),
            style.faint(&format!("{analytic:+.10e}, by differences {numeric:+.10e}")),
        );
    }

    let sum = |count: fn(&Report) -> usize| checks.iter().map(|(report, ..)| count(report)).sum();
    let (entries, small): (usize, usize) = (sum(Report::entries), sum(Report::below_floor));
    let kinks: usize = sum(Report::kinks);
    if !passed {
        let count = thousands(entries as f64);
        let off = format!("✗ of {count} derivatives some are off by more than {tolerance:e}");
        text += &format!("  {}\n", style.bad(&off));
    } else {
        let all = if small == 0 { "all " } else { "" };
        let mut good = format!(
            "✓ {all}{} derivatives within {tolerance:e}",
            thousands((entries - small) as f64)
        );
        if small > 0 {
            good += &format!(
                "; {} smaller than differences can resolve, within {tolerance:e} of that size",
                thousands(small as f64)
            );
        }
        text += &format!("  {}\n", style.good(&good));
    }
    if kinks > 0 {
        text += &format!("  {}\n", style.faint(&format!("{kinks} more lie at a bend of relu")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_that_cannot_be_resolved_are_counted_apart() -> lstm::Result<()> {
        let subject = Subject { units: 1, steps: 1, ..Subject::default() };
        let mut built = subject.build(Isa::best(), 0)?;
        let mut report = Gradcheck::default().run(&mut built.model, &built.inputs)?;
        let show = |report: &Report| {
            verdict(&[(report.clone(), subject, Isa::best())], 1e-7, Style::PLAIN)
        };
        report.tensors.iter_mut().for_each(|tensor| tensor.below_floor = 0);
        let entries = report.entries();
        assert!(show(&report).contains(&format!("✓ all {entries} derivatives within 1e-7\n")));

        report.tensors[0].below_floor = 2;
        report.tensors[1].kinks = 3;
        let text = show(&report);
        let small = "; 2 smaller than differences can resolve, within 1e-7 of that size\n";
        assert!(
            text.contains(&format!("✓ {} derivatives within 1e-7{small}", entries - 2)),
            "{text}"
        );
        assert!(text.contains("3 more lie at a bend of relu"), "{text}");

        report.tensors[1].worst.error = 1e-3;
        let text = show(&report);
        assert!(text.contains("worst relative error 1.0e-3") && text.contains("✗ of"), "{text}");
        Ok(())
    }
}
