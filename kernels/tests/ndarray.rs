//! Arrays of `ndarray` are matrices of the same elements, or an error.

use kernels::{Gemm, MatMut, MatRef, NotDense, Scratch};
use ndarray::{Array2, ArrayView2, Axis, ShapeBuilder, array, s};

fn numbers(rows: usize, cols: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, cols), |(i, j)| (10 * i + j) as f64)
}

/// The same elements at the same places.
#[track_caller]
fn check(array: ArrayView2<f64>) {
    let matrix = MatRef::try_from(array).unwrap();
    assert_eq!((matrix.rows(), matrix.cols()), array.dim());
    for ((i, j), &x) in array.indexed_iter() {
        assert_eq!(matrix.at(i, j), x, "({i}, {j})");
    }
}

#[test]
fn a_dense_array_is_a_matrix() {
    let by_rows = numbers(5, 7);
    let mut by_columns = Array2::zeros((5, 7).f());
    by_columns.assign(&by_rows);
    for array in [by_rows.view(), by_columns.view(), by_rows.t(), by_columns.t()] {
        check(array);
    }
    check(by_rows.slice(s![1..4, ..]));
    check(by_columns.slice(s![.., 2..5]));
    check(by_rows.slice(s![3..4, 2..5]));
    check(by_columns.slice(s![1..3, 2..3]));
    check(by_rows.slice(s![4..4, ..]));
    check(Array2::zeros((0, 3)).view());
}

#[test]
fn an_array_with_gaps_repetitions_or_negative_strides_is_an_error() {
    let mut array = numbers(5, 7);
    for slice in [s![.., 1..4], s![..;2, ..], s![..;-1, ..], s![.., ..;-1]] {
        assert_eq!(MatRef::try_from(array.slice(slice)).unwrap_err(), NotDense);
        assert_eq!(MatMut::try_from(array.slice_mut(slice)).unwrap_err(), NotDense);
    }
    let row = array![[1.0, 2.0]];
    assert_eq!(MatRef::try_from(row.broadcast((3, 2)).unwrap()).unwrap_err(), NotDense);
    assert!(NotDense.to_string().contains("copy"));
    // Columns apart: both halves hold rows of the other.
    let (left, right) = array.view_mut().split_at(Axis(1), 3);
    assert!(MatMut::try_from(left).is_err() && MatMut::try_from(right).is_err());
}

#[test]
fn a_product_is_written_where_the_array_lies() {
    let (a, b) = (numbers(4, 3), numbers(6, 3));
    let mut c = Array2::from_elem((9, 6), -1.0);
    let rows = c.slice_mut(s![2..6, ..]);
    Gemm::new(MatRef::try_from(a.view()).unwrap(), MatRef::try_from(b.t()).unwrap())
        .run(rows.try_into().unwrap(), &mut Scratch::default());
    assert_eq!(c.slice(s![2..6, ..]), a.dot(&b.t()));
    assert!(c.slice(s![..2, ..]).iter().chain(c.slice(s![6.., ..])).all(|&x| x == -1.0));
    let mut turned = Array2::zeros((6, 4));
    Gemm::new(MatRef::try_from(a.view()).unwrap(), MatRef::try_from(b.t()).unwrap())
        .run(turned.view_mut().reversed_axes().try_into().unwrap(), &mut Scratch::default());
    assert_eq!(turned.t(), c.slice(s![2..6, ..]));
}
