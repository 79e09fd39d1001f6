//! An LSTM as one would write it down: scalar, `f64`, one row and one step after another.
//!
//! The slow, obvious definition that the engine is tested against.

use crate::activation::Activation;
use crate::engine::{Call, Options};

/// `f(x)` of an element-wise activation.
///
/// # Panics
///
/// If it is softmax.
pub fn activate(activation: Activation, x: f64) -> f64 {
    let sigmoid = kernels::reference::sigmoid;
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    let hard_sigmoid = |x: f64| (x + 3.0).clamp(0.0, 6.0) / 6.0;
    match activation {
        Activation::Linear => x,
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::LeakyRelu => x.max(0.2 * x),
        Activation::Elu | Activation::Celu => x.max(0.0) + x.min(0.0).exp_m1(),
        Activation::Selu => {
            let (alpha, scale) = (1.673_263_242_354_377_2, 1.050_700_987_355_480_5);
            scale * (x.max(0.0) + alpha * x.min(0.0).exp_m1())
        }
        Activation::Gelu => x * (1.0 + erf(x / std::f64::consts::SQRT_2)) / 2.0,
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            x * (1.0 + inner.tanh()) / 2.0
        }
        Activation::Silu => x * sigmoid(x),
        Activation::Mish => x * softplus(x).tanh(),
        Activation::Softplus => softplus(x),
        Activation::Softsign => x / (1.0 + x.abs()),
        Activation::Sigmoid => sigmoid(x),
        Activation::HardSigmoid => hard_sigmoid(x),
        Activation::HardSilu => x * hard_sigmoid(x),
        Activation::LogSigmoid => -softplus(-x),
        Activation::Tanh => x.tanh(),
        Activation::Exponential => x.exp(),
        Activation::HardTanh => x.clamp(-1.0, 1.0),
        Activation::TanhShrink => x - x.tanh(),
        Activation::SoftShrink => x - x.clamp(-0.5, 0.5),
        Activation::HardShrink => {
            if x.abs() > 0.5 {
                x
            } else {
                0.0
            }
        }
        Activation::Squareplus => (x + (x * x + 4.0).sqrt()) / 2.0,
        Activation::SparsePlus if x > 1.0 => x,
        Activation::SparsePlus => ((x + 1.0).max(0.0) / 2.0).powi(2),
        Activation::SparseSigmoid => ((x + 1.0) / 2.0).clamp(0.0, 1.0),
        Activation::Softmax => panic!("softmax is not element-wise"),
    }
}

/// The activation of all units of a row.
fn activate_all(activation: Activation, x: Vec<f64>) -> Vec<f64> {
    if activation != Activation::Softmax {
        return x.into_iter().map(|x| activate(activation, x)).collect();
    }
    let sum: f64 = x.iter().map(|x| x.exp()).sum();
    x.into_iter().map(|x| x.exp() / sum).collect()
}

/// `2/√π e^(-x²) Σ 2ⁿ x²ⁿ⁺¹ / (2n + 1)!!`, whose terms all have the sign of `x` (M. Abramowitz and
/// I. Stegun, 7.1.6).
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum(); // nearer to it than any other number
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// What [`forward`] computes.
#[derive(Clone, Debug)]
pub struct Output {
    /// `[batch, steps, units]`
    pub y: Vec<f64>,
    /// `[batch, units]`, after the last step.
    pub h: Vec<f64>,
    /// `[batch, units]`, after the last step.
    pub c: Vec<f64>,
}

/// Runs a layer over `x`. Where the mask is false, states stay as they are, and the output is that of the
/// step before, or zero.
pub fn forward(options: Options, call: &Call<f64>) -> Output {
    let Options { inputs, units, activation, recurrent_activation, .. } = options;
    let Call { weights, steps, .. } = *call;
    let [mut h, mut c] = call.initial.map(|state| match state {
        Some(state) => state.to_vec(),
        None => vec![0.0; call.batch * units],
    });
    // What dropout multiplies the operand number k of a gate by.
    let factor = |factors: Option<&[f64]>, b: usize, gate: usize, k: usize, width: usize| {
        factors.map_or(1.0, |factors| factors[(b * 4 + gate) * width + k])
    };
    let (of_h, of_x) = (call.dropout.map(|it| it.recurrent), call.dropout.and_then(|it| it.input));
    let mut y = Vec::new();
    for (b, x) in call.x.chunks_exact(steps * inputs).enumerate() {
        let mut output = vec![0.0; units];
        for t in 0..steps {
            let t = if options.go_backwards { steps - 1 - t } else { t };
            if call.mask.is_some_and(|mask| !mask[b * steps + t]) {
                if options.zero_output_for_mask {
                    output.fill(0.0);
                }
                y.extend_from_slice(&output);
                continue;
            }
            let x = &x[t * inputs..][..inputs];
            let h_prev = h[b * units..][..units].to_vec();
            let z = |gate: usize| -> Vec<f64> {
                let of_unit = |unit: usize| {
                    let column = gate * units + unit;
                    let bias = weights.bias.map_or(0.0, |bias| bias[column]);
                    let wx = (0..inputs).map(|k| {
                        let x = x[k] * factor(of_x, b, gate, k, inputs);
                        x * weights.kernel[k * 4 * units + column]
                    });
                    let uh = (0..units).map(|k| {
                        let h = h_prev[k] * factor(of_h, b, gate, k, units);
                        h * weights.recurrent_kernel[k * 4 * units + column]
                    });
                    bias + wx.sum::<f64>() + uh.sum::<f64>()
                };
                (0..units).map(of_unit).collect()
            };
            let i = activate_all(recurrent_activation, z(0));
            let f = activate_all(recurrent_activation, z(1));
            let g = activate_all(activation, z(2));
            let o = activate_all(recurrent_activation, z(3));
            let c = &mut c[b * units..][..units];
            for unit in 0..units {
                c[unit] = f[unit] * c[unit] + i[unit] * g[unit];
            }
            let a = activate_all(activation, c.to_vec());
            for unit in 0..units {
                h[b * units + unit] = o[unit] * a[unit];
            }
            output.copy_from_slice(&h[b * units..][..units]);
            y.extend_from_slice(&output);
        }
    }
    Output { y, h, c }
}
