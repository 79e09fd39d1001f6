//! An epilogue maps each element of C once, after the last term of its sum, at its row and column.

use std::sync::atomic::{AtomicUsize, Ordering};

use kernels::gemm::Operand;
use kernels::simd::{MAX_LANES, Simd, V, Vector};
use kernels::{Bias, Epilogue, Float, Gemm, Isa, Packed, Scratch};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::common::Scalar;
use crate::operands::{LAYOUTS, Matrix, ROWS};

/// Nothing to sum, one depth block, several; columns beyond a tile and beyond a block; the fourth is
/// shared by threads.
const SIZES: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (7, 9, 0),
    (13, 33, 17),
    (90, 200, 300),
    (40, 17, 1300),
    (3, 4097, 300),
    (25, 40, 513),
    (1, 150, 20),
    (40, 5, 30),
];

/// Adds `1000 i + j` to element `(i, j)`, and counts how often it was asked to.
struct Numbered<'a> {
    cols: usize,
    calls: &'a [AtomicUsize],
}

impl<T: Float> Epilogue<T> for Numbered<'_> {
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, row: usize, col: usize, c: V<S, T>) -> V<S, T> {
        let lanes = V::<S, T>::LANES;
        for j in col..self.cols.min(col + lanes) {
            self.calls[row * self.cols + j].fetch_add(1, Ordering::Relaxed);
        }
        let numbers: [T; MAX_LANES] =
            std::array::from_fn(|lane| T::from_f64((1000 * row + col + lane) as f64));
        c + V::<S, T>::load(simd, &numbers)
    }
}

/// Integers, so that every sum is exact and a second addition would show.
fn integers<T: Scalar>(size: (usize, usize), seed: u64) -> Vec<T> {
    let noise = Matrix::<T>::noise(ROWS, size, seed).elements();
    noise.into_iter().map(|x| T::from_f64((x.to_f64() * 4.0).round())).collect()
}

#[test]
fn an_epilogue_sees_every_element_once_at_its_row_and_column() {
    fn check<T: Scalar>(pool: &ThreadPool) {
        for (i, (m, n, k)) in SIZES.into_iter().enumerate() {
            let [a, b, c] = LAYOUTS[i % 8];
            let a = Matrix::<T>::new(a, (m, k), &integers((m, k), 1));
            let b = Matrix::<T>::new(b, (k, n), &integers((k, n), 2));
            let old = Matrix::<T>::new(c, (m, n), &integers((m, n), 3));
            for isa in Isa::available() {
                let packed = Packed::right(isa, b.view());
                let right = [Operand::from(&packed), Operand::from(b.view())];
                for (b, beta) in right.into_iter().flat_map(|b| [(b, T::ZERO), (b, T::ONE)]) {
                    let mut plain = old.clone();
                    let mut numbered = old.clone();
                    let mut scratch = Scratch::default();
                    let gemm = Gemm::new(a.view(), b).isa(isa).beta(beta);
                    gemm.run(plain.view_mut(), &mut scratch);
                    let calls: Vec<AtomicUsize> = (0..m * n).map(|_| 0.into()).collect();
                    let gemm = gemm.epilogue(Numbered { cols: n, calls: &calls });
                    pool.install(|| gemm.run(numbered.view_mut(), &mut scratch));

                    let what = format!("{isa} {} {m}×{n}×{k} β = {beta}", T::NAME);
                    for (at, plain) in plain.elements().into_iter().enumerate() {
                        let number = T::from_f64((1000 * (at / n) + at % n) as f64);
                        let got = numbered.view().at(at / n, at % n);
                        assert!(got == plain + number, "{what}: place {at}");
                        assert_eq!(calls[at].load(Ordering::Relaxed), 1, "{what}: place {at}");
                    }
                }
            }
        }
    }
    let pool = ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    check::<f32>(&pool);
    check::<f64>(&pool);
}

#[test]
fn a_bias_is_added_to_each_row() {
    fn check<T: Scalar>() {
        for (i, (m, n, k)) in SIZES.into_iter().enumerate() {
            let [a, b, c] = LAYOUTS[7 - i % 8];
            let a = Matrix::<T>::new(a, (m, k), &integers((m, k), 1));
            let b = Matrix::<T>::new(b, (k, n), &integers((k, n), 2));
            let old = Matrix::<T>::new(c, (m, n), &integers((m, n), 3));
            let bias = integers::<T>((1, n), 4);
            for isa in Isa::available() {
                for beta in [T::ZERO, T::ONE] {
                    let (mut plain, mut biased) = (old.clone(), old.clone());
                    let mut scratch = Scratch::default();
                    let gemm = Gemm::new(a.view(), b.view()).isa(isa).beta(beta);
                    gemm.run(plain.view_mut(), &mut scratch);
                    gemm.epilogue(Bias(&bias)).run(biased.view_mut(), &mut scratch);
                    for (at, plain) in plain.elements().into_iter().enumerate() {
                        let got = biased.view().at(at / n, at % n);
                        assert!(got == plain + bias[at % n], "{isa} {m}×{n}×{k} β = {beta}");
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}
