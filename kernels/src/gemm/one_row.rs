//! One row of C: a vector times a matrix, at the speed of memory.

use core::ops::Range;

use super::bands::Part;
use super::epilogue::Epilogue;
use super::tile::Sum;
use crate::matrix::MatRef;
use crate::simd::{Float, Kernel, Simd, V, Vector};

/// Rows of B that are read side by side, each from one end to the other: so many streams the CPU can
/// follow ahead, and each load of C then serves as many multiply-adds.
const ABREAST: usize = 6;

/// Vectors of C that are computed side by side: each is a chain.
const CHAINS: usize = 4;

/// A row of C, where the rows of B are contiguous.
pub(super) struct OneRow<'b, 'a, T, E> {
    pub(super) part: &'b mut Part<'a, T>,
    /// The elements of A, and their distance.
    pub(super) a: (&'b [T], usize),
    pub(super) b: MatRef<'b, T>,
    pub(super) row: usize,
    pub(super) cols: Range<usize>,
    pub(super) sum: &'b Sum<'b, T, E>,
}

impl<T: Float, E: Epilogue<T>> Kernel for OneRow<'_, '_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let OneRow { part, a: (a, stride), b, row, cols, sum } = self;
        let (top, left) = part.origin;
        let [c] = part.c.lines_of(row - top, cols.start - left..cols.end - left);
        match sum.beta {
            beta if beta == T::ZERO => c.fill(T::ZERO),
            beta if beta == T::ONE => {}
            beta => c.iter_mut().for_each(|c| *c = beta * *c),
        }
        let terms = Terms { a, stride, b: b.block(&(0..b.rows()), &cols) };
        let mut p = 0;
        while p < b.rows() {
            p += match b.rows() - p {
                ABREAST.. => terms.add::<S, ABREAST>(simd, p, c),
                2.. => terms.add::<S, 2>(simd, p, c),
                _ => terms.add::<S, 1>(simd, p, c),
            };
        }
        if let (Some(epilogue), false) = (sum.epilogue, E::IDENTITY) {
            let lanes = V::<S, T>::LANES;
            for (c, col) in c.chunks_mut(lanes).zip(cols.step_by(lanes)) {
                let finished = V::<S, T>::load(simd, c);
                epilogue.finish(simd, row, col, finished).store(c);
            }
        }
    }
}

/// What is added up.
struct Terms<'a, T> {
    a: &'a [T],
    stride: usize,
    b: MatRef<'a, T>,
}

impl<T: Float> Terms<'_, T> {
    /// Adds `N` terms from `p` on to `c`, one after another. Returns how many.
    #[inline(always)]
    fn add<S: Simd, const N: usize>(&self, simd: S, p: usize, c: &mut [T]) -> usize {
        let mut a = [V::<S, T>::splat(simd, T::ZERO); N];
        for (p, a) in (p..).zip(&mut a) {
            *a = V::<S, T>::splat(simd, self.a[p * self.stride]);
        }
        add_lines(simd, a, self.b.lines_of(p, 0..c.len()), c);
        N
    }
}

/// `c += Σ a[i] lines[i]`, one term after another.
#[inline(always)]
fn add_lines<S: Simd, T: Float, const N: usize>(
    simd: S,
    a: [V<S, T>; N],
    lines: [&[T]; N],
    c: &mut [T],
) {
    let lanes = V::<S, T>::LANES;
    let width = CHAINS * lanes;
    let whole = c.len() / width * width;
    for (start, c) in (0..).step_by(width).zip(c.chunks_exact_mut(width)) {
        let mut sums = [a[0]; CHAINS];
        for (v, sum) in sums.iter_mut().enumerate() {
            *sum = V::<S, T>::load(simd, &c[v * lanes..]);
        }
        for (&a, line) in a.iter().zip(lines) {
            let line = &line[start..start + width];
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = a.mul_add(V::<S, T>::load(simd, &line[v * lanes..]), *sum);
            }
        }
        for (v, sum) in sums.iter().enumerate() {
            sum.store(&mut c[v * lanes..]);
        }
    }
    for start in (whole..c.len()).step_by(lanes) {
        let mut sum = V::<S, T>::load(simd, &c[start..]);
        for (&a, line) in a.iter().zip(lines) {
            sum = a.mul_add(V::<S, T>::load(simd, &line[start..]), sum);
        }
        sum.store(&mut c[start..]);
    }
}
