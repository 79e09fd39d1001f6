//! Lanes over units: a vector holds neighbouring units of one row of the batch.
//!
//! The weights are packed in panels of one vector of units: for each input, the weights of its
//! four gates side by side, `[unit vector][k][i f g o][lanes]`. A register tile of some rows then
//! ends with all four gates of its units, and the cell follows while they are at hand.
//!
//! Arrays of gates have the same order, `[row][unit vector][i f g o][lanes]`; packed matrices of
//! weights that are multiplied with `dz` have their gate axis in this order, too.

mod pack;
mod products;

use kernels::gemm::accumulate_rows;
use kernels::simd::{Float, Kernel, MAX_LANES, Simd, V, Vector};

use super::cell::{self, Activations, Run};
use super::sequence::{Gradient, read_rows, write_rows};
use super::workspace::{Dims, Group, View, before_and_after};
pub(super) use pack::Packed;
pub(super) use products::Products;

/// Rows of a group: their states stay in L1 while a panel of weights is used for all of them.
pub(super) const GROUP: usize = 16;

/// Rows of a forward tile where there are 32 registers: with four vectors a row 24 accumulators.
const FORWARD_32: usize = 6;
/// The same where there are 16: 12 accumulators.
const FORWARD_16: usize = 3;
/// Rows of a backward tile where there are 32 registers: with two vectors a row 16 accumulators.
const BACKWARD_32: usize = 8;
/// The same where there are 16: 12 accumulators.
const BACKWARD_16: usize = 6;

/// Vectors in a row of a backward tile.
const NV: usize = 2;

/// Cuts `rows` into tiles of nearly equal height, at most `highest`: `(first, height)` of each.
#[inline(always)]
fn tiles(rows: usize, highest: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    let mut tiles = rows.div_ceil(highest);
    std::iter::from_fn(move || {
        let height = (rows - first).div_ceil(tiles.max(1));
        (tiles > 0).then(|| {
            tiles -= 1;
            first += height;
            (first - height, height)
        })
    })
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
        for t in 0..dims.steps {
            for vector in 0..dims.width / V::<S, T>::LANES {
                for group in dims.groups() {
                    self.vector(simd, t, vector, group);
                }
            }
            let (_, after) = dims.around(t);
            if let Some(y) = &mut self.y {
                for group in dims.groups() {
                    let h = &self.view.h[group.slot(dims.slots, after, dims.width)];
                    write_rows(h, dims.width, (y, dims.steps, dims.units), group, t);
                }
            }
        }
    }
}

impl<T: Float, A: Activations> Forward<'_, T, A> {
    /// One step of one vector of units, for the rows of a group.
    #[inline(always)]
    fn vector<S: Simd>(&mut self, simd: S, t: usize, vector: usize, group: Group) {
        let Dims { steps, inputs, units, width, slots, .. } = self.view.dims;
        let lanes = V::<S, T>::LANES;
        let (before, after) = self.view.dims.around(t);
        let x = &self.view.x[group.slot(steps, t, inputs)];
        let kernel = &self.weights.kernel[vector * inputs * 4 * lanes..][..inputs * 4 * lanes];
        let recurrent = &self.weights.recurrent[vector * units * 4 * lanes..][..units * 4 * lanes];
        let bias = &self.weights.bias[vector * 4 * lanes..][..4 * lanes];
        let at = vector * lanes;

        let (h_prev, h) = before_and_after(
            self.view.h,
            group.slot(slots, before, width),
            group.slot(slots, after, width),
        );
        let (c_prev, c) = before_and_after(
            self.view.c,
            group.slot(slots, before, width),
            group.slot(slots, after, width),
        );

        // z = b + x W + h₋ U
        let mut z = [T::ZERO; GROUP * 4 * MAX_LANES];
        for (first, height) in tiles(group.rows, tallest::<S>(FORWARD_32, FORWARD_16)) {
            let tile = Tile { x, h_prev, kernel, recurrent, bias, inputs, units, width, first };
            let z = &mut z[first * 4 * lanes..];
            match height {
                1 => tile.store::<S, 1>(simd, z),
                2 => tile.store::<S, 2>(simd, z),
                3 => tile.store::<S, 3>(simd, z),
                4 => tile.store::<S, 4>(simd, z),
                5 => tile.store::<S, 5>(simd, z),
                _ => tile.store::<S, 6>(simd, z),
            }
        }

        let kept = self.kept.then(|| {
            let gates = &mut self.view.gates[group.slot(steps, t, 4 * width)][4 * at..];
            let a = &mut self.view.a[group.slot(steps, t, width)][at..];
            (gates, a)
        });
        cell::Forward {
            run: Run { count: group.rows, stride: width, gate_stride: 4 * width },
            z: &z[..group.rows * 4 * lanes],
            c_prev: &c_prev[at..],
            c: &mut c[at..],
            h: &mut h[at..],
            kept,
        }
        .run(simd, self.activations);
    }
}

/// The tile height for the registers of `S`.
#[inline(always)]
const fn tallest<S: Simd>(many: usize, few: usize) -> usize {
    if S::REGISTERS >= 32 { many } else { few }
}

/// The operands of a forward tile.
struct Tile<'a, T> {
    x: &'a [T],
    h_prev: &'a [T],
    kernel: &'a [T],
    recurrent: &'a [T],
    bias: &'a [T],
    inputs: usize,
    units: usize,
    width: usize,
    first: usize,
}

