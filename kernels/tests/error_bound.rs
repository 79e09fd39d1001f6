//! The error of a product, element by element: `|C - A B| ≤ γₖ |A| |B|`, with `γₖ = k u / (1 - k u)`
//! and the unit roundoff `u = ε / 2`, whatever the order of the sums (N. Higham, *Accuracy and
//! Stability of Numerical Algorithms*, 2002, 3.5). And none that scaling by powers of two could show.

#[path = "common/mod.rs"]
mod common;

use kernels::{Gemm, Isa, MatMut, MatRef, Scratch};

use crate::common::{Scalar, noise};

/// One element, sums shorter and longer than a depth block, one row, one column.
const SIZES: [(usize, usize, usize); 8] = [
    (1, 1, 1),
    (20, 70, 1),
    (3, 5, 2),
    (7, 33, 10),
    (29, 65, 100),
    (26, 70, 1000),
    (1, 129, 1000),
    (129, 1, 1000),
];

/// `c ← A B` or `c ← c + A B`, all row-major.
fn product<T: Scalar>(
    isa: Isa,
    (m, n, k): (usize, usize, usize),
    (a, b): (&[T], &[T]),
    beta: T,
    c: &mut [T],
) {
    Gemm::new(MatRef::new(a, m, k), MatRef::new(b, k, n))
        .isa(isa)
        .beta(beta)
        .run(MatMut::new(c, m, n), &mut Scratch::default());
}

/// `2^exponent` of a different exponent for each place, at most `limit` in magnitude.
fn powers<T: Scalar>(seed: u64, len: usize, limit: f64) -> Vec<T> {
    let power = |x: f64| T::from_f64(2f64.powi((x * limit) as i32));
    noise::<f64>(seed, len).into_iter().map(power).collect()
}

/// Noise of either sign times a power of two, as far apart as products of three numbers allow.
fn wide<T: Scalar>(seed: u64, len: usize) -> Vec<T> {
    let limit = f64::from(T::MAX_EXPONENT) / 4.0;
    let powers = powers::<T>(seed + 100, len, limit);
    noise::<T>(seed, len).into_iter().zip(powers).map(|(x, power)| x * power).collect()
}

/// `start + Σ aᵢ bᵢ` in two parts, and `|start| + Σ |aᵢ| |bᵢ|`. Twice the digits of `f64`, but for
/// the rounding of the last: T. Ogita, S. Rump and S. Oishi, *Accurate Sum and Dot Product*, 2005.
fn dot(start: f64, terms: impl Iterator<Item = (f64, f64)>) -> (f64, f64, f64) {
    let (mut high, mut low, mut magnitude) = (start, 0.0, start.abs());
    for (a, b) in terms {
        let product = a * b;
        let sum = high + product;
        let added = sum - high;
        low += a.mul_add(b, -product) + ((high - (sum - added)) + (product - added));
        high = sum;
        magnitude += product.abs();
    }
    (high, low, magnitude)
}

/// The largest error of `C = A B` and `C += A B`, in units of its bound.
fn worst<T: Scalar>(isa: Isa, (m, n, k): (usize, usize, usize), [a, b, c]: [&[T]; 3]) -> f64 {
    let mut worst = 0.0;
    for beta in [T::ZERO, T::ONE] {
        let mut got = c.to_vec();
        product(isa, (m, n, k), (a, b), beta, &mut got);
        for (at, got) in got.into_iter().enumerate() {
            let (i, j) = (at / n, at % n);
            let terms = (0..k).map(|p| (a[i * k + p].to_f64(), b[p * n + j].to_f64()));
            let (start, roundings) = match beta == T::ZERO {
                true => (0.0, k),
                false => (c[at].to_f64(), k + 1),
            };
            let (high, low, magnitude) = dot(start, terms);
            let ku = roundings as f64 * T::EPSILON.to_f64() / 2.0;
            let error = ((got.to_f64() - high) - low).abs();
            worst = f64::max(worst, error / (ku / (1.0 - ku) * magnitude));
        }
    }
    worst
}

