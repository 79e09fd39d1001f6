//! Value and gradient of a loss over one row, as TensorFlow computes them.
//!
//! Everything is computed in `f64`, with the constants as the model's precision rounds them: in
//! `f32` a probability is clipped to `1 - 2⁻²³`, not to `1 - 1e-7`. Maxima and clips pass a
//! gradient on at their edge, as TensorFlow's do.

use kernels::Float;

use super::Loss;

/// A loss, ready for the rows of one batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Formula {
    loss: Loss,
    epsilon: f64,
    /// `1 - ε`
    top: f64,
    /// Whether targets of 0 and 1 stand for -1 and 1.
    binary: bool,
}

/// Where the gradient of a row goes, and what it is multiplied with.
pub(crate) struct Slope<'a, T> {
    pub(crate) factor: f64,
    pub(crate) row: &'a mut [T],
}

impl<T: Float> Slope<'_, T> {
    fn set(&mut self, i: usize, slope: f64) {
        self.row[i] = T::from_f64(slope * self.factor);
    }
}

fn sum(terms: impl Iterator<Item = f64>) -> f64 {
    terms.fold(0.0, |sum, term| sum + term)
}

impl Formula {
    /// The formula for a batch with these targets.
    pub(crate) fn new<T: Float>(loss: Loss, targets: &[T]) -> Self {
        let hinge = matches!(loss, Loss::Hinge | Loss::SquaredHinge);
        Formula {
            loss,
            epsilon: T::from_f64(1e-7).to_f64(),
            top: T::from_f64(1.0 - 1e-7).to_f64(),
            binary: hinge && targets.iter().all(|&y| y == T::ZERO || y == T::ONE),
        }
    }

    /// Whether a row of targets is of the class to ignore.
    pub(crate) fn ignores<T: Float>(&self, y: &[T]) -> bool {
        match self.loss {
            Loss::SparseCategoricalCrossentropy { ignore_class: Some(class), .. } => {
                y[0].to_f64() == class as f64
            }
            _ => false,
        }
    }

    /// The value of predictions `p` against targets `y`; writes the gradient, if it is wanted.
    pub(crate) fn row<T: Float>(&self, p: &[T], y: &[T], slope: Option<Slope<T>>) -> f64 {
        match self.loss {
            Loss::BinaryCrossentropy { from_logits, label_smoothing } => {
                let smooth = |y: f64| y * (1.0 - label_smoothing) + 0.5 * label_smoothing;
                self.elements(p, y, slope, |p, y| match from_logits {
                    true => sigmoid_crossentropy(p, smooth(y)),
                    false => self.binary_crossentropy(p, smooth(y)),
                })
            }
            Loss::CategoricalCrossentropy { from_logits, label_smoothing } => {
                let part = label_smoothing / p.len() as f64;
                let smooth = |j: usize| y[j].to_f64() * (1.0 - label_smoothing) + part;
                match from_logits {
                    true => softmax_crossentropy(p, smooth, slope),
                    false => self.categorical_crossentropy(p, smooth, slope),
                }
            }
            Loss::SparseCategoricalCrossentropy { from_logits, .. } => {
                if self.ignores(y) {
                    slope.into_iter().for_each(|slope| slope.row.fill(T::ZERO));
                    return 0.0;
                }
                let class = y[0].to_f64() as usize;
                match from_logits {
                    true => {
                        let one = |j| if j == class { 1.0 } else { 0.0 };
                        softmax_crossentropy(p, one, slope)
                    }
                    false => self.sparse_crossentropy(p, class, slope),
                }
            }
            Loss::CosineSimilarity => self.cosine(p, y, slope),
            Loss::CategoricalHinge => categorical_hinge(p, y, slope),
            Loss::KLDivergence => {
                let clip = |x: f64| match x {
                    x if x < self.epsilon => self.epsilon,
                    x if x > 1.0 => 1.0,
                    x => x,
                };
                let n = p.len() as f64;
                // A sum, where `elements` takes means.
                n * self.elements(
                    p,
                    y,
                    slope.map(|s| Slope { factor: s.factor * n, ..s }),
                    |p, y| {
                        let y = clip(y);
                        let inside = p >= self.epsilon && p <= 1.0;
                        (y * (y / clip(p)).ln(), if inside { -y / p } else { nan_of(p) })
                    },
                )
            }
            _ => self.elements(p, y, slope, |p, y| self.element(p, y)),
        }
    }

