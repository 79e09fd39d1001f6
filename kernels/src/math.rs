//! Functions of a vector, for kernels that have their operands in registers.
//!
//! All are free of branches, so their time does not depend on the data, and a lane's result does
//! not depend on its neighbours. NaN gives NaN. None ever steps back as its operand grows.
//!
//! Everything rests on one reduction. With `x = n ln 2 + r`, `n` integral and `|r| ≤ ln 2 / 2`,
//!
//! ```text
//! eˣ     = 2ⁿ eʳ
//! eˣ - 1 = 2ⁿ (eʳ - 1) + (2ⁿ - 1)
//! ```
//!
//! and `eʳ - 1 = r + r² q(r)` with a polynomial `q` close to the best of its degree (W. J. Cody and
//! W. Waite, *Software Manual for the Elementary Functions*, 1980). `r` is exact to the last bit
//! because `ln 2` is subtracted in two parts.
//!
//! Errors in units in the last place (ULP) of the exact value: the largest found on any instruction
//! set, among all `f32` and a hundred million `f64`, rounded up.
//!
//! |      | `exp` | `expm1` | `sigmoid` | `tanh` |
//! |------|-------|---------|-----------|--------|
//! | f32  | 1.0   | 1.5     | 2.0       | 2.0    |
//! | f64  | 1.0   | 2.0     | 2.0       | 2.1    |

use crate::simd::{Float, Simd, Vector};

/// An unrounded number: `high + low`, with `low` about the size of the rounding of `high`.
struct Wide<V> {
    high: V,
    low: V,
}

/// `x = n ln 2 + r` and `eʳ = 1 + r + rest`.
struct Reduced<X> {
    n: X,
    r: X,
    /// `r²`
    square: X,
    /// `rest / r²`
    q: X,
}

#[inline(always)]
fn reduce<S: Simd, X: Vector<S>>(simd: S, x: X) -> Reduced<X> {
    let splat = |x| X::splat(simd, x);

    let n = (x * splat(X::Scalar::LOG2_E)).round();
    let r = (-n).mul_add(splat(X::Scalar::LN_2_HI), x);
    let r = (-n).mul_add(splat(X::Scalar::LN_2_LO), r);

    let mut q = splat(X::Scalar::EXP_POLYNOMIAL[0]);
    for &coefficient in &X::Scalar::EXP_POLYNOMIAL[1..] {
        q = q.mul_add(r, splat(coefficient));
    }
    Reduced { n, r, square: r * r, q }
}

impl<X> Reduced<X> {
    /// `eʳ - 1`
    #[inline(always)]
    fn expm1<S>(&self) -> Wide<X>
    where
        X: Vector<S>,
    {
        let high = self.square.mul_add(self.q, self.r);
        Wide { high, low: self.square.mul_add(self.q, self.r - high) }
    }

    /// `eʳ`
    #[inline(always)]
    fn exp<S>(&self, one: X) -> Wide<X>
    where
        X: Vector<S>,
    {
        let high = one + self.square.mul_add(self.q, self.r);
        Wide { high, low: self.square.mul_add(self.q, self.r - (high - one)) }
    }
}

/// `eˣ`. Infinite above the largest number, subnormal and then zero at the other end.
#[inline(always)]
pub fn exp<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    let splat = |x| X::splat(simd, x);

    let x = splat(X::Scalar::EXP_MAX).min(splat(X::Scalar::EXP_MIN).max(x));
    let reduced = reduce(simd, x);
    let high = splat(X::Scalar::ONE) + reduced.r;
    let low = reduced.square.mul_add(reduced.q, reduced.r - (high - splat(X::Scalar::ONE)));
    let exp_r = high + low;
    // 2ⁿ in two steps: on its own it may be too large or too small for a normal number.
    let half = (reduced.n * splat(X::Scalar::from_f64(0.5))).round();
    exp_r * half.exp2i() * (reduced.n - half).exp2i()
}

/// `eˣ - 1`, accurate near zero.
#[inline(always)]
pub fn expm1<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    let splat = |x| X::splat(simd, x);

    let clamped = splat(X::Scalar::EXP_MAX).min(splat(-X::Scalar::EXPM1_MAX).max(x));
    let reduced = reduce(simd, clamped);
    let expm1_r = reduced.expm1();
    // Half the power, twice the result: 2ⁿ itself overflows before the result does.
    let half = (reduced.n - splat(X::Scalar::ONE)).exp2i();
    let rest = half - splat(X::Scalar::from_f64(0.5));
    let high = half.mul_add(expm1_r.high, rest);
    let low = half.mul_add(expm1_r.high, rest - high);
    let half_result = high + half.mul_add(expm1_r.low, low);
    (half_result + half_result).copysign(x)
}

