//! Every operation of `Vector` against its scalar definition, on every instruction set of this CPU.

mod common;

use common::{Scalar, noise, same, specials};
use kernels::math;
use kernels::simd::{Float, Isa, Kernel, MAX_LANES, Simd, V, Vector};
use proptest::prelude::*;

/// The vocabulary with its text, in the same words for vectors and for scalars.
macro_rules! vocabulary {
    ($words:path, $a:ident, $b:ident, $c:ident, $d:ident) => {{
        use $words as Words;
        [
            ("a + b", $a + $b),
            ("a - b", $a - $b),
            ("a * b", $a * $b),
            ("a / b", $a / $b),
            ("-a", -$a),
            ("min(a, b)", Words::min($a, $b)),
            ("max(a, b)", Words::max($a, $b)),
            ("abs(a)", Words::abs($a)),
            ("flush(a)", Words::flush($a)),
            ("flush_with(a, b)", Words::flush_with($a, $b)),
            ("copysign(a, b)", Words::copysign($a, $b)),
            ("sqrt(a)", Words::sqrt($a)),
            ("select_gt(a, b, c, d)", Words::select_gt($a, $b, $c, $d)),
        ]
    }};
}

/// What each operation makes of the lanes of four slices, which are equally long.
struct Vocabulary<'a, T>([&'a [T]; 4]);

impl<T: Float> Kernel for Vocabulary<'_, T> {
    type Output = Vec<(&'static str, Vec<T>)>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let mut results: Self::Output = Vec::new();
        for at in (0..self.0[0].len()).step_by(V::<S, T>::LANES) {
            let [a, b, c, d] = self.0.map(|xs| V::<S, T>::load(simd, &xs[at..]));
            let words = vocabulary!(Vector, a, b, c, d);
            results.resize_with(words.len(), Default::default);
            for ((name, lanes), (text, vector)) in results.iter_mut().zip(words) {
                *name = text;
                lanes.resize(lanes.len() + V::<S, T>::LANES, T::ZERO);
                vector.store(&mut lanes[at..]);
            }
        }
        results
    }
}

fn check_vocabulary<T: Scalar>(operands: [&[T]; 4]) {
    for isa in Isa::available() {
        for (word, (name, got)) in isa.run(Vocabulary(operands)).into_iter().enumerate() {
            for (i, &got) in got.iter().enumerate().take(operands[0].len()) {
                let [a, b, c, d] = operands.map(|xs| xs[i]);
                let (_, want) = vocabulary!(Scalar, a, b, c, d)[word];
                let lane = [a, b, c, d];
                assert!(same(got, want), "{isa}: {name} of {lane:?} is {got:?}, not {want:?}");
            }
        }
    }
}

/// The sigmoid of some numbers, by whole vectors and by vectors half as long; how many lanes these have.
struct Halves<'a, T>(&'a [T]);

impl<T: Float> Kernel for Halves<'_, T> {
    type Output = ([Vec<T>; 2], [usize; 2]);

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        #[inline(always)]
        fn sigmoids<S: Simd, T: Float>(simd: S, xs: &[T]) -> Vec<T> {
            let mut ys = vec![T::ZERO; xs.len()];
            let lanes = V::<S, T>::LANES;
            for (x, y) in xs.chunks(lanes).zip(ys.chunks_mut(lanes)) {
                math::sigmoid(simd, V::<S, T>::load(simd, x)).store(y);
            }
            ys
        }
        let both = [sigmoids(simd, self.0), sigmoids(simd.half(), self.0)];
        (both, [V::<S, T>::LANES, V::<S::Half, T>::LANES])
    }
}

