//! The hot kernels on the best instruction set, to be looked at: `make hot-loops` reads their
//! instructions, `make counts` counts those that run.
//!
//! `hot_kernels KERNEL f32|f64` runs one of them, without arguments it runs all; each twice.

use std::hint::black_box;

use kernels::activation::{Erf, Exp, Expm1, Log1p, Sigmoid, Softplus, Tanh};
use kernels::{Float, Gemm, Isa, MatMut, MatRef, Packed, Scratch};

/// What `make counts` counts: the second run, when memory is there.
#[inline(never)]
fn measured(kernel: &mut dyn FnMut()) {
    kernel();
}

fn twice(mut kernel: impl FnMut()) {
    black_box(&mut kernel)();
    measured(&mut kernel);
}

/// `C = A B` on one thread, B packed before or not.
fn gemm<T: Float>(isa: Isa, (m, n, k): (usize, usize, usize), packed: bool) {
    let (a, b, mut c) = (vec![T::ONE; m * k], vec![T::ONE; k * n], vec![T::ZERO; m * n]);
    let (a, b) = (MatRef::new(&a, m, k), MatRef::new(&b, k, n));
    let right = Packed::right(isa, b);
    let gemm = if packed { Gemm::new(a, &right) } else { Gemm::new(a, b) };
    let (gemm, mut scratch) = (gemm.isa(isa).serial(), Scratch::default());
    twice(|| gemm.run(MatMut::new(&mut c, m, n), &mut scratch));
    black_box(c);
}

/// The same with B in columns.
fn gemm_columns<T: Float>(isa: Isa, (m, n, k): (usize, usize, usize)) {
    let (a, b, mut c) = (vec![T::ONE; m * k], vec![T::ONE; k * n], vec![T::ZERO; m * n]);
    let gemm = Gemm::new(MatRef::new(&a, m, k), MatRef::new(&b, n, k).t()).isa(isa).serial();
    let mut scratch = Scratch::default();
    twice(|| gemm.run(MatMut::new(&mut c, m, n), &mut scratch));
    black_box(c);
}

/// A map of 1024 elements between -1 and 1.
fn map<T: Float>(mut run: impl FnMut(&mut [T])) {
    let mut xs: Vec<T> = (0..1024).map(|i| T::from_f64(f64::from(i) / 512.0 - 1.0)).collect();
    twice(|| run(&mut xs));
    black_box(xs);
}

const KERNELS: [&str; 13] = [
    "gemm",
    "gemm_packed",
    "gemm_columns",
    "gemm_tiny",
    "gemm_row",
    "gemm_packed_row",
    "exp",
    "expm1",
    "sigmoid",
    "tanh",
    "softplus",
    "log1p",
    "erf",
];

fn run<T: Float>(isa: Isa, kernel: &str) {
    match kernel {
        "gemm" => gemm::<T>(isa, (64, 64, 64), false),
        "gemm_packed" => gemm::<T>(isa, (16, 256, 64), true),
        "gemm_columns" => gemm_columns::<T>(isa, (64, 64, 64)),
        "gemm_tiny" => gemm::<T>(isa, (8, 16, 4), false),
        "gemm_row" => gemm::<T>(isa, (1, 256, 256), false),
        "gemm_packed_row" => gemm::<T>(isa, (1, 256, 256), true),
        "exp" => map::<T>(|xs| isa.run(Exp(xs))),
        "expm1" => map::<T>(|xs| isa.run(Expm1(xs))),
        "sigmoid" => map::<T>(|xs| isa.run(Sigmoid(xs))),
        "tanh" => map::<T>(|xs| isa.run(Tanh(xs))),
        "softplus" => map::<T>(|xs| isa.run(Softplus(xs))),
        "log1p" => map::<T>(|xs| isa.run(Log1p(xs))),
        "erf" => map::<T>(|xs| isa.run(Erf(xs))),
        _ => panic!("no kernel `{kernel}`: one of {KERNELS:?}"),
    }
}

fn main() {
    let isa = Isa::best();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => KERNELS.iter().for_each(|kernel| {
            run::<f32>(isa, kernel);
            run::<f64>(isa, kernel);
        }),
        [kernel, "f32"] => run::<f32>(isa, kernel),
        [kernel, "f64"] => run::<f64>(isa, kernel),
        _ => panic!("hot_kernels [KERNEL f32|f64]"),
    }
}
