//! Operands packed before give the same bits as those packed on the way, or not at all.

use kernels::{Bias, Gemm, Isa, MatMut, MatRef, Packed, Scratch};

use crate::common::{Scalar, noise};
use crate::operands::{COLUMNS, LAYOUTS, Matrix, ROWS};

/// Empty, one element, about a tile, about a block in each direction.
const SIZES: [(usize, usize, usize); 14] = [
    (0, 3, 4),
    (3, 0, 4),
    (3, 4, 0),
    (1, 1, 1),
    // One row: panels side by side, four of them, two and one, and beyond what lies in a cache.
    (1, 65, 7),
    (1, 449, 20),
    (1, 213, 300),
    (1, 1100, 90),
    (11, 31, 9),
    (13, 33, 17),
    (64, 200, 64),
    (121, 20, 513),
    (253, 129, 257),
    (3, 4097, 300),
];

/// The bits of C for every way to give the operands.
fn bits<T: Scalar>(
    isa: Isa,
    beta: T,
    a: &Matrix<T>,
    b: &Matrix<T>,
    c: &Matrix<T>,
) -> [Vec<u64>; 4] {
    let mut scratch = Scratch::default();
    let mut run = |gemm: Gemm<'_, T>| {
        let mut c = c.clone();
        gemm.isa(isa).beta(beta).run(c.view_mut(), &mut scratch);
        c.bits()
    };
    let (left, right) = (Packed::left(isa, a.view()), Packed::right(isa, b.view()));
    [
        run(Gemm::new(a.view(), b.view())),
        run(Gemm::new(&left, b.view())),
        run(Gemm::new(a.view(), &right)),
        run(Gemm::new(&left, &right)),
    ]
}

