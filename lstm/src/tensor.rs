//! Arrays as users hand them in and get them back.

use kernels::Float;

use crate::error::{Error, Result};
use crate::shape::Shape;

/// A dense array, row-major, with the batch as its first axis.
///
/// ```
/// use lstm::Tensor;
///
/// let x = Tensor::new([2, 3], vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// let same = Tensor::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// assert_eq!(x, same);
/// # Ok::<(), lstm::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<T = f32> {
    shape: Vec<usize>,
    data: Vec<T>,
}

/// How many elements a shape has, if a `usize` can count them.
fn size(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |size, &dim| size.checked_mul(dim))
}

/// How many elements of `T` a shape has, if there is memory for them.
pub(crate) fn size_in_memory<T>(what: &str, shape: &[usize]) -> Result<usize> {
    // Asked for and given back: a real allocation, which the compiler must not leave out.
    let fits = |&size: &usize| {
        let mut room = Vec::<T>::new();
        std::hint::black_box(&mut room).try_reserve_exact(size).is_ok()
    };
    let why = || format!("an array of shape {shape:?} does not fit in memory");
    size(shape).filter(fits).ok_or_else(|| Error::invalid(what, why()))
}

impl<T: Float> Tensor<T> {
    /// `data` with a shape.
    ///
    /// # Errors
    ///
    /// If the shape has another number of elements than `data`.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<T>) -> Result<Self> {
        let shape = shape.into();
        let expected = size(&shape);
        if expected != Some(data.len()) {
            return Err(Error::Count {
                what: format!("elements of a tensor of shape {shape:?}"),
                expected: expected.unwrap_or(usize::MAX),
                found: data.len(),
            });
        }
        Ok(Tensor { shape, data })
    }

    /// Zeros.
    ///
    /// # Panics
    ///
    /// If the shape has more elements than a `usize` can count. Like any allocation in Rust, it
    /// ends the program where there is no memory for them.
    #[track_caller]
    pub fn zeros(shape: impl Into<Vec<usize>>) -> Self {
        let shape = shape.into();
        let Some(size) = size(&shape) else { panic!("too many elements: a shape of {shape:?}") };
        Tensor { shape, data: vec![T::ZERO; size] }
    }

    /// The size of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, row-major.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The elements, row-major, to change.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The elements without the shape.
    pub fn into_data(self) -> Vec<T> {
        self.data
    }

    /// The same elements in another shape.
    ///
    /// # Errors
    ///
    /// If the shape has another number of elements.
    pub fn reshape(self, shape: impl Into<Vec<usize>>) -> Result<Self> {
        Tensor::new(shape, self.data)
    }

    /// The same numbers in another precision.
    pub fn cast<U: Float>(&self) -> Tensor<U> {
        let data = self.data.iter().map(|x| U::from_f64(x.to_f64())).collect();
        Tensor { shape: self.shape.clone(), data }
    }

    /// Takes the shape `[first.., rest..]`, in the memory that is there if it is enough. The elements
    /// are to be written anew.
    pub(crate) fn refit(&mut self, first: &[usize], rest: &[usize]) {
        self.shape.clear();
        self.shape.extend_from_slice(first);
        self.shape.extend_from_slice(rest);
        self.data.resize(self.shape.iter().product(), T::ZERO);
    }

    /// Adds samples.
    ///
    /// # Errors
    ///
    /// If theirs is another shape.
    pub(crate) fn append(&mut self, more: &Tensor<T>, what: &str) -> Result<()> {
        if self.shape.is_empty() || more.shape.is_empty() || self.shape[1..] != more.shape[1..] {
            let expected = self.shape.iter().copied().map(Some).collect();
            return Err(more.misfit(what, expected));
        }
        self.shape[0] += more.shape[0];
        self.data.extend_from_slice(&more.data);
        Ok(())
    }

    /// Copies elements along the first axis of `from`, one after another.
    pub(crate) fn gather(&mut self, from: &Tensor<T>, rows: impl Iterator<Item = usize>) {
        let size = from.data.len() / from.batch().max(1);
        if size > 0 {
            for (to, row) in self.data.chunks_exact_mut(size).zip(rows) {
                to.copy_from_slice(&from.data[row * size..][..size]);
            }
        }
    }

    /// The size of the first axis; one for a scalar.
    pub(crate) fn batch(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Checks the axes after the first, and that all elements are finite.
    pub(crate) fn check(&self, what: &str, sample: &Shape) -> Result<()> {
        if self.shape.is_empty() || !sample.fits(&self.shape[1..]) {
            return Err(self.misfit(what, sample.batched(None)));
        }
        self.check_finite(what)
    }

    /// Checks that all elements are finite.
    pub(crate) fn check_finite(&self, what: &str) -> Result<()> {
        check_finite(what, &self.shape, &self.data)
    }

    /// The error that the shape is not the expected one.
    pub(crate) fn misfit(&self, what: &str, expected: Vec<Option<usize>>) -> Error {
        let found = self.shape.iter().copied().map(Some).collect();
        Error::Shape { what: what.to_owned(), expected, found }
    }
}

/// Checks that all elements of an array are finite.
pub(crate) fn check_finite<T: Float>(what: &str, shape: &[usize], data: &[T]) -> Result<()> {
    // Many at a time without a branch: as a rule, none is to be found.
    let all_finite = |xs: &[T]| xs.iter().fold(true, |all, x| all & x.is_finite());
    if data.chunks(256).all(all_finite) {
        return Ok(());
    }
    data.iter().position(|x| !x.is_finite()).map_or(Ok(()), |at| {
        Err(Error::NotFinite { what: what.to_owned(), index: index_of(shape, at) })
    })
}

/// The index of the element at a position in an array.
fn index_of(shape: &[usize], mut at: usize) -> Vec<usize> {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&dim| {
            let i = at % dim;
            at /= dim;
            i
        })
        .collect();
    index.reverse();
    index
}

impl<T: Float, const A: usize> From<[T; A]> for Tensor<T> {
    fn from(data: [T; A]) -> Self {
        Tensor { shape: vec![A], data: data.to_vec() }
    }
}

impl<T: Float, const A: usize, const B: usize> From<[[T; B]; A]> for Tensor<T> {
    fn from(data: [[T; B]; A]) -> Self {
        Tensor { shape: vec![A, B], data: data.into_iter().flatten().collect() }
    }
}

impl<T: Float, const A: usize, const B: usize, const C: usize> From<[[[T; C]; B]; A]>
    for Tensor<T>
{
    fn from(data: [[[T; C]; B]; A]) -> Self {
        Tensor { shape: vec![A, B, C], data: data.into_iter().flatten().flatten().collect() }
    }
}

/// The inputs of a model: one tensor, or several in the order of the model's inputs.
pub trait Inputs<T> {
    /// All of them.
    fn tensors(&self) -> &[&Tensor<T>];
}

impl<T> Inputs<T> for &Tensor<T> {
    fn tensors(&self) -> &[&Tensor<T>] {
        std::slice::from_ref(self)
    }
}

impl<T> Inputs<T> for &[&Tensor<T>] {
    fn tensors(&self) -> &[&Tensor<T>] {
        self
    }
}

impl<T, const N: usize> Inputs<T> for [&Tensor<T>; N] {
    fn tensors(&self) -> &[&Tensor<T>] {
        self
    }
}
