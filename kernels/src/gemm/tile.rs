//! One register tile: read C, add the product, map, write C.

use core::ops::Range;

use super::bands::Part;
use super::block::Block;
use super::blocking::{Blocking, NV};
use super::epilogue::Epilogue;
use super::job::Job;
use super::microkernel::{Right, Tile, accumulate};
use crate::simd::{Float, Kernel, MAX_LANES, Simd, V, Vector};
use crate::unroll::written_out;

/// The rows and columns of C of a tile: not more than it has.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) rows: Range<usize>,
    pub(super) cols: Range<usize>,
}

/// A tile at an edge of C, or of a C without contiguous rows, on its way between there and the
/// registers.
struct Edge<T> {
    /// More rows than a tile has: as many as can be [`written_out`].
    rows: [[T; NV * MAX_LANES]; 16],
}

/// `depth` terms more for a tile of `R` rows over `P` panels of B, `N` vectors wide. A kernel of its
/// own, so that each is a function small enough for the compiler to keep the tile in registers.
/// With more than one panel the tile has to be whole.
pub(super) struct TileOf<
    'b,
    'a,
    T,
    E,
    const R: usize,
    const N: usize,
    const P: usize,
    const COPY: bool,
> {
    pub(super) job: &'b Job<'a, T, E>,
    pub(super) part: &'b mut Part<'a, T>,
    pub(super) block: &'b Block<'b, T>,
    pub(super) b: Right<'b, T, P>,
    pub(super) place: &'b Place,
    /// Where the panel of B is copied to on the way, if `COPY`.
    pub(super) copy: &'b mut [T],
}

impl<T, E, const R: usize, const N: usize, const P: usize, const COPY: bool> Kernel
    for TileOf<'_, '_, T, E, R, N, P, COPY>
where
    T: Float,
    E: Epilogue<T>,
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let TileOf { job, part, block, b, place, copy } = self;
        let (mr, _) = Blocking::tile::<S, T>();
        let (a, depth) = (block.left::<R>(mr, &place.rows), block.depth);
        let lanes = V::<S, T>::LANES;
        let (height, width) = (place.rows.len(), place.cols.len());
        let whole = height == R && width == N * lanes && part.c.has_lines();
        let mut edge = None;

        let tile = if whole {
            part.read::<S, R, N, E>(simd, job, place, depth)
        } else {
            let edge = edge.insert(Edge { rows: [[T::ZERO; NV * MAX_LANES]; 16] });
            edge.gather(part, job.beta, place, depth);
            edge.load::<S, R, N>(simd)
        };
        let tile = accumulate::<S, T, R, N, P, COPY>(simd, tile, a, b, depth.len(), copy);
        match &mut edge {
            None => part.write::<S, R, N, E>(simd, tile, job, place, depth),
            Some(edge) => {
                edge.store::<S, R, N>(tile);
                simd.run(Scatter { job, part, edge, place, depth });
            }
        }
    }
}

impl<T: Float> Edge<T> {
    /// What the tile starts from.
    #[inline(never)]
    fn gather(&mut self, part: &Part<T>, beta: T, place: &Place, depth: &Range<usize>) {
        let first = depth.start == 0;
        if first && beta == T::ZERO {
            return;
        }
        let (row, cols) = part.local(place.rows.start, &place.cols);
        for (r, edge) in (0..place.rows.len()).zip(&mut self.rows) {
            for (edge, j) in edge.iter_mut().zip(cols.clone()) {
                let c = part.c.at(row + r, j);
                *edge = if first { beta * c } else { c };
            }
        }
    }

    #[inline(always)]
    fn load<S: Simd, const R: usize, const N: usize>(&self, simd: S) -> Tile<S, T, R, N> {
        let mut tile = [[V::<S, T>::splat(simd, T::ZERO); N]; R];
        written_out! { r < R {
            for (v, c) in tile[r].iter_mut().enumerate() {
                *c = V::<S, T>::load(simd, &self.rows[r][v * V::<S, T>::LANES..]);
            }
        } }
        tile
    }

