//! The functions themselves, each with its derivative beside it.
//!
//! | function      | of `x`                      | derivative                                |
//! |---------------|-----------------------------|-------------------------------------------|
//! | linear        | `x`                         | `1`                                       |
//! | relu          | `max(x, 0)`                 | `1` if `y > 0`, else `0`                  |
//! | relu6         | `min(max(x, 0), 6)`         | `1` if `0 < y < 6`, else `0`              |
//! | leaky relu    | `x` if `x > 0`, else `x/5`  | `1` if `y > 0`, else `1/5`                |
//! | elu, celu     | `x` if `x > 0`, else `eˣ-1` | `1` if `y > 0`, else `y + 1`              |
//! | selu          | `λ x` if `x > 0`, else `λ α (eˣ - 1)` | `λ` if `y ≥ 0`, else `y + λ α`  |
//! | softplus      | `ln(1 + eˣ)`                | `1 - e⁻ʸ`                                 |
//! | softsign      | `x / (1 + abs x)`           | `(1 - abs y)²`                            |
//! | sigmoid       | `1 / (1 + e⁻ˣ)`             | `y (1 - y)`                               |
//! | log sigmoid   | `-softplus(-x)`             | `1 - eʸ`                                  |
//! | hard sigmoid  | `relu6(x + 3) / 6`          | `1/6` if `0 < y < 1`, else `0`            |
//! | tanh          | `tanh x`                    | `1 - y²`                                  |
//! | exponential   | `eˣ`                        | `y`                                       |
//! | silu          | `x s`, `s = sigmoid x`      | `s + x s (1 - s)`                         |
//! | hard silu     | `x s`, `s = hard sigmoid x` | `s + x s'`                                |
//! | gelu          | `x Φ(x)`                    | `Φ(x) + x φ(x)`, the normal distribution  |
//! | gelu by tanh  | `x (1 + t)/2`, `t = tanh u` | `(1 + t)/2 + x (1 - t²) u'/2`             |
//! | hard tanh     | `min(max(x, -1), 1)`        | `1` if `-1 < y < 1`, else `0`             |
//! | tanh shrink   | `x - t`, `t = tanh x`       | `t²`                                      |
//! | soft shrink   | `x ∓ 1/2` outside of `±1/2`, else `0` | `1` if `y ≠ 0`, else `0`        |
//! | hard shrink   | `x` outside of `±1/2`, else `0` | `1` if `y ≠ 0`, else `0`              |
//! | squareplus    | `(x + r)/2`, `r = √(x² + 4)` | `(1 + x/r)/2`                            |
//! | sparse plus   | `0` below -1, `x` above 1, else `(x + 1)²/4` | `(1 + x)/2` between 0 and 1 |
//! | sparse sigmoid | `(x + 1)/2` between 0 and 1 | `1/2` if `0 < y < 1`, else `0`          |
//! | mish          | `x t`, `t = tanh softplus x` | `t + x (1 - t²) sigmoid x`               |
//!
//! `α` and `λ` are those of G. Klambauer et al., *Self-Normalizing Neural Networks*, 2017; in gelu by
//! tanh `u = √(2/π) (x + 0.044715 x³)` (D. Hendrycks and K. Gimpel, 2016).

use kernels::math;
use kernels::simd::{Float, Simd, Vector};

/// A function of one number.
pub(super) trait Function {
    /// Whether the derivative is taken from the operand: it does not follow from the output.
    const FROM_OPERAND: bool = false;

    fn of<S: Simd, X: Vector<S>>(simd: S, x: X) -> X;

    /// The derivative, from the output or from the operand.
    fn slope<S: Simd, X: Vector<S>>(simd: S, kept: X) -> X;
}

#[inline(always)]
fn splat<S: Simd, X: Vector<S>>(simd: S, x: f64) -> X {
    X::splat(simd, X::Scalar::from_f64(x))
}

