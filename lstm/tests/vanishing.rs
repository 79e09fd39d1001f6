//! What vanishes step by step ends in zero, not in numbers below the normal ones: on some CPUs a product with one
//! takes a hundred times as long.

use lstm::engine::{Call, Engine, Gradient, Gradients, Incoming, Options, Stream, Weights};
use lstm::{Activation, Isa};

/// Numbers between -1 and 1 that look random.
fn numbers(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
    .take(len)
    .collect()
}

fn subnormal(xs: &[f32]) -> usize {
    xs.iter().filter(|x| x.is_subnormal()).count()
}

/// Lanes over the batch and over units, one row and several, alone and by two activations of one's own.
const LAYERS: [(usize, usize, Option<Activation>); 6] = [
    (1, 20, None),
    (3, 2, None),
    (5, 24, None),
    (2, 20, Some(Activation::HardSigmoid)),
    (3, 3, Some(Activation::Softmax)),
    (1, 40, Some(Activation::Elu)),
];

fn options(inputs: usize, units: usize, activation: Option<Activation>) -> Options {
    let mut options = Options::new(inputs, units);
    match activation {
        Some(Activation::Elu) => options.activation = Activation::Elu,
        Some(other) => options.recurrent_activation = other,
        None => {}
    }
    options
}

#[test]
fn gradients_that_vanish_are_zero_before_they_are_subnormal() {
    // With f near a half, a gradient of the last output has left the numbers of `f32` after 150 steps.
    let (steps, inputs) = (400, 3);
    for (batch, units, activation) in LAYERS {
        let weights = numbers(1, (inputs + units + 1) * 4 * units);
        let weights: Vec<f32> = weights.iter().map(|w| w * 0.1).collect();
        let x = numbers(2, batch * steps * inputs);
        let dy = numbers(3, batch * units);
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
        for isa in Isa::available() {
            let mut engine = Engine::new(isa, options(inputs, units, activation));
            engine.forward(&call, None);
            let sizes = [weights.len(), x.len(), batch * units, batch * units];
            let [mut dw, mut dx, mut dh, mut dc] = sizes.map(|len| vec![f32::NAN; len]);
            engine.backward(
                &call,
                Incoming { dy: Gradient::Last(&dy), states: [None, None] },
                Gradients::cut(&mut dw, inputs, units),
                Some(&mut dx),
                [Some(&mut dh), Some(&mut dc)],
            );
            let what = format!("{batch} rows, {units} units, {activation:?} on {isa}");
            for (name, grads) in [("dw", &dw), ("dx", &dx), ("dh", &dh), ("dc", &dc)] {
                assert_eq!(subnormal(grads), 0, "{name} of {what}");
            }
            assert!(dh.iter().chain(&dc).all(|&x| x == 0.0), "{what}");
            for row in dx.chunks(steps * inputs) {
                assert!(row[..inputs].iter().all(|&x| x == 0.0), "first step: {what}");
                assert!(row[(steps - 1) * inputs..].iter().all(|&x| x != 0.0), "last step: {what}");
            }
        }
    }
}

#[test]
fn states_that_decay_are_zero_before_they_are_subnormal() {
    // Without a bias nothing comes in with an input of zero.
    let (steps, inputs) = (400, 2);
    for (batch, units, activation) in LAYERS {
        if activation == Some(Activation::Softmax) {
            continue; // what is split over few units does not vanish: f is a third
        }
        let kernels = numbers(1, (inputs + units) * 4 * units);
        let kernels: Vec<f32> = kernels.iter().map(|w| w * 0.1).collect();
        let (kernel, recurrent_kernel) = kernels.split_at(inputs * 4 * units);
        let weights = Weights { kernel, recurrent_kernel, bias: None };
        let x = vec![0.0; batch * steps * inputs];
        let start = numbers(4, batch * units);
        let call = Call {
            weights,
            version: 1,
            x: &x,
            batch,
            steps,
            mask: None,
            dropout: None,
            initial: [Some(&start), Some(&start)],
            training: false,
        };
        for isa in Isa::available() {
            let options = options(inputs, units, activation);
            let mut y = vec![f32::NAN; batch * steps * units];
            Engine::new(isa, options).forward(&call, Some(&mut y));
            let what = format!("{batch} rows, {units} units, {activation:?} on {isa}");
            assert_eq!(subnormal(&y), 0, "{what}");

            let mut stream = Stream::new(isa, options, weights, batch);
            stream.set_state(&start, &start);
            let [mut h, mut c] = [(); 2].map(|()| vec![f32::NAN; batch * units]);
            for t in 0..steps {
                let out = stream.step(&x[..batch * inputs]).to_vec();
                for (row, out) in out.chunks(units).enumerate() {
                    assert_eq!(out, &y[(row * steps + t) * units..][..units], "{t}: {what}");
                }
                stream.state(&mut h, &mut c);
                assert_eq!(subnormal(&c), 0, "{t}: {what}");
            }
            assert!(h.iter().chain(&c).all(|&x| x == 0.0), "{what}");
        }
    }
}
