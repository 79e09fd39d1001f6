//! Gradients of any model against numerical derivatives, entry by entry.
//!
//! [`Model::gradients`] gives the gradient of `L = Σ dy·y` for a fixed random `dy` of order one,
//! which reaches every output at once. Here every entry of every weight and input is moved, the
//! outputs are computed again by [`Model::predict_all`], and the difference quotient is held
//! against the gradient (see [`difference`](crate::difference)). Initial states of a recurrent
//! layer are inputs of a functional model, so they need nothing of their own; final states are
//! outputs.
//!
//! An entry's error is
//!
//! ```text
//! |analytic - numeric| / max(|analytic|, |numeric|, floor),    floor = 10⁷ noise
//! ```
//!
//! The floor is the size of a derivative that differences can tell to seven digits: below it they
//! show their own rounding error. It is not a constant but follows from the rounding of the loss
//! (see [`Loss::noise`]): in most models and away from kinks it is `10⁻⁵ ‖dy‖ max|y|`, where
//! entries of a gradient are of the order of `‖dy‖ max|y|`. Smaller entries are held to an absolute
//! error, that of the floor, and are counted: see [`Checked::below_floor`]. (A floor of one, the usual choice, would let a gradient of 10⁻⁷ pass whatever its value.)

mod checked;

use lstm::{Model, Result, Tensor};

pub use checked::{Checked, Entry, Report};

use crate::difference::{Loss, Slope};
use crate::random::Random;

/// Noise by size of the smallest derivative whose error is relative.
const RESOLUTION: f64 = 1e-7;

/// How a model's gradients are checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradcheck {
    /// The largest error of an entry that passes.
    pub tolerance: f64,
    /// How many entries of each tensor are checked, chosen at random; all unless set.
    pub sample: Option<usize>,
    /// The seed of `dy` and of the sample.
    pub seed: u64,
}

impl Default for Gradcheck {
    fn default() -> Self {
        Gradcheck { tolerance: 1e-7, sample: None, seed: 0 }
    }
}

impl Gradcheck {
    /// Checks the gradients of `model` with respect to all of its weights and `inputs`, which have
    /// names for the report. The model is left as it was.
    ///
    /// # Errors
    ///
    /// If the inputs do not fit the model.
    pub fn run(&self, model: &mut Model<f64>, inputs: &[(&str, Tensor<f64>)]) -> Result<Report> {
        restoring(model, |model| {
            let mut point = Point::new(model, inputs)?;
            let (dy, gradients) = self.gradients(&mut point)?;
            let loss = self.loss(&mut point, &dy)?;
            let mut random = Random::new(self.seed ^ 1);
            let mut tensors = Vec::new();
            for (tensor, gradient) in gradients.iter().enumerate() {
                tensors.push(self.tensor(&mut point, &loss, tensor, gradient, &mut random)?);
            }
            Ok(Report { tolerance: self.tolerance, tensors })
        })
    }

    /// Checks the derivative along one random direction through all weights and inputs: every
    /// entry of the gradient in one number. `None` at a bend of relu.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn along(
        &self,
        model: &mut Model<f64>,
        inputs: &[(&str, Tensor<f64>)],
    ) -> Result<Option<Entry>> {
        restoring(model, |model| {
            let mut point = Point::new(model, inputs)?;
            let (dy, gradients) = self.gradients(&mut point)?;
            let loss = self.loss(&mut point, &dy)?;
            // A direction of unit length, so that the step is as long as that of one entry.
            let entries: usize = gradients.iter().map(|gradient| gradient.data().len()).sum();
            let direction = point.direction((3.0 / entries as f64).sqrt(), self.seed ^ 2);
            let analytic = gradients
                .iter()
                .zip(&direction)
                .flat_map(|(gradient, direction)| gradient.data().iter().zip(direction))
                .map(|(gradient, direction)| gradient * direction)
                .sum();

            let at_zero = point.outputs()?;
            let slope = loss.slope(&at_zero, point.along(&direction))?;
            Ok(Gradcheck::entry(Vec::new(), analytic, slope))
        })
    }

    /// The loss at `point`, with its rounding measured while everything moves at once.
    fn loss<'a>(&self, point: &mut Point, dy: &'a [Tensor<f64>]) -> Result<Loss<'a>> {
        let start = point.clone_tensors();
        let direction = point.direction(1.0, self.seed ^ 3);
        let loss = Loss::new(dy, self.tolerance, point.along(&direction))?;
        point.put(start);
        Ok(loss)
    }

    /// A random `dy`, and the gradients of weights and inputs for it.
    fn gradients(&self, point: &mut Point) -> Result<(Tensors, Tensors)> {
        let mut random = Random::new(self.seed);
        let dy: Tensors = point
            .outputs()?
            .iter()
            .map(|y| Tensor::new(y.shape(), random.numbers(y.data().len(), 1.0)))
            .collect::<Result<_>>()?;
        let given: Vec<_> = dy.iter().map(Some).collect();
        let inputs: Vec<_> = point.inputs.iter().collect();
        let gradients = point.model.gradients(&inputs[..], &given)?;
        Ok((dy, [gradients.weights, gradients.inputs].concat()))
    }

    fn tensor(
        &self,
        point: &mut Point,
        loss: &Loss,
        tensor: usize,
        gradient: &Tensor<f64>,
        random: &mut Random,
    ) -> Result<Checked> {
        let entries = gradient.data().len();
        let chosen: Vec<usize> = match self.sample {
            Some(sample) if sample < entries => {
                (0..sample).map(|_| random.below(entries)).collect()
            }
            _ => (0..entries).collect(),
        };
        let shape = gradient.shape().to_vec();
        let mut checked = Checked::new(point.name(tensor), shape);
        let at_zero = point.outputs()?;
        for at in chosen {
            let x = point.tensor(tensor).data()[at];
            let scale = x.abs().max(1.0);
            let slope = loss.slope(&at_zero, |s| {
                point.tensor(tensor).data_mut()[at] = x + s * scale;
                point.outputs()
            })?;
            point.tensor(tensor).data_mut()[at] = x;

            let index = index_of(&checked.shape, at);
            match Gradcheck::entry(index, gradient.data()[at] * scale, slope) {
                None => checked.kinks += 1,
                Some(Entry { index, analytic, numeric, error, floor }) => {
                    let (analytic, numeric) = (analytic / scale, numeric / scale);
                    let entry = Entry { index, analytic, numeric, error, floor: floor / scale };
                    checked.count(entry);
                }
            }
        }
        Ok(checked)
    }

    /// Holds a gradient against a slope.
    fn entry(index: Vec<usize>, analytic: f64, slope: Slope) -> Option<Entry> {
        let Slope::Smooth { value: numeric, noise } = slope else { return None };
        let floor = noise / RESOLUTION;
        let difference = (analytic - numeric).abs();
        let error = match difference.is_finite() {
            true if difference == 0.0 => 0.0,
            true => difference / analytic.abs().max(numeric.abs()).max(floor),
            false => f64::INFINITY, // a NaN is no agreement
        };
        Some(Entry { index, analytic, numeric, error, floor })
    }
}

