//! A `Bundle` is its vectors: every operation, load, store and sum against those of the parts.

mod common;

use common::{Scalar, noise, same, specials};
use kernels::simd::{Bundle, Float, Isa, Kernel, MAX_LANES, Simd, V, Vector};
use proptest::prelude::*;

/// No bundle of these tests has more vectors.
const MOST: usize = 4;

/// Runs a check with bundles of one to four vectors, of both scalars.
macro_rules! for_each_width {
    ($check:ident($($argument:expr),*)) => {
        $check::<f32, 1>($($argument),*);
        $check::<f32, 2>($($argument),*);
        $check::<f32, 3>($($argument),*);
        $check::<f32, MOST>($($argument),*);
        $check::<f64, 1>($($argument),*);
        $check::<f64, 2>($($argument),*);
        $check::<f64, 3>($($argument),*);
        $check::<f64, MOST>($($argument),*);
    };
}

/// Every operation, and its text.
#[inline(always)]
fn words<S: Simd, X: Vector<S>>(simd: S, [a, b, c, d]: [X; 4]) -> [(&'static str, X); 17] {
    let table = [2.0, 3.0, 5.0, 7.0, 11.0, 13.0, 17.0, 19.0].map(X::Scalar::from_f64);
    [
        ("a + b", a + b),
        ("a - b", a - b),
        ("a * b", a * b),
        ("a / b", a / b),
        ("-a", -a),
        ("mul_add(a, b, c)", a.mul_add(b, c)),
        ("minus_product(a, b, c)", a.minus_product(b, c)),
        ("min(a, b)", a.min(b)),
        ("max(a, b)", a.max(b)),
        ("abs(a)", a.abs()),
        ("copysign(a, b)", a.copysign(b)),
        ("sqrt(a)", a.sqrt()),
        ("round(a)", a.round()),
        ("exp2i(a)", a.exp2i()),
        ("exponent(a)", a.exponent()),
        ("lookup(a)", a.lookup(simd, &table)),
        ("select_gt(a, b, c, d)", X::select_gt(a, b, c, d)),
    ]
}

/// What each operation makes of four slices of equal length, in vectors of type `X`.
#[inline(always)]
fn results<S: Simd, X: Vector<S>>(
    simd: S,
    operands: [&[X::Scalar]; 4],
) -> Vec<(&'static str, Vec<X::Scalar>)> {
    let mut results = Vec::new();
    for at in (0..operands[0].len()).step_by(X::LANES) {
        let words = words::<S, X>(simd, operands.map(|xs| X::load(simd, &xs[at..])));
        results.resize_with(words.len(), || ("", vec![X::Scalar::ZERO; operands[0].len()]));
        for ((name, lanes), (text, vector)) in results.iter_mut().zip(words) {
            *name = text;
            vector.store(&mut lanes[at..]);
        }
    }
    results
}

struct Words<'a, T, const N: usize>([&'a [T]; 4]);

impl<T: Float, const N: usize> Kernel for Words<'_, T, N> {
    /// Of bundles, and of vectors.
    type Output = [Vec<(&'static str, Vec<T>)>; 2];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let bundles = results::<S, Bundle<V<S, T>, N>>(simd, self.0);
        [bundles, results::<S, V<S, T>>(simd, self.0)]
    }
}

fn check_words<T: Scalar, const N: usize>(operands: [&[T]; 4]) {
    for isa in Isa::available() {
        let [bundles, vectors] = isa.run(Words::<T, N>(operands));
        for ((name, got), (_, want)) in bundles.iter().zip(&vectors) {
            for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
                let lane = operands.map(|xs| xs[i]);
                assert!(
                    same(got, want),
                    "{isa}, {N} vectors: {name} of {lane:?} is {got:?}, not {want:?}"
                );
            }
        }
    }
}

#[test]
fn every_operation_is_that_of_each_vector() {
    fn check<T: Scalar, const N: usize>() {
        let kinds = specials::<T>();
        let n = kinds.len();
        let all = |pick: fn(usize, usize) -> usize| -> Vec<T> {
            (0..n * n).map(|i| kinds[pick(i, n) % n]).collect()
        };
        let (a, b) = (all(|i, _| i), all(|i, n| i / n));
        let (c, d) = (all(|i, n| 7 * i + i / n), all(|i, n| 11 * i + 3 * (i / n)));
        check_words::<T, N>([&a, &b, &c, &d]);
    }
    for_each_width!(check());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_operation_is_that_of_each_vector_whatever_its_bits(
        bits in prop::collection::vec(any::<[u64; 4]>(), 1..2 * MOST * MAX_LANES + 1),
    ) {
        fn check<T: Scalar, const N: usize>(bits: &[[u64; 4]]) {
            let lanes = |at: usize| bits.iter().map(|bits| T::from_bits(bits[at])).collect();
            let operands: [Vec<T>; 4] = std::array::from_fn(lanes);
            check_words::<T, N>(operands.each_ref().map(Vec::as_slice));
        }
        for_each_width!(check(&bits));
    }
}

