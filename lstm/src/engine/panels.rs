//! Lanes over the batch: a vector holds one unit of neighbouring rows.
//!
//! For layers with fewer units than a vector has lanes, and those that softmax mixes the units of. The
//! operands of the register tile change places: weights are broadcast, packed in panels of some units,
//! `[tile][k][unit][i f g o]`, and
//! states are the vectors, `[unit][lanes]`, which is also the form in which the cells leave them.
//! So nothing is repacked from step to step; what comes from rows or goes to them is transposed some steps
//! at a time.
//!
//! Rows are padded to whole vectors. Lanes of the padding repeat the last row, so that they are
//! finite where it is, and their gradient is zero, and so is all that they add to a sum over the
//! batch.

mod dropout;
mod pack;
mod products;
mod transpose;

use std::ops::Range;

use kernels::Aligned;
use kernels::gemm::accumulate_panels;
use kernels::simd::{Float, Kernel, MAX_LANES, Simd, V, Vector};

use super::cell::{self, Activations, Run};
use super::sequence::Gradient;
use super::workspace::{Dims, Group, View as AnyView, before_and_after};
pub(super) use dropout::read_factors;
pub(super) use pack::Packed;
pub(super) use products::Products;
pub(super) use transpose::{Padding, ReadInput, read_panel, steps_at_a_time, write_panel};

/// Threads have whole groups.
type View<'a, T> = AnyView<'a, T, &'a mut [T]>;

/// Units of a forward tile: with four gates each, up to 16 accumulators.
const TILE: usize = 4;
/// Units of a forward tile where there are 16 registers: 8 accumulators.
const TILE_16: usize = 2;
/// Units whose `z` waits for their cells: whole tiles.
const CHUNK: usize = 16;
/// Units of a backward tile.
const BACKWARD_TILE: usize = 8;

/// Units of a forward tile for the registers of `S`.
const fn forward_tile<S: Simd>() -> usize {
    if S::REGISTERS >= 32 { TILE } else { TILE_16 }
}

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

/// Forward over all steps for the rows of `view`.
pub(super) struct Forward<'a, T> {
    pub(super) activations: Activations,
    pub(super) weights: &'a Packed<T>,
    pub(super) view: View<'a, T>,
    /// The output of every step, `[rows, steps, units]`, if it is wanted.
    pub(super) y: Option<&'a mut [T]>,
    pub(super) kept: bool,
}

impl<T: Float> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let dims = self.view.dims;
        let tile = forward_tile::<S>();
        let mixed = self.activations.mix_units();
        let all = std::mem::take(&mut self.view.z);
        let mut chunk_z = Aligned([T::ZERO; CHUNK * 4 * MAX_LANES]);
        for t in 0..dims.steps {
            for group in dims.groups() {
                let live = self.view.live(group, t);
                if live == 0 {
                    continue;
                }
                let (z, whole) = match mixed {
                    true => (&mut all[group.lines(4 * dims.units)], dims.units),
                    false => (&mut chunk_z.0[..], CHUNK),
                };
                for chunk in (0..dims.units).step_by(whole) {
                    let count = whole.min(dims.units - chunk);
                    for (first, height) in tiles(count, tile) {
                        let z = &mut z[first * 4 * V::<S, T>::LANES..];
                        match height {
                            1 => self.products::<S, 4>(simd, t, group, chunk + first, z),
                            2 => self.products::<S, 8>(simd, t, group, chunk + first, z),
                            _ => self.products::<S, 16>(simd, t, group, chunk + first, z),
                        }
                    }
                    self.cells(simd, t, group, chunk..chunk + count, z);
                }
                if live < group.rows {
                    self.hold(t, group, live);
                }
                self.write_output(simd, t, group);
            }
        }
    }
}

