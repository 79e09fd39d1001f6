//! Lanes over units: a vector holds neighbouring units of one row of the batch.
//!
//! The weights are packed in panels of one vector of units: for each input, the weights of its
//! four gates side by side, `[unit vector][k][i f g o][lanes]`. A register tile of some rows has all four gates
//! of its units, or two and then the others where there are 16 registers, and the cell follows while they are
//! at hand. (With dropout by gate it has one gate after the other, of two vectors.)
//!
//! Arrays of gates have the order that [`gates`] tells; packed matrices of weights that are multiplied
//! with `dz` have their gate axis in this order, too.

mod abreast;
mod dropout;
mod hoist;
mod one_row;
mod one_step;
mod outer;
mod pack;
mod products;

use std::ops::Range;

use kernels::Aligned;
use kernels::gemm::accumulate_rows;
use kernels::simd::{Float, Kernel, MAX_LANES, Simd, V, Vector};

use super::call::Factors;
use super::cell::{self, Activations, Run};
use super::gates::{self, between, place};
use super::sequence::{Gradient, read_rows, write_rows};
use super::workspace::{Dims, Group, View};
pub(super) use dropout::Dropped;
pub(crate) use hoist::Hoist;
pub(super) use one_step::OnePiece;
pub(crate) use one_step::OneStep;
pub(super) use outer::are_few;
pub(super) use pack::{Packed, Packer};
pub(super) use products::Products;

/// Rows of a group, at most: their states stay in L1 while a panel of weights is used for all of them.
const GROUP: usize = 16;

/// Rows of a group in a batch: from twelve rows on there are at least two groups, and about an even number.
pub(super) fn group(batch: usize) -> usize {
    if batch < 12 { batch.max(1) } else { batch.div_ceil(2 * batch.div_ceil(2 * GROUP)) }
}

/// Rows of a forward tile. Where there are 32 registers it has four vectors a row, 24 accumulators. Where there
/// are 16 it has two gates at a time, 12 accumulators: with all four, three rows high, it would ask for weights
/// nearly as fast as L2 gives them.
const FORWARD: usize = 6;
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

/// Forward over some steps for the rows of `view`.
pub(super) struct Forward<'a, 'v, T> {
    pub(super) activations: Activations,
    pub(super) weights: &'a Packed<T>,
    pub(super) view: &'a mut View<'v, T>,
    /// The output of every step, `[rows, steps, units]`, if it is wanted.
    pub(super) y: Option<&'a mut [T]>,
    pub(super) kept: bool,
    /// Whether `b + x W` is there already, where the gates go.
    pub(super) hoisted: bool,
    pub(super) steps: Range<usize>,
}

impl<T: Float> Kernel for Forward<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let dims = self.view.dims;
        let lanes = V::<S, T>::LANES;
        let vectors = dims.units.div_ceil(lanes);
        let dropout = self.view.extent.dropout.is_some();
        let alone = |group: &Group| group.rows == 1 && !dropout;
        // To fill it takes as long as a small step of one row, which has no use for it.
        let mut z = if dims.batch > 1 || dropout { Some(Aligned([T::ZERO; Z])) } else { None };
        // With dropout, vectors of units go side by side through their products.
        let mut second = if dropout { Some(Aligned([T::ZERO; Z])) } else { None };
        let abreast = if dropout { dropout::VECTORS } else { 1 };
        for t in self.steps.clone() {
            if dropout {
                for group in dims.groups() {
                    dropout::drop(self.view, t, group);
                }
            }
            for group in dims.groups().filter(alone) {
                if self.view.live(group, t) == 1 {
                    self.row(t, lanes, group).run(simd);
                }
            }
            if let Some(Aligned(z)) = &mut z {
                for first in (0..vectors).step_by(abreast) {
                    for group in dims.groups().filter(|group| !alone(group)) {
                        let live = self.view.live(group, t);
                        if live == 0 {
                            continue;
                        }
                        let mut second = match &mut second {
                            Some(Aligned(z)) if first + 1 < vectors => Some(z),
                            _ => None,
                        };
                        let step = self.step(t, first * lanes, group, live);
                        step.products(simd, first, (&mut *z, second.as_deref_mut()));
                        for (vector, z) in (first..).zip([Some(&mut *z), second]) {
                            let Some(z) = z else { break };
                            self.step(t, vector * lanes, group, live).cells(simd, vector, z);
                        }
                    }
                }
            }
            self.finish(t);
        }
    }
}

