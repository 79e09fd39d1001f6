//! A budget of bytes changes no bit of what training computes.

use kernels::Isa;
use lstm::engine::{Call, Engine, Factors, Gradient, Gradients, Incoming, Options, Weights};
use lstm::{Activation, Float};

/// Numbers between -1 and 1 that look random.
fn numbers<T: Float>(seed: u32, len: usize) -> Vec<T> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        T::from_f64(f64::from(state >> 8) / f64::from(1 << 23) - 1.0)
    })
    .take(len)
    .collect()
}

/// A layer with its data.
struct Layer<T> {
    options: Options,
    batch: usize,
    steps: usize,
    given: [Vec<T>; 4],
    mask: Option<Vec<bool>>,
    factors: Option<[Vec<T>; 2]>,
    /// Whether every step has a gradient, or the last alone.
    sequences: bool,
}

/// All that a call in training returns.
#[derive(Debug)]
struct Outcome<T> {
    y: Vec<T>,
    states: [Vec<T>; 2],
    grads: [Vec<T>; 4],
}

/// To the bit: a zero has a sign.
impl<T: Float> PartialEq for Outcome<T> {
    fn eq(&self, other: &Self) -> bool {
        let arrays = |it: &Self| -> Vec<u64> {
            let arrays = [&it.y].into_iter().chain(&it.states).chain(&it.grads).flatten();
            arrays.map(|x| x.to_f64().to_bits()).collect()
        };
        arrays(self) == arrays(other)
    }
}

impl<T: Float> Layer<T> {
    fn new(options: Options, batch: usize, steps: usize) -> Self {
        let Options { inputs, units, .. } = options;
        // Not so large that gradients overflow on their way back.
        let scale = T::from_f64((3.0 / (inputs + units) as f64).sqrt());
        let weights = numbers::<T>(1, (inputs + units + 1) * 4 * units).into_iter();
        let given = [
            weights.map(|weight| scale * weight).collect(),
            numbers(2, batch * steps * inputs),
            numbers(3, batch * units),
            numbers(4, batch * units),
        ];
        Layer { options, batch, steps, given, mask: None, factors: None, sequences: true }
    }

    /// With rows of all lengths, one of them without a step, and gaps.
    fn masked(mut self) -> Self {
        let Layer { batch, steps, .. } = self;
        let valid = |row: usize, t: usize| t * batch <= row * steps && (t + row) % 7 != 3;
        let mask = (0..batch).flat_map(|row| (0..steps).map(move |t| row > 0 && valid(row, t)));
        self.mask = Some(mask.collect());
        self
    }

    fn dropped(mut self) -> Self {
        let Options { inputs, units, .. } = self.options;
        let coins = |seed, width| {
            let coins = numbers::<T>(seed, self.batch * 4 * width).into_iter();
            coins.map(|coin| if coin > T::ZERO { T::from_f64(1.5) } else { T::ZERO }).collect()
        };
        self.factors = Some([coins(5, units), coins(6, inputs)]);
        self
    }

    fn engine(&self, isa: Isa, bytes: Option<usize>) -> Engine<T> {
        let mut engine = Engine::new(isa, self.options);
        engine.keep_within(bytes);
        engine
    }

    /// What the engine can use of a budget, and what it needs.
    fn bytes(&self, isa: Isa) -> (usize, usize) {
        let dropped = [self.factors.is_some(); 2];
        self.engine(isa, None).bytes(self.batch, self.steps, dropped)
    }

    fn run(&self, engine: &mut Engine<T>) -> Outcome<T> {
        let Layer { options, batch, steps, given: [weights, x, h, c], .. } = self;
        let Options { inputs, units, .. } = *options;
        let factors = self.factors.as_ref();
        let call = Call {
            weights: Weights::cut(weights, inputs, units),
            version: 1,
            x,
            batch: *batch,
            steps: *steps,
            mask: self.mask.as_deref(),
            dropout: factors.map(|[h, x]| Factors { recurrent: h, input: Some(x) }),
            initial: [Some(h), Some(c)],
            training: true,
        };
        let mut y = vec![T::ZERO; batch * steps * units];
        engine.forward(&call, Some(&mut y));
        let mut states = [h, c].map(|state| vec![T::ZERO; state.len()]);
        let [last_h, last_c] = &mut states;
        engine.states(Some(last_h), Some(last_c));
        let mut grads = self.given.clone().map(|given| vec![T::ZERO; given.len()]);
        let [dw, dx, dh, dc] = &mut grads;
        let dy = numbers(7, y.len());
        let dy = match self.sequences {
            true => Gradient::Sequence(&dy),
            false => Gradient::Last(&dy[..batch * units]),
        };
        engine.backward(
            // As layers have it that carry states on: their initial ones are gone by now.
            &Call { initial: [None, None], ..call },
            Incoming { dy, states: [Some(h), Some(c)] },
            Gradients::cut(dw, inputs, units),
            Some(dx),
            [Some(dh), Some(dc)],
        );
        assert!(grads.iter().flatten().all(|gradient| gradient.is_finite()));
        Outcome { y, states, grads }
    }

