//! The register tile: `R` rows by `NV` vectors of C, held in registers while k runs.
//!
//! Public because a fused kernel (an LSTM cell, say) wants the tile itself, with its own epilogue.

use crate::simd::{Float, Simd, V, Vector};
use crate::strided::Strided;

/// A register tile.
pub(super) type Tile<S, T, const R: usize, const NV: usize> = [[V<S, T>; NV]; R];

/// `tile[r][v] += Σₚ a[p][r] · b[p][v]`, both operands packed.
///
/// `a` holds `width ≥ R` elements for each p, of which the first `R` are used; `b` holds
/// `NV * LANES` elements for each p. Runs as far as the shorter of the two.
///
/// # Panics
///
/// If `width` is less than `R`, or zero.
#[inline(always)]
pub fn accumulate_panels<S: Simd, T: Float, const R: usize, const NV: usize>(
    simd: S,
    tile: [[V<S, T>; NV]; R],
    (a, width): (&[T], usize),
    b: &[T],
) -> [[V<S, T>; NV]; R] {
    // No iterator over chunks: in a large function the compiler leaves one as a call, knows no lengths then,
    // and loads parts of vectors.
    let vectors = NV * V::<S, T>::LANES;
    let depth = (a.len() / width).min(b.len() / vectors);
    let a = Columns::<T, R>::new(a, width, depth);
    let b = Right { panel: b, stride: vectors, width: vectors };
    accumulate::<S, T, R, NV, false>(simd, tile, a, b, depth, &mut [])
}

/// `tile[r][v] += Σₚ a[r][p] · b[p][v]`, the left operand as rows where they lie.
///
/// `b` holds `NV * LANES` elements for each p, which runs over the first row of `a`; from one p to the
/// next there are `stride` elements.
///
/// # Panics
///
/// If `b` or another row ends before.
#[inline(always)]
pub fn accumulate_rows<S: Simd, T: Float, const R: usize, const NV: usize>(
    simd: S,
    tile: [[V<S, T>; NV]; R],
    a: [&[T]; R],
    (b, stride): (&[T], usize),
) -> [[V<S, T>; NV]; R] {
    let depth = a.first().map_or(0, |row| row.len());
    let b = Right { panel: b, stride, width: NV * V::<S, T>::LANES };
    accumulate::<S, T, R, NV, false>(simd, tile, Rows::new(a, depth), b, depth, &mut [])
}

/// `tile[n][v] += Σₚ a[p] · b[n][p][v]`, one row times some packed panels side by side.
///
/// Each of `panels` holds `NV * LANES` elements for each p; in `a` there are `stride` from one p to the
/// next. Runs as far as the first panel. Panels are read once, each from one end to the other; what lies
/// `AHEAD` bytes ahead in them is asked for, unless that is none.
///
/// # Panics
///
/// If `a` or another panel ends before.
#[inline(always)]
pub fn accumulate_abreast<
    S: Simd,
    T: Float,
    const N: usize,
    const NV: usize,
    const AHEAD: usize,
>(
    simd: S,
    mut tile: [[V<S, T>; NV]; N],
    (a, stride): (&[T], usize),
    panels: [&[T]; N],
) -> [[V<S, T>; NV]; N] {
    let lanes = V::<S, T>::LANES;
    let width = NV * lanes;
    let depth = panels.first().map_or(0, |panel| panel.len() / width);
    let mut rows = [Strided::new(&[], 0, 1, 1); N];
    for (rows, panel) in rows.iter_mut().zip(panels) {
        *rows = Strided::new(panel, depth, width, width);
    }
    let a = Strided::new(a, depth, stride, 1);
    for p in 0..depth {
        let [a] = a.run::<1>(p);
        let a = V::<S, T>::splat(simd, a[0]);
        for (rows, sums) in rows.iter().zip(&mut tile) {
            let [b] = rows.run::<1>(p);
            if AHEAD > 0 {
                for line in (0..width).step_by(LINE / size_of::<T>()) {
                    simd.prefetch(b, line + AHEAD / size_of::<T>());
                }
            }
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = a.mul_add(V::<S, T>::load(simd, &b[v * lanes..]), *sum);
            }
        }
    }
    tile
}

/// Bytes of a cache line.
pub(super) const LINE: usize = 64;

/// The right operand of a tile: element `(p, j)` at `j + p * stride`.
#[derive(Clone, Copy)]
pub(super) struct Right<'a, T> {
    pub(super) panel: &'a [T],
    pub(super) stride: usize,
    /// Columns that are read: as many as the tile has, or less than a vector.
    pub(super) width: usize,
}