impl<T: Float> Forward<'_, '_, T> {
    /// What is left to do once all cells of a step have their states.
    #[inline(always)]
    fn finish(&mut self, t: usize) {
        let dims = self.view.dims;
        if self.view.extent.lengths.is_some() {
            dims.groups().for_each(|group| self.hold(t, group));
        }
        let (_, after) = dims.around(t);
        if let Some(y) = &mut self.y {
            for group in dims.groups() {
                let h = self.view.h.slot(group.piece(), after);
                write_rows(h, dims.width, (y, dims.total, dims.units), group, dims.start + t);
            }
        }
    }

    /// Step `t` of a group of one row.
    #[inline(always)]
    fn row(&mut self, t: usize, lanes: usize, group: Group) -> one_row::Forward<'_, T> {
        let vectors = self.view.dims.units.div_ceil(lanes);
        let step = self.step(t, 0, group, 1);
        one_row::Forward { step, lanes, first: 0, vectors, reversed: t % 2 == 1 }
    }

    /// Rows of a group that have no step `t` keep their states while others of it go on, of this thread or
    /// another one.
    fn hold(&mut self, t: usize, group: Group) {
        let live = self.view.live(group, t);
        let View { dims, h, c, .. } = self.view;
        if live == 0 && !dims.cut {
            return;
        }
        let (before, after) = dims.around(t);
        for states in [h, c] {
            let (before, after) = states.read_and_write(group.piece(), before, after);
            after[live * dims.width..].copy_from_slice(&before[live * dims.width..]);
        }
    }

    /// Step `t` of the units from `at` on, for the first `live` rows of a group.
    #[inline(always)]
    fn step(&mut self, t: usize, at: usize, group: Group, live: usize) -> Step<'_, T> {
        let View { dims, by_gate: [h_in, x_in], x, h, c, a, gates, .. } = self.view;
        let Dims { inputs, units, width, gates: kept_gates, .. } = *dims;
        let piece = group.piece();
        let (before, after) = dims.around(t);
        let (h_prev, h) = h.read_and_write(piece, before, after);
        let (c_prev, c) = c.read_and_write(piece, before, after);
        Step {
            activations: self.activations,
            weights: self.weights,
            rows: live,
            units,
            width,
            dropped: match (h_in.is_empty(), x_in.is_empty()) {
                (true, _) => Dropped::Nothing,
                (_, true) => Dropped::States(&h_in[group.lines(4 * units)]),
                _ => Dropped::All(&h_in[group.lines(4 * units)], &x_in[group.lines(4 * inputs)]),
            },
            x: match self.hoisted {
                true => None,
                false => Some(&x.slot(piece, t)[..live * inputs]),
            },
            h_prev,
            c_prev: &c_prev[at..],
            h: &mut h[at..],
            c: &mut c[at..],
            gates: match kept_gates {
                0 => &mut [],
                slots => &mut gates.slot_mut(piece, t % slots)[place::<T>(at)..],
            },
            a: self.kept.then(|| &mut a.slot_mut(piece, t)[at..]),
        }
    }
}

/// Elements of `z` of a vector of units on its way from the tiles to the cells of a group:
/// `[row][4][lanes]`.
const Z: usize = GROUP * 4 * MAX_LANES;

/// A step of neighbouring vectors of units, for some rows.
pub(super) struct Step<'a, T> {
    pub(super) activations: Activations,
    pub(super) weights: &'a Packed<T>,
    pub(super) rows: usize,
    pub(super) units: usize,
    /// From a row to the next, in the states.
    pub(super) width: usize,
    pub(super) dropped: Dropped<'a, T>,
    /// `[rows][inputs]`, unless `b + x W` is there already, where the gates go.
    pub(super) x: Option<&'a [T]>,
    /// Of all units.
    pub(super) h_prev: &'a [T],
    // Of these vectors alone.
    pub(super) c_prev: &'a [T],
    pub(super) h: &'a mut [T],
    pub(super) c: &'a mut [T],
    pub(super) gates: &'a mut [T],
    /// Backward will need it, and the gates.
    pub(super) a: Option<&'a mut [T]>,
}

