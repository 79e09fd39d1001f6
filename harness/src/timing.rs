//! Interleaved measurements, for machines that are shared and noisy.
//!
//! Contestants take turns, sample by sample, so that a slow stretch of the machine falls on all of
//! them: ratios from one run hold where times from two do not. Of the samples the median says
//! what to expect, the minimum what is possible.

use std::time::{Duration, Instant};

/// A sample takes at least this long, so that reading the clock does not show in it.
const SAMPLE: Duration = Duration::from_micros(40);
/// Running each contestant before the first sample: caches, branch predictors, clock frequency.
const WARM_UP: Duration = Duration::from_millis(20);
/// Samples of each contestant, at least and at most.
const SAMPLES: std::ops::RangeInclusive<usize> = 5..=20_000;

/// The times of one contestant, in seconds a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Half of the samples took longer.
    pub median: f64,
    /// The shortest sample.
    pub min: f64,
}

impl Timing {
    /// Of a number of samples.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        Timing { median: samples[samples.len() / 2], min: samples[0] }
    }

    /// The median in microseconds.
    pub fn median_us(self) -> f64 {
        self.median * 1e6
    }

    /// The minimum in microseconds.
    pub fn min_us(self) -> f64 {
        self.min * 1e6
    }

    /// Billions of operations a second, by the median.
    pub fn giga_per_second(self, operations: f64) -> f64 {
        operations / self.median * 1e-9
    }
}

/// Lets `contestants` take turns for about as long as `budget`, and each at least five times.
pub fn interleave<const N: usize>(
    budget: Duration,
    mut contestants: [&mut dyn FnMut(); N],
) -> [Timing; N] {
    let mut timings = take_turns(budget, &mut contestants).into_iter();
    std::array::from_fn(|_| timings.next().expect("one for each"))
}

/// [`interleave`] for a number of contestants that is known only at run time.
pub fn take_turns(budget: Duration, contestants: &mut [&mut dyn FnMut()]) -> Vec<Timing> {
    let runs: Vec<_> = contestants.iter_mut().map(|contestant| warm_up(contestant)).collect();
    let mut samples = vec![Vec::new(); contestants.len()];
    let start = Instant::now();
    for round in 0..*SAMPLES.end() {
        if round >= *SAMPLES.start() && start.elapsed() >= budget {
            break;
        }
        for ((contestant, samples), &runs) in contestants.iter_mut().zip(&mut samples).zip(&runs) {
            let start = Instant::now();
            (0..runs).for_each(|_| contestant());
            samples.push(start.elapsed().as_secs_f64() / runs as f64);
        }
    }
    samples.into_iter().map(Timing::of).collect()
}

/// Warms a contestant up; gives how many runs make a sample.
fn warm_up(contestant: &mut dyn FnMut()) -> usize {
    let start = Instant::now();
    let mut shortest = Duration::MAX;
    loop {
        let run = Instant::now();
        contestant();
        shortest = shortest.min(run.elapsed());
        if start.elapsed() >= WARM_UP {
            return (SAMPLE.as_nanos() / shortest.as_nanos().max(1) + 1) as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contestants_take_turns_and_the_slower_one_is_slower() {
        let work = |n: u64| (0..n).fold(0u64, |zero, x| std::hint::black_box(zero & x));
        let mut short = || assert_eq!(work(1_000), 0);
        let mut long = || assert_eq!(work(100_000), 0);
        let [short, long] = interleave(Duration::from_millis(20), [&mut short, &mut long]);
        assert!(long.median > 10.0 * short.median, "{long:?} {short:?}");
        assert!(short.min <= short.median && long.min <= long.median);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Timing::of(vec![3.0, 1.0, 2.0]), Timing { median: 2.0, min: 1.0 });
    }
}
