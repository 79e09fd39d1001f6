//! Layers on top of each other in one call of the engine: the same to the bit as one after the other, however
//! they share threads.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kernels::Isa;
use kernels::gemm::Caches;
use lstm::engine::{
    self, Call, Engine, Factors, Gradient, Gradients, Incoming, Options, Plan, Sizes, Stage,
    Wavefront, Weights,
};

/// Layers with so many units over so many inputs.
#[derive(Clone, Copy, Debug)]
struct Tower {
    batch: usize,
    steps: usize,
    inputs: usize,
    units: &'static [usize],
    training: bool,
    /// Of the lowest layer.
    go_backwards: bool,
    dropout: bool,
    mask: bool,
}

const TOWER: Tower = Tower {
    batch: 1,
    steps: 80,
    inputs: 20,
    units: &[48, 48],
    training: true,
    go_backwards: false,
    dropout: false,
    mask: false,
};

impl Tower {
    fn sizes(self) -> impl Iterator<Item = Sizes> {
        let Tower { batch, steps, inputs, units, training, .. } = self;
        let below = [inputs].into_iter().chain(units.iter().copied());
        below.zip(units).map(move |(inputs, &units)| Sizes {
            batch,
            steps,
            inputs,
            units,
            training,
        })
    }
}

fn numbers(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    })
    .take(len)
    .collect()
}

/// The numbers of a layer, whose engine is not in here.
struct Layer {
    inputs: usize,
    units: usize,
    weights: Vec<f32>,
    states: [Vec<f32>; 2],
    factors: [Vec<f32>; 2],
}

impl Layer {
    fn new(seed: u32, Sizes { batch, inputs, units, .. }: Sizes) -> Self {
        let factors = |width| numbers(seed, batch * 4 * width).iter().map(|x| x.round()).collect();
        Layer {
            inputs,
            units,
            weights: numbers(seed, (inputs + units + 1) * 4 * units),
            states: [1, 2].map(|more| numbers(seed + more, batch * units)),
            factors: [factors(units), factors(inputs)],
        }
    }

    fn call<'a>(&'a self, tower: Tower, x: &'a [f32], mask: &'a [bool]) -> Call<'a, f32> {
        let Tower { batch, steps, training, .. } = tower;
        let [h, c] = &self.states;
        let [recurrent, input] = &self.factors;
        Call {
            weights: Weights::cut(&self.weights, self.inputs, self.units),
            version: 1,
            x,
            batch,
            steps,
            mask: tower.mask.then_some(mask),
            dropout: tower.dropout.then_some(Factors { recurrent, input: Some(input) }),
            initial: [Some(h), Some(c)],
            training,
        }
    }
}

/// The bits of all that a tower returns: outputs, states, gradients, from the lowest layer on. `together` in
/// one call, or each layer by itself.
fn run(isa: Isa, tower: Tower, together: bool) -> Vec<u32> {
    let Tower { batch, steps, inputs, training, go_backwards, .. } = tower;
    let x = numbers(9, batch * steps * inputs);
    let mask: Vec<bool> = (0..batch * steps).map(|at| at % 7 != 3).collect();
    let layers: Vec<Layer> =
        (1..).zip(tower.sizes()).map(|(n, it)| Layer::new(10 * n, it)).collect();
    let mut engines: Vec<Engine<f32>> = layers
        .iter()
        .enumerate()
        .map(|(at, layer)| Options {
            go_backwards: go_backwards && at == 0,
            ..Options::new(layer.inputs, layer.units)
        })
        .map(|options| Engine::new(isa, options))
        .collect();
    let mut outputs: Vec<Vec<f32>> =
        layers.iter().map(|layer| vec![f32::NAN; batch * steps * layer.units]).collect();

    if together {
        let parts = layers.iter().zip(&mut engines).zip(&mut outputs).enumerate();
        let mut stages: Vec<_> = parts
            .map(|(at, ((layer, engine), y))| {
                let x = if at == 0 { &x[..] } else { &[] };
                Stage { engine, call: layer.call(tower, x, &mask), y: Some(y) }
            })
            .collect();
        engine::forward(&mut stages);
    } else {
        for (at, (layer, engine)) in layers.iter().zip(&mut engines).enumerate() {
            let (below, above) = outputs.split_at_mut(at);
            let x = below.last().unwrap_or(&x);
            engine.forward(&layer.call(tower, x, &mask), Some(&mut above[0]));
        }
    }

    let mut all: Vec<f32> = outputs.concat();
    let inputs = [&x].into_iter().chain(&outputs);
    for ((layer, engine), x) in layers.iter().zip(&mut engines).zip(inputs) {
        let [mut h, mut c] = [(); 2].map(|()| vec![0.0; batch * layer.units]);
        engine.states(Some(&mut h), Some(&mut c));
        all.extend(h.iter().chain(&c));
        if !training {
            continue;
        }
        let dy = numbers(8, batch * steps * layer.units);
        let (mut dw, mut dx) = (vec![0.0; layer.weights.len()], vec![0.0; x.len()]);
        engine.backward(
            &layer.call(tower, x, &mask),
            Incoming { dy: Gradient::Sequence(&dy), states: [Some(&h), Some(&c)] },
            Gradients::cut(&mut dw, layer.inputs, layer.units),
            Some(&mut dx),
            [None, None],
        );
        all.extend(dw.iter().chain(&dx));
    }
    assert!(all.iter().all(|x| x.is_finite()), "{tower:?}");
    all.iter().map(|x| x.to_bits()).collect()
}

