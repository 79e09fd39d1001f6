//! The engine agrees with the scalar definition within a bound that is derived, not tuned, in both
//! precisions and on every instruction set; and with itself to the last bit, however many threads.

use harness::bounded::{self, Arrays, Bounded, Precision};
use harness::random::Random;
use kernels::Isa;
use lstm::Activation::{Linear, Relu, Sigmoid, Tanh};
use lstm::engine::{Call, Engine, Gradient, Gradients, Incoming, Options, Weights};
use lstm::{Adam, Bidirectional, Dense, Float, Input, LSTM, Loss, Sequential, Tensor, reference};

/// Arrays of numbers that `f32` holds exactly, of the sizes of a layer.
fn arrays(options: Options, batch: usize, steps: usize, seed: u64) -> Arrays {
    let Options { inputs, units, .. } = options;
    let mut random = Random::new(seed);
    let mut numbers = |len, limit: f64| {
        let numbers: Vec<f32> = random.numbers(len, limit);
        numbers.into_iter().map(f64::from).collect::<Vec<f64>>()
    };
    Arrays {
        steps,
        batch,
        x: numbers(batch * steps * inputs, 1.0),
        weights: numbers((inputs + units + 1) * 4 * units, (3.0 / units as f64).sqrt().min(1.0)),
        h: numbers(batch * units, 1.0),
        c: numbers(batch * units, 1.0),
        dy: numbers(batch * steps * units, 1.0),
        dh: numbers(batch * units, 1.0),
        dc: numbers(batch * units, 1.0),
    }
}

/// What an engine makes of them: y, h, c, dweights, dx, dh, dc.
fn engine<T: Float>(isa: Isa, options: Options, arrays: &Arrays) -> [Vec<T>; 7] {
    let Options { inputs, units, .. } = options;
    let Arrays { steps, batch, .. } = *arrays;
    let cast = |xs: &[f64]| xs.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
    let zeros = |len| vec![T::ZERO; len];
    let (x, weights) = (cast(&arrays.x), cast(&arrays.weights));
    let (h, c) = (cast(&arrays.h), cast(&arrays.c));
    let (dy, dh, dc) = (cast(&arrays.dy), cast(&arrays.dh), cast(&arrays.dc));
    let call = Call {
        weights: Weights::cut(&weights, inputs, units),
        version: 1,
        x: &x,
        batch,
        steps,
        mask: None,
        dropout: None,
        initial: [Some(&h), Some(&c)],
        training: true,
    };
    let mut engine = Engine::new(isa, options);
    let mut y = zeros(batch * steps * units);
    let [mut h_out, mut c_out, mut dh_out, mut dc_out] = [(); 4].map(|()| zeros(batch * units));
    let (mut dweights, mut dx) = (zeros(weights.len()), zeros(x.len()));
    engine.forward(&call, Some(&mut y));
    engine.states(Some(&mut h_out), Some(&mut c_out));
    engine.backward(
        &call,
        Incoming { dy: Gradient::Sequence(&dy), states: [Some(&dh), Some(&dc)] },
        Gradients::cut(&mut dweights, inputs, units),
        Some(&mut dx),
        [Some(&mut dh_out), Some(&mut dc_out)],
    );
    [y, h_out, c_out, dweights, dx, dh_out, dc_out]
}

/// Sizes around the lanes of every instruction set, every activation, both directions of time.
fn layers() -> Vec<(Options, usize, usize)> {
    let layer = |units, inputs| Options::new(inputs, units);
    let mut layers = Vec::new();
    for units in [1, 2, 3, 4, 5, 8, 15, 16, 17, 33] {
        for batch in [1, 5, 17] {
            layers.push((layer(units, 3), batch, 4));
        }
    }
    layers.push((Options { go_backwards: true, ..layer(6, 40) }, 16, 7));
    layers.push((Options { go_backwards: true, ..layer(3, 1) }, 33, 6));
    for activation in [Tanh, Sigmoid, Relu, Linear] {
        for recurrent_activation in [Tanh, Sigmoid, Relu, Linear] {
            layers.push((Options { activation, recurrent_activation, ..layer(3, 2) }, 18, 3));
            layers.push((Options { activation, recurrent_activation, ..layer(20, 2) }, 3, 3));
        }
    }
    layers
}

/// Checks that `got` is within the bounds.
fn within<T: Float>(what: &str, got: &[T], want: &[Bounded], slack: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let off = (got.to_f64() - want.value).abs();
        assert!(
            off <= slack * want.error,
            "{what}[{i}] is {got}, not {:.9e} within {:.1e}",
            want.value,
            want.error
        );
    }
}

