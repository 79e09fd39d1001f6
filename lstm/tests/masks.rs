//! Any mask and any activation: against the definition, and its differences.

use kernels::Isa;
use lstm::Activation;
use lstm::engine::{Call, Engine, Factors, Gradient, Gradients, Incoming, Options, Weights};
use lstm::reference;

/// Numbers between -1 and 1 that look random.
fn numbers(seed: u32, len: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(2_654_435_761) ^ 0x9e37_79b9;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 23) - 1.0
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Whether each step is valid.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    Full,
    Right,
    Left,
    Gaps,
    /// Some rows have no valid step at all.
    Empty,
    Nothing,
}

const PATTERNS: [Pattern; 6] =
    [Pattern::Full, Pattern::Right, Pattern::Left, Pattern::Gaps, Pattern::Empty, Pattern::Nothing];

fn mask(pattern: Pattern, batch: usize, steps: usize) -> Vec<bool> {
    let lengths = numbers(17, batch);
    let coins = numbers(18, batch * steps);
    let valid = |at: usize| {
        let (row, t) = (at / steps, at % steps);
        let len = (lengths[row].abs() * (steps as f64 + 0.5)) as usize;
        match pattern {
            Pattern::Full => true,
            Pattern::Right => t < len,
            Pattern::Left => t + len >= steps,
            Pattern::Gaps => coins[at] > -0.2,
            Pattern::Empty => row % 3 != 1,
            Pattern::Nothing => false,
        }
    };
    (0..batch * steps).map(valid).collect()
}

/// A layer's arrays.
struct Arrays {
    options: Options,
    batch: usize,
    steps: usize,
    /// Kernel, recurrent kernel, bias; x; initial h and c: what there are gradients of.
    given: [Vec<f64>; 4],
    mask: Option<Vec<bool>>,
    /// Of h and x.
    factors: Option<[Vec<f64>; 2]>,
    /// Whether the gradient of every output is given, or that of the last alone.
    sequences: bool,
    dy: Vec<f64>,
    dstates: [Vec<f64>; 2],
}

impl Arrays {
    fn new(options: Options, batch: usize, steps: usize, mask: Option<Vec<bool>>) -> Self {
        let Options { inputs, units, .. } = options;
        let scale = |xs: Vec<f64>, scale: f64| xs.into_iter().map(|x| x * scale).collect();
        let weights = numbers(1, (inputs + units + 1) * 4 * units);
        // Exponentials of exponentials are large, and leave differences no digits.
        let steep = [options.activation, options.recurrent_activation];
        let size = if steep.contains(&Activation::Exponential) { 0.2 } else { 1.0 };
        Arrays {
            options,
            batch,
            steps,
            given: [
                scale(weights, size * (1.0 / (inputs + units) as f64).sqrt()),
                numbers(2, batch * steps * inputs),
                scale(numbers(3, batch * units), size),
                scale(numbers(4, batch * units), size),
            ],
            mask,
            factors: None,
            sequences: true,
            dy: numbers(5, batch * steps * units),
            dstates: [numbers(6, batch * units), numbers(7, batch * units)],
        }
    }

    /// With half of what each gate sees of `h` made zero, and of `x` if so asked.
    fn with_dropout(self, of_input: bool) -> Self {
        let Options { inputs, units, .. } = self.options;
        let coins = |seed: u32, width: usize| {
            let coins = numbers(seed, self.batch * 4 * width).into_iter();
            coins.map(|coin| if coin > 0.0 { 2.0 } else { 0.0 }).collect()
        };
        let input = if of_input { coins(9, inputs) } else { Vec::new() };
        Arrays { factors: Some([coins(8, units), input]), ..self }
    }