impl<'a, T: Float> Step<'a, T> {
    /// `z = b + x W + h₋ U` of the first vector, which is this one of the layer, or with dropout of two.
    #[inline(always)]
    fn products<S: Simd>(
        &self,
        simd: S,
        first: usize,
        (z, second): (&mut [T; Z], Option<&mut [T; Z]>),
    ) {
        let Step { rows, units, width, h_prev, weights, dropped, .. } = *self;
        let lanes = V::<S, T>::LANES;
        let between = between::<T>(lanes, width, first * lanes);
        let panels = |weights: &'a [T], depth: usize| &weights[first * depth * 4 * lanes..];
        let start = match self.x {
            Some(x) => {
                let inputs = x.len() / rows;
                let kernel = panels(&weights.kernel, inputs);
                let bias = &weights.bias[place::<T>(first * lanes)..];
                Start::Input { x, kernel, bias, inputs }
            }
            None => Start::Hoisted(&*self.gates),
        };
        let recurrent = panels(&weights.recurrent, units);
        let operands = &Operands { start, between, h_prev, recurrent, units, width, dropped };
        if !matches!(dropped, Dropped::Nothing) {
            return dropout::products(simd, operands, rows, (z, second));
        }
        for (first, height) in tiles(rows, FORWARD) {
            let z = &mut z[first * 4 * lanes..];
            match height {
                1 => tile(simd, Sums::<T, 1> { operands, first, z }),
                2 => tile(simd, Sums::<T, 2> { operands, first, z }),
                3 => tile(simd, Sums::<T, 3> { operands, first, z }),
                4 => tile(simd, Sums::<T, 4> { operands, first, z }),
                5 => tile(simd, Sums::<T, 5> { operands, first, z }),
                _ => tile(simd, Sums::<T, 6> { operands, first, z }),
            }
        }
    }

    /// The cells of the first vector, which is this one of the layer, from its `z`.
    #[inline(always)]
    fn cells<S: Simd>(self, simd: S, vector: usize, z: &mut [T; Z]) {
        let Step { rows, width, .. } = self;
        let lanes = V::<S, T>::LANES;
        let between = between::<T>(lanes, width, vector * lanes);
        self.activations.forward(
            simd,
            &mut z[..rows * 4 * lanes],
            cell::Forward {
                run: Run { count: rows, stride: width, gate_stride: 4 * width, between },
                c_prev: self.c_prev,
                c: self.c,
                h: self.h,
                kept: self.a.map(|a| (self.gates, a)),
            },
        );
    }
}

/// The tile height for the registers of `S`.
#[inline(always)]
const fn tallest<S: Simd>(many: usize, few: usize) -> usize {
    if S::REGISTERS >= 32 { many } else { few }
}

/// What a forward tile starts from.
#[derive(Clone, Copy)]
enum Start<'a, T> {
    /// `b + x W`, yet to be computed.
    Input { x: &'a [T], kernel: &'a [T], bias: &'a [T], inputs: usize },
    /// The same, computed ahead, `[rows][4 width]`.
    Hoisted(&'a [T]),
}

/// Runs a tile in place. With debug assertions it is a function of its own: without optimization the
/// tiles of one function would take more stack than a thread has.
#[inline(always)]
fn tile<S: Simd>(simd: S, tile: impl Kernel<Output = ()>) {
    #[cfg(debug_assertions)]
    simd.run(tile);
    #[cfg(not(debug_assertions))]
    tile.run(simd);
}

/// The operands of forward tiles of some rows.
struct Operands<'a, T> {
    start: Start<'a, T>,
    /// From a gate to the next, in what it starts from.
    between: usize,
    h_prev: &'a [T],
    /// Of the first vector, and those that follow.
    recurrent: &'a [T],
    units: usize,
    width: usize,
    dropped: Dropped<'a, T>,
}

/// `z = b + x W + h₋ U` for `R` rows, from `first` on, and one vector of units: `[R][4][lanes]`.
struct Sums<'a, T, const R: usize> {
    operands: &'a Operands<'a, T>,
    first: usize,
    z: &'a mut [T],
}

impl<T: Float, const R: usize> Kernel for Sums<'_, T, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match S::REGISTERS {
            32.. => self.gates::<S, 4>(simd),
            _ => self.gates::<S, 2>(simd),
        }
    }
}

