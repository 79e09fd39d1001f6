//! Sums of few outer products, straight to where gradients lie.
//!
//! For one row and a few steps a matrix product, and then its gates put in Keras's order, are more calls and
//! copies than arithmetic. The sums are the same, in the same order.

use kernels::simd::{Float, Kernel, Simd, V, Vector};

use super::tiles;
use crate::engine::gates::{self, between, place};

/// Bytes of `dz` up to which that pays: from 5 KiB on a product is level, above it is faster.
const FEW: usize = 1 << 12;

/// Whether so many steps of rows, of so many units with padding, are few.
pub(in crate::engine) fn are_few<T>(rows: usize, width: usize) -> bool {
    rows <= FEW / (4 * width * size_of::<T>())
}

/// Left operands: so many numbers each, so far apart.
#[derive(Clone, Copy)]
pub(super) struct Left<'a, T> {
    pub(super) numbers: &'a [T],
    pub(super) stride: usize,
    pub(super) count: usize,
}

/// `grad += Σ leftᵀ dz`, over as many steps of rows as `dz` has.
pub(super) struct OuterProducts<'a, T> {
    pub(super) left: Left<'a, T>,
    /// `[steps of rows, 4 width]`, as gates lie.
    pub(super) dz: &'a [T],
    pub(super) units: usize,
    /// `[left, 4 units]`
    pub(super) grad: &'a mut [T],
}

/// Rows of a tile, which has the four gates of a vector of units. What is at its end is unrolled by the compiler for
/// three, not for four: a taller tile would go through memory.
const fn tallest<S: Simd>() -> usize {
    super::tallest::<S>(3, 2)
}

impl<T: Float> Kernel for OuterProducts<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for unit in (0..self.units).step_by(V::<S, T>::LANES) {
            for (first, height) in tiles(self.left.count, tallest::<S>()) {
                match height {
                    1 => self.tile::<S, 1>(simd, first, unit),
                    2 => self.tile::<S, 2>(simd, first, unit),
                    _ => self.tile::<S, 3>(simd, first, unit),
                }
            }
        }
    }
}

impl<T: Float> OuterProducts<'_, T> {
    /// `R` rows of the gradient, from `first` on, and the four gates of a vector of units.
    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&mut self, simd: S, first: usize, unit: usize) {
        if R > tallest::<S>() {
            return; // no tile of this instruction set: the compiler drops it
        }
        let OuterProducts { left: Left { numbers, stride, .. }, dz, units, ref mut grad } = *self;
        let lanes = V::<S, T>::LANES;
        let width = units.next_multiple_of(lanes);
        let between = between::<T>(lanes, width, unit);
        let mut tile = [[V::<S, T>::splat(simd, T::ZERO); 4]; R];
        for (k, dz) in dz.chunks_exact(4 * width).enumerate() {
            let gates = gates::load::<S, T, 4>(simd, &dz[place::<T>(unit)..], between);
            let left = &numbers[k * stride + first..][..R];
            for r in 0..R {
                let left = V::<S, T>::splat(simd, left[r]);
                for g in 0..4 {
                    tile[r][g] = left.mul_add(gates[g], tile[r][g]);
                }
            }
        }
        // All loads before all stores: a load waits for a store to what it could reach, even if neither reads nor
        // writes there. The first gate of the first row is stored last, which is farthest from the next tile.
        let live = lanes.min(units - unit);
        let place = |row: usize, gate: usize| {
            let at = ((first + row) * 4 + gate) * units + unit;
            at..at + live
        };
        // Counted: the compiler leaves iterators over chunks as loops, and the tile in memory.
        for r in 0..R {
            for g in 0..4 {
                tile[r][g] = V::<S, T>::load(simd, &grad[place(r, g)]) + tile[r][g];
            }
        }
        for r in (0..R).rev() {
            for g in (0..4).rev() {
                tile[r][g].store(&mut grad[place(r, g)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kernels::{Gemm, Isa, MatMut, MatRef, Scratch};

    use super::*;
    use crate::engine::tests::numbers;

    /// Numbers whose sums round: the sums are those of a matrix product, which takes the place of these where there
    /// are more steps.
    #[test]
    fn sums_have_the_bits_of_a_matrix_product() {
        for isa in Isa::available() {
            for [units, count, rows] in [[3, 5, 4], [10, 11, 3], [16, 5, 2], [21, 4, 7], [40, 9, 6]]
            {
                let lanes = isa.lanes::<f32>();
                let width = usize::next_multiple_of(units, lanes);
                let (left, dz) = (numbers(1, rows * count), numbers(2, rows * 4 * width));
                let before = numbers(3, count * 4 * units);
                let mut grad = before.clone();
                let few = Left { numbers: &left, stride: count, count };
                isa.run(OuterProducts { left: few, dz: &dz, units, grad: &mut grad });

                let mut sums = vec![0.0; count * 4 * width];
                let left = MatRef::new(&left, rows, count);
                let product = Gemm::new(left.t(), MatRef::new(&dz, rows, 4 * width)).isa(isa);
                product.run(MatMut::new(&mut sums, count, 4 * width), &mut Scratch::default());
                for (i, (found, before)) in grad.iter().zip(before).enumerate() {
                    let (row, gate, unit) = (i / (4 * units), i / units % 4, i % units);
                    let at = place::<f32>(unit) + gate * between::<f32>(lanes, width, unit);
                    let want = before + sums[row * 4 * width + at];
                    assert_eq!(found.to_bits(), want.to_bits(), "{units} {count} {rows} {isa}");
                }
            }
        }
    }

    /// Small whole numbers, whose sums are exact in any order.
    #[test]
    fn every_gradient_gets_its_sum() {
        for isa in Isa::available() {
            for [units, count, rows] in [[1, 1, 1], [10, 11, 3], [16, 5, 2], [21, 4, 7], [40, 3, 1]]
            {
                let lanes = isa.lanes::<f32>();
                let width = usize::next_multiple_of(units, lanes);
                let number = |i: usize| (i * 7 % 11) as f32 - 5.0;
                let stride = count + 2;
                let numbers: Vec<f32> = (0..rows * stride).map(number).collect();
                // `dz` of padding is not zero here, to see that it goes nowhere.
                let dz: Vec<f32> = (3..3 + rows * 4 * width).map(number).collect();
                let before: Vec<f32> = (5..5 + count * 4 * units).map(number).collect();
                let mut grad = before.clone();
                let left = Left { numbers: &numbers, stride, count };
                isa.run(OuterProducts { left, dz: &dz, units, grad: &mut grad });
                for (i, (found, before)) in grad.iter().zip(before).enumerate() {
                    let (row, gate, unit) = (i / (4 * units), i / units % 4, i % units);
                    let at = place::<f32>(unit) + gate * between::<f32>(lanes, width, unit);
                    let terms =
                        (0..rows).map(|k| numbers[k * stride + row] * dz[k * 4 * width + at]);
                    assert_eq!(*found, before + terms.sum::<f32>(), "{units} units, {i} on {isa}");
                }
            }
        }
    }
}