    fn dropout(&self) -> Option<Factors<'_, f64>> {
        let [recurrent, input] = self.factors.as_ref()?;
        Some(Factors { recurrent, input: (!input.is_empty()).then_some(input) })
    }

    /// The definition.
    fn reference(&self, [weights, x, h, c]: &[Vec<f64>; 4]) -> reference::Output {
        let Options { inputs, units, .. } = self.options;
        let call = Call {
            weights: Weights::cut(weights, inputs, units),
            version: 1,
            x,
            batch: self.batch,
            steps: self.steps,
            mask: self.mask.as_deref(),
            dropout: self.dropout(),
            initial: [Some(h), Some(c)],
            training: false,
        };
        reference::forward(self.options, &call)
    }

    /// `Σ y dy + Σ states dstates`, by the definition.
    fn objective(&self, given: &[Vec<f64>; 4]) -> f64 {
        let units = self.options.units;
        let out = self.reference(given);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let ends = |t: usize| self.sequences || t + 1 == self.steps;
        let counted: f64 = (0..self.batch * self.steps)
            .filter(|at| ends(at % self.steps))
            .map(|at| dot(&out.y[at * units..][..units], &self.dy[at * units..][..units]))
            .sum();
        counted + dot(&out.h, &self.dstates[0]) + dot(&out.c, &self.dstates[1])
    }

    /// Outputs and final states, by the engine, for backward to follow or not.
    fn forward(&self, engine: &mut Engine<f64>, training: bool) -> (Vec<f64>, [Vec<f64>; 2]) {
        let Arrays { options: Options { units, .. }, batch, steps, given: [.., h, c], .. } = self;
        let mut y = vec![f64::NAN; batch * steps * units];
        engine.forward(&self.call(training), Some(&mut y));
        let mut states = [h, c].map(|state| vec![f64::NAN; state.len()]);
        let [last_h, last_c] = &mut states;
        engine.states(Some(last_h), Some(last_c));
        let mut last = vec![f64::NAN; h.len()];
        engine.last_output(&mut last);
        for (last, y) in last.chunks(*units).zip(y.chunks(steps * units)) {
            assert_eq!(last, &y[(steps - 1) * units..]);
        }
        (y, states)
    }

    fn call(&self, training: bool) -> Call<'_, f64> {
        let Arrays { options, batch, steps, given: [weights, x, h, c], .. } = self;
        Call {
            weights: Weights::cut(weights, options.inputs, options.units),
            version: 1,
            x,
            batch: *batch,
            steps: *steps,
            mask: self.mask.as_deref(),
            dropout: self.dropout(),
            initial: [Some(h), Some(c)],
            training,
        }
    }

    /// Outputs, final states and gradients, by the engine.
    fn run(&self, isa: Isa) -> (Vec<f64>, [Vec<f64>; 2], [Vec<f64>; 4]) {
        let Arrays { options, steps, .. } = self;
        let Options { inputs, units, .. } = *options;
        let mut engine = Engine::new(isa, *options);
        // Without backward, states have two slots that take turns.
        let without = self.forward(&mut engine, false);
        let (y, states) = self.forward(&mut engine, true);
        assert!(without == (y.clone(), states.clone()), "inference is not training");

        let mut grads = self.given.clone().map(|given| vec![0.0; given.len()]);
        let [dw, dx, dh, dc] = &mut grads;
        let last_dy: Vec<f64> = (self.dy.chunks(units).skip(steps - 1).step_by(*steps))
            .flat_map(<[f64]>::to_vec)
            .collect();
        let dy = match self.sequences {
            true => Gradient::Sequence(&self.dy),
            false => Gradient::Last(&last_dy),
        };
        let states_in = [Some(&self.dstates[0][..]), Some(&self.dstates[1][..])];
        engine.backward(
            &self.call(true),
            Incoming { dy, states: states_in },
            Gradients::cut(dw, inputs, units),
            Some(dx),
            [Some(dh), Some(dc)],
        );
        (y, states, grads)
    }

    /// Outputs within rounding of the definition, gradients within that of its differences.
    fn check(&self, isa: Isa, what: &str) {
        let (y, states, grads) = self.run(isa);
        let want = self.reference(&self.given);
        let near = |name: &str, got: &[f64], want: &[f64]| {
            for (i, (got, want)) in got.iter().zip(want).enumerate() {
                let error = (got - want).abs() / want.abs().max(1.0);
                assert!(error < 1e-11, "{name}[{i}] {got} is not {want}: {what} on {isa}");
            }
        };
        near("y", &y, &want.y);
        near("h", &states[0], &want.h);
        near("c", &states[1], &want.c);

        for (which, name) in ["weights", "x", "h", "c"].into_iter().enumerate() {
            let len = self.given[which].len();
            for at in (0..len).step_by((len / 5).max(1)) {
                // Around a bend there is no derivative: another step is on one side of it.
                let numeric = [1e-5, 1e-7].map(|step| {
                    let moved = |by: f64| {
                        let mut given = self.given.clone();
                        given[which][at] += by;
                        self.objective(&given)
                    };
                    (moved(step) - moved(-step)) / (2.0 * step)
                });
                let got = grads[which][at];
                let error = numeric.map(|want| (got - want).abs() / want.abs().max(1.0));
                assert!(
                    error.into_iter().any(|error| error < 2e-7),
                    "d{name}[{at}] {got} is not {numeric:?}: {what} on {isa}"
                );
            }
        }
    }
}

/// Inputs and units on both sides of the lanes, batches of several groups.
const SIZES: [[usize; 4]; 6] =
    [[1, 6, 3, 5], [3, 5, 2, 1], [7, 4, 5, 19], [21, 6, 3, 4], [19, 5, 4, 2], [37, 7, 3, 9]];

#[test]
fn masks_of_every_kind() {
    for isa in Isa::available() {
        for [batch, steps, inputs, units] in SIZES {
            for (n, pattern) in PATTERNS.into_iter().enumerate() {
                let options = Options {
                    go_backwards: n % 2 == 1,
                    zero_output_for_mask: (n + batch) % 3 == 0,
                    ..Options::new(inputs, units)
                };
                let mask = mask(pattern, batch, steps);
                let mut arrays = Arrays::new(options, batch, steps, Some(mask));
                arrays.sequences = (n + units) % 4 != 0;
                arrays
                    .check(isa, &format!("{pattern:?}, batch {batch}, {steps} steps, {options:?}"));
            }
        }
    }
}

