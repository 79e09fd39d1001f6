//! What the activations keep, whatever their errors.

use kernels::activation::{erf, exp, expm1, log1p, relu, sigmoid, softplus, tanh};
use kernels::{Float, Isa};
use rayon::prelude::*;

use crate::common::{Scalar, noise, same, specials};
use crate::{A, ALL, Activation};

/// Numbers of every size and sign at which something could go wrong, infinities and NaN aside.
fn numbers<T: Scalar>() -> Vec<T> {
    let spread = noise::<T>(1, 2000).into_iter();
    let powers = (-160..11).flat_map(|exponent| {
        let power = T::from_f64(2f64.powi(exponent));
        [power, -power, power + power * T::from_f64(0.37)]
    });
    // Shortly before the points where one reduction ends and the next begins, in `x` or in `2 x`.
    let seams = (0..450).map(|n| {
        let seam = T::from_f64(f64::from(n) * std::f64::consts::LN_2 / 4.0);
        seam - seam * T::EPSILON * T::from_f64(16.0)
    });
    // About the points where log1p, softplus, erf and tanh change their formula, and where tanh becomes one.
    let bends = [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 9.011, 9.02, 20.0, 40.0]
        .into_iter()
        .flat_map(|x| {
            let x = T::from_f64(x);
            [x, x - x * T::EPSILON * T::from_f64(16.0)]
        });
    let specials = specials::<T>().into_iter().filter(|x| x.is_finite());
    spread
        .map(|x| x * T::from_f64(30.0))
        .chain(powers)
        .chain(seams.chain(bends).flat_map(|x| [x, -x]))
        .chain(specials)
        .collect()
}

/// Runs a check of both scalars.
macro_rules! for_f32_and_f64 {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            for isa in Isa::available() {
                check::$name::<f32>(isa);
                check::$name::<f64>(isa);
            }
        }
    )*};
}

for_f32_and_f64! {
    nan_stays_nan
    infinities_go_to_the_limits
    zero_goes_where_it_should_and_keeps_its_sign
    what_the_result_cannot_exceed_it_does_not
    log1p_ends_at_minus_one
    tanh_and_erf_are_odd_to_the_last_bit
    the_sigmoids_of_opposites_add_up_to_one
    no_function_ever_steps_back
    subnormal_numbers_are_not_flushed
    a_result_depends_on_nothing_but_its_operand
}

mod check {
    use super::*;

    pub(super) fn nan_stays_nan<T: Scalar>(isa: Isa) {
        let (quiet, signaling) = (T::NAN.bits(), T::INFINITY.bits() + 1);
        let sign = (-T::ZERO).bits();
        for bits in [quiet, quiet + 5, signaling, quiet | sign, signaling | sign] {
            for activation in ALL {
                let y = activation.of(isa, T::from_bits(bits));
                assert!(y.is_nan(), "{isa}: {activation:?} of NaN {bits:x} is {y}");
            }
        }
    }

    pub(super) fn infinities_go_to_the_limits<T: Scalar>(isa: Isa) {
        for (activation, below, above) in [
            (A::Exp, T::ZERO, T::INFINITY),
            (A::Expm1, -T::ONE, T::INFINITY),
            (A::Sigmoid, T::ZERO, T::ONE),
            (A::Tanh, -T::ONE, T::ONE),
            (A::Softplus, T::ZERO, T::INFINITY),
            (A::Erf, -T::ONE, T::ONE),
            (A::Relu, T::ZERO, T::INFINITY),
        ] {
            for (x, limit) in [(-T::INFINITY, below), (-T::MAX, below), (T::INFINITY, above)] {
                let y = activation.of(isa, x);
                assert!(same(y, limit), "{isa}: {activation:?} of {x} is {y}");
            }
        }
        assert!(same(A::Exp.of(isa, T::MAX), T::INFINITY), "{isa}");
        assert!(same(A::Softplus.of(isa, T::MAX), T::MAX), "{isa}");
    }

    pub(super) fn log1p_ends_at_minus_one<T: Scalar>(isa: Isa) {
        let below_one = T::ONE - T::EPSILON * T::from_f64(0.5);
        let epsilon = T::EPSILON.to_f64();
        for (x, want) in [
            (T::INFINITY, f64::INFINITY),
            (T::MAX, T::MAX.to_f64().ln()),
            (-below_one, (epsilon / 2.0).ln()),
            (-T::ONE, f64::NEG_INFINITY),
        ] {
            let y = A::Log1p.of(isa, x).to_f64();
            let near = (y - want).abs() <= epsilon * want.abs();
            assert!(y == want || near, "{isa}: log1p of {x:?} is {y}, not {want}");
        }
        for x in [-T::ONE - T::EPSILON, -T::from_f64(1e9), -T::MAX, -T::INFINITY] {
            let y = A::Log1p.of(isa, x);
            assert!(y.is_nan(), "{isa}: log1p of {x:?} is {y}");
        }
    }

