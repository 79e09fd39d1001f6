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
    pub(crate) fn below(&mut self, end: u64) -> u64 {
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

/// What a training step draws its random numbers from: the same for the same step, so that nothing
/// has to be kept to go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Draw {
    seed: u64,
    step: u64,
    place: u64,
}

impl Draw {
    /// For step number `step` of a training run with a seed.
    pub(crate) fn new(seed: u64, step: u64) -> Self {
        Draw { seed, step, place: 0 }
    }

    /// Another for each of the parts of what draws.
    pub(crate) fn of(self, part: usize) -> Self {
        Draw { place: mix(self.place ^ mix(part as u64 + 1)), ..self }
    }

    /// The numbers, of a layer that may have a seed of its own.
    pub(crate) fn rng(self, own: Option<u64>) -> Rng {
        let seed = own.map_or(self.seed, |own| mix(own ^ 0x6c61_7965_7273)); // apart from the run's
        Rng::new(mix(seed) ^ self.place, self.step)
    }
}

/// A number that shows no relation to `x` (the finalizer of SplitMix64; G. Steele et al., *Fast
/// Splittable Pseudorandom Number Generators*, 2014).
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
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
    fn draws_differ_by_seed_step_part_and_the_layers_own_seed_and_come_again() {
        let draws = [
            (Draw::new(1, 0).of(3), None),
            (Draw::new(2, 0).of(3), None),
            (Draw::new(1, 1).of(3), None),
            (Draw::new(1, 0).of(4), None),
            (Draw::new(1, 0).of(3).of(0), None),
            (Draw::new(1, 0).of(3).of(1), None),
            (Draw::new(1, 0).of(3), Some(1)),
            (Draw::new(1, 0).of(3), Some(2)),
        ];
        let numbers: Vec<f64> = draws.map(|(draw, own)| draw.rng(own).uniform()).to_vec();
        for (i, (draw, own)) in draws.iter().enumerate() {
            assert_eq!(draw.rng(*own).uniform(), numbers[i]);
            assert!(!numbers[..i].contains(&numbers[i]), "{i}");
        }
        // A layer with a seed of its own does not ask for that of the run.
        let own = |seed| Draw::new(seed, 5).of(3).rng(Some(7)).uniform();
        assert_eq!(own(1), own(2));
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
