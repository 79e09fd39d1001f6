//! `harness conformance`

use std::io::Write;
use std::path::PathBuf;

use harness::conformance;
use harness::style::Style;

use super::Outcome;

/// Runs cases that Keras has computed, in f64 and in f32.
///
/// One line for each case: its worst error in both precisions and the tensor it is in, or what is
/// missing to run it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Case files (.safetensors), or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(crate) fn run(args: Args, out: &mut impl Write) -> Outcome {
    let style = Style::of_stdout();
    let files = conformance::files(&args.paths)?;
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().display().to_string();
    let width = files.iter().map(|file| stem(file).len()).max().unwrap_or(0);
    let mut failed = 0;
    for file in &files {
        let outcome = conformance::run(file);
        let name = format!("{:width$}", stem(file));
        let sign = match outcome.passed() {
            true => style.good("pass"),
            false => style.bad("FAIL"),
        };
        failed += usize::from(!outcome.passed());
        match &outcome.result {
            Ok([double, single]) => writeln!(out, "{sign}  {name}  f64 {double}, f32 {single}")?,
            Err(missing) => writeln!(out, "{sign}  {name}  {missing}")?,
        }
    }
    writeln!(out, "{} passed, {failed} failed", files.len() - failed)?;
    Ok(failed == 0)
}
