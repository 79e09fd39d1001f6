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
    + crate::gemm::Compiled
    + 'static
{
    /// The vector of `Self` on instruction set `S`.
    type On<S: Simd>: Vector<S, Scalar = Self>;

    /// `"f32"` or `"f64"`.
    const NAME: &'static str;

    /// Bits of the fraction.
    const MANTISSA: i32;
    /// The exponent of the largest power of two.
    const MAX_EXPONENT: i32;

    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// ∞
    const INFINITY: Self;
    /// Not a number.
    const NAN: Self;
    /// The distance from one to the next larger number.
    const EPSILON: Self;
    /// The smallest magnitude that [`Vector::flush`] keeps: 2³¹ times the smallest normal number, so that products
    /// with numbers down to 2⁻³¹ are still normal. Arithmetic with numbers that are not takes a hundred times as
    /// long on some CPUs.
    const FLUSH_MIN: Self;

    /// log₂ e
    const LOG2_E: Self;
    /// ln 2 in two parts: `n * LN_2_HI` is exact for every exponent `n`.
    const LN_2_HI: Self;
    /// What `LN_2_HI` lacks.
    const LN_2_LO: Self;
    /// The polynomial `q` in `eʳ = 1 + r + r² q(r)`, the highest coefficient first: as long as
    /// this precision can tell where `|r| ≤ ln 2 / 2`.
    const EXP_POLYNOMIAL: &'static [Self];
    /// The polynomial `q` in `log(1 + f) = f + f² q(f)`, the highest coefficient first, for
    /// `-¼ ≤ f ≤ ½`.
    const LOG_POLYNOMIAL: &'static [Self];
    /// The polynomial `p` in `erf x = x + x p(x² - ½)`, the highest coefficient first, for
    /// `|x| ≤ 1`.
    const ERF_POLYNOMIAL: &'static [Self];
    /// The polynomial `r` in `erf x = 1 - e^(-x²) r(x - 1½)`, the highest coefficient first, for
    /// `1 ≤ x ≤ ERF_MAX`.
    const ERFCX_POLYNOMIAL: &'static [Self];
    /// `e^x` overflows above.
    const EXP_MAX: Self;
    /// `e^x` rounds to zero below.
    const EXP_MIN: Self;
    /// `e^-x - 1` rounds to minus one above.
    const EXPM1_MAX: Self;
    /// `σ(x)` rounds to one above, and softplus to `x`.
    const SIGMOID_MAX: Self;
    /// `tanh x` rounds to one above.
    const TANH_MAX: Self;
    /// `tanh x` in pieces, up to `TANH_MAX`; none, where eight are too few.
    const TANH_PIECES: Option<&'static Pieces<Self>>;
    /// `erf x` rounds to one above.
    const ERF_MAX: Self;
    /// `(k, 2^-k)`: `2^(k-n)` is normal wherever `2^-n` is not zero and `n` not negative.
    const LIFT: (Self, Self);

    /// The nearest number of this type.
    fn from_f64(x: f64) -> Self;
    /// The same number as `f64`, exactly.
    fn to_f64(self) -> f64;
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool;
    /// The exponent as it is stored and the first bit of the fraction, modulo 8: see [`Vector::lookup`].
    fn half_octave(self) -> usize;
}

/// A function of positive numbers as eight polynomials, each array in the order of [`Vector::lookup`]: in a piece with
/// the center `c`, at `x = c + r`, it is `f(c) + r q(r)`. Below ¾, which is the piece of [½, ¾), it is `x + x q(x²)`.
///
/// Each array lies in one cache line, so that it does not matter to time which of its elements is read.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Pieces<T> {
    /// `c`: zero below ¾.
    pub centers: [T; 8],
    /// `f(c)`: not used below ¾.
    pub values: [T; 8],
    /// The coefficients of `q`.
    pub highest_first: [[T; 8]; 7],
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

// The polynomials below are by Remez exchange in 50 digits, with the weight that is named. The
// lowest coefficients were rounded first, one after the other, and those above fitted anew each
// time. Errors are of the rounded coefficients.

