//! The product is that of the reference, at every size about a vector, a tile or a block.

use kernels::gemm::Blocking;
use kernels::{Gemm, Isa, Scratch};

use crate::common::Scalar;
use crate::operands::{Expected, LAYOUTS, Layout, Matrix, Order, ROWS, SCALES, tile_sizes};

/// `C = A B` or `C += A B` of noise on `isa`, against the reference.
fn check<T: Scalar>(
    isa: Isa,
    (m, n, k): (usize, usize, usize),
    [a, b, c]: [Layout; 3],
    scales: (f64, f64),
    scratch: &mut Scratch<T>,
) {
    let a = Matrix::<T>::noise(a, (m, k), 1);
    let b = Matrix::<T>::noise(b, (k, n), 2);
    let mut c = Matrix::<T>::noise(c, (m, n), 3);
    let (alpha, beta) = (T::from_f64(scales.0), T::from_f64(scales.1));
    let expected = Expected::of((alpha, beta), a.view(), b.view(), &c);
    let gemm = Gemm::new(a.view(), b.view()).alpha(alpha).beta(beta);
    gemm.isa(isa).run(c.view_mut(), scratch);
    expected.check(&c, format_args!("{isa} {} {alpha} · {m}×{n}×{k} + {beta} C", T::NAME));
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
                    let scales = SCALES[(m + n + k) % SCALES.len()];
                    for layouts in LAYOUTS {
                        check::<T>(isa, (m, n, k), layouts, scales, &mut scratch);
                    }
                }
            }
        }
    }
    sweep::<f32>();
    sweep::<f64>();
}

#[test]
fn gemm_is_the_reference_for_one_row_of_every_length() {
    // Strips of eight vectors, four, two, one and a part of one, and more of them than one.
    fn sweep<T: Scalar>() {
        let mut scratch = Scratch::default();
        for isa in Isa::available() {
            let lanes = isa.lanes::<T>();
            for n in (1..=17).flat_map(|vectors| [vectors * lanes, vectors * lanes + lanes / 2]) {
                for k in [1, 5, 12] {
                    for layouts in LAYOUTS {
                        check::<T>(isa, (1, n, k), layouts, SCALES[n % SCALES.len()], &mut scratch);
                    }
                }
            }
        }
    }
    sweep::<f32>();
    sweep::<f64>();
}

#[test]
fn gemm_is_the_reference_where_c_is_narrow() {
    // So deep and tall that it is computed transposed, or with narrower vectors.
    fn sweep<T: Scalar>() {
        let mut scratch = Scratch::default();
        for isa in Isa::available() {
            for (m, k) in [(16, 80), (33, 100), (70, 41), (130, 300)] {
                for (n, layouts) in (1..16).flat_map(|n| LAYOUTS.map(|layouts| (n, layouts))) {
                    for scales in SCALES {
                        check::<T>(isa, (m, n, k), layouts, scales, &mut scratch);
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
    /// Less than a tile and less than a block by one, the same, and more by one.
    fn about(tile: usize, block: usize) -> [usize; 6] {
        [tile - 1, tile, tile + 1, block - 1, block, block + 1]
    }

    fn sweep<T: Scalar>() {
        let mut scratch = Scratch::default();
        for isa in Isa::available() {
            let Blocking { mr, nr, mc, kc, nc } = Blocking::on::<T>(isa);
            let (ms, ns) = (about(mr, mc), about(nr, nc));
            let ks = [kc, kc + 1];
            // Every pair of edges, beside a small third size.
            let mut sizes = Vec::new();
            sizes.extend(ms.iter().flat_map(|m| ks.map(|k| (*m, 16 * nr + 1, k))));
            sizes.extend(ns.map(|n| (mr + 1, n, kc + 1)));
            sizes.push((mr + 1, nr + 1, 2 * kc + 1));
            // A is packed for more than 48 panels of B.
            sizes.extend([3, kc + 1].map(|k| (mr + 1, 48 * nr + 1, k)));
            // Few terms let blocks grow. A block of B is shared where rows are more than a block.
            sizes.extend(ms.iter().flat_map(|m| ns.map(|n| (*m, n, 3))));
            sizes.push((mc + 1, nc + 1, kc + 1));
            for (i, sizes) in sizes.into_iter().enumerate() {
                // Out of step with the edges, so that each meets several of both.
                let (layouts, scales) = (LAYOUTS[i % 15 % 8], SCALES[i / 7 % SCALES.len()]);
                check::<T>(isa, sizes, layouts, scales, &mut scratch);
            }
        }
    }
    sweep::<f32>();
    sweep::<f64>();
}

#[test]
fn gemm_is_the_reference_where_rows_of_b_are_pages_apart() {
    fn sweep<T: Scalar>(isa: Isa) {
        // A block of 256 terms spans more than 8 MB, or of 600, or more than 2 MB, by which it depends on the
        // rows whether panels are read in place, copied by a tile on the way or ahead.
        let mut scratch = Scratch::default();
        for (stride, n) in [(4096, 4096), (4096, 196), (16384, 40)] {
            for m in [9, 30, 60] {
                let b = Layout(Order::Rows, 0, stride - n);
                check::<T>(isa, (m, n, 600), [ROWS, b, ROWS], SCALES[0], &mut scratch);
            }
        }
    }
    for isa in Isa::available() {
        sweep::<f32>(isa);
        sweep::<f64>(isa);
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
