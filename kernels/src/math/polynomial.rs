//! Polynomials by Horner's rule.

use crate::simd::{Simd, Vector};

/// The polynomial of these coefficients, the highest first, at `x`.
#[inline(always)]
pub(super) fn polynomial<S: Simd, X: Vector<S>>(simd: S, highest_first: &[X::Scalar], x: X) -> X {
    let mut sum = X::splat(simd, highest_first[0]);
    for &coefficient in &highest_first[1..] {
        sum = sum.mul_add(x, X::splat(simd, coefficient));
    }
    sum
}
