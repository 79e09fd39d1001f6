//! The rules that optimizers follow, and what each of them has to tell.

use kernels::simd::{Float, Isa};

use super::{Adadelta, Adagrad, Adam, Adamax, Ftrl, Lamb, Lion, Nadam, RMSprop, SGD, state::Slots};
use crate::error::{Error, Result};

/// How weights follow their gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// See [`SGD`].
    SGD(SGD),
    /// See [`RMSprop`].
    RMSprop(RMSprop),
    /// See [`Adam`].
    Adam(Adam),
    /// See [`AdamW`](super::AdamW): Adam, with a weight decay.
    AdamW(Adam),
    /// See [`Nadam`].
    Nadam(Nadam),
    /// See [`Adamax`].
    Adamax(Adamax),
    /// See [`Adagrad`].
    Adagrad(Adagrad),
    /// See [`Adadelta`].
    Adadelta(Adadelta),
    /// See [`Ftrl`].
    Ftrl(Ftrl),
    /// See [`Lion`].
    Lion(Lion),
    /// See [`Lamb`].
    Lamb(Lamb),
}

/// The same expression for whichever rule it is.
macro_rules! each {
    ($rule:expr, $one:ident => $value:expr) => {
        match $rule {
            Rule::SGD($one) => $value,
            Rule::RMSprop($one) => $value,
            Rule::Adam($one) | Rule::AdamW($one) => $value,
            Rule::Nadam($one) => $value,
            Rule::Adamax($one) => $value,
            Rule::Adagrad($one) => $value,
            Rule::Adadelta($one) => $value,
            Rule::Ftrl($one) => $value,
            Rule::Lion($one) => $value,
            Rule::Lamb($one) => $value,
        }
    };
}

/// An array of the weights' size that a rule remembers from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slot {
    /// The end of its name in Keras.
    pub(crate) name: &'static str,
    /// What it starts at.
    pub(crate) initial: f64,
    /// Whether Keras lists it after the one before, for all weights, and not beside it.
    pub(crate) apart: bool,
}

impl Slot {
    /// A slot that starts at zero.
    pub(super) const fn zeros(name: &'static str) -> Self {
        Slot::new(name, 0.0)
    }

    pub(super) const fn new(name: &'static str, initial: f64) -> Self {
        Slot { name, initial, apart: false }
    }

    pub(super) const fn apart(self) -> Self {
        Slot { apart: true, ..self }
    }
}

/// What a rule is given for one step of some weights.
pub(super) struct Step<'a, T> {
    pub(super) isa: Isa,
    pub(super) learning_rate: f64,
    /// The number of the step, from one.
    pub(super) t: f64,
    /// What [`Nadam`] multiplies up.
    pub(super) product: f64,
    pub(super) weights: &'a mut [T],
    /// Scratch once they were read.
    pub(super) grads: &'a mut [T],
    pub(super) slots: Slots<'a, T>,
}

/// One rule's own part.
pub(super) trait Formula {
    /// Checks that every setting but the learning rate is in its range.
    fn check(&self) -> Result<()>;

    /// What it remembers.
    fn slots(&self) -> Vec<Slot>;

    /// Moves the weights along their gradients.
    fn step<T: Float>(&self, step: Step<T>);
}

impl Rule {
    /// The name of the class in Keras.
    pub fn class(&self) -> &'static str {
        match self {
            Rule::SGD(_) => "SGD",
            Rule::RMSprop(_) => "RMSprop",
            Rule::Adam(_) => "Adam",
            Rule::AdamW(_) => "AdamW",
            Rule::Nadam(_) => "Nadam",
            Rule::Adamax(_) => "Adamax",
            Rule::Adagrad(_) => "Adagrad",
            Rule::Adadelta(_) => "Adadelta",
            Rule::Ftrl(_) => "Ftrl",
            Rule::Lion(_) => "Lion",
            Rule::Lamb(_) => "Lamb",
        }
    }

    /// What Keras makes of the class for names: `rm_sprop`.
    pub(crate) fn base_name(&self) -> &'static str {
        match self {
            Rule::SGD(_) => "sgd",
            Rule::RMSprop(_) => "rm_sprop",
            Rule::Adam(_) => "adam",
            Rule::AdamW(_) => "adam_w",
            Rule::Nadam(_) => "nadam",
            Rule::Adamax(_) => "adamax",
            Rule::Adagrad(_) => "adagrad",
            Rule::Adadelta(_) => "adadelta",
            Rule::Ftrl(_) => "ftrl",
            Rule::Lion(_) => "lion",
            Rule::Lamb(_) => "lamb",
        }
    }

    /// lr, where no schedule takes its place.
    pub(crate) fn learning_rate(&self) -> f64 {
        each!(self, rule => rule.learning_rate)
    }

    pub(crate) fn set_learning_rate(&mut self, learning_rate: f64) {
        each!(self, rule => rule.learning_rate = learning_rate);
    }

    pub(super) fn check(&self) -> Result<()> {
        within("learning_rate", self.learning_rate(), 0.0..f64::INFINITY)?;
        each!(self, rule => rule.check())
    }

    pub(super) fn slots(&self) -> Vec<Slot> {
        each!(self, rule => rule.slots())
    }

    pub(super) fn step<T: Float>(&self, step: Step<T>) {
        each!(self, rule => rule.step(step));
    }
}

/// Checks a setting against its range.
pub(super) fn within(name: &str, x: f64, range: std::ops::Range<f64>) -> Result<()> {
    match range.contains(&x) {
        true => Ok(()),
        false => Err(Error::invalid(
            format!("optimizer's {name}"),
            format!("{x} is not within {} ≤ {name} < {}", range.start, range.end),
        )),
    }
}

/// Checks a setting that may be one, too.
pub(super) fn at_most_one(name: &str, x: f64) -> Result<()> {
    match (0.0..=1.0).contains(&x) {
        true => Ok(()),
        false => Err(Error::invalid(
            format!("optimizer's {name}"),
            format!("{x} is not within 0 ≤ {name} ≤ 1"),
        )),
    }
}

/// A decimal constant as Keras's step uses it: rounded to `f32` on its way into the graph, even
/// where the weights are `f64`. Over hundreds of steps the difference shows in the sixth digit.
/// Only what Keras hands to `ops.cast` is so rounded; a plain factor of a tensor is not.
pub(crate) fn rounded(x: f64) -> f64 {
    f64::from(x as f32)
}