/// `yes` where `low < x < high`, else 0.
#[inline(always)]
fn between<S: Simd, X: Vector<S>>(simd: S, x: X, (low, high): (f64, f64), yes: f64) -> X {
    let zero = splat(simd, 0.0);
    let below = X::select_gt(splat(simd, high), x, splat(simd, yes), zero);
    X::select_gt(x, splat(simd, low), below, zero)
}

/// `x` between two bounds; NaN stays.
#[inline(always)]
fn clip<S: Simd, X: Vector<S>>(simd: S, x: X, (low, high): (f64, f64)) -> X {
    let x = splat::<S, X>(simd, low).max(x);
    splat::<S, X>(simd, high).min(x)
}

macro_rules! functions {
    ($($name:ident: |$simd:ident, $x:ident| $of:expr, $kept:ident => $slope:expr;)*) => {$(
        pub(super) struct $name;

        impl Function for $name {
            functions!(@from $kept);

            #[inline(always)]
            fn of<S: Simd, X: Vector<S>>($simd: S, $x: X) -> X {
                $of
            }

            #[inline(always)]
            fn slope<S: Simd, X: Vector<S>>($simd: S, $kept: X) -> X {
                $slope
            }
        }
    )*};
    (@from x) => { const FROM_OPERAND: bool = true; };
    (@from y) => {};
}

const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const LEAK: f64 = 0.2;
const SHRINK: f64 = 0.5;

