//! Derivatives, from what the activation returned.

use kernels::Isa;
use kernels::activation::{
    ReluGrad, SigmoidGrad, SoftplusGrad, TanhGrad, relu_grad, sigmoid_grad, softplus_grad,
    tanh_grad,
};

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
    // Central differences, whose error is the square of the step times the third derivative, below
    // one for both, plus that of the functions over the step.
    let step = f64::EPSILON.cbrt();
    for isa in Isa::available() {
        for activation in [A::Sigmoid, A::Tanh, A::Softplus] {
            for x in (-80..80).map(|i| f64::from(i) / 10.0) {
                let of = |x| activation.of(isa, x);
                let numeric = (of(x + step) - of(x - step)) / (2.0 * step);
                let (y, mut dx) = ([of(x)], [1.0]);
                match activation {
                    A::Sigmoid => isa.run(SigmoidGrad { y: &y, dy: &mut dx }),
                    A::Softplus => isa.run(SoftplusGrad { y: &y, dy: &mut dx }),
                    _ => isa.run(TanhGrad { y: &y, dy: &mut dx }),
                }
                let error = (dx[0] - numeric).abs();
                let bound = step * step + 4.0 * f64::EPSILON * y[0].abs().max(1.0) / step;
                assert!(error < bound, "{isa}: {activation:?} at {x}: {} and {numeric}", dx[0]);
            }
        }
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
