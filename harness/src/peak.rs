//! The most multiply-adds a core can do, and the bytes it can read: what throughput is held against.
//!
//! Twelve chains of multiply-adds in registers, no memory. Twelve hide the latency of two units
//! with four to five cycles each, and fit in sixteen registers with their operands. Where an
//! instruction set has no fused form, as the portable one of x86-64, a multiply and an add stand
//! for it.

use std::hint::black_box;

use kernels::simd::{Float, Kernel, Simd, V, Vector};
use kernels::{Buffer, Isa};
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
#[derive(Clone, Debug)]
pub struct Read {
    isa: Isa,
    memory: Buffer<f32>,
}

impl Read {
    /// Of so many bytes, on an instruction set.
    pub fn new(isa: Isa, bytes: usize) -> Self {
        Read { isa, memory: Buffer::zeros(bytes.div_ceil(size_of::<f32>())) }
    }

    /// Bytes of a run.
    pub fn bytes(&self) -> f64 {
        size_of_val(&self.memory[..]) as f64
    }

    /// Reads them once, in parts of equal size on the threads of the current `rayon` pool.
    pub fn run(&self, threads: usize) {
        let memory = black_box(&self.memory[..]);
        if threads == 1 {
            black_box(self.isa.run(Sum(memory)));
        } else {
            memory.par_chunks(memory.len().div_ceil(threads)).for_each(|part| {
                black_box(self.isa.run(Sum(part)));
            });
        }
    }
}

/// Adds up a slice, which costs less than to read it.
struct Sum<'a>(&'a [f32]);

impl Kernel for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let lanes = V::<S, f32>::LANES;
        let mut sums = [V::<S, f32>::splat(simd, 0.0); CHAINS];
        for xs in self.0.chunks_exact(CHAINS * lanes) {
            for (sum, xs) in sums.iter_mut().zip(xs.chunks_exact(lanes)) {
                *sum = *sum + V::<S, f32>::load(simd, xs);
            }
        }
        sums.into_iter().fold(0.0, |sum, lanes| sum + lanes.sum())
    }
}