    pub(super) fn zero_goes_where_it_should_and_keeps_its_sign<T: Scalar>(isa: Isa) {
        for zero in [T::ZERO, -T::ZERO] {
            for (activation, want) in [
                (A::Exp, T::ONE),
                (A::Expm1, zero),
                (A::Sigmoid, T::from_f64(0.5)),
                (A::Tanh, zero),
                (A::Softplus, T::from_f64(std::f64::consts::LN_2)),
                (A::Log1p, zero),
                (A::Erf, zero),
                (A::Relu, zero),
            ] {
                let y = activation.of(isa, zero);
                assert!(same(y, want), "{isa}: {activation:?} of {zero:?} is {y:?}");
            }
        }
    }

    pub(super) fn what_the_result_cannot_exceed_it_does_not<T: Scalar>(isa: Isa) {
        for x in numbers::<T>() {
            let within = |activation: Activation, low: T, high: T| {
                let y = activation.of(isa, x);
                assert!(
                    low <= y && y <= high,
                    "{isa}: {activation:?} of {x:e} is {y}",
                    x = x.to_f64()
                );
            };
            within(A::Exp, T::ZERO, T::INFINITY);
            within(A::Expm1, -T::ONE, T::INFINITY);
            within(A::Sigmoid, T::ZERO, T::ONE);
            within(A::Tanh, -T::ONE, T::ONE);
            within(A::Softplus, T::ZERO.max(x), T::INFINITY);
            within(A::Erf, -T::ONE, T::ONE);
            within(A::Relu, T::ZERO, T::INFINITY);
        }
    }

    pub(super) fn tanh_and_erf_are_odd_to_the_last_bit<T: Scalar>(isa: Isa) {
        for x in numbers::<T>() {
            for activation in [A::Tanh, A::Erf] {
                let (y, of_opposite) = (activation.of(isa, x), activation.of(isa, -x));
                assert!(same(-y, of_opposite), "{isa}: {activation:?} of {x:?}");
            }
        }
    }

    pub(super) fn the_sigmoids_of_opposites_add_up_to_one<T: Scalar>(isa: Isa) {
        for x in numbers::<T>() {
            // One is the other taken from one, rounded: off by half a unit of at most one.
            let sum = A::Sigmoid.of(isa, x).to_f64() + A::Sigmoid.of(isa, -x).to_f64();
            let error = (sum - 1.0).abs();
            assert!(error <= T::EPSILON.to_f64() / 2.0, "{isa}: {x:?} and its opposite: {sum}");
        }
    }

    pub(super) fn no_function_ever_steps_back<T: Scalar>(isa: Isa) {
        for x in numbers::<T>().into_iter().filter(|x| x.abs() < T::MAX / T::from_f64(2.0)) {
            for activation in ALL {
                steps_forward::<T>(isa, activation, x.bits(), 64);
            }
        }
    }

    pub(super) fn subnormal_numbers_are_not_flushed<T: Scalar>(isa: Isa) {
        let tiny = T::from_bits(1);
        for x in [tiny, T::MIN_POSITIVE / T::from_f64(2.0), T::MIN_POSITIVE - tiny] {
            assert!(same(A::Tanh.of(isa, x), x), "{isa}: tanh of {x:?}");
            assert!(same(A::Relu.of(isa, x), x), "{isa}: relu of {x:?}");
            assert!(same(A::Expm1.of(isa, x), x), "{isa}: expm1 of {x:?}");
            assert!(same(A::Log1p.of(isa, x), x), "{isa}: log1p of {x:?}");
            let erf = A::Erf.of(isa, x).bits() as f64 / x.bits() as f64;
            let near = (erf - std::f64::consts::FRAC_2_SQRT_PI).abs() * x.bits() as f64 <= 1.0;
            assert!(near, "{isa}: erf of {x:?}");
        }
        // Results well below the smallest normal number, well above zero.
        let x = T::from_f64(f64::from(1 - T::MAX_EXPONENT) * std::f64::consts::LN_2 - 7.0);
        for activation in [A::Exp, A::Sigmoid, A::Softplus] {
            let y = activation.of(isa, x);
            let share = (y / T::MIN_POSITIVE).to_f64() * 7f64.exp();
            assert!(
                (0.99..1.01).contains(&share),
                "{isa}: {activation:?} of {x} is {y:e}",
                y = y.to_f64()
            );
        }
    }

    pub(super) fn a_result_depends_on_nothing_but_its_operand<T: Scalar>(isa: Isa) {
        let xs: Vec<T> = numbers::<T>().into_iter().chain(specials()).step_by(29).collect();
        let lanes = isa.lanes::<T>();
        for activation in ALL {
            let alone: Vec<T> = xs.iter().map(|&x| activation.of(isa, x)).collect();
            // Less than a vector, and more than one of the bundles of four.
            for (start, len) in
                (0..=lanes).flat_map(|start| (0..=5 * lanes + 1).map(move |len| (start, len)))
            {
                let mut ys = xs.clone();
                activation.run(isa, &mut ys[start..start + len]);
                for (i, &y) in ys.iter().enumerate() {
                    let want = if (start..start + len).contains(&i) { alone[i] } else { xs[i] };
                    assert!(
                        same(y, want),
                        "{isa}: {activation:?} of {:?}, {len} from {start}",
                        xs[i]
                    );
                }
            }
        }
    }
}