/// Runs `check`, then puts the model's weights back.
fn restoring<R>(
    model: &mut Model<f64>,
    check: impl FnOnce(&mut Model<f64>) -> Result<R>,
) -> Result<R> {
    let weights = model.get_weights();
    let result = check(model);
    model.set_weights(&weights)?;
    result
}

type Tensors = Vec<Tensor<f64>>;

/// A model with weights and inputs that can be moved.
struct Point<'a> {
    model: &'a mut Model<f64>,
    names: Vec<String>,
    weights: Tensors,
    inputs: Tensors,
}

impl<'a> Point<'a> {
    fn new(model: &'a mut Model<f64>, inputs: &[(&str, Tensor<f64>)]) -> Result<Self> {
        let mut names = model.weight_names();
        names.extend(inputs.iter().map(|(name, _)| (*name).to_owned()));
        let weights = model.get_weights();
        let inputs = inputs.iter().map(|(_, x)| x.clone()).collect();
        Ok(Point { model, names, weights, inputs })
    }

    /// Weights first, then inputs.
    fn tensor(&mut self, i: usize) -> &mut Tensor<f64> {
        let weights = self.weights.len();
        if i < weights { &mut self.weights[i] } else { &mut self.inputs[i - weights] }
    }

    fn name(&self, i: usize) -> String {
        self.names[i].clone()
    }

    fn clone_tensors(&self) -> Tensors {
        self.weights.iter().chain(&self.inputs).cloned().collect()
    }

    fn put(&mut self, tensors: Tensors) {
        for (i, tensor) in tensors.into_iter().enumerate() {
            *self.tensor(i) = tensor;
        }
    }

    /// A random number up to `limit` for every entry.
    fn direction(&self, limit: f64, seed: u64) -> Vec<Vec<f64>> {
        let mut random = Random::new(seed);
        let tensors = self.weights.iter().chain(&self.inputs);
        tensors.map(|tensor| random.numbers(tensor.data().len(), limit)).collect()
    }

    /// The outputs `s` times the direction away from here. The point moves with them.
    fn along(&mut self, direction: &[Vec<f64>]) -> impl FnMut(f64) -> Result<Tensors> {
        let start = self.clone_tensors();
        move |s| {
            for (tensor, (start, direction)) in start.iter().zip(direction).enumerate() {
                let moved = start.data().iter().zip(direction).map(|(x, way)| x + s * way);
                self.tensor(tensor).data_mut().iter_mut().zip(moved).for_each(|(x, y)| *x = y);
            }
            self.outputs()
        }
    }

    /// The model's outputs here.
    fn outputs(&mut self) -> Result<Tensors> {
        self.model.set_weights(&self.weights)?;
        let inputs: Vec<_> = self.inputs.iter().collect();
        self.model.predict_all(&inputs[..])
    }
}

/// The index of the element number `at` of a tensor.
fn index_of(shape: &[usize], mut at: usize) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (index, &dim) in index.iter_mut().zip(shape).rev() {
        (*index, at) = (at % dim, at / dim);
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_relative_above_the_floor_absolute_below_and_infinite_for_nan() {
        let error = |analytic, numeric| {
            let slope = Slope::Smooth { value: numeric, noise: 1e-11 };
            Gradcheck::entry(Vec::new(), analytic, slope).map(|entry| entry.error)
        };
        assert_eq!(error(2.0, 1.0), Some(0.5));
        assert_eq!(error(-2e-3, 2e-3), Some(2.0));
        assert!((error(1e-6, 2e-6).unwrap_or(0.0) - 1e-2).abs() < 1e-12);
        assert_eq!(error(0.0, 0.0), Some(0.0));
        assert_eq!(error(f64::NAN, 0.0), Some(f64::INFINITY));
        assert_eq!(error(1.0, f64::NAN), Some(f64::INFINITY));
        assert_eq!(Gradcheck::entry(Vec::new(), 1.0, Slope::Kink), None);
    }

    #[test]
    fn an_index_has_one_number_for_each_axis() {
        assert_eq!(index_of(&[2, 3, 4], 23), [1, 2, 3]);
        assert_eq!(index_of(&[5], 3), [3]);
    }
}
