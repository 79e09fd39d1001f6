//! Errors in units in the last place of the exact value, on every instruction set of this CPU.
//!
//! An `f32` is compared with the `f64` functions of `std`, which are right to some 2⁻²⁸ of such a
//! unit; an `f64` with [`double_double`]. The bounds are those of the table in `kernels::math`.

use std::fmt;
use std::ops::Range;

use kernels::{Isa, reference};
use rayon::prelude::*;

use crate::common::Scalar;
use crate::double_double::{self, Scaled, Wide};
use crate::{A, Activation};

/// An activation that rounds, and the largest error that it is said to have.
const F32: [(Activation, f64); 4] =
    [(A::Exp, 0.84), (A::Expm1, 1.1), (A::Sigmoid, 0.84), (A::Tanh, 0.91)];
const F64: [(Activation, f64); 4] =
    [(A::Exp, 0.81), (A::Expm1, 1.0), (A::Sigmoid, 0.84), (A::Tanh, 1.1)];

/// A scalar whose exact results are known.
trait Exact: Scalar {
    fn exact(activation: Activation, x: Self) -> Scaled;
}

impl Exact for f32 {
    fn exact(activation: Activation, x: f32) -> Scaled {
        let x = f64::from(x);
        let y = match activation {
            A::Exp => x.exp(),
            A::Expm1 => x.exp_m1(),
            A::Sigmoid => reference::sigmoid(x),
            A::Tanh => x.tanh(),
            A::Relu => x.max(0.0),
        };
        (Wide::from(y), 0)
    }
}

impl Exact for f64 {
    fn exact(activation: Activation, x: f64) -> Scaled {
        match activation {
            A::Exp => double_double::exp(x),
            A::Expm1 => double_double::expm1(x),
            A::Sigmoid => double_double::sigmoid(x),
            A::Tanh => double_double::tanh(x),
            A::Relu => (Wide::from(x.max(0.0)), 0),
        }
    }
}

/// `x 2^exponent`, in two steps: the power alone may be beyond the numbers there are.
fn times_power_of_two(x: f64, exponent: i32) -> f64 {
    let power = |exponent: i32| f64::from_bits(((exponent + 1023) as u64) << 52);
    let half = exponent / 2;
    x * power(half) * power(exponent - half)
}

/// By how many units in the last place of the exact value `got` differs from it. Infinity counts as
/// the power of two that would follow the largest number, on both sides.
fn ulps<T: Scalar>(got: T, (exact, scale): Scaled) -> f64 {
    let (lowest, highest) = (1 - T::MAX_EXPONENT, T::MAX_EXPONENT);
    let infinity = (1.0, highest + 1);

    let exponent = (exact.high.to_bits() >> 52 & 0x7ff) as i32 - 1023 + scale;
    let (exact, scale) = match exponent > highest {
        true => (Wide::from(infinity.0), infinity.1),
        false => (exact, scale),
    };
    let (got, got_scale) = if got.is_finite() { (got.to_f64(), 0) } else { infinity };
    let difference = (times_power_of_two(got, got_scale - scale) - exact.high) - exact.low;
    let last_place = exponent.clamp(lowest, highest) - T::MANTISSA as i32;
    times_power_of_two(difference.abs(), scale - last_place)
}

/// The largest error of one activation on one instruction set, and where it is.
#[derive(Clone, Copy)]
struct Worst<T> {
    isa: Isa,
    ulps: f64,
    x: T,
}

impl<T: Scalar> fmt::Display for Worst<T> {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{:.4} ULP at {:e} on {}", self.ulps, self.x.to_f64(), self.isa)
    }
}

fn worse<T: Copy>(a: Vec<Worst<T>>, b: Vec<Worst<T>>) -> Vec<Worst<T>> {
    a.into_iter().zip(b).map(|(a, b)| if b.ulps > a.ulps { b } else { a }).collect()
}

