//! A weight of a layer, before there are numbers in it.

use std::borrow::Cow;
use std::ops::Range;

use kernels::Float;

use crate::constraint::Constraint;
use crate::error::Result;
use crate::initializer::Initializer;
use crate::random::Rng;
use crate::regularizer::Regularizer;

/// A weight of a layer: its name and shape in Keras, how it starts, and what training does to it.
#[derive(Clone, Debug)]
pub(crate) struct Weight {
    pub(crate) name: Cow<'static, str>,
    pub(crate) shape: Vec<usize>,
    pub(crate) initializer: Initializer,
    /// The part, of a weight with one axis, that starts at one instead.
    pub(crate) ones: Option<Range<usize>>,
    /// What it adds to the loss.
    pub(crate) regularizer: Option<Regularizer>,
    /// What it is brought back to after each step.
    pub(crate) constraint: Option<Constraint>,
    /// Whether it is trained at all.
    pub(crate) trainable: bool,
}

impl Weight {
    /// A weight that its initializer makes as a whole, and that is trained freely.
    pub(crate) fn new(name: &'static str, shape: Vec<usize>, initializer: Initializer) -> Self {
        Weight {
            name: name.into(),
            shape,
            initializer,
            ones: None,
            regularizer: None,
            constraint: None,
            trainable: true,
        }
    }

    /// The weight of a layer that is part of another, under its name there.
    pub(crate) fn of(self, layer: &str) -> Self {
        Weight { name: format!("{layer}/{}", self.name).into(), ..self }
    }

    /// The weight with a penalty.
    pub(crate) fn regularizer(self, regularizer: Option<Regularizer>) -> Self {
        Weight { regularizer, ..self }
    }

    /// The weight within bounds.
    pub(crate) fn constraint(self, constraint: Option<&Constraint>) -> Self {
        Weight { constraint: constraint.cloned(), ..self }
    }

    /// The weight trained, or not.
    pub(crate) fn trainable(self, trainable: bool) -> Self {
        Weight { trainable, ..self }
    }

    /// Checks that the initializer can make it, and that regularizer and constraint fit it; the
    /// layer calls itself `what`.
    pub(crate) fn check(&self, what: &str) -> Result<()> {
        // Keras's options leave out the second half of `recurrent_kernel`.
        let name = match &*self.name {
            "recurrent_kernel" => "recurrent",
            name => name,
        };
        self.initializer.check(&format!("{name}_initializer of {what}"), &self.shape)?;
        if let Some(regularizer) = self.regularizer {
            let axes: Vec<_> = self.shape.iter().copied().map(Some).collect();
            regularizer.check(&format!("{name}_regularizer of {what}"), &axes)?;
        }
        if let Some(constraint) = &self.constraint {
            constraint.check(&format!("{name}_constraint of {what}"), &self.shape)?;
        }
        Ok(())
    }

    /// Draws initial values. The parts beside [`ones`](Self::ones) are drawn one by one, as Keras
    /// does it: their fans are those of a part.
    pub(crate) fn fill<T: Float>(&self, rng: &mut Rng, values: &mut [T]) {
        let Some(ones) = self.ones.clone() else {
            return self.initializer.fill(rng, &self.shape, values);
        };
        let (before, rest) = values.split_at_mut(ones.start);
        let (ones, after) = rest.split_at_mut(ones.len());
        self.initializer.fill(rng, &[before.len()], before);
        ones.fill(T::ONE);
        self.initializer.fill(rng, &[after.len()], after);
    }
}
