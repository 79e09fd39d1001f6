//! The most multiply-adds a core can do: what throughput is held against.
//!
//! Twelve chains of multiply-adds in registers, no memory. Twelve hide the latency of two units
//! with four to five cycles each, and fit in sixteen registers with their operands. Where an
//! instruction set has no fused form, as the portable one of x86-64, a multiply and an add stand
//! for it.

use std::hint::black_box;

use kernels::Isa;
use kernels::simd::{Float, Kernel, Simd, V, Vector};

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
