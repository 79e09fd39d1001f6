//! `log1p`, and `softplus`, which is the logarithm of an exponential.
//!
//! With `1 + x = 2ᵏ (1 + f)`, `k` integral and `-¼ ≤ f ≤ ½`,
//!
//! ```text
//! log(1 + x) = k ln 2 + f + f² q(f),
//! ```
//!
//! `q` being a polynomial. `f` is `2⁻ᵏ x + (2⁻ᵏ - 1)`, and exact but about the seams and where `2⁻ᵏ`
//! does not count: the terms are within twice each other and differ in sign (P. Sterbenz,
//! *Floating-Point Computation*, 1974).

use super::exponential::{Wide, exp, expm1, powers, reduce};
use super::polynomial::polynomial;
use crate::simd::{Float, Simd, Vector};

/// `k ln 2 + log(1 + f)`; `low` is added where a rounded sum has lost it.
#[inline(always)]
fn log<S: Simd, X: Vector<S>>(simd: S, k: X, f: X, low: X) -> Wide<X> {
    let splat = |x| X::splat(simd, x);

    let q = polynomial(simd, X::Scalar::LOG_POLYNOMIAL, f);
    let multiple = k * splat(X::Scalar::LN_2_HI);
    let high = multiple + f;
    // What rounding took from `high`: the multiple is the larger, or zero.
    let lost = f - (high - multiple);
    let low = (f * f).mul_add(q, k.mul_add(splat(X::Scalar::LN_2_LO), lost + low));
    Wide { high, low }
}

/// `log(1 + x)`, accurate near zero.
#[inline(always)]
pub fn log1p<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    let splat = |x| X::splat(simd, x);
    let (one, infinity) = (splat(X::Scalar::ONE), splat(X::Scalar::INFINITY));

    // 1 + f is from ¾ to 1½: the power of two is one more than that of two thirds of 1 + x.
    let exponent = ((one + x) * splat(X::Scalar::from_f64(2.0 / 3.0))).exponent();
    // 2⁻ᵏ may be too small for a normal number; four times as much is one.
    let quarter = splat(X::Scalar::from_f64(0.25));
    let power = (one - exponent).exp2i();
    let f = (x * power).mul_add(quarter, power * quarter - one);
    let Wide { high, low } = log(simd, exponent + one, f, splat(X::Scalar::ZERO));
    let within = X::select_gt(infinity, x, (high + low).copysign(x), x);

    // -∞ at -1, and NaN below and for NaN.
    let beyond = X::select_gt(-one, x, splat(X::Scalar::NAN), x - infinity);
    X::select_gt(x, -one, within, beyond)
}

/// `dlog(1 + x)/dx = 1 / (1 + x) = e⁻ʸ`, from `y = log(1 + x)`.
#[inline(always)]
pub fn log1p_grad<S: Simd, X: Vector<S>>(simd: S, y: X) -> X {
    exp(simd, -y)
}

/// `log(1 + eˣ) = max(x, 0) + log(1 + e^-|x|)`
#[inline(always)]
pub fn softplus<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    let splat = |x| X::splat(simd, x);
    let (zero, half, one) =
        (splat(X::Scalar::ZERO), splat(X::Scalar::from_f64(0.5)), splat(X::Scalar::ONE));

    let negative = splat(X::Scalar::EXP_MIN).max(-x.abs());
    let reduced = reduce(simd, negative);
    let Wide { high, low } = reduced.exp(one);
    let [first, second] = powers(simd, reduced.n);
    let (high, low) = (high * first * second, low * first * second);

    // k is one where the exponential is more than a half.
    let k = X::select_gt(high, half, one, zero);
    let power = X::select_gt(high, half, half, one);
    let f = high.mul_add(power, power - one);
    // d log(1 + f) = df / (1 + f) ≈ df (1 - f)
    let low = low * power;
    let log = log(simd, k, f, (-f).mul_add(low, low));

    // Which is larger is not known: the two-sum of D. Knuth, *The Art of Computer Programming*,
    // vol. 2, 4.2.2.
    let positive = zero.max(x);
    let high = positive + log.high;
    let added = high - positive;
    let lost = (positive - (high - added)) + (log.high - added);
    let sum = high + (lost + log.low);
    X::select_gt(x, splat(X::Scalar::SIGMOID_MAX), x, sum)
}

/// `dsoftplus/dx = σ(x) = 1 - e⁻ʸ`, from `y = softplus(x)`.
#[inline(always)]
pub fn softplus_grad<S: Simd, X: Vector<S>>(simd: S, y: X) -> X {
    -expm1(simd, -y)
}
