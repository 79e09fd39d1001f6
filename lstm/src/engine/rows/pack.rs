//! Weights as the tiles over units read them, and gradients back in Keras's order.

use kernels::simd::{Float, Kernel, Simd, V, Vector};
use kernels::{Buffer, Isa};

use super::NV;
use crate::engine::Weights;
use crate::engine::gates::{between, line, place};

/// The weights of a layer, packed for this orientation.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Packed<T> {
    /// `[unit vector][inputs][4][lanes]`
    pub(super) kernel: Buffer<T>,
    /// `[unit vector][units][4][lanes]`
    pub(super) recurrent: Buffer<T>,
    /// `[4 width]`, as gates lie
    pub(super) bias: Buffer<T>,
    /// `[pair of unit vectors][4 width][2 lanes]`: the transpose of the recurrent kernel, its rows as
    /// gates lie.
    pub(super) recurrent_t: Buffer<T>,
    /// `[inputs, 4 width]`, its columns as gates lie
    pub(super) kernel_rows: Buffer<T>,
}

/// Copies weights `[k, 4 units]` into panels `[unit vector][k][4][lanes]`.
struct Panels<'a, T> {
    units: usize,
    weights: &'a [T],
    out: &'a mut Buffer<T>,
}

impl<T: Float> Kernel for Panels<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Panels { units, weights, out } = self;
        let lanes = V::<S, T>::LANES;
        let depth = weights.len() / (4 * units);
        let panel = depth * 4 * lanes;
        out.resize(units.div_ceil(lanes) * panel);
        for (first, panel) in (0..units).step_by(lanes).zip(out.chunks_exact_mut(panel.max(1))) {
            let live = lanes.min(units - first);
            for (row, out) in weights.chunks_exact(4 * units).zip(panel.chunks_exact_mut(4 * lanes))
            {
                for (gate, out) in out.chunks_exact_mut(lanes).enumerate() {
                    V::<S, T>::load(simd, &row[gate * units + first..][..live]).store(out);
                }
            }
        }
    }
}

/// Copies rows of weights `[k, 4 units]` into rows `[k, 4 width]`, as gates lie.
struct Rows<'a, T> {
    units: usize,
    weights: &'a [T],
    out: &'a mut Buffer<T>,
}

impl<T: Float> Kernel for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Rows { units, weights, out } = self;
        let lanes = V::<S, T>::LANES;
        let width = units.next_multiple_of(lanes);
        out.resize(weights.len() / units * width);
        for (row, out) in weights.chunks_exact(4 * units).zip(out.chunks_exact_mut(4 * width)) {
            for first in (0..units).step_by(lanes) {
                let (live, between) = (lanes.min(units - first), between::<T>(lanes, width, first));
                for gate in 0..4 {
                    let out = &mut out[place::<T>(first) + gate * between..][..lanes];
                    V::<S, T>::load(simd, &row[gate * units + first..][..live]).store(out);
                }
            }
        }
    }
}

/// Adds rows `[k, 4 width]`, as gates lie, to rows `[k, 4 units]`.
pub(super) struct Unpack<'a, T> {
    pub(super) units: usize,
    pub(super) rows: &'a [T],
    pub(super) out: &'a mut [T],
}

impl<T: Float> Kernel for Unpack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Unpack { units, rows, out } = self;
        let lanes = V::<S, T>::LANES;
        let width = units.next_multiple_of(lanes);
        for (row, out) in rows.chunks_exact(4 * width).zip(out.chunks_exact_mut(4 * units)) {
            for first in (0..units).step_by(lanes) {
                let (live, between) = (lanes.min(units - first), between::<T>(lanes, width, first));
                for gate in 0..4 {
                    let row = &row[place::<T>(first) + gate * between..][..lanes];
                    let out = &mut out[gate * units + first..][..live];
                    (V::<S, T>::load(simd, out) + V::<S, T>::load(simd, row)).store(out);
                }
            }
        }
    }
}

