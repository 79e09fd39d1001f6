//! Seeded random numbers that do not change with versions of anything.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// A seeded stream of random numbers (ChaCha with 8 rounds; D. J. Bernstein, 2008).
#[derive(Clone, Debug)]
pub(crate) struct Rng(ChaCha8Rng);

impl Rng {
    /// The stream number `stream` of a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Rng(rng)
    }

    /// Uniform in [0, 1): 53 random bits.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (G. Box and M. Muller, 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Standard normal within two standard deviations, by rejection.
    pub(crate) fn truncated_normal(&mut self) -> f64 {
        loop {
            let x = self.normal();
            if x.abs() <= 2.0 {
                return x;
            }
        }
    }

    /// Uniform in `0..end`, without bias (D. Lemire, *Fast Random Integer Generation in an
    /// Interval*, 2019).
    fn below(&mut self, end: u64) -> u64 {
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(end);
            if product as u64 >= end.wrapping_neg() % end {
                return (product >> 64) as u64;
            }
        }
    }

    /// Puts `xs` in random order (R. Fisher and F. Yates, 1938).
    pub(crate) fn shuffle<T>(&mut self, xs: &mut [T]) {
        for i in (1..xs.len()).rev() {
            xs.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream_and_others_differ() {
        let draw = |seed, stream| Rng::new(seed, stream).uniform();
        assert_eq!(draw(7, 0), draw(7, 0));
        assert_ne!(draw(7, 0), draw(7, 1));
        assert_ne!(draw(7, 0), draw(8, 0));
    }

    #[test]
    fn a_shuffle_keeps_every_element_and_moves_each_one_everywhere() {
        let mut rng = Rng::new(1, 0);
        let mut seen = [[0; 5]; 5];
        for _ in 0..2000 {
            let mut xs = [0, 1, 2, 3, 4];
            rng.shuffle(&mut xs);
            xs.iter().enumerate().for_each(|(at, &x): (usize, &usize)| seen[x][at] += 1);
        }
        // 400 expected, standard deviation 18.
        assert!(seen.iter().flatten().all(|&count| (310..490).contains(&count)), "{seen:?}");
    }
}
