//! What ends backward: sums over many steps and all rows, from tiles that stay in registers.

use std::ops::Range;

use kernels::Aligned;
use kernels::simd::{Float, Kernel, MAX_LANES, Simd, V, Vector};

use super::pack::Packed;
use super::transpose::by_lanes;
use super::{TimesTranspose, View, dropout, tiles, transpose};
use crate::engine::Gradients;
use crate::engine::gates::line;
use crate::engine::workspace::{Dims, Extent, Group};

/// Rows of the left operand in a tile, by the four gates of a unit.
const TILE: usize = 4;
/// The same where there are 16 registers.
const TILE_16: usize = 2;

/// `dW += x dzᵀ`, `dU += h₋ dzᵀ`, `db += Σ dz`, and `dx = W dz`: sums over some steps
/// and all rows.
pub(in crate::engine) struct Products<'a, 'v, T> {
    pub(in crate::engine) weights: &'a Packed<T>,
    pub(in crate::engine) view: &'a mut View<'v, T>,
    pub(in crate::engine) steps: Range<usize>,
    pub(in crate::engine) grads: Gradients<'a, T>,
    /// `[rows, total, inputs]`, and whether time runs backwards in it.
    pub(in crate::engine) dx: Option<(&'a mut [T], bool)>,
}

impl<T: Float> Kernel for Products<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Dims { steps, start, total, inputs, units, slots, steps_at_a_time, .. } =
            self.view.dims;
        let lanes = V::<S, T>::LANES;
        let Gradients { kernel, recurrent_kernel, bias } = self.grads;
        let View { dims, extent, ref gates, by_gate: [ref m, ref d], .. } = *self.view;
        let sum = &Sum { dims, extent, gates, steps: self.steps.clone() };
        let (x, h) = (&*self.view.x, &*self.view.h);
        let of_x = Left { array: x, factors: d, slots: steps, rows: inputs };
        let of_h = Left { array: h, factors: m, slots, rows: units };
        let Aligned(room) = &mut Aligned([T::ZERO; 4 * TILE * MAX_LANES]);
        for (left, grad) in [(of_x, kernel), (of_h, recurrent_kernel)] {
            if left.factors.is_empty() {
                simd.run(Outer::<T, false> { sum, left, grad, room });
            } else {
                simd.run(Outer::<T, true> { sum, left, grad, room });
            }
        }
        if let Some(db) = bias {
            sum.of_gates(simd, db);
        }

        let Some((dx, reversed)) = self.dx else { return };
        // Steps follow each other in a row, unless their order is reversed.
        let length = if reversed { 1 } else { steps_at_a_time };
        for group in self.view.dims.groups() {
            let until = self.steps.end.min(self.view.steps(group));
            for first in (self.steps.start..until).step_by(length) {
                let run = first..until.min(first + length);
                for t in run.clone() {
                    // The input of the step is not needed any more: its place serves as scratch.
                    simd.run(TimesTranspose {
                        weights: &self.weights.kernel_t,
                        factors: dropout::of_group(self.view.by_gate[1], group, inputs),
                        dz: &self.view.gates[group.slot(steps, t, 4 * units)],
                        out: &mut self.view.x[group.slot(steps, t, inputs)],
                        live: lanes,
                    });
                }
                let panels = group.slot(steps, run.start, inputs).start..;
                let panels = &self.view.x[panels][..run.len() * inputs * lanes];
                let t = if reversed { total - 1 - (start + first) } else { start + first };
                let columns = t * inputs..(t + run.len()) * inputs;
                transpose::write(simd, panels, group, (dx, total * inputs), columns);
            }
        }
    }
}

/// Sums over the batch and the steps with `dz`.
///
/// They are added up lane by lane for as many rows as fill a cache line, then the lanes, upper half to lower
/// half. Where a vector is half a line, every other group is an upper half of its own: the order is that of
/// all instruction sets.
struct Sum<'a, T> {
    dims: Dims,
    extent: Extent<'a, T>,
    gates: &'a [T],
    /// Which ones of the window.
    steps: Range<usize>,
}

/// How many vectors fill a line.
const fn parts<T>(lanes: usize) -> usize {
    if lanes < line::<T>() { line::<T>() / lanes } else { 1 }
}

/// The sum of all lanes of each vector of a tile.
#[inline(always)]
fn over_lanes<S: Simd, T: Float, const R: usize>(
    simd: S,
    tile: &[[V<S, T>; 4]; R],
) -> [T; 4 * TILE] {
    #[inline(always)]
    fn sums<S: Simd, T: Float, const L: usize>(tile: &[V<S, T>], sums: &mut [T]) {
        for (vectors, sums) in tile.chunks_exact(L).zip(sums.chunks_exact_mut(L)) {
            if let Ok(vectors) = vectors.try_into()
                && L == V::<S, T>::LANES
            {
                V::<S, T>::sums::<L>(vectors).store(sums);
            }
        }
    }

    let zero = V::<S, T>::splat(simd, T::ZERO);
    let mut all = [[zero; 4]; TILE];
    all[..R].copy_from_slice(tile);
    let used = (4 * R).next_multiple_of(V::<S, T>::LANES);
    let mut out = [T::ZERO; 4 * TILE];
    by_lanes!(sums::<S, T>(&all.as_flattened()[..used], &mut out));
    out
}

