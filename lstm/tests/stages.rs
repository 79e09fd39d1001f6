//! Layers on top of each other in one call of the engine: the same to the bit as one after the other, however
//! they share threads.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kernels::Isa;
use lstm::engine::{
    self, Call, Engine, Factors, Gradient, Gradients, Incoming, Options, Sizes, Stage, Wavefront,
    Weights,
};

/// Layers with so many units over so many inputs.
#[derive(Clone, Copy, Debug)]
struct Tower {
    batch: usize,
    steps: usize,
    inputs: usize,
    units: &'static [usize],
    training: bool,
    /// Which layer reads from the end.
    go_backwards: Option<usize>,
    dropout: bool,
    mask: bool,
    /// Whether each layer has as little memory as is enough.
    bounded: bool,
}

const TOWER: Tower = Tower {
    batch: 1,
    steps: 80,
    inputs: 20,
    units: &[48, 48],
    training: true,
    go_backwards: None,
    dropout: false,
    mask: false,
    bounded: false,
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

/// What a tower comes to.
struct Outcome {
    /// The bits of all that is returned: outputs, then states and gradients, from the lowest layer on.
    bits: Vec<u32>,
    /// How layers shared threads.
    wavefront: Option<Wavefront>,
}

/// Runs a tower `together`, in one call, or each layer by itself.
fn run(isa: Isa, tower: Tower, together: bool) -> Outcome {
    let Tower { batch, steps, inputs, training, go_backwards, .. } = tower;
    let x = numbers(9, batch * steps * inputs);
    let mask: Vec<bool> = (0..batch * steps).map(|at| at % 7 != 3).collect();
    let layers: Vec<Layer> =
        (1..).zip(tower.sizes()).map(|(n, it)| Layer::new(10 * n, it)).collect();
    let engine = |(at, layer): (usize, &Layer)| {
        let options = Options::new(layer.inputs, layer.units);
        let mut engine =
            Engine::new(isa, Options { go_backwards: go_backwards == Some(at), ..options });
        let (all, least) = engine.bytes(batch, steps, [tower.dropout; 2]);
        assert!(!tower.bounded || least < all, "{tower:?}");
        engine.keep_within(tower.bounded.then_some(least));
        engine
    };
    let mut engines: Vec<Engine<f32>> = layers.iter().enumerate().map(engine).collect();
    let mut outputs: Vec<Vec<f32>> =
        layers.iter().map(|layer| vec![f32::NAN; batch * steps * layer.units]).collect();

    let mut wavefront = None;
    if together {
        let parts = layers.iter().zip(&mut engines).zip(&mut outputs).enumerate();
        let mut stages: Vec<_> = parts
            .map(|(at, ((layer, engine), y))| {
                let x = if at == 0 { &x[..] } else { &[] };
                Stage { engine, call: layer.call(tower, x, &mask), y: Some(y) }
            })
            .collect();
        wavefront = engine::wavefront(&stages);
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
    Outcome { bits: all.iter().map(|x| x.to_bits()).collect(), wavefront }
}

fn on<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.unwrap_or_else(|error| panic!("{error}")).install(work)
}

/// Checks the bits of a tower in one call on so many threads, and whether its layers share them.
fn check(isa: Isa, tower: Tower, threads: &[usize], shared: impl Fn(usize) -> bool) {
    let one = on(1, || run(isa, tower, false));
    for &threads in threads {
        let together = on(threads, || run(isa, tower, true));
        let what = format!("{tower:?} on {threads} threads of {isa}: {:?}", together.wavefront);
        assert!(together.bits == one.bits, "{what}");
        assert_eq!(together.wavefront.is_some(), shared(threads), "{what}");
    }
}

#[test]
fn layers_together_have_the_bits_of_layers_alone() {
    let towers = [
        TOWER,
        Tower { training: false, ..TOWER },
        Tower { steps: 131, units: &[40, 56, 33], go_backwards: Some(0), ..TOWER },
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
            check(isa, tower, &[1, 2, 3, 8], |threads| threads > 1);
        }
        // One row so large that threads share its units, too.
        for units in [&[96, 96][..], &[96, 24, 96]] {
            let tower = Tower { steps: 50, units, ..TOWER };
            check(isa, tower, &[4, 8], |_| true);
            let found = on(4, || run(isa, Tower { training: false, ..tower }, true)).wavefront;
            assert_eq!(found.map(|it| it.threads), Some(4), "{tower:?}");
        }
    }
}

#[test]
fn layers_that_wait_for_each_other_have_the_same_bits_too() {
    let towers = [
        Tower { mask: true, ..TOWER },
        // Lanes over the batch.
        Tower { batch: 40, units: &[24, 3, 24], ..TOWER },
        Tower { go_backwards: Some(1), ..TOWER },
        // Threads share the rows.
        Tower { batch: 16, ..TOWER },
        // The sequence is cut.
        Tower { steps: 2100, units: &[12, 12], bounded: true, ..TOWER },
        Tower { units: &[48], steps: 160, ..TOWER },
    ];
    for isa in Isa::available() {
        for tower in towers {
            check(isa, tower, &[2], |_| false);
        }
    }
}

/// Whether a layer is refused upon one of 4 inputs and 6 units, with 2 rows of 8 steps, and so much room for what
/// that puts out.
fn refused(inputs: usize, (batch, steps): (usize, usize), room: usize) -> bool {
    let low = Tower { batch: 2, steps: 8, inputs: 4, training: false, ..TOWER };
    let high = Tower { batch, steps, ..low };
    let layer = |Tower { batch, steps, training, .. }: Tower, inputs, units| {
        let sizes = Sizes { batch, steps, inputs, units, training };
        (Layer::new(1, sizes), Engine::new(Isa::best(), Options::new(inputs, units)))
    };
    let ((below, mut engine_below), (above, mut engine_above)) =
        (layer(low, 4, 6), layer(high, inputs, 5));
    let (x, mut y) = (numbers(2, 2 * 8 * 4), [0.0; 2 * 8 * 6]);
    let y = (room > 0).then_some(&mut y[..room]);
    let mut stages = [
        Stage { engine: &mut engine_below, call: below.call(low, &x, &[]), y },
        Stage { engine: &mut engine_above, call: above.call(high, &[], &[]), y: None },
    ];
    catch_unwind(AssertUnwindSafe(|| engine::forward(&mut stages))).is_err()
}

#[test]
fn a_layer_that_does_not_fit_is_refused() {
    assert!(!refused(6, (2, 8), 96));
    assert!(refused(7, (2, 8), 96), "another number of features");
    assert!(refused(6, (2, 7), 96), "another number of steps");
    assert!(refused(6, (8, 2), 96), "other rows of other steps, as many in all");
    assert!(refused(6, (2, 8), 95), "too little room between them");
    assert!(refused(6, (2, 8), 0), "no room between them");
}