/// Copies the recurrent kernel `[units, 4 units]` into panels of two unit vectors of its
/// transpose, `[pair][4 width][2 lanes]`, its rows as gates lie.
struct Transpose<'a, T> {
    units: usize,
    weights: &'a [T],
    out: &'a mut Buffer<T>,
}

impl<T: Float> Kernel for Transpose<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match V::<S, T>::LANES {
            16 => self.squares::<S, 16>(simd),
            8 => self.squares::<S, 8>(simd),
            4 => self.squares::<S, 4>(simd),
            _ => self.squares::<S, 2>(simd),
        }
    }
}

impl<T: Float> Transpose<'_, T> {
    /// Squares of `L` by `L` weights are transposed in registers.
    #[inline(always)]
    fn squares<S: Simd, const L: usize>(self, simd: S) {
        if L != V::<S, T>::LANES {
            return; // another instruction set's: the compiler drops it
        }
        let Transpose { units, weights, out } = self;
        let (line, panel) = (line::<T>(), NV * L);
        let width = units.next_multiple_of(L);
        out.resize(units.div_ceil(panel) * 4 * width * panel);
        for (pair, out) in out.chunks_exact_mut(4 * width * panel).enumerate() {
            for (square, out) in out.chunks_exact_mut(L * panel).enumerate() {
                let (at, row) = (square * L / (4 * line) * line, square * L % (4 * line));
                let between = line.min(width - at);
                let (vector, gate) = (at + row % between, row / between);
                let live = L.min(units - vector);
                for v in 0..NV {
                    let first = pair * panel + v * L;
                    if first >= units {
                        out.chunks_exact_mut(panel).for_each(|out| out[v * L..].fill(T::ZERO));
                        continue;
                    }
                    let mut rows = [V::<S, T>::splat(simd, T::ZERO); L];
                    for (unit, row) in (first..units).zip(&mut rows) {
                        let at = unit * 4 * units + gate * units + vector;
                        *row = V::<S, T>::load(simd, &weights[at..at + live]);
                    }
                    let columns = V::<S, T>::transpose(rows);
                    for (column, out) in columns.iter().zip(out.chunks_exact_mut(panel)) {
                        column.store(&mut out[v * L..]);
                    }
                }
            }
        }
    }
}

impl<T: Float> Packed<T> {
    /// Packs what the tiles of forward read of the kernel.
    pub(in crate::engine) fn pack_kernel(&mut self, isa: Isa, units: usize, weights: Weights<T>) {
        isa.run(Panels { units, weights: weights.kernel, out: &mut self.kernel });
    }

    /// Packs what they read of the recurrent kernel, and the bias.
    pub(in crate::engine) fn pack_recurrent(
        &mut self,
        isa: Isa,
        units: usize,
        weights: Weights<T>,
    ) {
        let recurrent = weights.recurrent_kernel;
        isa.run(Panels { units, weights: recurrent, out: &mut self.recurrent });
        match weights.bias {
            Some(bias) => isa.run(Rows { units, weights: bias, out: &mut self.bias }),
            None => {
                self.bias.resize(4 * units.next_multiple_of(isa.lanes::<T>()));
                self.bias.fill(T::ZERO);
            }
        }
    }

    /// Packs what the steps of backward read.
    pub(in crate::engine) fn pack_backward(&mut self, isa: Isa, units: usize, weights: Weights<T>) {
        let out = &mut self.recurrent_t;
        isa.run(Transpose { units, weights: weights.recurrent_kernel, out });
    }

    /// Packs what products over many steps read of the kernel.
    pub(in crate::engine) fn pack_whole_kernel(
        &mut self,
        isa: Isa,
        units: usize,
        weights: Weights<T>,
    ) {
        isa.run(Rows { units, weights: weights.kernel, out: &mut self.kernel_rows });
    }
}
