//! Weights as the tiles over the batch read them.

use kernels::simd::{Float, Kernel, Simd};
use kernels::{Buffer, Isa};

use super::{BACKWARD_TILE, forward_tile, tiles};
use crate::engine::Weights;

/// The weights of a layer, packed for this orientation.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Packed<T> {
    /// `[tile][inputs][unit][4]`
    pub(super) kernel: Buffer<T>,
    /// `[tile][units][unit][4]`
    pub(super) recurrent: Buffer<T>,
    /// `[unit][4]`
    pub(super) bias: Buffer<T>,
    /// `[tile][4 units][unit]`: the transpose of the recurrent kernel.
    pub(super) recurrent_t: Buffer<T>,
    /// `[tile][4 units][input]`: the transpose of the kernel.
    pub(super) kernel_t: Buffer<T>,
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

/// How many units a forward tile has.
struct Tile;

impl Kernel for Tile {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        forward_tile::<S>()
    }
}

impl<T: Float> Packed<T> {
    /// Packs what forward reads.
    pub(in crate::engine) fn pack_forward(&mut self, isa: Isa, units: usize, weights: Weights<T>) {
        let tile = isa.run(Tile);
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

    /// Packs what the steps of backward read.
    pub(in crate::engine) fn pack_backward(&mut self, units: usize, weights: Weights<T>) {
        pack_transpose(units, weights.recurrent_kernel, &mut self.recurrent_t);
    }

    /// Packs what the gradient of the input is computed from.
    pub(in crate::engine) fn pack_whole_kernel(&mut self, units: usize, weights: Weights<T>) {
        pack_transpose(units, weights.kernel, &mut self.kernel_t);
    }
}
