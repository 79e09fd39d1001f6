//! `erf`.

use super::exponential::reduce;
use super::polynomial::polynomial;
use crate::simd::{Float, Simd, Vector};

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
