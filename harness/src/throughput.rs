//! How long a batch takes: inference, training, a whole step, step by step.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use kernels::Isa;
use lstm::{Adam, Dense, Float, Input, LSTM, Loss, Model, Result, Sequential, Tensor};

use crate::dtype::Dtype;
use crate::random::Random;
use crate::stack::Stack;
use crate::streams::Streams;
use crate::timing::{Timing, interleave};

/// A measurement takes about this long, after warming up.
const BUDGET: Duration = Duration::from_millis(500);

/// The sizes of a batch and of the layers it goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// B
    pub batch: usize,
    /// T
    pub steps: usize,
    /// I
    pub inputs: usize,
    /// H
    pub units: usize,
}

impl Shape {
    /// Floating-point operations of the matrix products of a forward pass through `layers` layers:
    /// `8 B T H (I + H)` each, where the input of a deeper layer is H wide.
    pub fn forward_flops(self, layers: usize) -> f64 {
        let Shape { batch, steps, inputs, units } = self;
        let products = inputs + units + layers.saturating_sub(1) * 2 * units;
        8.0 * batch as f64 * steps as f64 * units as f64 * products as f64
    }

    /// Those of a mode. Backward takes twice as many as forward, for inputs and for weights; but no
    /// gradient of the data is needed in a step, which saves `8 B T H I` in the first layer. The
    /// head of a step is not counted.
    pub fn flops(self, mode: Mode, layers: usize) -> f64 {
        let Shape { batch, steps, inputs, units } = self;
        let forward = self.forward_flops(layers);
        match mode {
            Mode::Infer | Mode::Stream => forward,
            Mode::Train => 3.0 * forward,
            Mode::Step => {
                let dx = 8.0 * batch as f64 * steps as f64 * units as f64 * inputs as f64;
                3.0 * forward - dx
            }
        }
    }

    /// Whether the arrays of `layers` layers are of a size to work with.
    ///
    /// # Errors
    ///
    /// If they are not.
    pub fn fits(self, layers: usize) -> std::result::Result<(), BadSizes> {
        let Shape { batch, steps, inputs, units } = self;
        // What training keeps, and the weights.
        fits(&[layers, batch, steps, inputs + 8 * units])?;
        fits(&[layers, 4 * units, inputs.max(units) + units])
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let Shape { batch, steps, inputs, units } = self;
        out.pad(&format!("{batch},{steps},{inputs},{units}"))
    }
}

impl FromStr for Shape {
    type Err = BadSizes;

    fn from_str(text: &str) -> std::result::Result<Self, BadSizes> {
        let [batch, steps, inputs, units] = sizes(text)?;
        let shape = Shape { batch, steps, inputs, units };
        shape.fits(1)?;
        Ok(shape)
    }
}

/// Text that is not a list of sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSizes {
    /// There are not as many, or one is not a positive number.
    Expected(usize),
    /// An array would have more than [`LARGEST`] elements.
    TooLarge,
}

/// Elements of the largest array there may be.
pub const LARGEST: usize = 1 << 30;

impl fmt::Display for BadSizes {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            BadSizes::Expected(n) => {
                write!(out, "expected {n} positive numbers, separated by commas")
            }
            BadSizes::TooLarge => write!(out, "an array would have more than 2^30 elements"),
        }
    }
}

impl std::error::Error for BadSizes {}

/// `N` positive sizes, as in `32,10,8,4`.
///
/// # Errors
///
/// If there are more or fewer, or one is zero or huge.
pub fn sizes<const N: usize>(text: &str) -> std::result::Result<[usize; N], BadSizes> {
    let numbers: Vec<usize> =
        text.split(',').filter_map(|number| number.trim().parse().ok()).collect();
    match <[usize; N]>::try_from(numbers) {
        Ok(sizes) if text.split(',').count() == N && !sizes.contains(&0) => {
            sizes.iter().try_for_each(|&size| fits(&[size]))?;
            Ok(sizes)
        }
        _ => Err(BadSizes::Expected(N)),
    }
}

/// Whether an array of this shape is of a size to work with.
///
/// # Errors
///
/// If it is not.
pub fn fits(shape: &[usize]) -> std::result::Result<(), BadSizes> {
    let size = shape.iter().try_fold(1usize, |size, &dim| size.checked_mul(dim));
    match size {
        Some(size) if size <= LARGEST => Ok(()),
        _ => Err(BadSizes::TooLarge),
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Forward; all steps out.
    Infer,
    /// Forward and backward, for weights and inputs, with a given output gradient.
    Train,
    /// Forward, mean squared error of a `Dense(1)` head on the last step, backward, Adam.
    Step,
    /// Forward, each step a call of its own that carries the state along.
    Stream,
}

impl Mode {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Infer => "infer",
            Mode::Train => "train",
            Mode::Step => "step",
            Mode::Stream => "stream",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.pad(self.name())
    }
}

/// A model in training, for [`Mode::Step`], and a batch for it.
#[derive(Debug)]
pub struct Step<T> {
    model: Model<T>,
    x: Tensor<T>,
    y: Tensor<T>,
}

impl<T: Float> Step<T> {
    /// `layers` LSTM layers under a `Dense(1)`, compiled with Adam and mean squared error.
    ///
    /// # Errors
    ///
    /// If a size is zero.
    pub fn new(isa: Isa, shape: Shape, layers: usize) -> Result<Self> {
        let mut step = Step::untrained(isa, shape, layers)?;
        step.loss()?;
        Ok(step)
    }

