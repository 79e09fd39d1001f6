//! An activation at the end of a layer that a loss may look through, to what it was applied to.

use kernels::{Buffer, Float};

use crate::activation::Activation;

/// What a layer keeps for such a loss.
#[derive(Debug)]
pub(super) struct Through<T> {
    activation: Option<Activation>,
    operand: Buffer<T>,
    /// Whether the operand is kept.
    kept: bool,
    /// Whether the gradient of the output is in fact that of the operand.
    direct: bool,
}

impl<T: Float> Through<T> {
    /// Of a layer that ends with this activation. Only the sigmoid and softmax are looked through.
    pub(super) fn new(activation: Activation) -> Self {
        let seen = matches!(activation, Activation::Sigmoid | Activation::Softmax);
        Through { activation: seen.then_some(activation), ..Through::closed() }
    }

    /// Of a layer that is not looked through.
    pub(super) fn closed() -> Self {
        Through { activation: None, operand: Buffer::new(), kept: false, direct: false }
    }

    /// See [`look_through`](super::Operation::look_through).
    pub(super) fn look(&mut self, keep: bool) -> Option<Activation> {
        self.kept = keep && self.activation.is_some();
        self.activation
    }

    /// See [`operand`](super::Operation::operand).
    pub(super) fn operand(&mut self, direct: bool) -> Option<&[T]> {
        self.direct = direct && self.kept;
        self.kept.then_some(&self.operand)
    }

    /// Keeps what the activation is about to be applied to, if it is asked for.
    pub(super) fn keep(&mut self, operand: &[T]) {
        if self.kept {
            self.operand.resize(operand.len());
            self.operand.copy_from_slice(operand);
        }
    }

    /// Whether backward passes the activation by, this once.
    pub(super) fn passes_by(&mut self) -> bool {
        std::mem::take(&mut self.direct)
    }
}