    /// The mean of values `f(p, y)` with their slopes.
    fn elements<T: Float>(
        &self,
        p: &[T],
        y: &[T],
        slope: Option<Slope<T>>,
        f: impl Fn(f64, f64) -> (f64, f64),
    ) -> f64 {
        let n = p.len() as f64;
        let of = |(p, y): (&T, &T)| f(p.to_f64(), y.to_f64());
        if let Some(Slope { factor, row }) = slope {
            let mut total = 0.0;
            for (dp, pair) in row.iter_mut().zip(p.iter().zip(y)) {
                let (value, slope) = of(pair);
                total += value;
                *dp = T::from_f64(slope * (factor / n));
            }
            return total / n;
        }
        sum(p.iter().zip(y).map(|pair| of(pair).0)) / n
    }

    /// The losses that are a mean of a function of one prediction and its target.
    fn element(&self, p: f64, y: f64) -> (f64, f64) {
        let error = p - y;
        match self.loss {
            Loss::MeanSquaredError => (error * error, 2.0 * error),
            Loss::MeanAbsoluteError => (error.abs(), sign(error)),
            Loss::MeanAbsolutePercentageError => {
                let quotient = error / y.abs().max(self.epsilon);
                (100.0 * quotient.abs(), 100.0 * sign(quotient) / y.abs().max(self.epsilon))
            }
            Loss::MeanSquaredLogarithmicError => {
                let log = |x: f64| if x < self.epsilon { self.epsilon } else { x }.ln_1p();
                let difference = log(p) - log(y);
                let slope = if p < self.epsilon { 0.0 } else { 2.0 * difference / (p + 1.0) };
                (difference * difference, slope)
            }
            Loss::Huber { delta } if error.abs() <= delta => (0.5 * error * error, error),
            Loss::Huber { delta } => {
                (delta * error.abs() - 0.5 * delta * delta, delta * sign(error))
            }
            Loss::LogCosh => {
                // e + log(1 + e⁻²ᵉ) - log 2
                let far = error.abs() + (-2.0 * error.abs()).exp().ln_1p();
                (far - std::f64::consts::LN_2, error.tanh())
            }
            Loss::Poisson => (p - y * (p + self.epsilon).ln(), 1.0 - y / (p + self.epsilon)),
            Loss::Hinge => {
                let y = self.side(y);
                let (gap, open) = positive(1.0 - y * p);
                (gap, -y * open)
            }
            Loss::SquaredHinge => {
                let y = self.side(y);
                let (gap, open) = positive(1.0 - y * p);
                (gap * gap, -2.0 * gap * y * open)
            }
            // The rest have functions of their own.
            _ => (f64::NAN, f64::NAN),
        }
    }

    fn side(&self, y: f64) -> f64 {
        if self.binary { 2.0 * y - 1.0 } else { y }
    }

    /// `x` within `[ε, 1 - ε]`, and one if it was.
    fn clip(&self, x: f64) -> (f64, f64) {
        match x {
            x if x < self.epsilon => (self.epsilon, 0.0),
            x if x > self.top => (self.top, 0.0),
            x => (x, 1.0),
        }
    }

    fn binary_crossentropy(&self, p: f64, y: f64) -> (f64, f64) {
        let (p, inside) = self.clip(p);
        let value = -(y * p.ln() + (1.0 - y) * (1.0 - p).ln());
        (value, ((1.0 - y) / (1.0 - p) - y / p) * inside)
    }

    fn categorical_crossentropy<T: Float>(
        &self,
        p: &[T],
        y: impl Fn(usize) -> f64,
        slope: Option<Slope<T>>,
    ) -> f64 {
        let total = sum(p.iter().map(|p| p.to_f64()));
        let quotient = |j: usize| self.clip(p[j].to_f64() / total);
        let value = -sum((0..p.len()).map(|j| y(j) * quotient(j).0.ln()));
        if let Some(mut slope) = slope {
            // With respect to the quotients q: g = -y / q; then dp = (g - Σ g q) / Σ p.
            let g = |j: usize| {
                let (q, inside) = quotient(j);
                -y(j) / q * inside
            };
            let along = sum((0..p.len()).map(|j| g(j) * (p[j].to_f64() / total)));
            (0..p.len()).for_each(|j| slope.set(j, (g(j) - along) / total));
        }
        value
    }

