//! Lanes over the batch: a vector holds one unit of neighbouring rows.
//!
//! For layers with fewer units than a vector has lanes. The operands of the register tile change
//! places: weights are broadcast, packed in panels of some units, `[tile][k][unit][i f g o]`, and
//! states are the vectors, `[unit][lanes]`, which is also the form in which the cells leave them.
//! So nothing is repacked from step to step.
//!
//! Rows are padded to whole vectors. Lanes of the padding carry harmless numbers: their input and
//! their gradient are zero, and so is all that they add to a sum over the batch.

use kernels::Buffer;
use kernels::gemm::accumulate_panels;
use kernels::simd::{Float, Kernel, MAX_LANES, Simd, V, Vector};

use super::cell::{self, Activations, Run};
use super::sequence::Gradient;
use super::workspace::{Dims, Group, View, before_and_after};
use super::{Gradients, Weights};

/// Units of a forward tile: with four gates each, up to 16 accumulators.
const TILE: usize = 4;
/// Units of a forward tile where there are 16 registers: 8 accumulators.
const TILE_16: usize = 2;
/// Units of a backward tile.
const BACKWARD_TILE: usize = 8;
/// Units or inputs of a tile of the products over all steps.
const PRODUCT_TILE: usize = 4;

/// Cuts `0..count` into pieces of which each has a compiled tile: `highest`, then powers of two.
#[inline(always)]
fn tiles(count: usize, highest: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let left = count - first;
        let height = if left >= highest { highest } else { 1 << left.checked_ilog2()? };
        first += height;
        Some((first - height, height))
    })
}

/// The weights of a layer, packed for this orientation.
#[derive(Clone, Debug, Default)]
pub(super) struct Packed<T> {
    /// `[tile][inputs][unit][4]`
    kernel: Buffer<T>,
    /// `[tile][units][unit][4]`
    recurrent: Buffer<T>,
    /// `[unit][4]`
    bias: Buffer<T>,
    /// `[tile][4 units][unit]`: the transpose of the recurrent kernel.
    recurrent_t: Buffer<T>,
    /// `[tile][4 units][input]`: the transpose of the kernel.
    kernel_t: Buffer<T>,
}

/// Copies weights `[k, 4 units]` into panels `[tile][k][unit][4]`.
fn pack_panels<T: Float>(tile: usize, units: usize, weights: &[T], out: &mut Buffer<T>) {
    let depth = weights.len() / (4 * units);
    out.resize(weights.len());
    for (first, height) in tiles(units, tile) {
        let panel = &mut out[depth * 4 * first..][..depth * 4 * height];
        for (row, out) in weights.chunks_exact(4 * units).zip(panel.chunks_exact_mut(4 * height)) {
            for (unit, out) in (first..).zip(out.chunks_exact_mut(4)) {
                for (gate, out) in out.iter_mut().enumerate() {
                    *out = row[gate * units + unit];
                }
            }
        }
    }
}

/// Copies weights `[rows, 4 units]` into panels of the transpose, `[tile][unit][4][row]`.
fn pack_transpose<T: Float>(units: usize, weights: &[T], out: &mut Buffer<T>) {
    let rows = weights.len() / (4 * units);
    out.resize(weights.len());
    for (first, height) in tiles(rows, BACKWARD_TILE) {
        let panel = &mut out[4 * units * first..][..4 * units * height];
        for (k, out) in panel.chunks_exact_mut(height).enumerate() {
            let (unit, gate) = (k / 4, k % 4);
            for (row, out) in (first..).zip(out) {
                *out = weights[row * 4 * units + gate * units + unit];
            }
        }
    }
}

impl<T: Float> Packed<T> {
    /// Packs what forward reads.
    pub(super) fn pack_forward(&mut self, registers: usize, units: usize, weights: Weights<T>) {
        let tile = if registers >= 32 { TILE } else { TILE_16 };
        pack_panels(tile, units, weights.kernel, &mut self.kernel);
        pack_panels(tile, units, weights.recurrent_kernel, &mut self.recurrent);
        match weights.bias {
            Some(bias) => pack_panels(1, units, bias, &mut self.bias),
            None => {
                self.bias.resize(4 * units);
                self.bias.fill(T::ZERO);
            }
        }
    }

