//! A dense layer, `y = σ(x W + b)`: what a crate needs of `kernels`, and nothing else.
//!
//! `cargo run --release`, or `KERNELS_ISA=portable cargo run --release` to force a path.

use kernels::activation::Sigmoid;
use kernels::{Bias, Gemm, Isa, MatMut, MatRef, Packed, Scratch};

const BATCH: usize = 2;
const INPUTS: usize = 3;
const UNITS: usize = 4;

fn main() {
    let isa = Isa::best();

    // The weights serve many products: they are packed once.
    let weights = [
        [0.5f32, -0.5, 1.0, 0.0], //
        [0.0, 1.0, -1.0, 0.5],
        [1.0, 0.5, 0.0, -2.0],
    ];
    let weights = Packed::right(isa, MatRef::new(weights.as_flattened(), INPUTS, UNITS));
    let bias = [0.0, 0.1, 0.2, 0.3];
    let mut scratch = Scratch::default();

    let x = [[1.0f32, 2.0, 3.0], [-1.0, 0.0, 1.0]];
    let mut y = [[0.0; UNITS]; BATCH];

    // y = x W + b
    Gemm::new(MatRef::new(x.as_flattened(), BATCH, INPUTS), &weights)
        .isa(isa)
        .epilogue(Bias(&bias))
        .run(MatMut::new(y.as_flattened_mut(), BATCH, UNITS), &mut scratch);
    // y = σ(y)
    isa.run(Sigmoid(y.as_flattened_mut()));

    println!("On {isa}:");
    for row in y {
        println!("{row:.4?}");
    }
}