impl<T: Float, const R: usize> Sums<'_, T, R> {
    /// `G` gates at a time.
    #[inline(always)]
    fn gates<S: Simd, const G: usize>(self, simd: S) {
        let Sums { operands, first, z: sums } = self;
        let Operands { start, between, h_prev, recurrent, units, width, .. } = *operands;
        let lanes = V::<S, T>::LANES;
        for gate in (0..4).step_by(G) {
            let tile = match start {
                Start::Input { x, kernel, bias, inputs } => {
                    let x = lines::<T, R>(&x[first * inputs..], inputs, inputs);
                    let kernel = (&kernel[gate * lanes..inputs * 4 * lanes], 4 * lanes);
                    let biases = gates::load::<S, T, G>(simd, &bias[gate * between..], between);
                    accumulate_rows::<S, T, R, G>(simd, [biases; R], x, kernel)
                }
                Start::Hoisted(z) => {
                    let mut tile = [[V::<S, T>::splat(simd, T::ZERO); G]; R];
                    let z = lines::<T, R>(&z[first * 4 * width..], 4 * width, 3 * between + lanes);
                    for (row, z) in tile.iter_mut().zip(z) {
                        *row = gates::load(simd, &z[gate * between..], between);
                    }
                    tile
                }
            };
            let h = lines::<T, R>(&h_prev[first * width..], width, units);
            let recurrent = (&recurrent[gate * lanes..units * 4 * lanes], 4 * lanes);
            let tile = accumulate_rows::<S, T, R, G>(simd, tile, h, recurrent);
            for (row, z) in tile.iter().zip(sums.chunks_exact_mut(4 * lanes)) {
                for (gate, z) in row.iter().zip(z[gate * lanes..].chunks_exact_mut(lanes)) {
                    gate.store(z);
                }
            }
        }
    }
}

/// Backward over all steps for the rows of `view`: gates become `dz`, `dh` and `dc` become the
/// gradients of the initial state.
pub(super) struct Backward<'a, T> {
    pub(super) activations: Activations,
    pub(super) weights: &'a Packed<T>,
    pub(super) view: View<'a, T>,
    pub(super) dy: Gradient<'a, T>,
    /// Whether the gradient of the initial `h` is wanted.
    pub(super) initial: bool,
}

impl<T: Float> Kernel for Backward<'_, T> {
    type Output = ();

    /// On entry `dh` and `dc` hold the gradients of the final state.
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let dims = self.view.dims;
        let blocks = dims.units.div_ceil(NV * V::<S, T>::LANES);
        let dropout = self.view.extent.dropout.is_some();
        let alone = |group: &Group| group.rows == 1 && !dropout;
        for t in (0..dims.steps).rev() {
            if self.view.extent.lengths.is_some() {
                dims.groups().for_each(|group| self.clear(t, group));
            }
            for group in dims.groups().filter(alone) {
                if t < self.view.steps(group) {
                    self.row(t, V::<S, T>::LANES, group).run(simd);
                }
            }
            for block in 0..blocks {
                for group in dims.groups().filter(|group| !alone(group)) {
                    if t + 1 < self.view.steps(group) {
                        self.product(simd, t + 1, block, group);
                    }
                    if t < self.view.steps(group) {
                        self.cells(simd, t, block, group);
                    }
                }
            }
        }
        if self.initial {
            for group in dims.groups() {
                match group.rows {
                    _ if self.view.steps(group) == 0 => {}
                    1 if !dropout => self.before_row(V::<S, T>::LANES, group).run(simd),
                    _ => {
                        // No closure: it would not have the instructions of this function.
                        for block in 0..blocks {
                            self.product(simd, 0, block, group);
                        }
                    }
                }
            }
        }
    }
}

