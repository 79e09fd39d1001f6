//! Dropout on the way into the gates, where each gate sees `h₋` and `x` in its own way.
//!
//! `m` and `d` are the factors of a row, the same in every step; `∘` multiplies element by element.
//!
//! | forward                              | backward                                         |
//! |--------------------------------------|--------------------------------------------------|
//! | `z = b + (x ∘ d) W + (h₋ ∘ m) U`, gate by gate | `dh = Σ m ∘ (dz Uᵀ)`, `dx = Σ d ∘ (dz Wᵀ)`, over the gates |
//! |                                      | `dU += (h₋ ∘ m)ᵀ dz`, `dW += (x ∘ d)ᵀ dz`, gate by gate |
//!
//! So a tile has one gate of several vectors of units where the one without dropout has several gates of
//! one vector: a number of the left operand is for several products, as there.

use std::ops::Range;

use kernels::gemm::accumulate_rows;
use kernels::simd::{Float, Kernel, Simd, V, Vector};
use kernels::{Buffer, Gemm, Isa, MatMut, MatRef, Scratch};

use super::pack::Packed;
use super::{Operands, Start, Z, lines, tallest, tiles};
use crate::engine::call::Factors;
use crate::engine::gates::{line, place};
use crate::engine::sequence::write_rows;
use crate::engine::workspace::{Dims, Group, View};
use crate::engine::{Gradients, Weights};

/// Vectors of units of a forward tile, at most, which has the columns of one gate after the other.
pub(super) const VECTORS: usize = 2;
/// Rows of a forward tile where there are 32 registers: 16 accumulators.
const FORWARD_32: usize = 8;
/// The same where there are 16: 12 accumulators.
const FORWARD_16: usize = 6;
/// Rows of a backward tile where there are 32 registers: with two vectors a row 12 accumulators, and as many
/// sums over the gates.
const BACKWARD_32: usize = 6;
/// The same where there are 16: 8 accumulators; the sums wait in memory.
const BACKWARD_16: usize = 4;

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
    let Dims { inputs, units, width, .. } = view.dims;
    let (before, _) = view.dims.around(t);
    let [h_in, x_in] = &mut view.by_gate;
    let own = group.lines(4 * units);
    let h = view.h.slot(group.piece(), before);
    multiply((h, width), &recurrent[own.clone()], units, &mut h_in[own]);
    if let Some(input) = input {
        let own = group.lines(4 * inputs);
        let x = view.x.slot(group.piece(), t);
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

/// `z` of one vector of units or of two, `[rows][4][lanes]` each.
#[inline(always)]
pub(super) fn products<S: Simd, T: Float>(
    simd: S,
    operands: &Operands<T>,
    rows: usize,
    (z, second): (&mut [T; Z], Option<&mut [T; Z]>),
) {
    let z = &mut (z, second);
    for (first, height) in tiles(rows, tallest::<S>(FORWARD_32, FORWARD_16)) {
        match height {
            1 => sums::<S, T, 1>(simd, operands, first, z),
            2 => sums::<S, T, 2>(simd, operands, first, z),
            3 => sums::<S, T, 3>(simd, operands, first, z),
            4 => sums::<S, T, 4>(simd, operands, first, z),
            5 => sums::<S, T, 5>(simd, operands, first, z),
            6 => sums::<S, T, 6>(simd, operands, first, z),
            7 => sums::<S, T, 7>(simd, operands, first, z),
            _ => sums::<S, T, 8>(simd, operands, first, z),
        }
    }
}

/// The same of `R` rows.
#[inline(always)]
fn sums<S: Simd, T: Float, const R: usize>(
    simd: S,
    operands: &Operands<T>,
    first: usize,
    z: &mut (&mut [T; Z], Option<&mut [T; Z]>),
) {
    match z {
        (one, None) => simd.run(Sums::<T, R, 1> { operands, first, z: [one] }),
        (one, Some(two)) => simd.run(Sums::<T, R, 2> { operands, first, z: [one, two] }),
    }
}

/// `z` of `R` rows and `N` vectors of units.
struct Sums<'a, T, const R: usize, const N: usize> {
    operands: &'a Operands<'a, T>,
    first: usize,
    z: [&'a mut [T; Z]; N],
}

impl<T: Float, const R: usize, const N: usize> Kernel for Sums<'_, T, R, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if R > tallest::<S>(FORWARD_32, FORWARD_16) {
            return; // no tile of this instruction set: the compiler drops it
        }
        let Sums { operands, first, mut z } = self;
        let Operands { start, between, recurrent, units, dropped, .. } = *operands;
        let Start::Input { x, kernel, bias, inputs } = start else { return };
        let lanes = V::<S, T>::LANES;
        let (h_in, x_in) = match dropped {
            Dropped::All(h_in, x_in) => (h_in, Some(x_in)),
            Dropped::States(h_in) => (h_in, None),
            Dropped::Nothing => return,
        };
        for gate in 0..4 {
            let mut tile = [[V::<S, T>::splat(simd, T::ZERO); N]; R];
            for row in &mut tile {
                for (v, sum) in row.iter_mut().enumerate() {
                    let bias = &bias[place::<T>(v * lanes) + gate * between..][..lanes];
                    *sum = V::<S, T>::load(simd, bias);
                }
            }
            let x = match x_in {
                None => lines::<T, R>(&x[first * inputs..], inputs, inputs),
                Some(x_in) => {
                    let x = &x_in[(first * 4 + gate) * inputs..];
                    lines::<T, R>(x, 4 * inputs, inputs)
                }
            };
            tile = accumulate_gate(simd, tile, x, kernel, gate);
            let h = lines::<T, R>(&h_in[(first * 4 + gate) * units..], 4 * units, units);
            tile = accumulate_gate(simd, tile, h, recurrent, gate);
            for (r, row) in tile.iter().enumerate() {
                let at = ((first + r) * 4 + gate) * lanes;
                for (sum, z) in row.iter().zip(&mut z) {
                    sum.store(&mut z[at..at + lanes]);
                }
            }
        }
    }
}

