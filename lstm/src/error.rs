//! What can go wrong at the doors of this crate.

use std::fmt;

use crate::shape::Axes;

/// Why a model could not be built, fed, trained or read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// An array does not have the shape that its place asks for; `None` is any size.
    Shape {
        /// The array.
        what: String,
        /// The shape it should have.
        expected: Vec<Option<usize>>,
        /// The shape it has.
        found: Vec<Option<usize>>,
    },
    /// Another number of things was given than is needed.
    Count {
        /// The things.
        what: String,
        /// How many are needed.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// A number in the data is NaN or infinite.
    NotFinite {
        /// The array.
        what: String,
        /// The position of the first such number.
        index: Vec<usize>,
    },
    /// A setting is out of its range, or fits badly with another.
    Invalid {
        /// The setting.
        what: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// The model has no weights yet, because the shape of its input is not known.
    NotBuilt {
        /// The model.
        model: String,
    },
    /// `fit` or `evaluate` before `compile`.
    NotCompiled {
        /// The model.
        model: String,
    },
    /// Something Keras knows and this crate does not.
    Unsupported {
        /// The kind of thing.
        what: String,
        /// Its name.
        name: String,
    },
    /// A file that cannot be read or written.
    File {
        /// The file.
        path: String,
        /// What the system says.
        why: String,
    },
    /// A description of a model that is not what Keras writes.
    Config {
        /// Where in the description.
        at: String,
        /// What is wrong there.
        why: String,
    },
}

impl Error {
    pub(crate) fn unsupported(what: impl Into<String>, name: impl Into<String>) -> Self {
        Error::Unsupported { what: what.into(), name: name.into() }
    }

    pub(crate) fn invalid(what: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Invalid { what: what.into(), why: why.into() }
    }

    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Error::File { path: path.display().to_string(), why: error.to_string() }
    }

    pub(crate) fn config(at: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Config { at: at.into(), why: why.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Shape { what, expected, found } => {
                write!(out, "{what}: expected shape {}, found {}", Axes(expected), Axes(found))
            }
            Error::Count { what, expected, found } => {
                write!(out, "{what}: expected {expected}, found {found}")
            }
            Error::NotFinite { what, index } => {
                write!(out, "{what}: NaN or infinite at {index:?}")
            }
            Error::Invalid { what, why } => write!(out, "{what}: {why}"),
            Error::NotBuilt { model } => write!(
                out,
                "model `{model}` is not built: its first layer must be an `Input` with the shape \
                 of one sample, as in `.add(Input::new([steps, features]))`"
            ),
            Error::NotCompiled { model } => write!(
                out,
                "model `{model}` is not compiled: call `compile(optimizer, loss)` first"
            ),
            Error::Unsupported { what, name } => write!(out, "unsupported {what}: `{name}`"),
            Error::File { path, why } => write!(out, "{path}: {why}"),
            Error::Config { at, why } => write!(out, "{at}: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
