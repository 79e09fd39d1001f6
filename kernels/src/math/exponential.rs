//! `exp`, and what is made of one exponential: `expm1`, `sigmoid`. (So is `tanh` in `f64`, in a file of its own.)
//!
//! Everything rests on one reduction. With `x = n ln 2 + r`, `n` integral and `|r| ≤ ln 2 / 2`,
//!
//! ```text
//! eˣ     = 2ⁿ eʳ
//! eˣ - 1 = 2ⁿ (eʳ - 1) + (2ⁿ - 1)
//! ```
//!
//! and `eʳ = 1 + r + r² q(r)` with a polynomial `q` close to the best of its degree. `ln 2` is
//! subtracted in two parts, the first so short that its multiples are exact (W. J. Cody and W. Waite,
//! *Software Manual for the Elementary Functions*, 1980).
//!
//! Sums that are divided later keep what their rounding took, as a second number: `high` is the
//! rounded sum, and `low` is what remains of its terms when `high` is taken from them, the largest
//! first (the two-sum of T. Dekker, *A Floating-Point Technique for Extending the Available
//! Precision*, 1971). Then a quotient `y = a z` with `z = 1 / b`, rounded twice, is corrected by
//! what it leaves over,
//!
//! ```text
//! y + z (a - y b),
//! ```
//!
//! where the parts of `a - y b` nearly cancel, with little left to round (P. Markstein, *IA-64 and
//! Elementary Functions*, 2000).

use super::polynomial::polynomial;
use crate::simd::{Float, Simd, Vector};

/// A number to twice the digits: `high + low`.
pub(super) struct Wide<X> {
    pub(super) high: X,
    /// What rounding took from `high`, itself rounded.
    pub(super) low: X,
}

/// `x = n ln 2 + r` and `eʳ = 1 + r + r² q`.
pub(super) struct Reduced<X> {
    pub(super) n: X,
    r: X,
    q: X,
    /// `x - n LN_2_HI`: `r` is this less `n LN_2_LO`, rounded.
    almost: X,
}

#[inline(always)]
pub(super) fn reduce<S: Simd, X: Vector<S>>(simd: S, x: X) -> Reduced<X> {
    let n = (x * X::splat(simd, X::Scalar::LOG2_E)).round();
    reduce_by(simd, n, x)
}

/// The same where `n` is there before `x` is.
#[inline(always)]
pub(super) fn reduce_by<S: Simd, X: Vector<S>>(simd: S, n: X, x: X) -> Reduced<X> {
    let splat = |x| X::splat(simd, x);

    let almost = (-n).mul_add(splat(X::Scalar::LN_2_HI), x);
    let r = (-n).mul_add(splat(X::Scalar::LN_2_LO), almost);

    let q = polynomial(simd, X::Scalar::EXP_POLYNOMIAL, r);
    Reduced { n, r, q, almost }
}

impl<X> Reduced<X> {
    /// `eʳ`
    #[inline(always)]
    pub(super) fn exp<S>(&self, one: X) -> Wide<X>
    where
        X: Vector<S>,
    {
        let most = one + self.r;
        let rest = (self.r * self.r).mul_add(self.q, self.r - (most - one));
        let high = most + rest;
        Wide { high, low: rest - (high - most) }
    }

    /// `p + t eʳ`, for powers of two of which the larger is one; `smaller` is the other.
    #[inline(always)]
    pub(super) fn sum<S>(&self, one: X, smaller: X, t: X) -> Wide<X>
    where
        X: Vector<S>,
    {
        let tr = t * self.r;
        let trr = tr * self.r;
        let high = trr.mul_add(self.q, (one + smaller) + tr);
        // What the terms come to without `high`, which cancels.
        let low = trr.mul_add(self.q, ((one - high) + smaller) + tr);
        Wide { high, low }
    }
}

/// Two powers of two whose product is `2ⁿ`: on its own it may be too large or too small for a
/// normal number.
#[inline(always)]
pub(super) fn powers<S: Simd, X: Vector<S>>(simd: S, n: X) -> [X; 2] {
    let half = (n * X::splat(simd, X::Scalar::from_f64(0.5))).round();
    [half.exp2i(), (n - half).exp2i()]
}

