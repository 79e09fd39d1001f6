//! `harness gradcheck`

use std::io::Write;
use std::path::{Path, PathBuf};

use harness::gradcheck::{Checked, Entry, Gradcheck, Report, Rounded, random_batch};
use harness::json;
use harness::style::Style;
use harness::subject::{States, Subject};
use harness::table::{Table, thousands};
use kernels::Isa;
use lstm::{Activation, Model};

use super::{Outcome, layers, size};

/// Checks every gradient of a layer against central differences, in f64.
///
/// The loss is Σ dy·y over all outputs, with dy random. The relative error of an entry is |a - n| /
/// max(|a|, |n|, floor), where the floor is what differences can resolve to seven digits: smaller
/// entries are counted as `below floor`. Entries at a bend of relu have no derivative: `kinks`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Check this model, in Keras's JSON, instead of a layer: a step of training if it is compiled,
    /// in f32 beside f64; of the sizes below those of the input alone count
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Entries of each tensor to check, chosen at random; all unless given
    #[arg(long, value_name = "N", value_parser = size)]
    sample: Option<usize>,
    /// In place of single entries, so many random directions through each tensor: for large models.
    #[arg(long, conflicts_with = "sample")]
    directions: Option<usize>,
    /// Units of a layer
    #[arg(long, value_name = "H", default_value = "5", value_parser = size)]
    units: usize,
    /// Features of the input
    #[arg(long, value_name = "I", default_value = "3", value_parser = size)]
    inputs: usize,
    /// Steps of the input
    #[arg(long, value_name = "T", default_value = "4", value_parser = size)]
    steps: usize,
    /// Rows of the input
    #[arg(long, value_name = "B", default_value = "3", value_parser = size)]
    batch: usize,
    /// LSTM layers on top of each other
    #[arg(long, value_name = "L", default_value = "1", value_parser = layers)]
    layers: usize,
    /// Activation of candidate and output: tanh, sigmoid, relu, linear
    #[arg(long, value_name = "NAME", default_value = "tanh")]
    activation: Activation,
    /// Activation of the gates: the same choice
    #[arg(long, value_name = "NAME", default_value = "sigmoid")]
    recurrent_activation: Activation,
    /// Read the input from its end
    #[arg(long)]
    go_backwards: bool,
    /// Leave the bias out
    #[arg(long)]
    no_bias: bool,
    /// Give out every step, not the last alone
    #[arg(long)]
    return_sequences: bool,
    /// Start at zero; otherwise the initial state is an input with gradients of its own
    #[arg(long)]
    no_initial_state: bool,
    /// Do not give out the final state; otherwise the loss includes it
    #[arg(long)]
    no_return_state: bool,
    /// Put a Dense layer of this many units on top
    #[arg(long, value_name = "UNITS", value_parser = size)]
    dense: Option<usize>,
    /// Activation of the Dense layer
    #[arg(long, value_name = "NAME", default_value = "linear", requires = "dense")]
    dense_activation: Activation,
    /// Instruction set; every one of this CPU unless given
    #[arg(long, value_name = "NAME")]
    isa: Option<Isa>,
    /// The largest relative error that passes
    #[arg(long, value_name = "X", default_value = "1e-7", value_parser = tolerance)]
    tolerance: f64,
    /// Seed of weights, inputs and dy
    #[arg(long, value_name = "N", default_value = "0")]
    seed: u64,
    /// One JSON object for each tensor, and one for all
    #[arg(long)]
    json: bool,
}

fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(x) if x > 0.0 && x < 1.0 => Ok(x),
        _ => Err("expected a number between 0 and 1".to_owned()),
    }
}

impl Args {
    fn subject(&self) -> Subject {
        Subject {
            units: self.units,
            inputs: self.inputs,
            steps: self.steps,
            batch: self.batch,
            layers: self.layers,
            activation: self.activation,
            recurrent_activation: self.recurrent_activation,
            use_bias: !self.no_bias,
            return_sequences: self.return_sequences,
            go_backwards: self.go_backwards,
            states: States::new(!self.no_initial_state, !self.no_return_state),
            head: self.dense.map(|units| (units, self.dense_activation)),
        }
    }
}

