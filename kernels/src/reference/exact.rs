//! The activations to a hundred bits, and errors in units in the last place.

use super::double_double::{Doubles, Wide, reciprocal};
use crate::activation::Function;
use crate::simd::{Bundle, Float, Isa, Kernel, Simd, V, Vector};
use alloc::vec;
use alloc::vec::Vec;

/// What a function is of some numbers, exactly: right to some 2⁻⁹⁵ of the value.
///
/// Double-double arithmetic in vectors: series for `eʳ - 1` and `log (1 + f)` after the usual
/// reductions, and for `erf` the one without cancellation,
///
/// ```text
/// erf x = 2/√π x e^(-x²) Σ (2x²)ⁿ / (1 · 3 · 5 ⋯ (2n + 1)).
/// ```
///
/// Beyond 6½, where it differs from one by less than 2⁻⁶⁴, `erf` is one here.
///
/// ```
/// use kernels::{Isa, activation::Function, reference::Exact};
///
/// let x = [0.5, 1.0, 2.0];
/// let exact = Exact::of(Isa::best(), Function::Tanh, &x);
/// let errors = exact.ulps(&x.map(f64::tanh));
/// assert!(errors.iter().all(|&error| error < 2.0));
/// ```
#[derive(Clone, Debug)]
pub struct Exact {
    /// The values are `(high + low) 2^scale`: results may be beyond what `f64` can hold.
    high: Vec<f64>,
    low: Vec<f64>,
    scale: Vec<f64>,
}

impl Exact {
    /// `function` of `xs`, computed on `isa`.
    pub fn of<T: Float>(isa: Isa, function: Function, xs: &[T]) -> Exact {
        let xs: Vec<f64> = xs.iter().map(|x| x.to_f64()).collect();
        let zeros = || vec![0.0; xs.len()];
        let mut exact = Exact { high: zeros(), low: zeros(), scale: zeros() };
        isa.run(Evaluation { function, xs: &xs, exact: &mut exact });
        exact
    }

    /// By how many units in the last place of the exact value each of `ys` differs from it.
    ///
    /// A unit in the last place is the distance of neighbours of type `T` about the exact value, of
    /// subnormal ones too. Infinity counts as the power of two that would follow the largest
    /// number, on both sides. The error of a NaN is zero where the exact value is none, and
    /// infinite elsewhere, as is that of a number where there should be NaN.
    ///
    /// # Panics
    ///
    /// If there are not as many `ys` as exact values.
    #[track_caller]
    pub fn ulps<T: Float>(&self, ys: &[T]) -> Vec<f64> {
        assert_eq!(ys.len(), self.high.len(), "as many results as exact values");
        let exact = self.high.iter().zip(&self.low).zip(&self.scale);
        exact
            .zip(ys)
            .map(|(((&high, &low), &scale), &y)| ulps(high, low, scale as i32, y))
            .collect()
    }
}

