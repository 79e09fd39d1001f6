//! The command line: without a command, the page of the main job.

mod commands;
mod pipe;

use std::error::Error;
use std::io::{Write as _, stdin, stdout};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{
    accuracy, activation, bench, conformance, gemm, gradcheck, latency, linear, memory, page, peak,
    plan, race, reference,
};
use harness::allocation::Counting;
use kernels::Isa;
use pipe::Pipe;

/// So that a measurement can say how often it allocates.
#[global_allocator]
static COUNTING: Counting = Counting;

/// Checks that lstm computes what it says, and measures how fast.
///
/// Without a command: a page that shows both, in some seconds. Exit status 1 if a check failed, 2
/// if something could not be done.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Gradcheck(gradcheck::Args),
    Conformance(conformance::Args),
    Bench(bench::Args),
    Latency(latency::Args),
    Linear(linear::Args),
    Memory(memory::Args),
    Gemm(gemm::Args),
    Activation(activation::Args),
    Accuracy(accuracy::Args),
    Peak(peak::Args),
    Plan(plan::Args),
    Race(race::Args),
    #[command(hide = true)]
    Reference(reference::Args),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every check has passed.
fn run(cli: Cli) -> Result<bool, Box<dyn Error>> {
    Isa::chosen().map_err(|error| format!("KERNELS_ISA: {error}"))?;
    let out = &mut Pipe::new(stdout().lock());
    let passed = match cli.command {
        None => page::run(out)?,
        Some(Command::Gradcheck(args)) => gradcheck::run(args, out)?,
        Some(Command::Conformance(args)) => conformance::run(args, out)?,
        Some(Command::Bench(args)) => bench::run(args, out)?,
        Some(Command::Latency(args)) => latency::run(args, out)?,
        Some(Command::Linear(args)) => linear::run(args, out)?,
        Some(Command::Memory(args)) => memory::run(args, out)?,
        Some(Command::Gemm(args)) => gemm::run(args, out)?,
        Some(Command::Activation(args)) => activation::run(args, out)?,
        Some(Command::Accuracy(args)) => accuracy::run(args, out)?,
        Some(Command::Peak(args)) => peak::run(args, out)?,
        Some(Command::Plan(args)) => plan::run(args, out)?,
        Some(Command::Race(args)) => race::run(args, out)?,
        Some(Command::Reference(args)) => reference::run(args, stdin().lock(), out)?,
    };
    out.flush()?;
    Ok(passed)
}