impl<T: Float> Backward<'_, T> {
    /// Sums over all steps of a group run over rows that have no step `t`, too: their `dz` is zero.
    fn clear(&mut self, t: usize, group: Group) {
        let live = self.view.live(group, t);
        let Dims { width, cut, .. } = self.view.dims;
        if live < group.rows && (live > 0 || cut) {
            self.view.gates.slot_mut(group.piece(), t)[live * 4 * width..].fill(T::ZERO);
        }
    }

    /// `dh = dz Uᵀ` with `dz` of step `t`, for a block of unit vectors and the rows of a group.
    #[inline(always)]
    fn product<S: Simd>(&mut self, simd: S, t: usize, block: usize, group: Group) {
        let Dims { units, width, .. } = self.view.dims;
        let at = block * NV * V::<S, T>::LANES;
        let live = self.view.live(group, t);
        let dz = self.view.gates.slot(group.piece(), t);
        let dh = &mut self.view.dh[group.lines(width)][at..];
        match self.view.extent.dropout {
            None => product(simd, self.weights, block, (live, units, width), dz, dh),
            Some(Factors { recurrent, .. }) => {
                let factors = &recurrent[group.lines(4 * units)];
                let dropped = dropout::Product { factors, live, width, units, at };
                dropped.run(simd, (self.weights, block), dz, dh);
            }
        }
    }

    /// Step `t` of a group of one row.
    #[inline(always)]
    fn row(&mut self, t: usize, lanes: usize, group: Group) -> one_row::Backward<'_, T> {
        let past = self.view.steps(group);
        let View { dims, c, a, gates, dh, dc, .. } = &mut self.view;
        let Dims { start, total, units, width, .. } = *dims;
        let piece = group.piece();
        let (after, now) = match t + 1 < past {
            true => {
                let (after, now) = gates.read_and_write(piece, t + 1, t);
                (Some(after), now)
            }
            false => (None, gates.slot_mut(piece, t)),
        };
        one_row::Backward {
            activations: self.activations,
            weights: self.weights,
            units,
            width,
            dy: self.dy.at(group.first, start + t, units, total),
            after,
            now: Some(one_row::Now {
                gates: now,
                c_prev: c.slot(piece, t),
                a: a.slot(piece, t),
                dc: &mut dc[group.lines(width)],
            }),
            dh: &mut dh[group.lines(width)],
            lanes,
            first: 0,
            blocks: units.div_ceil(NV * lanes),
            reversed: t % 2 == 1,
        }
    }

    /// What comes before the first step of a group of one row: the gradient of the initial state.
    #[inline(always)]
    fn before_row(&mut self, lanes: usize, group: Group) -> one_row::Backward<'_, T> {
        let Dims { units, width, .. } = self.view.dims;
        one_row::Backward {
            activations: self.activations,
            weights: self.weights,
            units,
            width,
            dy: None,
            after: Some(self.view.gates.slot(group.piece(), 0)),
            now: None,
            dh: &mut self.view.dh[group.lines(width)],
            lanes,
            first: 0,
            blocks: units.div_ceil(NV * lanes),
            reversed: true,
        }
    }

    /// `dh += dy`, then the cells of step `t`.
    #[inline(always)]
    fn cells<S: Simd>(&mut self, simd: S, t: usize, block: usize, group: Group) {
        let live = self.view.live(group, t);
        let View { dims, c, a, gates, dh, dc, .. } = &mut self.view;
        let Dims { start, total, units, width, .. } = *dims;
        let piece = group.piece();
        let lanes = V::<S, T>::LANES;
        let from = block * NV * lanes;
        let (gates, c_prev, a) = (gates.slot_mut(piece, t), c.slot(piece, t), a.slot(piece, t));
        let (dh, dc) = (&mut dh[group.lines(width)], &mut dc[group.lines(width)]);
        for at in (from..units.min(from + NV * lanes)).step_by(lanes) {
            let cells = Cells {
                activations: self.activations,
                rows: live,
                at,
                units,
                width,
                gates: &mut gates[place::<T>(at)..],
                c_prev: &c_prev[at..],
                a: &a[at..],
                dh: &mut dh[at..],
                dc: &mut dc[at..],
            };
            let dy = |row| self.dy.at(group.first + row, start + t, units, total);
            cells.run(simd, |row| Some(&dy(row)?[at..]));
        }
    }
}

/// `dh = dz Uᵀ` for a block of unit vectors, `dh` being theirs.
#[inline(always)]
fn product<S: Simd, T: Float>(
    simd: S,
    weights: &Packed<T>,
    block: usize,
    (rows, units, width): (usize, usize, usize),
    dz: &[T],
    dh: &mut [T],
) {
    let lanes = V::<S, T>::LANES;
    let panel = 4 * width * NV * lanes;
    let panel = &weights.recurrent_t[block * panel..][..panel];
    let pair = (block * NV + 1) * lanes < units;
    for (first, height) in tiles(rows, tallest::<S>(BACKWARD_32, BACKWARD_16)) {
        let dh = &mut dh[first * width..];
        let dz = &dz[first * 4 * width..];
        match height {
            1 => tile(simd, StateGradients::<T, 1> { dz, panel, width, pair, dh }),
            2 => tile(simd, StateGradients::<T, 2> { dz, panel, width, pair, dh }),
            3 => tile(simd, StateGradients::<T, 3> { dz, panel, width, pair, dh }),
            4 => tile(simd, StateGradients::<T, 4> { dz, panel, width, pair, dh }),
            5 => tile(simd, StateGradients::<T, 5> { dz, panel, width, pair, dh }),
            6 => tile(simd, StateGradients::<T, 6> { dz, panel, width, pair, dh }),
            7 => tile(simd, StateGradients::<T, 7> { dz, panel, width, pair, dh }),
            _ => tile(simd, StateGradients::<T, 8> { dz, panel, width, pair, dh }),
        }
    }
}

