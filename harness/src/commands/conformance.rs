//! `harness conformance`

use std::io::Write;
use std::path::{Path, PathBuf};

use harness::conformance::{self, Tally};
use harness::style::Style;

use super::Outcome;

/// Runs cases that Keras has computed, in f64 and in f32.
///
/// One line for each case: its worst error in both precisions and the tensor it is in, or what is
/// missing to run it. Cases are shown by their path, those of a single PATH by their name in it.
/// Cases of several kinds are counted by kind at the end.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Case files (.safetensors), or folders of them, which may have folders inside
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(crate) fn run(args: Args, out: &mut impl Write) -> Outcome {
    let style = Style::of_stdout();
    let files = conformance::files(&args.paths)?;
    let names: Vec<String> = files.iter().map(|file| name(file, &args.paths)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut tally = Tally::default();
    for (file, name) in files.iter().zip(&names) {
        let outcome = conformance::run(file);
        tally.add(&outcome, name);
        let name = format!("{name:width$}");
        let sign = match outcome.passed() {
            true => style.good("pass"),
            false => style.bad("FAIL"),
        };
        match &outcome.result {
            Ok([double, single]) => writeln!(out, "{sign}  {name}  f64 {double}, f32 {single}")?,
            Err(missing) => writeln!(out, "{sign}  {name}  {missing}")?,
        }
    }
    if tally.kinds() > 1 {
        write!(out, "{}", tally.render(style))?;
    }
    writeln!(out, "{} passed, {} failed", tally.passed(), tally.failed())?;
    Ok(tally.failed() == 0)
}

/// What a case is called among the cases of `paths`.
fn name(file: &Path, paths: &[PathBuf]) -> String {
    match paths {
        [folder] if file != folder => {
            let inside = file.strip_prefix(folder).unwrap_or(file);
            inside.with_extension("").display().to_string()
        }
        [_] => file.file_stem().unwrap_or_default().display().to_string(),
        _ => file.display().to_string(),
    }
}