/// Compares the results for `count` neighbours, away from zero.
fn steps_forward<T: Scalar>(isa: Isa, activation: Activation, start: u64, count: u64) {
    let xs: Vec<T> = (start..start + count).map(T::from_bits).collect();
    let mut ys = xs.clone();
    activation.run(isa, &mut ys);
    let falls = xs[0].copysign(T::ONE).bits() != start;
    for (i, pair) in ys.windows(2).enumerate() {
        let (below, above) = if falls { (pair[1], pair[0]) } else { (pair[0], pair[1]) };
        let ends = activation == A::Log1p && xs[i] <= -T::ONE;
        // Above ln 2 it hardly grows: there, in `f32`, it steps back by a unit.
        let flat = T::NAME == "f32" && (6e-8..1.3e-4).contains(&xs[i].to_f64());
        let unit = below.bits() == above.bits() + 1;
        let near = activation == A::Softplus && flat && unit;
        assert!(
            below <= above || ends || near,
            "{isa}: {activation:?} after {:?}: {pair:?}",
            xs[i]
        );
    }
}

/// `cargo test -p kernels --test activation -- --ignored`
#[test]
#[ignore = "every f32 there is: minutes"]
fn no_function_ever_steps_back_on_any_f32() {
    const RUN: u64 = 1 << 16;
    for isa in Isa::available() {
        for activation in ALL {
            // Each run ends where the next begins; the last is infinity.
            (0..u64::from(f32::INFINITY.to_bits()) / RUN).into_par_iter().for_each(|run| {
                for sign in [0, 1 << 31] {
                    steps_forward::<f32>(isa, activation, sign + run * RUN, RUN + 1);
                }
            });
        }
    }
}

#[test]
fn bits_are_the_same_on_every_instruction_set_with_fma() {
    fn check<T: Scalar>() {
        let isas: Vec<Isa> =
            Isa::available().into_iter().filter(|isa| isa.name() != "portable").collect();
        let xs: Vec<T> = numbers().into_iter().chain(specials()).collect();
        for activation in ALL {
            for pair in isas.windows(2) {
                let [ys, others] = [pair[0], pair[1]].map(|isa| {
                    let mut ys = xs.clone();
                    activation.run(isa, &mut ys);
                    ys
                });
                for ((&x, &y), &other) in xs.iter().zip(&ys).zip(&others) {
                    let [one, two] = [pair[0], pair[1]];
                    assert!(
                        same(y, other),
                        "{activation:?} of {x:?}: {y:?} on {one}, {other:?} on {two}"
                    );
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Runs `f` with subnormal operands taken for zero and subnormal results made zero, as audio
/// programs set it.
#[cfg(target_arch = "x86_64")]
fn flushing_subnormals(f: impl FnOnce()) {
    use std::arch::asm;

    let mut saved = 0u32;
    // SAFETY: stores the control register to a place of its size.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut saved, options(nostack)) };
    let flushing = saved | 1 << 15 | 1 << 6;
    // SAFETY: the register as it was, but for two bits, which no code below depends on for safety.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const flushing, options(nostack)) };
    f();
    // SAFETY: the register as it was.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const saved, options(nostack)) };
}

#[cfg(target_arch = "x86_64")]
#[test]
fn normal_results_stay_right_where_the_caller_flushes_subnormals() {
    fn check<T: Scalar>(isa: Isa) {
        let xs: Vec<T> =
            numbers::<T>().into_iter().filter(|x| x.abs() >= T::MIN_POSITIVE).collect();
        for activation in ALL {
            let (mut ys, mut flushed) = (xs.clone(), xs.clone());
            activation.run(isa, &mut ys);
            flushing_subnormals(|| activation.run(isa, &mut flushed));
            for ((&x, &y), &flushed) in xs.iter().zip(&ys).zip(&flushed) {
                // Where only the last term is subnormal, the one below the smallest unit, it is lost.
                let lost = (y.to_f64() - flushed.to_f64()).abs() <= T::MIN_POSITIVE.to_f64();
                let apart = y.bits().abs_diff(flushed.bits());
                assert!(
                    lost || apart <= 1 || same(y, flushed),
                    "{isa}: {activation:?} of {x:?} is {y:?}, flushing {flushed:?}"
                );
            }
        }
    }
    for isa in Isa::available() {
        check::<f32>(isa);
        check::<f64>(isa);
    }
}

#[test]
fn functions_run_on_the_best_instruction_set() {
    fn check<T: Float + Scalar>() {
        let functions: [fn(&mut [T]); 8] = [exp, expm1, sigmoid, tanh, softplus, log1p, erf, relu];
        for (activation, function) in ALL.into_iter().zip(functions) {
            let (mut xs, mut ys) = (noise::<T>(1, 99), noise::<T>(1, 99));
            function(&mut xs);
            activation.run(Isa::best(), &mut ys);
            assert!(xs.iter().zip(&ys).all(|(&x, &y)| same(x, y)), "{activation:?}");
        }
    }
    check::<f32>();
    check::<f64>();
}
