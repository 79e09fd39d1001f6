//! Shapes of samples: the axes after the batch, some of which may be known only with the data.

use std::fmt;

/// The shape of one sample of an array: an axis of unknown size is `None`.
///
/// ```
/// use lstm::Shape;
///
/// assert_eq!(Shape::from([4, 8]), Shape::from([Some(4), Some(8)]));
/// let any_steps = Shape::from([None, Some(8)]);
/// assert_eq!(any_steps.to_string(), "(None, None, 8)"); // with the batch axis, as in Keras
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape(Vec<Option<usize>>);

impl Shape {
    /// The axes.
    pub fn axes(&self) -> &[Option<usize>] {
        &self.0
    }

    /// The size of the last axis, if there is one and its size is known.
    pub(crate) fn features(&self) -> Option<usize> {
        self.0.last().copied().flatten()
    }

    /// Changes the size of the last axis.
    pub(crate) fn set_features(&mut self, features: usize) {
        if let Some(last) = self.0.last_mut() {
            *last = Some(features);
        }
    }

    /// Takes other axes. Allocates nothing if there were as many before.
    pub(crate) fn assign(&mut self, axes: impl IntoIterator<Item = Option<usize>>) {
        self.0.clear();
        self.0.extend(axes);
    }

    /// Puts an axis before the others.
    pub(crate) fn prepend(&mut self, axis: Option<usize>) {
        self.0.insert(0, axis);
    }

    /// Elements, where all axes are known.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|axis| axis.unwrap_or(0)).product()
    }

    /// Whether a sample of shape `found` fits.
    pub(crate) fn fits(&self, found: &[usize]) -> bool {
        self.0.len() == found.len()
            && self.0.iter().zip(found).all(|(axis, found)| axis.is_none_or(|axis| axis == *found))
    }

    /// The shape of a batch of any size.
    pub(crate) fn batched(&self, batch: Option<usize>) -> Vec<Option<usize>> {
        [batch].into_iter().chain(self.0.iter().copied()).collect()
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(axes: [usize; N]) -> Self {
        Shape(axes.into_iter().map(Some).collect())
    }
}

impl<const N: usize> From<[Option<usize>; N]> for Shape {
    fn from(axes: [Option<usize>; N]) -> Self {
        Shape(axes.to_vec())
    }
}

impl From<&[usize]> for Shape {
    fn from(axes: &[usize]) -> Self {
        Shape(axes.iter().copied().map(Some).collect())
    }
}

impl From<Vec<Option<usize>>> for Shape {
    fn from(axes: Vec<Option<usize>>) -> Self {
        Shape(axes)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}", Axes(&self.batched(None)))
    }
}

/// `(None, 4, 8)`
pub(crate) struct Axes<'a>(pub(crate) &'a [Option<usize>]);

impl fmt::Display for Axes<'_> {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("(")?;
        for (i, axis) in self.0.iter().enumerate() {
            out.write_str(if i == 0 { "" } else { ", " })?;
            match axis {
                Some(size) => write!(out, "{size}")?,
                None => out.write_str("None")?,
            }
        }
        out.write_str(if self.0.len() == 1 { ",)" } else { ")" })
    }
}
