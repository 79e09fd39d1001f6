//! The commands, each a file with its arguments and what it does. A command writes to `out` and
//! says whether every check has passed.

pub(crate) mod accuracy;
pub(crate) mod activation;
pub(crate) mod bench;
pub(crate) mod conformance;
pub(crate) mod gemm;
pub(crate) mod gradcheck;
pub(crate) mod latency;
pub(crate) mod linear;
pub(crate) mod memory;
pub(crate) mod page;
pub(crate) mod peak;
pub(crate) mod plan;
pub(crate) mod race;
pub(crate) mod reference;

use std::error::Error;
use std::path::Path;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use harness::dtype::Dtype;
use harness::machine;
use harness::table::count;
use kernels::Isa;
use kernels::activation::Function;

/// What came of a command.
pub(crate) type Outcome = Result<bool, Box<dyn Error>>;

/// A positive size of a layer or a list.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size) if (1..=1 << 24).contains(&size) => Ok(size),
        _ => Err("expected a number from 1 to 16777216".to_owned()),
    }
}

/// A function by its name.
pub(crate) fn functions() -> impl TypedValueParser<Value = Function> {
    let names = PossibleValuesParser::new(Function::ALL.map(Function::name));
    names.try_map(|name| {
        let named = |function: &Function| function.name() == name;
        Function::ALL.into_iter().find(named).ok_or("no such function")
    })
}

/// A number of layers.
pub(crate) fn layers(text: &str) -> Result<usize, String> {
    up_to_1024(text)
}

/// A number of threads.
pub(crate) fn threads(text: &str) -> Result<usize, String> {
    up_to_1024(text)
}

fn up_to_1024(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=1024).contains(&number) => Ok(number),
        _ => Err("expected a number from 1 to 1024".to_owned()),
    }
}

// What is measured on. No docstring: it would be that of the command.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct On {
    /// Threads
    #[arg(long, value_name = "N", default_value = "1", value_parser = threads)]
    pub(crate) threads: usize,
    /// Scalar
    #[arg(long, value_enum, default_value = "f32")]
    pub(crate) dtype: Dtype,
    /// Instruction set; the best unless given
    #[arg(long, value_name = "NAME")]
    isa: Option<Isa>,
}

impl On {
    /// The instruction set.
    pub(crate) fn isa(self) -> Isa {
        self.isa.unwrap_or_else(Isa::best)
    }

    /// All of it, to stand beside a title.
    pub(crate) fn conditions(self) -> String {
        let (cpu, isa, threads) = (machine::cpu(), self.isa(), count(self.threads, "thread"));
        format!("{cpu}, {isa}, {}, {threads}", self.dtype.name())
    }
}

/// Writes a file.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs `work` on a pool of its own.
pub(crate) fn on_threads<R: Send>(
    threads: usize,
    work: impl FnOnce() -> R + Send,
) -> Result<R, rayon::ThreadPoolBuildError> {
    Ok(rayon::ThreadPoolBuilder::new().num_threads(threads).build()?.install(work))
}
