//! Layers that combine inputs entry by entry.

use super::combine::Combine;
use super::{Describe, Layer, Operation};
use crate::error::{Error, Result};
use crate::graph::{Shared, Symbol, Symbols};
use crate::shape::Shape;

/// What is alike in all layers of several inputs: a name, a call, the way into a model.
macro_rules! several {
    ($class:ident) => {
        impl $class {
            /// The layer's name in the model; made from that of its class unless set.
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.name = Some(name.into());
                self
            }

            /// Calls the layer on its inputs, `[&a, &b]`, as part of a functional model.
            ///
            /// # Errors
            ///
            /// If the layer does not fit their number or shapes.
            pub fn call(self, inputs: impl Symbols) -> Result<Symbol> {
                Shared::new(self).call(inputs)
            }
        }

        impl From<$class> for Layer {
            fn from(layer: $class) -> Self {
                Layer::$class(layer)
            }
        }
    };
}
pub(super) use several;

/// How several entries become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Add,
    Subtract,
    Multiply,
    Average,
    Maximum,
    Minimum,
}

impl Rule {
    /// The operation for as many inputs as there are shapes.
    pub(super) fn operation<T: crate::Float>(self, inputs: &[Shape]) -> Box<dyn Operation<T>> {
        Box::new(Combine::new(self, inputs.len()))
    }
}

macro_rules! merges {
    ($($(#[$doc:meta])* $class:ident, $base:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// An axis of size one, or one that is missing at the front of a sample, goes with any: what
        /// it holds counts for all entries along it. Its mask says that a step is valid where it is
        /// in one of the inputs; there is none where an input has none.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $class {
            pub(crate) name: Option<String>,
        }

        impl $class {
            /// The layer; it has no options.
            pub fn new() -> Self {
                Self::default()
            }
        }

        several!($class);

        impl Describe for $class {
            fn class(&self) -> &'static str {
                stringify!($class)
            }

            fn base_name(&self) -> &'static str {
                $base
            }

            fn name(&self) -> Option<&str> {
                self.name.as_deref()
            }

            fn outputs(
                &self,
                what: &str,
                inputs: &[Shape],
                outputs: &mut Vec<Shape>,
            ) -> Result<()> {
                broadcast(Rule::$class, what, inputs, outputs)
            }
        }
    )*};
}

merges! {
    /// `y = a + b + …`, as `keras.layers.Add`.
    Add, "add";
    /// `y = a - b`, as `keras.layers.Subtract`.
    Subtract, "subtract";
    /// `y = a b …`, as `keras.layers.Multiply`. Masked steps of an input count as ones; steps that
    /// are masked in all of them are zero.
    Multiply, "multiply";
    /// `y = (a + b + …) / n`, as `keras.layers.Average`.
    Average, "average";
    /// `y = max(a, b, …)`, as `keras.layers.Maximum`. Masked steps of an input do not count where
    /// those before have valid ones.
    Maximum, "maximum";
    /// `y = min(a, b, …)`, as `keras.layers.Minimum`. Masked steps of an input do not count where
    /// those before have valid ones.
    Minimum, "minimum";
}

/// The size of an axis of the output, from the same axis of samples of `shape`; `axis` counts from
/// the end.
fn from_end(shape: &Shape, axis: usize) -> Option<Option<usize>> {
    shape.axes().iter().rev().nth(axis).copied()
}

/// Writes the shape that all inputs are widened to.
fn broadcast(rule: Rule, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
    let wanted = if rule == Rule::Subtract { 2 } else { inputs.len().max(1) };
    if inputs.len() != wanted {
        let what = format!("inputs of {what}");
        return Err(Error::Count { what, expected: wanted, found: inputs.len() });
    }
    let rank = inputs.iter().map(|input| input.axes().len()).max().unwrap_or(0);
    for (i, input) in inputs.iter().enumerate() {
        for axis in 0..rank {
            let before = inputs[..i].iter().filter_map(|input| from_end(input, axis)).flatten();
            let before = before.filter(|&size| size != 1).max();
            let here = from_end(input, axis).flatten().filter(|&size| size != 1);
            if let (Some(before), Some(here)) = (before, here)
                && before != here
            {
                return Err(Error::Shape {
                    what: format!("input {i} of {what}, whose axes are those of the others or 1"),
                    expected: inputs[0].batched(None),
                    found: input.batched(None),
                });
            }
        }
    }
    let axis = |k: usize| {
        let sizes = || inputs.iter().filter_map(|input| from_end(input, rank - 1 - k));
        let unknown = sizes().any(|size| size.is_none());
        if unknown { None } else { sizes().flatten().find(|&size| size != 1).or(Some(1)) }
    };
    outputs.resize_with(1, Shape::default);
    outputs[0].assign((0..rank).map(axis));
    Ok(())
}