/// `eˣ`. Infinite above the largest number, subnormal and then zero at the other end.
#[inline(always)]
pub fn exp<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    let splat = |x| X::splat(simd, x);
    let one = splat(X::Scalar::ONE);

    let x = splat(X::Scalar::EXP_MAX).min(splat(X::Scalar::EXP_MIN).max(x));
    let reduced = reduce(simd, x);
    let [first, second] = powers(simd, reduced.n);
    reduced.exp(one).high * first * second
}

/// `eˣ - 1`, accurate near zero.
#[inline(always)]
pub fn expm1<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    let splat = |x| X::splat(simd, x);
    let (half, one) = (splat(X::Scalar::from_f64(0.5)), splat(X::Scalar::ONE));

    let clamped = splat(X::Scalar::EXP_MAX).min(splat(-X::Scalar::EXPM1_MAX).max(x));
    let Reduced { n, r, q, almost } = reduce(simd, clamped);
    // What rounding took from `r`, times eʳ.
    let lost = (-n).mul_add(splat(X::Scalar::LN_2_LO), almost - r);
    let square = r * r;
    let high = square.mul_add(q, r);
    let low = square.mul_add(q, r - high) + lost.mul_add(high, lost);
    // Half the power, twice the result: 2ⁿ itself overflows before the result does.
    let power = (n - one).exp2i();
    let rest = power - half;
    let lost = (power - rest) - half;
    let sum = power.mul_add(high, rest);
    let low = power.mul_add(low, power.mul_add(high, rest - sum) + lost);
    let half_result = sum + low;
    // A tiny number is its own result; half of it may not be a number.
    let tiny = splat(X::Scalar::EPSILON * X::Scalar::from_f64(0.25));
    X::select_gt(tiny, x.abs(), x, half_result + half_result)
}

/// `σ(x) = 1 / (1 + e⁻ˣ)`, as `s / (s + t eʳ)` with `s / t = 2⁻ⁿ`: neither overflows.
#[inline(always)]
pub fn sigmoid<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    let splat = |x| X::splat(simd, x);
    let one = splat(X::Scalar::ONE);

    let x = splat(X::Scalar::SIGMOID_MAX).min(splat(X::Scalar::EXP_MIN).max(x));
    let reduced = reduce(simd, -x);
    // s may be too small for a normal number; lifted it is one.
    let (lift, drop) = X::Scalar::LIFT;
    let positive = splat(X::Scalar::ZERO).max(reduced.n);
    let lifted = (splat(lift) - positive).exp2i();
    let (s, t) = (lifted * splat(drop), (reduced.n - positive).exp2i());

    // One of them is one, so that their sum is one and the smaller.
    let below = reduced.sum(one, s.min(t), t);
    let reciprocal = one / below.high;
    // What is left of one: exact but for the low part.
    let rest = one.minus_product(reciprocal, below.high);
    let rest = (-reciprocal).mul_add(below.low, rest);
    // Times a power of two, before the rest is known.
    let lifted = reciprocal * lifted;
    rest.mul_add(lifted, lifted) * splat(drop)
}

/// `deˣ/dx = y`, from `y = eˣ`.
#[inline(always)]
pub fn exp_grad<S: Simd, X: Vector<S>>(_: S, y: X) -> X {
    y
}

/// `d(eˣ - 1)/dx = y + 1`, from `y = eˣ - 1`.
#[inline(always)]
pub fn expm1_grad<S: Simd, X: Vector<S>>(simd: S, y: X) -> X {
    y + X::splat(simd, X::Scalar::ONE)
}

/// `dσ/dx = y (1 - y)`, from `y = σ(x)`.
#[inline(always)]
pub fn sigmoid_grad<S: Simd, X: Vector<S>>(simd: S, y: X) -> X {
    y * (X::splat(simd, X::Scalar::ONE) - y)
}
