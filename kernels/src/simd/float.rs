//! The two scalars, and the constants their kernels are made of.

use core::fmt::{Debug, Display};
use core::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use super::{Simd, Vector};

/// `f32` or `f64`: the scalar that a kernel is generic over.
pub trait Float:
    bytemuck::Pod
    + Copy
    + Debug
    + Default
    + Display
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// The vector of `Self` on instruction set `S`.
    type On<S: Simd>: Vector<S, Scalar = Self>;

    /// `"f32"` or `"f64"`.
    const NAME: &'static str;

    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// The distance from one to the next larger number.
    const EPSILON: Self;

    /// log₂ e
    const LOG2_E: Self;
    /// ln 2 in two parts: `n * LN_2_HI` is exact for every exponent `n`.
    const LN_2_HI: Self;
    /// What `LN_2_HI` lacks.
    const LN_2_LO: Self;
    /// The polynomial `q` in `eʳ = 1 + r + r² q(r)`, the highest coefficient first: as long as
    /// this precision can tell where `|r| ≤ ln 2 / 2`.
    const EXP_POLYNOMIAL: &'static [Self];
    /// `e^x` overflows above.
    const EXP_MAX: Self;
    /// `e^x` rounds to zero below.
    const EXP_MIN: Self;
    /// `e^-x - 1` rounds to minus one above.
    const EXPM1_MAX: Self;
    /// `σ(x)` rounds to one above.
    const SIGMOID_MAX: Self;
    /// `tanh x` rounds to one above.
    const TANH_MAX: Self;
    /// `(k, 2^-k)`: `2^(k-n)` is normal wherever `2^-n` is not zero and `n` not negative.
    const LIFT: (Self, Self);

    /// The nearest number of this type.
    fn from_f64(x: f64) -> Self;
    /// The same number as `f64`, exactly.
    fn to_f64(self) -> f64;
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool;
}

/// The series `1/2! + r/3! + r²/4! + …` cut to `N` terms, the highest first, by economization:
/// each term dropped leaves behind the polynomial of lower degree that is nearest to it where
/// `|r| ≤ ln 2 / 2`. That is `rᵈ` less the Chebyshev polynomial of degree d, scaled to this interval
/// and a leading coefficient of one.
const fn economized<const N: usize>() -> [f64; N] {
    const TERMS: usize = 20;
    const LIMIT: f64 = core::f64::consts::LN_2 / 2.0;

    let mut series = [0.0; TERMS];
    let mut factorial = 1.0;
    let mut i = 0;
    while i < TERMS {
        factorial *= (i + 2) as f64;
        series[i] = 1.0 / factorial;
        i += 1;
    }

    let mut degree = TERMS - 1;
    while degree >= N {
        let mut term = series[degree];
        let mut power = degree;
        while power >= 2 {
            // The ratio of neighbours, from the differential equation of these polynomials.
            let steps = (power * (power - 1)) as f64;
            power -= 2;
            term *= -steps / (degree * degree - power * power) as f64 * (LIMIT * LIMIT);
            series[power] -= term;
        }
        degree -= 1;
    }

    let mut highest_first = [0.0; N];
    let mut i = 0;
    while i < N {
        highest_first[i] = series[N - 1 - i];
        i += 1;
    }
    highest_first
}

const EXP_POLYNOMIAL_F64: [f64; 11] = economized();
/// The five coefficients for which `|r (q - q*)|`, the error of `eʳ - 1` relative to `r`, is
/// smallest where `|r| ≤ ln 2 / 2`, by Remez exchange; rounded to `f32`, the longer three so that
/// it stays smallest: 0.26 · 2⁻²⁴. Economized, five terms are half as good.
const EXP_POLYNOMIAL_F32: [f32; 5] =
    [0.001_394_644_5, 0.008_366_577, 0.041_666_288, 0.166_665_43, 0.5];

impl Float for f32 {
    type On<S: Simd> = S::F32;

    const NAME: &'static str = "f32";
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    const EPSILON: f32 = f32::EPSILON;
    const LOG2_E: f32 = core::f32::consts::LOG2_E;
    // 355 / 512: nine bits, so that nine more are left for the exponent.
    const LN_2_HI: f32 = 0.693_359_4;
    const LN_2_LO: f32 = -2.121_944_4e-4;
    const EXP_POLYNOMIAL: &'static [f32] = &EXP_POLYNOMIAL_F32;
    const EXP_MAX: f32 = 89.0;
    const EXP_MIN: f32 = -104.0;
    const EXPM1_MAX: f32 = 20.0;
    const SIGMOID_MAX: f32 = 20.0;
    const TANH_MAX: f32 = 10.0;
    const LIFT: (f32, f32) = (64.0, 1.0 / (1u128 << 64) as f32);

    #[inline(always)]
    fn from_f64(x: f64) -> f32 {
        x as f32
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn is_finite(self) -> bool {
        f32::is_finite(self)
    }
}

impl Float for f64 {
    type On<S: Simd> = S::F64;

    const NAME: &'static str = "f64";
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    const EPSILON: f64 = f64::EPSILON;
    const LOG2_E: f64 = core::f64::consts::LOG2_E;
    // The upper 32 bits of ln 2.
    const LN_2_HI: f64 = 0.693_147_180_369_123_8;
    const LN_2_LO: f64 = 1.908_214_929_270_587_7e-10;
    const EXP_POLYNOMIAL: &'static [f64] = &EXP_POLYNOMIAL_F64;
    const EXP_MAX: f64 = 710.0;
    const EXP_MIN: f64 = -746.0;
    const EXPM1_MAX: f64 = 40.0;
    const SIGMOID_MAX: f64 = 40.0;
    const TANH_MAX: f64 = 20.0;
    const LIFT: (f64, f64) = (120.0, 1.0 / (1u128 << 120) as f64);

    #[inline(always)]
    fn from_f64(x: f64) -> f64 {
        x
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest `|r (q(r) - q*(r))|` over `|r| ≤ ln 2 / 2`, in units of `ε / 2`.
    fn error<T: Float>() -> f64 {
        let limit = core::f64::consts::LN_2 / 2.0;
        let errors = (-1000..=1000).map(|i| {
            let r = limit * f64::from(i) / 1000.0;
            let highest_first = T::EXP_POLYNOMIAL.iter().map(|c| c.to_f64());
            let q = highest_first.fold(0.0, |q, c| q * r + c);
            // 1/2! + r/3! + r²/4! + …
            let exact = (3..23).rev().fold(1.0, |tail, i| 1.0 + r * tail / f64::from(i)) / 2.0;
            (r * (q - exact)).abs()
        });
        errors.fold(0.0, f64::max) / (T::EPSILON.to_f64() / 2.0)
    }

    #[test]
    fn the_polynomials_of_exp_are_as_good_as_stated() {
        assert!(error::<f32>() < 0.26);
        // Less than this test can tell in f64.
        assert!(error::<f64>() < 1.0);
    }
}
