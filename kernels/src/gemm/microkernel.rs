//! The register tile: `R` rows by `NV` vectors of C, held in registers while k runs.
//!
//! Public because a fused kernel (an LSTM cell, say) wants the tile itself, with its own epilogue.

use crate::simd::{Float, Simd, V, Vector};

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
    let a = Columns::<T, R> { elements: a, stride: width };
    let b = Right { panel: b, stride: vectors, width: vectors };
    accumulate::<S, T, R, NV, false>(simd, tile, a, b, depth, &mut [])
}

/// `tile[r][v] += Σₚ a[r][p] · b[p][v]`, the left operand as rows where they lie.
///
/// `b` holds `NV * LANES` elements for each p.
///
/// # Panics
///
/// If a row is shorter than `b` is deep.
#[inline(always)]
pub fn accumulate_rows<S: Simd, T: Float, const R: usize, const NV: usize>(
    simd: S,
    tile: [[V<S, T>; NV]; R],
    a: [&[T]; R],
    b: &[T],
) -> [[V<S, T>; NV]; R] {
    let width = NV * V::<S, T>::LANES;
    let depth = b.len() / width;
    // Loops, here and below: `array::map` and `array::from_fn` may stay calls in a function with target
    // features.
    let mut rows = a;
    rows.iter_mut().for_each(|row| *row = &row[..depth]);
    let b = Right { panel: b, stride: width, width };
    accumulate::<S, T, R, NV, false>(simd, tile, rows, b, depth, &mut [])
}

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
    if depth == 0 {
        return tile;
    }
    let panel = &panel[..(depth - 1) * stride + width];
    for p in 0..depth {
        let b = &panel[p * stride..][..width];
        if COPY {
            for v in 0..N {
                simd.prefetch(panel, p * stride + width + v * V::<S, T>::LANES);
            }
            copy[p * width..][..width].copy_from_slice(b);
        }
        rank_one::<S, T, R, N>(simd, &mut tile, a.column(p), b);
    }
    tile
}

/// The left operand of a tile.
pub(super) trait Left<T>: Copy {
    /// Its elements of term `p`.
    fn column(self, p: usize) -> impl Column<T>;
}

/// Rows where they lie.
impl<T: Copy, const R: usize> Left<T> for [&[T]; R] {
    #[inline(always)]
    fn column(self, p: usize) -> impl Column<T> {
        Across { rows: self, p }
    }
}

/// Columns where they lie, or a packed panel: element `(r, p)` at `r + p * stride`.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a, T, const R: usize> {
    pub(super) elements: &'a [T],
    pub(super) stride: usize,
}

impl<'a, T: Copy, const R: usize> Left<T> for Columns<'a, T, R> {
    #[inline(always)]
    fn column(self, p: usize) -> impl Column<T> {
        let column = &self.elements[p * self.stride..][..R];
        column.first_chunk::<R>().expect("as many as there are rows")
    }
}

/// A column of the left operand.
pub(super) trait Column<T>: Copy {
    /// Its element in row `r`.
    fn at(self, r: usize) -> T;
}

impl<T: Copy, const R: usize> Column<T> for &[T; R] {
    #[inline(always)]
    fn at(self, r: usize) -> T {
        self[r]
    }
}

/// A column of rows where they lie.
#[derive(Clone, Copy)]
struct Across<'a, T, const R: usize> {
    rows: [&'a [T]; R],
    p: usize,
}

impl<T: Copy, const R: usize> Column<T> for Across<'_, T, R> {
    #[inline(always)]
    fn at(self, r: usize) -> T {
        self.rows[r][self.p]
    }
}

/// `tile[r][v] += a[r] · b[v]`. The shorter operand is held in registers, the other streams by:
/// beside the accumulators there may be room for no more.
#[inline(always)]
fn rank_one<S: Simd, T: Float, const R: usize, const NV: usize>(
    simd: S,
    tile: &mut [[V<S, T>; NV]; R],
    a: impl Column<T>,
    b: &[T],
) {
    let load = |v: usize| V::<S, T>::load(simd, &b[v * V::<S, T>::LANES..]);
    if R < NV {
        let mut splats = [V::<S, T>::splat(simd, T::ZERO); R];
        splats.iter_mut().enumerate().for_each(|(r, to)| *to = V::<S, T>::splat(simd, a.at(r)));
        for (v, b) in (0..NV).map(|v| (v, load(v))) {
            for r in 0..R {
                tile[r][v] = splats[r].mul_add(b, tile[r][v]);
            }
        }
    } else {
        let mut vectors = [V::<S, T>::splat(simd, T::ZERO); NV];
        vectors.iter_mut().enumerate().for_each(|(v, to)| *to = load(v));
        for (r, row) in tile.iter_mut().enumerate() {
            let a = V::<S, T>::splat(simd, a.at(r));
            for (c, b) in row.iter_mut().zip(vectors) {
                *c = a.mul_add(b, *c);
            }
        }
    }
}