/// Adds `depth` terms to a tile. With `COPY`, the right operand is copied to `copy` on the way, and
/// what lies after it is asked for.
#[inline(always)]
pub(super) fn accumulate<S: Simd, T: Float, const R: usize, const N: usize, const COPY: bool>(
    simd: S,
    mut tile: Tile<S, T, R, N>,
    a: impl Left<T>,
    Right { panel, stride, width }: Right<T>,
    depth: usize,
    copy: &mut [T],
) -> Tile<S, T, R, N> {
    let rows = Strided::new(panel, depth, stride, width);
    // The CPU fetches ahead by the stride of each load. Runs have strides `RUN` times as long: too long
    // where a page holds few rows.
    let runs = match COPY || !S::UNROLLS || stride > NEAR / size_of::<T>() {
        true => 0,
        false => depth / RUN,
    };
    for run in 0..runs {
        let (a, b) = (a.terms::<RUN>(run), rows.run::<RUN>(run));
        for (p, b) in b.iter().enumerate() {
            rank_one::<S, T, R, N>(simd, &mut tile, |r| a.at(p, r), b);
        }
    }
    for p in runs * RUN..depth {
        let (a, [b]) = (a.terms::<1>(p), rows.run::<1>(p));
        if COPY {
            for v in 0..N {
                simd.prefetch(panel, p * stride + width + v * V::<S, T>::LANES);
            }
            copy[p * width..][..width].copy_from_slice(b);
        }
        rank_one::<S, T, R, N>(simd, &mut tile, |r| a.at(0, r), b);
    }
    tile
}

/// Terms that are added without a jump between them: what counts them and moves pointers is a tenth of
/// the instructions otherwise.
const RUN: usize = 4;

/// Bytes from a row of the right operand to the next up to which that pays.
const NEAR: usize = 2048;

/// The left operand of a tile.
pub(super) trait Left<T>: Copy {
    /// Run `i` of `P` of its terms.
    fn terms<const P: usize>(self, i: usize) -> impl Terms<T>;
}

/// Some terms of the left operand.
pub(super) trait Terms<T> {
    /// The element of row `r` of one of them.
    fn at(&self, p: usize, r: usize) -> T;
}

/// Rows where they lie.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T, const R: usize>([Strided<'a, T>; R]);

impl<'a, T: Copy, const R: usize> Rows<'a, T, R> {
    #[inline(always)]
    pub(super) fn new(rows: [&'a [T]; R], depth: usize) -> Self {
        // A loop: `array::map` may stay a call in a function with target features.
        let mut each = [Strided::new(&[], 0, 1, 1); R];
        for (row, to) in rows.iter().zip(&mut each) {
            *to = Strided::new(row, depth, 1, 1);
        }
        Rows(each)
    }
}

impl<T: Copy, const R: usize> Left<T> for Rows<'_, T, R> {
    #[inline(always)]
    fn terms<const P: usize>(self, i: usize) -> impl Terms<T> {
        let mut terms = [[&[][..]; P]; R];
        terms.iter_mut().zip(self.0).for_each(|(terms, row)| *terms = row.run(i));
        terms
    }
}

/// Of each row its own.
impl<T: Copy, const R: usize, const P: usize> Terms<T> for [[&[T]; P]; R] {
    #[inline(always)]
    fn at(&self, p: usize, r: usize) -> T {
        self[r][p][0]
    }
}

/// Columns where they lie, or a packed panel: element `(r, p)` at `r + p * stride`.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a, T, const R: usize>(Strided<'a, T>);

impl<'a, T, const R: usize> Columns<'a, T, R> {
    #[inline(always)]
    pub(super) fn new(elements: &'a [T], stride: usize, depth: usize) -> Self {
        Columns(Strided::new(elements, depth, stride, R))
    }
}

impl<T: Copy, const R: usize> Left<T> for Columns<'_, T, R> {
    #[inline(always)]
    fn terms<const P: usize>(self, i: usize) -> impl Terms<T> {
        self.0.run::<P>(i)
    }
}

/// Of each column all rows.
impl<T: Copy, const P: usize> Terms<T> for [&[T]; P] {
    #[inline(always)]
    fn at(&self, p: usize, r: usize) -> T {
        self[p][r]
    }
}

/// `tile[r][v] += a[r] · b[v]`. The shorter operand is held in registers, the other streams by:
/// beside the accumulators there may be room for no more.
#[inline(always)]
fn rank_one<S: Simd, T: Float, const R: usize, const NV: usize>(
    simd: S,
    tile: &mut [[V<S, T>; NV]; R],
    a: impl Fn(usize) -> T,
    b: &[T],
) {
    let load = |v: usize| V::<S, T>::load(simd, &b[v * V::<S, T>::LANES..]);
    if R < NV {
        let mut splats = [V::<S, T>::splat(simd, T::ZERO); R];
        splats.iter_mut().enumerate().for_each(|(r, to)| *to = V::<S, T>::splat(simd, a(r)));
        for (v, b) in (0..NV).map(|v| (v, load(v))) {
            for r in 0..R {
                tile[r][v] = splats[r].mul_add(b, tile[r][v]);
            }
        }
    } else {
        let mut vectors = [V::<S, T>::splat(simd, T::ZERO); NV];
        vectors.iter_mut().enumerate().for_each(|(v, to)| *to = load(v));
        for (r, row) in tile.iter_mut().enumerate() {
            let a = V::<S, T>::splat(simd, a(r));
            for (c, b) in row.iter_mut().zip(vectors) {
                *c = a.mul_add(b, *c);
            }
        }
    }
}
