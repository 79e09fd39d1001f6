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

use crate::simd::{Float, Simd, V, Vector};

/// `(n, eʳ - 1)` of `x = n ln 2 + r`.
#[inline(always)]
fn reduced_expm1<S: Simd, T: Float>(simd: S, x: V<S, T>) -> (V<S, T>, V<S, T>) {
    let splat = |x| V::<S, T>::splat(simd, x);

    let n = (x * splat(T::LOG2_E)).round();
    let r = (-n).mul_add(splat(T::LN_2_HI), x);
    let r = (-n).mul_add(splat(T::LN_2_LO), r);

    let mut q = splat(T::EXP_POLYNOMIAL[0]);
    for &coefficient in &T::EXP_POLYNOMIAL[1..] {
        q = q.mul_add(r, splat(coefficient));
    }
    (n, (r * r).mul_add(q, r))
}

/// `eˣ`. Infinite above the largest number, subnormal and then zero at the other end.
#[inline(always)]
pub fn exp<S: Simd, T: Float>(simd: S, x: V<S, T>) -> V<S, T> {
    let splat = |x| V::<S, T>::splat(simd, x);

    let x = splat(T::EXP_MAX).min(splat(T::EXP_MIN).max(x));
    let (n, expm1_r) = reduced_expm1::<S, T>(simd, x);
    let exp_r = splat(T::ONE) + expm1_r;
    // 2ⁿ in two steps: on its own it may be too large or too small for a normal number.
    let half = (n * splat(T::from_f64(0.5))).round();
    exp_r * half.exp2i() * (n - half).exp2i()
}

/// `eˣ - 1`, accurate near zero.
#[inline(always)]
pub fn expm1<S: Simd, T: Float>(simd: S, x: V<S, T>) -> V<S, T> {
    let splat = |x| V::<S, T>::splat(simd, x);

    let clamped = splat(T::EXP_MAX).min(splat(-T::EXPM1_MAX).max(x));
    let (n, expm1_r) = reduced_expm1::<S, T>(simd, clamped);
    // Half the power, twice the result: 2ⁿ itself overflows before the result does.
    let half = (n - splat(T::ONE)).exp2i();
    let half_result = half.mul_add(expm1_r, half - splat(T::from_f64(0.5)));
    (half_result + half_result).copysign(x)
}

/// `σ(x) = 1 / (1 + e⁻ˣ)`. With `|x| = n ln 2 + r` it is `2⁻ⁿ / (2⁻ⁿ + eʳ)` where `x` is negative,
/// as accurate when tiny as elsewhere, and one minus that where it is not.
#[inline(always)]
pub fn sigmoid<S: Simd, T: Float>(simd: S, x: V<S, T>) -> V<S, T> {
    let splat = |x| V::<S, T>::splat(simd, x);
    let (zero, one) = (splat(T::ZERO), splat(T::ONE));

    let (n, expm1_r) = reduced_expm1::<S, T>(simd, splat(-T::EXP_MIN).min(x.abs()));
    // Lifted by a fixed power of two 2⁻ⁿ is normal however small, and one product lowers it again.
    let (lift, lower) = T::LIFT;
    let power = (splat(lift) - n).exp2i() * splat(lower);
    // One comes last: a small power would be lost on it.
    let y = power / (one + (power + expm1_r));
    V::<S, T>::select_gt(zero, x, y, one - y)
}

/// `tanh |x| = (1 - e) / (1 + e)` with `e = e^(-2|x|)`, then the sign of `x`.
#[inline(always)]
pub fn tanh<S: Simd, T: Float>(simd: S, x: V<S, T>) -> V<S, T> {
    let splat = |x| V::<S, T>::splat(simd, x);
    let (one, two) = (splat(T::ONE), splat(T::from_f64(2.0)));

    let magnitude = splat(T::TANH_MAX).min(x.abs());
    let (n, expm1_r) = reduced_expm1::<S, T>(simd, -two * magnitude);
    // As |x| grows one side rises and the other falls, so that their quotient never steps back.
    let power = n.exp2i();
    let above = (-power).mul_add(expm1_r, one - power);
    let below = power.mul_add(expm1_r, one + power);
    (above / below).copysign(x)
}

/// `max(x, 0)`; NaN stays NaN.
#[inline(always)]
pub fn relu<S: Simd, T: Float>(simd: S, x: V<S, T>) -> V<S, T> {
    V::<S, T>::splat(simd, T::ZERO).max(x)
}

/// `dσ/dx = y (1 - y)`, from `y = σ(x)`.
#[inline(always)]
pub fn sigmoid_grad<S: Simd, T: Float>(simd: S, y: V<S, T>) -> V<S, T> {
    y * (V::<S, T>::splat(simd, T::ONE) - y)
}

/// `dtanh/dx = 1 - y²`, from `y = tanh x`.
#[inline(always)]
pub fn tanh_grad<S: Simd, T: Float>(simd: S, y: V<S, T>) -> V<S, T> {
    (-y).mul_add(y, V::<S, T>::splat(simd, T::ONE))
}

/// `drelu/dx`: one where `y = relu(x)` is positive, else zero.
#[inline(always)]
pub fn relu_grad<S: Simd, T: Float>(simd: S, y: V<S, T>) -> V<S, T> {
    let splat = |x| V::<S, T>::splat(simd, x);
    V::<S, T>::select_gt(y, splat(T::ZERO), splat(T::ONE), splat(T::ZERO))
}