#[test]
fn every_element_is_within_its_bound() {
    fn check<T: Scalar>() {
        for (m, n, k) in SIZES {
            for isa in Isa::available() {
                let sizes = [m * k, k * n, m * n];
                // Terms far apart, terms alike that add up, and terms of which each is lost when
                // it is added to C.
                let far = [1, 2, 3].map(|seed| wide::<T>(seed, sizes[seed as usize - 1]));
                let near = [4, 5, 6].map(|seed| {
                    let noise = noise::<T>(seed, sizes[seed as usize - 4]);
                    noise.into_iter().map(|x| x.abs()).collect()
                });
                let lost = T::from_f64(0.499) * T::EPSILON;
                let small = [vec![T::ONE; m * k], vec![lost; k * n], vec![T::ONE; m * n]];
                let of = |[a, b, c]: &[Vec<T>; 3]| worst(isa, (m, n, k), [a, b, c]);
                let worst = [&far, &near, &small].map(of).into_iter().fold(0.0, f64::max);
                assert!(worst <= 1.0, "{isa} {} {m}×{n}×{k}: {worst} times the bound", T::NAME);
                // A product rounded once cannot hide its error.
                assert!(k > 1 || m * n == 1 || worst > 0.4, "{worst}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Rounding does not depend on the exponent.
#[test]
fn rows_and_columns_scaled_by_powers_of_two_scale_their_elements_and_change_no_digit() {
    fn check<T: Scalar>() {
        for (m, n, k) in SIZES {
            let (a, b, c) = (noise::<T>(1, m * k), noise::<T>(2, k * n), noise::<T>(3, m * n));
            let limit = f64::from(T::MAX_EXPONENT) / 4.0;
            let (down, across) = (powers::<T>(4, m, limit), powers::<T>(5, n, limit));
            let scaled = |xs: &[T], cols: usize, power: &dyn Fn(usize, usize) -> T| -> Vec<T> {
                xs.iter().enumerate().map(|(at, &x)| x * power(at / cols, at % cols)).collect()
            };
            let scaled_a = scaled(&a, k, &|i, _| down[i]);
            let scaled_b = scaled(&b, n, &|_, j| across[j]);
            let scaled_c = scaled(&c, n, &|i, j| down[i] * across[j]);
            for isa in Isa::available() {
                for beta in [T::ZERO, T::ONE] {
                    let (mut plain, mut got) = (c.clone(), scaled_c.clone());
                    product(isa, (m, n, k), (&a, &b), beta, &mut plain);
                    product(isa, (m, n, k), (&scaled_a, &scaled_b), beta, &mut got);
                    let want = scaled(&plain, n, &|i, j| down[i] * across[j]);
                    let bits = |xs: Vec<T>| -> Vec<u64> { xs.iter().map(|x| x.bits()).collect() };
                    assert!(bits(got) == bits(want), "{isa} {} {m}×{n}×{k} β = {beta}", T::NAME);
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Sums of products of powers of two, each of them a number: nothing is rounded.
#[test]
fn products_of_powers_of_two_are_exact() {
    fn check<T: Scalar>() {
        // 1000 products from 2^-4 to 2^4: 18 bits hold any sum.
        let signed = |seed, len| -> Vec<T> {
            let powers = powers::<T>(seed, len, 2.9);
            let signs = noise::<T>(seed + 50, len);
            powers.into_iter().zip(signs).map(|(power, sign)| power.copysign(sign)).collect()
        };
        for (m, n, k) in SIZES {
            let (a, b, c) = (signed(1, m * k), signed(2, k * n), signed(3, m * n));
            for isa in Isa::available() {
                assert_eq!(worst(isa, (m, n, k), [&a, &b, &c]), 0.0, "{isa} {m}×{n}×{k}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}
