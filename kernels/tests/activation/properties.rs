//! What the activations keep, whatever their errors.

use kernels::activation::{exp, expm1, relu, sigmoid, tanh};
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
    let specials = specials::<T>().into_iter().filter(|x| x.is_finite());
    spread
        .map(|x| x * T::from_f64(30.0))
        .chain(powers)
        .chain(seams.flat_map(|x| [x, -x]))
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
    tanh_is_odd_to_the_last_bit
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
            (A::Relu, T::ZERO, T::INFINITY),
        ] {
            for (x, limit) in [(-T::INFINITY, below), (-T::MAX, below), (T::INFINITY, above)] {
                let y = activation.of(isa, x);
                assert!(same(y, limit), "{isa}: {activation:?} of {x} is {y}");
            }
        }
        assert!(same(A::Exp.of(isa, T::MAX), T::INFINITY), "{isa}");
    }

    pub(super) fn zero_goes_where_it_should_and_keeps_its_sign<T: Scalar>(isa: Isa) {
        for zero in [T::ZERO, -T::ZERO] {
            for (activation, want) in [
                (A::Exp, T::ONE),
                (A::Expm1, zero),
                (A::Sigmoid, T::from_f64(0.5)),
                (A::Tanh, zero),
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
            within(A::Relu, T::ZERO, T::INFINITY);
        }
    }

    pub(super) fn tanh_is_odd_to_the_last_bit<T: Scalar>(isa: Isa) {
        for x in numbers::<T>() {
            let (y, of_opposite) = (A::Tanh.of(isa, x), A::Tanh.of(isa, -x));
            assert!(same(-y, of_opposite), "{isa}: {x:?}");
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
            // Its last step doubles, so that it does not overflow early: off by one unit at most.
            let error = A::Expm1.of(isa, x).bits().abs_diff(x.bits());
            assert!(error <= 1, "{isa}: expm1 of {x:?}");
        }
        // Results well below the smallest normal number, well above zero.
        let x = T::from_f64(f64::from(1 - T::MAX_EXPONENT) * std::f64::consts::LN_2 - 7.0);
        for activation in [A::Exp, A::Sigmoid] {
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
        assert!(below <= above, "{isa}: {activation:?} after {:?}: {pair:?}", xs[i]);
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
fn functions_run_on_the_best_instruction_set() {
    fn check<T: Float + Scalar>() {
        let functions: [fn(&mut [T]); 5] = [exp, expm1, sigmoid, tanh, relu];
        for (activation, function) in ALL.into_iter().zip(functions) {
            let (mut xs, mut ys) = (noise::<T>(1, 99), noise::<T>(1, 99));
            function(&mut xs);
            activation.run(Isa::best(), &mut ys);
            assert!(xs == ys, "{activation:?}");
        }
    }
    check::<f32>();
    check::<f64>();
}