functions! {
    Linear: |_simd, x| x, y => { let _ = y; splat(_simd, 1.0) };
    Relu: |simd, x| math::relu(simd, x), y => math::relu_grad(simd, y);
    Relu6: |simd, x| clip(simd, x, (0.0, 6.0)), y => between(simd, y, (0.0, 6.0), 1.0);
    LeakyRelu:
        |simd, x| X::select_gt(x, splat(simd, 0.0), x, x * splat(simd, LEAK)),
        y => X::select_gt(y, splat(simd, 0.0), splat(simd, 1.0), splat(simd, LEAK));
    Elu:
        |simd, x| X::select_gt(x, splat(simd, 0.0), x, math::expm1(simd, x)),
        y => X::select_gt(y, splat(simd, 0.0), splat(simd, 1.0), y + splat(simd, 1.0));
    Selu:
        |simd, x| {
            let below = math::expm1(simd, x) * splat(simd, SELU_SCALE * SELU_ALPHA);
            X::select_gt(x, splat(simd, 0.0), x * splat(simd, SELU_SCALE), below)
        },
        y => {
            let below = y + splat(simd, SELU_SCALE * SELU_ALPHA);
            X::select_gt(splat(simd, 0.0), y, below, splat(simd, SELU_SCALE))
        };
    Softplus: |simd, x| math::softplus(simd, x), y => math::softplus_grad(simd, y);
    Softsign:
        |simd, x| x / (splat::<S, X>(simd, 1.0) + x.abs()),
        y => {
            let rest = splat::<S, X>(simd, 1.0) - y.abs();
            rest * rest
        };
    Sigmoid: |simd, x| math::sigmoid(simd, x), y => math::sigmoid_grad(simd, y);
    LogSigmoid: |simd, x| -math::softplus(simd, -x), y => -math::expm1(simd, y);
    HardSigmoid:
        |simd, x| {
            let x = clip(simd, x + splat(simd, 3.0), (0.0, 6.0));
            x / splat(simd, 6.0)
        },
        y => between(simd, y, (0.0, 1.0), 1.0 / 6.0);
    Tanh: |simd, x| math::tanh(simd, x), y => math::tanh_grad(simd, y);
    Exponential: |simd, x| math::exp(simd, x), y => math::exp_grad(simd, y);
    Silu:
        |simd, x| x * math::sigmoid(simd, x),
        x => {
            let s = math::sigmoid(simd, x);
            (x * math::sigmoid_grad(simd, s)) + s
        };
    HardSilu:
        |simd, x| x * HardSigmoid::of(simd, x),
        x => {
            let s = HardSigmoid::of(simd, x);
            x.mul_add(HardSigmoid::slope(simd, s), s)
        };
    Gelu:
        |simd, x| {
            let half = splat(simd, 0.5);
            let phi = math::erf(simd, x * splat(simd, std::f64::consts::FRAC_1_SQRT_2));
            x * phi.mul_add(half, half)
        },
        x => {
            // x φ(x) = u erf'(u) / 2
            let (half, u) = (splat(simd, 0.5), x * splat(simd, std::f64::consts::FRAC_1_SQRT_2));
            let slope = (u * math::erf_grad(simd, u)) * half;
            math::erf(simd, u).mul_add(half, half) + slope
        };
    GeluTanh:
        |simd, x| {
            let half = splat(simd, 0.5);
            x * gelu_tanh(simd, x).mul_add(half, half)
        },
        x => {
            let half = splat(simd, 0.5);
            let t = gelu_tanh(simd, x);
            let inner = (x * x).mul_add(splat(simd, 3.0 * GELU_CUBE), splat(simd, 1.0));
            let inner = inner * splat(simd, FRAC_SQRT_2_PI);
            let slope = x * math::tanh_grad(simd, t) * inner * half;
            t.mul_add(half, half) + slope
        };
    HardTanh: |simd, x| clip(simd, x, (-1.0, 1.0)), y => between(simd, y, (-1.0, 1.0), 1.0);
    TanhShrink:
        |simd, x| x - math::tanh(simd, x),
        x => {
            let t = math::tanh(simd, x);
            t * t
        };
    SoftShrink:
        |simd, x| {
            let rest = x.abs() - splat(simd, SHRINK);
            X::select_gt(x.abs(), splat(simd, SHRINK), rest.copysign(x), x * splat(simd, 0.0))
        },
        y => X::select_gt(y.abs(), splat(simd, 0.0), splat(simd, 1.0), splat(simd, 0.0));
    HardShrink:
        |simd, x| X::select_gt(x.abs(), splat(simd, SHRINK), x, x * splat(simd, 0.0)),
        y => X::select_gt(y.abs(), splat(simd, 0.0), splat(simd, 1.0), splat(simd, 0.0));
    Squareplus:
        |simd, x| (x + x.mul_add(x, splat(simd, 4.0)).sqrt()) * splat(simd, 0.5),
        x => {
            let ratio = x / x.mul_add(x, splat(simd, 4.0)).sqrt();
            ratio.mul_add(splat(simd, 0.5), splat(simd, 0.5))
        };
    SparsePlus:
        |simd, x| {
            let half = SparseSigmoid::of(simd, x);
            X::select_gt(x, splat(simd, 1.0), x, half * half)
        },
        x => SparseSigmoid::of(simd, x);
    SparseSigmoid:
        |simd, x| {
            let x = x.mul_add(splat(simd, 0.5), splat(simd, 0.5));
            clip(simd, x, (0.0, 1.0))
        },
        y => between(simd, y, (0.0, 1.0), 0.5);
    Mish:
        |simd, x| x * tanh_softplus(simd, x),
        x => {
            let t = tanh_softplus(simd, x);
            (x * math::tanh_grad(simd, t)).mul_add(math::sigmoid(simd, x), t)
        };
}

const GELU_CUBE: f64 = 0.044715;
const FRAC_SQRT_2_PI: f64 = 0.797_884_560_802_865_4;

/// `tanh(√(2/π) (x + 0.044715 x³))`
#[inline(always)]
fn gelu_tanh<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    let cube = (x * x).mul_add(splat(simd, GELU_CUBE), splat(simd, 1.0));
    math::tanh(simd, x * cube * splat(simd, FRAC_SQRT_2_PI))
}

/// `tanh ln(1 + eˣ) = n / (n + 2)` with `n = eˣ (eˣ + 2)`. From 20 on it is 1, and `n` would overflow.
#[inline(always)]
fn tanh_softplus<S: Simd, X: Vector<S>>(simd: S, x: X) -> X {
    let e = math::exp(simd, splat::<S, X>(simd, 20.0).min(x));
    let n = e * (e + splat(simd, 2.0));
    n / (n + splat(simd, 2.0))
}
