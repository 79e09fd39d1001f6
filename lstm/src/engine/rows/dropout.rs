//! Dropout on the way into the gates, where each gate sees `h₋` and `x` in its own way.
//!
//! `m` and `d` are the factors of a row, the same in every step; `∘` multiplies element by element.
//!
//! | forward                              | backward                                         |
//! |--------------------------------------|--------------------------------------------------|
//! | `z = b + (x ∘ d) W + (h₋ ∘ m) U`, gate by gate | `dh = Σ m ∘ (dz Uᵀ)`, `dx = Σ d ∘ (dz Wᵀ)`, over the gates |
//! |                                      | `dU += (h₋ ∘ m)ᵀ dz`, `dW += (x ∘ d)ᵀ dz`, gate by gate |
//!
//! A tile is the one without dropout, but for its left operand: a number for each of the four gates in
//! place of one for all of them.

use std::ops::Range;

use kernels::gemm::accumulate_rows;
use kernels::simd::{Float, Kernel, Simd, V, Vector};
use kernels::{Buffer, Gemm, Isa, MatMut, MatRef, Scratch};

use super::pack::Packed;
use super::{Start, lines, tallest, tiles};
use crate::engine::call::Factors;
use crate::engine::gates::{self, line};
use crate::engine::sequence::write_rows;
use crate::engine::workspace::{Dims, Group, View};
use crate::engine::{Gradients, Weights};

/// Rows of a forward tile where there are 32 registers: 16 accumulators, and each of the left operand's
/// numbers is read once.
const FORWARD_32: usize = 4;
/// The same where there are 16: 12 accumulators.
const FORWARD_16: usize = 3;

/// What dropout leaves of the operands of a step, `[rows][4][units]` and `[rows][4][inputs]`.
#[derive(Clone, Copy)]
pub(in crate::engine) enum Dropped<'a, T> {
    Nothing,
    States(&'a [T]),
    All(&'a [T], &'a [T]),
}

/// `h₋ ∘ m` and `x ∘ d` of step `t`, for the rows of a group.
#[inline(always)]
pub(super) fn drop<T: Float>(view: &mut View<T>, t: usize, group: Group) {
    let Some(Factors { recurrent, input }) = view.extent.dropout else { return };
    let Dims { steps, inputs, units, width, slots, .. } = view.dims;
    let (before, _) = view.dims.around(t);
    let [h_in, x_in] = &mut view.dropped;
    let own = group.slot(1, 0, 4 * units);
    let h = &view.h[group.slot(slots, before, width)];
    multiply((h, width), &recurrent[own.clone()], units, &mut h_in[own]);
    if let Some(input) = input {
        let own = group.slot(1, 0, 4 * inputs);
        let x = &view.x[group.slot(steps, t, inputs)];
        multiply((x, inputs), &input[own.clone()], inputs, &mut x_in[own]);
    }
}

/// Rows that are `stride` apart times each of their four factors: `[rows][4][width]`.
#[inline(always)]
fn multiply<T: Float>((rows, stride): (&[T], usize), factors: &[T], width: usize, out: &mut [T]) {
    let out = out.chunks_exact_mut(4 * width).zip(factors.chunks_exact(4 * width));
    for (row, (out, factors)) in rows.chunks_exact(stride).zip(out) {
        for (out, factors) in out.chunks_exact_mut(width).zip(factors.chunks_exact(width)) {
            for ((out, &x), &factor) in out.iter_mut().zip(row).zip(factors) {
                *out = x * factor;
            }
        }
    }
}

/// The operands of the forward tiles of a group, for one vector of units.
#[derive(Clone, Copy)]
pub(super) struct Tiles<'a, T> {
    pub(super) start: Start<'a, T>,
    /// From a gate to the next, in what a tile starts from.
    pub(super) between: usize,
    pub(super) dropped: Dropped<'a, T>,
    pub(super) recurrent: &'a [T],
    pub(super) rows: usize,
    pub(super) units: usize,
}