/// `2^exponent`, of a normal number.
fn exp2i(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// `x 2^exponent`, in two steps: the power alone may be beyond the numbers there are.
#[inline(always)]
fn times_power_of_two(x: f64, exponent: i32) -> f64 {
    let half = exponent / 2;
    x * exp2i(half) * exp2i(exponent - half)
}

#[inline(always)]
fn ulps<T: Float>(high: f64, low: f64, scale: i32, y: T) -> f64 {
    if high.is_nan() {
        return if y.to_f64().is_nan() { 0.0 } else { f64::INFINITY };
    }
    let (lowest, highest) = (1 - T::MAX_EXPONENT, T::MAX_EXPONENT);
    let exponent = (high.to_bits() >> 52 & 0x7ff) as i32 - 1023 + scale;
    let (high, low, scale) = if exponent > highest {
        (1f64.copysign(high), 0.0, highest + 1)
    } else if exponent < lowest - T::MANTISSA - 100 {
        (0.0, 0.0, 0) // next to no unit
    } else {
        (high, low, scale)
    };
    let y = y.to_f64();
    let y = match y.is_infinite() {
        true => times_power_of_two(1f64.copysign(y), (highest + 1 - scale).min(1100)),
        false => times_power_of_two(y, -scale),
    };
    let last_place = exponent.clamp(lowest, highest) - T::MANTISSA;
    let error = times_power_of_two((y - high - low).abs(), scale - last_place);
    if error.is_nan() { f64::INFINITY } else { error }
}

/// ln 2 to 107 bits.
const LN_2: [f64; 2] = [core::f64::consts::LN_2, 2.319_046_813_846_299_6e-17];
/// 2/√π to 107 bits.
const FRAC_2_SQRT_PI: [f64; 2] = [core::f64::consts::FRAC_2_SQRT_PI, 1.533_545_961_316_588e-17];

/// A series goes on with single `f64` after this many terms, which are that much smaller.
const WIDE_TERMS: usize = 13;

/// 1/1!, 1/2!, …: 2⁻⁵³ (ln 2 / 2)¹³ / 14! < 2⁻¹⁰⁸, and (ln 2 / 2)²² / 23! < 2⁻¹⁰⁷.
const INVERSE_FACTORIALS: [[f64; 2]; 22] = {
    let (mut inverses, mut factorial, mut i) = ([[0.0; 2]; 22], 1u64, 0);
    while i < 22 {
        inverses[i] = match i < WIDE_TERMS {
            true => {
                factorial *= i as u64 + 1;
                reciprocal(factorial)
            }
            false => [inverses[i - 1][0] / (i + 1) as f64, 0.0],
        };
        i += 1;
    }
    inverses
};

/// 1, 1/3, 1/5, …: no series is longer.
const INVERSE_ODDS: [[f64; 2]; 256] = {
    let (mut inverses, mut i) = ([[0.0; 2]; 256], 0);
    while i < 256 {
        inverses[i] = reciprocal(2 * i as u64 + 1);
        i += 1;
    }
    inverses
};
/// Terms of the series of `artanh s`: 0.2²·²⁴ < 2⁻¹⁰⁷.
const ARTANH_TERMS: usize = 24;

/// Below this, a function that is zero at zero is a multiple of its operand.
const TINY: f64 = f64::from_bits((1023 - 600) << 52);
/// By as many powers of two a smaller operand is made larger, for the digits of its products.
const LIFT: f64 = 400.0;

/// The polynomial of these coefficients, the lowest first, at `x`.
#[inline(always)]
fn series<S: Simd, X: Doubles<S>>(coefficients: &[[f64; 2]], x: Wide<S, X>) -> Wide<S, X> {
    let simd = x.simd;
    let (wide, narrow) = coefficients.split_at(WIDE_TERMS);
    let mut rest = X::splat(simd, 0.0);
    for &[coefficient, _] in narrow.iter().rev() {
        rest = rest.mul_add(x.high, X::splat(simd, coefficient));
    }
    let mut sum = Wide::from(simd, rest);
    for &coefficient in wide.iter().rev() {
        sum = sum * x + Wide::splat(simd, coefficient);
    }
    sum
}

/// `(eʳ - 1, n)` of `x = n ln 2 + r`.
#[inline(always)]
fn reduced_expm1<S: Simd, X: Doubles<S>>(x: Wide<S, X>) -> (Wide<S, X>, X) {
    let simd = x.simd;
    let n = (x.high * X::splat(simd, core::f64::consts::LOG2_E)).round();
    let r = x + Wide::from(simd, -n) * Wide::splat(simd, LN_2);
    (r * series(&INVERSE_FACTORIALS, r), n)
}

/// `(e, n)` with `eˣ = 2ⁿ e`.
#[inline(always)]
fn exp<S: Simd, X: Doubles<S>>(x: Wide<S, X>) -> (Wide<S, X>, X) {
    let (expm1, n) = reduced_expm1(x);
    (expm1 + Wide::splat(x.simd, [1.0, 0.0]), n)
}

/// `(y, n)` with `eˣ - 1 = 2ⁿ y`, `n` not negative.
#[inline(always)]
fn expm1<S: Simd, X: Doubles<S>>(x: Wide<S, X>) -> (Wide<S, X>, X) {
    let simd = x.simd;
    let (zero, one) = (X::splat(simd, 0.0), X::splat(simd, 1.0));
    let (expm1, n) = reduced_expm1(x);
    // The smaller of 2ⁿ and 2⁻ⁿ, as long as it counts.
    let power = X::splat(simd, -200.0).max(-n.abs()).exp2i();
    let grown = expm1 + Wide::sum(simd, one, -power);
    let shrunk = expm1.scaled(power) + Wide::sum(simd, power, -one);
    (Wide::select_gt(n, zero, grown, shrunk), zero.max(n))
}

/// `log(1 + x)`
#[inline(always)]
fn log1p<S: Simd, X: Doubles<S>>(x: Wide<S, X>) -> Wide<S, X> {
    let simd = x.simd;
    let splat = |x| X::splat(simd, x);
    let one = splat(1.0);
    // 1 + x = 2ᵏ (1 + f), -¼ ≤ f ≤ ½, and log(1 + f) = 2 artanh(f / (2 + f)).
    let exponent = ((one + x.high) * splat(2.0 / 3.0)).exponent();
    let power = (one - exponent).exp2i() * splat(0.25);
    let f = x.scaled(power) + Wide::sum(simd, power, -one);
    let s = f.over(f + Wide::splat(simd, [2.0, 0.0]));
    let artanh = s * series(&INVERSE_ODDS[..ARTANH_TERMS], s * s);
    let multiple = Wide::from(simd, exponent + one) * Wide::splat(simd, LN_2);
    artanh.scaled(splat(2.0)) + multiple
}

/// A function of one vector: the result, and the power of two that it is to be multiplied by.
trait Evaluate {
    fn evaluate<S: Simd, X: Doubles<S>>(&self, simd: S, x: X) -> (Wide<S, X>, X);
}

struct Exp;

impl Evaluate for Exp {
    #[inline(always)]
    fn evaluate<S: Simd, X: Doubles<S>>(&self, simd: S, x: X) -> (Wide<S, X>, X) {
        exp(Wide::from(simd, clamped(simd, x)))
    }
}

struct Expm1;

impl Evaluate for Expm1 {
    #[inline(always)]
    fn evaluate<S: Simd, X: Doubles<S>>(&self, simd: S, x: X) -> (Wide<S, X>, X) {
        let (x, lift) = lifted(simd, clamped(simd, x));
        let (expm1, n) = expm1(Wide::from(simd, x));
        (expm1, n - lift)
    }
}

struct Sigmoid;

impl Evaluate for Sigmoid {
    #[inline(always)]
    fn evaluate<S: Simd, X: Doubles<S>>(&self, simd: S, x: X) -> (Wide<S, X>, X) {
        let zero = X::splat(simd, 0.0);
        let one = Wide::splat(simd, [1.0, 0.0]);
        let (e, n) = exp(Wide::from(simd, -clamped(simd, x).abs()));
        let sum = e.scaled(X::splat(simd, -200.0).max(n).exp2i()) + one;
        (Wide::select_gt(zero, x, e, one).over(sum), X::select_gt(zero, x, n, zero))
    }
}

struct Tanh;

impl Evaluate for Tanh {
    #[inline(always)]
    fn evaluate<S: Simd, X: Doubles<S>>(&self, simd: S, x: X) -> (Wide<S, X>, X) {
        let (x, lift) = lifted(simd, clamped(simd, x));
        let (expm1, n) = expm1(Wide::from(simd, -(x + x).abs()));
        let tanh = expm1.over(expm1 + Wide::splat(simd, [2.0, 0.0]));
        (Wide::select_gt(X::splat(simd, 0.0), x, tanh, -tanh), n - lift)
    }
}

struct Log1p;

impl Evaluate for Log1p {
    #[inline(always)]
    fn evaluate<S: Simd, X: Doubles<S>>(&self, simd: S, x: X) -> (Wide<S, X>, X) {
        let splat = |x| X::splat(simd, x);
        let infinity = splat(f64::INFINITY);
        let (lifted, lift) = lifted(simd, x);
        let mut log = log1p(Wide::from(simd, lifted));
        // Infinite where x is, NaN below -1, and -∞ at it.
        log.high = X::select_gt(infinity, x, log.high, x);
        let beyond = X::select_gt(splat(-1.0), x, splat(f64::NAN), x - infinity);
        log.high = X::select_gt(x, splat(-1.0), log.high, beyond);
        (log, -lift)
    }
}

struct Softplus;

impl Evaluate for Softplus {
    #[inline(always)]
    fn evaluate<S: Simd, X: Doubles<S>>(&self, simd: S, x: X) -> (Wide<S, X>, X) {
        let splat = |x| X::splat(simd, x);
        // Where eˣ is smaller than this, it is its own log(1 + eˣ).
        let (zero, small) = (splat(0.0), splat(-200.0));
        let (e, n) = exp(Wide::from(simd, -clamped(simd, x).abs()));
        let log = log1p(e.scaled(small.max(n).exp2i())) + Wide::from(simd, zero.max(x));
        let vanishing = X::select_gt(small, n, -x, zero);
        let (mut result, scale) =
            (Wide::select_gt(vanishing, zero, e, log), X::select_gt(vanishing, zero, n, zero));
        result.high = X::select_gt(splat(f64::INFINITY), x, result.high, x);
        (result, scale)
    }
}

/// With as many terms of the series as the largest operand needs.
struct Erf(usize);

impl Erf {
    /// Beyond it is one.
    const MAX: f64 = 6.5;

    fn new(xs: &[f64]) -> Erf {
        let largest = xs.iter().map(|x| x.abs()).filter(|&x| x <= Erf::MAX).fold(0.0, f64::max);
        let (mut terms, mut term) = (1, 1.0);
        while term > 1.0 / (1u128 << 110) as f64 {
            term *= 2.0 * largest * largest * INVERSE_ODDS[terms][0];
            terms += 1;
        }
        Erf(terms)
    }
}

impl Evaluate for Erf {
    #[inline(always)]
    fn evaluate<S: Simd, X: Doubles<S>>(&self, simd: S, x: X) -> (Wide<S, X>, X) {
        let splat = |x| X::splat(simd, x);
        let one = Wide::splat(simd, [1.0, 0.0]);
        let within = X::select_gt(x.abs(), splat(Erf::MAX), splat(0.0), x);
        let (x_within, lift) = lifted(simd, within);
        let square = Wide::product(simd, x_within, x_within);
        let mut sum = one;
        for &inverse in INVERSE_ODDS[1..self.0].iter().rev() {
            sum = sum * square.scaled(splat(2.0)) * Wide::splat(simd, inverse) + one;
        }
        let (e, n) = exp(-square);
        let factor = Wide::splat(simd, FRAC_2_SQRT_PI) * Wide::from(simd, x_within);
        let (erf, scale) = (factor * sum * e, n - lift);

        let (size, max, zero) = (x.abs(), splat(Erf::MAX), splat(0.0));
        let beyond = Wide::from(simd, splat(1.0).copysign(x));
        (Wide::select_gt(size, max, beyond, erf), X::select_gt(size, max, zero, scale))
    }
}

/// Beyond a thousand all of them are flat, or beyond any `f64`.
#[inline(always)]
fn clamped<S: Simd, X: Doubles<S>>(simd: S, x: X) -> X {
    X::splat(simd, 1e3).min(X::splat(simd, -1e3).max(x))
}

/// `(2ⁿ x, n)`: `n` is zero but for tiny numbers.
#[inline(always)]
fn lifted<S: Simd, X: Doubles<S>>(simd: S, x: X) -> (X, X) {
    let splat = |x| X::splat(simd, x);
    let n = X::select_gt(splat(TINY), x.abs(), splat(LIFT), splat(0.0));
    (x * n.exp2i(), n)
}

struct Evaluation<'a> {
    function: Function,
    xs: &'a [f64],
    exact: &'a mut Exact,
}

impl Evaluation<'_> {
    #[inline(always)]
    fn each<S: Simd>(self, simd: S, function: impl Evaluate) {
        /// Abreast, since these chains are long.
        type Vectors<S> = Bundle<V<S, f64>, 2>;

        let lanes = <Vectors<S> as Vector<S>>::LANES;
        for at in (0..self.xs.len()).step_by(lanes) {
            let x = Vectors::<S>::load(simd, &self.xs[at..]);
            let (Wide { high, low, .. }, scale) = function.evaluate(simd, x);
            high.store(&mut self.exact.high[at..]);
            low.store(&mut self.exact.low[at..]);
            scale.store(&mut self.exact.scale[at..]);
        }
    }
}

impl Kernel for Evaluation<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.function {
            Function::Exp => self.each(simd, Exp),
            Function::Expm1 => self.each(simd, Expm1),
            Function::Sigmoid => self.each(simd, Sigmoid),
            Function::Tanh => self.each(simd, Tanh),
            Function::Softplus => self.each(simd, Softplus),
            Function::Log1p => self.each(simd, Log1p),
            Function::Erf => {
                let erf = Erf::new(self.xs);
                self.each(simd, erf)
            }
        }
    }
}
