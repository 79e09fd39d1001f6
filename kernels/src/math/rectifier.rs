//! `relu`.

use crate::simd::{Float, Simd, Vector};

/// `max(x, 0)`; NaN stays NaN.
#[inline(always)]
pub fn relu<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    X::splat(simd, X::Scalar::ZERO).max(x)
}

/// `drelu/dx`: one where `y = relu(x)` is positive, else zero.
#[inline(always)]
pub fn relu_grad<S: Simd, X: Vector<S>>(simd: S, y: X) -> X {
    let splat = |x| X::splat(simd, x);
    X::select_gt(y, splat(X::Scalar::ZERO), splat(X::Scalar::ONE), splat(X::Scalar::ZERO))
}