impl<T: Float> Tile<'_, T> {
    /// `z = b + x W + h₋ U` for `R` rows and one vector of units: `[R][4][lanes]`.
    #[inline(always)]
    fn store<S: Simd, const R: usize>(&self, simd: S, z: &mut [T]) {
        if R > tallest::<S>(FORWARD_32, FORWARD_16) {
            return; // no tile of this instruction set: the compiler drops it
        }
        let lanes = V::<S, T>::LANES;
        let bias: [_; 4] = std::array::from_fn(|g| V::<S, T>::load(simd, &self.bias[g * lanes..]));
        let x = std::array::from_fn(|r| &self.x[(self.first + r) * self.inputs..][..self.inputs]);
        let h =
            std::array::from_fn(|r| &self.h_prev[(self.first + r) * self.width..][..self.units]);
        let tile = accumulate_rows::<S, T, R, 4>(simd, [bias; R], x, self.kernel);
        let tile = accumulate_rows::<S, T, R, 4>(simd, tile, h, self.recurrent);
        for (row, z) in tile.iter().zip(z.chunks_exact_mut(4 * lanes)) {
            for (gate, z) in row.iter().zip(z.chunks_exact_mut(lanes)) {
                gate.store(z);
            }
        }
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
    fn run<S: Simd>(mut self, simd: S) {
        let dims = self.view.dims;
        for t in (0..dims.steps).rev() {
            for block in 0..dims.width.div_ceil(NV * V::<S, T>::LANES) {
                for group in dims.groups() {
                    if t + 1 < dims.steps {
                        self.product(simd, t + 1, block, group);
                    }
                    self.cells(simd, t, block, group);
                }
            }
        }
        if self.initial {
            for block in 0..dims.width.div_ceil(NV * V::<S, T>::LANES) {
                for group in dims.groups() {
                    self.product(simd, 0, block, group);
                }
            }
        }
    }
}

impl<T: Float, A: Activations> Backward<'_, T, A> {
    /// `dh = dz Uᵀ` with `dz` of step `t`, for a block of unit vectors and the rows of a group.
    #[inline(always)]
    fn product<S: Simd>(&mut self, simd: S, t: usize, block: usize, group: Group) {
        let Dims { steps, width, .. } = self.view.dims;
        let lanes = V::<S, T>::LANES;
        let depth = 4 * width;
        let panel = &self.weights.recurrent_t[block * depth * NV * lanes..][..depth * NV * lanes];
        let dz = &self.view.gates[group.slot(steps, t, depth)];
        let dh = &mut self.view.dh[group.slot(1, 0, width)];
        for (first, height) in tiles(group.rows, tallest::<S>(BACKWARD_32, BACKWARD_16)) {
            let tile = BackwardTile { dz, panel, width, first, at: block * NV * lanes };
            match height {
                1 => tile.store::<S, 1>(simd, dh),
                2 => tile.store::<S, 2>(simd, dh),
                3 => tile.store::<S, 3>(simd, dh),
                4 => tile.store::<S, 4>(simd, dh),
                5 => tile.store::<S, 5>(simd, dh),
                6 => tile.store::<S, 6>(simd, dh),
                7 => tile.store::<S, 7>(simd, dh),
                _ => tile.store::<S, 8>(simd, dh),
            }
        }
    }

    /// `dh += dy`, then the cells of step `t`.
    #[inline(always)]
    fn cells<S: Simd>(&mut self, simd: S, t: usize, block: usize, group: Group) {
        let Dims { steps, units, width, slots, .. } = self.view.dims;
        let lanes = V::<S, T>::LANES;
        let states = group.slot(slots, t, width);
        let from = block * NV * lanes;
        for at in (from..width.min(from + NV * lanes)).step_by(lanes) {
            let here = group.slot(1, 0, width).start + at..group.slot(1, 0, width).end;
            let dh = &mut self.view.dh[here.clone()];
            for row in 0..group.rows {
                if let Some(dy) = self.dy.at(group.first + row, t, units, steps) {
                    let dh = &mut dh[row * width..];
                    (V::<S, T>::load(simd, dh) + V::<S, T>::load(simd, &dy[at..])).store(dh);
                }
            }
            cell::Backward {
                run: Run { count: group.rows, stride: width, gate_stride: 4 * width },
                gates: &mut self.view.gates[group.slot(steps, t, 4 * width)][4 * at..],
                c_prev: &self.view.c[states.clone()][at..],
                a: &self.view.a[group.slot(steps, t, width)][at..],
                dh: &self.view.dh[here.clone()],
                dc: &mut self.view.dc[here],
            }
            .run(simd, self.activations);
        }
    }
}

/// The operands of a backward tile.
struct BackwardTile<'a, T> {
    dz: &'a [T],
    panel: &'a [T],
    width: usize,
    first: usize,
    at: usize,
}

impl<T: Float> BackwardTile<'_, T> {
    /// `dh = dz Uᵀ` for `R` rows and a pair of unit vectors.
    #[inline(always)]
    fn store<S: Simd, const R: usize>(&self, simd: S, dh: &mut [T]) {
        if R > tallest::<S>(BACKWARD_32, BACKWARD_16) {
            return; // no tile of this instruction set: the compiler drops it
        }
        let lanes = V::<S, T>::LANES;
        let depth = 4 * self.width;
        let dz = std::array::from_fn(|r| &self.dz[(self.first + r) * depth..][..depth]);
        let zero = [[V::<S, T>::splat(simd, T::ZERO); NV]; R];
        let tile = accumulate_rows::<S, T, R, NV>(simd, zero, dz, self.panel);
        for (r, row) in tile.iter().enumerate() {
            let dh = &mut dh[(self.first + r) * self.width..][..self.width];
            row[0].store(&mut dh[self.at..]);
            if self.at + lanes < self.width {
                row[1].store(&mut dh[self.at + lanes..]);
            }
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
            read_rows((x, steps, inputs), group, from, out, inputs);
        }
    }
}
