//! Whether time grows as the work does: a layer over three decades of steps, and of rows.

use std::time::Duration;

use kernels::Isa;
use lstm::Result;

use crate::dtype::Dtype;
use crate::svg::{self, Chart};
use crate::table::short;
use crate::throughput::{BadSizes, Mode, Shape, contestant};
use crate::timing::{Timing, take_turns};

/// What the shape is multiplied by: three decades.
pub const FACTORS: [usize; 7] = [1, 3, 10, 30, 100, 300, 1000];

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// T
    Steps,
    /// B
    Batch,
}

impl Axis {
    /// Both.
    pub const ALL: [Axis; 2] = [Axis::Steps, Axis::Batch];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Axis::Steps => "steps",
            Axis::Batch => "batch",
        }
    }

    /// A shape that is so many times as long.
    ///
    /// # Errors
    ///
    /// If an array of it would be too large.
    pub fn times(self, shape: Shape, factor: usize) -> std::result::Result<Shape, BadSizes> {
        let times = |size: usize| size.checked_mul(factor).ok_or(BadSizes::TooLarge);
        let shape = match self {
            Axis::Steps => Shape { steps: times(shape.steps)?, ..shape },
            Axis::Batch => Shape { batch: times(shape.batch)?, ..shape },
        };
        shape.fits(1)?;
        Ok(shape)
    }
}

/// A shape, and how long it took.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// What the first shape was multiplied by.
    pub factor: usize,
    /// The product.
    pub shape: Shape,
    /// Its times.
    pub timing: Timing,
}

/// Measures `shape` times each of [`FACTORS`] along an axis, all in turns for about as long as `budget`.
///
/// # Errors
///
/// If a size is too large, or a model cannot be built.
pub fn measure(
    (dtype, isa): (Dtype, Isa),
    mode: Mode,
    (shape, axis): (Shape, Axis),
    budget: Duration,
) -> std::result::Result<Vec<Point>, Box<dyn std::error::Error + Send + Sync>> {
    let mut shapes = Vec::new();
    for factor in FACTORS {
        shapes.push(axis.times(shape, factor)?);
    }
    let runs: Result<Vec<_>> =
        shapes.iter().map(|&shape| contestant(dtype, isa, mode, shape, 1)).collect();
    let mut runs = runs?;
    let mut turns: Vec<&mut dyn FnMut()> = runs.iter_mut().map(|run| &mut **run as _).collect();
    let timings = take_turns(budget, &mut turns);
    let points = FACTORS.iter().zip(shapes).zip(timings);
    Ok(points.map(|((&factor, shape), timing)| Point { factor, shape, timing }).collect())
}

/// The power of the size that time grows with: the slope of the line with the least squares through the
/// logarithms.
pub fn exponent(points: &[Point]) -> f64 {
    let logs = || points.iter().map(|p| ((p.factor as f64).ln(), p.timing.median.ln()));
    let count = points.len() as f64;
    let (x, y) = logs().fold((0.0, 0.0), |(x, y), (a, b)| (x + a / count, y + b / count));
    let covariance: f64 = logs().map(|(a, b)| (a - x) * (b - y)).sum();
    covariance / logs().map(|(a, _)| (a - x).powi(2)).sum::<f64>()
}

/// The time of a step of a row at each point, that of the last being one.
pub fn relative(points: &[Point]) -> Vec<f64> {
    let each = |point: &Point| point.timing.median / point.factor as f64;
    let last = points.last().map_or(1.0, each);
    points.iter().map(|point| each(point) / last).collect()
}

/// The time of a step of a row over the factor, a line for each axis: where it is level, time is linear.
pub fn plot(lines: &[(Axis, Vec<Point>)], title: &str, note: &str) -> String {
    let all = || lines.iter().flat_map(|(_, points)| relative(points));
    let high = all().fold(1.5, f64::max) + 0.1;
    let decades = (FACTORS[FACTORS.len() - 1] as f64).log10();
    let across = |factor: usize| (factor as f64).log10() / decades;
    let axes = ("times as many", "time of a step of a row");
    let mut chart = Chart::new((title, note), axes);
    for factor in FACTORS {
        chart.column(across(factor), &format!("{factor}×"));
    }
    chart.rows(high, "");
    for (number, (axis, points)) in lines.iter().enumerate() {
        let colour = svg::COLOURS[number % svg::COLOURS.len()];
        let name =
            |point: &Point| format!("{}: {} µs", point.shape, short(point.timing.median_us()));
        let dots: Vec<_> = points
            .iter()
            .zip(relative(points))
            .map(|(point, time)| ((across(point.factor), time / high), name(point)))
            .collect();
        chart.curve(&dots, colour);
        let name = format!("time grows as {} to the power {:.3}", axis.name(), exponent(points));
        chart.legend(number, colour, &name);
    }
    chart.close()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { batch: 2, steps: 3, inputs: 4, units: 5 };

    fn points(seconds: impl Fn(f64) -> f64) -> Vec<Point> {
        let point = |factor: usize| {
            let seconds = seconds(factor as f64);
            Point { factor, shape: SHAPE, timing: Timing { median: seconds, min: seconds } }
        };
        FACTORS.map(point).to_vec()
    }

    #[test]
    fn an_exponent_is_that_of_the_time() {
        for power in [0.5, 1.0, 2.0] {
            let found = exponent(&points(|factor| 7.0 * factor.powf(power)));
            assert!((found - power).abs() < 1e-12, "{found} for {power}");
        }
    }

    #[test]
    fn what_is_the_same_for_all_sizes_weighs_less_in_larger_ones() {
        let relative = relative(&points(|factor| 1.0 + factor));
        assert_eq!(relative.last(), Some(&1.0));
        assert!((relative[0] - 2.0 / 1.001).abs() < 1e-12, "{relative:?}");
    }

    #[test]
    fn one_axis_grows() {
        assert_eq!(Axis::Steps.times(SHAPE, 10), Ok(Shape { steps: 30, ..SHAPE }));
        assert_eq!(Axis::Batch.times(SHAPE, 10), Ok(Shape { batch: 20, ..SHAPE }));
        assert_eq!(Axis::Batch.times(SHAPE, usize::MAX), Err(BadSizes::TooLarge));
        assert_eq!(Axis::Steps.times(SHAPE, 1 << 28), Err(BadSizes::TooLarge));
    }

    #[test]
    fn a_plot_has_a_dot_for_each_point_and_a_line_for_each_axis() {
        let lines = Axis::ALL.map(|axis| (axis, points(|factor| factor)));
        let plot = plot(&lines, "a < b", "c");
        assert_eq!(plot.matches("<circle").count(), 2 * FACTORS.len());
        assert_eq!(plot.matches("<polyline").count(), 2);
        assert_eq!(plot.matches("to the power 1.000").count(), 2, "{plot}");
    }
}
