//! An LSTM, forward and backward, scalar, in numbers that carry a bound of their own error.
//!
//! Running error analysis (J. Wilkinson, 1986; N. Higham, *Accuracy and Stability of Numerical
//! Algorithms*, §3.3): with every value goes a bound of how far the same value, computed in a
//! precision of unit roundoff `u`, can be off. Sums are bounded for any order of their terms, with
//! or without fused multiply-adds, so the bound holds for every instruction set and blocking.
//! Nothing in it is tuned.

use lstm::Activation;
use lstm::engine::Options;

/// A value, and how far a computed one can be from it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounded {
    /// The value.
    pub value: f64,
    /// The bound of its error.
    pub error: f64,
}

use Bounded as B;

/// Arithmetic of a precision.
#[derive(Clone, Copy, Debug)]
pub struct Precision {
    /// The unit roundoff: half the distance from one to the next number.
    pub roundoff: f64,
}

/// Of the kernels' activations: their documented error of three units in the last place at most,
/// each two roundoffs of the value.
const ACTIVATION_ROUNDOFFS: f64 = 6.0;

impl Precision {
    fn exact(value: f64) -> B {
        B { value, error: 0.0 }
    }

    /// `x` after one more rounding.
    fn rounded(self, x: B) -> B {
        B { error: x.error + self.roundoff * (x.value.abs() + x.error), ..x }
    }

    fn add(self, a: B, b: B) -> B {
        self.rounded(B { value: a.value + b.value, error: a.error + b.error })
    }

    fn mul(self, a: B, b: B) -> B {
        let error = a.value.abs() * b.error + b.value.abs() * a.error + a.error * b.error;
        self.rounded(B { value: a.value * b.value, error })
    }

    /// `Σ a b`, in any order.
    fn dot(self, terms: impl Iterator<Item = (B, B)>) -> B {
        let (mut sum, mut magnitudes, mut count) = (B::default(), 0.0, 0.0);
        for (a, b) in terms {
            let exact = Precision { roundoff: 0.0 }.mul(a, b);
            sum = B { value: sum.value + exact.value, error: sum.error + exact.error };
            magnitudes += exact.value.abs() + exact.error;
            count += 1.0;
        }
        // γ: n roundings at most on the way of a term into the sum.
        let gamma = count * self.roundoff / (1.0 - count * self.roundoff);
        B { error: sum.error + gamma * magnitudes, ..sum }
    }

    fn activation(self, f: Activation, x: B) -> B {
        let (value, slope) = match f {
            Activation::Linear => return x,
            Activation::Relu => (x.value.max(0.0), 1.0),
            Activation::Sigmoid => (kernels::reference::sigmoid(x.value), 0.25),
            Activation::Tanh => (x.value.tanh(), 1.0),
            other => panic!("{other} is not an activation of a cell"),
        };
        if f == Activation::Relu {
            let error = if x.value + x.error <= 0.0 { 0.0 } else { x.error };
            return B { value, error };
        }
        let error = slope * x.error;
        B { value, error: error + ACTIVATION_ROUNDOFFS * self.roundoff * (value.abs() + error) }
    }

    /// `f'(x)` from `y = f(x)`.
    fn slope(self, f: Activation, y: B) -> B {
        let one = Precision::exact(1.0);
        let minus = |y: B| B { value: -y.value, ..y };
        match f {
            Activation::Sigmoid => self.mul(y, self.add(one, minus(y))),
            Activation::Tanh => self.add(one, minus(self.mul(y, y))),
            // Either side of the bend, where the error reaches across it.
            Activation::Relu if y.value + y.error <= 0.0 => Precision::exact(0.0),
            Activation::Relu if y.value - y.error > 0.0 => one,
            Activation::Relu => B { value: f64::from(y.value > 0.0), error: 1.0 },
            _ => one,
        }
    }
}

/// A layer's arrays, those that come in; all in Keras's layout, batch first.
#[derive(Clone, Debug)]
pub struct Arrays {
    /// How many steps `x` has.
    pub steps: usize,
    /// How many rows.
    pub batch: usize,
    /// `[batch, steps, inputs]`
    pub x: Vec<f64>,
    /// Kernel, recurrent kernel and bias, one after another.
    pub weights: Vec<f64>,
    /// The initial `h [batch, units]`.
    pub h: Vec<f64>,
    /// The initial `c [batch, units]`.
    pub c: Vec<f64>,
    /// The gradient of `y [batch, steps, units]`.
    pub dy: Vec<f64>,
    /// The gradient of the final `h`.
    pub dh: Vec<f64>,
    /// The gradient of the final `c`.
    pub dc: Vec<f64>,
}

/// Those that come out, with the bounds of their errors.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// `[batch, steps, units]`
    pub y: Vec<B>,
    /// The final `h [batch, units]`.
    pub h: Vec<B>,
    /// The final `c [batch, units]`.
    pub c: Vec<B>,
    /// The gradient of `weights`.
    pub dweights: Vec<B>,
    /// The gradient of `x`.
    pub dx: Vec<B>,
    /// The gradient of the initial `h`.
    pub dh: Vec<B>,
    /// The gradient of the initial `c`.
    pub dc: Vec<B>,
}

impl Results {
    /// All of them, with their names.
    pub fn named(&self) -> [(&'static str, &[B]); 7] {
        [
            ("y", &self.y),
            ("h", &self.h),
            ("c", &self.c),
            ("dweights", &self.dweights),
            ("dx", &self.dx),
            ("initial dh", &self.dh),
            ("initial dc", &self.dc),
        ]
    }
}

/// One step of one unit, kept for backward.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    gates: [B; 4],
    c_prev: B,
    a: B,
    h: B,
}

