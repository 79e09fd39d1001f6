//! Why a peer has no time.

use std::fmt;

/// Why a peer has no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not there.
    NotInstalled,
    /// It has nothing of this kind.
    Unsupported(String),
    /// It computes something else: what, and how far off.
    Disagrees(String),
    /// It has failed.
    Failed(String),
}

impl Refusal {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::NotInstalled => "not installed",
            Refusal::Unsupported(_) => "unsupported",
            Refusal::Disagrees(_) => "disagrees",
            Refusal::Failed(_) => "failed",
        }
    }

    /// The reason, as the peer gave it.
    pub fn reason(&self) -> &str {
        match self {
            Refusal::NotInstalled => "",
            Refusal::Unsupported(why) | Refusal::Disagrees(why) | Refusal::Failed(why) => why,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self.reason() {
            "" => out.pad(self.name()),
            reason => write!(out, "{}: {reason}", self.name()),
        }
    }
}