/// `(n₀ + n₁) / (d₀ + d₁)`, almost as if rounded once.
#[inline(always)]
fn quotient<S: Simd, X: Vector<S>>(simd: S, n: Wide<X>, d: Wide<X>) -> X {
    let reciprocal = X::splat(simd, X::Scalar::ONE) / d.high;
    let q = n.high * reciprocal;
    // What is left of the numerator: exact but for the low parts.
    let rest = n.high.minus_product(q, d.high) + (-q).mul_add(d.low, n.low);
    rest.mul_add(reciprocal, q)
}

/// `σ(x) = 1 / (1 + e⁻ˣ)`. With `e = e^-|x|` it is `e / (1 + e)` where `x` is negative, as accurate
/// when tiny as elsewhere, and `1 / (1 + e)` where it is not.
#[inline(always)]
pub fn sigmoid<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    let splat = |x| X::splat(simd, x);
    let (zero, one) = (splat(X::Scalar::ZERO), splat(X::Scalar::ONE));

    let reduced = reduce(simd, splat(X::Scalar::EXP_MIN).max(-x.abs()));
    let exp_r = reduced.exp(one);
    // 2ⁿ in two steps, of which the denominator needs the first.
    let first = splat(X::Scalar::from_f64(-64.0)).max(reduced.n);
    let (power, rest) = (first.exp2i(), (reduced.n - first).exp2i());
    let high = power.mul_add(exp_r.high, one);
    let low = power.mul_add(exp_r.high, one - high);
    let below = Wide { high, low: power.mul_add(exp_r.low, low) };

    let above = Wide {
        high: X::select_gt(x, zero, one, exp_r.high),
        low: X::select_gt(x, zero, zero, exp_r.low),
    };
    let y = quotient(simd, above, below);
    X::select_gt(x, zero, y, y * power * rest)
}

/// `tanh |x| = (1 - e) / (1 + e)` with `e = e^(-2|x|)`, then the sign of `x`.
#[inline(always)]
pub fn tanh<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    let splat = |x| X::splat(simd, x);
    let one = splat(X::Scalar::ONE);

    let negative = splat(-X::Scalar::TANH_MAX).max(-x.abs());
    let reduced = reduce(simd, negative + negative);
    let expm1_r = reduced.expm1();
    let power = reduced.n.exp2i();
    let (minus, plus) = (one - power, one + power);
    // What rounding has taken from both, where their quotient is near one.
    let lost = power.mul_add(splat(X::Scalar::from_f64(-2.0)), plus - minus);

    let high = (-power).mul_add(expm1_r.high, minus);
    let low = (-power).mul_add(expm1_r.high, (minus - high) + lost);
    let above = Wide { high, low: (-power).mul_add(expm1_r.low, low) };
    let high = power.mul_add(expm1_r.high, plus);
    let low = power.mul_add(expm1_r.high, plus - high);
    let below = Wide { high, low: power.mul_add(expm1_r.low, low) };
    quotient(simd, above, below).copysign(x)
}

/// `max(x, 0)`; NaN stays NaN.
#[inline(always)]
pub fn relu<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    X::splat(simd, X::Scalar::ZERO).max(x)
}

/// `dσ/dx = y (1 - y)`, from `y = σ(x)`.
#[inline(always)]
pub fn sigmoid_grad<S: Simd, X: Vector<S>>(simd: S, y: X) -> X {
    y * (X::splat(simd, X::Scalar::ONE) - y)
}

/// `dtanh/dx = 1 - y²`, from `y = tanh x`.
#[inline(always)]
pub fn tanh_grad<S: Simd, X: Vector<S>>(simd: S, y: X) -> X {
    (-y).mul_add(y, X::splat(simd, X::Scalar::ONE))
}

/// `drelu/dx`: one where `y = relu(x)` is positive, else zero.
#[inline(always)]
pub fn relu_grad<S: Simd, X: Vector<S>>(simd: S, y: X) -> X {
    let splat = |x| X::splat(simd, x);
    X::select_gt(y, splat(X::Scalar::ZERO), splat(X::Scalar::ONE), splat(X::Scalar::ZERO))
}
