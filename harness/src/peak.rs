//! The most multiply-adds a core can do, and the bytes it can read: what throughput is held against.
//!
//! Twelve chains of multiply-adds in registers, no memory. Twelve hide the latency of two units
//! with four to five cycles each, and fit in sixteen registers with their operands. Where an
//! instruction set has no fused form, as the portable one of x86-64, a multiply and an add stand
//! for it.

use std::hint::black_box;

use kernels::Isa;
use kernels::simd::{Float, Kernel, Simd, V, Vector};
use rayon::prelude::*;

/// Independent chains.
const CHAINS: usize = 12;
/// Multiply-adds in a chain: some 20 to 100 µs.
const LENGTH: usize = 10_000;

/// A run of multiply-adds, to be timed.
#[derive(Clone, Copy, Debug)]
pub struct Peak<T> {
    isa: Isa,
    factor: T,
}

impl<T: Float> Peak<T> {
    /// On an instruction set.
    pub fn new(isa: Isa) -> Self {
        Peak { isa, factor: T::from_f64(0.999) }
    }

    /// Floating-point operations of a run.
    pub fn flops(&self) -> f64 {
        (2 * CHAINS * LENGTH * self.isa.lanes::<T>()) as f64
    }

    /// Does them.
    pub fn run(&self) {
        black_box(self.isa.run(Chains { factor: black_box(self.factor) }));
    }
}

/// A run of multiply-adds from which the clock of the CPU follows: on AVX2 every core has two units,
/// of 256 bits each. (Zen, the first of its kind, joins two of 128 to one; its clock shows as half.)
#[derive(Clone, Copy, Debug)]
pub struct Clock(Peak<f32>);

impl Clock {
    /// Nothing, where the CPU lacks AVX2.
    pub fn new() -> Option<Self> {
        let isa = Isa::available().into_iter().find(|isa| isa.name() == "avx2")?;
        Some(Clock(Peak::new(isa)))
    }

    /// Cycles of a run.
    pub fn cycles(&self) -> f64 {
        self.0.flops() / 32.0
    }

    /// Does the multiply-adds.
    pub fn run(&self) {
        self.0.run();
    }
}

struct Chains<T> {
    factor: T,
}

impl<T: Float> Kernel for Chains<T> {
    type Output = T;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> T {
        let factor = V::<S, T>::splat(simd, self.factor);
        let mut chains: [V<S, T>; CHAINS] =
            std::array::from_fn(|i| V::<S, T>::splat(simd, T::from_f64(i as f64)));
        for _ in 0..LENGTH {
            for chain in &mut chains {
                *chain = chain.mul_add(factor, factor);
            }
        }
        chains.into_iter().fold(T::ZERO, |sum, chain| sum + chain.sum())
    }
}

/// A read of memory, to be timed: what a product is held against that reads each weight once.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a, T> {
    isa: Isa,
    memory: &'a [T],
}

impl<'a, T: Float> Read<'a, T> {
    /// Of these numbers, on an instruction set.
    pub fn new(isa: Isa, memory: &'a [T]) -> Self {
        Read { isa, memory }
    }

    /// Reads them once, in parts of equal size on the threads of the current `rayon` pool.
    pub fn run(&self, threads: usize) {
        let memory = black_box(self.memory);
        if threads == 1 {
            black_box(self.isa.run(Sum(memory)));
        } else {
            memory.par_chunks(memory.len().div_ceil(threads)).for_each(|part| {
                black_box(self.isa.run(Sum(part)));
            });
        }
    }
}

/// Places from which memory is read at the same time: with one, the CPU reads less far ahead.
const STREAMS: usize = 6;

/// Adds up a slice, which costs less than to read it.
struct Sum<'a, T>(&'a [T]);

impl<T: Float> Kernel for Sum<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> T {
        let lanes = V::<S, T>::LANES;
        let mut sums = [V::<S, T>::splat(simd, T::ZERO); 2 * STREAMS];
        let length = self.0.len() / STREAMS / (2 * lanes) * (2 * lanes);
        for start in (0..length).step_by(2 * lanes) {
            for (stream, sums) in sums.chunks_exact_mut(2).enumerate() {
                let xs = &self.0[stream * length + start..][..2 * lanes];
                sums[0] = sums[0] + V::<S, T>::load(simd, xs);
                sums[1] = sums[1] + V::<S, T>::load(simd, &xs[lanes..]);
            }
        }
        sums.into_iter().fold(T::ZERO, |sum, lanes| sum + lanes.sum())
    }
}
