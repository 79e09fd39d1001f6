//! Bounds on weights, by Keras's formulas: a weight is brought back after each step.

use kernels::Float;

use crate::error::{Error, Result};

/// What a weight must satisfy. Norms are those of the vectors along some axes: along axis 0 of a
/// kernel `[inputs, units]`, of what flows into a unit.
///
/// | constraint   | `w ← w s / (ε + ‖w‖)`, with ε = 1e-7 and                             |
/// |--------------|----------------------------------------------------------------------|
/// | `MaxNorm`    | `s = min(‖w‖, max_value)`                                            |
/// | `UnitNorm`   | `s = 1`                                                              |
/// | `MinMaxNorm` | `s = rate clamp(‖w‖, min_value, max_value) + (1 - rate) ‖w‖`         |
/// | `NonNeg`     | `w ← max(w, 0)` instead                                              |
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Constraint {
    /// A norm no longer than a bound.
    MaxNorm {
        /// The bound, 2 in Keras.
        max_value: f64,
        /// Along which axes; 0 in Keras.
        axis: NormAxis,
    },
    /// No negative numbers.
    NonNeg,
    /// A norm of one.
    UnitNorm {
        /// Along which axes; 0 in Keras.
        axis: NormAxis,
    },
    /// A norm between two bounds.
    MinMaxNorm {
        /// The lower bound, 0 in Keras.
        min_value: f64,
        /// The upper bound, 1 in Keras.
        max_value: f64,
        /// How far a norm out of bounds is brought towards them in one step, 1 in Keras.
        rate: f64,
        /// Along which axes; 0 in Keras.
        axis: NormAxis,
    },
}

/// The axes along which norms are taken; negative ones count from the last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NormAxis {
    /// One axis.
    One(isize),
    /// Several axes.
    Several(Vec<isize>),
    /// All of them: the norm of the weight as a whole.
    All,
}

impl From<isize> for NormAxis {
    fn from(axis: isize) -> Self {
        NormAxis::One(axis)
    }
}

impl<const N: usize> From<[isize; N]> for NormAxis {
    fn from(axes: [isize; N]) -> Self {
        NormAxis::Several(axes.to_vec())
    }
}

impl NormAxis {
    fn named(&self) -> &[isize] {
        match self {
            NormAxis::One(axis) => std::slice::from_ref(axis),
            NormAxis::Several(axes) => axes,
            NormAxis::All => &[],
        }
    }

    /// Whether norms are taken along axis `at` of `axes`.
    fn has(&self, at: usize, axes: usize) -> bool {
        let is_it = |&axis: &isize| axis == at as isize || axis + axes as isize == at as isize;
        matches!(self, NormAxis::All) || self.named().iter().any(is_it)
    }
}

/// Keras adds it to a norm before dividing.
const EPSILON: f64 = 1e-7;

impl Constraint {
    /// A norm along axis 0 no longer than this.
    pub fn max_norm(max_value: f64) -> Self {
        Constraint::MaxNorm { max_value, axis: 0.into() }
    }

    /// A norm of one along axis 0.
    pub fn unit_norm() -> Self {
        Constraint::UnitNorm { axis: 0.into() }
    }

    /// A norm along axis 0 between two bounds.
    pub fn min_max_norm(min_value: f64, max_value: f64) -> Self {
        Constraint::MinMaxNorm { min_value, max_value, rate: 1.0, axis: 0.into() }
    }

    /// Checks the settings, and that they can be applied to a weight of this shape.
    pub(crate) fn check(&self, what: &str, shape: &[usize]) -> Result<()> {
        let numbers = match *self {
            Constraint::MaxNorm { max_value, .. } => [("max_value", max_value); 3],
            Constraint::MinMaxNorm { min_value, max_value, rate, .. } => {
                [("min_value", min_value), ("max_value", max_value), ("rate", rate)]
            }
            Constraint::NonNeg | Constraint::UnitNorm { .. } => [("", 0.0); 3],
        };
        if let Some((name, x)) = numbers.iter().find(|(_, x)| !(*x >= 0.0 && x.is_finite())) {
            return Err(Error::invalid(what, format!("{name} must not be negative, as {x} is")));
        }
        let axes = shape.len() as isize;
        for axis in self.axis().map_or(&[][..], NormAxis::named) {
            if !(-axes..axes).contains(axis) {
                let why = format!("a weight of shape {shape:?} has no axis {axis}");
                return Err(Error::invalid(what, why));
            }
        }
        Ok(())
    }

    fn axis(&self) -> Option<&NormAxis> {
        match self {
            Constraint::NonNeg => None,
            Constraint::MaxNorm { axis, .. }
            | Constraint::UnitNorm { axis }
            | Constraint::MinMaxNorm { axis, .. } => Some(axis),
        }
    }

    /// Changes `w`, a weight of this shape, to what satisfies it. `norms` is scratch.
    pub(crate) fn apply<T: Float>(&self, shape: &[usize], w: &mut [T], norms: &mut Vec<f64>) {
        let Some(axis) = self.axis() else {
            for w in w {
                if *w < T::ZERO {
                    *w = T::ZERO;
                }
            }
            return;
        };
        let groups = Groups { shape, axis };
        norms.clear();
        norms.resize(groups.count(), 0.0);
        groups.each(w, |w, group| norms[group] += w.to_f64() * w.to_f64());
        for norm in &mut *norms {
            let found = norm.sqrt();
            *norm = self.wanted(found) / (EPSILON + found);
        }
        let unit = matches!(self, Constraint::UnitNorm { .. });
        groups.each(w, |w, group| {
            // Keras divides where one is wanted, and multiplies by a quotient otherwise.
            let factor = norms[group];
            *w = T::from_f64(if unit { w.to_f64() / (1.0 / factor) } else { w.to_f64() * factor });
        });
    }

