//! Gradients of any model against numerical derivatives, entry by entry.
//!
//! [`gradcheck`] holds a step of training against differences: the model's own loss with all that
//! belongs to it, dropout as it is drawn in that step, masks, penalties. [`Gradcheck::run`] needs no
//! loss: [`Model::gradients`] gives the gradient of `L = Σ dy·y` for a fixed random `dy` of order one,
//! which reaches every output at once. Either way every entry of every weight and input is moved,
//! `L` is computed again, and the difference quotient is held against the gradient: central
//! differences, extrapolated, that know what they can resolve and where there is no derivative. Initial states of a recurrent
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
//! as it is measured: in most models and away from kinks it is `10⁻⁵ ‖dy‖ max|y|`, where
//! entries of a gradient are of the order of `‖dy‖ max|y|`. Smaller entries are held to an absolute
//! error, that of the floor, and are counted: see [`Checked::below_floor`]. A report
//! whose gradients consist of such says too little, and does not pass: see [`Report::is_telling`]. (A floor of one, the usual choice, would let a gradient of 10⁻⁷ pass
//! whatever its value.)

mod checked;
mod data;
mod difference;
mod rounded;

pub use checked::{Checked, Entry, Report};
pub use data::random_batch;
pub use rounded::Rounded;

use crate::error::Result;
use crate::float::Float;
use crate::model::Model;
use crate::random::Rng;
use crate::tensor::{Inputs, Tensor};
use difference::{Loss, Slope};

/// Noise by size of the smallest derivative whose error is relative.
const RESOLUTION: f64 = 1e-7;

/// How a model's gradients are checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradcheck {
    /// The largest error of an entry that passes.
    pub tolerance: f64,
    /// How many entries of each tensor are checked, chosen at random; all unless set.
    pub sample: Option<usize>,
    /// For large models: how many random directions through each tensor are checked in place of its
    /// entries. A derivative along one has every entry of the tensor in it, and takes no longer than that
    /// of an entry.
    pub directions: Option<usize>,
    /// The seed of `dy`, of the sample and of directions.
    pub seed: u64,
}

impl Default for Gradcheck {
    fn default() -> Self {
        Gradcheck { tolerance: 1e-7, sample: None, directions: None, seed: 0 }
    }
}

/// Checks every gradient of a step of training: [`Gradcheck::training`] with its defaults.
///
/// ```
/// use lstm::{Adam, Dense, Input, LSTM, Loss, Sequential, Tensor, gradcheck};
///
/// let mut model = Sequential::new()
///     .add(Input::new([3, 2]))
///     .add(LSTM::new(4).dropout(0.2))
///     .add(Dense::new(1))
///     .build()?;
/// model.compile(Adam::default(), Loss::Huber { delta: 1.0 })?;
/// let x = Tensor::new([2, 3, 2], (0..12).map(|i| (i as f32).sin()).collect())?;
/// let y = Tensor::from([0.5f32, -0.5]);
/// let report = gradcheck(&model, &x, &y)?;
/// assert!(report.passed(), "{report}");
/// # Ok::<(), lstm::Error>(())
/// ```
///
/// A model of a million weights, along ten directions through each of its tensors:
///
/// ```
/// use lstm::gradcheck::{Gradcheck, random_batch};
/// use lstm::{Adam, Dense, Input, LSTM, Loss, Model, Sequential};
///
/// let mut model: Model = Sequential::new()
///     .add(Input::new([2, 64]))
///     .add(LSTM::new(450))
///     .add(Dense::new(1))
///     .build()?;
/// model.compile(Adam::default(), Loss::MeanSquaredError)?;
/// let batch = random_batch(&model, 2, 2, 0)?;
/// let check = Gradcheck { directions: Some(10), ..Gradcheck::default() };
/// let report = check.training(&model, &batch.x[0], &batch.y[0])?;
/// assert!(report.passed() && report.entries() <= 60, "{report}");
/// # Ok::<(), lstm::Error>(())
/// ```
///
/// # Errors
///
/// If the model is not compiled, or the data does not fit it.
pub fn gradcheck<T: Float>(
    model: &Model<T>,
    x: impl Inputs<T>,
    y: impl Inputs<T>,
) -> Result<Report> {
    Gradcheck::default().training(model, x, y)
}

