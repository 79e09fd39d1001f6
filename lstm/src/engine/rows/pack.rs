//! Weights as the tiles over units read them, and gradients back in Keras's order.

use kernels::simd::{Float, Kernel, Simd, V, Vector};
use kernels::{Buffer, Isa};

use super::NV;
use crate::engine::Weights;
use crate::engine::costs::pays_threads_to_copy;
use crate::engine::gates::{between, line, load, place};

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
    /// gates lie. Always of one instruction set and size: a last vector that is alone has memory beside it that is
    /// never written, and so is zero.
    pub(super) recurrent_t: Buffer<T>,
    /// `[inputs, 4 width]`, its columns as gates lie
    pub(super) kernel_rows: Buffer<T>,
}

/// An array that is made in pieces of equal length, each by itself.
trait Pieces<T>: Sync {
    /// Makes piece `i`, or adds it to what is there.
    fn write<S: Simd>(&self, simd: S, i: usize, out: &mut [T]);
}

/// Makes `count` pieces, from `first` on.
struct Write<'a, T, P> {
    pieces: &'a P,
    first: usize,
    count: usize,
    /// Of all of them.
    out: &'a mut [T],
}

impl<T: Float, P: Pieces<T>> Kernel for Write<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Write { pieces, first, count, out } = self;
        let len = out.len() / count.max(1);
        for (i, out) in (first..first + count).zip(out.chunks_exact_mut(len.max(1))) {
            pieces.write(simd, i, out);
        }
    }
}

impl<T: Float, P: Pieces<T>> Write<'_, T, P> {
    /// Shares them among threads, of which there are no more than pieces.
    fn fork(self, isa: Isa, threads: usize) {
        if threads <= 1 {
            return isa.run(self);
        }
        let Write { pieces, first, count, out } = self;
        let half = count * (threads / 2) / threads;
        let (left, right) = out.split_at_mut(out.len() / count * half);
        let left = Write { pieces, first, count: half, out: left };
        let right = Write { pieces, first: first + half, count: count - half, out: right };
        rayon::join(|| left.fork(isa, threads / 2), || right.fork(isa, threads - threads / 2));
    }
}

/// Makes all of so many pieces, on several threads if that pays.
fn write<T: Float>(isa: Isa, pieces: impl Pieces<T>, count: usize, out: &mut [T], threads: usize) {
    let threads = if pays_threads_to_copy(out.len()) { threads.min(count) } else { 1 };
    Write { pieces: &pieces, first: 0, count, out }.fork(isa, threads);
}

/// Weights `[k, 4 units]` in panels `[unit vector][k][4][lanes]`.
struct Panels<'a, T> {
    units: usize,
    weights: &'a [T],
}

impl<T: Float> Pieces<T> for Panels<'_, T> {
    #[inline(always)]
    fn write<S: Simd>(&self, simd: S, i: usize, out: &mut [T]) {
        let Panels { units, weights } = *self;
        let lanes = V::<S, T>::LANES;
        let first = i * lanes;
        let live = lanes.min(units - first);
        for (row, out) in weights.chunks_exact(4 * units).zip(out.chunks_exact_mut(4 * lanes)) {
            for (gate, out) in out.chunks_exact_mut(lanes).enumerate() {
                V::<S, T>::load(simd, &row[gate * units + first..][..live]).store(out);
            }
        }
    }
}

/// Rows of weights `[k, 4 units]` as rows `[k, 4 width]`, as gates lie.
struct Rows<'a, T> {
    units: usize,
    weights: &'a [T],
}

impl<T: Float> Pieces<T> for Rows<'_, T> {
    #[inline(always)]
    fn write<S: Simd>(&self, simd: S, i: usize, out: &mut [T]) {
        let Rows { units, weights } = *self;
        let lanes = V::<S, T>::LANES;
        let row = &weights[i * 4 * units..][..4 * units];
        for first in (0..units).step_by(lanes) {
            let live = lanes.min(units - first);
            let between = between::<T>(lanes, out.len() / 4, first);
            for gate in 0..4 {
                let out = &mut out[place::<T>(first) + gate * between..][..lanes];
                V::<S, T>::load(simd, &row[gate * units + first..][..live]).store(out);
            }
        }
    }
}

