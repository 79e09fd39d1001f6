//! Random data for checks and measurements: the same on every machine.

use kernels::Float;

/// A stream of random numbers (SplitMix64; G. Steele, D. Lea and C. Flood, 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in -1 ..= 1, in steps that `f32` holds exactly.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 40) as f64 / f64::from(1 << 23) - 1.0
    }

    /// `len` numbers uniform in ±`limit`.
    pub fn numbers<T: Float>(&mut self, len: usize, limit: f64) -> Vec<T> {
        (0..len).map(|_| T::from_f64(limit * self.uniform())).collect()
    }

    /// Weights of an LSTM layer, one after another, as `Weights::cut` has them; so large that sums of their
    /// products with numbers like these stay near one.
    pub fn layer<T: Float>(&mut self, inputs: usize, units: usize) -> Vec<T> {
        let limit = (3.0 / (inputs + units) as f64).sqrt();
        self.numbers((inputs + units + 1) * 4 * units, limit)
    }

    /// An index below `end`.
    ///
    /// # Panics
    ///
    /// If `end` is zero.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }
}
