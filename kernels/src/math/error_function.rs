//! `erf`.

use super::exponential::{exp, reduce};
use super::polynomial::polynomial;
use crate::simd::{Float, Simd, Vector};

/// `derf/dx = 2/√π e^(-x²)`, from `x`: unlike the others, `erf` has no derivative from its output
/// that would cost less than itself.
#[inline(always)]
pub fn erf_grad<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    let square = x * x;
    let lost = square.minus_product(x, x);
    let exp = exp(simd, -square);
    // As in `erf`, the exponential is off by what the rounding of the square lost.
    let exp = X::select_gt(exp, X::splat(simd, X::Scalar::ZERO), lost.mul_add(exp, exp), exp);
    exp * X::splat(simd, X::Scalar::from_f64(core::f64::consts::FRAC_2_SQRT_PI))
}

/// `erf x = 2/√π ∫₀ˣ e^(-t²) dt`
///
/// Up to one it is `x + x p(x² - ½)` with a polynomial `p`; beyond, `1 - e^(-x²) r(x - 1½)` with a
/// polynomial `r`. Both are computed, and one is taken. In the middle of their intervals the
/// polynomials round the least.
#[inline(always)]
pub fn erf<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    let splat = |x| X::splat(simd, x);
    let one = splat(X::Scalar::ONE);

    let magnitude = splat(X::Scalar::ERF_MAX).min(x.abs());
    let square = magnitude * magnitude;
    let p = polynomial(simd, X::Scalar::ERF_POLYNOMIAL, square - splat(X::Scalar::from_f64(0.5)));
    let near = p.mul_add(magnitude, magnitude);

    let r =
        polynomial(simd, X::Scalar::ERFCX_POLYNOMIAL, magnitude - splat(X::Scalar::from_f64(1.5)));
    let reduced = reduce(simd, -square);
    let exp = reduced.exp(one).high * reduced.n.exp2i();
    // The square is too small by what its rounding lost: the exponential is too large by a factor
    // of one more than that.
    let excess = square.minus_product(magnitude, magnitude);
    let far = (-exp).mul_add(excess.mul_add(r, r), one);
    X::select_gt(magnitude, one, far, near).copysign(x)
}
