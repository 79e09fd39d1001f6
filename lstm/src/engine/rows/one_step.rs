//! A step of one row that stands for itself: what a stream is made of.
//!
//! A small layer takes fewer cycles for its arithmetic than the steps of a batch take to find their arrays.
//! Here a step knows nothing but its operands, and what vectors of units are multiplied with lies in one
//! piece, in the order in which it is read.

use kernels::simd::{Float, Kernel, Simd, V, Vector};
use kernels::{Buffer, Isa};

use super::abreast::part;
use super::tile;
use crate::engine::call::Weights;
use crate::engine::cell::{self, Activations, Run};

/// Vectors of units that go side by side, one or two. Each has a chain of multiply-adds for every gate; short ones,
/// as those of instruction sets with few registers are, need two. A long one has chains enough, and the smaller
/// the parts, the more of the weights are still in the nearest cache when the next step starts with them.
const fn abreast(registers: usize) -> usize {
    if registers >= 32 { 1 } else { 2 }
}

/// The weights of a layer: `[part][1 + inputs + units][vector of the part][i f g o][lanes]`, the bias first.
#[derive(Clone, Debug)]
pub(in crate::engine) struct OnePiece<T>(Buffer<T>);

impl<T: Float> OnePiece<T> {
    pub(in crate::engine) fn new(isa: Isa, weights: Weights<T>, units: usize) -> Self {
        struct Abreast;

        impl Kernel for Abreast {
            type Output = usize;

            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> usize {
                abreast(S::REGISTERS)
            }
        }

        let Weights { kernel, recurrent_kernel, bias } = weights;
        let lanes = isa.lanes::<T>();
        let vectors = units.div_ceil(lanes);
        let abreast = isa.run(Abreast);
        let zeros = vec![T::ZERO; 4 * units];
        let rows = kernel.chunks_exact(4 * units).chain(recurrent_kernel.chunks_exact(4 * units));
        let rows: Vec<&[T]> = [bias.unwrap_or(&zeros)].into_iter().chain(rows).collect();
        let mut packed = Buffer::zeros(rows.len() * vectors * 4 * lanes);
        let mut left = 0..vectors;
        while !left.is_empty() {
            let part = part(&mut left, abreast, false);
            let packed = &mut packed[part.start * rows.len() * 4 * lanes..];
            for (row, packed) in rows.iter().zip(packed.chunks_exact_mut(part.len() * 4 * lanes)) {
                for (vector, packed) in part.clone().zip(packed.chunks_exact_mut(4 * lanes)) {
                    let gates = row.chunks_exact(units).zip(packed.chunks_exact_mut(lanes));
                    for (gate, packed) in gates {
                        let weights = gate.iter().skip(vector * lanes);
                        packed.iter_mut().zip(weights).for_each(|(packed, &w)| *packed = w);
                    }
                }
            }
        }
        OnePiece(packed)
    }
}

/// A step.
pub(crate) struct OneStep<'a, T> {
    pub(in crate::engine) activations: Activations,
    pub(in crate::engine) weights: &'a OnePiece<T>,
    pub(in crate::engine) x: &'a [T],
    // The states, padded to whole vectors.
    pub(in crate::engine) h_prev: &'a [T],
    pub(in crate::engine) h: &'a mut [T],
    pub(in crate::engine) c_prev: &'a [T],
    pub(in crate::engine) c: &'a mut [T],
    /// `h` without padding.
    pub(in crate::engine) y: &'a mut [T],
    /// Whether the last vectors of units come first. If that changes from step to step, some of the weights
    /// of the step before are still in the nearest cache.
    pub(in crate::engine) reversed: bool,
}

impl<T: Float> Kernel for OneStep<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let lanes = V::<S, T>::LANES;
        let vectors = self.h.len() / lanes;
        let most = abreast(S::REGISTERS);
        let mut left = 0..vectors;
        while !left.is_empty() {
            let part = part(&mut left, most, self.reversed);
            match part.len() {
                1 => tile(simd, Tile::<T, 1> { step: &mut self, first: part.start }),
                _ => tile(simd, Tile::<T, 2> { step: &mut self, first: part.start }),
            }
        }
        for (y, h) in self.y.chunks_mut(lanes).zip(self.h.chunks_exact(lanes)) {
            V::<S, T>::load(simd, h).store(y);
        }
    }
}

/// `N` vectors of units, the first of which is this one.
struct Tile<'s, 'a, T, const N: usize> {
    step: &'s mut OneStep<'a, T>,
    first: usize,
}

impl<T: Float, const N: usize> Kernel for Tile<'_, '_, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Tile { step, first } = self;
        let lanes = V::<S, T>::LANES;
        let (units, row) = (step.y.len(), N * 4 * lanes);
        let depth = 1 + step.x.len() + units;
        let weights = &step.weights.0[first * depth * 4 * lanes..][..depth * row];
        let mut rows = weights.chunks_exact(row);

        let mut z = [[V::<S, T>::splat(simd, T::ZERO); 4]; N];
        let of = |row: &[T], vector: usize| V::<S, T>::load(simd, &row[vector * lanes..]);
        if let Some(bias) = rows.next() {
            for (vector, z) in z.as_flattened_mut().iter_mut().enumerate() {
                *z = of(bias, vector);
            }
        }
        // b + x W, then h₋ U.
        for operand in [step.x, &step.h_prev[..units]] {
            for (&operand, row) in operand.iter().zip(&mut rows) {
                let operand = V::<S, T>::splat(simd, operand);
                for (vector, z) in z.as_flattened_mut().iter_mut().enumerate() {
                    *z = operand.mul_add(of(row, vector), *z);
                }
            }
        }
        let at = first * lanes;
        step.activations.forward_at_hand::<S, T, N>(
            simd,
            z,
            cell::Forward {
                run: Run { count: N, stride: lanes, gate_stride: 4 * lanes, between: lanes },
                c_prev: &step.c_prev[at..],
                c: &mut step.c[at..],
                h: &mut step.h[at..],
                kept: None,
            },
        );
    }
}