/// Loads a bundle from one slice and stores it to another.
struct Copy<'a, T, const N: usize>(&'a [T], &'a mut [T]);

impl<T: Scalar, const N: usize> Kernel for Copy<'_, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        Bundle::<V<S, T>, N>::load(simd, self.0).store(self.1);
    }
}

/// Every place to start in a vector, and every length about which a bundle could be wrong.
fn ranges<T: Scalar, const N: usize>(isa: Isa) -> impl Iterator<Item = (usize, usize)> {
    let lanes = isa.lanes::<T>();
    (0..lanes).flat_map(move |start| (0..=(N + 1) * lanes + 1).map(move |len| (start, len)))
}

#[test]
fn load_reads_the_first_lanes_and_fills_with_zeros() {
    fn check<T: Scalar, const N: usize>() {
        let numbers = noise::<T>(1, (MOST + 2) * MAX_LANES + 1);
        for isa in Isa::available() {
            for (start, len) in ranges::<T, N>(isa) {
                let xs = &numbers[start..start + len];
                let mut got = vec![T::ONE; N * isa.lanes::<T>()];
                isa.run(Copy::<T, N>(xs, &mut got));
                let want = |i: usize| xs.get(i).copied().unwrap_or(T::ZERO);
                let right = got.iter().enumerate().all(|(i, &x)| same(x, want(i)));
                assert!(right, "{isa}, {N} vectors: {len} from {start} are {got:?}");
            }
        }
    }
    for_each_width!(check());
}

#[test]
fn store_writes_the_first_lanes_and_nothing_past_the_slice() {
    fn check<T: Scalar, const N: usize>() {
        let numbers = noise::<T>(2, MOST * MAX_LANES);
        for isa in Isa::available() {
            for (start, len) in ranges::<T, N>(isa) {
                let mut got = [T::ONE; (MOST + 3) * MAX_LANES];
                isa.run(Copy::<T, N>(&numbers, &mut got[start..start + len]));
                for (i, &x) in got.iter().enumerate() {
                    let within = (start..start + len.min(N * isa.lanes::<T>())).contains(&i);
                    let want = if within { numbers[i - start] } else { T::ONE };
                    assert!(same(x, want), "{isa}, {N} vectors: place {i} of {len} from {start}");
                }
            }
        }
    }
    for_each_width!(check());
}

#[test]
fn splat_fills_every_lane() {
    struct Splat<'a, T, const N: usize>(T, &'a mut [T]);

    impl<T: Float, const N: usize> Kernel for Splat<'_, T, N> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            Bundle::<V<S, T>, N>::splat(simd, self.0).store(self.1);
        }
    }

    fn check<T: Scalar, const N: usize>() {
        for isa in Isa::available() {
            let (x, mut got) = (T::from_f64(1.5), vec![T::ZERO; N * isa.lanes::<T>()]);
            isa.run(Splat::<T, N>(x, &mut got));
            assert!(got.iter().all(|&got| got == x), "{isa}, {N} vectors: {got:?}");
        }
    }
    for_each_width!(check());
}

#[test]
fn sum_adds_the_vectors_in_order_and_then_their_lanes() {
    struct Sums<'a, T, const N: usize>(&'a [T]);

    impl<T: Float, const N: usize> Kernel for Sums<'_, T, N> {
        type Output = [T; 2];

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> [T; 2] {
            let vectors = self.0.chunks(V::<S, T>::LANES).map(|xs| V::<S, T>::load(simd, xs));
            let sum = vectors.reduce(|sum, x| sum + x).map_or(T::ZERO, V::<S, T>::sum);
            [Bundle::<V<S, T>, N>::load(simd, self.0).sum(), sum]
        }
    }

    fn check<T: Scalar, const N: usize>() {
        for isa in Isa::available() {
            for seed in 0..100 {
                let xs = noise::<T>(seed, N * isa.lanes::<T>());
                let [got, want] = isa.run(Sums::<T, N>(&xs));
                assert!(same(got, want), "{isa}, {N} vectors: {got:?}, not {want:?}");
            }
        }
    }
    for_each_width!(check());
}
