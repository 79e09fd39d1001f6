//! A step of one row that stands for itself: what a stream is made of.
//!
//! A small layer takes fewer cycles for its arithmetic than the steps of a batch take to find their arrays.
//! Here a step knows nothing but its operands, and what vectors of units are multiplied with lies in one
//! piece, in the order in which it is read.

use std::marker::PhantomData;

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

/// How the units of a layer are cut: into whole vectors, and what is left, if that does not fill more than half of one,
/// into half a vector. It goes beside the last whole one: by itself it would wait for its own sums.
#[derive(Clone, Copy)]
struct Cut {
    lanes: usize,
    /// Whole vectors, the last of which may have padding.
    vectors: usize,
    /// Lanes of the half vector at the end: none, if there is none.
    tail: usize,
}

impl Cut {
    #[inline(always)]
    fn of<S: Simd, T: Float>(units: usize) -> Self {
        let (lanes, half) = (V::<S, T>::LANES, V::<S::Half, T>::LANES);
        let (whole, left) = (units / lanes, units % lanes);
        let halved = whole > 0 && (1..=half).contains(&left) && half < lanes;
        // Two vectors abreast and half a one have no tile.
        match halved && abreast(S::REGISTERS) == 1 {
            true => Cut { lanes, vectors: whole, tail: half },
            false => Cut { lanes, vectors: units.div_ceil(lanes), tail: 0 },
        }
    }

    /// Lanes of the half vector beside a part that ends with this vector.
    #[inline(always)]
    fn tail(self, end: usize) -> usize {
        if end == self.vectors { self.tail } else { 0 }
    }
}

/// The weights of a layer: `[part][1 + inputs + units][vector of the part][i f g o][lanes]`, the bias first; the last
/// vector of the last part may be half of one.
#[derive(Clone, Debug)]
pub(in crate::engine) struct OnePiece<T>(Buffer<T>);

impl<T: Float> OnePiece<T> {
    pub(in crate::engine) fn new(isa: Isa, weights: Weights<T>, units: usize) -> Self {
        struct Shape<T>(usize, PhantomData<T>);

        impl<T: Float> Kernel for Shape<T> {
            type Output = (Cut, usize);

            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> (Cut, usize) {
                (Cut::of::<S, T>(self.0), abreast(S::REGISTERS))
            }
        }

        let Weights { kernel, recurrent_kernel, bias } = weights;
        let (cut, abreast) = isa.run(Shape(units, PhantomData::<T>));
        let Cut { lanes, vectors, .. } = cut;
        let zeros = vec![T::ZERO; 4 * units];
        let rows = kernel.chunks_exact(4 * units).chain(recurrent_kernel.chunks_exact(4 * units));
        let rows: Vec<&[T]> = [bias.unwrap_or(&zeros)].into_iter().chain(rows).collect();
        let mut packed = Buffer::zeros(rows.len() * (vectors * lanes + cut.tail) * 4);
        let mut left = 0..vectors;
        while !left.is_empty() {
            let part = part(&mut left, abreast, false);
            let (at, tail) = (part.start * lanes, cut.tail(part.end));
            let packed = &mut packed[at * rows.len() * 4..];
            let row_of_part = 4 * (part.len() * lanes + tail);
            for (row, packed) in rows.iter().zip(packed.chunks_exact_mut(row_of_part)) {
                for (vector, packed) in packed.chunks_mut(4 * lanes).enumerate() {
                    let lanes_here = packed.len() / 4;
                    let gates = row.chunks_exact(units).zip(packed.chunks_exact_mut(lanes_here));
                    for (gate, packed) in gates {
                        let weights = gate.iter().skip(at + vector * lanes);
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
        let cut = Cut::of::<S, T>(self.y.len());
        let (Cut { lanes, vectors, .. }, reversed) = (cut, self.reversed);
        if cut.tail == 0 {
            let mut left = 0..vectors;
            while !left.is_empty() {
                let part = part(&mut left, abreast(S::REGISTERS), reversed);
                let at = part.start * lanes;
                match part.len() {
                    1 => tile(simd, Tile::<T, 1, 0> { step: &mut self, at }),
                    _ => tile(simd, Tile::<T, 2, 0> { step: &mut self, at }),
                }
            }
        } else {
            // A loop of its own, so that the other one keeps its constants in registers.
            let last = vectors - 1;
            for n in 0..vectors {
                let vector = if reversed { last - n } else { n };
                let at = vector * lanes;
                match vector == last {
                    true => tile(simd, Tile::<T, 1, 1> { step: &mut self, at }),
                    false => tile(simd, Tile::<T, 1, 0> { step: &mut self, at }),
                }
            }
        }
        for (y, h) in self.y.chunks_mut(lanes).zip(self.h.chunks_exact(lanes)) {
            V::<S, T>::load(simd, h).store(y);
        }
    }
}

/// `N` vectors of units, which start at this one, and half a vector behind them, or none.
struct Tile<'s, 'a, T, const N: usize, const TAIL: usize> {
    step: &'s mut OneStep<'a, T>,
    at: usize,
}

impl<T: Float, const N: usize, const TAIL: usize> Kernel for Tile<'_, '_, T, N, TAIL> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Tile { step, at } = self;
        let (lanes, half) = (V::<S, T>::LANES, V::<S::Half, T>::LANES);
        let (units, row) = (step.y.len(), 4 * (N * lanes + TAIL * half));
        let depth = 1 + step.x.len() + units;
        let weights = &step.weights.0[at * depth * 4..][..depth * row];
        let mut rows = weights.chunks_exact(row);

        let mut z = [[V::<S, T>::splat(simd, T::ZERO); 4]; N];
        let mut tail = [[V::<S::Half, T>::splat(simd.half(), T::ZERO); 4]; TAIL];
        let of = |row: &[T], vector: usize| V::<S, T>::load(simd, &row[vector * lanes..]);
        let of_tail = |row: &[T], vector: usize| {
            V::<S::Half, T>::load(simd.half(), &row[4 * N * lanes + vector * half..])
        };
        if let Some(bias) = rows.next() {
            for (vector, z) in z.as_flattened_mut().iter_mut().enumerate() {
                *z = of(bias, vector);
            }
            for (vector, z) in tail.as_flattened_mut().iter_mut().enumerate() {
                *z = of_tail(bias, vector);
            }
        }
        // b + x W, then h₋ U.
        for operands in [step.x, &step.h_prev[..units]] {
            for (&operand, row) in operands.iter().zip(&mut rows) {
                let x = V::<S, T>::splat(simd, operand);
                for (vector, z) in z.as_flattened_mut().iter_mut().enumerate() {
                    *z = x.mul_add(of(row, vector), *z);
                }
                if TAIL > 0 {
                    let x = V::<S::Half, T>::splat(simd.half(), operand);
                    for (vector, z) in tail.as_flattened_mut().iter_mut().enumerate() {
                        *z = x.mul_add(of_tail(row, vector), *z);
                    }
                }
            }
        }
        cells::<S, T, N>(simd, step, at, z);
        cells::<S::Half, T, TAIL>(simd.half(), step, at + N * lanes, tail);
    }
}

/// The cells of some vectors, which start at this unit.
#[inline(always)]
fn cells<S: Simd, T: Float, const N: usize>(
    simd: S,
    step: &mut OneStep<T>,
    at: usize,
    z: [[V<S, T>; 4]; N],
) {
    if N == 0 {
        return;
    }
    let lanes = V::<S, T>::LANES;
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
