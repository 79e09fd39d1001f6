//! Every plan computes the same.

use kernels::Isa;

use super::*;
use crate::activation::Activation;

/// All that a call returns.
#[derive(Clone, Debug)]
struct Outcome {
    y: Vec<f32>,
    states: [Vec<f32>; 2],
    /// Of the weights, the input and the initial states.
    grads: [Vec<f32>; 4],
}

/// To the bit: a zero has a sign.
impl PartialEq for Outcome {
    fn eq(&self, other: &Self) -> bool {
        let arrays = |it: &Self| -> Vec<Vec<u32>> {
            let arrays = [&it.y].into_iter().chain(&it.states).chain(&it.grads);
            arrays.map(|array| array.iter().map(|x| x.to_bits()).collect()).collect()
        };
        arrays(self) == arrays(other)
    }
}

/// Numbers between -1 and 1 that look random.
pub(super) fn numbers(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
    .take(len)
    .collect()
}

fn engine(isa: Isa, Sizes { inputs, units, .. }: Sizes) -> Engine<f32> {
    Engine::new(isa, Options::new(inputs, units))
}

fn run(isa: Isa, plan: Plan, sizes: Sizes) -> Outcome {
    run_on(&mut engine(isa, sizes), plan, sizes, 1)
}

fn run_on(engine: &mut Engine<f32>, plan: Plan, sizes: Sizes, version: u64) -> Outcome {
    let Sizes { batch, steps, inputs, units, training } = sizes;
    let weights = numbers(version as u32, (inputs + units + 1) * 4 * units);
    let (x, dy) = (numbers(2, batch * steps * inputs), numbers(3, batch * steps * units));
    let [h, c] = [4, 5].map(|seed| numbers(seed, batch * units));
    let call = Call {
        weights: Weights::cut(&weights, inputs, units),
        version,
        x: &x,
        batch,
        steps,
        mask: None,
        dropout: None,
        initial: [Some(&h), Some(&c)],
        training,
    };
    let mut y = vec![0.0; batch * steps * units];
    engine.forward_as(plan, &call, Some(&mut y));
    let mut states = [(); 2].map(|()| vec![0.0; batch * units]);
    let [last_h, last_c] = &mut states;
    engine.states(Some(last_h), Some(last_c));
    let mut grads = [weights.len(), x.len(), h.len(), c.len()].map(|len| vec![0.0; len]);
    if training {
        let [dw, dx, dh, dc] = &mut grads;
        engine.backward(
            &call,
            Incoming { dy: Gradient::Sequence(&dy), states: [Some(&h), Some(&c)] },
            Gradients::cut(dw, inputs, units),
            Some(dx),
            [Some(dh), Some(dc)],
        );
    }
    Outcome { y, states, grads }
}

/// Inputs and units about the lanes of every instruction set, batches about the heights of tiles.
const SIZES: [[usize; 4]; 11] = [
    // Threads with one row each, whose units do not fill a line.
    [2, 5, 3, 10],
    [1, 7, 33, 40],
    [1, 1, 3, 16],
    [1, 5, 70, 64],
    // Deeper than a block of the matrix product.
    [1, 3, 1100, 17],
    [2, 9, 40, 17],
    [7, 3, 5, 33],
    [13, 4, 3, 21],
    [20, 3, 9, 32],
    [40, 3, 2, 3],
    [70, 2, 4, 18],
];