    #[inline(always)]
    fn store<S: Simd, const R: usize, const N: usize>(&mut self, tile: Tile<S, T, R, N>) {
        written_out! { r < R {
            for (v, c) in tile[r].iter().enumerate() {
                c.store(&mut self.rows[r][v * V::<S, T>::LANES..]);
            }
        } }
    }
}

impl<T: Float> Part<'_, T> {
    /// Asks for rows of C: the next tile arrives while this one is computed.
    #[inline(always)]
    pub(super) fn prefetch<S: Simd>(&mut self, simd: S, rows: Range<usize>, cols: &Range<usize>) {
        if !self.c.has_lines() {
            return;
        }
        for row in rows {
            let (row, cols) = self.local(row, cols);
            let c = self.c.row(row, cols);
            simd.prefetch(c, 0);
            simd.prefetch(c, c.len() / 2);
        }
    }

    /// What a whole tile starts from.
    #[inline(always)]
    fn read<S: Simd, const R: usize, const N: usize, E>(
        &mut self,
        simd: S,
        job: &Job<T, E>,
        place: &Place,
        depth: &Range<usize>,
    ) -> Tile<S, T, R, N> {
        let lanes = V::<S, T>::LANES;
        let mut tile = [[V::<S, T>::splat(simd, T::ZERO); N]; R];
        let beta = job.beta;
        let first = depth.start == 0;
        if first && beta == T::ZERO {
            return tile;
        }
        let beta = V::<S, T>::splat(simd, if first { beta } else { T::ONE });
        let (row, cols) = self.local(place.rows.start, &place.cols);
        written_out! { r < R {
            let c = self.c.row(row + r, cols.clone());
            for v in 0..N {
                tile[r][v] = beta * V::<S, T>::load(simd, &c[v * lanes..][..lanes]);
            }
        } }
        tile
    }

    /// Writes a whole tile, finished after the last terms.
    #[inline(always)]
    fn write<S: Simd, const R: usize, const N: usize, E: Epilogue<T>>(
        &mut self,
        simd: S,
        mut tile: Tile<S, T, R, N>,
        job: &Job<T, E>,
        place: &Place,
        depth: &Range<usize>,
    ) {
        let lanes = V::<S, T>::LANES;
        let Job { epilogue, k, .. } = job;
        if depth.end == *k {
            written_out! { r < R {
                for (v, c) in tile[r].iter_mut().enumerate() {
                    let col = place.cols.start + v * lanes;
                    *c = epilogue.finish(simd, place.rows.start + r, col, *c);
                }
            } }
        }
        let (row, cols) = self.local(place.rows.start, &place.cols);
        written_out! { r < R {
            let c = self.c.row(row + r, cols.clone());
            for v in 0..N {
                tile[r][v].store(&mut c[v * lanes..][..lanes]);
            }
        } }
    }
}

/// Writes a tile at an edge, finished after the last terms.
struct Scatter<'b, 'a, T, E> {
    job: &'b Job<'a, T, E>,
    part: &'b mut Part<'a, T>,
    edge: &'b mut Edge<T>,
    place: &'b Place,
    depth: &'b Range<usize>,
}

impl<T: Float, E: Epilogue<T>> Kernel for Scatter<'_, '_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Scatter { job, part, edge, place, depth } = self;
        let lanes = V::<S, T>::LANES;
        let (row, cols) = part.local(place.rows.start, &place.cols);
        for (r, edge) in (0..place.rows.len()).zip(&mut edge.rows) {
            if depth.end == job.k && !E::IDENTITY {
                for at in (0..place.cols.len()).step_by(lanes) {
                    let c = V::<S, T>::load(simd, &edge[at..]);
                    let (row, col) = (place.rows.start + r, place.cols.start + at);
                    job.epilogue.finish(simd, row, col, c).store(&mut edge[at..]);
                }
            }
            for (&edge, j) in edge.iter().zip(cols.clone()) {
                part.c.set(row + r, j, edge);
            }
        }
    }
}
