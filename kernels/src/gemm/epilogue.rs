//! What happens to a finished piece of C while it is still in a register.

use super::driver::{Gemm, Scratch};
use crate::matrix::MatMut;
use crate::simd::{Float, Simd, V, Vector};

/// A map of C applied to each vector of a finished register tile, before it is stored.
pub trait Epilogue<T: Float>: Sync {
    /// It changes nothing, wherever it is applied.
    const IDENTITY: bool = false;

    /// Panics where the epilogue does not fit a C of this size.
    #[track_caller]
    fn check(&self, rows: usize, cols: usize) {
        let _ = (rows, cols);
    }

    /// Maps the elements of C at `row`, from column `col` on.
    ///
    /// What becomes of a lane must depend on that lane and its row and column alone: which elements
    /// share a vector is up to the tile. The last vector of a row may reach past the last column; what
    /// is returned there is dropped. Vectors may be shorter than those of the product's instruction set:
    /// see [`Gemm::isa`]. Mark it `#[inline(always)]`.
    fn finish<S: Simd>(&self, simd: S, row: usize, col: usize, c: V<S, T>) -> V<S, T>;

    /// Computes a product that ends with it.
    #[doc(hidden)]
    fn compute(gemm: &Gemm<T, Self>, c: &mut MatMut<T>, scratch: &mut Scratch<T>)
    where
        Self: Sized,
    {
        gemm.compute(c, scratch);
    }
}

/// Nothing.
impl<T: Float> Epilogue<T> for () {
    const IDENTITY: bool = true;

    #[inline(always)]
    fn finish<S: Simd>(&self, _: S, _: usize, _: usize, c: V<S, T>) -> V<S, T> {
        c
    }

    fn compute(gemm: &Gemm<T>, c: &mut MatMut<T>, scratch: &mut Scratch<T>) {
        T::product(gemm, c, scratch);
    }
}

/// Adds `bias[j]` to column `j`.
#[derive(Clone, Copy, Debug)]
pub struct Bias<'a, T>(pub &'a [T]);

impl<T: Float> Epilogue<T> for Bias<'_, T> {
    fn check(&self, _: usize, cols: usize) {
        assert_eq!(self.0.len(), cols, "a bias of {} for a C of {cols} columns", self.0.len());
    }

    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, _: usize, col: usize, c: V<S, T>) -> V<S, T> {
        c + V::<S, T>::load(simd, &self.0[col..])
    }

    fn compute(gemm: &Gemm<T, Self>, c: &mut MatMut<T>, scratch: &mut Scratch<T>) {
        T::product_and_bias(gemm, c, scratch);
    }
}
