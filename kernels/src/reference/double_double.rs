//! Numbers to a hundred bits, in pairs of `f64` whose sum is the number (T. Dekker, *A
//! Floating-Point Technique for Extending the Available Precision*, 1971).

use core::ops::{Add, Mul, Neg};

use crate::simd::{Simd, Vector};

/// A vector of `f64`.
pub(super) trait Doubles<S>: Vector<S, Scalar = f64> {}

impl<S, X: Vector<S, Scalar = f64>> Doubles<S> for X {}

/// `high + low`, with `low` at most half a unit in the last place of `high`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wide<S, X> {
    pub(super) simd: S,
    pub(super) high: X,
    pub(super) low: X,
}

/// `1 / n` as `high + low`.
pub(super) const fn reciprocal(n: u64) -> [f64; 2] {
    let high = 1.0 / n as f64;
    // high = digits / 2^places, so the rest is (2^places - n digits) / n / 2^places.
    let digits = (high.to_bits() & ((1 << 52) - 1)) | 1 << 52;
    let places = 1023 + 52 - (high.to_bits() >> 52) as u32;
    let rest = (1 << places) - digits as i128 * n as i128;
    [high, rest as f64 / n as f64 / (1u128 << places) as f64]
}

impl<S: Simd, X: Doubles<S>> Wide<S, X> {
    /// `high + low` in every lane, rounded to two numbers before.
    #[inline(always)]
    pub(super) fn splat(simd: S, [high, low]: [f64; 2]) -> Self {
        Wide { simd, high: X::splat(simd, high), low: X::splat(simd, low) }
    }

    #[inline(always)]
    pub(super) fn from(simd: S, high: X) -> Self {
        Wide { simd, high, low: X::splat(simd, 0.0) }
    }

    /// `a + b`, exactly (D. Knuth).
    #[inline(always)]
    pub(super) fn sum(simd: S, a: X, b: X) -> Self {
        let high = a + b;
        let added = high - a;
        Wide { simd, high, low: (a - (high - added)) + (b - added) }
    }

    /// `a b`, exactly.
    #[inline(always)]
    pub(super) fn product(simd: S, a: X, b: X) -> Self {
        let high = a * b;
        Wide { simd, high, low: -high.minus_product(a, b) }
    }

    /// Times a power of two.
    #[inline(always)]
    pub(super) fn scaled(self, power: X) -> Self {
        Wide { high: self.high * power, low: self.low * power, ..self }
    }

    /// Long division: each digit is the quotient of what the ones before have left.
    #[inline(always)]
    pub(super) fn over(self, other: Self) -> Self {
        let first = self.high / other.high;
        let rest = self + Wide::from(self.simd, -first) * other;
        let second = rest.high / other.high;
        let rest = rest + Wide::from(self.simd, -second) * other;
        let third = rest.high / other.high;
        Wide::sum(self.simd, first, second) + Wide::from(self.simd, third)
    }

    /// `yes` where `a > b`, else `no`.
    #[inline(always)]
    pub(super) fn select_gt(a: X, b: X, yes: Self, no: Self) -> Self {
        let select = |yes, no| X::select_gt(a, b, yes, no);
        Wide { high: select(yes.high, no.high), low: select(yes.low, no.low), ..yes }
    }
}

impl<S: Simd, X: Doubles<S>> Neg for Wide<S, X> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Wide { high: -self.high, low: -self.low, ..self }
    }
}

impl<S: Simd, X: Doubles<S>> Add for Wide<S, X> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let high = Wide::sum(self.simd, self.high, other.high);
        let low = Wide::sum(self.simd, self.low, other.low);
        let sum = Wide::sum(self.simd, high.high, high.low + low.high);
        Wide::sum(self.simd, sum.high, sum.low + low.low)
    }
}

impl<S: Simd, X: Doubles<S>> Mul for Wide<S, X> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let product = Wide::product(self.simd, self.high, other.high);
        let cross = self.high * other.low + self.low * other.high;
        Wide::sum(self.simd, product.high, product.low + cross)
    }
}
