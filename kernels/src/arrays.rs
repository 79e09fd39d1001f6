//! Arrays of the crate `ndarray` as matrices, behind the feature of that name.

use core::fmt;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::matrix::{MatMut, MatRef};

/// An array is no matrix of this crate: its elements do not fill one stretch of memory, or its rows
/// or columns run backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotDense;

impl fmt::Display for NotDense {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("an array with gaps, repetitions or negative strides: copy it")
    }
}

impl core::error::Error for NotDense {}

/// Row stride and column stride of an array. That of an axis with one element may be anything, and
/// means nothing.
fn strides((rows, cols): (usize, usize), strides: &[isize]) -> Result<(usize, usize), NotDense> {
    let stride = |axis: usize, len: usize, alone: usize| match len {
        1 => Ok(alone),
        _ => usize::try_from(strides[axis]).map_err(|_| NotDense),
    };
    Ok((stride(0, rows, cols)?, stride(1, cols, 1)?))
}

/// A dense array in either order, whole or some of its lines, or its transpose. Nothing is copied. A
/// view with gaps, as some columns of a row-major array are, is an error: what lies in the gaps may be
/// borrowed by others, so no slice can span them.
///
/// ```
/// use kernels::{MatMut, MatRef, gemm};
/// use ndarray::{Array2, array};
///
/// let (a, b) = (array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], array![[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]);
/// let mut c = Array2::zeros((2, 2));
/// gemm(a.view().try_into()?, b.t().try_into()?, c.view_mut().try_into()?);
/// assert_eq!(c, a.dot(&b.t()));
/// # Ok::<(), kernels::NotDense>(())
/// ```
///
/// # Errors
///
/// If the array has gaps, repeated elements or negative strides. `as_standard_layout` copies it.
impl<'a, T: Copy> TryFrom<ArrayView2<'a, T>> for MatRef<'a, T> {
    type Error = NotDense;

    fn try_from(array: ArrayView2<'a, T>) -> Result<Self, NotDense> {
        let size = array.dim();
        if array.is_empty() {
            return Ok(MatRef::new(&[], size.0, size.1));
        }
        let strides = strides(size, array.strides())?;
        let data = array.to_slice_memory_order().ok_or(NotDense)?;
        Ok(MatRef::strided(data, size, strides))
    }
}

/// As for a [`MatRef`].
///
/// # Errors
///
/// If the array has gaps or negative strides.
impl<'a, T: Copy> TryFrom<ArrayViewMut2<'a, T>> for MatMut<'a, T> {
    type Error = NotDense;

    fn try_from(array: ArrayViewMut2<'a, T>) -> Result<Self, NotDense> {
        let size = array.dim();
        if array.is_empty() {
            return Ok(MatMut::new(&mut [], size.0, size.1));
        }
        let strides = strides(size, array.strides())?;
        let data = array.into_slice_memory_order().ok_or(NotDense)?;
        Ok(MatMut::strided(data, size, strides))
    }
}
