//! Activations in numbers per second: per instruction set, next to `std` one by one.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kernels::activation::{Exp, Sigmoid, Tanh};
use kernels::{Float, Isa};

/// In L1 with room to spare, and the units of a small layer: whole vectors and a rest.
const LENGTHS: [usize; 2] = [1024, 20];

/// A function on an instruction set, and on one number with what `std` has.
struct Function<T> {
    name: &'static str,
    run: fn(Isa, &mut [T]),
    std: fn(T) -> T,
}

fn compare<T: Float>(criterion: &mut Criterion, functions: [Function<T>; 3]) {
    for (Function { name, run, std }, len) in
        functions.iter().flat_map(|function| LENGTHS.map(|len| (function, len)))
    {
        let mut group = criterion.benchmark_group(format!("{name}/{}/{len}", T::NAME));
        group.throughput(Throughput::Elements(len as u64));
        group.sample_size(20);
        group.warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_millis(700));

        let numbers = |i| T::from_f64(8.0 * i as f64 / len as f64 - 4.0);
        let x: Vec<T> = (0..len).map(numbers).collect();
        let mut y = x.clone();
        for isa in Isa::available() {
            group.bench_function(BenchmarkId::from_parameter(isa), |bench| {
                bench.iter(|| {
                    // In place, so from a fresh copy: what comes out must not go in again.
                    y.copy_from_slice(black_box(&x));
                    run(isa, black_box(&mut y));
                })
            });
        }
        group.bench_function("std", |bench| {
            bench.iter(|| {
                y.copy_from_slice(black_box(&x));
                for y in black_box(&mut y) {
                    *y = std(*y);
                }
            })
        });
        group.finish();
    }
}

/// The functions of `$scalar`, whose methods are no trait's.
macro_rules! functions {
    ($scalar:ident) => {
        [
            Function { name: "exp", run: |isa, xs| isa.run(Exp(xs)), std: $scalar::exp },
            Function {
                name: "sigmoid",
                run: |isa, xs| isa.run(Sigmoid(xs)),
                std: |x| 1.0 / (1.0 + (-x).exp()),
            },
            Function { name: "tanh", run: |isa, xs| isa.run(Tanh(xs)), std: $scalar::tanh },
        ]
    };
}

fn activations(criterion: &mut Criterion) {
    compare::<f32>(criterion, functions!(f32));
    compare::<f64>(criterion, functions!(f64));
}

criterion_group!(benches, activations);
criterion_main!(benches);