#[test]
fn every_activation_with_and_without_a_mask() {
    let activations = Activation::ALL.into_iter();
    for (n, activation) in activations.clone().enumerate() {
        let gates: Vec<_> = activations.clone().collect();
        for recurrent_activation in [Activation::Sigmoid, gates[(n * 7 + 3) % gates.len()]] {
            for [batch, steps, inputs, units] in [[2, 4, 3, 17], [18, 3, 2, 3]] {
                for isa in Isa::available() {
                    let options =
                        Options { activation, recurrent_activation, ..Options::new(inputs, units) };
                    let what = format!("batch {batch}, {options:?}");
                    Arrays::new(options, batch, steps, None).check(isa, &what);
                    let mask = mask(Pattern::Gaps, batch, steps);
                    Arrays::new(options, batch, steps, Some(mask)).check(isa, &what);
                }
            }
        }
    }
}

#[test]
fn dropout_on_the_way_into_the_gates() {
    // In the last of them, lanes over units have several groups of rows.
    let sizes = SIZES.into_iter().chain([[21, 6, 3, 19], [40, 5, 4, 37]]);
    for isa in Isa::available() {
        for [batch, steps, inputs, units] in sizes.clone() {
            for (n, pattern) in [None, Some(Pattern::Gaps)].into_iter().enumerate() {
                let activations = [Activation::Tanh, Activation::Softmax];
                for (of_input, activation) in
                    [false, true].into_iter().flat_map(|it| activations.map(|of| (it, of)))
                {
                    let options =
                        Options { go_backwards: n == 1, activation, ..Options::new(inputs, units) };
                    let mask = pattern.map(|pattern| mask(pattern, batch, steps));
                    let arrays = Arrays::new(options, batch, steps, mask).with_dropout(of_input);
                    let what =
                        format!("{pattern:?}, of input {of_input}, batch {batch}, {options:?}");
                    arrays.check(isa, &what);
                }
            }
        }
    }
}

#[test]
fn a_mask_that_masks_nothing_changes_no_bit() {
    for isa in Isa::available() {
        for [batch, steps, inputs, units] in SIZES {
            for go_backwards in [false, true] {
                let options = Options { go_backwards, ..Options::new(inputs, units) };
                let without = Arrays::new(options, batch, steps, None).run(isa);
                let mask = mask(Pattern::Full, batch, steps);
                let with = Arrays::new(options, batch, steps, Some(mask)).run(isa);
                assert_eq!(without, with, "batch {batch}, {options:?} on {isa}");
            }
        }
    }
}

#[test]
fn threads_change_no_bit_of_a_call_with_a_mask() {
    for isa in Isa::available() {
        for [batch, steps, inputs, units] in
            // The last two have `x W` ahead of their steps.
            [
                [70, 20, 9, 30],
                [71, 20, 9, 40],
                [5, 40, 60, 100],
                [600, 30, 8, 5],
                [3, 40, 300, 100],
                [1, 40, 30, 300],
            ]
        {
            for pattern in [Pattern::Right, Pattern::Gaps, Pattern::Empty, Pattern::Nothing] {
                let mask = mask(pattern, batch, steps);
                // Softmax has its lanes over the batch, padded here.
                let recurrent_activation = match batch {
                    70 => Activation::Softmax,
                    _ => Activation::Sigmoid,
                };
                let options = Options { recurrent_activation, ..Options::new(inputs, units) };
                let arrays = Arrays::new(options, batch, steps, Some(mask));
                let dropped = matches!(pattern, Pattern::Right) && batch > 1;
                let arrays = if dropped { arrays.with_dropout(true) } else { arrays };
                let on = |threads: usize| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                    pool.expect("threads").install(|| arrays.run(isa))
                };
                let one = on(1);
                for threads in [2, 3, 8] {
                    assert!(one == on(threads), "{threads} threads, {pattern:?}, batch {batch}");
                }
            }
        }
    }
}

/// Padding of a vector of units computes along with zero weights: exponentials of it grow without end.
#[test]
fn padding_that_overflows_stays_out_of_the_gradient() {
    let options = Options {
        activation: Activation::Exponential,
        recurrent_activation: Activation::Exponential,
        ..Options::new(1, 3)
    };
    let (batch, steps) = (1, 900);
    // Closed gates keep the three units small.
    let mut weights = vec![0.0f64; 5 * 12];
    weights[48..].fill(-3.0f64);
    let x = vec![0.5; steps];
    for isa in Isa::available() {
        let call = Call {
            weights: Weights::cut(&weights, 1, 3),
            version: 1,
            x: &x,
            batch,
            steps,
            mask: None,
            dropout: None,
            initial: [None, None],
            training: true,
        };
        let mut engine = Engine::new(isa, options);
        engine.forward(&call, None);
        let mut grads = vec![0.0; weights.len()];
        let dy = Gradient::Last(&[1.0; 3]);
        let incoming = Incoming { dy, states: [None, None] };
        engine.backward(&call, incoming, Gradients::cut(&mut grads, 1, 3), None, [None, None]);
        assert!(grads.iter().all(|d| d.is_finite()), "{grads:?} on {isa}");
        assert!(grads[48..].iter().all(|&d| d != 0.0), "{grads:?} on {isa}");
    }
}