    /// Compares budgets from the least to more than enough with none.
    fn check(&self, what: &str) {
        for isa in Isa::available() {
            let expected = self.run(&mut self.engine(isa, None));
            let (all, least) = self.bytes(isa);
            assert!(least < all, "{what} on {isa}: {least} of {all} bytes");
            let mut engine = self.engine(isa, None);
            for bytes in [least, (least + all) / 2, all - 1, all, usize::MAX] {
                engine.keep_within(Some(bytes));
                // Twice: what the first call leaves must not show in the second.
                for call in 1..=2 {
                    let found = self.run(&mut engine);
                    assert!(found == expected, "{what} on {isa}: call {call} in {bytes} bytes");
                }
            }
        }
    }
}

#[test]
fn lanes_over_units() {
    Layer::<f32>::new(Options::new(3, 33), 20, 400).check("20 rows");
    Layer::<f32>::new(Options::new(2, 20), 5, 900).check("5 rows");
    Layer::<f64>::new(Options::new(2, 9), 16, 300).check("f64");
}

#[test]
fn lanes_over_the_batch() {
    Layer::<f32>::new(Options::new(3, 2), 37, 300).check("37 rows");
    Layer::<f64>::new(Options::new(1, 1), 9, 700).check("f64");
    let mixed = Options { recurrent_activation: Activation::Softmax, ..Options::new(2, 5) };
    Layer::<f32>::new(mixed, 18, 300).check("softmax");
}

#[test]
fn one_row() {
    Layer::<f32>::new(Options::new(3, 18), 1, 4500).check("one row");
}

#[test]
fn the_gradient_of_the_last_step_alone() {
    let layer = Layer::<f32>::new(Options::new(2, 17), 16, 300);
    Layer { sequences: false, ..layer }.check("last step");
}

#[test]
fn a_sequence_that_is_read_backwards() {
    for (batch, units) in [(20, 17), (33, 3)] {
        let options = Options { go_backwards: true, ..Options::new(2, units) };
        Layer::<f32>::new(options, batch, 300).check("backwards");
    }
}

#[test]
fn masks() {
    for (batch, units) in [(20, 17), (33, 3)] {
        for zero_output_for_mask in [false, true] {
            let options = Options { zero_output_for_mask, ..Options::new(2, units) };
            Layer::<f32>::new(options, batch, 400).masked().check("mask");
        }
    }
    let options = Options { go_backwards: true, ..Options::new(2, 17) };
    Layer::<f32>::new(options, 20, 400).masked().check("mask, backwards");
}

#[test]
fn dropout_by_gate() {
    Layer::<f32>::new(Options::new(2, 17), 18, 300).dropped().check("dropout");
    Layer::<f32>::new(Options::new(2, 17), 18, 400).dropped().masked().check("dropout and mask");
    let mixed = Options { activation: Activation::Softmax, ..Options::new(2, 5) };
    Layer::<f32>::new(mixed, 18, 300).dropped().masked().check("dropout, mask and softmax");
}

#[test]
fn threads() {
    let layer = || Layer::<f32>::new(Options::new(40, 64), 40, 300);
    let layers = [
        ("rows", layer()),
        ("rows with a mask", layer().masked()),
        ("rows with dropout", layer().dropped()),
        ("rows with both", layer().dropped().masked()),
        ("few rows, hoisted", Layer::new(Options::new(300, 100), 3, 800).masked()),
        // Hoisted, and for one row by units.
        ("one row", Layer::new(Options::new(300, 270), 1, 2100)),
        ("groups of rows", Layer::new(Options::new(9, 5), 40, 600).masked()),
    ];
    for (what, layer) in layers {
        let isa = Isa::best();
        let expected = layer.run(&mut layer.engine(isa, None));
        let (all, least) = layer.bytes(isa);
        assert!(least < all, "{what}");
        for threads in [2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            for bytes in [Some(least), Some((least + all) / 2), None] {
                let run = || layer.run(&mut layer.engine(isa, bytes));
                let found = pool.as_ref().expect("threads").install(run);
                assert!(found == expected, "{what}: {bytes:?} bytes, {threads} threads");
            }
        }
    }
}

#[test]
#[should_panic(expected = "bytes for a call that needs")]
fn too_few_bytes() {
    let layer = Layer::<f32>::new(Options::new(2, 17), 16, 300);
    let (_, least) = layer.bytes(Isa::best());
    layer.run(&mut layer.engine(Isa::best(), Some(least - 1)));
}