/// `(log(1 + f) - f) / f²` on [-¼, ½], error relative to `log(1 + f)`: 0.13 · 2⁻²⁴.
const LOG_POLYNOMIAL_F32: [f32; 9] = [
    -0.045_962_244,
    0.105_815_42,
    -0.132_056_18,
    0.144_753_47,
    -0.166_427_4,
    0.199_903_95,
    -0.250_001_94,
    0.333_334_62,
    -0.5,
];
/// The same, 0.11 · 2⁻⁵³.
const LOG_POLYNOMIAL_F64: [f64; 20] = [
    0.008_061_081_441_336_805,
    -0.029_366_314_592_128_604,
    0.050_757_719_563_587_86,
    -0.059_778_818_282_856_46,
    0.060_872_220_842_249_955,
    -0.062_490_599_377_013_484,
    0.066_422_636_516_507_19,
    -0.071_384_260_017_729_13,
    0.076_934_824_812_333_82,
    -0.083_337_321_419_780_4,
    0.090_908_895_719_947_23,
    -0.099_999_837_433_436_93,
    0.111_111_107_994_769_03,
    -0.125_000_003_503_592_64,
    0.142_857_143_013_706_08,
    -0.166_666_666_627_451_55,
    0.199_999_999_998_160_5,
    -0.250_000_000_000_196_6,
    0.333_333_333_333_339_5,
    -0.499_999_999_999_999_7,
];
/// `erf x / x - 1` in `x² - ½` for `x` in [0, 1], error relative to `erf x / x`: 0.04 · 2⁻²⁴.
const ERF_POLYNOMIAL_F32: [f32; 7] = [
    8.013_725e-5,
    -0.000_565_651_63,
    0.003_479_714,
    -0.018_283_274,
    0.079_410_03,
    -0.281_072_2,
    -0.034_531_26,
];
/// The same, 0.15 · 2⁻⁵³. Each was rounded for itself, and the lowest four then moved by a unit
/// where that helped.
const ERF_POLYNOMIAL_F64: [f64; 12] = [
    -7.779_470_107_951_072e-10,
    9.432_271_895_713_06e-9,
    -1.042_050_045_173_576_7e-7,
    1.053_632_414_370_904_5e-6,
    -9.614_808_359_663_19e-6,
    7.829_649_687_714_277e-5,
    -0.000_561_189_422_151_729_1,
    0.003_480_274_496_570_754_8,
    -0.018_283_884_489_151_31,
    0.079_409_986_755_936_87,
    -0.281_072_178_045_434_3,
    -0.034_531_261_330_132_7,
];
/// `e^(x²) erfc x` in `x - 1½` for `x` in [1, 4], error times `e^(-x²) / erf x`: 0.06 · 2⁻²⁴.
const ERFCX_POLYNOMIAL_F32: [f32; 9] = [
    9.642_274_4e-5,
    -0.000_611_391_73,
    0.001_962_68,
    -0.005_189_916_6,
    0.013_358_651,
    -0.032_923_695,
    0.076_152_98,
    -0.163_623_11,
    0.321_585_4,
];
/// The same for `x` in [1, 6], 0.04 · 2⁻⁵³.
const ERFCX_POLYNOMIAL_F64: [f64; 22] = [
    -1.413_816_024_780_058_6e-13,
    4.021_142_432_346_427_5e-12,
    -5.250_643_520_385_843_4e-11,
    4.258_496_910_261_094_3e-10,
    -2.473_599_909_140_959_3e-9,
    1.139_604_879_737_777_2e-8,
    -4.543_415_723_505_15e-8,
    1.678_176_494_662_483_6e-7,
    -5.967_614_261_418_609e-7,
    2.067_292_771_502_965_4e-6,
    -6.974_825_744_062_901e-6,
    2.286_411_669_713_222_3e-5,
    -7.265_891_592_636_327e-5,
    0.000_223_309_989_916_462_32,
    -0.000_661_930_073_868_071_4,
    0.001_886_134_871_537_402_2,
    -0.005_145_957_547_015_011,
    0.013_377_340_953_413_173,
    -0.032_930_905_299_603_24,
    0.076_151_039_855_468_4,
    -0.163_622_917_732_559_71,
    0.321_585_416_454_317_54,
];

