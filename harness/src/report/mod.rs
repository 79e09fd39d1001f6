//! The page of the main job: what runs here, that its gradients are right, how fast it is, and
//! that it learns.

mod gradients;
mod machine;
mod speed;
mod training;

use crate::style::Style;

/// A part of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its lines.
    pub text: String,
    /// Whether everything in it is as it should be.
    pub passed: bool,
}

/// What makes a section. It may take seconds.
pub type Chapter = fn(Style) -> lstm::Result<Section>;

/// The chapters of the page, in order.
pub const CHAPTERS: [Chapter; 4] =
    [machine::section, gradients::section, speed::section, training::section];
