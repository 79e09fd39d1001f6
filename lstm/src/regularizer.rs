//! Penalties on weights and on what layers return, by Keras's formulas.

use kernels::Float;

use crate::error::{Error, Result};
use crate::optimizer::rounded;

/// A penalty that is added to the loss.
///
/// | penalty      | value                                    | gradient        |
/// |--------------|------------------------------------------|-----------------|
/// | `L1`         | `l₁ Σ \|w\|`                             | `l₁ sign w`     |
/// | `L2`         | `l₂ Σ w²`                                | `2 l₂ w`        |
/// | `L1L2`       | both                                     | both            |
/// | `Orthogonal` | `f Σ \|ûᵢ·ûⱼ\| / pairs`, over pairs i < j | see below       |
///
/// `ûᵢ = uᵢ / ‖uᵢ‖` are the rows or columns of a matrix, so that the gradient with respect to `uᵢ` is
/// `f / pairs · Σⱼ (sign(ûᵢ·ûⱼ) ûⱼ - |ûᵢ·ûⱼ| ûᵢ) / ‖uᵢ‖`.
///
/// Keras rounds the factors to `f32`; so does this.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Regularizer {
    /// `l₁`, 0.01 in Keras.
    L1(f64),
    /// `l₂`, 0.01 in Keras.
    L2(f64),
    /// Both.
    L1L2 {
        /// `l₁`, zero in Keras.
        l1: f64,
        /// `l₂`, zero in Keras.
        l2: f64,
    },
    /// On vectors that are not orthogonal to each other.
    Orthogonal {
        /// f, 0.01 in Keras.
        factor: f64,
        /// Which vectors; the rows in Keras.
        mode: Vectors,
    },
}

/// The vectors of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vectors {
    /// Its rows.
    Rows,
    /// Its columns.
    Columns,
}

/// Keras divides by a norm no smaller than this.
const EPSILON: f64 = 1e-7;

impl Regularizer {
    /// Checks the settings, and that they can be applied to an array with these axes.
    pub(crate) fn check(self, what: &str, axes: &[Option<usize>]) -> Result<()> {
        let factors = match self {
            Regularizer::L1(l1) => [("l1", l1), ("l2", 0.0)],
            Regularizer::L2(l2) => [("l1", 0.0), ("l2", l2)],
            Regularizer::L1L2 { l1, l2 } => [("l1", l1), ("l2", l2)],
            Regularizer::Orthogonal { factor, .. } => [("factor", factor), ("factor", factor)],
        };
        if let Some((name, x)) = factors.iter().find(|(_, x)| !(*x >= 0.0 && x.is_finite())) {
            return Err(Error::invalid(what, format!("{name} must not be negative, as {x} is")));
        }
        if let Regularizer::Orthogonal { mode, .. } = self {
            let &[rows, columns] = axes else {
                let found = axes.len();
                let why = format!("it needs an array of two axes, not of {found}");
                return Err(Error::invalid(what, why));
            };
            if (match mode {
                Vectors::Rows => rows,
                Vectors::Columns => columns,
            }) == Some(1)
            {
                return Err(Error::invalid(what, "it needs two vectors at least, not one"));
            }
        }
        Ok(())
    }

    /// The penalty on `w`, an array of this shape.
    pub(crate) fn value<T: Float>(self, shape: &[usize], w: &[T]) -> f64 {
        let l1 = || w.iter().map(|w| w.to_f64().abs()).sum::<f64>();
        let l2 = || w.iter().map(|w| w.to_f64() * w.to_f64()).sum::<f64>();
        match self {
            Regularizer::L1(factor) => rounded(factor) * l1(),
            Regularizer::L2(factor) => rounded(factor) * l2(),
            Regularizer::L1L2 { l1: first, l2: second } => {
                let of = |factor: f64, sum: &dyn Fn() -> f64| match factor {
                    0.0 => 0.0,
                    factor => rounded(factor) * sum(),
                };
                of(first, &l1) + of(second, &l2)
            }
            Regularizer::Orthogonal { factor, mode } => {
                let lines = Lines::of(mode, shape, w);
                let mut sum = 0.0;
                for i in 0..lines.count {
                    let before = (0..i).map(|j| (lines.dot(i, j) * lines.inverse_norm(j)).abs());
                    sum += before.sum::<f64>() * lines.inverse_norm(i);
                }
                rounded(factor) * sum / lines.pairs()
            }
        }
    }

    /// Adds the gradient of `scale` times the penalty on `w` to `dw`.
    pub(crate) fn add_gradient<T: Float>(self, shape: &[usize], w: &[T], scale: f64, dw: &mut [T]) {
        let (l1, l2) = match self {
            Regularizer::L1(l1) => (l1, 0.0),
            Regularizer::L2(l2) => (0.0, l2),
            Regularizer::L1L2 { l1, l2 } => (l1, l2),
            Regularizer::Orthogonal { factor, mode } => {
                let lines = Lines::of(mode, shape, w);
                return lines.add_gradient(scale * rounded(factor) / lines.pairs(), dw);
            }
        };
        if l1 != 0.0 {
            let step = T::from_f64(scale * rounded(l1));
            for (dw, &w) in dw.iter_mut().zip(w) {
                if w > T::ZERO {
                    *dw += step;
                } else if w < T::ZERO {
                    *dw += -step;
                }
            }
        }
        if l2 != 0.0 {
            let twice = T::from_f64(2.0 * scale * rounded(l2));
            dw.iter_mut().zip(w).for_each(|(dw, &w)| *dw += twice * w);
        }
    }
}

