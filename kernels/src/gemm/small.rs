//! Small products: their operands are read where they lie; nothing is packed, cut or shared.

use super::bands::Part;
use super::block::Block;
use super::epilogue::Epilogue;
use super::tile::{Panels, Sum, strips};
use crate::matrix::MatMut;
use crate::simd::{Float, Kernel, Simd};

/// `C = A B + β C`, where the sizes fit.
pub(super) struct Small<'a, T, E> {
    pub(super) a: Block<'a, T>,
    pub(super) b: Panels<'a, T>,
    pub(super) c: MatMut<'a, T>,
    pub(super) beta: T,
    pub(super) epilogue: &'a E,
}

impl<T: Float, E: Epilogue<T>> Kernel for Small<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Small { a, b, c, beta, epilogue } = self;
        let sum = Sum { beta, epilogue: Some(epilogue) };
        let (rows, cols) = (0..c.rows(), 0..c.cols());
        let mut part = Part { rows: rows.clone(), cols: cols.clone(), c, origin: (0, 0) };
        strips(simd, &mut part, &a, b, (&rows, &cols), &sum, None);
    }
}