#[test]
fn outputs_and_gradients_are_within_the_bound_of_their_rounding_errors() {
    for (options, batch, steps) in layers() {
        let arrays = arrays(options, batch, steps, 7);
        let single = Precision { roundoff: f64::from(f32::EPSILON) / 2.0 };
        let double = Precision { roundoff: f64::EPSILON / 2.0 };
        let want = [single, double].map(|precision| bounded::run(precision, options, &arrays));
        for isa in Isa::available() {
            let what = |name: &str, dtype: &str| {
                format!("{dtype} {name} of batch {batch}, {steps} steps, {options:?} on {isa}")
            };
            let got = engine::<f32>(isa, options, &arrays);
            for (got, (name, want)) in got.iter().zip(want[0].named()) {
                within(&what(name, "f32"), got, want, 1.0 + 1e-6);
            }
            // The definition itself is computed in f64: both sides may be off.
            let got = engine::<f64>(isa, options, &arrays);
            for (got, (name, want)) in got.iter().zip(want[1].named()) {
                within(&what(name, "f64"), got, want, 2.0);
            }
        }
    }
}

/// A bound so wide that everything passes would prove nothing.
#[test]
fn the_bound_is_tight_enough_to_tell() {
    for (options, batch, steps) in layers() {
        let arrays = arrays(options, batch, steps, 7);
        let precision = Precision { roundoff: f64::from(f32::EPSILON) / 2.0 };
        for (name, bounded) in bounded::run(precision, options, &arrays).named() {
            let largest = bounded.iter().fold(0.0f64, |max, x| max.max(x.value.abs()));
            let mut errors: Vec<f64> = bounded.iter().map(|x| x.error).collect();
            errors.sort_by(f64::total_cmp);
            let median = errors[errors.len() / 2];
            assert!(median <= 1e-2 * largest, "{name} of {options:?}: {median:.1e} of {largest}");
        }
    }
}

#[test]
fn the_bounded_forward_is_the_reference() {
    for (options, batch, steps) in layers() {
        let arrays = arrays(options, batch, steps, 7);
        let call = Call {
            weights: Weights::cut(&arrays.weights, options.inputs, options.units),
            version: 1,
            x: &arrays.x,
            batch,
            steps,
            mask: None,
            dropout: None,
            initial: [Some(&arrays.h), Some(&arrays.c)],
            training: false,
        };
        let output = reference::forward(options, &call);
        let precision = Precision { roundoff: f64::EPSILON / 2.0 };
        let bounded = bounded::run(precision, options, &arrays);
        within("y", &output.y, &bounded.y, 2.0);
        within("h", &output.h, &bounded.h, 2.0);
        within("c", &output.c, &bounded.c, 2.0);
    }
}

/// Large enough that forward, backward and the products after it are spread over threads; units
/// below and above the lanes.
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    fn check<T: Float>(options: Options, batch: usize, steps: usize) {
        let arrays = arrays(options, batch, steps, 11);
        for isa in Isa::available() {
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                pool.unwrap_or_else(|error| panic!("{error}"))
                    .install(|| engine::<T>(isa, options, &arrays))
                    .map(|array| {
                        array.into_iter().map(|x| x.to_f64().to_bits()).collect::<Vec<_>>()
                    })
            };
            let one = on(1);
            for threads in [2, 3, 8] {
                let (name, many) = (T::NAME, on(threads));
                assert!(one == many, "{threads} threads, {name}, {options:?} on {isa}");
            }
        }
    }

    for (units, inputs, batch, steps) in
        [(96, 40, 50, 5), (50, 20, 130, 5), (7, 24, 700, 33), (3, 40, 1500, 100), (1, 30, 999, 80)]
    {
        let options = Options { go_backwards: units == 50, ..Options::new(inputs, units) };
        check::<f32>(options, batch, steps);
        check::<f64>(options, batch, steps);
    }
}

#[test]
fn any_number_of_threads_trains_the_same_model() -> lstm::Result<()> {
    fn trained(threads: usize, batch: usize, both: bool) -> lstm::Result<Vec<Tensor<f32>>> {
        let train = || {
            let (first, model) = (LSTM::new(64).return_sequences(true), Sequential::new());
            let model = model.add(Input::new([12, 24]));
            let model = if both { model.add(Bidirectional::new(first)) } else { model.add(first) };
            let mut model = model
                .add(LSTM::new(40))
                .add(Dense::new(33).activation(Relu))
                .add(Dense::new(1))
                .build()?;
            model.compile(Adam::default(), Loss::MeanSquaredError)?;
            let mut random = Random::new(3);
            let x = Tensor::new([batch, 12, 24], random.numbers(batch * 12 * 24, 1.0))?;
            let y = Tensor::new([batch, 1], random.numbers(batch, 1.0))?;
            for _ in 0..3 {
                model.train_on_batch(&x, &y)?;
            }
            Ok(model.get_weights())
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap_or_else(|error| panic!("{error}")).install(train)
    }

    // Both directions side by side, of few rows, too.
    for (batch, both) in [(70, false), (70, true), (5, true)] {
        let one = trained(1, batch, both)?;
        for threads in [2, 3, 8] {
            let many = trained(threads, batch, both)?;
            assert!(one == many, "{threads} threads, {batch} rows, {both}");
        }
    }
    Ok(())
}