impl<T: Float> Tiles<'_, T> {
    /// `z`, `[rows][4][lanes]`.
    #[inline(always)]
    pub(super) fn store<S: Simd>(&self, simd: S, z: &mut [T]) {
        for (first, height) in tiles(self.rows, tallest::<S>(FORWARD_32, FORWARD_16)) {
            let z = &mut z[first * 4 * V::<S, T>::LANES..];
            match height {
                1 => simd.run(Sums::<T, 1> { tiles: *self, first, z }),
                2 => simd.run(Sums::<T, 2> { tiles: *self, first, z }),
                3 => simd.run(Sums::<T, 3> { tiles: *self, first, z }),
                _ => simd.run(Sums::<T, 4> { tiles: *self, first, z }),
            }
        }
    }
}

/// `z` of `R` rows.
struct Sums<'a, T, const R: usize> {
    tiles: Tiles<'a, T>,
    first: usize,
    z: &'a mut [T],
}

impl<T: Float, const R: usize> Kernel for Sums<'_, T, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Sums { tiles: Tiles { start, between, dropped, recurrent, units, .. }, first, z } =
            self;
        if R > tallest::<S>(FORWARD_32, FORWARD_16) {
            return; // no tile of this instruction set: the compiler drops it
        }
        let lanes = V::<S, T>::LANES;
        let (h_in, x_in) = match dropped {
            Dropped::All(h_in, x_in) => (h_in, Some(x_in)),
            Dropped::States(h_in) => (h_in, None),
            Dropped::Nothing => return,
        };
        let Start::Input { x, kernel, bias, inputs } = start else { return };
        let biases = gates::load::<S, T>(simd, bias, between);
        let tile = match x_in {
            None => {
                let x = lines::<T, R>(&x[first * inputs..], inputs, inputs);
                accumulate_rows::<S, T, R, 4>(simd, [biases; R], x, kernel)
            }
            Some(x_in) => {
                let x = lines::<T, R>(&x_in[first * 4 * inputs..], 4 * inputs, 4 * inputs);
                accumulate_gates::<S, T, R>(simd, [biases; R], x, kernel)
            }
        };
        let h = lines::<T, R>(&h_in[first * 4 * units..], 4 * units, 4 * units);
        let tile = accumulate_gates::<S, T, R>(simd, tile, h, recurrent);
        for (row, z) in tile.iter().zip(z.chunks_exact_mut(4 * lanes)) {
            for (gate, z) in row.iter().zip(z.chunks_exact_mut(lanes)) {
                gate.store(z);
            }
        }
    }
}

/// `tile += a B`, with a row of `a`, `[4][k]`, for each of the four gates.
#[inline(always)]
fn accumulate_gates<S: Simd, T: Float, const R: usize>(
    simd: S,
    mut tile: [[V<S, T>; 4]; R],
    a: [&[T]; R],
    panel: &[T],
) -> [[V<S, T>; 4]; R] {
    let lanes = V::<S, T>::LANES;
    let depth = panel.len() / (4 * lanes);
    let mut gates = [[&[][..]; 4]; R];
    for (gates, a) in gates.iter_mut().zip(a) {
        for (gate, of_gate) in gates.iter_mut().enumerate() {
            *of_gate = &a[gate * depth..][..depth];
        }
    }
    for k in 0..depth {
        let panel = &panel[k * 4 * lanes..][..4 * lanes];
        let mut b = [V::<S, T>::splat(simd, T::ZERO); 4];
        for (b, panel) in b.iter_mut().zip(panel.chunks_exact(lanes)) {
            *b = V::<S, T>::load(simd, panel);
        }
        for (row, gates) in tile.iter_mut().zip(&gates) {
            for ((sum, gate), b) in row.iter_mut().zip(gates).zip(b) {
                *sum = V::<S, T>::splat(simd, gate[k]).mul_add(b, *sum);
            }
        }
    }
    tile
}

/// `dh = Σ m ∘ (dz Uᵀ)` for a block of unit vectors and the first `live` rows of a group.
#[derive(Clone, Copy)]
pub(super) struct Product<'a, T> {
    /// `m`, `[rows][4][units]`
    pub(super) factors: &'a [T],
    pub(super) live: usize,
    pub(super) width: usize,
    pub(super) units: usize,
    /// The first unit of the block.
    pub(super) at: usize,
}