#[test]
fn every_plan_gives_the_same_bits() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
    for isa in Isa::available() {
        for [batch, steps, inputs, units] in SIZES {
            for training in [false, true] {
                let sizes = Sizes { batch, steps, inputs, units, training };
                let first = Plan::of::<f32>(isa, Caches::COMMON, sizes, || 1);
                let expected = run(isa, first, sizes);
                let inputs = match first.lanes {
                    Lanes::Units => &[1, 2, steps][..],
                    Lanes::Batch => &[],
                };
                let inputs = inputs.iter().map(|&steps| InputProduct::Hoisted(steps));
                for input in inputs.chain([InputProduct::Fused]) {
                    for threads in [1, 2, 3, 8] {
                        let mut cuts = vec![(threads.min(first.parts(batch)), Cut::Batch)];
                        if batch == 1 && first.lanes == Lanes::Units {
                            cuts.push((threads, Cut::Units));
                        }
                        for (threads, cut) in cuts {
                            let plan = Plan { input, threads, cut, ..first };
                            let found = pool.install(|| run(isa, plan, sizes));
                            assert_eq!(found, expected, "{sizes:?} on {isa}: {plan}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn instruction_sets_with_fma_give_the_same_bits() {
    let with_fma = Isa::available().into_iter().filter(|isa| isa.name() != "portable");
    let with_fma: Vec<Isa> = with_fma.collect();
    for [batch, steps, inputs, units] in SIZES {
        let sizes = Sizes { batch, steps, inputs, units, training: true };
        let outcomes = with_fma.iter().map(|&isa| {
            let plan = Plan::of::<f32>(isa, Caches::COMMON, sizes, || 1);
            (plan.lanes, run(isa, plan, sizes))
        });
        let outcomes: Vec<_> = outcomes.collect();
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{sizes:?}");
    }
}

/// Products with what was flushed are zeros with a sign, which padding must not tell.
#[test]
fn instruction_sets_with_fma_agree_on_the_sign_of_a_zero() {
    let (batch, steps, inputs) = (3, 60, 5);
    for units in [8, 24] {
        let weights = numbers(1, (inputs + units + 1) * 4 * units);
        let weights: Vec<f32> = weights.iter().map(|weight| 0.1 * weight).collect();
        let x = numbers(2, batch * steps * inputs);
        let dy: Vec<f32> = numbers(3, batch * units).iter().map(|dy| 1e-27 * dy).collect();
        let call = Call {
            weights: Weights::cut(&weights, inputs, units),
            version: 1,
            x: &x,
            batch,
            steps,
            mask: None,
            dropout: None,
            initial: [None, None],
            training: true,
        };
        let run = |isa: Isa| {
            let mut engine = Engine::new(isa, Options::new(inputs, units));
            engine.forward(&call, None);
            let mut grads =
                [weights.len(), x.len(), batch * units, batch * units].map(|len| vec![0.0; len]);
            let [dw, dx, dh, dc] = &mut grads;
            let incoming = Incoming { dy: Gradient::Last(&dy), states: [None, None] };
            let dw = Gradients::cut(dw, inputs, units);
            engine.backward(&call, incoming, dw, Some(dx), [Some(dh), Some(dc)]);
            Outcome { y: Vec::new(), states: Default::default(), grads }
        };
        let with_fma = Isa::available().into_iter().filter(|isa| isa.name() != "portable");
        let outcomes: Vec<Outcome> = with_fma.map(run).collect();
        assert!(outcomes.iter().all(|outcome| outcome.grads[1].contains(&0.0)), "{units} units");
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{units} units");
    }
}

#[test]
fn groups_and_lanes_do_not_change_what_forward_returns() {
    for isa in Isa::available() {
        let (batch, steps, inputs, units) = (13, 4, 3, 21);
        let sizes = Sizes { batch, steps, inputs, units, training: false };
        let first = Plan::of::<f32>(isa, Caches::COMMON, sizes, || 1);
        let expected = run(isa, first, sizes);
        // Groups of 6, 6 and 1; of 1; all of them; and the other lanes.
        let groups = [6, 1, 13].map(|group| (Lanes::Units, group));
        for (lanes, group) in groups.into_iter().chain([(Lanes::Batch, isa.lanes::<f32>())]) {
            let plan = Plan { lanes, group, input: InputProduct::Fused, ..first };
            assert_eq!(run(isa, plan, sizes), expected, "{plan} on {isa}");
        }
    }
}

/// Where a vector holds rows, outputs and their gradients are transposed some steps at a time.
#[test]
fn lanes_over_the_batch_move_every_step_once() {
    fn check(isa: Isa, go_backwards: bool, sizes: Sizes) {
        let Sizes { inputs, units, .. } = sizes;
        let first = Plan::of::<f32>(isa, Caches::COMMON, sizes, || 1);
        let options = Options { go_backwards, ..Options::new(inputs, units) };
        let run = |lanes, group| {
            let plan = Plan { lanes, group, input: InputProduct::Fused, ..first };
            run_on(&mut Engine::new(isa, options), plan, sizes, 1)
        };
        let rows = run(Lanes::Units, sizes.batch);
        let panels = run(Lanes::Batch, isa.lanes::<f32>());
        let at = format!("{sizes:?} on {isa}, backwards: {go_backwards}");
        assert_eq!((&panels.y, &panels.states), (&rows.y, &rows.states), "{at}");
        // Sums have another order.
        for (found, expected) in panels.grads.iter().zip(&rows.grads) {
            let most = expected.iter().fold(1.0, |most: f32, x| most.max(x.abs()));
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() <= 1e-5 * most, "{at}: {found}, {expected}");
            }
        }
    }

    for isa in Isa::available() {
        for go_backwards in [false, true] {
            for units in [1, 2, 3, 4, 6, 8, 21, 33, 130] {
                for steps in [1, 2, 3, 5, 16, 18, 35] {
                    for training in [false, true] {
                        let sizes = Sizes { batch: 13, steps, inputs: 3, units, training };
                        check(isa, go_backwards, sizes);
                    }
                }
            }
        }
    }
}

#[test]
fn plans_may_change_from_call_to_call() {
    let isa = Isa::best();
    let (batch, steps, inputs, units) = (1, 5, 9, 20);
    let sizes = |training| Sizes { batch, steps, inputs, units, training };
    let first = Plan::of::<f32>(isa, Caches::COMMON, sizes(true), || 1);
    let fused = Plan { lanes: Lanes::Units, input: InputProduct::Fused, ..first };
    let hoisted = Plan { input: InputProduct::Hoisted(2), ..fused };
    let panels = Plan { lanes: Lanes::Batch, group: isa.lanes::<f32>(), ..fused };
    let mut engine = engine(isa, sizes(true));
    // Old weights and new ones, what was packed before and what was not.
    for version in [1, 2, 3, 1] {
        for (plan, training) in [
            (hoisted, false),
            (fused, true),
            (panels, true),
            (hoisted, true),
            (fused, false),
            (panels, false),
            (hoisted, true),
        ] {
            let found = run_on(&mut engine, plan, sizes(training), version);
            let fresh = &mut self::engine(isa, sizes(training));
            let expected = run_on(fresh, plan, sizes(training), version);
            assert_eq!(found, expected, "{plan}, weights {version}");
        }
    }
}

#[test]
#[should_panic(expected = "no forward call in training")]
fn backward_follows_forward_in_training() {
    let sizes = Sizes { batch: 1, steps: 1, inputs: 1, units: 1, training: false };
    let mut engine = engine(Isa::best(), sizes);
    let weights = [0.0; 12];
    let call = Call {
        weights: Weights::cut(&weights, 1, 1),
        version: 1,
        x: &[0.0],
        batch: 1,
        steps: 1,
        mask: None,
        dropout: None,
        initial: [None, None],
        training: false,
    };
    engine.forward(&call, None);
    let incoming = Incoming { dy: Gradient::None, states: [None, None] };
    engine.backward(&call, incoming, Gradients::cut(&mut [0.0; 12], 1, 1), None, [None, None]);
}

#[test]
fn a_plan_follows_from_sizes() {
    let caches = Caches { l1: 32 << 10, l2: 1 << 20, l3: 16 << 20 };
    let plan = |[batch, steps, inputs, units]: [usize; 4]| {
        let sizes = Sizes { batch, steps, inputs, units, training: false };
        Plan::of::<f32>(Isa::best(), caches, sizes, || 4)
    };
    // Few units, many rows.
    assert_eq!(plan([64, 10, 8, 1]).lanes, Lanes::Batch);
    assert_eq!(plan([64, 10, 8, 64]).lanes, Lanes::Units);
    // One row and weights beyond the second level: W once for many steps, units shared out.
    let one = plan([1, 50, 1024, 1024]);
    assert_eq!((one.input, one.cut, one.threads), (InputProduct::Hoisted(50), Cut::Units, 4));
    // Nothing to hoist from a single step, or for many rows.
    assert_eq!(plan([1, 1, 1024, 1024]).input, InputProduct::Fused);
    assert_eq!(plan([64, 25, 1024, 1024]).input, InputProduct::Fused);
    // Weights that come from memory in each step are read once for many rows, unless there are many in
    // each step, too.
    assert_eq!(plan([16, 50, 1024, 1024]).input, InputProduct::Hoisted(32));
    assert_eq!(plan([16, 25, 650, 650]).input, InputProduct::Fused);
    // Threads only where there is work for them, and no more than rows, or groups of them.
    assert_eq!(plan([32, 10, 8, 4]).threads, 1);
    assert_eq!(plan([32, 40, 8, 16]).threads, 1);
    assert_eq!(plan([32, 50, 8, 16]).threads, 2);
    assert_eq!(plan([3, 35, 650, 650]).threads, 3);
    assert_eq!(plan([64, 25, 512, 512]).threads, 4);
    let groups = 32 / Isa::best().lanes::<f32>();
    assert_eq!(plan([32, 9000, 3, 3]).threads, groups.min(4));
}

#[test]
fn an_engine_that_stays_on_one_thread_asks_no_other() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
    let mut engine = Engine::<f32>::new(Isa::best(), Options::new(512, 512));
    let mut threads = |serial| {
        engine.stay_on_one_thread(serial);
        pool.install(|| [1, 64].map(|batch| engine.plan(batch, 50, false).threads))
    };
    assert_eq!((threads(false), threads(true)), ([3; 2], [1; 2]));
}

#[test]
fn a_stream_gives_the_bits_of_the_sequence() {
    for isa in Isa::available() {
        for [batch, steps, inputs, units] in SIZES {
            let sizes = Sizes { batch, steps, inputs, units, training: false };
            let expected = run(isa, Plan::of::<f32>(isa, Caches::COMMON, sizes, || 1), sizes);
            let weights = numbers(1, (inputs + units + 1) * 4 * units);
            let x = numbers(2, batch * steps * inputs);
            let [h, c] = [4, 5].map(|seed| numbers(seed, batch * units));
            let options = Options::new(inputs, units);
            let mut stream =
                Stream::new(isa, options, Weights::cut(&weights, inputs, units), batch);
            // What went before is forgotten.
            stream.step(&x[..batch * inputs]);
            stream.reset();
            let zeros = vec![0.0; batch * units];
            let (mut got_h, mut got_c) = (h.clone(), c.clone());
            stream.state(&mut got_h, &mut got_c);
            assert_eq!((&got_h, &got_c), (&zeros, &zeros));
            stream.set_state(&h, &c);
            for t in 0..steps {
                let step = (0..batch).flat_map(|row| &x[(row * steps + t) * inputs..][..inputs]);
                let y = stream.step(&step.copied().collect::<Vec<_>>());
                for (row, y) in y.chunks_exact(units).enumerate() {
                    let expected = &expected.y[(row * steps + t) * units..][..units];
                    assert_eq!(y, expected, "{sizes:?} on {isa}: row {row}, step {t}");
                }
            }
            stream.state(&mut got_h, &mut got_c);
            assert_eq!([got_h, got_c], expected.states, "{sizes:?} on {isa}");
        }
    }
}

/// A layer with a bias or without one, by an engine and by streams that share what they pack, one of two rows
/// and one of one, whose states move to another half way.
fn check_streams<T: Float + std::fmt::Debug>(isa: Isa, options: Options, bias: bool) {
    let Options { inputs, units, .. } = options;
    let (steps, half) = (6, 3);
    let numbers = |seed, len| -> Vec<T> {
        numbers(seed, len).into_iter().map(|x| T::from_f64(f64::from(x))).collect()
    };
    let weights = numbers(1, (inputs + units + 1) * 4 * units);
    let weights = Weights::cut(&weights, inputs, units);
    let weights = if bias { weights } else { Weights { bias: None, ..weights } };
    let x = numbers(2, 2 * steps * inputs);
    let call = Call {
        weights,
        version: 0,
        x: &x,
        batch: 2,
        steps,
        mask: None,
        dropout: None,
        initial: [None, None],
        training: false,
    };
    let mut y = vec![T::ZERO; 2 * steps * units];
    Engine::new(isa, options).forward(&call, Some(&mut y));

    let mut shared = SharedWeights::default();
    let mut stream = |batch: usize| Stream::sharing(isa, options, weights, batch, &mut shared);
    let (mut both, mut first, mut second) = (stream(2), stream(1), stream(1));
    let what = format!("{inputs} inputs, {units} units, bias: {bias}, on {isa}");
    for t in 0..steps {
        let x_at = |row: usize| &x[(row * steps + t) * inputs..][..inputs];
        let y_at = |row: usize| &y[(row * steps + t) * units..][..units];
        assert_eq!(both.step(&[x_at(0), x_at(1)].concat()), [y_at(0), y_at(1)].concat(), "{what}");
        if t == half {
            let [mut h, mut c] = [0, 1].map(|_| vec![T::ZERO; units]);
            first.state(&mut h, &mut c);
            second.step(x_at(1));
            second.set_state(&h, &c);
        }
        let one = if t < half { &mut first } else { &mut second };
        assert_eq!(one.step(x_at(0)), y_at(0), "{what}: step {t}");
    }
}

#[test]
fn a_stream_of_one_row_gives_the_bits_of_the_sequence_whatever_its_size() {
    for isa in Isa::available() {
        for units in [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 33, 40, 47, 65, 80] {
            for (inputs, activation) in [(1, Activation::Tanh), (3, Activation::Relu)] {
                let options = Options { activation, ..Options::new(inputs, units) };
                check_streams::<f32>(isa, options, inputs == 1);
                check_streams::<f64>(isa, options, inputs == 3);
            }
        }
    }
}
