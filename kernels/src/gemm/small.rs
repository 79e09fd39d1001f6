//! Small products: their operands are read where they lie; nothing is packed, cut or shared.

use super::block::Block;
use super::epilogue::Epilogue;
use super::tile::{Panels, Sum, strips};
use crate::matrix::MatMut;
use crate::simd::{Float, Kernel, Simd};

/// `C = A B + β C`, where the sizes fit.
///
/// References: what was just stored in pieces and is moved as a whole has to wait for the stores.
pub(super) struct Small<'b, 'c, T, E> {
    pub(super) a: &'b Block<'b, T>,
    pub(super) b: &'b Panels<'b, T>,
    pub(super) c: &'b mut MatMut<'c, T>,
    pub(super) sum: &'b Sum<'b, T, E>,
}

impl<T: Float, E: Epilogue<T>> Kernel for Small<'_, '_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Small { a, b, c, sum } = self;
        let (rows, cols) = (0..c.rows(), 0..c.cols());
        strips(simd, (c, (0, 0)), a, b, (&rows, &cols), sum, None);
    }
}