impl<T: Float> Product<'_, T> {
    #[inline(always)]
    pub(super) fn run<S: Simd>(
        &self,
        simd: S,
        (weights, block): (&Packed<T>, usize),
        dz: &[T],
        dh: &mut [T],
    ) {
        const NV: usize = super::NV;
        let lanes = V::<S, T>::LANES;
        let panel = 4 * self.width * NV * lanes;
        let panel = &weights.recurrent_t[block * panel..][..panel];
        for (first, height) in tiles(self.live, tallest::<S>(FORWARD_32, FORWARD_32)) {
            match height {
                1 => simd.run(StateGradients::<T, 1> { product: *self, first, panel, dz, dh }),
                2 => simd.run(StateGradients::<T, 2> { product: *self, first, panel, dz, dh }),
                3 => simd.run(StateGradients::<T, 3> { product: *self, first, panel, dz, dh }),
                _ => simd.run(StateGradients::<T, 4> { product: *self, first, panel, dz, dh }),
            }
        }
    }
}

/// `dh` of `R` rows.
struct StateGradients<'a, T, const R: usize> {
    product: Product<'a, T>,
    first: usize,
    panel: &'a [T],
    dz: &'a [T],
    dh: &'a mut [T],
}

impl<T: Float, const R: usize> Kernel for StateGradients<'_, T, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let StateGradients { product, first, panel, dz, dh } = self;
        let Product { factors, width, units, at, .. } = product;
        const NV: usize = super::NV;
        let lanes = V::<S, T>::LANES;
        let (depth, zero) = (4 * width, V::<S, T>::splat(simd, T::ZERO));
        let line = line::<T>();
        let mut total = [[zero; NV]; R];
        for gate in 0..4 {
            let mut tile = [[zero; NV]; R];
            for of_line in (0..depth).step_by(4 * line) {
                let line = line.min((depth - of_line) / 4);
                let from = of_line + gate * line;
                let dz = lines::<T, R>(&dz[first * depth + from..], depth, line);
                let panel = &panel[from * NV * lanes..][..line * NV * lanes];
                tile = accumulate_rows::<S, T, R, NV>(simd, tile, dz, panel);
            }
            for (r, (total, sums)) in total.iter_mut().zip(&tile).enumerate() {
                let factors = &factors[((first + r) * 4 + gate) * units..][..units];
                for (v, (total, sum)) in total.iter_mut().zip(sums).enumerate() {
                    let factors = factors.get(at + v * lanes..).unwrap_or(&[]);
                    *total = sum.mul_add(V::<S, T>::load(simd, factors), *total);
                }
            }
        }
        for (r, row) in total.iter().enumerate() {
            let dh = &mut dh[(first + r) * width..];
            for (v, sum) in row.iter().enumerate() {
                if at + v * lanes < width {
                    sum.store(&mut dh[v * lanes..]);
                }
            }
        }
    }
}

/// What the products over all steps need, with dropout.
#[derive(Clone, Debug, Default)]
pub(super) struct Products<T> {
    /// One gate's `dz`, `[steps rows, units]`.
    dz: Buffer<T>,
    /// What it meets, `[steps rows, units]` or `[steps rows, inputs]`.
    left: Buffer<T>,
    /// One gate's `dz Wᵀ`, `[steps rows, inputs]`.
    dx: Buffer<T>,
    /// Their sum.
    sum: Buffer<T>,
}

impl<T: Float> Products<T> {
    /// The bytes that are held.
    pub(super) fn held(&self) -> usize {
        [&self.dz, &self.left, &self.dx, &self.sum].map(|array| array.held(0)).iter().sum()
    }

    /// Makes room for groups with so many steps of rows in all.
    pub(super) fn reserve(&mut self, rows: usize, dims: Dims) {
        let Dims { inputs, units, .. } = dims;
        self.dz.refit(rows * units);
        self.left.refit(rows * units.max(inputs));
        self.dx.refit(rows * units.max(inputs)); // it changes places with the one before
        self.sum.refit(rows * inputs);
    }

