//! Matrix products in multiply-adds counted as two operations, so that `elem/s` reads as FLOP/s:
//! per instruction set, with and without packed weights, next to `matrixmultiply` on one thread.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::peer::Scalar;
use kernels::{Gemm, Isa, MatMut, MatRef, Packed, Scratch};

/// All ways to the same product, as one group.
fn compare<T: Scalar>(criterion: &mut Criterion, name: &str, (m, n, k): (usize, usize, usize)) {
    let mut group = criterion.benchmark_group(format!("{name}/{}/{m}x{n}x{k}", T::NAME));
    group.throughput(Throughput::Elements(2 * (m * n * k) as u64));
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(100));
    group.measurement_time(Duration::from_millis(400));

    let fill = |len| -> Vec<T> { (0..len).map(|i| T::from_f64((i % 7) as f64 - 3.0)).collect() };
    let (a, b, mut c) = (fill(m * k), fill(k * n), fill(m * n));
    let mut scratch = Scratch::default();
    let view = MatRef::new(&a, m, k);
    for isa in Isa::available() {
        let weights = MatRef::new(&b, k, n);
        let packed = Packed::right(isa, weights);
        for (name, gemm) in [
            ("plain", Gemm::new(view, weights).serial()),
            ("packed", Gemm::new(view, &packed).serial()),
            ("threads", Gemm::new(view, weights)),
        ] {
            group.bench_function(BenchmarkId::new(name, isa), |bench| {
                bench.iter(|| gemm.isa(isa).run(MatMut::new(black_box(&mut c), m, n), &mut scratch))
            });
        }
    }
    group.bench_function("matrixmultiply", |bench| {
        bench.iter(|| T::matrixmultiply((m, n, k), black_box(&a), &b, black_box(&mut c)))
    });
    group.finish();
}

fn squares(criterion: &mut Criterion) {
    for n in [64, 128, 256, 512, 1024] {
        compare::<f32>(criterion, "square", (n, n, n));
        compare::<f64>(criterion, "square", (n, n, n));
    }
}

/// A batch times the recurrent weights of an LSTM: few rows, four gates wide.
fn recurrent(criterion: &mut Criterion) {
    for units in [16, 64, 256, 512] {
        for batch in [1, 16, 32, 64] {
            compare::<f32>(criterion, "recurrent", (batch, 4 * units, units));
        }
    }
}

criterion_group!(benches, squares, recurrent);
criterion_main!(benches);
