//! Time of an LSTM layer, forward and forward + backward, and of a whole training step, for each
//! instruction set of this CPU, on one thread.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::throughput::{Mode, Shape};
use lstm::engine::{Call, Engine, Gradient, Gradients, Incoming, Options, Weights};
use lstm::{
    Activation, Adam, Dense, Initializer, Input, Isa, LSTM, Loss, Model, Sequential, Tensor,
};

/// `(batch, steps, inputs, units)`: the headline, one row of numbers, and a grid of sizes.
const SHAPES: [(usize, usize, usize, usize); 7] = [
    (32, 10, 8, 4),
    (1, 3, 1, 10),
    (32, 10, 8, 64),
    (32, 50, 1, 32),
    (64, 20, 64, 128),
    (64, 20, 128, 256),
    (64, 10, 512, 512),
];

/// Numbers of their own for every `seed`.
fn random(seed: u64, shape: impl Into<Vec<usize>>) -> Tensor<f32> {
    let draw = Initializer::RandomUniform { minval: -0.3, maxval: 0.3 };
    draw.draw(seed, shape).expect("any shape will do")
}

/// Multiply-adds, as the command line counts them: what criterion shows as elements.
fn work((batch, steps, inputs, units): (usize, usize, usize, usize), mode: Mode) -> Throughput {
    let flops = Shape { batch, steps, inputs, units }.flops(mode, 1);
    Throughput::Elements((flops / 2.0) as u64)
}

fn layer(criterion: &mut Criterion) {
    for shape @ (batch, steps, inputs, units) in SHAPES {
        let weights = random(1, [4 * units * (inputs + units + 1)]).into_data();
        let x = random(2, [batch, steps, inputs]).into_data();
        let dy = random(3, [batch, steps, units]).into_data();
        let (mut y, mut dx) = (dy.clone(), x.clone());
        let mut grads = weights.clone();
        let options = Options {
            inputs,
            units,
            activation: Activation::Tanh,
            recurrent_activation: Activation::Sigmoid,
            go_backwards: false,
        };

        let mut group = criterion.benchmark_group(format!("lstm/{batch},{steps},{inputs},{units}"));
        for isa in Isa::available() {
            let mut engine = Engine::new(isa, options);
            let mut call = Call {
                weights: Weights::cut(&weights, inputs, units),
                version: 0,
                x: &x,
                batch,
                steps,
                initial: [None, None],
                training: false,
            };
            group.throughput(work(shape, Mode::Infer));
            group.bench_function(BenchmarkId::new("forward", isa), |bench| {
                bench.iter(|| engine.forward(black_box(&call), Some(&mut y)));
            });
            call.training = true;
            group.throughput(work(shape, Mode::Train));
            group.bench_function(BenchmarkId::new("forward and backward", isa), |bench| {
                bench.iter(|| {
                    call.version += 1; // weights change between steps, and are packed anew
                    engine.forward(black_box(&call), Some(&mut y));
                    engine.backward(
                        &call,
                        Incoming { dy: Gradient::Sequence(&dy), states: [None, None] },
                        Gradients::cut(&mut grads, inputs, units),
                        Some(&mut dx),
                        [None, None],
                    );
                });
            });
        }
        group.finish();
    }
}

fn compiled((_, steps, inputs, units): (usize, usize, usize, usize), isa: Isa) -> Model {
    let mut model = Sequential::new()
        .add(Input::new([steps, inputs]))
        .add(LSTM::new(units))
        .add(Dense::new(1))
        .build()
        .expect("layers that fit");
    model.set_isa(isa);
    model.compile(Adam::default(), Loss::MeanSquaredError).expect("settings in range");
    model
}

fn training(criterion: &mut Criterion) {
    for shape @ (batch, steps, inputs, units) in SHAPES {
        let (x, y) = (random(1, [batch, steps, inputs]), random(2, [batch, 1]));
        let mut group = criterion.benchmark_group(format!("step/{batch},{steps},{inputs},{units}"));
        group.throughput(work(shape, Mode::Step));
        for isa in Isa::available() {
            let mut model = compiled(shape, isa);
            group.bench_function(BenchmarkId::from_parameter(isa), |bench| {
                bench.iter(|| model.train_on_batch(black_box(&x), &y).expect("data that fits"));
            });
        }
        group.finish();
    }
}

fn one_thread() -> Criterion {
    // Before anything asks for the pool: the engine then never forks.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
    pool.build_global().expect("the first to build it");
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
}

criterion_group! {
    name = benches;
    config = one_thread();
    targets = layer, training
}
criterion_main!(benches);
