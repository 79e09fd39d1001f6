//! Ourselves.

use std::hint::black_box;

use harness::peer::Scalar;
use kernels::gemm::Operand;
use kernels::{Gemm, Isa, MatMut, MatRef, Packed, Scratch};

use super::{Job, Run};

/// A and B as they lie.
pub(super) fn plain<T: Scalar>(job: Job<T>) -> Option<Run<T>> {
    let mut scratch = Scratch::default();
    Some(Box::new(move |c| run(&job, right(&job), c, &mut scratch)))
}

/// B packed before.
pub(super) fn packed<T: Scalar>(job: Job<T>) -> Option<Run<T>> {
    let packed = Packed::right(Isa::best(), right(&job));
    let mut scratch = Scratch::default();
    Some(Box::new(move |c| run(&job, &packed, c, &mut scratch)))
}

fn right<'a, T: Scalar>(job: &Job<'a, T>) -> MatRef<'a, T> {
    let product = job.product;
    view(job.b, (product.k, product.n), product.b_strides())
}

/// A row-major matrix, or the transpose of one.
fn view<T: Scalar>(
    elements: &[T],
    (rows, cols): (usize, usize),
    (row_stride, _): (usize, usize),
) -> MatRef<'_, T> {
    match row_stride == cols {
        true => MatRef::new(black_box(elements), rows, cols),
        false => MatRef::new(black_box(elements), cols, rows).t(),
    }
}

fn run<'a, T: Scalar>(
    job: &Job<'a, T>,
    b: impl Into<Operand<'a, T>>,
    c: &mut [T],
    scratch: &mut Scratch<T>,
) {
    let product = job.product;
    let a = view(job.a, (product.m, product.k), product.a_strides());
    let gemm = Gemm::new(a, b);
    let gemm = if job.threads == 1 { gemm.serial() } else { gemm };
    gemm.run(MatMut::new(black_box(c), product.m, product.n), scratch);
}