    /// [`new`](Self::new) without a first step.
    ///
    /// # Errors
    ///
    /// If a size is zero.
    pub fn untrained(isa: Isa, shape: Shape, layers: usize) -> Result<Self> {
        let Shape { batch, steps, inputs, units } = shape;
        let mut stack = Sequential::new().add(Input::new([steps, inputs]));
        for layer in 1..=layers {
            stack = stack.add(LSTM::new(units).return_sequences(layer < layers));
        }
        let mut model = stack.add(Dense::new(1)).build_as::<T>()?;
        model.set_isa(isa);
        model.compile(Adam::default(), Loss::MeanSquaredError)?;
        let mut random = Random::new(0);
        let x = random.numbers(batch * steps * inputs, 1.0);
        let y = random.numbers(batch, 1.0);
        let (x, y) = (Tensor::new([batch, steps, inputs], x)?, Tensor::new([batch, 1], y)?);
        Ok(Step { model, x, y })
    }

    /// The weights: those of the layers, then those of the head.
    pub fn weights(&self) -> Vec<Tensor<T>> {
        self.model.get_weights()
    }

    /// The batch: x and y.
    pub fn batch(&self) -> (&Tensor<T>, &Tensor<T>) {
        (&self.x, &self.y)
    }

    /// One step, and the loss before it.
    ///
    /// # Errors
    ///
    /// If there is no memory for the first.
    pub fn loss(&mut self) -> Result<T> {
        self.model.train_on_batch(&self.x, &self.y)
    }

    /// One step.
    ///
    /// # Panics
    ///
    /// Never after the first, which [`new`](Self::new) has taken.
    pub fn run(&mut self) {
        self.loss().unwrap_or_else(|error| panic!("a step after the first: {error}"));
    }
}

/// Measures a mode on the current thread pool.
///
/// # Errors
///
/// If a model cannot be built.
pub fn measure(dtype: Dtype, isa: Isa, mode: Mode, shape: Shape, layers: usize) -> Result<Timing> {
    let mut run = contestant(dtype, isa, mode, shape, layers)?;
    let [timing] = interleave(BUDGET, [&mut *run]);
    Ok(timing)
}

/// What runs a mode once, with data of its own.
///
/// # Errors
///
/// If a model cannot be built.
pub fn contestant(
    dtype: Dtype,
    isa: Isa,
    mode: Mode,
    shape: Shape,
    layers: usize,
) -> Result<Box<dyn FnMut()>> {
    match dtype {
        Dtype::F32 => contestant_as::<f32>(isa, mode, shape, layers),
        Dtype::F64 => contestant_as::<f64>(isa, mode, shape, layers),
    }
}

fn contestant_as<T: Float>(
    isa: Isa,
    mode: Mode,
    shape: Shape,
    layers: usize,
) -> Result<Box<dyn FnMut()>> {
    let stack = || Stack::<T>::new(isa, shape, layers);
    Ok(match mode {
        Mode::Infer => {
            let mut stack = stack();
            Box::new(move || stack.infer())
        }
        Mode::Train => {
            let mut stack = stack();
            Box::new(move || stack.train())
        }
        Mode::Step => {
            let mut step = Step::<T>::new(isa, shape, layers)?;
            Box::new(move || step.run())
        }
        Mode::Stream => {
            let mut streams = Streams::<T>::new(isa, shape, layers);
            Box::new(move || streams.run())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_four_sizes_and_nothing_else() {
        let shape = Shape { batch: 32, steps: 10, inputs: 8, units: 4 };
        assert_eq!("32,10,8,4".parse(), Ok(shape));
        for bad in ["", "1,2,3", "1,2,3,4,5", "1,2,3,x", "0,1,1,1", "1,1,1,-1", "1,1,1,1,x"] {
            assert_eq!(bad.parse::<Shape>(), Err(BadSizes::Expected(4)), "{bad}");
        }
        for huge in ["1,1,1,40000", "9999999999,1,1,1", "100000,100000,1,1"] {
            assert_eq!(huge.parse::<Shape>(), Err(BadSizes::TooLarge), "{huge}");
        }
    }

    #[test]
    fn deeper_layers_count_with_their_own_input() {
        let shape = Shape { batch: 2, steps: 3, inputs: 5, units: 7 };
        assert_eq!(shape.forward_flops(1), (8 * 2 * 3 * 7 * 12) as f64);
        assert_eq!(shape.forward_flops(3), (8 * 2 * 3 * 7 * (12 + 14 + 14)) as f64);
    }

    #[test]
    fn a_step_needs_no_gradient_of_the_data() {
        let shape = Shape { batch: 2, steps: 3, inputs: 5, units: 7 };
        for layers in [1, 3] {
            let forward = shape.forward_flops(layers);
            assert_eq!(shape.flops(Mode::Infer, layers), forward);
            assert_eq!(shape.flops(Mode::Train, layers), 3.0 * forward);
            let dx = (8 * 2 * 3 * 7 * 5) as f64;
            assert_eq!(shape.flops(Mode::Step, layers), 3.0 * forward - dx);
        }
    }

    #[test]
    fn layers_count_where_sizes_are_checked() {
        let shape = Shape { batch: 1, steps: 1, inputs: 1, units: 1000 };
        assert_eq!(shape.fits(100), Ok(()));
        assert_eq!(shape.fits(200), Err(BadSizes::TooLarge), "weights");
        let shape = Shape { batch: 1000, steps: 1000, inputs: 1, units: 10 };
        assert_eq!(shape.fits(10), Ok(()));
        assert_eq!(shape.fits(20), Err(BadSizes::TooLarge), "what training keeps");
    }
}