/// `tile += a B`, with the columns of one gate of `N` neighbouring panels of B.
#[inline(always)]
fn accumulate_gate<S: Simd, T: Float, const R: usize, const N: usize>(
    simd: S,
    mut tile: [[V<S, T>; N]; R],
    a: [&[T]; R],
    panels: &[T],
    gate: usize,
) -> [[V<S, T>; N]; R] {
    let lanes = V::<S, T>::LANES;
    let (depth, width) = (a[0].len(), 4 * lanes);
    let mut rows = a;
    rows.iter_mut().for_each(|row| *row = &row[..depth]);
    let mut columns = [&[][..]; N];
    for (n, columns) in columns.iter_mut().enumerate() {
        *columns = &panels[n * depth * width..][..depth * width];
    }
    for k in 0..depth {
        let mut b = [V::<S, T>::splat(simd, T::ZERO); N];
        for (b, columns) in b.iter_mut().zip(columns) {
            *b = V::<S, T>::load(simd, &columns[k * width + gate * lanes..][..lanes]);
        }
        for (row, a) in tile.iter_mut().zip(rows) {
            let a = V::<S, T>::splat(simd, a[k]);
            for (sum, b) in row.iter_mut().zip(b) {
                *sum = a.mul_add(b, *sum);
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
        for (first, height) in tiles(self.live, tallest::<S>(BACKWARD_32, BACKWARD_16)) {
            match height {
                1 => simd.run(StateGradients::<T, 1> { product: *self, first, panel, dz, dh }),
                2 => simd.run(StateGradients::<T, 2> { product: *self, first, panel, dz, dh }),
                3 => simd.run(StateGradients::<T, 3> { product: *self, first, panel, dz, dh }),
                4 => simd.run(StateGradients::<T, 4> { product: *self, first, panel, dz, dh }),
                5 => simd.run(StateGradients::<T, 5> { product: *self, first, panel, dz, dh }),
                _ => simd.run(StateGradients::<T, 6> { product: *self, first, panel, dz, dh }),
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
        if R > tallest::<S>(BACKWARD_32, BACKWARD_16) {
            return; // no tile of this instruction set: the compiler drops it
        }
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
                tile = accumulate_rows::<S, T, R, NV>(simd, tile, dz, (panel, NV * lanes));
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

/// Steps of rows that the products over many steps take at a time, at most: what is copied for them is
/// still in the cache when it is read.
const PIECE: usize = 256;

/// What the products over many steps need, with dropout. Rows below are steps of rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Products<T> {
    /// One gate's `dz`, `[rows, units]`.
    dz: Buffer<T>,
    /// What it meets, `[rows, units]` or `[rows, inputs]`.
    left: Buffer<T>,
    /// One gate's `dz Wᵀ`, `[rows, inputs]`.
    dx: Buffer<T>,
    /// Their sum.
    sum: Buffer<T>,
}

impl<T: Float> Products<T> {
    /// The elements of each array, for chunks of so many rows in all, with dropout of `h` and of `x` or
    /// without.
    pub(super) fn lens(rows: usize, [inputs, units]: [usize; 2], dropped: [bool; 2]) -> [usize; 4] {
        let widths = match dropped {
            [false, _] => [0; 4],
            [true, false] => [units, units, 0, 0],
            [true, true] => [units, units.max(inputs), inputs, inputs],
        };
        widths.map(|width| rows.min(PIECE) * width)
    }

    /// The bytes that are held once there is room for arrays of these [lengths](Self::lens).
    pub(super) fn held(&self, lens: [usize; 4]) -> usize {
        let arrays = [&self.dz, &self.left, &self.dx, &self.sum];
        arrays.into_iter().zip(lens).map(|(array, len)| array.held(len)).sum()
    }

    /// Makes room for arrays of these [lengths](Self::lens), for `dx` if it is wanted.
    pub(super) fn reserve(&mut self, [dz, left, dx, sum]: [usize; 4], wanted: bool) {
        self.dz.refit(dz);
        self.left.refit(left);
        if wanted {
            self.dx.refit(dx);
            self.sum.refit(sum);
        }
    }

    /// `dU`, gate by gate, and with dropout of `x` also `dW` and `dx`.
    pub(super) fn run(
        &mut self,
        (isa, scratch): (Isa, &mut Scratch<T>),
        weights: Weights<T>,
        (view, steps): (&View<T>, Range<usize>),
        grads: &mut Gradients<T>,
        mut dx: Option<(&mut [T], bool)>,
    ) {
        let Dims { start, total, inputs, units, width, .. } = view.dims;
        let Some(Factors { recurrent, input }) = view.extent.dropout else { return };
        let Gradients { kernel, recurrent_kernel, .. } = grads;
        for group in view.dims.groups() {
            let m = &recurrent[group.lines(4 * units)];
            let d = input.map(|input| &input[group.lines(4 * inputs)]);
            let [x, h, dz] = [&view.x, &view.h, &view.gates].map(|array| array.group(group.index));
            let end = steps.end.min(view.steps(group));
            let piece = (PIECE / group.rows).max(1);
            for first in (steps.start..end).step_by(piece) {
                let steps = first..end.min(first + piece);
                let rows = steps.len() * group.rows;
                let from = first * group.rows;
                let x = &x[from * inputs..][..rows * inputs];
                let h = &h[from * width..][..rows * width];
                let dz = &dz[from * 4 * width..][..rows * 4 * width];
                self.dz.refit(rows * units);
                if d.is_some() && dx.is_some() {
                    self.dx.refit(rows * inputs);
                    self.sum.refit(rows * inputs);
                    self.sum.fill(T::ZERO);
                }
                for gate in 0..4 {
                    isa.run(TakeGate { gate, dz, width, out: &mut self.dz, units });
                    let dz = MatRef::new(&self.dz, rows, units);
                    let columns = gate * units;

                    let (left, grad) = (&mut self.left, &mut recurrent_kernel[columns..]);
                    let numbers = ((h, width), (m, gate, units));
                    add_product((isa, scratch), numbers, left, dz, grad);

                    let Some(d) = d else { continue };
                    let (rows_of_x, factors) = ((x, inputs), (d, gate, inputs));
                    let grad = &mut kernel[columns..];
                    add_product((isa, scratch), (rows_of_x, factors), left, dz, grad);

                    if dx.is_some() {
                        let of_gate = &weights.kernel[columns..];
                        let of_gate = MatRef::strided(of_gate, (inputs, units), (4 * units, 1));
                        let out = MatMut::new(&mut self.dx, rows, inputs);
                        Gemm::new(dz, of_gate.t()).isa(isa).run(out, scratch);
                        isa.run(TimesFactors { rows: (&self.dx, inputs), factors, out: left });
                        self.sum.iter_mut().zip(&self.left[..]).for_each(|(sum, &dx)| *sum += dx);
                    }
                }
                if let (Some(_), Some((dx, reversed))) = (d, &mut dx) {
                    for (t, rows) in steps.zip(self.sum.chunks_exact(group.rows * inputs)) {
                        let t = if *reversed { total - 1 - (start + t) } else { start + t };
                        write_rows(rows, inputs, (dx, total, inputs), group, t);
                    }
                }
            }
        }
    }
}

/// One gate of rows `[4 width]`: `[rows, units]`.
struct TakeGate<'a, T> {
    gate: usize,
    dz: &'a [T],
    width: usize,
    out: &'a mut [T],
    units: usize,
}

impl<T: Float> Kernel for TakeGate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let TakeGate { gate, dz, width, out, units } = self;
        let (line, lanes) = (line::<T>(), V::<S, T>::LANES);
        for (dz, out) in dz.chunks_exact(4 * width).zip(out.chunks_exact_mut(units)) {
            for (dz, out) in dz.chunks(4 * line).zip(out.chunks_mut(line)) {
                let dz = &dz[gate * (dz.len() / 4)..];
                for (dz, out) in dz.chunks(lanes).zip(out.chunks_mut(lanes)) {
                    V::<S, T>::load(simd, &dz[..out.len()]).store(out);
                }
            }
        }
    }
}

/// Rows that are so far apart, step after step.
type Rows<'a, T> = (&'a [T], usize);

/// Factors of each row of a group, `[group rows][4][width]`, which gate's, and the width.
type OfGate<'a, T> = (&'a [T], usize, usize);