/// Where `tanh` is cut: at the seams of [`Vector::lookup`], from ¾ on. From 3 on centers lie above the
/// middle: the slope falls fast, and what rounding does to the polynomial, which is in proportion to
/// the distance from the center, must not outdo it. Values at centers are off by less than
/// 3 · 10⁻⁵ ULP (S. Gal, *Computing Elementary Functions: A New Approach for Achieving High Accuracy
/// and Good Performance*, 1985). Below ¾ it is `x + x q(x²)`.
///
/// Least squares in 40 digits, weighted anew until the largest error relative to `tanh x` was
/// smallest; the lowest coefficients were rounded first, and those above fitted anew. It is
/// 0.09 · 2⁻²⁴ in [4, 6), elsewhere 0.03.
const TANH_PIECES: Pieces<f32> = Pieces {
    centers: [
        2.502_219,
        3.554_782_2,
        5.199_077,
        8.115_033,
        0.0,
        0.875_142,
        1.249_711_9,
        1.749_190_6,
    ],
    values: [
        0.986_673_2,
        0.998_366_83,
        0.999_939,
        0.999_999_8,
        0.0,
        0.703_977_2,
        0.848_202_8,
        0.941_283_35,
    ],
    highest_first: [
        [
            5.928_479_7e-5,
            4.183_447_5e-5,
            2.611_748e-6,
            2.027_515_6e-8,
            0.001_741_756_7,
            0.044_318_43,
            -0.004_452_179,
            -0.001_993_658_7,
        ],
        [
            -0.000_698_016_67,
            -0.000_141_066_76,
            -5.610_108e-6,
            1.298_868_4e-8,
            -0.007_665_812_5,
            0.012_755_692,
            0.015_094_084,
            0.002_093_33,
        ],
        [
            0.002_852_197_3,
            0.000_423_070_2,
            1.504_417_6e-5,
            4.256_063_2e-8,
            0.021_457_793,
            -0.059_771_89,
            -0.019_228_414,
            0.003_690_399,
        ],
        [
            -0.008_019_129,
            -0.001_075_061_3,
            -4.069_910_6e-5,
            -1.568_567_9e-7,
            -0.053_894_535,
            0.060_757_77,
            -0.012_556_505,
            -0.023_538_06,
        ],
        [
            0.016_949_367,
            0.002_165_262_6,
            8.169_587e-5,
            2.308_372_7e-7,
            0.133_327_2,
            0.081_849_31,
            0.108_325_265,
            0.062_997_59,
        ],
        [
            -0.026_123_075,
            -0.003_258_353,
            -0.000_121_913_254,
            -3.460_493_5e-7,
            -0.333_333_16,
            -0.355_097_44,
            -0.237_965,
            -0.107_292_77,
        ],
        [
            0.026_476_05,
            0.003_263_664_4,
            0.000_121_911_54,
            3.593_828_2e-7,
            0.0,
            0.504_416_05,
            0.280_551_97,
            0.113_985_665,
        ],
    ],
};

impl Float for f32 {
    type On<S: Simd> = S::F32;

    const NAME: &'static str = "f32";
    const MANTISSA: i32 = f32::MANTISSA_DIGITS as i32 - 1;
    const MAX_EXPONENT: i32 = f32::MAX_EXP - 1;
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    const INFINITY: f32 = f32::INFINITY;
    const NAN: f32 = f32::NAN;
    const EPSILON: f32 = f32::EPSILON;
    const FLUSH_MIN: f32 = f32::MIN_POSITIVE * (1u32 << 31) as f32;
    const LOG2_E: f32 = core::f32::consts::LOG2_E;
    // 355 / 512: nine bits, so that nine more are left for the exponent.
    const LN_2_HI: f32 = 0.693_359_4;
    const LN_2_LO: f32 = -2.121_944_4e-4;
    const EXP_POLYNOMIAL: &'static [f32] = &EXP_POLYNOMIAL_F32;
    const LOG_POLYNOMIAL: &'static [f32] = &LOG_POLYNOMIAL_F32;
    const ERF_POLYNOMIAL: &'static [f32] = &ERF_POLYNOMIAL_F32;
    const ERFCX_POLYNOMIAL: &'static [f32] = &ERFCX_POLYNOMIAL_F32;
    const EXP_MAX: f32 = 89.0;
    const EXP_MIN: f32 = -104.0;
    const EXPM1_MAX: f32 = 20.0;
    const SIGMOID_MAX: f32 = 20.0;
    const TANH_MAX: f32 = 9.02;
    const TANH_PIECES: Option<&'static Pieces<f32>> = Some(&TANH_PIECES);
    const ERF_MAX: f32 = 4.0;
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

