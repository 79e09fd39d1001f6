//! Between vectors and slices: loads, stores, sums, and the instruction sets themselves.

mod common;

use common::{Scalar, noise, same};
use kernels::simd::{Isa, Kernel, MAX_LANES, Simd, V, Vector};

/// Loads from one slice and stores to another.
struct Copy<'a, T>(&'a [T], &'a mut [T]);

impl<T: Scalar> Kernel for Copy<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        V::<S, T>::load(simd, self.0).store(self.1);
    }
}

/// Every length about which a vector could be wrong.
fn lengths<T: Scalar>(isa: Isa) -> std::ops::RangeInclusive<usize> {
    0..=2 * isa.lanes::<T>() + 1
}

#[test]
fn load_reads_the_first_lanes_and_fills_with_zeros() {
    fn check<T: Scalar>() {
        let numbers = noise::<T>(1, 64);
        for isa in Isa::available() {
            let lanes = isa.lanes::<T>();
            for start in 0..lanes {
                for len in lengths::<T>(isa) {
                    let xs = &numbers[start..start + len];
                    let mut got = vec![T::ONE; lanes];
                    isa.run(Copy(xs, &mut got));
                    let want = |i: usize| xs.get(i).copied().unwrap_or(T::ZERO);
                    let right = got.iter().enumerate().all(|(i, &x)| same(x, want(i)));
                    assert!(right, "{isa}: {got:?} from {xs:?}");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn store_writes_the_first_lanes_and_nothing_past_the_slice() {
    fn check<T: Scalar>() {
        let numbers = noise::<T>(2, MAX_LANES);
        for isa in Isa::available() {
            let lanes = isa.lanes::<T>();
            for start in 0..lanes {
                for len in lengths::<T>(isa) {
                    let mut got = [T::ONE; 64];
                    isa.run(Copy(&numbers, &mut got[start..start + len]));
                    for (i, &x) in got.iter().enumerate() {
                        let within = (start..start + len.min(lanes)).contains(&i);
                        let want = if within { numbers[i - start] } else { T::ONE };
                        assert!(same(x, want), "{isa}: place {i} of {len} from {start} is {x:?}");
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn sum_adds_the_upper_half_to_the_lower_until_one_lane_is_left() {
    struct Sum<'a, T>(&'a [T]);

    impl<T: Scalar> Kernel for Sum<'_, T> {
        type Output = T;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> T {
            V::<S, T>::load(simd, self.0).sum()
        }
    }

    fn halved<T: Scalar>(xs: &[T]) -> T {
        match xs {
            [x] => *x,
            _ => {
                let (lower, upper) = xs.split_at(xs.len() / 2);
                let sums: Vec<T> = lower.iter().zip(upper).map(|(&a, &b)| a + b).collect();
                halved(&sums)
            }
        }
    }

    fn check<T: Scalar>() {
        for isa in Isa::available() {
            for seed in 0..100 {
                let xs = noise::<T>(seed, isa.lanes::<T>());
                let (got, want) = (isa.run(Sum(&xs)), halved(&xs));
                assert!(same(got, want), "{isa}: the sum of {xs:?} is {got:?}, not {want:?}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn sums_of_many_vectors_are_the_sum_of_each() {
    struct Sums<'a, T>(&'a [T], &'a mut [T]);

    impl<T: Scalar> Sums<'_, T> {
        #[inline(always)]
        fn of<S: Simd, const L: usize>(self, simd: S) {
            let mut rows = [V::<S, T>::splat(simd, T::ZERO); L];
            for (row, numbers) in rows.iter_mut().zip(self.0.chunks_exact(L)) {
                *row = V::<S, T>::load(simd, numbers);
            }
            V::<S, T>::sums(rows).store(&mut self.1[..L]);
            for (row, sum) in rows.into_iter().zip(&mut self.1[L..]) {
                *sum = row.sum();
            }
        }
    }

    impl<T: Scalar> Kernel for Sums<'_, T> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            match V::<S, T>::LANES {
                2 => self.of::<S, 2>(simd),
                4 => self.of::<S, 4>(simd),
                8 => self.of::<S, 8>(simd),
                _ => self.of::<S, 16>(simd),
            }
        }
    }

    fn check<T: Scalar>() {
        for isa in Isa::available() {
            let lanes = isa.lanes::<T>();
            for seed in 0..100 {
                let mut sums = vec![T::ZERO; 2 * lanes];
                isa.run(Sums(&noise::<T>(seed, lanes * lanes), &mut sums));
                let (got, want) = sums.split_at(lanes);
                let alike = got.iter().zip(want).all(|(&got, &want)| same(got, want));
                assert!(alike, "{isa}: {got:?} are not {want:?}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn splat_fills_every_lane() {
    struct Splat<'a, T>(T, &'a mut [T]);

    impl<T: Scalar> Kernel for Splat<'_, T> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            V::<S, T>::splat(simd, self.0).store(self.1);
        }
    }

    for isa in Isa::available() {
        let (mut narrow, mut wide) = ([0.0f32; 16], [0.0f64; 8]);
        isa.run(Splat(1.5, &mut narrow[..isa.lanes::<f32>()]));
        isa.run(Splat(2.5, &mut wide[..isa.lanes::<f64>()]));
        assert!(narrow[..isa.lanes::<f32>()].iter().all(|&x| x == 1.5), "{isa}: {narrow:?}");
        assert!(wide[..isa.lanes::<f64>()].iter().all(|&x| x == 2.5), "{isa}: {wide:?}");
    }
}

#[test]
fn a_vector_fills_its_register_and_none_has_more_than_max_lanes() {
    for isa in Isa::available() {
        let bits = match isa.name() {
            "avx512" => 512,
            "avx2" => 256,
            _ => 128,
        };
        assert_eq!(isa.lanes::<f32>(), bits / 32, "{isa}");
        assert_eq!(isa.lanes::<f64>(), bits / 64, "{isa}");
        assert!(bits / 32 <= MAX_LANES, "{isa}");
    }
}

#[test]
fn an_instruction_set_is_known_by_its_name() {
    for isa in Isa::available() {
        assert_eq!(isa.to_string().parse::<Isa>().unwrap().name(), isa.name());
    }
    let error = "mmx".parse::<Isa>().unwrap_err().to_string();
    assert!(error.starts_with("no instruction set `mmx` on this CPU, which has "), "{error}");
    assert!(error.ends_with("portable"), "{error}");
}