/// Rows times one gate's factors.
struct TimesFactors<'a, T> {
    rows: Rows<'a, T>,
    factors: OfGate<'a, T>,
    out: &'a mut [T],
}

impl<T: Float> Kernel for TimesFactors<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let TimesFactors { rows: (rows, stride), factors: (factors, gate, width), out } = self;
        let lanes = V::<S, T>::LANES;
        let factors = factors.chunks_exact(width).skip(gate).step_by(4).cycle();
        let out = out.chunks_exact_mut(width).zip(factors);
        for (row, (out, factors)) in rows.chunks_exact(stride).zip(out) {
            let numbers = row.chunks(lanes).zip(factors.chunks(lanes));
            for (out, (row, factors)) in out.chunks_mut(lanes).zip(numbers) {
                let row = V::<S, T>::load(simd, &row[..out.len()]);
                (row * V::<S, T>::load(simd, factors)).store(out);
            }
        }
    }
}

/// `grad += leftᵀ dz` with rows times factors as `left`, and a `grad` whose gates are side by side.
fn add_product<T: Float>(
    (isa, scratch): (Isa, &mut Scratch<T>),
    (rows, factors): (Rows<T>, OfGate<T>),
    left: &mut Buffer<T>,
    dz: MatRef<T>,
    grad: &mut [T],
) {
    let (count, units, width) = (dz.rows(), dz.cols(), factors.2);
    left.refit(count * width);
    isa.run(TimesFactors { rows, factors, out: left });
    let left = MatRef::new(left, count, width);
    let sum = MatMut::strided(grad, (width, units), (4 * units, 1));
    Gemm::new(left.t(), dz).isa(isa).beta(T::ONE).run(sum, scratch);
}