    /// The norm in the place of `norm`.
    fn wanted(&self, norm: f64) -> f64 {
        match *self {
            Constraint::NonNeg => norm,
            Constraint::MaxNorm { max_value, .. } => norm.clamp(0.0, max_value),
            Constraint::UnitNorm { .. } => 1.0,
            Constraint::MinMaxNorm { min_value, max_value, rate, .. } => {
                let within = norm.max(min_value).min(max_value);
                rate * within + (1.0 - rate) * norm
            }
        }
    }
}

/// The elements of an array in groups, those of a group differing along `axis` only.
struct Groups<'a> {
    shape: &'a [usize],
    axis: &'a NormAxis,
}

impl Groups<'_> {
    fn kept(&self, at: usize) -> bool {
        !self.axis.has(at, self.shape.len())
    }

    fn count(&self) -> usize {
        let axes = self.shape.iter().enumerate();
        axes.filter(|&(at, _)| self.kept(at)).map(|(_, &size)| size).product()
    }

    /// Visits every element, in order, with the number of its group.
    fn each<T>(&self, w: &mut [T], mut visit: impl FnMut(&mut T, usize)) {
        let Some((&columns, axes)) = self.shape.split_last() else {
            return w.iter_mut().for_each(|w| visit(w, 0));
        };
        let last_is_kept = self.kept(axes.len());
        for (row, w) in w.chunks_mut(columns.max(1)).enumerate() {
            let (mut rest, mut group) = (row, 0);
            let mut stride = if last_is_kept { columns } else { 1 };
            for (at, &size) in axes.iter().enumerate().rev() {
                if self.kept(at) {
                    group += rest % size * stride;
                    stride *= size;
                }
                rest /= size;
            }
            for (column, w) in w.iter_mut().enumerate() {
                visit(w, if last_is_kept { group + column } else { group });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const W: [f64; 6] = [3.0, -0.1, 0.5, -4.0, 0.2, 0.5];

    fn applied(constraint: &Constraint, shape: &[usize]) -> Vec<f64> {
        let mut w = W.to_vec();
        constraint.apply(shape, &mut w, &mut Vec::new());
        w
    }

    fn norm(w: &[f64], places: &[usize]) -> f64 {
        places.iter().map(|&at| w[at] * w[at]).sum::<f64>().sqrt()
    }

    #[test]
    fn norms_are_within_their_bounds_along_every_axis() {
        let columns = [&[0, 3][..], &[1, 4], &[2, 5]];
        let rows = [&[0, 1, 2][..], &[3, 4, 5]];
        for (axis, groups) in [
            (NormAxis::from(0), &columns[..]),
            ((-2).into(), &columns),
            (1.into(), &rows),
            ([-1].into(), &rows),
            ([0, 1].into(), &[&[0, 1, 2, 3, 4, 5]]),
            (NormAxis::All, &[&[0, 1, 2, 3, 4, 5]]),
            ([].into(), &[&[0], &[1], &[2], &[3], &[4], &[5]]),
        ] {
            for group in groups {
                let before = norm(&W, group);
                let axis = axis.clone();
                let most = Constraint::MaxNorm { max_value: 1.5, axis: axis.clone() };
                let after = norm(&applied(&most, &[2, 3]), group);
                assert!((after - before.min(1.5)).abs() < 2e-6, "{most:?} {group:?} {after}");
                let unit = Constraint::UnitNorm { axis: axis.clone() };
                let after = norm(&applied(&unit, &[2, 3]), group);
                assert!((after - 1.0).abs() < 2e-6, "{unit:?} {group:?} {after}");
                let (min_value, max_value, rate) = (0.4, 1.5, 0.25);
                let between = Constraint::MinMaxNorm { min_value, max_value, rate, axis };
                let after = norm(&applied(&between, &[2, 3]), group);
                let wanted = 0.25 * before.clamp(0.4, 1.5) + 0.75 * before;
                assert!((after - wanted).abs() < 2e-6, "{between:?} {group:?} {after}");
            }
        }
    }

    #[test]
    fn twice_is_as_once() {
        for constraint in [
            Constraint::NonNeg,
            Constraint::max_norm(1.0),
            Constraint::unit_norm(),
            Constraint::min_max_norm(0.5, 1.0),
        ] {
            let mut w = W;
            constraint.apply(&[2, 3], &mut w, &mut Vec::new());
            let once = w;
            constraint.apply(&[2, 3], &mut w, &mut Vec::new());
            // But for ε, which is added to the norm.
            assert!(w.iter().zip(&once).all(|(w, once)| (w - once).abs() < 1e-6), "{constraint:?}");
        }
        assert_eq!(applied(&Constraint::NonNeg, &[6]), [3.0, 0.0, 0.5, 0.0, 0.2, 0.5]);
    }

    #[test]
    fn settings_and_shapes_that_do_not_fit_are_refused() {
        for (constraint, why) in [
            (Constraint::max_norm(-1.0), "max_value must not be negative, as -1 is"),
            (Constraint::min_max_norm(f64::NAN, 1.0), "min_value must not be negative"),
            (Constraint::UnitNorm { axis: 2.into() }, "a weight of shape [2, 3] has no axis 2"),
            (Constraint::UnitNorm { axis: [0, -3].into() }, "has no axis -3"),
        ] {
            let error = constraint.check("bias_constraint", &[2, 3]).unwrap_err().to_string();
            assert!(error.starts_with("bias_constraint: ") && error.contains(why), "{error}");
        }
    }
}