/// Forward and backward of a layer with a bias.
///
/// # Panics
///
/// If an activation is softmax, or an array has another size.
pub fn run(precision: Precision, options: Options, arrays: &Arrays) -> Results {
    let Options { inputs, units, .. } = options;
    let Arrays { steps, batch, .. } = *arrays;
    let p = precision;
    let exact = Precision::exact;
    let read = |t: usize| if options.go_backwards { steps - 1 - t } else { t };
    let x = |b: usize, t: usize, k: usize| arrays.x[(b * steps + read(t)) * inputs + k];
    let (kernel, rest) = arrays.weights.split_at(inputs * 4 * units);
    let (recurrent, bias) = rest.split_at(units * 4 * units);
    let gate = |g: usize| if g == 2 { options.activation } else { options.recurrent_activation };

    let mut results = Results::default();
    let mut cells = vec![Cell::default(); batch * steps * units];
    let at = |b: usize, t: usize, unit: usize| (b * steps + t) * units + unit;
    let h_before = |cells: &[Cell], b: usize, t: usize, unit: usize| match t {
        0 => exact(arrays.h[b * units + unit]),
        _ => cells[at(b, t - 1, unit)].h,
    };
    for b in 0..batch {
        let mut c: Vec<B> = arrays.c[b * units..][..units].iter().map(|&c| exact(c)).collect();
        for t in 0..steps {
            for unit in 0..units {
                let z = |g: usize| {
                    let column = g * units + unit;
                    let bias = [(exact(1.0), exact(bias[column]))];
                    let wx = (0..inputs)
                        .map(|k| (exact(x(b, t, k)), exact(kernel[k * 4 * units + column])));
                    let uh = (0..units).map(|k| {
                        let u = exact(recurrent[k * 4 * units + column]);
                        (h_before(&cells, b, t, k), u)
                    });
                    p.dot(bias.into_iter().chain(wx).chain(uh))
                };
                let gates = [0, 1, 2, 3].map(|g| p.activation(gate(g), z(g)));
                let [i, f, g, o] = gates;
                let c_prev = c[unit];
                c[unit] = p.add(p.mul(f, c_prev), p.mul(i, g));
                let a = p.activation(options.activation, c[unit]);
                cells[at(b, t, unit)] = Cell { gates, c_prev, a, h: p.mul(o, a) };
            }
        }
        results.h.extend((0..units).map(|unit| cells[at(b, steps - 1, unit)].h));
        results.c.extend(c);
    }
    results.y = cells.iter().map(|cell| cell.h).collect();

    let mut dz = vec![[B::default(); 4]; batch * steps * units];
    let times_transpose = |dz: &[[B; 4]], b: usize, t: usize, weights: &[f64], k: usize| {
        let terms = (0..units).flat_map(|unit| (0..4).map(move |g| (unit, g)));
        p.dot(terms.map(|(unit, g)| {
            let w = exact(weights[k * 4 * units + g * units + unit]);
            (dz[at(b, t, unit)][g], w)
        }))
    };
    for b in 0..batch {
        let mut dc: Vec<B> = arrays.dc[b * units..][..units].iter().map(|&d| exact(d)).collect();
        for t in (0..steps).rev() {
            let incoming: Vec<B> = (0..units)
                .map(|unit| {
                    let dy = exact(arrays.dy[at(b, t, unit)]);
                    let dh = match t + 1 == steps {
                        true => exact(arrays.dh[b * units + unit]),
                        false => times_transpose(&dz, b, t + 1, recurrent, unit),
                    };
                    p.add(dh, dy)
                })
                .collect();
            for (unit, dh) in incoming.into_iter().enumerate() {
                let Cell { gates: [i, f, g, o], c_prev, a, .. } = cells[at(b, t, unit)];
                let slope = |g: usize, y: B| p.slope(gate(g), y);
                let through = p.mul(p.mul(dh, o), p.slope(options.activation, a));
                let d = p.add(dc[unit], through);
                dz[at(b, t, unit)] = [
                    p.mul(p.mul(d, g), slope(0, i)),
                    p.mul(p.mul(d, c_prev), slope(1, f)),
                    p.mul(p.mul(d, i), slope(2, g)),
                    p.mul(p.mul(dh, a), slope(3, o)),
                ];
                dc[unit] = p.mul(d, f);
            }
        }
        results.dh.extend((0..units).map(|unit| times_transpose(&dz, b, 0, recurrent, unit)));
        results.dc.extend(dc);
        for t in 0..steps {
            let t = read(t);
            results.dx.extend((0..inputs).map(|k| times_transpose(&dz, b, t, kernel, k)));
        }
    }

    // Over the batch and all steps; rows are inputs, then units, then the bias.
    for row in 0..inputs + units + 1 {
        for column in 0..4 * units {
            let (g, unit) = (column / units, column % units);
            let steps = (0..batch).flat_map(|b| (0..steps).map(move |t| (b, t)));
            results.dweights.push(p.dot(steps.map(|(b, t)| {
                let left = match row {
                    row if row < inputs => exact(x(b, t, row)),
                    row if row < inputs + units => h_before(&cells, b, t, row - inputs),
                    _ => exact(1.0),
                };
                (left, dz[at(b, t, unit)][g])
            })));
        }
    }
    results
}
