//! The product is that of the reference, at every size about a vector, a tile or a block.

use kernels::{Gemm, Isa, Scratch, Update};

use crate::common::Scalar;
use crate::operands::{Expected, LAYOUTS, Layout, Matrix, tile_sizes};

/// `C = A B` or `C += A B` of noise on each of `isas`, against the reference.
fn check<T: Scalar>(
    isas: &[Isa],
    (m, n, k): (usize, usize, usize),
    [a, b, c]: [Layout; 3],
    scratch: &mut Scratch<T>,
) {
    let a = Matrix::<T>::noise(a, (m, k), 1);
    let b = Matrix::<T>::noise(b, (k, n), 2);
    let c = Matrix::<T>::noise(c, (m, n), 3);
    let update = if (m + n + k) % 2 == 0 { Update::Assign } else { Update::Add };
    let expected = Expected::of(update, a.view(), b.view(), &c);
    for &isa in isas {
        let mut c = c.clone();
        Gemm::new(a.view(), b.view()).isa(isa).update(update).run(c.view_mut(), scratch);
        expected.check(&c, format_args!("{isa} {} {m}×{n}×{k} {update:?}", T::NAME));
    }
}

#[test]
fn gemm_is_the_reference_at_the_edges_of_a_tile_in_every_layout() {
    fn sweep<T: Scalar>() {
        // Kept from one product to the next: what they leave in it must not matter.
        let mut scratch = Scratch::default();
        for isa in Isa::available() {
            let sizes = tile_sizes::<T>(isa);
            for (&m, &n) in sizes.iter().flat_map(|m| sizes.iter().map(move |n| (m, n))) {
                for &k in &sizes {
                    for layouts in LAYOUTS {
                        check::<T>(&[isa], (m, n, k), layouts, &mut scratch);
                    }
                }
            }
        }
    }
    sweep::<f32>();
    sweep::<f64>();
}

#[test]
fn gemm_is_the_reference_at_the_edges_of_a_block() {
    /// About the heights of a block of A of all instruction sets.
    const M: [usize; 11] = [1, 13, 59, 60, 61, 119, 120, 121, 127, 252, 253];
    /// Above and below four panels of B, where A is packed and where it is not.
    const N: [usize; 5] = [1, 17, 33, 65, 129];
    /// About the depths of a block.
    const K: [usize; 6] = [255, 256, 257, 511, 512, 513];

    fn sweep<T: Scalar>() {
        let mut scratch = Scratch::default();
        let sizes = M.iter().flat_map(|m| N.iter().flat_map(move |n| K.map(|k| (*m, *n, k))));
        // Seven divides none of the lengths: every size still meets each kind of the others.
        for (i, sizes) in sizes.step_by(7).enumerate() {
            check::<T>(&Isa::available(), sizes, LAYOUTS[i % 8], &mut scratch);
        }
    }
    sweep::<f32>();
    sweep::<f64>();
}

#[test]
fn gemm_is_the_reference_where_c_is_wider_than_a_block() {
    let isas = Isa::available();
    for (i, n) in [1023, 1025, 2047, 2049, 4097].into_iter().enumerate() {
        check::<f32>(&isas, (3, n, 300), LAYOUTS[i], &mut Scratch::default());
        check::<f64>(&isas, (3, n, 300), LAYOUTS[i + 3], &mut Scratch::default());
    }
}

#[test]
fn the_function_is_an_assignment_on_the_best_instruction_set() {
    let [a, b, c] = LAYOUTS[0];
    let a = Matrix::<f64>::noise(a, (20, 30), 1);
    let b = Matrix::<f64>::noise(b, (30, 40), 2);
    let (mut one, mut other) = (Matrix::noise(c, (20, 40), 3), Matrix::noise(c, (20, 40), 4));
    kernels::gemm(a.view(), b.view(), one.view_mut());
    Gemm::new(a.view(), b.view()).run(other.view_mut(), &mut Scratch::default());
    assert_eq!(one.bits(), other.bits());
}