    /// Packs what backward reads.
    pub(super) fn pack_backward(&mut self, units: usize, weights: Weights<T>) {
        pack_transpose(units, weights.recurrent_kernel, &mut self.recurrent_t);
        pack_transpose(units, weights.kernel, &mut self.kernel_t);
    }
}

/// Forward over all steps for the rows of `view`.
pub(super) struct Forward<'a, T, A> {
    pub(super) activations: A,
    pub(super) weights: &'a Packed<T>,
    pub(super) view: View<'a, T>,
    /// The output of every step, `[rows, steps, units]`, if it is wanted.
    pub(super) y: Option<&'a mut [T]>,
    pub(super) kept: bool,
}

impl<T: Float, A: Activations> Kernel for Forward<'_, T, A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let dims = self.view.dims;
        let tile = if S::REGISTERS >= 32 { TILE } else { TILE_16 };
        for t in 0..dims.steps {
            for group in dims.groups() {
                for (first, height) in tiles(dims.units, tile) {
                    match height {
                        1 => self.units::<S, 1, 4>(simd, t, group, first),
                        2 => self.units::<S, 2, 8>(simd, t, group, first),
                        _ => self.units::<S, 4, 16>(simd, t, group, first),
                    }
                }
                if let Some(y) = &mut self.y {
                    let h = &self.view.h[group.slot(dims.slots, dims.around(t).1, dims.units)];
                    write_panel(h, group, (y, dims.steps, dims.units), t);
                }
            }
        }
    }
}

impl<T: Float, A: Activations> Forward<'_, T, A> {
    /// One step of `U` units, `G = 4 U` gates, for a vector of rows.
    #[inline(always)]
    fn units<S: Simd, const U: usize, const G: usize>(
        &mut self,
        simd: S,
        t: usize,
        group: Group,
        first: usize,
    ) {
        let Dims { steps, inputs, units, slots, .. } = self.view.dims;
        let lanes = V::<S, T>::LANES;
        let (before, after) = self.view.dims.around(t);
        let x = &self.view.x[group.slot(steps, t, inputs)];
        let kernel = &self.weights.kernel[4 * first * inputs..][..G * inputs];
        let recurrent = &self.weights.recurrent[4 * first * units..][..G * units];
        let bias = &self.weights.bias[4 * first..][..G];
        let at = first * lanes;

        let (h_prev, h) = before_and_after(
            self.view.h,
            group.slot(slots, before, units),
            group.slot(slots, after, units),
        );
        let (c_prev, c) = before_and_after(
            self.view.c,
            group.slot(slots, before, units),
            group.slot(slots, after, units),
        );

        // z = b + x W + h₋ U
        let tile = std::array::from_fn(|gate| [V::<S, T>::splat(simd, bias[gate])]);
        let tile = accumulate_panels::<S, T, G, 1>(simd, tile, (kernel, G), x);
        let tile = accumulate_panels::<S, T, G, 1>(simd, tile, (recurrent, G), h_prev);
        let mut z = [T::ZERO; 4 * TILE * MAX_LANES];
        for (gate, z) in tile.iter().zip(z.chunks_exact_mut(lanes)) {
            gate[0].store(z);
        }

        let kept = self.kept.then(|| {
            let gates = &mut self.view.gates[group.slot(steps, t, 4 * units)][4 * at..];
            let a = &mut self.view.a[group.slot(steps, t, units)][at..];
            (gates, a)
        });
        cell::Forward {
            run: Run { count: U, stride: lanes, gate_stride: 4 * lanes },
            z: &z[..G * lanes],
            c_prev: &c_prev[at..],
            c: &mut c[at..],
            h: &mut h[at..],
            kept,
        }
        .run(simd, self.activations);
    }
}