/// The rows or columns of a matrix.
struct Lines<'a, T> {
    w: &'a [T],
    count: usize,
    len: usize,
    /// From the start of one line to that of the next.
    apart: usize,
    /// From one element of a line to the next.
    stride: usize,
}

impl<'a, T: Float> Lines<'a, T> {
    fn of(mode: Vectors, shape: &[usize], w: &'a [T]) -> Self {
        let columns = shape.last().copied().unwrap_or(1);
        let rows = w.len() / columns.max(1);
        match mode {
            Vectors::Rows => Lines { w, count: rows, len: columns, apart: columns, stride: 1 },
            Vectors::Columns => Lines { w, count: columns, len: rows, apart: 1, stride: columns },
        }
    }

    fn pairs(&self) -> f64 {
        self.count as f64 * (self.count as f64 - 1.0) / 2.0
    }

    fn places(&self, i: usize) -> impl Iterator<Item = usize> + use<T> {
        (i * self.apart..).step_by(self.stride).take(self.len)
    }

    fn dot(&self, i: usize, j: usize) -> f64 {
        let products = self.places(i).zip(self.places(j));
        products.map(|(a, b)| self.w[a].to_f64() * self.w[b].to_f64()).sum()
    }

    /// `1 / ‖uᵢ‖`, but no more than `1 / ε`.
    fn inverse_norm(&self, i: usize) -> f64 {
        (1.0 / self.dot(i, i).sqrt()).min(1.0 / EPSILON)
    }

    /// Adds `factor Σⱼ (sign(ûᵢ·ûⱼ) ûⱼ - |ûᵢ·ûⱼ| ûᵢ) / ‖uᵢ‖` for every `i`. Where a norm is below ε
    /// it counts as a constant, and the second term is not there.
    fn add_gradient(&self, factor: f64, dw: &mut [T]) {
        for i in 0..self.count {
            let over_i = self.inverse_norm(i);
            for j in (0..self.count).filter(|&j| j != i) {
                let over_j = self.inverse_norm(j);
                let product = self.dot(i, j) * over_i * over_j;
                if product == 0.0 {
                    continue;
                }
                let towards_j = factor * over_i * over_j * product.signum();
                let back = match over_i < 1.0 / EPSILON {
                    true => factor * over_i * over_i * product.abs(),
                    false => 0.0,
                };
                for (a, b) in self.places(i).zip(self.places(j)) {
                    let change = towards_j * self.w[b].to_f64() - back * self.w[a].to_f64();
                    dw[a] += T::from_f64(change);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Regularizer; 5] = [
        Regularizer::L1(0.25),
        Regularizer::L2(0.5),
        Regularizer::L1L2 { l1: 0.25, l2: 0.5 },
        Regularizer::Orthogonal { factor: 0.5, mode: Vectors::Rows },
        Regularizer::Orthogonal { factor: 0.5, mode: Vectors::Columns },
    ];

    #[test]
    fn gradients_are_those_of_the_value() {
        let w = [0.3, -0.7, 1.1, 0.2, -0.4, 0.9, 0.6, 0.8, -0.5, -1.3, 0.1, 0.75];
        let shape = [3, 4];
        for regularizer in ALL {
            let mut dw = [1.0; 12]; // it is added
            regularizer.add_gradient(&shape, &w, 3.0, &mut dw);
            for i in 0..w.len() {
                let value = |step: f64| {
                    let mut moved = w;
                    moved[i] += step;
                    regularizer.value(&shape, &moved)
                };
                let step = 1e-5;
                let slope = 3.0 * (value(step) - value(-step)) / (2.0 * step);
                let error = (dw[i] - 1.0 - slope).abs();
                assert!(error < 1e-9, "{regularizer:?} {i}: {} {slope}", dw[i] - 1.0);
            }
        }
    }

    #[test]
    fn nothing_is_asked_of_zeros() {
        for regularizer in ALL {
            let mut dw = [0.0; 6];
            regularizer.add_gradient(&[2, 3], &[0.0; 6], 1.0, &mut dw);
            assert_eq!(dw, [0.0; 6], "{regularizer:?}");
            assert_eq!(regularizer.value(&[2, 3], &[0.0; 6]), 0.0, "{regularizer:?}");
        }
    }

    #[test]
    fn settings_and_shapes_that_do_not_fit_are_refused() {
        let (rows, columns) = (Vectors::Rows, Vectors::Columns);
        for (regularizer, axes, why) in [
            (Regularizer::L1(-1.0), &[Some(3)][..], "l1 must not be negative, as -1 is"),
            (Regularizer::L2(f64::NAN), &[Some(3)], "l2 must not be negative, as NaN is"),
            (Regularizer::Orthogonal { factor: 0.1, mode: rows }, &[Some(3)], "two axes, not of 1"),
            (
                Regularizer::Orthogonal { factor: 0.1, mode: columns },
                &[Some(3), Some(1)],
                "not one",
            ),
        ] {
            let error = regularizer.check("kernel_regularizer", axes).unwrap_err().to_string();
            assert!(error.starts_with("kernel_regularizer: ") && error.contains(why), "{error}");
        }
        for regularizer in ALL {
            assert_eq!(regularizer.check("", &[Some(2), Some(3)]), Ok(()));
        }
    }
}