    fn sparse_crossentropy<T: Float>(&self, p: &[T], class: usize, slope: Option<Slope<T>>) -> f64 {
        let clipped = |j: usize| self.clip(p[j].to_f64());
        let total = sum((0..p.len()).map(|j| clipped(j).0));
        if let Some(mut slope) = slope {
            for j in 0..p.len() {
                let (q, inside) = clipped(j);
                let hit = if j == class { 1.0 } else { 0.0 };
                slope.set(j, (q / total - hit) / q * inside);
            }
        }
        total.ln() - clipped(class).0.ln()
    }

    fn cosine<T: Float>(&self, p: &[T], y: &[T], slope: Option<Slope<T>>) -> f64 {
        // The inverse of the norm, at most 1 / ε.
        let inverse = |xs: &[T]| {
            let inverse = 1.0 / sum(xs.iter().map(|x| x.to_f64() * x.to_f64())).sqrt();
            let (most, clipped) = (1.0 / self.epsilon, inverse > 1.0 / self.epsilon);
            if clipped { (most, 0.0) } else { (inverse, 1.0) }
        };
        let ((ip, free), (iy, _)) = (inverse(p), inverse(y));
        let dot = sum(p.iter().zip(y).map(|(p, y)| p.to_f64() * (y.to_f64() * iy)));
        if let Some(mut slope) = slope {
            for (j, (p, y)) in p.iter().zip(y).enumerate() {
                let along = free * dot * p.to_f64() * ip * ip * ip;
                slope.set(j, along - y.to_f64() * iy * ip);
            }
        }
        -dot * ip
    }
}

/// -1, 0 or 1; NaN of a NaN, which is the prediction of a model that diverged.
fn sign(x: f64) -> f64 {
    match x {
        x if x > 0.0 => 1.0,
        x if x < 0.0 => -1.0,
        x => x,
    }
}

/// Zero, or the NaN that `x` is.
fn nan_of(x: f64) -> f64 {
    if x.is_nan() { x } else { 0.0 }
}

/// `max(x, 0)`, and its slope; NaN of a NaN.
fn positive(x: f64) -> (f64, f64) {
    if x < 0.0 { (0.0, 0.0) } else { (x, 1.0 + nan_of(x)) }
}

/// `max(x, 0) - x y + log(1 + e^-|x|)`, and `σ(x) - y`.
fn sigmoid_crossentropy(x: f64, y: f64) -> (f64, f64) {
    let small = (-x.abs()).exp();
    let sigmoid = if x >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
    ((if x < 0.0 { 0.0 } else { x }) - x * y + small.ln_1p(), sigmoid - y)
}

/// `Σ y (log Σ eˣ - x)`, and `softmax(x) - y`, which is the gradient only of targets that sum to
/// one. TensorFlow takes them to.
fn softmax_crossentropy<T: Float>(
    x: &[T],
    y: impl Fn(usize) -> f64,
    slope: Option<Slope<T>>,
) -> f64 {
    let top = x.iter().fold(f64::NEG_INFINITY, |top, x| top.max(x.to_f64()));
    let shifted = |j: usize| x[j].to_f64() - top;
    let total = sum((0..x.len()).map(|j| shifted(j).exp()));
    if let Some(mut slope) = slope {
        (0..x.len()).for_each(|j| slope.set(j, shifted(j).exp() / total - y(j)));
    }
    sum((0..x.len()).map(|j| y(j) * (total.ln() - shifted(j))))
}

fn categorical_hinge<T: Float>(p: &[T], y: &[T], slope: Option<Slope<T>>) -> f64 {
    let pairs = || p.iter().zip(y).map(|(p, y)| (p.to_f64(), y.to_f64()));
    let right = sum(pairs().map(|(p, y)| y * p));
    let wrong = |(p, y): (f64, f64)| (1.0 - y) * p;
    let worst = pairs()
        .map(wrong)
        .fold(f64::NEG_INFINITY, |worst, x| if x > worst || x.is_nan() { x } else { worst });
    let (value, open) = positive(worst - right + 1.0);
    if let Some(mut slope) = slope {
        // Several that are the largest share the gradient.
        let ties = pairs().filter(|&pair| wrong(pair) == worst).count() as f64;
        for (j, (p, y)) in pairs().enumerate() {
            let share = if wrong((p, y)) == worst { (1.0 - y) / ties } else { 0.0 };
            slope.set(j, (share - y) * open + nan_of(p));
        }
    }
    value
}
