//! What ends backward: sums over many steps and all rows, from tiles that stay in registers.

use std::ops::Range;

use kernels::simd::{Float, Kernel, Simd, V, Vector};

use super::pack::Packed;
use super::{tiles, times_transpose, write_panel};
use crate::engine::Gradients;
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
        let View { dims, extent, ref gates, .. } = *self.view;
        let sum = Sum { dims, extent, gates, steps: self.steps.clone() };
        sum.run(simd, self.view.x, (steps, inputs), kernel);
        sum.run(simd, self.view.h, (slots, units), recurrent_kernel);
        if let Some(db) = bias {
            sum.of_gates(simd, db);
        }

        if let Some((dx, reversed)) = self.dx {
            for group in self.view.dims.groups() {
                for t in self.steps.start..self.steps.end.min(self.view.steps(group)) {
                    // The input of the step is not needed any more: its place serves as scratch.
                    let dz = &self.view.gates[group.slot(steps, t, 4 * units)];
                    let out = &mut self.view.x[group.slot(steps, t, inputs)];
                    times_transpose(simd, dz, &self.weights.kernel_t, (out, lanes));
                    let t = if reversed { total - 1 - (start + t) } else { start + t };
                    debug_assert_eq!(out.len(), inputs * lanes);
                    write_panel(out, group, (dx, total, inputs), t);
                }
            }
        }
    }
}

/// Sums over the batch and the steps with `dz`.
struct Sum<'a, T> {
    dims: Dims,
    extent: Extent<'a, T>,
    gates: &'a [T],
    /// Which ones of the window.
    steps: Range<usize>,
}

impl<T: Float> Sum<'_, T> {
    #[inline(always)]
    fn steps_of(&self, group: Group) -> Range<usize> {
        self.steps.start..self.steps.end.min(self.extent.steps(self.dims, group))
    }

    /// `grad [rows, 4 units] += left dzᵀ`, with `left [slots][rows][lanes]` for each group.
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, left: &[T], (slots, rows): (usize, usize), grad: &mut [T]) {
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
        (left, slots, rows): (&[T], usize, usize),
        (first, unit): (usize, usize),
        grad: &mut [T],
    ) {
        let lanes = V::<S, T>::LANES;
        let units = self.dims.units;
        let mut tile = [[V::<S, T>::splat(simd, T::ZERO); 4]; R];
        for group in self.dims.groups() {
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
        }
        for (row, sums) in (first..).zip(tile) {
            for (gate, sum) in sums.into_iter().enumerate() {
                grad[row * 4 * units + gate * units + unit] += sum.sum();
            }
        }
    }

    /// `db [4 units] += Σ dz`
    #[inline(always)]
    fn of_gates<S: Simd>(&self, simd: S, db: &mut [T]) {
        let lanes = V::<S, T>::LANES;
        let Dims { steps, units, .. } = self.dims;
        for unit in 0..units {
            let mut sums = [V::<S, T>::splat(simd, T::ZERO); 4];
            for group in self.dims.groups() {
                for t in self.steps_of(group) {
                    let dz = &self.gates[group.slot(steps, t, 4 * units)][unit * 4 * lanes..];
                    for (sum, dz) in sums.iter_mut().zip(dz.chunks_exact(lanes)) {
                        *sum = *sum + V::<S, T>::load(simd, dz);
                    }
                }
            }
            for (gate, sum) in sums.into_iter().enumerate() {
                db[gate * units + unit] += sum.sum();
            }
        }
    }
}
