//! Every product of the grid by everyone who computes it, on one thread; `record` has more.
//! Multiply-adds count as two operations, so that `elem/s` reads as FLOP/s. The peers come with
//! features: `cargo bench -p benches --bench gemm --features peers,system-peers`.

use std::time::Duration;

use benches::grid::products;
use benches::peers::{Element, Job};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::random::Random;

fn race<T: Element>(criterion: &mut Criterion) {
    for product in products() {
        let mut group = criterion.benchmark_group(format!("gemm/{}/{product}", T::NAME));
        group.throughput(Throughput::Elements(product.flops() as u64));
        group.sample_size(10);
        group.warm_up_time(Duration::from_millis(50));
        group.measurement_time(Duration::from_millis(200));

        let mut random = Random::new(0);
        let a = random.numbers::<T>(product.m * product.k, 1.0);
        let b = random.numbers::<T>(product.k * product.n, 1.0);
        let mut c = vec![T::ZERO; product.m * product.n];
        for peer in T::peers() {
            if let Some(mut run) = (peer.ready)(Job { product, a: &a, b: &b, threads: 1 }) {
                let id = BenchmarkId::from_parameter(peer.name);
                group.bench_function(id, |bench| bench.iter(|| run(&mut c)));
            }
        }
        group.finish();
    }
}

fn all(criterion: &mut Criterion) {
    // Some peers take all threads there are.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
    pool.build_global().expect("the first to build it");
    race::<f32>(criterion);
    race::<f64>(criterion);
}

criterion_group!(benches, all);
criterion_main!(benches);
