//! How long single steps of a stream take: not only on average.

use std::hint::black_box;
use std::time::Instant;

use kernels::Isa;
use lstm::Float;
use lstm::engine::{Options, Stream, Weights};

use crate::allocation;
use crate::dtype::Dtype;
use crate::random::Random;

/// The layer that streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Rows that take a step together.
    pub batch: usize,
    /// Features of the input.
    pub inputs: usize,
    /// Units.
    pub units: usize,
}

/// Times of steps, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Of one after another, the clock read only before the first and after the last.
    pub mean: f64,
    /// Half of the steps took no longer. This and what follows include one reading of the clock.
    pub p50: f64,
    /// Of a hundred steps one took longer.
    pub p99: f64,
    /// Of a thousand steps one took longer.
    pub p999: f64,
    /// The longest.
    pub max: f64,
    /// What reading the clock takes.
    pub clock: f64,
    /// Calls of the allocator in all steps, where that is [`allocation::Counting`].
    pub allocations: usize,
}

/// Steps of a stream with random weights over random input, after a thousand to warm up.
///
/// # Panics
///
/// If there are no steps.
pub fn measure(dtype: Dtype, isa: Isa, layer: Layer, steps: usize) -> Latency {
    match dtype {
        Dtype::F32 => measure_as::<f32>(isa, layer, steps),
        Dtype::F64 => measure_as::<f64>(isa, layer, steps),
    }
}

fn measure_as<T: Float>(isa: Isa, layer: Layer, steps: usize) -> Latency {
    assert!(steps > 0, "no steps");
    let Layer { batch, inputs, units } = layer;
    let mut random = Random::new(0);
    let limit = (3.0 / (inputs + units) as f64).sqrt();
    let weights = random.numbers::<T>((inputs + units + 1) * 4 * units, limit);
    let options = Options::new(inputs, units);
    let mut stream = Stream::new(isa, options, Weights::cut(&weights, inputs, units), batch);
    let xs = random.numbers::<T>(1000 * batch * inputs, 1.0);
    let mut xs = xs.chunks_exact(batch * inputs).cycle();
    let mut times = vec![0u64; steps];
    let mut step = || {
        if let Some(x) = xs.next() {
            black_box(stream.step(black_box(x)));
        }
    };

    (0..1000).for_each(|_| step());
    let mut mean = 0.0;
    let allocations = allocation::calls(|| {
        let start = Instant::now();
        (0..steps).for_each(|_| step());
        mean = start.elapsed().as_nanos() as f64 / steps as f64;
        for time in &mut times {
            let start = Instant::now();
            step();
            *time = start.elapsed().as_nanos() as u64;
        }
    });
    times.sort_unstable();
    let after = |share: f64| times[((steps as f64 * share) as usize).min(steps - 1)] as f64;
    let (p50, p99, p999, max) = (after(0.5), after(0.99), after(0.999), after(1.0));

    let mut empty: Vec<u64> = (0..1001)
        .map(|_| {
            let start = Instant::now();
            start.elapsed().as_nanos() as u64
        })
        .collect();
    empty.sort_unstable();
    Latency { mean, p50, p99, p999, max, clock: empty[500] as f64, allocations }
}