impl<T: Float> Forward<'_, T> {
    /// Rows of a group that have no step `t` keep their states while others of it go on.
    fn hold(&mut self, t: usize, group: Group, live: usize) {
        let View { dims, h, c, .. } = &mut self.view;
        let (before, after) = dims.around(t);
        let before = group.slot(dims.slots, before, dims.units).step_by(group.rows);
        let after = group.slot(dims.slots, after, dims.units).step_by(group.rows);
        for (before, after) in before.zip(after) {
            for states in [&mut **h, &mut **c] {
                states.copy_within(before + live..before + group.rows, after + live);
            }
        }
    }

    /// Writes the output of the steps up to `t` that was not written yet, if it is time to: after the
    /// last step of a group, and before states take the places of others.
    #[inline(always)]
    fn write_output<S: Simd>(&mut self, simd: S, t: usize, group: Group) {
        let Some(y) = &mut self.y else { return };
        let Dims { start, total, units, slots, steps_at_a_time, .. } = self.view.dims;
        let after = self.view.dims.around(t).1;
        if (after + 1).is_multiple_of(steps_at_a_time) || t + 1 == self.view.steps(group) {
            let before = t.min(after % steps_at_a_time);
            let first = group.slot(slots, after - before, units).start;
            let last = group.slot(slots, after, units).end;
            let steps = start + t - before..start + t + 1;
            let columns = steps.start * units..steps.end * units;
            transpose::write(simd, &self.view.h[first..last], group, (y, total * units), columns);
        }
    }

    /// `z = b + x W + h₋ U` of `G` gates from those of the unit `first` on, for a vector of rows.
    #[inline(always)]
    fn products<S: Simd, const G: usize>(
        &self,
        simd: S,
        t: usize,
        group: Group,
        first: usize,
        z: &mut [T],
    ) {
        let Dims { steps, inputs, units, slots, .. } = self.view.dims;
        let x = &self.view.x[group.slot(steps, t, inputs)];
        let h_prev = &self.view.h[group.slot(slots, self.view.dims.around(t).0, units)];
        let kernel = &self.weights.kernel[4 * first * inputs..][..G * inputs];
        let recurrent = &self.weights.recurrent[4 * first * units..][..G * units];
        let bias = &self.weights.bias[4 * first..][..G];

        let mut tile = [[V::<S, T>::splat(simd, T::ZERO)]; G];
        for (sum, &bias) in tile.iter_mut().flatten().zip(bias) {
            *sum = V::<S, T>::splat(simd, bias);
        }
        let [m, d] = &self.view.by_gate;
        let tile = match dropout::of_group(d, group, inputs) {
            None => accumulate_panels::<S, T, G, 1>(simd, tile, (kernel, G), x),
            Some(d) => dropout::accumulate(simd, tile, kernel, x, d),
        };
        let tile = match dropout::of_group(m, group, units) {
            None => accumulate_panels::<S, T, G, 1>(simd, tile, (recurrent, G), h_prev),
            Some(m) => dropout::accumulate(simd, tile, recurrent, h_prev, m),
        };
        // So many that the compiler knows it: it would copy a tile of any number by a call.
        let z = &mut z[..G * V::<S, T>::LANES];
        for (gate, z) in tile.iter().zip(z.chunks_exact_mut(V::<S, T>::LANES)) {
            gate[0].store(z);
        }
    }

    /// One step of some units, from their `z`.
    #[inline(always)]
    fn cells<S: Simd>(
        &mut self,
        simd: S,
        t: usize,
        group: Group,
        chunk: Range<usize>,
        z: &mut [T],
    ) {
        let Dims { steps, units, slots, .. } = self.view.dims;
        let lanes = V::<S, T>::LANES;
        let at = chunk.start * lanes;
        let (before, after) = self.view.dims.around(t);
        let (before, after) = (group.slot(slots, before, units), group.slot(slots, after, units));
        let (c_prev, c) = before_and_after(self.view.c, before, after.clone());
        let kept = self.kept.then(|| {
            let gates = &mut self.view.gates[group.slot(steps, t, 4 * units)][4 * at..];
            let a = &mut self.view.a[group.slot(steps, t, units)][at..];
            (gates, a)
        });
        self.activations.forward(
            simd,
            z,
            cell::Forward {
                run: Run {
                    count: chunk.len(),
                    stride: lanes,
                    gate_stride: 4 * lanes,
                    between: lanes,
                },
                c_prev: &c_prev[at..],
                c: &mut c[at..],
                h: &mut self.view.h[after][at..],
                kept,
            },
        );
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
        let Dims { steps, units, slots, .. } = self.view.dims;
        let lanes = V::<S, T>::LANES;
        for t in (0..steps).rev() {
            for group in self.view.dims.groups() {
                let (live, live_after) = (self.view.live(group, t), self.view.live(group, t + 1));
                if live == 0 {
                    continue;
                }
                if t + 1 < steps && live_after > 0 {
                    self.product(simd, t + 1, group, live_after);
                }
                self.add_output(simd, t, group);
                let View { c, a, gates, dh, dc, .. } = &mut self.view;
                let dh = &mut dh[group.lines(units)];
                let gates = &mut gates[group.slot(steps, t, 4 * units)];
                let dc = &mut dc[group.lines(units)];
                let before = group.slot(slots, t, units);
                let (c_prev, held) = before_and_after(c, before, group.slot(slots, t + 1, units));
                if live < lanes {
                    // The state after this step is not needed any more: its place serves as scratch.
                    held.copy_from_slice(dc);
                }
                let run =
                    Run { count: units, stride: lanes, gate_stride: 4 * lanes, between: lanes };
                let a = &a[group.slot(steps, t, units)];
                let cells = cell::Backward { run, gates: &mut *gates, c_prev, a, dh, dc: &mut *dc };
                self.activations.backward(simd, cells);
                if live < lanes {
                    // Rows that have no such step.
                    for (dc, held) in dc.chunks_exact_mut(lanes).zip(held.chunks_exact(lanes)) {
                        dc[live..].copy_from_slice(&held[live..]);
                    }
                    gates.chunks_exact_mut(lanes).for_each(|dz| dz[live..].fill(T::ZERO));
                }
            }
        }
        if self.initial {
            for group in self.view.dims.groups() {
                let live = self.view.live(group, 0);
                if live > 0 {
                    self.product(simd, 0, group, live);
                }
            }
        }
    }
}