    #[inline(always)]
    fn half_octave(self) -> usize {
        (self.to_bits() >> (f32::MANTISSA_DIGITS - 2)) as usize % 8
    }
}

impl Float for f64 {
    type On<S: Simd> = S::F64;

    const NAME: &'static str = "f64";
    const MANTISSA: i32 = f64::MANTISSA_DIGITS as i32 - 1;
    const MAX_EXPONENT: i32 = f64::MAX_EXP - 1;
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    const INFINITY: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;
    const EPSILON: f64 = f64::EPSILON;
    const FLUSH_MIN: f64 = f64::MIN_POSITIVE * (1u32 << 31) as f64;
    const LOG2_E: f64 = core::f64::consts::LOG2_E;
    // The upper 32 bits of ln 2.
    const LN_2_HI: f64 = 0.693_147_180_369_123_8;
    const LN_2_LO: f64 = 1.908_214_929_270_587_7e-10;
    const EXP_POLYNOMIAL: &'static [f64] = &EXP_POLYNOMIAL_F64;
    const LOG_POLYNOMIAL: &'static [f64] = &LOG_POLYNOMIAL_F64;
    const ERF_POLYNOMIAL: &'static [f64] = &ERF_POLYNOMIAL_F64;
    const ERFCX_POLYNOMIAL: &'static [f64] = &ERFCX_POLYNOMIAL_F64;
    const EXP_MAX: f64 = 710.0;
    const EXP_MIN: f64 = -746.0;
    const EXPM1_MAX: f64 = 40.0;
    const SIGMOID_MAX: f64 = 40.0;
    const TANH_MAX: f64 = 20.0;
    const TANH_PIECES: Option<&'static Pieces<f64>> = None;
    const ERF_MAX: f64 = 6.0;
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

    #[inline(always)]
    fn half_octave(self) -> usize {
        (self.to_bits() >> (f64::MANTISSA_DIGITS - 2)) as usize % 8
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

    /// Errors of each piece and of its value at the center, in units of `ε / 2`.
    #[test]
    fn the_pieces_of_tanh_are_as_good_as_stated() {
        let from = [2.0, 3.0, 4.0, 6.0, 0.0, 0.75, 1.0, 1.5];
        let to = [3.0, 4.0, 6.0, f64::from(f32::TANH_MAX), 0.75, 1.0, 1.5, 2.0];
        let bounds = [0.030, 0.006, 0.088, 0.021, 0.029, 0.007, 0.005, 0.003];
        let unit = f64::from(f32::EPSILON) / 2.0;
        let Pieces { centers, values, highest_first } = &TANH_PIECES;
        for piece in 0..8 {
            let [center, value] = [centers, values].map(|table| f64::from(table[piece]));
            let q = |r: f64| highest_first.iter().fold(0.0, |q, c| q * r + f64::from(c[piece]));
            for i in 1..=1000 {
                let x = from[piece] + (to[piece] - from[piece]) * f64::from(i) / 1000.0;
                let tanh =
                    if x <= 0.75 { x + x * q(x * x) } else { value + (x - center) * q(x - center) };
                let error = (tanh / x.tanh() - 1.0).abs() / unit;
                assert!(error < bounds[piece], "{x}: {error}");
            }
            assert!(center == 0.0 || (value - center.tanh()).abs() / unit < 3e-5, "{center}");
        }
    }
}