pub(crate) fn run(args: Args, out: &mut impl Write) -> Outcome {
    let check = Gradcheck {
        tolerance: args.tolerance,
        sample: args.sample,
        directions: args.directions,
        seed: args.seed,
    };
    if let Some(path) = &args.model {
        return check_model(path, check, &args, out);
    }
    let subject = args.subject();
    subject.fits().map_err(|error| format!("{subject}: {error}"))?;
    let isas = args.isa.map_or_else(Isa::available, |isa| vec![isa]);
    let mut reports = Vec::new();
    for isa in isas {
        let mut built = subject.build(isa, args.seed)?;
        reports.push((isa, check.run(&mut built.model, &built.inputs)?));
    }
    let passed = reports.iter().all(|(_, report)| report.passed());
    match args.json {
        true => print_json(&reports, passed, args.tolerance, out)?,
        false => print_table(&reports, passed, &subject.to_string(), out)?,
    }
    Ok(passed)
}

/// Checks a model of the user's own.
fn check_model(path: &Path, check: Gradcheck, args: &Args, out: &mut impl Write) -> Outcome {
    let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let mut model = Model::from_json(&text).map_err(|error| failed(&error))?;
    let isas = args.isa.map_or_else(Isa::available, |isa| vec![isa]);
    let mut reports = Vec::new();
    for isa in isas {
        model.set_isa(isa);
        let batch = random_batch(&model, args.batch, args.steps, args.seed)?;
        let report = match model.optimizer() {
            Some(_) => {
                let [x, y] = [&batch.x, &batch.y].map(|tensors| tensors.iter().collect::<Vec<_>>());
                check.training(&model, &x[..], &y[..])?
            }
            None => {
                let mut model =
                    Model::<f64>::from_json_as(&text).map_err(|error| failed(&error))?;
                model.set_isa(isa);
                let names = model.input_names();
                let inputs = names.iter().zip(&batch.x);
                let inputs: Vec<_> = inputs.map(|(name, x)| (&name[..], x.cast())).collect();
                check.run(&mut model, &inputs)?
            }
        };
        reports.push((isa, report));
    }
    let passed = reports.iter().all(|(_, report)| report.passed());
    let what = format!("{} of {}", model.name(), path.display());
    match args.json {
        true => print_json(&reports, passed, args.tolerance, out)?,
        false => print_table(&reports, passed, &what, out)?,
    }
    Ok(passed)
}

type Reports = [(Isa, Report)];

fn worst(reports: &Reports) -> Option<(Isa, &Checked)> {
    let all = reports.iter().filter_map(|(isa, report)| Some((*isa, report.worst()?)));
    all.max_by(|(_, a), (_, b)| a.worst.error.total_cmp(&b.worst.error))
}

/// The gradients in `f32`, beside those in `f64`.
fn rounded(reports: &Reports) -> impl Iterator<Item = (Isa, &Rounded)> {
    reports.iter().flat_map(|(isa, report)| report.rounded.iter().map(|rounded| (*isa, rounded)))
}

fn total(reports: &Reports, count: fn(&Report) -> usize) -> usize {
    reports.iter().map(|(_, report)| count(report)).sum()
}

fn print_json(
    reports: &Reports,
    passed: bool,
    tolerance: f64,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let place = |isa: Isa, tensor: &Checked| {
        let Entry { index, analytic, numeric, error, floor } = &tensor.worst;
        let mut fields = vec![
            ("tensor", tensor.name.clone().into()),
            ("isa", isa.name().into()),
            ("worst_error", (*error).into()),
            ("index", index.clone().into()),
            ("analytic", (*analytic).into()),
            ("numeric", (*numeric).into()),
            ("floor", (*floor).into()),
        ];
        // JSON has no such numbers: they are null above.
        if !error.is_finite() {
            let flaw = if (analytic - numeric).is_nan() { "nan" } else { "inf" };
            fields.push(("error", flaw.into()));
        }
        fields
    };
    for (isa, report) in reports {
        for tensor in &report.tensors {
            let mut fields = place(*isa, tensor);
            fields.extend([
                ("shape", tensor.shape.clone().into()),
                ("entries", tensor.entries.into()),
                ("below_floor", tensor.below_floor.into()),
                ("kinks", tensor.kinks.into()),
                ("passed", tensor.passed(tolerance).into()),
            ]);
            writeln!(out, "{}", json::line(&fields))?;
        }
    }
    for (isa, rounded) in rounded(reports) {
        let Rounded { name, index, found, exact, error, bound } = rounded;
        let fields = [
            ("tensor", name.clone().into()),
            ("isa", isa.name().into()),
            ("precision", "f32".into()),
            ("rounding_error", (*error).into()),
            ("bound", (*bound).into()),
            ("index", index.clone().into()),
            ("found", (*found).into()),
            ("exact", (*exact).into()),
            ("passed", rounded.passed().into()),
        ];
        writeln!(out, "{}", json::line(&fields))?;
    }
    let mut summary = vec![("summary", true.into())];
    summary.extend(worst(reports).into_iter().flat_map(|(isa, tensor)| place(isa, tensor)));
    summary.extend([
        ("entries", total(reports, Report::entries).into()),
        ("below_floor", total(reports, Report::below_floor).into()),
        ("kinks", total(reports, Report::kinks).into()),
        ("tolerance", tolerance.into()),
        ("passed", passed.into()),
    ]);
    writeln!(out, "{}", json::line(&summary))
}

