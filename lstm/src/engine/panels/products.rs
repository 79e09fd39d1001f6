//! What ends backward: sums over many steps and all rows, from tiles that stay in registers.

use std::ops::Range;

use kernels::simd::{Float, Kernel, Simd, V, Vector};

use super::pack::Packed;
use super::{dropout, tiles, times_transpose, write_panel};
use crate::engine::Gradients;
use crate::engine::gates::line;
use crate::engine::workspace::{Dims, Extent, Group, View};

/// Units or inputs of a tile.
const TILE: usize = 4;

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
        let Dims { steps, start, total, inputs, units, slots, .. } = self.view.dims;
        let lanes = V::<S, T>::LANES;
        let Gradients { kernel, recurrent_kernel, bias } = self.grads;
        let View { dims, extent, ref gates, by_gate: [ref m, ref d], .. } = *self.view;
        let sum = Sum { dims, extent, gates, steps: self.steps.clone() };
        sum.run(simd, (self.view.x, d), (steps, inputs), kernel);
        sum.run(simd, (self.view.h, m), (slots, units), recurrent_kernel);
        if let Some(db) = bias {
            sum.of_gates(simd, db);
        }

        if let Some((dx, reversed)) = self.dx {
            for group in self.view.dims.groups() {
                for t in self.steps.start..self.steps.end.min(self.view.steps(group)) {
                    // The input of the step is not needed any more: its place serves as scratch.
                    let d = dropout::of_group(self.view.by_gate[1], group, inputs);
                    let dz = &self.view.gates[group.slot(steps, t, 4 * units)];
                    let out = &mut self.view.x[group.slot(steps, t, inputs)];
                    times_transpose(simd, dz, (&self.weights.kernel_t, d), (out, lanes));
                    let t = if reversed { total - 1 - (start + t) } else { start + t };
                    debug_assert_eq!(out.len(), inputs * lanes);
                    write_panel(out, group, (dx, total, inputs), t);
                }
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

impl<T: Float> Sum<'_, T> {
    #[inline(always)]
    fn steps_of(&self, group: Group) -> Range<usize> {
        self.steps.start..self.steps.end.min(self.extent.steps(self.dims, group))
    }

    /// The groups that are such a part of a line, of so many.
    #[inline(always)]
    fn groups(&self, part: usize, parts: usize) -> impl Iterator<Item = Group> {
        let rows = self.dims.group;
        (part * rows..self.dims.batch).step_by(parts * rows).map(move |first| Group { first, rows })
    }

    /// `grad [rows, 4 units] += left dzᵀ`, with `left [slots][rows][lanes]` for each group, times its
    /// factors if there are some.
    #[inline(always)]
    fn run<S: Simd>(
        &self,
        simd: S,
        left: (&[T], &[T]),
        (slots, rows): (usize, usize),
        grad: &mut [T],
    ) {
        for unit in 0..self.dims.units {
            for (first, height) in tiles(rows, TILE) {
                match height {
                    1 => self.tile::<S, 1>(simd, (left, slots, rows), (first, unit), grad),
                    2 => self.tile::<S, 2>(simd, (left, slots, rows), (first, unit), grad),
                    _ => self.tile::<S, 4>(simd, (left, slots, rows), (first, unit), grad),
                }
            }
        }
    }

    /// `R` rows of `left` by the four gates of one unit.
    #[inline(always)]
    fn tile<S: Simd, const R: usize>(
        &self,
        simd: S,
        ((left, factors), slots, rows): ((&[T], &[T]), usize, usize),
        (first, unit): (usize, usize),
        grad: &mut [T],
    ) {
        let lanes = V::<S, T>::LANES;
        let units = self.dims.units;
        let zero = V::<S, T>::splat(simd, T::ZERO);
        let (mut total, parts) = ([[zero; 4]; R], parts::<T>(lanes));
        for part in 0..parts {
            let mut tile = [[zero; 4]; R];
            for group in self.groups(part, parts) {
                match dropout::of_group(factors, group, rows) {
                    None => tile = self.add(simd, tile, (left, slots, rows), (first, unit), group),
                    Some(factors) => {
                        let sums = [[zero; 4]; R];
                        let left = (left, slots, rows);
                        let sums = self.add(simd, sums, left, (first, unit), group);
                        dropout::add(simd, &mut tile, sums, (factors, first));
                    }
                }
            }
            if parts == 1 {
                total = tile;
                break;
            }
            for (total, sums) in total.iter_mut().zip(tile) {
                for (total, sum) in total.iter_mut().zip(sums) {
                    *total = *total + sum;
                }
            }
        }
        for (row, sums) in (first..).zip(total) {
            for (gate, sum) in sums.into_iter().enumerate() {
                grad[row * 4 * units + gate * units + unit] += sum.sum();
            }
        }
    }

    /// Adds the terms of all steps of a group to a tile.
    #[inline(always)]
    fn add<S: Simd, const R: usize>(
        &self,
        simd: S,
        mut tile: [[V<S, T>; 4]; R],
        (left, slots, rows): (&[T], usize, usize),
        (first, unit): (usize, usize),
        group: Group,
    ) -> [[V<S, T>; 4]; R] {
        let lanes = V::<S, T>::LANES;
        let units = self.dims.units;
        for t in self.steps_of(group) {
            let left = &left[group.slot(slots, t, rows)][first * lanes..][..R * lanes];
            let dz = &self.gates[group.slot(self.dims.steps, t, 4 * units)];
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
            for (gate, sum) in total.into_iter().enumerate() {
                db[gate * units + unit] += sum.sum();
            }
        }
    }
}
