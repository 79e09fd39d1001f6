//! Small products: their operands are read where they lie; nothing is packed, cut or shared.
//!
//! The smallest take as long as what is stored on the way to their tiles: a core stores once in a
//! cycle, and does six other things. So two references are passed on, in registers; each strip of C
//! looks up anew what it is computed from; and where a strip is all of C, the way there is jumps.

use super::block::Block;
use super::blocking::Blocking;
use super::driver::Gemm;
use super::epilogue::Epilogue;
use super::one_row::PackedRow;
use super::packed::Operand;
use super::tile::{Strip, Tiles, widest};
use crate::matrix::MatMut;
use crate::simd::{Float, Kernel, Simd, V, Vector};

/// `C = A B + β C`, where operands and C [lie well](Gemm::lies_well).
pub(super) struct Small<'g, 'a, 'c, T, E> {
    pub(super) gemm: &'g Gemm<'a, T, E>,
    /// The last columns of C.
    pub(super) c: &'g mut MatMut<'c, T>,
}

impl<T: Float, E: Epilogue<T>> Kernel for Small<'_, '_, '_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match (self.c.rows(), &self.gemm.b) {
            (1, Operand::Matrix(_)) => self.strips::<S, true>(simd),
            (1, Operand::Packed(_)) => simd.run(SmallRow(self)),
            _ => self.strips::<S, false>(simd),
        }
    }
}

impl<T: Float, E: Epilogue<T>> Small<'_, '_, '_, T, E> {
    /// Of `ONE` row, whose strips are wider than a panel, or of any number.
    #[inline(always)]
    fn strips<S: Simd, const ONE: bool>(self, simd: S) {
        let cols = self.c.cols();
        if widest::<S, T>(cols, ONE) == cols {
            self.strip::<S, ONE>(simd, cols);
        } else {
            simd.run(Strips::<T, E, ONE>(self));
        }
    }

    /// The first strip.
    #[inline(always)]
    fn strip<S: Simd, const ONE: bool>(self, simd: S, width: usize) {
        match width / V::<S, T>::LANES {
            8 if ONE => simd.run(SmallStrip::<T, E, 8, false, ONE>(self)),
            4 if ONE || Blocking::vectors::<S>() == 4 => {
                simd.run(SmallStrip::<T, E, 4, false, ONE>(self));
            }
            2 => simd.run(SmallStrip::<T, E, 2, false, ONE>(self)),
            1 => simd.run(SmallStrip::<T, E, 1, false, ONE>(self)),
            _ => simd.run(SmallStrip::<T, E, 1, true, ONE>(self)),
        }
    }
}

/// One row, where B is packed.
struct SmallRow<'g, 'a, 'c, T, E>(Small<'g, 'a, 'c, T, E>);

impl<T: Float, E: Epilogue<T>> Kernel for SmallRow<'_, '_, '_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let SmallRow(Small { gemm, c }) = self;
        let ((_, depth), cols) = (gemm.a.left_size(), 0..c.cols());
        let (Some(a), Some(b)) = (gemm.a.left_in_place(), gemm.b.panels(depth)) else {
            no_small_product();
        };
        let (a, b, sum) = (a.row(0), b.elements, &gemm.sum());
        let [c] = c.pieces(&(0..1), &cols).into_pieces(0);
        PackedRow { c, a, b, depth, row: 0, cols, sum }.run(simd);
    }
}

/// A strip after another.
struct Strips<'g, 'a, 'c, T, E, const ONE: bool>(Small<'g, 'a, 'c, T, E>);

impl<T: Float, E: Epilogue<T>, const ONE: bool> Kernel for Strips<'_, '_, '_, T, E, ONE> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Strips(Small { gemm, c }) = self;
        let mut rest = c.reborrow();
        while rest.cols() > 0 {
            let width = widest::<S, T>(rest.cols(), ONE);
            Small { gemm, c: &mut rest }.strip::<S, ONE>(simd, width);
            rest = rest.split_cols(width).1;
        }
    }
}

/// The first strip, `N` vectors wide or a `PART` of one.
struct SmallStrip<'g, 'a, 'c, T, E, const N: usize, const PART: bool, const ONE: bool>(
    Small<'g, 'a, 'c, T, E>,
);

impl<T, E, const N: usize, const PART: bool, const ONE: bool> Kernel
    for SmallStrip<'_, '_, '_, T, E, N, PART, ONE>
where
    T: Float,
    E: Epilogue<T>,
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let SmallStrip(Small { gemm, c }) = self;
        let Gemm { a, b, .. } = gemm;
        let ((_, k), (_, n)) = (a.left_size(), b.right_size());
        let (Some(block), Some(panels)) = (&a.left_in_place(), b.panels(k)) else {
            no_small_product();
        };
        let (first, lanes) = (n - c.cols(), V::<S, T>::LANES);
        let width = if PART { c.cols() } else { N * lanes };
        let b = panels.from::<S>(first).first(width, lanes);
        let (rows, cols) = (0..c.rows(), first..first + width);
        let sum = &gemm.sum();
        let strip = &Strip { origin: (0, first), block, b, rows, cols, sum };
        if !ONE {
            return Tiles::<T, E, N, PART> { c, strip }.run(simd);
        }
        let c = &mut strip.of(c);
        match block {
            Block::Rows(a) => strip.tile::<S, 1, N, PART, false>(simd, 0, a, c, &mut []),
            Block::Columns(a) => strip.tile::<S, 1, N, PART, false>(simd, 0, a, c, &mut []),
        }
    }
}

#[cold]
fn no_small_product() -> ! {
    unreachable!("a small product whose operands do not lie well")
}