#[test]
fn half_a_vector_has_the_bits_of_a_whole_one() {
    fn check<T: Scalar>() {
        for isa in Isa::available() {
            let xs: Vec<T> = (-40..40).map(|x| T::from_f64(f64::from(x) / 3.0)).collect();
            let ([whole, half], [lanes, of_half]) = isa.run(Halves(&xs));
            assert!(whole.iter().zip(&half).all(|(&a, &b)| same(a, b)), "{isa}");
            assert_eq!(of_half * if isa.name() == "avx512" { 2 } else { 1 }, lanes, "{isa}");
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn narrowed_is_the_narrowest_that_holds_as_many() {
    fn check<T: Float>() {
        for isa in Isa::available() {
            for len in 0..2 * MAX_LANES {
                let narrowed = isa.narrowed::<T>(len);
                let [wide, narrow] = [isa, narrowed].map(|isa| isa.lanes::<T>());
                assert!(narrow <= wide && narrow >= wide.min(len), "{len} on {isa}: {narrowed}");
                let holds = |other: &Isa| other.name() == "avx2" && other.lanes::<T>() >= len;
                let half = isa.name() == "avx512" && Isa::available().iter().any(holds);
                assert_eq!(narrowed != isa, half, "{len} on {isa}: {narrowed}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn every_operation_is_that_of_each_lane() {
    fn check<T: Scalar>() {
        let kinds = specials::<T>();
        let n = kinds.len();
        let all = |pick: fn(usize, usize) -> usize| -> Vec<T> {
            (0..n * n).map(|i| kinds[pick(i, n) % n]).collect()
        };
        // Every pair of kinds, and two more operands that go through all of them.
        let (a, b) = (all(|i, _| i), all(|i, n| i / n));
        let (c, d) = (all(|i, n| 7 * i + i / n), all(|i, n| 11 * i + 3 * (i / n)));
        check_vocabulary([&a, &b, &c, &d]);
    }
    check::<f32>();
    check::<f64>();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_operation_is_that_of_each_lane_whatever_its_bits(
        bits in prop::collection::vec(any::<[u64; 4]>(), 1..2 * MAX_LANES + 1),
    ) {
        fn check<T: Scalar>(bits: &[[u64; 4]]) {
            let lanes = |at: usize| bits.iter().map(|bits| T::from_bits(bits[at])).collect();
            let operands: [Vec<T>; 4] = std::array::from_fn(lanes);
            check_vocabulary(operands.each_ref().map(Vec::as_slice));
        }
        check::<f32>(&bits);
        check::<f64>(&bits);
    }
}

/// What a closure cannot be: a function of vectors, generic over the instruction set.
trait Map<T: Float> {
    fn map<S: Simd>(&self, simd: S, x: V<S, T>) -> V<S, T>;
}

struct Mapped<'a, T, M>(&'a mut [T], M);

impl<T: Float, M: Map<T>> Kernel for Mapped<'_, T, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for xs in self.0.chunks_mut(V::<S, T>::LANES) {
            self.1.map::<S>(simd, V::<S, T>::load(simd, xs)).store(xs);
        }
    }
}

#[test]
fn min_and_max_return_other_where_either_is_nan() {
    struct Clamp<T>(T);

    impl<T: Float> Map<T> for Clamp<T> {
        #[inline(always)]
        fn map<S: Simd>(&self, simd: S, x: V<S, T>) -> V<S, T> {
            let limit = V::<S, T>::splat(simd, self.0);
            limit.min((-limit).max(x))
        }
    }

    for isa in Isa::available() {
        // The limits come first, so a NaN survives the clamp …
        let mut xs = [f32::NAN, -9.0, 0.5, 9.0];
        isa.run(Mapped(&mut xs, Clamp(1.0)));
        assert!(xs[0].is_nan() && xs[1..] == [-1.0, 0.5, 1.0], "{isa}: {xs:?}");
        // … and a limit that is NaN is none.
        let mut xs = [-9.0, 0.5, 9.0];
        isa.run(Mapped(&mut xs, Clamp(f64::NAN)));
        assert_eq!(xs, [-9.0, 0.5, 9.0], "{isa}");
    }
}

#[test]
fn mul_add_rounds_once_where_the_instruction_set_can() {
    struct MulAdd<T>(T, T);

    impl<T: Float> Map<T> for MulAdd<T> {
        #[inline(always)]
        fn map<S: Simd>(&self, simd: S, x: V<S, T>) -> V<S, T> {
            x.mul_add(V::<S, T>::splat(simd, self.0), V::<S, T>::splat(simd, self.1))
        }
    }

    fn check<T: Scalar>() {
        let mut kinds = specials::<T>();
        kinds.extend(noise::<T>(1, 40));
        for isa in Isa::available() {
            for (&a, &b) in kinds.iter().flat_map(|a| kinds.iter().map(move |b| (a, b))) {
                let mut got = kinds.clone();
                isa.run(Mapped(&mut got, MulAdd(a, b)));
                for (&x, &got) in kinds.iter().zip(&got) {
                    let (once, twice) = (x.mul_add(a, b), x * a + b);
                    let may_round_twice = isa.name() == "portable" && same(got, twice);
                    assert!(
                        same(got, once) || may_round_twice,
                        "{isa}: {x:?} · {a:?} + {b:?} is {got:?}, not {once:?}"
                    );
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// What `n.minus_product(q, d)` is of the lanes of three slices.
struct MinusProduct<'a, T>([&'a [T]; 3], &'a mut [T]);

impl<T: Float> Kernel for MinusProduct<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for at in (0..self.1.len()).step_by(V::<S, T>::LANES) {
            let [n, q, d] = self.0.map(|xs| V::<S, T>::load(simd, &xs[at..]));
            n.minus_product(q, d).store(&mut self.1[at..]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// The remainder is exact where the quotient is within some units of the exact one, and the
    /// digits of the product are normal numbers.
    #[test]
    fn minus_product_is_what_a_division_has_left_over(
        operands in prop::collection::vec((any::<[u64; 2]>(), any::<[bool; 2]>(), -20..20i32, 0..5usize), 1..64),
    ) {
        fn check<T: Scalar>(operands: &[([u64; 2], [bool; 2], i32, usize)]) {
            // Any fraction, a sign, and an exponent.
            let number = |fraction: u64, negative: bool, exponent: i32| {
                let one = T::ONE.bits();
                let x = T::from_bits(one | fraction & ((1 << T::MANTISSA) - 1));
                let x = x * T::from_f64(2f64.powi(exponent));
                if negative { -x } else { x }
            };
            let n: Vec<T> = operands.iter().map(|x| number(x.0[0], x.1[0], x.2)).collect();
            let d: Vec<T> = operands.iter().map(|x| number(x.0[1], x.1[1], x.2 / 2)).collect();
            let q: Vec<T> = (0..n.len())
                .map(|i| match operands[i].3 {
                    0 => n[i] / d[i],
                    1 => n[i] * (T::ONE / d[i]),
                    units => T::from_bits((n[i] / d[i]).bits() + units as u64 - 3),
                })
                .collect();
            for isa in Isa::available() {
                let mut got = vec![T::ONE; n.len()];
                isa.run(MinusProduct([&n, &q, &d], &mut got));
                for (i, &got) in got.iter().enumerate() {
                    let (n, q, d) = (n[i], q[i], d[i]);
                    let want = (-q).mul_add(d, n);
                    assert!(got == want, "{isa}: {n:?} - {q:?} · {d:?} is {got:?}, not {want:?}");
                }
            }
        }
        check::<f32>(&operands);
        check::<f64>(&operands);
    }
}

#[test]
fn round_takes_ties_to_even() {
    struct Round;

    impl<T: Float> Map<T> for Round {
        #[inline(always)]
        fn map<S: Simd>(&self, _: S, x: V<S, T>) -> V<S, T> {
            x.round()
        }
    }

    fn check<T: Scalar>(limit: f64) {
        let ties = (-300..300).map(|i| T::from_f64(f64::from(i) / 4.0));
        let large = (1..300).map(|i| T::from_f64(limit - f64::from(i) / 2.0));
        let spread = noise::<T>(2, 1000).into_iter().map(|x| x * T::from_f64(2000.0));
        let small = specials::<T>().into_iter().filter(|x| x.abs() < T::from_f64(limit));
        let xs: Vec<T> =
            ties.chain(large.flat_map(|x| [x, -x])).chain(spread).chain(small).collect();
        for isa in Isa::available() {
            let mut got = xs.clone();
            isa.run(Mapped(&mut got, Round));
            for (&x, &got) in xs.iter().zip(&got) {
                // The sign of a zero is left open.
                assert!(got == x.round(), "{isa}: {x:?} rounds to {got:?}, not {:?}", x.round());
            }
        }
    }
    check::<f32>(2f64.powi(22));
    check::<f64>(2f64.powi(51));
}

#[test]
fn exp2i_is_exact_for_every_exponent_of_a_normal_number() {
    struct Exp2i;

    impl<T: Float> Map<T> for Exp2i {
        #[inline(always)]
        fn map<S: Simd>(&self, _: S, x: V<S, T>) -> V<S, T> {
            x.exp2i()
        }
    }

    fn check<T: Scalar>() {
        let exponents = || 1 - T::MAX_EXPONENT..=T::MAX_EXPONENT;
        for isa in Isa::available() {
            let mut got: Vec<T> = exponents().map(|n| T::from_f64(n.into())).collect();
            isa.run(Mapped(&mut got, Exp2i));
            for (n, &got) in exponents().zip(&got) {
                let bits = ((n + T::MAX_EXPONENT) as u64) << T::MANTISSA;
                assert_eq!(got.bits(), bits, "{isa}: 2^{n} is not {got:?}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn exponent_is_that_of_every_positive_normal_number() {
    struct Exponent;

    impl<T: Float> Map<T> for Exponent {
        #[inline(always)]
        fn map<S: Simd>(&self, _: S, x: V<S, T>) -> V<S, T> {
            x.exponent()
        }
    }

    fn check<T: Scalar>() {
        let largest_fraction = (1 << T::MANTISSA) - 1;
        for isa in Isa::available() {
            for fraction in [0, 1, largest_fraction / 3, largest_fraction] {
                let exponents = 1 - T::MAX_EXPONENT..=T::MAX_EXPONENT;
                let biased = |n: i32| ((n + T::MAX_EXPONENT) as u64) << T::MANTISSA;
                let numbers = exponents.clone().map(|n| T::from_bits(biased(n) | fraction));
                let mut got: Vec<T> = numbers.collect();
                isa.run(Mapped(&mut got, Exponent));
                for (n, &got) in exponents.zip(&got) {
                    assert_eq!(got.to_f64(), n.into(), "{isa}: fraction {fraction:x}");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn lookup_takes_two_elements_to_each_doubling() {
    struct Lookup<T>([T; 8]);

    impl<T: Float> Map<T> for Lookup<T> {
        #[inline(always)]
        fn map<S: Simd>(&self, simd: S, x: V<S, T>) -> V<S, T> {
            x.lookup(simd, &self.0)
        }
    }

    fn check<T: Scalar>() {
        let table = [0, 1, 2, 3, 4, 5, 6, 7].map(|at| T::from_f64(at.into()));
        for isa in Isa::available() {
            for (fraction, half) in [(1.0, 0), (1.499, 0), (1.5, 1), (1.999, 1)] {
                let exponents = 1 - T::MAX_EXPONENT..=T::MAX_EXPONENT;
                let number = |n: i32| T::from_f64(fraction * 2f64.powi(n));
                let mut got: Vec<T> = exponents.clone().map(number).collect();
                isa.run(Mapped(&mut got, Lookup(table)));
                for (n, &got) in exponents.zip(&got) {
                    let at = (2 * n - 2 + half).rem_euclid(8);
                    assert_eq!(got.to_f64(), at.into(), "{isa}: {fraction} · 2^{n}");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}
