//! Time of an LSTM layer, forward and forward + backward, and of a whole training step, for each
//! instruction set of this CPU, on one thread.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::stack::Stack;
use harness::throughput::{Mode, Shape, Step};
use lstm::Isa;

/// The headline, one row of numbers, and a grid of sizes.
const SHAPES: [Shape; 7] = [
    Shape { batch: 32, steps: 10, inputs: 8, units: 4 },
    Shape { batch: 1, steps: 3, inputs: 1, units: 10 },
    Shape { batch: 32, steps: 10, inputs: 8, units: 64 },
    Shape { batch: 32, steps: 50, inputs: 1, units: 32 },
    Shape { batch: 64, steps: 20, inputs: 64, units: 128 },
    Shape { batch: 64, steps: 20, inputs: 128, units: 256 },
    Shape { batch: 64, steps: 10, inputs: 512, units: 512 },
];

/// Multiply-adds, as the command line counts them: what criterion shows as elements.
fn work(shape: Shape, mode: Mode) -> Throughput {
    Throughput::Elements((shape.flops(mode, 1) / 2.0) as u64)
}

fn layer(criterion: &mut Criterion) {
    for shape in SHAPES {
        let mut group = criterion.benchmark_group(format!("lstm/{shape}"));
        for isa in Isa::available() {
            let mut stack = Stack::<f32>::new(isa, shape, 1);
            group.throughput(work(shape, Mode::Infer));
            group.bench_function(BenchmarkId::new("forward", isa), |bench| {
                bench.iter(|| stack.infer());
            });
            group.throughput(work(shape, Mode::Train));
            group.bench_function(BenchmarkId::new("forward and backward", isa), |bench| {
                bench.iter(|| stack.train());
            });
        }
        group.finish();
    }
}

fn training(criterion: &mut Criterion) {
    for shape in SHAPES {
        let mut group = criterion.benchmark_group(format!("step/{shape}"));
        group.throughput(work(shape, Mode::Step));
        for isa in Isa::available() {
            let mut step = Step::<f32>::new(isa, shape, 1).expect("a shape without zeros");
            group.bench_function(BenchmarkId::from_parameter(isa), |bench| {
                bench.iter(|| step.run());
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
