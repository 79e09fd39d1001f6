//! `tanh`: in `f32` one of eight polynomials, in `f64` a quotient of exponentials.
//!
//! A polynomial has no division and no sum of two parts: from `x` to `tanh x` it takes less than two thirds of the time.
//! With twice the digits eight would be too few.

use super::exponential::reduce_by;
use crate::simd::{Float, Pieces, Simd, Vector};

/// `tanh x`
#[inline(always)]
pub fn tanh<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    match X::Scalar::TANH_PIECES {
        Some(pieces) => by_pieces(simd, pieces, x),
        None => by_quotient(simd, x),
    }
}

/// `tanh |x| = tanh c + r q(r)` with the center `c` of the piece of `|x|` and `r = |x| - c`, or near zero
/// `|x| + |x| q(x²)`; then the sign of `x`.
#[inline(always)]
fn by_pieces<S: Simd, X: Vector<S>>(simd: S, pieces: &Pieces<X::Scalar>, x: X) -> X {
    let splat = |x| X::splat(simd, X::Scalar::from_f64(x));
    let magnitude = x.abs();
    // What lies below or above all pieces is in the lowest or the highest, and NaN in the lowest.
    let piece = magnitude.max(splat(0.5)).min(splat(7.5));
    let pick = |table| piece.lookup(simd, table);

    let magnitude = X::splat(simd, X::Scalar::TANH_MAX).min(magnitude);
    let near_zero = |yes, no| X::select_gt(splat(0.75), magnitude, yes, no);
    let distance = magnitude - pick(&pieces.centers);
    let value = near_zero(magnitude, pick(&pieces.values));
    let r = near_zero(magnitude * magnitude, distance);

    // In pairs, the first level of Estrin's scheme: five multiply-adds after each other with the last, not seven. No
    // `map`: it would be a function without the instruction set.
    let [g, f, e, d, c, b, a] = &pieces.highest_first;
    let bc = pick(c).mul_add(r, pick(b));
    let de = pick(e).mul_add(r, pick(d));
    let fg = pick(g).mul_add(r, pick(f));
    let rr = r * r;
    let q = fg.mul_add(rr, de).mul_add(rr, bc).mul_add(r, pick(a));
    q.mul_add(distance, value).copysign(x)
}

/// `tanh |x| = (1 - e) / (1 + e)` with `e = e^(-2|x|)`, then the sign of `x`.
#[inline(always)]
fn by_quotient<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    let splat = |x| X::splat(simd, x);
    let one = splat(X::Scalar::ONE);

    let negative = splat(-X::Scalar::TANH_MAX).max(-x.abs());
    // log₂ e twice: no wait for the sum, and the same product.
    let n = (negative * splat(X::Scalar::LOG2_E + X::Scalar::LOG2_E)).round();
    let reduced = reduce_by(simd, n, negative + negative);
    let power = n.exp2i();
    let below = reduced.sum(one, power, power);
    // 1 - e = 2 - (1 + e), exact but for the rounding of the low part, which is small where the
    // difference is.
    let rest = splat(X::Scalar::from_f64(2.0)) - below.high;
    let high = rest - below.low;
    let low = (rest - high) - below.low;

    let reciprocal = one / below.high;
    let quotient = high * reciprocal;
    // What is left of the numerator: exact but for the low parts.
    let rest = high.minus_product(quotient, below.high) + (-quotient).mul_add(below.low, low);
    rest.mul_add(reciprocal, quotient).copysign(x)
}

/// `dtanh/dx = 1 - y²`, from `y = tanh x`.
#[inline(always)]
pub fn tanh_grad<S: Simd, X: Vector<S>>(simd: S, y: X) -> X {
    (-y).mul_add(y, X::splat(simd, X::Scalar::ONE))
}
