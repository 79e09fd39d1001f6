//! Errors in units in the last place of the exact value, on every instruction set of this CPU, and
//! how exact that is.

use std::ops::Range;

use kernels::activation::Function;
use kernels::reference::{Exact, hard_cases};
use kernels::{Isa, reference};
use rayon::prelude::*;

use crate::common::{Scalar, noise};

/// Goes through every `step`th bit pattern of `bits`, on all threads.
fn check<T: Scalar>(bits: Range<u64>, step: u64) {
    const BLOCK: u64 = 1 << 12;
    let numbers = (bits.end - bits.start) / step;
    for function in Function::ALL {
        (0..numbers.div_ceil(BLOCK)).into_par_iter().for_each(|block| {
            let within = block * BLOCK..numbers.min((block + 1) * BLOCK);
            let xs: Vec<T> = within.map(|i| T::from_bits(bits.start + i * step)).collect();
            check_at(function, &xs);
        });
    }
}

fn check_at<T: Scalar>(function: Function, xs: &[T]) {
    let exact = Exact::of(Isa::best(), function, xs);
    for isa in Isa::available() {
        let mut ys = xs.to_vec();
        function.run(isa, &mut ys);
        for (i, error) in exact.ulps(&ys).into_iter().enumerate() {
            let (x, y) = (xs[i], ys[i]);
            let bound = function.max_ulps::<T>();
            assert!(error <= bound, "{isa}: {function} of {x:?} is {y:?}, off by {error} ULP");
        }
    }
}

#[test]
fn errors_of_f32_stay_within_the_stated_bounds() {
    check::<f32>(0..1 << 32, 2039);
}

#[test]
fn errors_of_f64_stay_within_the_stated_bounds() {
    let (sign, infinity) = (1 << 63, f64::INFINITY.to_bits());
    // The functions bend from 2⁻³² to 2¹¹.
    let bent = 2f64.powi(-32).to_bits()..2f64.powi(11).to_bits();
    let ranges = [
        0..infinity + 1,
        bent.clone(),
        sign..sign + infinity + 1,
        sign + bent.start..sign + bent.end,
    ];
    for range in ranges {
        let step = (range.end - range.start) / 50_021;
        check::<f64>(range, step);
    }
}

#[test]
fn errors_of_the_hard_cases_stay_within_the_stated_bounds() {
    for function in Function::ALL {
        check_at(function, hard_cases(function));
    }
}

#[test]
fn the_series_of_erf_is_long_enough_for_its_last_number() {
    check_at(Function::Erf, &[6.5f64]);
    check_at(Function::Erf, &[0.1, -6.5f64]);
}

/// The results lie so close to the middle of two numbers, or to a number, that only arithmetic of
/// more than a hundred bits can tell the side: the errors of these two show how close.
#[test]
fn what_is_exact_is_so_to_95_bits() {
    let mut checked = 0;
    for function in Function::ALL {
        let xs = hard_cases(function);
        for isa in Isa::available() {
            let exact = Exact::of(isa, function, xs);
            let mut ys = xs.to_vec();
            function.run(isa, &mut ys);
            for (x, error) in xs.iter().zip(exact.ulps(&ys)) {
                let from_half = ((2.0 * error).round() - 2.0 * error).abs();
                assert!(from_half < 2f64.powi(-44), "{isa}: {function} of {x:e}: {error}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 5 * 12);
}

#[test]
fn what_is_exact_is_what_std_computes() {
    // Each of std is right to a unit or two; the reference must not be the one that is wrong.
    let std = |function, x: f64| match function {
        Function::Exp => x.exp(),
        Function::Expm1 => x.exp_m1(),
        Function::Sigmoid => reference::sigmoid(x),
        Function::Tanh => x.tanh(),
        Function::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Function::Log1p => x.ln_1p(),
        Function::Erf => unreachable!("std has none"),
    };
    let xs: Vec<f64> = (-8000..8000).map(|i| f64::from(i) / 11.0 + 1e-3).collect();
    let xs = [xs, noise(3, 1000)].concat();
    for isa in Isa::available() {
        for function in Function::ALL.into_iter().filter(|&function| function != Function::Erf) {
            let ys: Vec<f64> = xs.iter().map(|&x| std(function, x)).collect();
            for (x, error) in xs.iter().zip(Exact::of(isa, function, &xs).ulps(&ys)) {
                assert!(error < 2.0, "{isa}: {function} of {x}: std is off by {error} ULP");
            }
        }
    }
}

#[test]
fn what_is_exact_of_erf_is_its_integral() {
    // Gauss and Legendre's rule of five points on each of many parts: right to some 2⁻⁵⁰.
    let nodes =
        [(0.0, 128.0 / 225.0)].into_iter().chain([-1.0, 1.0].into_iter().flat_map(|sign| {
            let root =
                |inner: f64| sign * (5.0 + inner * 2.0 * (10.0f64 / 7.0).sqrt()).sqrt() / 3.0;
            let weight = |inner: f64| (322.0 - inner * 13.0 * 70f64.sqrt()) / 900.0;
            [-1.0, 1.0].map(|inner| (root(inner), weight(inner)))
        }));
    let nodes: Vec<(f64, f64)> = nodes.collect();
    let integral = |x: f64| {
        let half = x / 1024.0;
        let part = |i: i32| {
            let middle = half * f64::from(2 * i + 1);
            nodes.iter().map(|(at, weight)| weight * (-(middle + half * at).powi(2)).exp()).sum()
        };
        let sum: f64 = (0..512).map(|i| -> f64 { part(i) }).sum();
        sum * half * std::f64::consts::FRAC_2_SQRT_PI
    };
    let xs: Vec<f64> = (1..=130).map(|i| f64::from(i) / 20.0).collect();
    let ys: Vec<f64> = xs.iter().map(|&x| integral(x)).collect();
    for isa in Isa::available() {
        for (x, error) in xs.iter().zip(Exact::of(isa, Function::Erf, &xs).ulps(&ys)) {
            assert!(error < 32.0, "{isa}: erf of {x}: the integral is off by {error} ULP");
        }
    }
}

#[test]
fn units_are_those_of_the_format() {
    // e⁰ is one, whose neighbours are ε above and ε/2 below; e^-100 is subnormal in f32.
    let exact = Exact::of(Isa::best(), Function::Exp, &[0.0, 0.0, 0.0, 1e9, 1e9, -1e9, f64::NAN]);
    let (above, below) = (1.0 + f32::EPSILON, 1.0 - f32::EPSILON / 2.0);
    let ys = [1.0, above, below, f32::INFINITY, f32::MAX, f32::from_bits(1), f32::NAN];
    assert_eq!(exact.ulps(&ys), [0.0, 1.0, 0.5, 0.0, 1.0, 1.0, 0.0]);
    let missing = Exact::of(Isa::best(), Function::Exp, &[f64::NAN, 0.0]).ulps(&[1.0, f64::NAN]);
    assert_eq!(missing, [f64::INFINITY; 2]);
    let tiny = Exact::of(Isa::best(), Function::Exp, &[-100.0]).ulps(&[0.0f32]);
    assert!((tiny[0] - (-100f64).exp() / 2f64.powi(-149)).abs() < 1e-9, "{tiny:?}");
}