impl<T: Float> Sum<'_, T> {
    #[inline(always)]
    fn steps_of(&self, group: Group) -> Range<usize> {
        self.steps.start..self.steps.end.min(self.extent.steps(self.dims, group))
    }

    /// The groups that are such a part of a line, of so many.
    #[inline(always)]
    fn groups(&self, part: usize, parts: usize) -> impl Iterator<Item = Group> {
        self.dims.groups().skip(part).step_by(parts)
    }

    /// `db [4 units] += Σ dz`
    #[inline(always)]
    fn of_gates<S: Simd>(&self, simd: S, db: &mut [T]) {
        let lanes = V::<S, T>::LANES;
        let Dims { steps, units, .. } = self.dims;
        for unit in 0..units {
            let mut total = [V::<S, T>::splat(simd, T::ZERO); 4];
            for part in 0..parts::<T>(lanes) {
                let mut sums = [V::<S, T>::splat(simd, T::ZERO); 4];
                for group in self.groups(part, parts::<T>(lanes)) {
                    for t in self.steps_of(group) {
                        let dz = &self.gates[group.slot(steps, t, 4 * units)][unit * 4 * lanes..];
                        for (sum, dz) in sums.iter_mut().zip(dz.chunks_exact(lanes)) {
                            *sum = *sum + V::<S, T>::load(simd, dz);
                        }
                    }
                }
                for (total, sum) in total.iter_mut().zip(sums) {
                    *total = *total + sum;
                }
            }
            let sums = over_lanes(simd, &[total]);
            for (gate, sum) in sums.into_iter().take(4).enumerate() {
                db[gate * units + unit] += sum;
            }
        }
    }
}

/// The left operand of a sum of outer products: `[slots][rows][lanes]` for each group, times its factors
/// if there are some.
#[derive(Clone, Copy)]
struct Left<'a, T> {
    array: &'a [T],
    factors: &'a [T],
    slots: usize,
    rows: usize,
}

/// `grad [rows, 4 units] += left dzᵀ`
///
/// A kernel of its own, and one with `DROPOUT`: among other loops, the compiler finds no registers for its
/// tiles.
struct Outer<'a, T, const DROPOUT: bool> {
    sum: &'a Sum<'a, T>,
    left: Left<'a, T>,
    grad: &'a mut [T],
    /// The sum of a tile over the parts so far, in memory while the next part has the registers.
    room: &'a mut [T; 4 * TILE * MAX_LANES],
}

impl<T: Float, const DROPOUT: bool> Kernel for Outer<'_, T, DROPOUT> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let tile = if S::REGISTERS >= 32 { TILE } else { TILE_16 };
        for unit in 0..self.sum.dims.units {
            for (first, height) in tiles(self.left.rows, tile) {
                match height {
                    1 => self.tile::<S, 1>(simd, first, unit),
                    2 => self.tile::<S, 2>(simd, first, unit),
                    _ => self.tile::<S, 4>(simd, first, unit),
                }
            }
        }
    }
}

impl<T: Float, const DROPOUT: bool> Outer<'_, T, DROPOUT> {
    /// `R` rows of `left` by the four gates of one unit.
    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&mut self, simd: S, first: usize, unit: usize) {
        let (lanes, units) = (V::<S, T>::LANES, self.sum.dims.units);
        let zero = V::<S, T>::splat(simd, T::ZERO);
        let (mut tile, parts) = ([[zero; 4]; R], parts::<T>(lanes));
        for part in 0..parts {
            tile = [[zero; 4]; R];
            for group in self.sum.groups(part, parts) {
                if DROPOUT {
                    let Left { factors, rows, .. } = self.left;
                    let factors = &factors[group.lines(4 * rows)];
                    let sums = self.add(simd, [[zero; 4]; R], (first, unit), group);
                    dropout::add(simd, &mut tile, sums, (factors, first));
                } else {
                    tile = self.add(simd, tile, (first, unit), group);
                }
            }
            if parts > 1 {
                let tile = tile.as_flattened_mut().iter_mut();
                for (sum, total) in tile.zip(self.room.chunks_exact_mut(lanes)) {
                    let before = if part == 0 { zero } else { V::<S, T>::load(simd, total) };
                    *sum = before + *sum;
                    sum.store(total);
                }
            }
        }
        let sums = over_lanes(simd, &tile);
        for (row, sums) in (first..).zip(sums.chunks_exact(4).take(R)) {
            for (gate, &sum) in sums.iter().enumerate() {
                self.grad[row * 4 * units + gate * units + unit] += sum;
            }
        }
    }

    /// Adds the terms of all steps of a group to a tile.
    #[inline(always)]
    fn add<S: Simd, const R: usize>(
        &self,
        simd: S,
        mut tile: [[V<S, T>; 4]; R],
        (first, unit): (usize, usize),
        group: Group,
    ) -> [[V<S, T>; 4]; R] {
        let lanes = V::<S, T>::LANES;
        let Left { array, slots, rows, .. } = self.left;
        let Sum { dims, gates, .. } = self.sum;
        for t in self.sum.steps_of(group) {
            let left = &array[group.slot(slots, t, rows)][first * lanes..][..R * lanes];
            let dz = &gates[group.slot(dims.steps, t, 4 * dims.units)];
            let dz = &dz[unit * 4 * lanes..][..4 * lanes];
            let mut gates = [V::<S, T>::splat(simd, T::ZERO); 4];
            for (gate, dz) in gates.iter_mut().zip(dz.chunks_exact(lanes)) {
                *gate = V::<S, T>::load(simd, dz);
            }
            for (row, left) in tile.iter_mut().zip(left.chunks_exact(lanes)) {
                let left = V::<S, T>::load(simd, left);
                for (sum, dz) in row.iter_mut().zip(gates) {
                    *sum = left.mul_add(dz, *sum);
                }
            }
        }
        tile
    }
}
