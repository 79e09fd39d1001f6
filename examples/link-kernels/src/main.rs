//! A dense layer, `y = σ(x W + b)`: what a crate needs of `kernels`, and nothing else.
//!
//! `cargo run --release`, or `KERNELS_ISA=portable cargo run --release` to force a path.

use kernels::activation::Sigmoid;
use kernels::{Bias, Gemm, Isa, MatMut, MatRef, Packed, Scratch};

const BATCH: usize = 2;
const INPUTS: usize = 3;
const UNITS: usize = 4;

const WEIGHTS: [[f32; UNITS]; INPUTS] = [
    [0.5, -0.5, 1.0, 0.0], //
    [0.0, 1.0, -1.0, 0.5],
    [1.0, 0.5, 0.0, -2.0],
];
const BIAS: [f32; UNITS] = [0.0, 0.1, 0.2, 0.3];

fn main() {
    let isa = Isa::best();

    // The weights serve many products: they are packed once.
    let weights = Packed::right(isa, MatRef::new(WEIGHTS.as_flattened(), INPUTS, UNITS));
    let mut scratch = Scratch::default();

    let x = [[1.0f32, 2.0, 3.0], [-1.0, 0.0, 1.0]];
    let mut y = [[0.0; UNITS]; BATCH];

    // y = x W + b
    Gemm::new(MatRef::new(x.as_flattened(), BATCH, INPUTS), &weights)
        .isa(isa)
        .epilogue(Bias(&BIAS))
        .run(MatMut::new(y.as_flattened_mut(), BATCH, UNITS), &mut scratch);
    // y = σ(y)
    isa.run(Sigmoid(y.as_flattened_mut()));

    println!("On {isa}:");
    for (x, y) in x.iter().zip(&y) {
        println!("{y:.4?}");
        for (unit, &y) in y.iter().enumerate() {
            // The same, one number after another.
            let sum: f64 = (0..INPUTS).map(|i| f64::from(x[i]) * f64::from(WEIGHTS[i][unit])).sum();
            let want = 1.0 / (1.0 + (-sum - f64::from(BIAS[unit])).exp());
            let error = (f64::from(y) - want).abs();
            assert!(error < 1e-6, "unit {unit} of {x:?} is {y}, not {want}");
        }
    }
}