/// Backward over all steps for the rows of `view`: gates become `dz`, `dh` and `dc` become the
/// gradients of the initial state.
pub(super) struct Backward<'a, T, A> {
    pub(super) activations: A,
    pub(super) weights: &'a Packed<T>,
    pub(super) view: View<'a, T>,
    pub(super) dy: Gradient<'a, T>,
    /// Whether the gradient of the initial `h` is wanted.
    pub(super) initial: bool,
}

impl<T: Float, A: Activations> Kernel for Backward<'_, T, A> {
    type Output = ();

    /// On entry `dh` and `dc` hold the gradients of the final state.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Dims { steps, units, slots, .. } = self.view.dims;
        let lanes = V::<S, T>::LANES;
        let View { dims, c, a, gates, dh, dc, .. } = self.view;
        for t in (0..steps).rev() {
            for group in dims.groups() {
                let dh = &mut dh[group.slot(1, 0, units)];
                if t + 1 < steps {
                    let dz = &gates[group.slot(steps, t + 1, 4 * units)];
                    times_transpose(simd, dz, &self.weights.recurrent_t, dh);
                }
                for (lane, row) in (group.first..group.first + lanes).enumerate() {
                    if let Some(dy) = self.dy.at(row, t, units, steps) {
                        for (dh, &dy) in dh.chunks_exact_mut(lanes).zip(dy) {
                            dh[lane] += dy;
                        }
                    }
                }
                cell::Backward {
                    run: Run { count: units, stride: lanes, gate_stride: 4 * lanes },
                    gates: &mut gates[group.slot(steps, t, 4 * units)],
                    c_prev: &c[group.slot(slots, t, units)],
                    a: &a[group.slot(steps, t, units)],
                    dh,
                    dc: &mut dc[group.slot(1, 0, units)],
                }
                .run(simd, self.activations);
            }
        }
        if self.initial {
            for group in dims.groups() {
                let dz = &gates[group.slot(steps, 0, 4 * units)];
                let dh = &mut dh[group.slot(1, 0, units)];
                times_transpose(simd, dz, &self.weights.recurrent_t, dh);
            }
        }
    }
}

/// `out [rows][lanes] = weights dz`, the weights as packed by [`pack_transpose`], `dz`
/// `[4 units][lanes]`.
#[inline(always)]
fn times_transpose<S: Simd, T: Float>(simd: S, dz: &[T], weights: &[T], out: &mut [T]) {
    #[inline(always)]
    fn tile<S: Simd, T: Float, const R: usize>(simd: S, dz: &[T], panel: &[T], out: &mut [T]) {
        let zero = [[V::<S, T>::splat(simd, T::ZERO)]; R];
        let tile = accumulate_panels::<S, T, R, 1>(simd, zero, (panel, R), dz);
        for (row, out) in tile.iter().zip(out.chunks_exact_mut(V::<S, T>::LANES)) {
            row[0].store(out);
        }
    }

    let lanes = V::<S, T>::LANES;
    let depth = dz.len() / lanes;
    for (first, height) in tiles(out.len() / lanes, BACKWARD_TILE) {
        let panel = &weights[depth * first..][..depth * height];
        let out = &mut out[first * lanes..];
        match height {
            1 => tile::<S, T, 1>(simd, dz, panel, out),
            2 => tile::<S, T, 2>(simd, dz, panel, out),
            4 => tile::<S, T, 4>(simd, dz, panel, out),
            _ => tile::<S, T, 8>(simd, dz, panel, out),
        }
    }
}

/// `dW += x dzᵀ`, `dU += h₋ dzᵀ`, `db += Σ dz`, and `dx = W dz`: sums over all steps and rows.
pub(super) struct Products<'a, 'v, T> {
    pub(super) weights: &'a Packed<T>,
    pub(super) view: &'a mut View<'v, T>,
    pub(super) grads: Gradients<'a, T>,
    /// `[rows, steps, inputs]`, and whether time runs backwards in it.
    pub(super) dx: Option<(&'a mut [T], bool)>,
}

impl<T: Float> Kernel for Products<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Dims { steps, inputs, units, slots, .. } = self.view.dims;
        let lanes = V::<S, T>::LANES;
        let Gradients { kernel, recurrent_kernel, bias } = self.grads;
        let sum = Sum { dims: self.view.dims, gates: self.view.gates };
        sum.run(simd, self.view.x, (steps, inputs), kernel);
        sum.run(simd, self.view.h, (slots, units), recurrent_kernel);
        if let Some(db) = bias {
            sum.of_gates(simd, db);
        }