/// Rows `[k, 4 width]`, as gates lie, added to rows `[k, 4 units]`.
struct Unpacked<'a, T> {
    units: usize,
    rows: &'a [T],
}

impl<T: Float> Pieces<T> for Unpacked<'_, T> {
    #[inline(always)]
    fn write<S: Simd>(&self, simd: S, i: usize, out: &mut [T]) {
        let Unpacked { units, rows } = *self;
        let lanes = V::<S, T>::LANES;
        let width = units.next_multiple_of(lanes);
        let row = &rows[i * 4 * width..][..4 * width];
        for first in (0..units).step_by(lanes) {
            let (live, between) = (lanes.min(units - first), between::<T>(lanes, width, first));
            let mut sums = load::<S, T, 4>(simd, &row[place::<T>(first)..], between);
            for (gate, sum) in sums.iter_mut().enumerate() {
                let out = &out[gate * units + first..][..live];
                *sum = V::<S, T>::load(simd, out) + *sum;
            }
            // After all of them were loaded: a load waits for a store to what it could reach, even if
            // neither reads nor writes there. The first gate last, which is farthest from the next row.
            for (gate, sum) in sums.iter().enumerate().rev() {
                sum.store(&mut out[gate * units + first..][..live]);
            }
        }
    }
}

/// Adds rows `[k, 4 width]`, as gates lie, to rows `[k, 4 units]`.
pub(super) fn unpack<T: Float>(isa: Isa, units: usize, rows: &[T], out: &mut [T], threads: usize) {
    write(isa, Unpacked { units, rows }, out.len() / (4 * units), out, threads);
}

/// The recurrent kernel `[units, 4 units]` in panels of two unit vectors of its transpose,
/// `[pair][4 width][2 lanes]`, its rows as gates lie.
struct Transpose<'a, T> {
    units: usize,
    weights: &'a [T],
}

impl<T: Float> Pieces<T> for Transpose<'_, T> {
    #[inline(always)]
    fn write<S: Simd>(&self, simd: S, i: usize, out: &mut [T]) {
        match V::<S, T>::LANES {
            16 => self.squares::<S, 16>(simd, i, out),
            8 => self.squares::<S, 8>(simd, i, out),
            4 => self.squares::<S, 4>(simd, i, out),
            _ => self.squares::<S, 2>(simd, i, out),
        }
    }
}

impl<T: Float> Transpose<'_, T> {
    /// Squares of `L` by `L` weights are transposed in registers.
    #[inline(always)]
    fn squares<S: Simd, const L: usize>(&self, simd: S, pair: usize, out: &mut [T]) {
        if L != V::<S, T>::LANES {
            return; // another instruction set's: the compiler drops it
        }
        let Transpose { units, weights } = *self;
        let (line, panel) = (line::<T>(), NV * L);
        let width = units.next_multiple_of(L);
        for (square, out) in out.chunks_exact_mut(L * panel).enumerate() {
            let (at, row) = (square * L / (4 * line) * line, square * L % (4 * line));
            let between = line.min(width - at);
            let (vector, gate) = (at + row % between, row / between);
            let live = L.min(units - vector);
            for v in 0..NV {
                let first = pair * panel + v * L;
                if first >= units {
                    continue; // what was never written is zero
                }
                let mut rows = [V::<S, T>::splat(simd, T::ZERO); L];
                for (r, row) in rows.iter_mut().enumerate() {
                    if first + r < units {
                        let at = (first + r) * 4 * units + gate * units + vector;
                        *row = V::<S, T>::load(simd, &weights[at..at + live]);
                    }
                }
                let columns = V::<S, T>::transpose(rows);
                for (column, out) in columns.iter().zip(out.chunks_exact_mut(panel)) {
                    column.store(&mut out[v * L..]);
                }
            }
        }
    }
}

/// How weights are packed: for which instruction set, of how many units, by how many threads.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Packer {
    pub(in crate::engine) isa: Isa,
    pub(in crate::engine) units: usize,
    pub(in crate::engine) threads: usize,
}