fn on<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.unwrap_or_else(|error| panic!("{error}")).install(work)
}

/// How its layers share threads.
fn wavefront(isa: Isa, tower: Tower, threads: usize) -> Option<Wavefront> {
    let caches = Caches::of_this_cpu();
    let plan = |sizes| (sizes, Plan::of::<f32>(isa, caches, sizes, || threads));
    let layers: Vec<(Sizes, Plan)> = tower.sizes().map(plan).collect();
    Wavefront::of::<f32>(caches, &layers, || threads)
}

#[test]
fn layers_together_have_the_bits_of_layers_alone() {
    let towers = [
        TOWER,
        Tower { training: false, ..TOWER },
        Tower { steps: 131, units: &[40, 56, 33], go_backwards: true, ..TOWER },
        Tower { batch: 2, steps: 37, units: &[64, 24, 48, 40], ..TOWER },
        Tower { batch: 2, dropout: true, ..TOWER },
        // `x W` ahead for some steps, of which pieces of the sequence are no multiple.
        Tower { inputs: 200, steps: 230, training: false, ..TOWER },
        Tower { inputs: 200, ..TOWER },
        // More layers than threads.
        Tower { steps: 60, units: &[32; 7], training: false, ..TOWER },
    ];
    for isa in Isa::available() {
        for tower in towers {
            let one = on(1, || run(isa, tower, false));
            for threads in [1, 2, 3, 8] {
                let found = wavefront(isa, tower, threads);
                assert_eq!(found.is_some(), threads > 1, "{tower:?} on {threads} threads of {isa}");
                let together = on(threads, || run(isa, tower, true));
                assert!(together == one, "{tower:?} on {threads} threads of {isa}");
            }
        }
    }
}

/// A mask, lanes over the batch, a layer that reads from the end: one layer after the other.
#[test]
fn layers_that_wait_for_each_other_have_the_same_bits_too() {
    let towers = [
        Tower { mask: true, ..TOWER },
        Tower { batch: 40, units: &[24, 3, 24], ..TOWER },
        Tower { batch: 2, units: &[24], ..TOWER },
    ];
    for isa in Isa::available() {
        for tower in towers {
            let one = on(1, || run(isa, tower, false));
            let together = on(2, || run(isa, tower, true));
            assert!(together == one, "{tower:?} on {isa}");
        }
    }
}

#[test]
fn a_layer_that_does_not_fit_is_refused() {
    let refused = |inputs: usize, steps: usize, room: usize| {
        let [below, above] = [(4, 6), (inputs, 5)].map(|(inputs, units)| {
            Layer::new(1, Sizes { batch: 1, steps: 8, inputs, units, training: false })
        });
        let tower = Tower { steps: 8, inputs: 4, training: false, ..TOWER };
        let x = numbers(2, 8 * 4);
        let engine =
            |layer: &Layer| Engine::new(Isa::best(), Options::new(layer.inputs, layer.units));
        let (mut low, mut high) = (engine(&below), engine(&above));
        let mut y = [0.0; 8 * 6];
        let y = (room > 0).then_some(&mut y[..room.min(48)]);
        let mut stages = [
            Stage { engine: &mut low, call: below.call(tower, &x, &[]), y },
            Stage {
                engine: &mut high,
                call: above.call(Tower { steps, ..tower }, &[], &[]),
                y: None,
            },
        ];
        catch_unwind(AssertUnwindSafe(|| engine::forward(&mut stages))).is_err()
    };
    assert!(!refused(6, 8, 48));
    assert!(refused(7, 8, 48), "another number of features");
    assert!(refused(6, 7, 48), "another number of steps");
    assert!(refused(6, 8, 47), "too little room between them");
    assert!(refused(6, 8, 0), "no room between them");
}
