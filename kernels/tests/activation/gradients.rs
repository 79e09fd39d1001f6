//! Derivatives, from what the activation returned.

use kernels::activation::{
    ExpGrad, Expm1Grad, Log1pGrad, ReluGrad, SigmoidGrad, SoftplusGrad, TanhGrad, exp_grad,
    expm1_grad, log1p_grad, relu_grad, sigmoid_grad, softplus_grad, tanh_grad,
};
use kernels::simd::{Float, Kernel, Simd, V, Vector};
use kernels::{Isa, math};

use crate::A;
use crate::common::{Scalar, noise, specials};

/// Outputs of an activation, and gradients to multiply.
fn operands<T: Scalar>(activation: crate::Activation, isa: Isa) -> (Vec<T>, Vec<T>) {
    let mut y: Vec<T> = noise::<T>(1, 1001).into_iter().map(|x| x * T::from_f64(12.0)).collect();
    y.extend(specials::<T>().into_iter().filter(|x| x.is_finite()));
    activation.run(isa, &mut y);
    let dy = noise(2, y.len());
    (y, dy)
}

#[test]
fn sigmoid_grad_is_dy_times_y_times_one_minus_y() {
    fn check<T: Scalar>() {
        for isa in Isa::available() {
            let (y, dy) = operands::<T>(A::Sigmoid, isa);
            let mut dx = dy.clone();
            isa.run(SigmoidGrad { y: &y, dy: &mut dx });
            for ((&y, &dy), &dx) in y.iter().zip(&dy).zip(&dx) {
                assert_eq!(dx, dy * (y * (T::ONE - y)), "{isa}: y = {y}, dy = {dy}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn tanh_grad_is_dy_times_one_minus_y_squared() {
    fn check<T: Scalar>() {
        for isa in Isa::available() {
            let (y, dy) = operands::<T>(A::Tanh, isa);
            let mut dx = dy.clone();
            isa.run(TanhGrad { y: &y, dy: &mut dx });
            for ((&y, &dy), &dx) in y.iter().zip(&dy).zip(&dx) {
                let once = dy * (-y).mul_add(y, T::ONE);
                let twice = dy * (T::ONE - y * y);
                let right = dx == once || isa.name() == "portable" && dx == twice;
                assert!(right, "{isa}: y = {y}, dy = {dy}: {dx}, not {once}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn relu_grad_is_dy_where_y_is_positive_and_zero_elsewhere() {
    fn check<T: Scalar>() {
        for isa in Isa::available() {
            let (y, dy) = operands::<T>(A::Relu, isa);
            let mut dx = dy.clone();
            isa.run(ReluGrad { y: &y, dy: &mut dx });
            for ((&y, &dy), &dx) in y.iter().zip(&dy).zip(&dx) {
                let want = if y > T::ZERO { dy } else { T::ZERO };
                assert_eq!(dx, want, "{isa}: y = {y}, dy = {dy}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn softplus_grad_is_dy_times_one_minus_a_power_of_e() {
    fn check<T: Scalar>() {
        for isa in Isa::available() {
            let (y, dy) = operands::<T>(A::Softplus, isa);
            let mut dx = dy.clone();
            isa.run(SoftplusGrad { y: &y, dy: &mut dx });
            for ((&y, &dy), &dx) in y.iter().zip(&dy).zip(&dx) {
                let want = dy * -A::Expm1.of(isa, -y);
                assert_eq!(dx, want, "{isa}: y = {y}, dy = {dy}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn derivatives_are_those_of_the_functions() {
    // Central differences, whose error is a sixth of the square of the step times the third
    // derivative, for which 4 (1 + |y'|) stands, plus that of the functions over the step.
    let step = f64::EPSILON.cbrt();
    let activations = [A::Exp, A::Expm1, A::Sigmoid, A::Tanh, A::Softplus, A::Log1p, A::Erf];
    for isa in Isa::available() {
        for activation in activations {
            // log(1 + x) has a pole at -1.
            let first = if activation == A::Log1p { -5 } else { -80 };
            for x in (first..80).map(|i| f64::from(i) / 10.0) {
                let of = |x| activation.of(isa, x);
                let numeric = (of(x + step) - of(x - step)) / (2.0 * step);
                let (y, mut dx) = ([of(x)], [1.0]);
                match activation {
                    A::Exp => isa.run(ExpGrad { y: &y, dy: &mut dx }),
                    A::Expm1 => isa.run(Expm1Grad { y: &y, dy: &mut dx }),
                    A::Sigmoid => isa.run(SigmoidGrad { y: &y, dy: &mut dx }),
                    A::Softplus => isa.run(SoftplusGrad { y: &y, dy: &mut dx }),
                    A::Log1p => isa.run(Log1pGrad { y: &y, dy: &mut dx }),
                    A::Erf => dx = [isa.run(ErfGrad(x))],
                    A::Tanh | A::Relu => isa.run(TanhGrad { y: &y, dy: &mut dx }),
                }
                let error = (dx[0] - numeric).abs();
                let bent = step * step * (1.0 + dx[0].abs());
                let bound = bent + 4.0 * f64::EPSILON * y[0].abs().max(1.0) / step;
                assert!(error < bound, "{isa}: {activation:?} at {x}: {} and {numeric}", dx[0]);
            }
        }
    }
}

/// The derivative of `erf`, from its operand.
struct ErfGrad<T>(T);

impl<T: Float> Kernel for ErfGrad<T> {
    type Output = T;

    fn run<S: Simd>(self, simd: S) -> T {
        let mut y = [T::ZERO];
        math::erf_grad(simd, V::<S, T>::splat(simd, self.0)).store(&mut y);
        y[0]
    }
}

#[test]
fn erf_grad_is_the_density_times_a_constant() {
    for isa in Isa::available() {
        for x in (-100..100).map(|i| i as f32 * 0.11) {
            let exact = std::f64::consts::FRAC_2_SQRT_PI * (-f64::from(x).powi(2)).exp();
            let error = (f64::from(isa.run(ErfGrad(x))) - exact).abs();
            assert!(error <= 4.0 * f64::from(f32::EPSILON) * exact + 2e-45, "{isa}: at {x}");
        }
        for x in [f64::INFINITY, -f64::INFINITY, 1e300, -30.0] {
            assert_eq!(isa.run(ErfGrad(x)), 0.0, "{isa}: at {x}");
        }
        assert!(isa.run(ErfGrad(f32::NAN)).is_nan());
    }
}

#[test]
fn gradient_functions_run_on_the_best_instruction_set() {
    let (y, isa) = (noise::<f32>(1, 37), Isa::best());
    let (mut one, mut other) = (noise::<f32>(2, 37), noise::<f32>(2, 37));
    sigmoid_grad(&y, &mut one);
    isa.run(SigmoidGrad { y: &y, dy: &mut other });
    assert_eq!(one, other);
    tanh_grad(&y, &mut one);
    isa.run(TanhGrad { y: &y, dy: &mut other });
    assert_eq!(one, other);
    exp_grad(&y, &mut one);
    isa.run(ExpGrad { y: &y, dy: &mut other });
    assert_eq!(one, other);
    expm1_grad(&y, &mut one);
    isa.run(Expm1Grad { y: &y, dy: &mut other });
    assert_eq!(one, other);
    log1p_grad(&y, &mut one);
    isa.run(Log1pGrad { y: &y, dy: &mut other });
    assert_eq!(one, other);
    softplus_grad(&y, &mut one);
    isa.run(SoftplusGrad { y: &y, dy: &mut other });
    assert_eq!(one, other);
    relu_grad(&y, &mut one);
    isa.run(ReluGrad { y: &y, dy: &mut other });
    assert_eq!(one, other);
}

#[test]
#[should_panic(expected = "y and dy differ in length")]
fn y_and_dy_are_equally_long() {
    tanh_grad(&[0.0f32; 3], &mut [0.0; 4]);
}

#[test]
#[should_panic(expected = "y and dy differ in length")]
fn a_kernel_does_not_cut_the_longer_one() {
    Isa::best().run(SigmoidGrad { y: &[0.0f32; 3], dy: &mut [0.0; 20] });
}