impl Packer {
    fn panels<T: Float>(self, weights: &[T], out: &mut Buffer<T>) {
        let Packer { isa, units, threads } = self;
        let lanes = isa.lanes::<T>();
        let panels = units.div_ceil(lanes);
        out.resize(panels * (weights.len() / units * lanes));
        write(isa, Panels { units, weights }, panels, out, threads);
    }

    fn rows<T: Float>(self, weights: &[T], out: &mut Buffer<T>) {
        let Packer { isa, units, threads } = self;
        let rows = weights.len() / (4 * units);
        out.resize(rows * 4 * units.next_multiple_of(isa.lanes::<T>()));
        write(isa, Rows { units, weights }, rows, out, threads);
    }

    fn transpose<T: Float>(self, weights: &[T], out: &mut Buffer<T>) {
        let Packer { isa, units, threads } = self;
        let lanes = isa.lanes::<T>();
        let pairs = units.div_ceil(NV * lanes);
        out.resize(pairs * 4 * units.next_multiple_of(lanes) * NV * lanes);
        write(isa, Transpose { units, weights }, pairs, out, threads);
    }
}

impl<T: Float> Packed<T> {
    /// Packs what the tiles of forward read of the kernel.
    pub(in crate::engine) fn pack_kernel(&mut self, packer: Packer, weights: Weights<T>) {
        packer.panels(weights.kernel, &mut self.kernel);
    }

    /// Packs what they read of the recurrent kernel, and the bias.
    pub(in crate::engine) fn pack_recurrent(&mut self, packer: Packer, weights: Weights<T>) {
        packer.panels(weights.recurrent_kernel, &mut self.recurrent);
        match weights.bias {
            Some(bias) => packer.rows(bias, &mut self.bias),
            None => {
                let Packer { isa, units, .. } = packer;
                self.bias.resize(4 * units.next_multiple_of(isa.lanes::<T>()));
                self.bias.fill(T::ZERO);
            }
        }
    }

    /// Packs what the steps of backward read.
    pub(in crate::engine) fn pack_backward(&mut self, packer: Packer, weights: Weights<T>) {
        packer.transpose(weights.recurrent_kernel, &mut self.recurrent_t);
    }

    /// Packs what products over many steps read of the kernel.
    pub(in crate::engine) fn pack_whole_kernel(&mut self, packer: Packer, weights: Weights<T>) {
        packer.rows(weights.kernel, &mut self.kernel_rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Threads write what one writes onto ones, all of it but so many.
    fn check(isa: Isa, pieces: impl Pieces<f32>, (count, len): (usize, usize), but: usize) {
        let written = |threads| {
            let mut out = vec![1.0; count * len];
            Write { pieces: &pieces, first: 0, count, out: &mut out }.fork(isa, threads);
            out
        };
        let expected = written(1);
        let left = expected.iter().filter(|&&x| x == 1.0).count();
        assert_eq!(left, but, "{count} pieces on {isa}");
        for threads in [2, 3, 8] {
            let threads = threads.min(count);
            assert_eq!(written(threads), expected, "{count} pieces on {isa}, {threads} threads");
        }
    }

    #[test]
    fn threads_share_pieces() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
        for isa in Isa::available() {
            let lanes = isa.lanes::<f32>();
            for units in [1usize, 17, 40, 150] {
                let width = 4 * units.next_multiple_of(lanes);
                let rows: Vec<f32> = (0..units * width).map(|i| i as f32 + 2.0).collect();
                let weights = &rows[..units * 4 * units];
                let (vectors, pairs) = (units.div_ceil(lanes), units.div_ceil(NV * lanes));
                pool.install(|| {
                    check(isa, Rows { units, weights }, (units, width), 0);
                    check(isa, Panels { units, weights }, (vectors, units * 4 * lanes), 0);
                    // The last vector may be without another one.
                    let alone = (NV * pairs - vectors) * width * lanes;
                    let transpose = Transpose { units, weights };
                    check(isa, transpose, (pairs, width * NV * lanes), alone);
                    check(isa, Unpacked { units, rows: &rows }, (units, 4 * units), 0);
                });
            }
        }
    }
}