#[test]
fn packed_operands_give_the_same_bits() {
    fn check<T: Scalar>() {
        for (i, (m, n, k)) in SIZES.into_iter().enumerate() {
            let [a, b, c] = LAYOUTS[i % 8];
            let a = Matrix::<T>::noise(a, (m, k), 1);
            let b = Matrix::<T>::noise(b, (k, n), 2);
            let c = Matrix::<T>::noise(c, (m, n), 3);
            for isa in Isa::available() {
                for beta in [T::ZERO, T::ONE] {
                    let [neither, left, right, both] = bits(isa, beta, &a, &b, &c);
                    let what = format_args!("{isa} {} {m}×{n}×{k} β = {beta}", T::NAME).to_string();
                    assert!(left == neither, "{what}: A packed");
                    assert!(right == neither, "{what}: B packed");
                    assert!(both == neither, "{what}: both packed");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn one_row_has_the_same_bits_over_any_number_of_panels() {
    fn check<T: Scalar>() {
        // The last but one has several blocks of terms, the last is shared by threads.
        let sizes =
            [(20, 700), (64, 257), (129, 100), (257, 300), (300, 129), (400, 2100), (1283, 500)];
        for (n, k) in sizes {
            let (a, b) = (Matrix::<T>::noise(ROWS, (1, k), 1), Matrix::noise(ROWS, (k, n), 2));
            let (old, bias) = (Matrix::<T>::noise(ROWS, (1, n), 3), noise::<T>(4, n));
            for isa in Isa::available() {
                let packed = Packed::right(isa, b.view());
                for beta in [0.0, 1.0, -0.7] {
                    let [plain, found] =
                        [Gemm::new(a.view(), b.view()), Gemm::new(a.view(), &packed)].map(|gemm| {
                            let gemm = gemm.isa(isa).beta(T::from_f64(beta));
                            let [mut c, mut d] = [old.clone(), old.clone()];
                            gemm.run(c.view_mut(), &mut Scratch::default());
                            gemm.epilogue(Bias(&bias)).run(d.view_mut(), &mut Scratch::default());
                            (c.bits(), d.bits())
                        });
                    assert!(plain == found, "{isa} {} 1×{n}×{k} β = {beta}", T::NAME);
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn the_layout_of_an_operand_does_not_change_a_bit() {
    // Rows of A are read where they lie, columns are packed; few rows take a smaller tile.
    fn check<T: Scalar>() {
        for isa in Isa::available() {
            for m in [1, 2, 3, 5, 7, 12, 40] {
                let (n, k) = (33, 600);
                let elements = Matrix::<T>::noise(ROWS, (m, k), 1).elements();
                let b = Matrix::<T>::noise(ROWS, (k, n), 2);
                let [rows, columns] = [ROWS, COLUMNS].map(|layout| {
                    let a = Matrix::new(layout, (m, k), &elements);
                    let mut c = Matrix::<T>::noise(ROWS, (m, n), 3);
                    let mut scratch = Scratch::default();
                    Gemm::new(a.view(), b.view()).isa(isa).run(c.view_mut(), &mut scratch);
                    c.bits()
                });
                assert!(rows == columns, "{isa} {} with {m} rows", T::NAME);
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Some CPUs have operands moved to where a line begins, or so that their rows do not displace each other.
#[test]
fn where_operands_lie_does_not_change_a_bit() {
    fn check<T: Scalar>() {
        // Few rows and many, columns beyond number and not, rows of B and columns of A pages apart.
        for (m, n, k) in [
            (2, 1100, 40),
            (8, 1024, 300),
            (19, 1040, 90),
            (20, 130, 900),
            (33, 256, 256),
            (21, 2048, 300),
            (1024, 530, 40),
        ] {
            let elements = noise::<T>(1, m * k + k * n);
            let (a, b) = elements.split_at(m * k);
            for isa in Isa::available() {
                let bits = |a: &[T], b: &[T], packed: bool| {
                    let (a, b) = (MatRef::new(a, k, m).t(), MatRef::new(b, k, n));
                    let mut c = vec![T::ZERO; m * n];
                    let (c_view, scratch) = (MatMut::new(&mut c, m, n), &mut Scratch::default());
                    match packed {
                        true => Gemm::new(&Packed::left(isa, a), &Packed::right(isa, b))
                            .isa(isa)
                            .run(c_view, scratch),
                        false => Gemm::new(a, b).isa(isa).run(c_view, scratch),
                    }
                    c.into_iter().map(Scalar::bits).collect::<Vec<u64>>()
                };
                let want = bits(a, b, true);
                for offset in [0, 1, 15] {
                    // The same numbers so far into a line.
                    let mut moved = vec![T::ZERO; k * n + 64];
                    let first = moved.as_ptr().align_offset(64) + offset;
                    moved[first..][..k * n].copy_from_slice(b);
                    let got = bits(a, &moved[first..][..k * n], false);
                    assert!(got == want, "{isa} {} {m}×{k}×{n}, {offset} further", T::NAME);
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn an_operand_packed_again_is_as_good_as_new() {
    for isa in Isa::available() {
        let mut left = Packed::left(isa, Matrix::<f32>::noise(ROWS, (50, 600), 1).view());
        let mut right = Packed::right(isa, Matrix::<f32>::noise(COLUMNS, (600, 70), 2).view());
        // Smaller, where old elements lie past the new ones, then larger.
        for (m, n, k) in [(7, 9, 5), (100, 80, 700), (1, 1, 0)] {
            let a = Matrix::<f32>::noise(COLUMNS, (m, k), 3);
            let b = Matrix::<f32>::noise(ROWS, (k, n), 4);
            left.repack_left(a.view());
            right.repack_right(b.view());
            let (mut got, mut want) =
                (Matrix::noise(ROWS, (m, n), 5), Matrix::noise(ROWS, (m, n), 6));
            let mut scratch = Scratch::default();
            Gemm::new(&left, &right).isa(isa).run(got.view_mut(), &mut scratch);
            Gemm::new(a.view(), b.view()).isa(isa).run(want.view_mut(), &mut scratch);
            assert!(got.bits() == want.bits(), "{isa} {m}×{n}×{k}");
        }
    }
}
