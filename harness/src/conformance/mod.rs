//! Cases computed by Keras, run here: format 1 of the conformance files.
//!
//! A case is one `.safetensors` file: a layer, model or training run in Keras's own JSON, its
//! inputs, and what Keras made of them in `f64`. It is run in both precisions, and passes if every
//! expected tensor agrees, as `max|got - want| / max(1, max|want|)`. Which tensors are expected
//! follows from the kind of case: one that is missing, or one too many, is an error. A case that
//! asks for what `lstm` does not have fails with the name of it.

mod case;
mod compare;
mod replay;
mod tally;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lstm::Tensor;

pub use case::Case;
pub use compare::Worst;
pub(crate) use compare::worst;
pub use tally::Tally;

/// Tensors by name.
pub type Tensors<T> = BTreeMap<String, Tensor<T>>;

/// What came of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The file.
    pub path: PathBuf,
    /// `layer`, `stateful`, `model` or `fit`; empty for a file that is no case.
    pub kind: String,
    /// The worst errors in `f64` and in `f32`, or why the case could not be run.
    pub result: Result<[Worst; 2], String>,
}

impl Outcome {
    /// Whether the case ran and agreed in both precisions.
    pub fn passed(&self) -> bool {
        matches!(&self.result, Ok(worst) if worst.iter().all(Worst::passed))
    }
}

/// Runs the case in a file.
pub fn run(path: &Path) -> Outcome {
    let case = Case::read(path);
    let kind = case.as_ref().map_or("", Case::kind).to_owned();
    let both = |case: Case| Ok([case.run::<f64>()?, case.run::<f32>()?]);
    Outcome { path: path.to_owned(), kind, result: case.and_then(both) }
}

/// The case files among `paths`, and in folders among them, however deep: in order.
///
/// # Errors
///
/// If a path cannot be read, or a folder has no case.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = path.metadata().map_err(|error| format!("{}: {error}", path.display()))?;
        if !metadata.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        collect(path, &mut files)?;
        if files.len() == before {
            return Err(format!("{}: no .safetensors files in it", path.display()));
        }
        files[before..].sort();
    }
    Ok(files)
}

/// The case files in a folder and in those inside it. Folders that are links are left out: they may
/// go round in circles.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let unreadable = |error| format!("{}: {error}", folder.display());
    for entry in folder.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        if entry.file_type().map_err(unreadable)?.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "safetensors")
            && !path.is_dir()
        {
            files.push(path);
        }
    }
    Ok(())
}
