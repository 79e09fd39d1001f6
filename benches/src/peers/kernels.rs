//! Ourselves.

use std::hint::black_box;

use harness::peer::Scalar;
use kernels::gemm::Operand;
use kernels::{Gemm, Isa, MatMut, MatRef, Packed, Scratch};

use super::{Job, Run};

/// A and B as they lie.
pub(super) fn plain<T: Scalar>(job: Job<T>) -> Option<Run<T>> {
    let (a, b) = views(&job);
    let mut scratch = Scratch::default();
    Some(Box::new(move |c| run(&job, a, b, c, &mut scratch)))
}

/// B packed before.
pub(super) fn packed<T: Scalar>(job: Job<T>) -> Option<Run<T>> {
    let (a, b) = views(&job);
    let packed = Packed::right(Isa::best(), b);
    let mut scratch = Scratch::default();
    Some(Box::new(move |c| run(&job, a, &packed, c, &mut scratch)))
}

fn views<'a, T: Scalar>(job: &Job<'a, T>) -> (MatRef<'a, T>, MatRef<'a, T>) {
    let product = job.product;
    let a = MatRef::strided(job.a, (product.m, product.k), product.a_strides());
    (a, MatRef::strided(job.b, (product.k, product.n), product.b_strides()))
}

fn run<'a, T: Scalar>(
    job: &Job<T>,
    a: MatRef<'a, T>,
    b: impl Into<Operand<'a, T>>,
    c: &mut [T],
    scratch: &mut Scratch<T>,
) {
    let gemm = Gemm::new(black_box(a), b);
    let gemm = if job.threads == 1 { gemm.serial() } else { gemm };
    gemm.run(MatMut::new(black_box(c), job.product.m, job.product.n), scratch);
}
