//! One row of C: a vector times a matrix, at the speed of memory.

use core::ops::Range;

use super::blocking::Blocking;
use super::epilogue::Epilogue;
use super::microkernel::accumulate_abreast;
use super::tile::Sum;
use crate::simd::{Float, Kernel, Simd, V, Vector};
use crate::strided::Strided;

/// Rows of B that are read side by side, each from one end to the other: so many streams the CPU can
/// follow ahead, and each load of C then serves as many multiply-adds.
const ABREAST: usize = 6;

/// Vectors of C that are computed side by side: each is a chain.
const CHAINS: usize = 4;

/// A row of C, where the rows of B are contiguous.
pub(super) struct OneRow<'b, T, E> {
    /// These columns of it.
    pub(super) c: &'b mut [T],
    /// The elements of A, and their distance.
    pub(super) a: (&'b [T], usize),
    /// The rows of B, only these columns.
    pub(super) b: Strided<'b, T>,
    pub(super) row: usize,
    pub(super) cols: Range<usize>,
    pub(super) sum: &'b Sum<'b, T, E>,
}

impl<T: Float, E: Epilogue<T>> Kernel for OneRow<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let OneRow { c, a: (a, stride), b, row, cols, sum } = self;
        match sum.beta {
            beta if beta == T::ZERO => c.fill(T::ZERO),
            beta if beta == T::ONE => {}
            beta => c.iter_mut().for_each(|c| *c = beta * *c),
        }
        let terms = Terms { a, stride, b };
        let mut p = 0;
        while p < b.count() {
            p += match b.count() - p {
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

/// Panels of B that are read side by side.
const PANELS: usize = 4;

/// Bytes of each that are asked for ahead: enough for memory to answer, and little beside L1.
const AHEAD: usize = 2048;

/// A row of C, where B is packed: some panels side by side, as far apart as may be, each followed by
/// its neighbours. So there are as many streams, from one end of a part of B to the other.
pub(super) struct PackedRow<'b, T, E> {
    /// These columns of it.
    pub(super) c: &'b mut [T],
    /// The elements of A, and their distance.
    pub(super) a: (&'b [T], usize),
    /// The panels of these columns.
    pub(super) b: &'b [T],
    pub(super) depth: usize,
    pub(super) row: usize,
    pub(super) cols: Range<usize>,
    pub(super) sum: &'b Sum<'b, T, E>,
}

impl<T: Float, E: Epilogue<T>> Kernel for PackedRow<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match Blocking::vectors::<S>() {
            4 => self.vectors::<S, 4>(simd),
            _ => self.vectors::<S, 2>(simd),
        }
    }
}

impl<T: Float, E: Epilogue<T>> PackedRow<'_, T, E> {
    #[inline(always)]
    fn vectors<S: Simd, const NV: usize>(mut self, simd: S) {
        let panels = self.cols.len().div_ceil(NV * V::<S, T>::LANES);
        let apart = panels / PANELS;
        for first in 0..apart {
            self.panels::<S, PANELS, NV>(simd, first, apart);
        }
        let mut panel = apart * PANELS;
        while panel < panels {
            panel += match panels - panel {
                2.. => self.panels::<S, 2, NV>(simd, panel, 1),
                _ => self.panels::<S, 1, NV>(simd, panel, 0),
            };
        }
    }

    /// `N` panels of `NV` vectors, so far apart. Returns how many.
    #[inline(always)]
    fn panels<S: Simd, const N: usize, const NV: usize>(
        &mut self,
        simd: S,
        first: usize,
        apart: usize,
    ) -> usize {
        let PackedRow { c, a, b, depth, row, cols, sum } = self;
        let lanes = V::<S, T>::LANES;
        let width = NV * lanes;
        // The last panel may be wider than what is left of C.
        let len = c.len();
        let at = |n: usize, v: usize| ((first + n * apart) * width + v * lanes).min(len);

        let mut sums = [[V::<S, T>::splat(simd, T::ZERO); NV]; N];
        if sum.beta != T::ZERO {
            let beta = V::<S, T>::splat(simd, sum.beta);
            for (n, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = beta * V::<S, T>::load(simd, &c[at(n, v)..]);
                }
            }
        }
        let mut panels = [&[][..]; N];
        for (n, panel) in panels.iter_mut().enumerate() {
            *panel = &b[(first + n * apart) * width * *depth..][..width * *depth];
        }
        let sums = accumulate_abreast::<S, T, N, NV, AHEAD>(simd, sums, *a, panels);
        for (n, sums) in sums.iter().enumerate() {
            for (v, &finished) in sums.iter().enumerate() {
                let finished = match sum.epilogue {
                    Some(epilogue) if !E::IDENTITY && at(n, v) < len => {
                        epilogue.finish(simd, *row, cols.start + at(n, v), finished)
                    }
                    _ => finished,
                };
                finished.store(&mut c[at(n, v)..]);
            }
        }
        N
    }
}

/// What is added up.
struct Terms<'a, T> {
    a: &'a [T],
    stride: usize,
    b: Strided<'a, T>,
}

impl<T: Float> Terms<'_, T> {
    /// Adds `N` terms from `p` on to `c`, one after another. Returns how many.
    #[inline(always)]
    fn add<S: Simd, const N: usize>(&self, simd: S, p: usize, c: &mut [T]) -> usize {
        let mut a = [V::<S, T>::splat(simd, T::ZERO); N];
        for (p, a) in (p..).zip(&mut a) {
            *a = V::<S, T>::splat(simd, self.a[p * self.stride]);
        }
        add_lines(simd, a, self.b.from(p), c);
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
