//! Copies of operands in the order in which the register tile reads them: panels of some columns,
//! one after another, each of them row after row. A block of A is packed as one of its transpose.

use core::ops::Range;

use crate::matrix::MatRef;
use crate::simd::{Float, Kernel, Simd, V, Vector};
use crate::unroll::written_out;

/// Cuts `range` into pieces of `step`, the last one short. An empty range is one empty piece.
#[inline(always)]
pub(super) fn pieces(range: Range<usize>, step: usize) -> impl Iterator<Item = Range<usize>> {
    let mut next = Some(range.start);
    core::iter::from_fn(move || {
        let start = next?;
        let end = range.end.min(start + step);
        next = (end < range.end).then_some(end);
        Some(start..end)
    })
}

/// Panels of `width` columns of `b`; zeros past the last column.
pub(super) struct Pack<'a, T> {
    pub(super) width: usize,
    pub(super) b: MatRef<'a, T>,
    pub(super) out: &'a mut [T],
}

impl<T: Float> Kernel for Pack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Pack { width, b, out } = self;
        if b.has_lines() {
            return pack_rows(simd, width, b, out);
        }
        let panels = out.chunks_exact_mut((width * b.rows()).max(1));
        for (panel, out) in pieces(0..b.cols(), width).zip(panels) {
            if b.t().has_lines() {
                match V::<S, T>::LANES {
                    16 => pack_columns::<S, T, 16>(simd, width, b, panel, out),
                    8 => pack_columns::<S, T, 8>(simd, width, b, panel, out),
                    4 => pack_columns::<S, T, 4>(simd, width, b, panel, out),
                    _ => pack_columns::<S, T, 2>(simd, width, b, panel, out),
                }
            } else {
                for (p, out) in out.chunks_exact_mut(width).enumerate() {
                    for (out, j) in out.iter_mut().zip(panel.clone()) {
                        *out = b.at(p, j);
                    }
                    out[panel.len()..].fill(T::ZERO);
                }
            }
        }
    }
}

/// Panels from rows where they lie, each row read from one end to the other.
#[inline(always)]
fn pack_rows<S: Simd, T: Float>(simd: S, width: usize, b: MatRef<T>, out: &mut [T]) {
    let (lanes, panel) = (V::<S, T>::LANES, width * b.rows());
    if panel == 0 {
        return;
    }
    // Eight panels at a time: as many streams are written.
    for (cols, first) in pieces(0..b.cols(), 8 * width).zip((0..).step_by(8 * panel)) {
        for (p, at) in (0..b.rows()).zip((first..).step_by(width)) {
            let row = b.row(p, cols.clone()).unwrap_or(&[]);
            // Rows may be pages apart, which the CPU does not foresee.
            if p + 8 < b.rows()
                && let Some((ahead, _)) = b.lines(p + 8, cols.start)
            {
                for at in (0..row.len()).step_by(64 / size_of::<T>()) {
                    simd.prefetch(ahead, at);
                }
            }
            // A vector may reach past the width, into rows of the panel that are written later, as far
            // as there are any: a part of one takes several stores with AVX2.
            let left = (b.rows() - p) * width;
            for (col, at) in (0..row.len()).step_by(width).zip((at..).step_by(panel)) {
                for v in (0..width).step_by(lanes) {
                    let within = &row[row.len().min(col + v)..];
                    V::<S, T>::load(simd, within).store(&mut out[at + v..at + left]);
                }
            }
        }
    }
}

/// A panel from columns where they lie: squares of `L` terms, a vector in each direction, are
/// transposed in registers.
#[inline(always)]
fn pack_columns<S: Simd, T: Float, const L: usize>(
    simd: S,
    width: usize,
    b: MatRef<T>,
    cols: Range<usize>,
    out: &mut [T],
) {
    if L != V::<S, T>::LANES {
        return; // another instruction set's: the compiler drops it
    }
    let columns = b.t();
    // A vector may reach past the width, into the row after it, which is written later: squares from
    // the last, rows from the first. Down the columns, as many streams are read as a square is wide.
    for at in (0..width).step_by(L).rev() {
        for (terms, start) in pieces(0..b.rows(), L).zip((0..).step_by(L * width)) {
            let zero = V::<S, T>::splat(simd, T::ZERO);
            let mut square = [zero; L];
            written_out! { i < L {
                if at + i < cols.len() {
                    let column = columns.row(cols.start + at + i, terms.clone()).unwrap_or(&[]);
                    square[i] = V::<S, T>::load(simd, column);
                }
            } }
            let square = V::<S, T>::transpose(square);
            let out = &mut out[start..];
            written_out! { p < L {
                if p < terms.len() {
                    square[p].store(&mut out[p * width + at..]);
                }
            } }
        }
    }
}
