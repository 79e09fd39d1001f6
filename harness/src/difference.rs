//! Numerical derivatives: central differences, extrapolated, that know what they can resolve.
//!
//! The loss is `L(s) = Σ dy·y(s)` over all outputs `y` of a model, where `s` moves one entry of a
//! weight or input, or many along a direction. With
//!
//! ```text
//! D(h) = (L(h) - L(-h)) / 2h            = L' + O(h²)
//! R(h) = (4 D(h/2) - D(h)) / 3          = L' + O(h⁴)            (L. Richardson, 1911)
//! Q(h) = (16 R(h/2) - R(h)) / 15        = L' + O(h⁶)
//! ```
//!
//! a step of `h = 2⁻⁸`, near the seventh root of ε where the two kinds of error meet, leaves a
//! truncation error of 10⁻²⁰ times the seventh derivative. Losses are subtracted output by output,
//! before the sum, so that the sum adds no rounding error of its own.
//!
//! **Kinks.** Where relu bends inside the step, a difference is of no use. Two signs give a bend
//! away, whatever its place. `R(h)` and `R(h/2)` differ. And let `B(h)` be by how much the slope
//! to the right exceeds that to the left, `h a + h³ b + O(h⁵)` of a smooth function: then
//! `B(h) - 2 B(h/2)` is eight times as much as the same with half the step. Where either fails the
//! step is cut to an eighth, until the bend lies outside. The analytic gradient has no part in
//! this.
//!
//! **Resolution.** An output is exact to some ε, so a difference is exact to
//! `noise(h) = 16 ε ‖dy‖ max|y| / h`, and no claim about a derivative can go further.

use lstm::Tensor;

/// The first step.
const STEP: f64 = 1.0 / 256.0;
/// The last one tried: noise is then 512 times that of the first.
const LAST_STEP: f64 = STEP / 512.0;
/// Rounding errors of an output in a difference, in ε.
const ROUNDINGS: f64 = 16.0;

/// A derivative found numerically.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slope {
    /// The derivative, and how far it can be trusted.
    Smooth {
        /// The derivative.
        value: f64,
        /// The size of its error.
        noise: f64,
    },
    /// There is none: a bend at this very point.
    Kink,
}

/// A loss `Σ dy·y` over the outputs of a model.
#[derive(Clone, Debug)]
pub struct Loss<'a> {
    /// One for each output.
    pub dy: &'a [Tensor<f64>],
    /// Relative accuracy asked of derivatives: bends that change them less are let pass.
    pub tolerance: f64,
}

impl Loss<'_> {
    /// `Σ dy·Σ weight y`: a combination of losses at several points.
    fn combine(&self, terms: &[(f64, &[Tensor<f64>])]) -> f64 {
        let mut sum = 0.0;
        for (i, dy) in self.dy.iter().enumerate() {
            for (at, dy) in dy.data().iter().enumerate() {
                let y: f64 = terms.iter().map(|(weight, y)| weight * y[i].data()[at]).sum();
                sum += dy * y;
            }
        }
        sum
    }

    /// The size of rounding errors of a difference with step `h` around outputs `y`.
    pub fn noise(&self, y: &[Tensor<f64>], h: f64) -> f64 {
        let squares: f64 = self.dy.iter().flat_map(|dy| dy.data()).map(|dy| dy * dy).sum();
        let largest = y.iter().flat_map(|y| y.data()).fold(0.0f64, |max, y| max.max(y.abs()));
        ROUNDINGS * f64::EPSILON * squares.sqrt() * largest / h
    }

    /// The derivative at `s = 0` of the loss of `outputs(s)`, where `s = 1` is a natural step.
    ///
    /// # Errors
    ///
    /// Those of `outputs`.
    pub fn slope<E>(
        &self,
        at_zero: &[Tensor<f64>],
        mut outputs: impl FnMut(f64) -> Result<Vec<Tensor<f64>>, E>,
    ) -> Result<Slope, E> {
        let mut pair = |h: f64| -> Result<Pair, E> {
            let (above, below) = (outputs(h)?, outputs(-h)?);
            let central = self.combine(&[(1.0, &above), (-1.0, &below)]) / (2.0 * h);
            let bend = self.combine(&[(1.0, &above), (-2.0, at_zero), (1.0, &below)]) / h;
            Ok(Pair { central, bend })
        };

        let mut h = STEP;
        while h >= LAST_STEP {
            let [whole, half, quarter] = [pair(h)?, pair(h / 2.0)?, pair(h / 4.0)?];
            let (coarse, fine) = (whole.extrapolate(half), half.extrapolate(quarter));
            let value = (16.0 * fine - coarse) / 15.0;
            if !value.is_finite() {
                return Ok(Slope::Smooth { value, noise: 0.0 });
            }
            let noise = self.noise(at_zero, h);
            let allowed = noise + self.tolerance / 4.0 * value.abs();
            let bends = [whole.bend - 2.0 * half.bend, half.bend - 2.0 * quarter.bend];
            // Rounding errors of the smallest step come in forty times.
            let straight = (bends[0] - 8.0 * bends[1]).abs() <= 40.0 * noise + 4.0 * allowed;
            if straight && (coarse - fine).abs() <= 4.0 * allowed {
                return Ok(Slope::Smooth { value, noise });
            }
            h /= 8.0;
        }
        Ok(Slope::Kink)
    }
}

/// What two points at the same distance tell.
#[derive(Clone, Copy, Debug)]
struct Pair {
    /// The central difference.
    central: f64,
    /// By how much the right slope is larger than the left one.
    bend: f64,
}

impl Pair {
    /// `R`, from this pair and that of half the step.
    fn extrapolate(self, half: Pair) -> f64 {
        (4.0 * half.central - self.central) / 3.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope(f: impl Fn(f64) -> f64) -> Slope {
        let dy = [Tensor::from([1.0])];
        let loss = Loss { dy: &dy, tolerance: 1e-7 };
        let outputs = |s| Ok::<_, ()>(vec![Tensor::from([f(s)])]);
        loss.slope(&[Tensor::from([f(0.0)])], outputs).unwrap()
    }

    #[test]
    fn smooth_functions_have_their_derivative() {
        for (f, exact) in [
            (f64::exp as fn(f64) -> f64, 1.0),
            (|s| (3.0 * s + 1.0).sin(), 3.0 * 1f64.cos()),
            (|s| 1e3 * (s - 0.2).tanh(), 1e3 * (1.0 - 0.2f64.tanh().powi(2))),
        ] {
            let Slope::Smooth { value, noise } = slope(f) else { panic!("a kink in {exact}") };
            assert!((value - exact).abs() <= 1e-11 * exact.abs(), "{value} not {exact}");
            assert!((value - exact).abs() <= noise);
        }
    }

    #[test]
    fn a_bend_near_the_point_is_stepped_around_and_one_at_the_point_is_reported() {
        for at in [0.9, 0.5, 1.0 / 3.0, 0.25, 0.1, 0.01] {
            for sign in [-1.0, 1.0] {
                let place = sign * at * STEP;
                let bent = |s: f64| s.sin() + 5.0 * (sign * (s - place)).max(0.0);
                let Slope::Smooth { value, .. } = slope(bent) else { panic!("a kink at {at}") };
                assert!((value - 1.0).abs() < 1e-8, "{value} with a bend at {at} steps");
            }
        }
        assert_eq!(slope(|s| 2.0 + s.max(0.0)), Slope::Kink);
    }
}
