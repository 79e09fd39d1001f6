//! What a training that may be broken off pays for its file: an epoch of one step, of a model of ten million
//! weights with Adam, with a backup at its end and without one.

use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use lstm::{Adam, Backup, Dense, Fit, Input, LSTM, Loss, Model, Sequential, Tensor, Verbose};

/// Inputs and units, of which such a model consists.
const UNITS: usize = 1118;

fn model() -> lstm::Result<Model> {
    let lstm = LSTM::new(UNITS);
    let mut model =
        Sequential::new().add(Input::new([1, UNITS])).add(lstm).add(Dense::new(1)).build()?;
    model.compile(Adam::default(), Loss::MeanSquaredError)?;
    Ok(model)
}

fn backup(criterion: &mut Criterion) {
    let mut model = model().expect("a model");
    let (x, y) = (Tensor::zeros([1, 1, UNITS]), Tensor::zeros([1, 1]));
    // Where cargo builds: a disk, as a rule, which a folder for temporary files may not be.
    let path = std::env::current_exe().expect("a program").with_extension("safetensors");
    let title = format!("{} weights", model.count_params());
    let mut group = criterion.benchmark_group(title);
    for (name, backup) in [("none", None), ("backup", Some(Backup::new(&path)))] {
        let options = Fit { backup, verbose: Verbose::Silent, ..Fit::default() };
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                // A file of a training that is over would be gone on from.
                || std::fs::remove_file(&path).ok(),
                |_| model.fit(&x, &y, options).expect("a training"),
                BatchSize::PerIteration,
            );
        });
    }
    std::fs::remove_file(&path).ok();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(5));
    targets = backup
}
criterion_main!(benches);
