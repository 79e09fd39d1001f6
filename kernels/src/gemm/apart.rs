//! A C whose elements lie apart: no vector of it can be stored.

use core::ops::Range;

use super::block::Block;
use super::blocking::MR;
use super::epilogue::Epilogue;
use super::pack::pieces;
use super::tile::{Panels, Sum, strips};
use crate::matrix::MatMut;
use crate::simd::{Float, Kernel, MAX_LANES, Simd};

/// Columns that are computed at a time: those of the widest tile, and so a multiple of every panel's.
const WIDTH: usize = 4 * MAX_LANES;

/// What [`strips`] computes, on the way through a buffer.
pub(super) struct Apart<'s, 'a, T, E> {
    pub(super) c: &'s mut MatMut<'a, T>,
    /// The row and column where the view of C starts.
    pub(super) origin: (usize, usize),
    pub(super) block: &'s Block<'s, T>,
    pub(super) b: &'s Panels<'s, T>,
    pub(super) rows: Range<usize>,
    pub(super) cols: Range<usize>,
    pub(super) sum: &'s Sum<'s, T, E>,
}

impl<T: Float, E: Epilogue<T>> Kernel for Apart<'_, '_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Apart { c, origin: (top, left), block, b, rows, cols, sum } = self;
        let mut buffer = [T::ZERO; MR * WIDTH];
        for piece in pieces(cols.clone(), WIDTH) {
            let b = &b.from::<S>(piece.start - cols.start);
            for rows in pieces(rows.clone(), MR) {
                let lines = &mut buffer[..rows.len() * piece.len()];
                let places = || {
                    let rows = rows.start - top..rows.end - top;
                    rows.flat_map(|row| {
                        (piece.start - left..piece.end - left).map(move |col| (row, col))
                    })
                };
                if sum.beta != T::ZERO {
                    lines.iter_mut().zip(places()).for_each(|(x, (row, col))| *x = c.at(row, col));
                }
                let view = &mut MatMut::new(lines, rows.len(), piece.len());
                let origin = (rows.start, piece.start);
                strips(simd, (view, origin), block, b, (&rows, &piece), sum, None);
                lines.iter().zip(places()).for_each(|(&x, (row, col))| c.set(row, col, x));
            }
        }
    }
}
