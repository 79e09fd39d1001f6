//! Functions of a vector, for kernels that have their operands in registers.
//!
//! All are free of branches, so their time does not depend on the data, and a lane's result does
//! not depend on its neighbours. NaN gives NaN.
//!
//! Everything rests on one reduction. With `x = n ln 2 + r`, `n` integral and `|r| ≤ ln 2 / 2`,
//!
//! ```text
//! eˣ     = 2ⁿ eʳ
//! eˣ - 1 = 2ⁿ (eʳ - 1) + (2ⁿ - 1)
//! ```
//!
//! and `eʳ - 1 = r + r² q(r)` by the Taylor polynomial `q` (W. J. Cody and W. Waite, *Software
//! Manual for the Elementary Functions*, 1980). `r` is exact to the last bit because `ln 2` is
//! subtracted in two parts.
//!
//! Errors in units in the last place (ULP) of the exact value, largest found with FMA:
//!
//! |      | `exp` | `expm1` | `sigmoid` | `tanh` |
//! |------|-------|---------|-----------|--------|
//! | f32  | 1.0   | 1.5     | 2.0       | 2.5    |
//! | f64  | 1.5   | 2.0     | 2.5       | 3.0    |

use crate::simd::{Float, Simd, V, Vector};

/// `(n, eʳ - 1)` of `x = n ln 2 + r`.
#[inline(always)]
fn reduced_expm1<S: Simd, T: Float>(simd: S, x: V<S, T>) -> (V<S, T>, V<S, T>) {
    let splat = |x| V::<S, T>::splat(simd, x);

    let n = (x * splat(T::LOG2_E)).round();
    let r = (-n).mul_add(splat(T::LN_2_HI), x);
    let r = (-n).mul_add(splat(T::LN_2_LO), r);

    let mut q = splat(T::EXP_TAYLOR[0]);
    for &coefficient in &T::EXP_TAYLOR[1..] {
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

/// `eˣ` for `x ≤ 0`, with one step of scaling less than [`exp`].
#[inline(always)]
fn exp_negative<S: Simd, T: Float>(simd: S, x: V<S, T>) -> V<S, T> {
    let splat = |x| V::<S, T>::splat(simd, x);

    let (n, expm1_r) = reduced_expm1::<S, T>(simd, splat(T::EXP_MIN).max(x));
    // Lifted by a fixed power of two 2ⁿ is normal however small, and one product lowers it again.
    let (lift, lower) = T::LIFT;
    let exp_r = splat(T::ONE) + expm1_r;
    exp_r * (n + splat(lift)).exp2i() * splat(lower)
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

/// `σ(x) = 1 / (1 + e⁻ˣ)`, as `1 / (1 + e)` or `e / (1 + e)` with `e = e^-|x|`, so that both ends
/// keep their relative accuracy.
#[inline(always)]
pub fn sigmoid<S: Simd, T: Float>(simd: S, x: V<S, T>) -> V<S, T> {
    let splat = |x| V::<S, T>::splat(simd, x);
    let (zero, one) = (splat(T::ZERO), splat(T::ONE));

    let e = exp_negative::<S, T>(simd, -x.abs());
    V::<S, T>::select_gt(zero, x, e, one) / (one + e)
}

/// `tanh x = -t / (2 + t)` with `t = e^(-2|x|) - 1`, then the sign of `x`.
#[inline(always)]
pub fn tanh<S: Simd, T: Float>(simd: S, x: V<S, T>) -> V<S, T> {
    let splat = |x| V::<S, T>::splat(simd, x);
    let (one, two) = (splat(T::ONE), splat(T::from_f64(2.0)));

    let magnitude = splat(T::TANH_MAX).min(x.abs());
    let (n, expm1_r) = reduced_expm1::<S, T>(simd, -two * magnitude);
    let power = n.exp2i();
    let t = power.mul_add(expm1_r, power - one);
    (-t / (two + t)).copysign(x)
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
