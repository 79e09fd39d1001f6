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
//! **Resolution.** A loss is exact to some `σ`, so a difference is exact to `noise(h) = 32 σ / h`,
//! or to what the two signs leave open where that is more. No claim about a derivative can go
//! further. `σ` is no less than `ε ‖dy‖ max|y| / 2`, but where large numbers end in small outputs,
//! as before a softmax, it is more. So it is measured: points so close together that a smooth
//! function is a straight line between them, whose third differences are all rounding (J. Moré and
//! S. Wild, "Estimating computational noise", 2011).

use crate::tensor::Tensor;

/// The first step.
pub(super) const STEP: f64 = 1.0 / 256.0;
/// The last one tried: noise is then 512 times that of the first.
const LAST_STEP: f64 = STEP / 512.0;
/// The error of an extrapolated derivative with the step `h`, in `σ / h`: it has a standard
/// deviation of five.
const ROUNDINGS: f64 = 32.0;
/// The distance of points between which only rounding bends a loss: the golden ratio in 2⁻³³, since
/// sums of numbers that are round in binary are exact.
const GRAIN: f64 = 1.618_033_988_749_895 / (1u64 << 33) as f64;
/// How many of them tell `σ`.
const GRAINS: usize = 16;
/// The largest third differences, which do not count.
const BENT: usize = 4;
/// By how much the others make the variance of normal noise less than it is.
const LEFT: f64 = 0.3;

/// A derivative found numerically.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Slope {
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
pub(super) struct Loss<'a> {
    /// One for each output.
    dy: &'a [Tensor<f64>],
    /// Relative accuracy asked of derivatives: bends that change them less are let pass.
    tolerance: f64,
    /// The standard deviation of the loss for rounding.
    sigma: f64,
}

impl<'a> Loss<'a> {
    /// The loss with one `dy` for each of the `outputs(s)`, where `s` moves all there is to move by
    /// about itself. Derivatives are asked for to the relative accuracy `tolerance`.
    ///
    /// # Errors
    ///
    /// Those of `outputs`.
    pub(super) fn new<E>(
        dy: &'a [Tensor<f64>],
        tolerance: f64,
        mut outputs: impl FnMut(f64) -> Result<Vec<Tensor<f64>>, E>,
    ) -> Result<Self, E> {
        let mut loss = Loss { dy, tolerance, sigma: 0.0 };
        let points: Vec<_> =
            (0..GRAINS).map(|i| outputs(i as f64 * GRAIN)).collect::<Result<_, E>>()?;
        let thirds = points
            .windows(4)
            .map(|y| loss.combine(&[(1.0, &y[0]), (-3.0, &y[1]), (3.0, &y[2]), (-1.0, &y[3])]));
        // A bend that happens to lie between two of the points, or a jump, is in four differences at most.
        let mut squares: Vec<f64> = thirds.map(|third| third * third).collect();
        squares.sort_unstable_by(f64::total_cmp);
        squares.truncate(GRAINS - 3 - BENT);
        // Σ of the squares of 1, 3, 3 and 1: the variance of a third difference of unit noise.
        let variance = squares.iter().sum::<f64>() / squares.len() as f64 / LEFT / 20.0;
        let size = dy.iter().flat_map(|dy| dy.data()).map(|dy| dy * dy).sum::<f64>().sqrt();
        let largest =
            points[0].iter().flat_map(|y| y.data()).fold(0.0f64, |max, y| max.max(y.abs()));
        let least = f64::EPSILON / 2.0 * size * largest;
        loss.sigma = variance.sqrt().max(least);
        Ok(loss)
    }

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

    /// The size of rounding errors of a derivative found with the step `h`.
    fn noise(&self, h: f64) -> f64 {
        ROUNDINGS * self.sigma / h
    }

    /// The derivative at `s = 0` of the loss of `outputs(s)`, where `s = 1` is a natural step.
    ///
    /// # Errors
    ///
    /// Those of `outputs`.
    pub(super) fn slope<E>(
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
            let noise = self.noise(h);
            let allowed = noise + self.tolerance / 4.0 * value.abs();
            let bends = [whole.bend - 2.0 * half.bend, half.bend - 2.0 * quarter.bend];
            let (bend, change) = ((bends[0] - 8.0 * bends[1]).abs(), (coarse - fine).abs());
            // Rounding errors of the smallest step come into the bend forty times.
            if bend <= 40.0 * noise + 4.0 * allowed && change <= 4.0 * allowed {
                // A bend that leaves these traces, wherever it is, has at most 2/3 of their effect.
                return Ok(Slope::Smooth { value, noise: noise.max(bend / 8.0 + change) });
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
        let outputs = |s| Ok::<_, ()>(vec![Tensor::from([f(s)])]);
        let loss = Loss::new(&dy, 1e-7, outputs).unwrap();
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
    fn rounding_inside_a_function_is_noticed() {
        let dy = [Tensor::from([1.0])];
        let sigma = |f: fn(f64) -> f64| {
            Loss::new(&dy, 1e-7, |s| Ok::<_, ()>(vec![Tensor::from([f(s)])])).unwrap().sigma
        };
        let (fine, coarse) = (sigma(f64::exp), sigma(|s| ((s + 1e4) - 1e4).exp()));
        assert!((0.3..3.0).contains(&(fine / f64::EPSILON)), "{fine:e}");
        assert!((0.1e4..1e4).contains(&(coarse / f64::EPSILON)), "{coarse:e}");
        // A bend or a jump among the points is no rounding.
        let bent = sigma(|s| s.exp() + (s - 5.5 * GRAIN).abs());
        let torn = sigma(|s| s.exp() + f64::from(u8::from(s > 0.5 * GRAIN)));
        assert!(bent < 3.0 * f64::EPSILON && torn < 3.0 * f64::EPSILON, "{bent:e} {torn:e}");
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
