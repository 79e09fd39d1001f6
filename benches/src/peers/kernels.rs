//! Ourselves.

use std::hint::black_box;

use harness::peer::Scalar;
use kernels::{Gemm, Isa, MatMut, MatRef, Packed, Scratch};

use super::{Job, Run};

/// A and B as they lie.
pub(super) fn plain<T: Scalar>(job: Job<T>) -> Option<Run<T>> {
    let (a, b) = operands(&job);
    let mut scratch = Scratch::default();
    Some(Box::new(move |c| run(&job, Gemm::new(a, b), c, &mut scratch)))
}

/// B packed before.
pub(super) fn packed<T: Scalar>(job: Job<T>) -> Option<Run<T>> {
    let (a, b) = operands(&job);
    let packed = Packed::right(Isa::best(), b);
    let mut scratch = Scratch::default();
    Some(Box::new(move |c| run(&job, Gemm::new(a, &packed), c, &mut scratch)))
}

#[inline(always)]
fn run<T: Scalar>(job: &Job<T>, gemm: Gemm<T>, c: &mut [T], scratch: &mut Scratch<T>) {
    let c = MatMut::new(black_box(c), job.product.m, job.product.n);
    match job.threads {
        1 => gemm.serial().run(c, scratch),
        _ => gemm.run(c, scratch),
    }
}

fn operands<'a, T: Scalar>(job: &Job<'a, T>) -> (MatRef<'a, T>, MatRef<'a, T>) {
    let product = job.product;
    let a = MatRef::strided(job.a, (product.m, product.k), product.a_strides());
    let b = MatRef::strided(job.b, (product.k, product.n), product.b_strides());
    (a, b)
}