        if let Some((dx, reversed)) = self.dx {
            for group in self.view.dims.groups() {
                for t in 0..steps {
                    // The input of the step is not needed any more: its place serves as scratch.
                    let dz = &self.view.gates[group.slot(steps, t, 4 * units)];
                    let out = &mut self.view.x[group.slot(steps, t, inputs)];
                    times_transpose(simd, dz, &self.weights.kernel_t, out);
                    let t_out = if reversed { steps - 1 - t } else { t };
                    debug_assert_eq!(out.len(), inputs * lanes);
                    write_panel(out, group, (dx, steps, inputs), t_out);
                }
            }
        }
    }
}

/// Sums over the batch and the steps with `dz`.
struct Sum<'a, T> {
    dims: Dims,
    gates: &'a [T],
}

impl<T: Float> Sum<'_, T> {
    /// `grad [rows, 4 units] += left dzᵀ`, with `left [slots][rows][lanes]` for each group.
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, left: &[T], (slots, rows): (usize, usize), grad: &mut [T]) {
        for unit in 0..self.dims.units {
            for (first, height) in tiles(rows, PRODUCT_TILE) {
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
            for t in 0..self.dims.steps {
                let left = &left[group.slot(slots, t, rows)][first * lanes..][..R * lanes];
                let dz = &self.gates[group.slot(self.dims.steps, t, 4 * units)];
                let dz = &dz[unit * 4 * lanes..][..4 * lanes];
                let dz: [_; 4] = std::array::from_fn(|g| V::<S, T>::load(simd, &dz[g * lanes..]));
                for (row, left) in tile.iter_mut().zip(left.chunks_exact(lanes)) {
                    let left = V::<S, T>::load(simd, left);
                    for (sum, dz) in row.iter_mut().zip(dz) {
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
                for t in 0..steps {
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

/// Step `t` of the rows of `group`, from `[batch, steps, width]` to a panel `[width][lanes]`;
/// zeros past the last row.
#[inline(always)]
pub(super) fn read_panel<T: Float>(
    (array, steps, width): (&[T], usize, usize),
    group: Group,
    t: usize,
    panel: &mut [T],
) {
    let lanes = group.rows;
    let batch = array.len() / (steps * width).max(1);
    for (lane, row) in (group.first..group.first + lanes).enumerate() {
        if row < batch {
            let row = &array[(row * steps + t) * width..][..width];
            for (out, &x) in panel.chunks_exact_mut(lanes).zip(row) {
                out[lane] = x;
            }
        } else {
            panel.chunks_exact_mut(lanes).for_each(|out| out[lane] = T::ZERO);
        }
    }
}

/// Step `t` of the rows of `group`, from a panel `[width][lanes]` to `[batch, steps, width]`;
/// lanes past the last row are dropped.
#[inline(always)]
pub(super) fn write_panel<T: Float>(
    panel: &[T],
    group: Group,
    (array, steps, width): (&mut [T], usize, usize),
    t: usize,
) {
    let lanes = group.rows;
    let batch = array.len() / (steps * width).max(1);
    for (lane, row) in (group.first..batch.min(group.first + lanes)).enumerate() {
        let row = &mut array[(row * steps + t) * width..][..width];
        for (out, panel) in row.iter_mut().zip(panel.chunks_exact(lanes)) {
            *out = panel[lane];
        }
    }
}

/// Copies the input of the rows of `view` to where forward reads it.
pub(super) fn read_input<T: Float>(view: &mut View<T>, x: &[T], reversed: bool) {
    let Dims { steps, inputs, .. } = view.dims;
    for group in view.dims.groups() {
        for t in 0..steps {
            let from = if reversed { steps - 1 - t } else { t };
            let out = &mut view.x[group.slot(steps, t, inputs)];
            read_panel((x, steps, inputs), group, from, out);
        }
    }
}
