//! An LSTM as one would write it down: scalar, `f64`, one row and one step after another.
//!
//! The slow, obvious definition that the engine is tested against.

use crate::activation::Activation;
use crate::engine::{Options, Weights};

/// `f(x)` of an element-wise activation.
fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Linear => x,
        Activation::Relu => x.max(0.0),
        Activation::Sigmoid => kernels::reference::sigmoid(x),
        Activation::Tanh => x.tanh(),
        Activation::Softmax => panic!("softmax is not element-wise"),
    }
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

/// Runs a layer over `x [batch, steps, inputs]` from the states `h` and `c [batch, units]`.
pub fn forward(
    options: Options,
    weights: Weights<f64>,
    x: &[f64],
    steps: usize,
    mut h: Vec<f64>,
    mut c: Vec<f64>,
) -> Output {
    let Options { inputs, units, activation, recurrent_activation, go_backwards } = options;
    let mut y = Vec::new();
    for (b, x) in x.chunks_exact(steps * inputs).enumerate() {
        for t in 0..steps {
            let t = if go_backwards { steps - 1 - t } else { t };
            let x = &x[t * inputs..][..inputs];
            let h_prev = h[b * units..][..units].to_vec();
            for unit in 0..units {
                let z = |gate: usize| {
                    let column = gate * units + unit;
                    let bias = weights.bias.map_or(0.0, |bias| bias[column]);
                    let wx = (0..inputs).map(|k| x[k] * weights.kernel[k * 4 * units + column]);
                    let uh = (0..units)
                        .map(|k| h_prev[k] * weights.recurrent_kernel[k * 4 * units + column]);
                    bias + wx.sum::<f64>() + uh.sum::<f64>()
                };
                let i = activate(recurrent_activation, z(0));
                let f = activate(recurrent_activation, z(1));
                let g = activate(activation, z(2));
                let o = activate(recurrent_activation, z(3));
                let at = b * units + unit;
                c[at] = f * c[at] + i * g;
                h[at] = o * activate(activation, c[at]);
            }
            y.extend_from_slice(&h[b * units..][..units]);
        }
    }
    Output { y, h, c }
}
