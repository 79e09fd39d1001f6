//! No error where none is due, and what is not a number goes where the definition sends it.

use kernels::{Gemm, Isa, MatMut, MatRef, Scratch, reference};

use crate::common::{Scalar, noise, same, specials};
use crate::operands::{LAYOUTS, Matrix, ROWS};

/// Sizes with every kind of edge: none, less than a tile, several tiles, more than a depth block.
const SIZES: [(usize, usize, usize); 6] =
    [(1, 1, 1), (5, 7, 3), (12, 32, 16), (13, 33, 17), (50, 45, 70), (26, 130, 600)];

fn product<T: Scalar>(isa: Isa, a: MatRef<T>, b: MatRef<T>) -> Vec<T> {
    let mut c = vec![T::from_f64(99.0); a.rows() * b.cols()];
    let view = MatMut::new(&mut c, a.rows(), b.cols());
    Gemm::new(a, b).isa(isa).run(view, &mut Scratch::default());
    c
}

#[test]
fn products_of_small_integers_are_exact() {
    fn check<T: Scalar>() {
        let integers = |seed, size: (usize, usize)| -> Vec<T> {
            let round = |x: T| T::from_f64((x.to_f64() * 8.0).round());
            noise::<T>(seed, size.0 * size.1).into_iter().map(round).collect()
        };
        for (i, (m, n, k)) in SIZES.into_iter().enumerate() {
            let [a, b, c] = LAYOUTS[i];
            let a = Matrix::new(a, (m, k), &integers(1, (m, k)));
            let b = Matrix::new(b, (k, n), &integers(2, (k, n)));
            let old = Matrix::new(c, (m, n), &integers(3, (m, n)));
            for beta in [T::ZERO, T::ONE] {
                let mut want = old.clone();
                reference::gemm(T::ONE, a.view(), b.view(), beta, want.view_mut());
                for isa in Isa::available() {
                    let mut c = old.clone();
                    let scratch = &mut Scratch::default();
                    Gemm::new(a.view(), b.view()).isa(isa).beta(beta).run(c.view_mut(), scratch);
                    assert!(c.elements() == want.elements(), "{isa} {m}×{n}×{k} β = {beta}");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn the_identity_changes_nothing_on_either_side() {
    fn check<T: Scalar>() {
        for n in [1, 6, 12, 17, 33, 130] {
            let identity: Vec<T> =
                (0..n * n).map(|at| if at / n == at % n { T::ONE } else { T::ZERO }).collect();
            // From the smallest number to the largest: a rounding or a flush would show.
            let mut x = noise::<T>(1, n * n);
            let finite = specials::<T>().into_iter().filter(|x| x.is_finite());
            for (x, special) in x.iter_mut().zip(finite) {
                *x = special;
            }
            let (identity, x) = (MatRef::new(&identity, n, n), MatRef::new(&x, n, n));
            for isa in Isa::available() {
                for (x, want) in [(x, Matrix::new(ROWS, (n, n), &elements(x))), {
                    let x = x.t();
                    (x, Matrix::new(ROWS, (n, n), &elements(x)))
                }] {
                    assert!(product(isa, x, identity) == want.elements(), "{isa}: X I is not X");
                    assert!(product(isa, identity, x) == want.elements(), "{isa}: I X is not X");
                }
            }
        }
    }

    fn elements<T: Scalar>(x: MatRef<T>) -> Vec<T> {
        (0..x.rows() * x.cols()).map(|at| x.at(at / x.cols(), at % x.cols())).collect()
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn scaling_by_powers_of_two_is_exact() {
    fn check<T: Scalar>() {
        let (n, cols) = (37, 65);
        let power = |i: usize| T::from_f64(2f64.powi(i as i32 % 41 - 20));
        // A permutation of the rows, each times a power of two.
        let mut a = vec![T::ZERO; n * n];
        for i in 0..n {
            a[i * n + (5 * i + 3) % n] = power(i);
        }
        let b = noise::<T>(1, n * cols);
        for isa in Isa::available() {
            let c = product(isa, MatRef::new(&a, n, n), MatRef::new(&b, n, cols));
            for (i, row) in c.chunks(cols).enumerate() {
                let from = &b[(5 * i + 3) % n * cols..][..cols];
                let right = row.iter().zip(from).all(|(&got, &b)| got == power(i) * b);
                assert!(right, "{isa}: row {i}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn a_product_of_any_two_numbers_is_that_of_the_reference() {
    fn check<T: Scalar>() {
        let kinds = specials::<T>();
        let n = kinds.len();
        // An outer product: each element of C is one product of two kinds.
        let (column, row) = (MatRef::new(&kinds, n, 1), MatRef::new(&kinds, 1, n));
        let mut want = vec![T::ZERO; n * n];
        reference::gemm(T::ONE, column, row, T::ZERO, MatMut::new(&mut want, n, n));
        for isa in Isa::available() {
            let got = product(isa, column, row);
            for (at, (&got, &want)) in got.iter().zip(&want).enumerate() {
                let (a, b) = (kinds[at / n], kinds[at % n]);
                // An underflow may round to zero before that of the sum is added, and lose its sign.
                let underflows = want == T::ZERO && a != T::ZERO && b != T::ZERO;
                let right = same(got, want) || underflows && got == want;
                assert!(right, "{isa}: {a:?} · {b:?} is {got:?}, not {want:?}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn nan_and_infinity_reach_their_row_or_column_of_c_and_no_other() {
    fn check<T: Scalar>() {
        for (m, n, k) in SIZES {
            let ones = |len| vec![T::ONE; len];
            for (bad, class) in [(T::INFINITY, "∞"), (T::NAN, "NaN")] {
                for isa in Isa::available() {
                    let (mut a, mut b) = (ones(m * k), ones(k * n));
                    a[(m - 1) * k + k / 2] = bad;
                    let c = product(isa, MatRef::new(&a, m, k), MatRef::new(&b, k, n));
                    let tainted = |c: &[T]| c.iter().filter(|x| !x.is_finite()).count();
                    assert_eq!(tainted(&c), n, "{isa} {m}×{n}×{k}: {class} in A");
                    assert!(c[(m - 1) * n..].iter().all(|&x| same(x, bad)), "{isa}: {class} in A");

                    a.fill(T::ONE);
                    b[(k - 1) * n + n - 1] = bad;
                    let c = product(isa, MatRef::new(&a, m, k), MatRef::new(&b, k, n));
                    assert_eq!(tainted(&c), m, "{isa} {m}×{n}×{k}: {class} in B");
                    assert!(c.chunks(n).all(|row| same(row[n - 1], bad)), "{isa}: {class} in B");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn assign_does_not_read_c() {
    for isa in Isa::available() {
        for (m, n, k) in SIZES.into_iter().chain([(7, 9, 0)]) {
            let (a, b) = (vec![1.0f32; m * k], vec![1.0; k * n]);
            let mut c = vec![f32::NAN; m * n];
            let gemm = Gemm::new(MatRef::new(&a, m, k), MatRef::new(&b, k, n)).isa(isa);
            gemm.run(MatMut::new(&mut c, m, n), &mut Scratch::default());
            assert!(c.iter().all(|&x| x == k as f32), "{isa} {m}×{n}×{k}");
        }
    }
}