impl<T: Float> Backward<'_, T> {
    /// `dh += dy` of step `t`. That of a sequence is read for some steps at a time, the first of which
    /// backward comes to last.
    #[inline(always)]
    fn add_output<S: Simd>(&mut self, simd: S, t: usize, group: Group) {
        let Dims { start, total, units, steps_at_a_time, .. } = self.view.dims;
        let is_last = t + 1 == self.view.steps(group);
        let View { dh, dy: panels, .. } = &mut self.view;
        let dh = &mut dh[group.lines(units)];
        let lanes = V::<S, T>::LANES;
        let place = t % steps_at_a_time;
        match self.dy {
            Gradient::None => (),
            Gradient::Last(dy) if start + t + 1 == total => {
                for (lane, dy) in dy.chunks_exact(units).skip(group.first).take(lanes).enumerate() {
                    for (dh, &dy) in dh.chunks_exact_mut(lanes).zip(dy) {
                        dh[lane] += dy;
                    }
                }
            }
            Gradient::Last(_) => (),
            Gradient::Sequence(dy) => {
                let panels = &mut panels[group.lines(steps_at_a_time * units)];
                if place + 1 == steps_at_a_time || is_last {
                    let columns = (start + t - place) * units..(start + t + 1) * units;
                    let to = (&mut *panels, Padding::Zeros);
                    transpose::read(simd, (dy, total * units), group, columns, to);
                }
                let dy = panels[place * units * lanes..].chunks_exact(lanes);
                for (dh, dy) in dh.chunks_exact_mut(lanes).zip(dy) {
                    (V::<S, T>::load(simd, dh) + V::<S, T>::load(simd, dy)).store(dh);
                }
            }
        }
    }

    /// `dh = dz Uᵀ` with `dz` of step `t`, for the first `live` rows of a group.
    #[inline(always)]
    fn product<S: Simd>(&mut self, simd: S, t: usize, group: Group, live: usize) {
        let Dims { steps, units, .. } = self.view.dims;
        let m = dropout::of_group(self.view.by_gate[0], group, units);
        let dz = &self.view.gates[group.slot(steps, t, 4 * units)];
        let dh = &mut self.view.dh[group.lines(units)];
        let weights = &self.weights.recurrent_t;
        simd.run(TimesTranspose { weights, factors: m, dz, out: dh, live });
    }
}

/// `out [rows][lanes] = weights dz`, times the factors of dropout and gate by gate if there are some.
///
/// A kernel of its own: among other loops, the compiler finds no registers for its tiles.
pub(super) struct TimesTranspose<'a, T> {
    /// As packed by [`pack_transpose`](pack::pack_transpose).
    pub(super) weights: &'a [T],
    pub(super) factors: Option<&'a [T]>,
    /// `[4 units][lanes]`
    pub(super) dz: &'a [T],
    pub(super) out: &'a mut [T],
    /// Rows of the batch that are written.
    pub(super) live: usize,
}

impl<T: Float> Kernel for TimesTranspose<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let rows = self.out.len() / V::<S, T>::LANES;
        for (first, height) in tiles(rows, BACKWARD_TILE) {
            match height {
                1 => self.tile::<S, 1>(simd, first),
                2 => self.tile::<S, 2>(simd, first),
                4 => self.tile::<S, 4>(simd, first),
                _ => self.tile::<S, 8>(simd, first),
            }
        }
    }
}

impl<T: Float> TimesTranspose<'_, T> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&mut self, simd: S, first: usize) {
        let depth = self.dz.len() / V::<S, T>::LANES;
        let panel = &self.weights[depth * first..][..depth * R];
        // Either stores its own tile: registers of the one that needs more would be those of both.
        match self.factors {
            None => {
                let zero = [[V::<S, T>::splat(simd, T::ZERO)]; R];
                let tile = accumulate_panels::<S, T, R, 1>(simd, zero, (panel, R), self.dz);
                self.store(tile, first);
            }
            Some(factors) => {
                let tile = dropout::product::<S, T, R>(simd, self.dz, panel, (factors, first));
                self.store(tile, first);
            }
        }
    }

    #[inline(always)]
    fn store<S: Simd, X: Vector<S, Scalar = T>, const R: usize>(
        &mut self,
        tile: [[X; 1]; R],
        first: usize,
    ) {
        let out = &mut self.out[first * X::LANES..][..R * X::LANES];
        for (row, out) in tile.iter().zip(out.chunks_exact_mut(X::LANES)) {
            row[0].store(&mut out[..self.live]);
        }
    }
}