impl Gradcheck {
    /// Checks the gradients of a step of training on the batch `x` with targets `y`: of all weights
    /// that are trained, and of all inputs but indices into an [`Embedding`](crate::Embedding).
    /// States of stateful layers are zero. The model itself is left alone.
    ///
    /// They are computed and checked in `f64`. The gradients that a model of another precision
    /// computes are then held against those: see [`Report::rounded`].
    ///
    /// # Errors
    ///
    /// If the model is not compiled, or the data does not fit it.
    pub fn training<T: Float>(
        &self,
        model: &Model<T>,
        x: impl Inputs<T>,
        y: impl Inputs<T>,
    ) -> Result<Report> {
        let cast = |tensors: &[&Tensor<T>]| -> Tensors {
            tensors.iter().map(|tensor| tensor.cast()).collect()
        };
        let (exact_x, exact_y) = (cast(x.tensors()), cast(y.tensors()));
        let mut exact = model.twin::<f64>()?;
        let mut point = Point::of_training(&mut exact, exact_x, &exact_y)?;
        let (dy, gradients) = self.gradients(&mut point)?;
        let mut report = self.compare(&mut point, &dy, &gradients)?;
        if size_of::<T>() != size_of::<f64>() {
            let mut own = model.twin::<T>()?;
            let (_, found) = own.loss_and_gradients(x.tensors(), y.tensors(), true)?;
            let found = found.weights.iter().chain(&found.inputs).map(Tensor::cast);
            let most = gradients.iter().map(rounded::largest).fold(0.0, f64::max);
            let pairs = found.zip(&gradients).enumerate();
            let checked = pairs.filter(|&(tensor, _)| point.is_checked(tensor));
            let rounded = checked.map(|(tensor, (found, exact))| {
                Rounded::new(point.name(tensor), &found, exact, most)
            });
            report.rounded = rounded.collect();
        }
        Ok(report)
    }

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
            self.compare(&mut point, &dy, &gradients)
        })
    }

    fn compare(&self, point: &mut Point, dy: &Tensors, gradients: &Tensors) -> Result<Report> {
        let loss = self.loss(point, dy)?;
        let mut rng = Rng::new(self.seed, 1);
        let mut tensors = Vec::new();
        for (tensor, gradient) in gradients.iter().enumerate() {
            if point.is_checked(tensor) {
                tensors.push(self.tensor(point, &loss, tensor, gradient, &mut rng)?);
            }
        }
        Ok(Report { tolerance: self.tolerance, tensors, rounded: Vec::new() })
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
            let direction = point.direction((3.0 / entries as f64).sqrt(), self.seed, 2);
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
        let direction = point.direction(1.0, self.seed, 3);
        let loss = Loss::new(dy, self.tolerance, point.along(&direction))?;
        point.put(start);
        Ok(loss)
    }

    /// A random `dy`, and the gradients of weights and inputs for it.
    fn gradients(&self, point: &mut Point) -> Result<(Tensors, Tensors)> {
        let inputs: Vec<_> = point.inputs.iter().collect();
        if let Objective::Training(y) = point.objective {
            let y: Vec<_> = y.iter().collect();
            let (_, gradients) = point.model.loss_and_gradients(&inputs, &y, true)?;
            let one = vec![Tensor::from([1.0])];
            return Ok((one, [gradients.weights, gradients.inputs].concat()));
        }
        let mut rng = Rng::new(self.seed, 0);
        let dy: Tensors = point
            .outputs()?
            .iter()
            .map(|y| Tensor::new(y.shape(), numbers(&mut rng, y.data().len(), 1.0)))
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
        rng: &mut Rng,
    ) -> Result<Checked> {
        if let Some(directions) = self.directions {
            return self.directions(directions, point, loss, (tensor, gradient), rng);
        }
        let entries = gradient.data().len();
        let chosen: Vec<usize> = match self.sample {
            Some(sample) if sample < entries => {
                (0..sample).map(|_| rng.below(entries as u64) as usize).collect()
            }
            _ => (0..entries).collect(),
        };
        let shape = gradient.shape().to_vec();
        let mut checked = Checked::new(point.name(tensor), shape);
        let at_zero = point.outputs()?;
        let valid = point.model.valid();
        for at in chosen {
            let x = point.tensor(tensor).data()[at];
            if point.is_masked(tensor, x) || point.turns_masks(tensor, at, &valid)? {
                checked.kinks += 1;
                continue;
            }
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

    /// Derivatives along random directions through a tensor, of unit length.
    fn directions(
        &self,
        count: usize,
        point: &mut Point,
        loss: &Loss,
        (tensor, gradient): (usize, &Tensor<f64>),
        rng: &mut Rng,
    ) -> Result<Checked> {
        let start = point.tensor(tensor).clone();
        let mut checked = Checked::new(point.name(tensor), gradient.shape().to_vec());
        let limit = (3.0 / start.data().len().max(1) as f64).sqrt();
        let at_zero = point.outputs()?;
        for at in 0..count {
            let way = point.way(tensor, limit, rng);
            let analytic = gradient.data().iter().zip(&way).map(|(gradient, way)| gradient * way);
            let slope = loss.slope(&at_zero, |s| {
                point.shift(tensor, &start, &way, s);
                point.outputs()
            })?;
            match Gradcheck::entry(vec![at], analytic.sum(), slope) {
                None => checked.kinks += 1,
                Some(entry) => checked.count(entry),
            }
        }
        *point.tensor(tensor) = start;
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

/// What is differentiated.
#[derive(Clone, Copy)]
enum Objective<'a> {
    /// `Σ dy·y`
    Outputs,
    /// The loss of a step of training with these targets.
    Training(&'a [Tensor<f64>]),
}

/// A model with weights and inputs that can be moved.
struct Point<'a> {
    model: &'a mut Model<f64>,
    objective: Objective<'a>,
    /// Which of weights and inputs have gradients.
    checked: Vec<bool>,
    /// The number that masks a step, of each of them: no step becomes valid smoothly.
    masks: Vec<Option<f64>>,
    /// Whether all inputs stay where they are while everything else moves, for other masks may follow
    /// from any of their numbers.
    still: bool,
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
        let (objective, checked) = (Objective::Outputs, vec![true; names.len()]);
        let (masks, still) = (model.mask_values(), model.masks_by_other_numbers());
        Ok(Point { model, objective, checked, masks, still, names, weights, inputs })
    }

    /// A step of training.
    fn of_training(
        model: &'a mut Model<f64>,
        inputs: Tensors,
        y: &'a [Tensor<f64>],
    ) -> Result<Self> {
        let mut names = model.weight_names();
        names.extend(model.input_names());
        let checked = model.differentiable();
        let (masks, still) = (model.mask_values(), model.masks_by_other_numbers());
        let (weights, objective) = (model.get_weights(), Objective::Training(y));
        Ok(Point { model, objective, checked, masks, still, names, weights, inputs })
    }

    fn is_checked(&self, i: usize) -> bool {
        self.checked[i]
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

    /// Whether an entry of a tensor that is `x` may mask a step, and must stay as it is.
    fn is_masked(&self, tensor: usize, x: f64) -> bool {
        self.masks[tensor] == Some(x)
    }

    /// Whether a tensor stays where it is while everything else moves.
    fn stays(&self, tensor: usize) -> bool {
        self.still && tensor >= self.weights.len()
    }

    /// Whether other steps than those that are `valid` here are so where an entry of a tensor is another
    /// number.
    fn turns_masks(&mut self, tensor: usize, at: usize, valid: &[bool]) -> Result<bool> {
        if !self.stays(tensor) {
            return Ok(false);
        }
        let x = self.tensor(tensor).data()[at];
        self.tensor(tensor).data_mut()[at] = x + difference::STEP;
        let outputs = self.outputs();
        self.tensor(tensor).data_mut()[at] = x;
        outputs.map(|_| self.model.valid() != valid)
    }

    /// A random number up to `limit` for every entry that may move.
    fn direction(&self, limit: f64, seed: u64, stream: u64) -> Vec<Vec<f64>> {
        let mut rng = Rng::new(seed, stream);
        let tensors = 0..self.weights.len() + self.inputs.len();
        let limit_of = |i| if self.checked[i] && !self.stays(i) { limit } else { 0.0 };
        tensors.map(|i| self.way(i, limit_of(i), &mut rng)).collect()
    }

    /// A random number up to `limit` for every entry of a tensor. A step that became valid would be a
    /// jump of the loss.
    fn way(&self, tensor: usize, limit: f64, rng: &mut Rng) -> Vec<f64> {
        let of_weight = self.weights.get(tensor);
        let start = of_weight.unwrap_or_else(|| &self.inputs[tensor - self.weights.len()]);
        let mut ways = numbers(rng, start.data().len(), limit);
        let entries = ways.iter_mut().zip(start.data());
        entries.filter(|(_, x)| self.is_masked(tensor, **x)).for_each(|(way, _)| *way = 0.0);
        ways
    }

    /// Moves a tensor to `s` times a way from where it started.
    fn shift(&mut self, tensor: usize, start: &Tensor<f64>, way: &[f64], s: f64) {
        let moved = start.data().iter().zip(way).map(|(x, way)| x + s * way);
        self.tensor(tensor).data_mut().iter_mut().zip(moved).for_each(|(x, y)| *x = y);
    }

    /// The outputs `s` times the direction away from here. The point moves with them.
    fn along(&mut self, direction: &[Vec<f64>]) -> impl FnMut(f64) -> Result<Tensors> {
        let start = self.clone_tensors();
        move |s| {
            for (tensor, (start, way)) in start.iter().zip(direction).enumerate() {
                self.shift(tensor, start, way, s);
            }
            self.outputs()
        }
    }

    /// The model's outputs here, or its loss.
    fn outputs(&mut self) -> Result<Tensors> {
        self.model.set_weights(&self.weights)?;
        let inputs: Vec<_> = self.inputs.iter().collect();
        match self.objective {
            Objective::Outputs => self.model.predict_all(&inputs[..]),
            Objective::Training(y) => {
                let y: Vec<_> = y.iter().collect();
                let (loss, _) = self.model.loss_and_gradients(&inputs, &y, false)?;
                Ok(vec![Tensor::from([loss])])
            }
        }
    }
}

/// Uniform in ±`limit`, in steps that `f32` holds exactly.
fn numbers(rng: &mut Rng, len: usize, limit: f64) -> Vec<f64> {
    let uniform = |rng: &mut Rng| (rng.below(1 << 24) as f64 / f64::from(1 << 23)) - 1.0;
    (0..len).map(|_| limit * uniform(rng)).collect()
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
