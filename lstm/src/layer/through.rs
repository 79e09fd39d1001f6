//! An activation at the end of a layer that a loss may look through, to what it was applied to.

use kernels::{Buffer, Float};

use super::OfLoss;
use crate::activation::Activation;

/// What a layer keeps for such a loss.
#[derive(Debug)]
pub(super) struct Through<T> {
    activation: Option<Activation>,
    operand: Buffer<T>,
    /// Whether the operand is kept.
    kept: bool,
    /// What the next gradient of a loss is with respect to.
    of_loss: OfLoss,
    /// That gradient, if it comes beside others.
    beside: Buffer<T>,
}

impl<T: Float> Through<T> {
    /// Of a layer that ends with this activation. Only the sigmoid and softmax are looked through.
    pub(super) fn new(activation: Activation) -> Self {
        let seen = matches!(activation, Activation::Sigmoid | Activation::Softmax);
        Through { activation: seen.then_some(activation), ..Through::closed() }
    }

    /// Of a layer that is not looked through.
    pub(super) fn closed() -> Self {
        Through {
            activation: None,
            operand: Buffer::new(),
            kept: false,
            of_loss: OfLoss::Output,
            beside: Buffer::new(),
        }
    }

    /// See [`look_through`](super::Operation::look_through).
    pub(super) fn look(&mut self, keep: bool) -> Option<Activation> {
        self.kept = keep && self.activation.is_some();
        self.activation
    }

    /// See [`operand`](super::Operation::operand).
    pub(super) fn operand(&mut self, of_loss: OfLoss) -> Option<(&[T], Option<&mut [T]>)> {
        if !self.kept {
            self.of_loss = OfLoss::Output;
            return None;
        }
        self.of_loss = of_loss;
        if of_loss == OfLoss::Beside {
            self.beside.resize(self.operand.len());
        }
        Some((&self.operand, (of_loss == OfLoss::Beside).then_some(&mut self.beside)))
    }

    /// Keeps what the activation is about to be applied to, if it is asked for.
    pub(super) fn keep(&mut self, operand: &[T]) {
        self.of_loss = OfLoss::Output;
        if self.kept {
            self.operand.resize(operand.len());
            self.operand.copy_from_slice(operand);
        }
    }

    /// Makes the gradient of the output that of the operand, with what `activation` does to it, unless a loss
    /// has passed it by.
    pub(super) fn backward(&mut self, gradient: &mut [T], activation: impl FnOnce(&mut [T])) {
        match std::mem::replace(&mut self.of_loss, OfLoss::Output) {
            OfLoss::Output => activation(gradient),
            OfLoss::Operand => {}
            OfLoss::Beside => {
                activation(gradient);
                gradient
                    .iter_mut()
                    .zip(&self.beside[..])
                    .for_each(|(sum, &of_loss)| *sum += of_loss);
            }
        }
    }
}