fn print_table(
    reports: &Reports,
    passed: bool,
    subject: &str,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let style = Style::of_stdout();
    writeln!(out, "\n{} · {subject}\n", style.heading("Gradients"))?;
    let columns = [
        "",
        "instructions",
        "entries",
        "below floor",
        "kinks",
        "worst error",
        "at",
        "analytic",
        "numeric",
    ];
    let mut table = Table::new(&columns);
    let count = |count: usize| thousands(count as f64);
    for (isa, report) in reports {
        for tensor in &report.tensors {
            let mut cells = vec![
                tensor.name.clone(),
                isa.name().to_owned(),
                count(tensor.entries),
                count(tensor.below_floor),
                count(tensor.kinks),
            ];
            let Entry { index, analytic, numeric, error, .. } = &tensor.worst;
            if tensor.entries > 0 {
                cells.extend([
                    format!("{error:.1e}"),
                    format!("{index:?}"),
                    format!("{analytic:+.10e}"),
                    format!("{numeric:+.10e}"),
                ]);
            }
            table.row(cells);
        }
    }
    writeln!(out, "{}", table.render(style))?;
    let Some((isa, Checked { name, worst, .. })) = worst(reports) else { return Ok(()) };
    let verdict = format!("worst {:.1e} at {name} {:?} on {isa}", worst.error, worst.index);
    match passed {
        true => writeln!(out, "  {}", style.good(&format!("✓ {verdict}")))?,
        false => writeln!(out, "  {}", style.bad(&format!("✗ {verdict}")))?,
    }
    if let Some((isa, most)) = rounded(reports).max_by(|(_, a), (_, b)| a.error.total_cmp(&b.error))
    {
        match most.passed() {
            true => writeln!(out, "  {}", style.good(&format!("✓ in f32 on {isa}, {most}")))?,
            false => writeln!(out, "  {}", style.bad(&format!("✗ in f32 on {isa}, {most}")))?,
        }
    }
    let entries = count(total(reports, Report::entries));
    let [small, kinks] = [Report::below_floor, Report::kinks].map(|of| total(reports, of));
    let note = format!(
        "of {entries} entries {} are smaller than differences can resolve: their error is relative \
         to that size; {} more lie at a bend of relu",
        count(small),
        count(kinks)
    );
    writeln!(out, "  {}\n", style.faint(&note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_which_numbers_it_cannot_show() -> Result<(), Box<dyn std::error::Error>> {
        let isa = Isa::best();
        let mut built = Subject { units: 1, steps: 1, ..Subject::default() }.build(isa, 0)?;
        let mut report = Gradcheck::default().run(&mut built.model, &built.inputs)?;
        let infinite = f64::INFINITY;
        for (tensor, (analytic, numeric)) in
            [(f64::NAN, 1.0), (1.0, f64::NAN), (infinite, 1.0), (infinite, infinite)]
                .into_iter()
                .enumerate()
        {
            let worst = &mut report.tensors[tensor].worst;
            *worst = Entry { analytic, numeric, error: infinite, ..worst.clone() };
        }
        let mut out = Vec::new();
        print_json(&[(isa, report)], false, 1e-7, &mut out)?;
        let text = String::from_utf8(out)?;
        let lines: Vec<serde_json::Value> =
            text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let errors: Vec<_> = lines.iter().map(|line| line["error"].as_str()).collect();
        let [nan, inf] = [Some("nan"), Some("inf")];
        assert_eq!(errors[..5], [nan, nan, inf, nan, None], "{text}");
        assert!(lines[..4].iter().all(|line| line["worst_error"].is_null()), "{text}");
        assert!(lines.last().is_some_and(|summary| summary["error"].is_string()), "{text}");
        Ok(())
    }
}
