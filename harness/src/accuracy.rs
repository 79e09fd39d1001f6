//! Errors of the activations in units in the last place (ULP) of the exact value.
//!
//! Every `f32` can be gone through; of the `f64`, points are drawn. What is exact is said by
//! [`Exact`].

use kernels::activation::Function;
use kernels::reference::{Exact, hard_cases};
use kernels::{Float, Isa};
use rayon::prelude::*;

use crate::random::Random;

/// Where the bins of a histogram end, in ULP; the last has no end.
pub const BINS: [f64; 8] = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.5, 2.0];

/// Points that one task looks at.
const BLOCK: u64 = 1 << 13;

/// The errors of one function on one instruction set.
#[derive(Clone, Copy, Debug)]
pub struct Accuracy {
    /// The instruction set.
    pub isa: Isa,
    /// The largest error found.
    pub worst: f64,
    /// The number whose result has it.
    pub x: f64,
    /// How many errors are no larger than each of [`BINS`] and larger than the one before; then,
    /// how many are larger than all.
    pub histogram: [u64; BINS.len() + 1],
}

impl Accuracy {
    fn new(isa: Isa) -> Self {
        Accuracy { isa, worst: 0.0, x: 0.0, histogram: [0; BINS.len() + 1] }
    }

    fn add(&mut self, x: f64, error: f64) {
        // Most are in the first.
        let bin = BINS.iter().position(|&end| error <= end).unwrap_or(BINS.len());
        self.histogram[bin] += 1;
        if error > self.worst {
            (self.worst, self.x) = (error, x);
        }
    }

    fn merged(mut self, other: Self) -> Self {
        for (count, more) in self.histogram.iter_mut().zip(other.histogram) {
            *count += more;
        }
        if other.worst > self.worst {
            (self.worst, self.x) = (other.worst, other.x);
        }
        self
    }

    /// How many points were looked at.
    pub fn points(&self) -> u64 {
        self.histogram.iter().sum()
    }
}

/// Goes through every `stride`th bit pattern of `f32`, with an odd stride through all signs and
/// exponents; through all of them with a stride of one.
///
/// # Panics
///
/// If `stride` is zero.
pub fn of_f32(function: Function, isas: &[Isa], stride: u64) -> Vec<Accuracy> {
    let points = (1u64 << 32).div_ceil(stride);
    let block = |block: u64| -> Vec<f32> {
        let within = block * BLOCK..points.min((block + 1) * BLOCK);
        within.map(|i| f32::from_bits((i * stride) as u32)).collect()
    };
    sweep(function, isas, points.div_ceil(BLOCK), block)
}

/// Draws about `points` numbers, evenly over the bit patterns: half of them over all signs and
/// exponents, half over those from 2⁻³² to 2¹¹, where the functions bend. Adds the [`hard_cases`].
pub fn of_f64(function: Function, isas: &[Isa], points: u64) -> Vec<Accuracy> {
    let (sign, infinity) = (1 << 63, f64::INFINITY.to_bits());
    let bent = 2f64.powi(-32).to_bits()..2f64.powi(11).to_bits();
    let ranges =
        [0..infinity, sign..sign + infinity, bent.clone(), sign + bent.start..sign + bent.end];
    let blocks = points.div_ceil(BLOCK * ranges.len() as u64);
    // One point in each of as many equal parts of the range: neighbours stay together.
    let block = |block: u64| -> Vec<f64> {
        let range = &ranges[(block / blocks) as usize];
        let part = (range.end - range.start) / (blocks * BLOCK);
        let mut random = Random::new(block);
        let parts = (block % blocks) * BLOCK..(block % blocks + 1) * BLOCK;
        parts.map(|i| f64::from_bits(range.start + i * part + random.bits() % part)).collect()
    };
    let found = sweep(function, isas, blocks * ranges.len() as u64, block);
    merged(found, at(function, isas, hard_cases(function)))
}

/// The errors at these numbers.
pub fn at<T: Float>(function: Function, isas: &[Isa], xs: &[T]) -> Vec<Accuracy> {
    let exact = Exact::of(Isa::best(), function, xs);
    let of = |&isa: &Isa| {
        let mut ys = xs.to_vec();
        function.run(isa, &mut ys);
        let mut accuracy = Accuracy::new(isa);
        for (x, error) in xs.iter().zip(exact.ulps(&ys)) {
            accuracy.add(x.to_f64(), error);
        }
        accuracy
    };
    isas.iter().map(of).collect()
}

fn merged(a: Vec<Accuracy>, b: Vec<Accuracy>) -> Vec<Accuracy> {
    a.into_iter().zip(b).map(|(a, b)| a.merged(b)).collect()
}

fn sweep<T: Float>(
    function: Function,
    isas: &[Isa],
    blocks: u64,
    block: impl Fn(u64) -> Vec<T> + Sync,
) -> Vec<Accuracy> {
    let none = || -> Vec<Accuracy> { isas.iter().map(|&isa| Accuracy::new(isa)).collect() };
    let add = |found, i| merged(found, at(function, isas, &block(i)));
    (0..blocks).into_par_iter().fold(none, add).reduce(none, merged)
}
