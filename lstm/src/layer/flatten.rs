//! All axes of a sample as one.

use super::permute::Rearrange;
use super::reshape::Recast;
use super::{Describe, Layer, Operation, named, one_input};
use crate::error::Result;
use crate::graph::{Shared, Symbol};
use crate::shape::Shape;

/// Where the channels are in the shape of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataFormat {
    /// `[batch, …, channels]`
    #[default]
    ChannelsLast,
    /// `[batch, channels, …]`
    ChannelsFirst,
}

/// Makes one axis of all: `[a, b, …]` to `[a b …]`, and `[]` to `[1]`. A mask ends here, as it does
/// in Keras.
///
/// Options and defaults are those of `keras.layers.Flatten`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flatten {
    pub(crate) data_format: DataFormat,
    pub(crate) name: Option<String>,
}

impl Flatten {
    /// A layer that takes entries in the order in which they lie.
    pub fn new() -> Self {
        Flatten::default()
    }

    /// Channels that come first are moved to the end before the axes become one;
    /// [`ChannelsLast`](DataFormat::ChannelsLast) unless set.
    pub fn data_format(self, data_format: DataFormat) -> Self {
        Flatten { data_format, ..self }
    }

    /// The operation for an input of this shape.
    pub(super) fn operation<T: crate::Float>(&self, input: &Shape) -> Box<dyn Operation<T>> {
        match (self.data_format, input.axes().len()) {
            (DataFormat::ChannelsFirst, axes @ 2..) => {
                Box::new(Rearrange::by((1..axes).chain([0]).collect()))
            }
            _ => Box::new(Recast),
        }
    }
}

named!(Flatten);

impl Describe for Flatten {
    fn class(&self) -> &'static str {
        "Flatten"
    }

    fn base_name(&self) -> &'static str {
        "flatten"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let input = one_input(what, inputs)?;
        outputs.resize_with(1, Shape::default);
        outputs[0].assign([input.axes().iter().copied().product()]);
        Ok(())
    }
}