/// Goes through every `step`th bit pattern of `bits`, on all threads.
fn sweep<T: Exact>(activation: Activation, bits: Range<u64>, step: u64) -> Vec<Worst<T>> {
    const BLOCK: u64 = 1 << 12;
    let none = || -> Vec<Worst<T>> {
        Isa::available().into_iter().map(|isa| Worst { isa, ulps: 0.0, x: T::ZERO }).collect()
    };
    let numbers = (bits.end - bits.start) / step;
    let block = |worst: Vec<Worst<T>>, block: u64| {
        let within = block * BLOCK..numbers.min((block + 1) * BLOCK);
        let xs: Vec<T> = within.map(|i| T::from_bits(bits.start + i * step)).collect();
        let exact: Vec<Scaled> = xs.iter().map(|&x| T::exact(activation, x)).collect();
        let found = Isa::available().into_iter().map(|isa| {
            let mut ys = xs.clone();
            activation.run(isa, &mut ys);
            let mut worst = Worst { isa, ulps: 0.0, x: T::ZERO };
            for ((&x, &y), &exact) in xs.iter().zip(&ys).zip(&exact) {
                if x.is_nan() {
                    assert!(y.is_nan(), "{isa}: {activation:?} of NaN is {y}");
                    continue;
                }
                assert!(!y.is_nan(), "{isa}: {activation:?} of {x:?} is NaN");
                let ulps = ulps(y, exact);
                if ulps > worst.ulps {
                    worst = Worst { isa, ulps, x };
                }
            }
            worst
        });
        worse(worst, found.collect())
    };
    (0..numbers.div_ceil(BLOCK)).into_par_iter().fold(none, block).reduce(none, worse)
}

fn check<T: Exact>(
    bounds: [(Activation, f64); 4],
    ranges: &[Range<u64>],
    step: impl Fn(&Range<u64>) -> u64,
) {
    for (activation, bound) in bounds {
        for range in ranges {
            for worst in sweep::<T>(activation, range.clone(), step(range)) {
                println!("{} {activation:?}: {worst}", T::NAME);
                assert!(worst.ulps <= bound, "{} {activation:?}: {worst}", T::NAME);
            }
        }
    }
}

/// All numbers of either sign, and NaN.
fn ranges_of_f32() -> [Range<u64>; 2] {
    [0..1 << 31, 1 << 31..1 << 32]
}

/// All numbers of either sign; then, closer, those from 2⁻³² to 2¹¹, where the functions bend.
fn ranges_of_f64() -> [Range<u64>; 4] {
    let (sign, bent) = (1 << 63, 2f64.powi(-32).to_bits()..2f64.powi(11).to_bits());
    let infinity = f64::INFINITY.to_bits();
    [0..infinity + 1, bent.clone(), sign..sign + infinity + 1, sign + bent.start..sign + bent.end]
}

#[test]
fn errors_of_f32_stay_within_the_stated_bounds() {
    check::<f32>(F32, &ranges_of_f32(), |_| 1021);
}

#[test]
fn errors_of_f64_stay_within_the_stated_bounds() {
    check::<f64>(F64, &ranges_of_f64(), |range| (range.end - range.start) / 50_021);
}

/// `cargo test -p kernels --test activation -- --ignored --nocapture --test-threads 1`
#[test]
#[ignore = "every f32 there is: minutes"]
fn errors_of_every_f32_stay_within_the_stated_bounds() {
    check::<f32>(F32, &ranges_of_f32(), |_| 1);
}

/// `cargo test -p kernels --test activation -- --ignored --nocapture --test-threads 1`
#[test]
#[ignore = "a hundred million f64: minutes"]
fn errors_of_very_many_f64_stay_within_the_stated_bounds() {
    check::<f64>(F64, &ranges_of_f64(), |range| (range.end - range.start) / 25_000_009);
}

#[test]
fn the_reference_of_f64_is_that_of_std() {
    // Each is right to a unit or two; the reference must not be the one that is wrong.
    for i in -8000..8000 {
        let x = f64::from(i) / 11.0 + 1e-3;
        let near = |(wide, scale): Scaled, want: f64| {
            let error = ulps(want, (wide, scale));
            assert!(error < 2.0, "{x}: {want} of std is off by {error} ULP");
        };
        near(double_double::exp(x), x.exp());
        near(double_double::expm1(x), x.exp_m1());
        near(double_double::tanh(x), x.tanh());
        near(double_double::sigmoid(x), reference::sigmoid(x));
    }
}
