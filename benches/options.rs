//! What masks, dropouts, carried states and other activations cost beside none: an LSTM layer, forward and
//! forward + backward, on one thread, on the best instruction set of this CPU.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lstm::engine::{Call, Engine, Factors, Gradient, Gradients, Incoming, Options, Weights};
use lstm::{Activation, Isa};

/// Batch, steps, inputs, units.
const SHAPES: [[usize; 4]; 2] = [[64, 100, 128, 256], [32, 10, 8, 4]];

/// What a layer is measured with.
#[derive(Clone, Copy, Debug)]
enum With {
    Nothing,
    /// A mask that masks nothing.
    FullMask,
    /// Lengths from one step to all, evenly: half of all steps are valid.
    MixedLengths,
    /// Every other step.
    Gaps,
    RecurrentDropout,
    /// States of the call before, as a stateful layer has them.
    States,
    /// In place of tanh.
    Activation(Activation),
    /// In place of the sigmoid.
    Gates(Activation),
}

impl With {
    fn all() -> Vec<Self> {
        let mut all = vec![
            With::Nothing,
            With::FullMask,
            With::MixedLengths,
            With::Gaps,
            With::RecurrentDropout,
            With::States,
            With::Gates(Activation::HardSigmoid),
        ];
        all.extend(Activation::ALL.map(With::Activation));
        all
    }

    fn name(self) -> String {
        match self {
            With::Activation(activation) => activation.name().to_owned(),
            With::Gates(activation) => format!("{} gates", activation.name()),
            other => format!("{other:?}"),
        }
    }

    fn mask(self, batch: usize, steps: usize) -> Option<Vec<bool>> {
        let valid = |row: usize, t: usize| match self {
            With::FullMask => true,
            With::MixedLengths => t * batch < (row * 37 % batch + 1) * steps,
            With::Gaps => (t + row).is_multiple_of(2),
            _ => true,
        };
        let masked = matches!(self, With::FullMask | With::MixedLengths | With::Gaps);
        masked.then(|| (0..batch * steps).map(|at| valid(at / steps, at % steps)).collect())
    }
}

/// Numbers between -1 and 1, over and over.
fn numbers(len: usize, size: f32) -> Vec<f32> {
    (0..len).map(|i| size * ((i * 7919 % 2003) as f32 / 1001.5 - 1.0)).collect()
}

fn options(criterion: &mut Criterion) {
    for [batch, steps, inputs, units] in SHAPES {
        let weights = numbers((inputs + units + 1) * 4 * units, 0.1);
        let (x, dy) = (numbers(batch * steps * inputs, 1.0), numbers(batch * steps * units, 1.0));
        let factors = numbers(batch * 4 * units, 1.0);
        let factors: Vec<f32> =
            factors.into_iter().map(|x| if x > -0.6 { 1.25 } else { 0.0 }).collect();
        let mut y = vec![0.0f32; batch * steps * units];
        let (mut grads, mut dx) = (vec![0.0f32; weights.len()], vec![0.0f32; x.len()]);
        let mut group = criterion.benchmark_group(format!("{batch},{steps},{inputs},{units}"));
        for with in With::all() {
            let mask = with.mask(batch, steps);
            let mut options = Options::new(inputs, units);
            match with {
                With::Activation(activation) => options.activation = activation,
                With::Gates(activation) => options.recurrent_activation = activation,
                _ => {}
            }
            let dropout = matches!(with, With::RecurrentDropout)
                .then_some(Factors { recurrent: &factors, input: None });
            let carried = matches!(with, With::States);
            let mut states = [(); 2].map(|()| vec![0.0f32; batch * units]);
            let mut engine = Engine::new(Isa::best(), options);
            let call = Call {
                weights: Weights::cut(&weights, inputs, units),
                version: 0,
                x: &x,
                batch,
                steps,
                mask: mask.as_deref(),
                dropout,
                initial: [None, None],
                training: false,
            };
            let mut forward = |engine: &mut Engine<f32>, call: Call<f32>| {
                if !carried {
                    return engine.forward(&call, Some(&mut y));
                }
                let initial = [Some(&states[0][..]), Some(&states[1][..])];
                engine.forward(&Call { initial, ..call }, Some(&mut y));
                let [h, c] = &mut states;
                engine.states(Some(h), Some(c));
            };
            group.bench_function(BenchmarkId::new("forward", with.name()), |bench| {
                bench.iter(|| forward(&mut engine, call));
            });
            let mut call = Call { training: true, ..call };
            let name = BenchmarkId::new("forward and backward", with.name());
            group.bench_function(name, |bench| {
                bench.iter(|| {
                    call.version += 1;
                    forward(&mut engine, call);
                    grads.fill(0.0);
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

fn one_thread() -> Criterion {
    // Before anything asks for the pool: the engine then never forks.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
    pool.build_global().expect("the first to build it");
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1000))
}

criterion_group! {
    name = benches;
    config = one_thread();
    targets = options
}
criterion_main!(benches);