    /// The gradients of the weights and of the input, gate by gate.
    pub(super) fn run(
        &mut self,
        (isa, scratch): (Isa, &mut Scratch<T>),
        weights: Weights<T>,
        (view, steps): (&View<T>, Range<usize>),
        grads: Gradients<T>,
        mut dx: Option<(&mut [T], bool)>,
    ) {
        let Dims { steps: kept, start, total, inputs, units, width, slots, .. } = view.dims;
        let Some(Factors { recurrent, input }) = view.extent.dropout else { return };
        let Gradients { kernel, recurrent_kernel, mut bias } = grads;
        for group in view.dims.groups() {
            let steps = steps.start..steps.end.min(view.steps(group));
            if steps.is_empty() {
                continue;
            }
            let rows = steps.len() * group.rows;
            let from = |slots, width| group.slot(slots, steps.start, width).start;
            let x = &view.x[from(kept, inputs)..][..rows * inputs];
            let h = &view.h[from(slots, width)..][..rows * width];
            let dz = &view.gates[from(kept, 4 * width)..][..rows * 4 * width];
            let m = &recurrent[group.slot(1, 0, 4 * units)];
            let d = input.map(|input| &input[group.slot(1, 0, 4 * inputs)]);
            self.dz.refit(rows * units);
            self.sum.refit(rows * inputs);
            self.sum.fill(T::ZERO);
            for gate in 0..4 {
                take_gate(gate, dz, (&mut self.dz, units, width));
                let dz = MatRef::new(&self.dz, rows, units);
                let columns = gate * units;

                self.left.refit(rows * units);
                times_factors((h, width), (m, gate, units), &mut self.left);
                let left = MatRef::new(&self.left, rows, units);
                let sum = &mut recurrent_kernel[columns..];
                let sum = MatMut::strided(sum, (units, units), (4 * units, 1));
                Gemm::new(left.t(), dz).isa(isa).beta(T::ONE).run(sum, scratch);

                let left = match d {
                    None => MatRef::new(x, rows, inputs),
                    Some(d) => {
                        self.left.refit(rows * inputs);
                        times_factors((x, inputs), (d, gate, inputs), &mut self.left);
                        MatRef::new(&self.left, rows, inputs)
                    }
                };
                let sum = MatMut::strided(&mut kernel[columns..], (inputs, units), (4 * units, 1));
                Gemm::new(left.t(), dz).isa(isa).beta(T::ONE).run(sum, scratch);

                if let Some(db) = &mut bias {
                    for dz in self.dz.chunks_exact(units) {
                        let db = &mut db[columns..][..units];
                        db.iter_mut().zip(dz).for_each(|(db, &dz)| *db += dz);
                    }
                }
                if dx.is_some() {
                    self.dx.refit(rows * inputs);
                    let of_gate = &weights.kernel[columns..];
                    let of_gate = MatRef::strided(of_gate, (inputs, units), (4 * units, 1));
                    let out = MatMut::new(&mut self.dx, rows, inputs);
                    Gemm::new(dz, of_gate.t()).isa(isa).run(out, scratch);
                    if let Some(d) = d {
                        self.left.refit(rows * inputs);
                        times_factors((&self.dx, inputs), (d, gate, inputs), &mut self.left);
                        std::mem::swap(&mut self.left, &mut self.dx);
                    }
                    self.sum.iter_mut().zip(&self.dx[..]).for_each(|(sum, &dx)| *sum += dx);
                }
            }
            if let Some((dx, reversed)) = &mut dx {
                for (t, rows) in steps.zip(self.sum.chunks_exact(group.rows * inputs)) {
                    let t = if *reversed { total - 1 - (start + t) } else { start + t };
                    write_rows(rows, inputs, (dx, total, inputs), group, t);
                }
            }
        }
    }
}

/// One gate of rows `[4 width]`.
fn take_gate<T: Float>(gate: usize, dz: &[T], (out, units, width): (&mut [T], usize, usize)) {
    let line = line::<T>();
    for (dz, out) in dz.chunks_exact(4 * width).zip(out.chunks_exact_mut(units)) {
        for (dz, out) in dz.chunks(4 * line).zip(out.chunks_mut(line)) {
            out.copy_from_slice(&dz[gate * (dz.len() / 4)..][..out.len()]);
        }
    }
}

/// Rows that are `stride` apart, step after step, times one gate's factors of each row of the group,
/// `[group rows][4][width]`.
fn times_factors<T: Float>(
    (rows, stride): (&[T], usize),
    (factors, gate, width): (&[T], usize, usize),
    out: &mut [T],
) {
    let factors = factors.chunks_exact(width).skip(gate).step_by(4).cycle();
    let out = out.chunks_exact_mut(width).zip(factors);
    for (row, (out, factors)) in rows.chunks_exact(stride).zip(out) {
        for ((out, &x), &factor) in out.iter_mut().zip(row).zip(factors) {
            *out = x * factor;
        }
    }
}
