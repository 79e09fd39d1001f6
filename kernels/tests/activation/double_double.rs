//! The functions to a hundred bits, in pairs of `f64` whose sum is the number (T. Dekker, *A
//! Floating-Point Technique for Extending the Available Precision*, 1971). Slow and obvious.

use std::ops::{Add, Div, Mul};

/// `high + low`, with `low` less than half a unit in the last place of `high`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wide {
    pub(crate) high: f64,
    pub(crate) low: f64,
}

/// ln 2 to 107 bits.
const LN_2: Wide = Wide { high: std::f64::consts::LN_2, low: 2.319_046_813_846_299_6e-17 };

impl Wide {
    fn sum(a: f64, b: f64) -> Wide {
        let high = a + b;
        let b_in = high - a;
        Wide { high, low: (a - (high - b_in)) + (b - b_in) }
    }

    fn product(a: f64, b: f64) -> Wide {
        let high = a * b;
        Wide { high, low: a.mul_add(b, -high) }
    }

    /// Long division: each digit is the quotient of what the ones before have left.
    fn over(self, other: Wide) -> Wide {
        let digit = |rest: Wide| rest.high / other.high;
        let less = |rest: Wide, digit: f64| rest + Wide::from(-digit) * other;
        let first = digit(self);
        let rest = less(self, first);
        let second = digit(rest);
        let third = digit(less(rest, second));
        Wide::sum(first, second) + Wide::from(third)
    }

    fn times_power_of_two(self, exponent: i32) -> Wide {
        let power = 2f64.powi(exponent);
        Wide { high: self.high * power, low: self.low * power }
    }
}

impl From<f64> for Wide {
    fn from(x: f64) -> Wide {
        Wide { high: x, low: 0.0 }
    }
}

impl Add for Wide {
    type Output = Wide;

    fn add(self, other: Wide) -> Wide {
        let high = Wide::sum(self.high, other.high);
        let low = Wide::sum(self.low, other.low);
        let sum = Wide::sum(high.high, high.low + low.high);
        Wide::sum(sum.high, sum.low + low.low)
    }
}

impl Mul for Wide {
    type Output = Wide;

    fn mul(self, other: Wide) -> Wide {
        let product = Wide::product(self.high, other.high);
        let cross = self.high * other.low + self.low * other.high;
        Wide::sum(product.high, product.low + cross)
    }
}

impl Div for Wide {
    type Output = Wide;

    fn div(self, other: Wide) -> Wide {
        self.over(other)
    }
}

/// `(eʳ - 1, n)` of `x = n ln 2 + r`. Beyond a thousand, where all functions are flat or beyond any
/// `f64`, it is that of a thousand.
fn reduced_expm1(x: f64) -> (Wide, i32) {
    const HALVINGS: i32 = 8;
    const TERMS: i32 = 10; // (ln 2 / 2⁹)¹¹ / 11! < 2^-130

    if x.abs() < 2f64.powi(-120) {
        return (Wide::from(x), 0); // and no product below underflows
    }
    let x = x.clamp(-1e3, 1e3);
    let n = (x / LN_2.high).round();
    let r = Wide::from(x) + Wide::from(-n) * LN_2;
    let r = r.times_power_of_two(-HALVINGS);
    // r (1 + r/2 (1 + r/3 (…)))
    let series = (2..=TERMS)
        .rev()
        .fold(Wide::from(1.0), |rest, i| Wide::from(1.0) + r * rest / Wide::from(f64::from(i)));
    // e²ʳ - 1 = (eʳ - 1) (eʳ - 1 + 2)
    let expm1 = (0..HALVINGS).fold(r * series, |half, _| half * (half + Wide::from(2.0)));
    (expm1, n as i32)
}

/// A number times a power of two: results may be smaller than a pair of `f64` can hold.
pub(crate) type Scaled = (Wide, i32);

pub(crate) fn exp(x: f64) -> Scaled {
    let (expm1_r, n) = reduced_expm1(x);
    (expm1_r + Wide::from(1.0), n)
}

pub(crate) fn expm1(x: f64) -> Scaled {
    // Far below, where 2ⁿ underflows, it is -1 all the same.
    let (expm1_r, n) = reduced_expm1(x.max(-200.0));
    if n > 0 {
        (expm1_r + Wide::sum(1.0, -2f64.powi(-n)), n)
    } else {
        (expm1_r.times_power_of_two(n) + Wide::sum(2f64.powi(n), -1.0), 0)
    }
}

pub(crate) fn sigmoid(x: f64) -> Scaled {
    let (e, n) = exp(-x.abs());
    let one_plus_e = e.times_power_of_two(n) + Wide::from(1.0);
    if x < 0.0 { (e / one_plus_e, n) } else { (Wide::from(1.0) / one_plus_e, 0) }
}

pub(crate) fn tanh(x: f64) -> Scaled {
    let (t, _) = expm1(-2.0 * x.abs());
    let tanh = t / (t + Wide::from(2.0));
    let sign = -1f64.copysign(x);
    (Wide { high: sign * tanh.high, low: sign * tanh.low }, 0)
}
