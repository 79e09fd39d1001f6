//! A product that is to be computed.

use super::blocking::Blocking;
use super::packed::Operand;

/// A product whose arguments fit each other.
pub(super) struct Job<'a, T, E> {
    pub(super) a: Operand<'a, T>,
    pub(super) b: Operand<'a, T>,
    pub(super) alpha: T,
    pub(super) beta: T,
    pub(super) epilogue: &'a E,
    pub(super) sizes: Blocking,
    /// Terms of a sum.
    pub(super) k: usize,
}
