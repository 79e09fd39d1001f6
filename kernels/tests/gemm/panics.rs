//! Wrong arguments are a bug of the caller: each is named.

use std::panic::catch_unwind;

use kernels::{Bias, Gemm, Isa, MatMut, MatRef, Packed, Scratch, gemm};

const X: [f32; 6] = [1.0; 6];

fn two_by_three() -> MatRef<'static, f32> {
    MatRef::new(&X, 2, 3)
}

#[test]
#[should_panic(expected = "A has 3 columns, B has 2 rows")]
fn operands_must_agree_in_depth() {
    gemm(two_by_three(), two_by_three(), MatMut::new(&mut [0.0; 6], 2, 3));
}

#[test]
#[should_panic(expected = "A B is 2×2, C is 2×3")]
fn c_must_have_the_size_of_the_product() {
    gemm(two_by_three(), two_by_three().t(), MatMut::new(&mut [0.0; 6], 2, 3));
}

#[test]
#[should_panic(expected = "A was packed as a right operand")]
fn a_right_operand_is_not_a_left_one() {
    let packed = Packed::right(Isa::best(), two_by_three());
    let gemm = Gemm::new(&packed, two_by_three().t());
    gemm.run(MatMut::new(&mut [0.0; 4], 2, 2), &mut Scratch::default());
}

#[test]
#[should_panic(expected = "B was packed as a left operand")]
fn a_left_operand_is_not_a_right_one() {
    let packed = Packed::left(Isa::best(), two_by_three().t());
    let gemm = Gemm::new(two_by_three(), &packed);
    gemm.run(MatMut::new(&mut [0.0; 4], 2, 2), &mut Scratch::default());
}

#[test]
#[should_panic(expected = "a right operand repacked as a left one")]
fn a_right_operand_is_not_repacked_as_a_left_one() {
    Packed::right(Isa::best(), two_by_three()).repack_left(two_by_three());
}

#[test]
#[should_panic(expected = "a left operand repacked as a right one")]
fn a_left_operand_is_not_repacked_as_a_right_one() {
    Packed::left(Isa::best(), two_by_three()).repack_right(two_by_three());
}

#[test]
fn an_operand_packed_for_another_instruction_set_is_refused() {
    let isas = Isa::available();
    for (isa, other) in isas.iter().flat_map(|isa| isas.iter().map(move |other| (isa, other))) {
        let packed = Packed::right(*other, two_by_three().t());
        let run = || {
            let gemm = Gemm::new(two_by_three(), &packed).isa(*isa);
            gemm.run(MatMut::new(&mut [0.0; 4], 2, 2), &mut Scratch::default());
        };
        let panics = catch_unwind(run).is_err();
        assert_eq!(panics, isa.name() != other.name(), "packed for {other}, run on {isa}");
    }
}

#[test]
#[should_panic(expected = "a 2×3 matrix of 5 elements")]
fn a_matrix_has_as_many_elements_as_rows_times_columns() {
    let _ = MatRef::new(&X[..5], 2, 3);
}

#[test]
#[should_panic(expected = "a 2×3 matrix with strides 4 and 1 spans 7 of 6 elements")]
fn a_strided_matrix_ends_within_its_memory() {
    let _ = MatRef::strided(&X, (2, 3), (4, 1));
}

#[test]
#[should_panic(expected = "a 2×3 matrix with strides 4 and 1 spans 7 of 6 elements")]
fn a_strided_c_ends_within_its_memory() {
    let _ = MatMut::strided(&mut X.clone(), (2, 3), (4, 1));
}

#[test]
#[should_panic(expected = "a 4×4611686018427387905 matrix of 4 elements")]
fn nor_is_a_product_of_sizes_that_overflows_a_length() {
    let _ = MatRef::new(&X[..4], 4, (1 << 62) + 1);
}

#[test]
fn strides_that_overflow_are_no_short_ones() {
    for strides in [(usize::MAX, 1), (1, usize::MAX), (usize::MAX / 2, usize::MAX / 2 + 1)] {
        let message = |panic: Box<dyn std::any::Any + Send>| *panic.downcast::<String>().unwrap();
        let read = || {
            let _ = MatRef::strided(&X, (3, 3), strides);
        };
        let write = || {
            let _ = MatMut::strided(&mut X.clone(), (3, 3), strides);
        };
        for panic in [catch_unwind(read), catch_unwind(write)] {
            let (rows, cols) = strides;
            let want = format!("a 3×3 matrix with strides {rows} and {cols} spans more elements");
            assert!(message(panic.unwrap_err()).starts_with(&want), "{strides:?}");
        }
    }
}

#[test]
#[should_panic(expected = "elements of a 2×3 matrix with strides 2 and 1 may overlap")]
fn rows_of_c_do_not_overlap() {
    let _ = MatMut::strided(&mut X.clone(), (2, 3), (2, 1));
}

#[test]
#[should_panic(expected = "elements of a 2×3 matrix with strides 3 and 0 may overlap")]
fn elements_of_c_do_not_share_a_place() {
    let _ = MatMut::strided(&mut X.clone(), (2, 3), (3, 0));
}

#[test]
fn a_matrix_without_elements_has_any_strides() {
    let _ = MatMut::<f32>::strided(&mut [], (2, 0), (0, 0));
    let _ = MatMut::<f32>::strided(&mut [], (0, 3), (0, 0));
    let _ = MatRef::<f32>::strided(&[], (2, 0), (0, 0));
}

#[test]
fn a_product_without_elements_may_have_rows_beyond_number() {
    const MANY: usize = usize::MAX;
    for (m, k, n) in [(MANY, 0, 0), (0, MANY, 0), (0, 0, MANY), (MANY, 1, 0), (0, 1, MANY)] {
        let a = MatRef::<f32>::strided(&[1.0], (m, k), (0, 0));
        let b = MatRef::<f32>::strided(&[1.0], (k, n), (0, 0));
        for c in [MatMut::new(&mut [], m, n), MatMut::new(&mut [], n, m).t()] {
            Gemm::new(a, b).run(c, &mut Scratch::default());
        }
    }
}

#[test]
fn where_alpha_is_zero_there_may_be_terms_beyond_number() {
    let a = MatRef::strided(&[1.0], (2, usize::MAX), (0, 0));
    let b = MatRef::strided(&[1.0], (usize::MAX, 1), (0, 0));
    let mut c = [4.0f32, 8.0];
    let gemm = Gemm::new(a, b).alpha(0.0).beta(0.5);
    gemm.run(MatMut::new(&mut c, 2, 1), &mut Scratch::default());
    assert_eq!(c, [2.0, 4.0]);
}

#[test]
#[should_panic(expected = "a bias of 3 for a C of 2 columns")]
fn a_bias_is_as_long_as_a_row_of_c() {
    let gemm = Gemm::new(two_by_three(), two_by_three().t()).epilogue(Bias(&X[..3]));
    gemm.run(MatMut::new(&mut [0.0; 4], 2, 2), &mut Scratch::default());
}
