//! Matrix products and activations of `kernels` against their [peers](crate::peer), in turns.

use std::hint::black_box;
use std::time::Duration;

use kernels::activation::Function;
use kernels::{Gemm, Isa, MatMut, MatRef, Packed, Scratch};

use crate::dtype::Dtype;
use crate::peak::Clock;
use crate::peer::Scalar;
use crate::random::Random;
use crate::timing::{Timing, interleave};

/// A contest takes about this long.
const BUDGET: Duration = Duration::from_millis(500);

/// The times of a contest.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Of `kernels`.
    pub ours: Timing,
    /// Of the peer.
    pub peer: Timing,
}

/// The times of a contest of activations.
#[derive(Clone, Copy, Debug)]
pub struct Activations {
    /// Those of the contestants.
    pub times: Times,
    /// Cycles of the CPU in a second of the same contest, if it has AVX2.
    pub clock: Option<f64>,
}

/// `C = A B` of row-major matrices, by `kernels` and by `matrixmultiply`.
///
/// `kernels` uses the threads of the current `rayon` pool. `matrixmultiply` as linked here has one
/// thread, and chooses its own instructions. With `prepacked`, B is packed before the clock starts,
/// as weights are that serve many products; the peer has no such thing.
pub fn gemm(dtype: Dtype, isa: Isa, size: (usize, usize, usize), prepacked: bool) -> Times {
    match dtype {
        Dtype::F32 => gemm_as::<f32>(isa, size, prepacked),
        Dtype::F64 => gemm_as::<f64>(isa, size, prepacked),
    }
}

fn gemm_as<T: Scalar>(isa: Isa, (m, n, k): (usize, usize, usize), prepacked: bool) -> Times {
    let mut random = Random::new(0);
    let (a, b) = (random.numbers::<T>(m * k, 1.0), random.numbers::<T>(k * n, 1.0));
    let (mut c, mut c_peer) = (vec![T::ZERO; m * n], vec![T::ZERO; m * n]);
    let mut scratch = Scratch::default();
    let packed = prepacked.then(|| Packed::right(isa, MatRef::new(&b, k, n)));

    let mut ours = || {
        let a = MatRef::new(black_box(&a), m, k);
        let product = match &packed {
            Some(packed) => Gemm::new(a, black_box(packed)),
            None => Gemm::new(a, MatRef::new(black_box(&b), k, n)),
        };
        product.isa(isa).run(MatMut::new(black_box(&mut c), m, n), &mut scratch);
    };
    let mut peer = || {
        let (a, b) = ((black_box(&a[..]), (k, 1)), (black_box(&b[..]), (n, 1)));
        T::matrixmultiply((m, n, k), a, b, black_box(&mut c_peer));
    };
    let [ours, peer] = interleave(BUDGET, [&mut ours, &mut peer]);
    Times { ours, peer }
}

/// `y = f(x)` over `len` numbers in ±4, from 0 to 8 for `log1p`, by `kernels` and by the
/// [peer](crate::peer::of).
///
/// The activations of `kernels` work in place: a copy of x to y is part of their time.
pub fn activation(dtype: Dtype, isa: Isa, function: Function, len: usize) -> Activations {
    match dtype {
        Dtype::F32 => activation_as::<f32>(isa, function, len),
        Dtype::F64 => activation_as::<f64>(isa, function, len),
    }
}

fn activation_as<T: Scalar>(isa: Isa, function: Function, len: usize) -> Activations {
    let mut x = Random::new(0).numbers::<T>(len, 4.0);
    if function == Function::Log1p {
        x.iter_mut().for_each(|x| *x += T::from_f64(4.0));
    }
    let (mut y, mut y_peer) = (vec![T::ZERO; len], vec![T::ZERO; len]);

    let mut ours = || {
        let y = black_box(&mut y);
        y.copy_from_slice(black_box(&x));
        function.run(isa, y);
    };
    // One loop for each: the function is known in it.
    let mut peer = || {
        let pairs = black_box(&x).iter().zip(black_box(&mut y_peer));
        macro_rules! each {
            ($($function:ident)*) => {
                match function {
                    $(Function::$function => {
                        pairs.for_each(|(&x, y)| *y = T::scalar(Function::$function, x));
                    })*
                }
            };
        }
        each!(Exp Expm1 Sigmoid Tanh Softplus Log1p Erf);
    };
    let clock = Clock::new();
    let mut tick = || {
        if let Some(clock) = &clock {
            clock.run();
        }
    };
    let [ours, peer, ticks] = interleave(BUDGET, [&mut ours, &mut peer, &mut tick]);
    let clock = clock.map(|clock| clock.cycles() / ticks.median);
    Activations { times: Times { ours, peer }, clock }
}
