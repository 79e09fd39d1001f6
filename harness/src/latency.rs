//! How long single steps of a stream take: not only on average.

use std::hint::black_box;
use std::time::Instant;

use kernels::Isa;
use lstm::engine::{Options, Stream, Weights};
use lstm::gradcheck::random_batch;
use lstm::{Batch, Float, Input, Layer as ModelLayer, Model};

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
    let Layer { batch, inputs, units } = layer;
    let mut random = Random::new(0);
    let weights = random.layer::<T>(inputs, units);
    let options = Options::new(inputs, units);
    let mut stream = Stream::new(isa, options, Weights::cut(&weights, inputs, units), batch);
    let xs = random.numbers::<T>(1000 * batch * inputs, 1.0);
    let mut xs = xs.chunks_exact(batch * inputs).cycle();
    time(steps, || {
        if let Some(x) = xs.next() {
            black_box(stream.step(black_box(x)));
        }
    })
}

/// The same of a whole model, for `batch` rows: see [`Model::stream`].
///
/// # Errors
///
/// If a layer of it cannot take one step at a time, or the random steps do not fit it.
///
/// # Panics
///
/// If there are no steps.
pub fn measure_model<T: Float>(
    model: &Model<T>,
    batch: usize,
    steps: usize,
) -> lstm::Result<Latency> {
    let mut stream = model.stream(batch)?;
    let sizes: Vec<usize> = stream.input_sizes().map(|size| batch * size).collect();
    let batches = (0..100).map(|seed| random_batch(model, batch, 1, seed));
    let batches: Vec<_> = batches.collect::<lstm::Result<_>>()?;
    // Where the model has a fixed number of steps, one of them is enough.
    let step = |batch: &Batch<T>| -> Vec<Vec<T>> {
        let inputs = batch.x.iter().zip(&sizes);
        inputs.map(|(x, &size)| x.data()[..size].to_vec()).collect()
    };
    let steps_of_data: Vec<Vec<Vec<T>>> = batches.iter().map(step).collect();
    let xs: Vec<Vec<&[T]>> =
        steps_of_data.iter().map(|x| x.iter().map(|x| &x[..]).collect()).collect();
    // What fits once does again.
    xs.iter().try_for_each(|x| stream.step_all(x))?;
    let mut xs = xs.iter().cycle();
    Ok(time(steps, || {
        if let Some(x) = xs.next() {
            black_box(stream.step_all(black_box(x)).is_ok());
            black_box(stream.output(0));
        }
    }))
}

/// What half of the steps of a model would take no longer than, in nanoseconds, if a step took as long as
/// those of its layers, each a model and a stream of its own; with one reading of the clock. None if the model
/// is no chain of layers.
///
/// # Errors
///
/// As [`measure_model`].
///
/// # Panics
///
/// As there.
pub fn measure_layers<T: Float>(
    model: &Model<T>,
    isa: Isa,
    batch: usize,
    steps: usize,
) -> lstm::Result<Option<f64>> {
    let mut shapes = model.input_shapes();
    let (Some(shape), None) = (shapes.next(), shapes.next()) else { return Ok(None) };
    let mut below = shape.clone();
    let (mut sum, mut clock) = (0.0, 0.0);
    for layer in model.layers().filter(|layer| !matches!(layer, ModelLayer::Input(_))) {
        let input = Input::new(below);
        let Ok(output) = layer.clone().call(&[&input]) else {
            return Ok(None); // it has several inputs
        };
        let mut alone = Model::<T>::new_as(&input, &output)?;
        alone.set_isa(isa);
        let latency = measure_model(&alone, batch, steps)?;
        (sum, clock) = (sum + latency.p50 - latency.clock, latency.clock);
        below = output.shape().clone();
    }
    let chain = model.output_shapes().eq([&below]);
    Ok(chain.then_some(sum + clock))
}

/// Times steps, one after another and one by one.
fn time(steps: usize, mut step: impl FnMut()) -> Latency {
    assert!(steps > 0, "no steps");
    let mut times = vec![0u64; steps];

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