/// A backward step of one vector of units, for some rows; slices start with it.
struct Cells<'a, T> {
    activations: Activations,
    rows: usize,
    /// The first of its units in the layer.
    at: usize,
    /// All units of the layer.
    units: usize,
    width: usize,
    gates: &'a mut [T],
    c_prev: &'a [T],
    a: &'a [T],
    dh: &'a mut [T],
    dc: &'a mut [T],
}

impl<'y, T: Float> Cells<'_, T> {
    /// `dh += dy`, then the cells.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S, dy: impl Fn(usize) -> Option<&'y [T]>) {
        let Cells { activations, rows, at, units, width, gates, c_prev, a, dh, dc } = self;
        for row in 0..rows {
            if let Some(dy) = dy(row) {
                let dh = &mut dh[row * width..];
                (V::<S, T>::load(simd, dh) + V::<S, T>::load(simd, dy)).store(dh);
            }
        }
        let lanes = V::<S, T>::LANES;
        let between = between::<T>(lanes, width, at);
        let run = Run { count: rows, stride: width, gate_stride: 4 * width, between };
        activations.backward(simd, cell::Backward { run, gates: &mut *gates, c_prev, a, dh, dc });
        if !activations.are_bounded() && units - at < lanes {
            // Padding has overflowed, maybe, and its `dz` is added up with the weight zero.
            for row in gates.chunks_mut(4 * width).take(rows) {
                for gate in 0..4 {
                    row[gate * between..][units - at..lanes].fill(T::ZERO);
                }
            }
        }
    }
}

/// The first `width` elements of `R` rows that are `stride` apart. (`array::from_fn` is a call in a
/// function with target features.)
#[inline(always)]
fn lines<T, const R: usize>(rows: &[T], stride: usize, width: usize) -> [&[T]; R] {
    let mut lines = [&[][..]; R];
    for (r, line) in lines.iter_mut().enumerate() {
        *line = &rows[r * stride..][..width];
    }
    lines
}

/// `dh = dz Uᵀ` for `R` rows and a pair of unit vectors; `dz` and `dh` start with the first of them.
struct StateGradients<'a, T, const R: usize> {
    dz: &'a [T],
    panel: &'a [T],
    width: usize,
    /// Whether there are two vectors; the last block may have one only.
    pair: bool,
    dh: &'a mut [T],
}

impl<T: Float, const R: usize> Kernel for StateGradients<'_, T, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if R > tallest::<S>(BACKWARD_32, BACKWARD_16) {
            return; // no tile of this instruction set: the compiler drops it
        }
        let StateGradients { dz, panel, width, pair, dh } = self;
        let lanes = V::<S, T>::LANES;
        let depth = 4 * width;
        let dz = lines::<T, R>(dz, depth, depth);
        let zero = [[V::<S, T>::splat(simd, T::ZERO); NV]; R];
        let sums = accumulate_rows::<S, T, R, NV>(simd, zero, dz, (panel, NV * lanes));
        for (r, row) in sums.iter().enumerate() {
            let dh = &mut dh[r * width..];
            row[0].store(dh);
            if pair {
                row[1].store(&mut dh[lanes..]);
            }
        }
    }
}

/// Copies the input of the rows of `view`, of some of its steps, to where forward reads it.
pub(super) fn read_input<T: Float>(
    view: &mut View<T>,
    x: &[T],
    reversed: bool,
    steps: Range<usize>,
) {
    let Dims { start, total, inputs, .. } = view.dims;
    for group in view.dims.groups() {
        for t in steps.clone() {
            let from = if reversed { total - 1 - (start + t) } else { start + t };
            let out = view.x.slot_mut(group.piece(), t);
            read_rows((x, total, inputs), group, from, out, inputs);
        }
    }
}
