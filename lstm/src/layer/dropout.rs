//! Zeros at random while training.

use kernels::{Buffer, Float};

use super::{Describe, Flow, Inputs, Layer, Mask, Operation, Pass, named, one_input};
use crate::error::{Error, Result};
use crate::graph::{Shared, Symbol};
use crate::shape::Shape;

/// In training, makes each entry zero with the probability `rate` and multiplies the others by
/// `1 / (1 - rate)`; otherwise changes nothing (N. Srivastava et al., *Dropout*, 2014).
///
/// Options and defaults are those of `keras.layers.Dropout`. The random numbers are our own.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropout {
    pub(crate) rate: f64,
    pub(crate) noise_shape: Option<Vec<Option<usize>>>,
    pub(crate) seed: Option<u64>,
    pub(crate) name: Option<String>,
}

impl Dropout {
    /// A layer that makes `rate` of the entries zero, between 0 and 1.
    pub fn new(rate: f64) -> Self {
        Dropout { rate, noise_shape: None, seed: None, name: None }
    }

    /// The shape of what is drawn at random, batch axis included: an axis of one is drawn once for
    /// all entries along it, and `None` is the size of the input's. All entries are drawn for
    /// themselves unless it is set.
    pub fn noise_shape(self, shape: impl Into<Vec<Option<usize>>>) -> Self {
        Dropout { noise_shape: Some(shape.into()), ..self }
    }

    /// The seed of the random numbers; that of the training unless set.
    pub fn seed(self, seed: u64) -> Self {
        Dropout { seed: Some(seed), ..self }
    }
}

named!(Dropout);

/// Checks the rate of a dropout.
fn check_rate(what: &str, rate: f64) -> Result<()> {
    match (0.0..=1.0).contains(&rate) {
        true => Ok(()),
        false => Err(Error::invalid(what, format!("rate must be between 0 and 1, not {rate}"))),
    }
}

impl Describe for Dropout {
    fn class(&self) -> &'static str {
        "Dropout"
    }

    fn base_name(&self) -> &'static str {
        "dropout"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let input = one_input(what, inputs)?;
        if let Some(noise) = &self.noise_shape {
            let axes = input.axes();
            let fits = noise.len() == axes.len() + 1
                && noise[1..].iter().zip(axes).all(|(noise, axis)| match (noise, axis) {
                    (None | Some(1), _) | (_, None) => true,
                    (noise, axis) => noise == axis,
                });
            if !fits {
                return Err(Error::Shape {
                    what: format!("noise_shape of {what}, whose axes are those of its input or 1"),
                    expected: input.batched(None),
                    found: noise.clone(),
                });
            }
        }
        outputs.resize_with(1, Shape::default);
        outputs[0].assign(input.axes().iter().copied());
        Ok(())
    }

    fn check(&self, what: &str, _: &[Shape]) -> Result<()> {
        check_rate(what, self.rate)?;
        match self.noise_shape.as_ref().is_some_and(|noise| noise.contains(&Some(0))) {
            true => Err(Error::invalid(what, "an axis of noise_shape is zero")),
            false => Ok(()),
        }
    }
}

/// As [`Dropout`], with whole features of a sequence made zero: `[steps, features]` to the same.
///
/// Options and defaults are those of `keras.layers.SpatialDropout1D`.
#[derive(Clone, Debug, PartialEq)]
pub struct SpatialDropout1D {
    pub(crate) rate: f64,
    pub(crate) seed: Option<u64>,
    pub(crate) name: Option<String>,
}

impl SpatialDropout1D {
    /// A layer that makes `rate` of the features zero, between 0 and 1.
    pub fn new(rate: f64) -> Self {
        SpatialDropout1D { rate, seed: None, name: None }
    }

    /// The seed of the random numbers; that of the training unless set.
    pub fn seed(self, seed: u64) -> Self {
        SpatialDropout1D { seed: Some(seed), ..self }
    }
}

named!(SpatialDropout1D);

impl Describe for SpatialDropout1D {
    fn class(&self) -> &'static str {
        "SpatialDropout1D"
    }

    fn base_name(&self) -> &'static str {
        "spatial_dropout1d"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let input = one_input(what, inputs)?;
        let &[steps, features] = input.axes() else {
            let what = format!("input of {what}, [batch, steps, features]");
            let expected = vec![None, None, input.features()];
            return Err(Error::Shape { what, expected, found: input.batched(None) });
        };
        outputs.resize_with(1, Shape::default);
        outputs[0].assign([steps, features]);
        Ok(())
    }

    fn check(&self, what: &str, _: &[Shape]) -> Result<()> {
        check_rate(what, self.rate)
    }
}

/// The operation of a [`Dropout`] and of its kin.
#[derive(Debug)]
pub(super) struct Drop<T> {
    rate: f64,
    /// Batch axis included.
    noise_shape: Option<Vec<Option<usize>>>,
    seed: Option<u64>,
    /// What the last forward multiplied by, entry by entry; empty where it changed nothing.
    factors: Buffer<T>,
    /// The sizes of the axes of `factors`, and what is drawn of each.
    axes: Vec<(usize, usize)>,
    noise: Vec<T>,
}

impl<T: Float> Drop<T> {
    pub(super) fn new(dropout: &Dropout) -> Self {
        Drop {
            rate: dropout.rate,
            noise_shape: dropout.noise_shape.clone(),
            seed: dropout.seed,
            factors: Buffer::new(),
            axes: Vec::new(),
            noise: Vec::new(),
        }
    }

    pub(super) fn of_features(dropout: &SpatialDropout1D) -> Self {
        let SpatialDropout1D { rate, seed, .. } = *dropout;
        let noise_shape = Some(vec![None, Some(1), None]);
        Drop::new(&Dropout { rate, noise_shape, seed, name: None })
    }

    /// Draws the factors for a batch like the input.
    fn draw(&mut self, pass: &Pass<T>) {
        let Some(draw) = pass.training else {
            self.factors.resize(0);
            return;
        };
        let (rate, mut rng) = (self.rate, draw.rng(self.seed));
        let kept = T::from_f64(1.0 / (1.0 - rate));
        let mut factor = || if rng.uniform() >= rate { kept } else { T::ZERO };
        self.factors.resize(pass.inputs.at(0).len());
        let Some(noise_shape) = &self.noise_shape else {
            self.factors.iter_mut().for_each(|entry| *entry = factor());
            return;
        };
        self.axes.clear();
        let sizes = pass.inputs.shapes[0].axes().iter().map(|axis| axis.unwrap_or(0));
        let sizes = [pass.batch].into_iter().chain(sizes);
        // What is not the size of the input's axis is one, or else a batch of another size.
        let drawn = noise_shape.iter().zip(sizes).map(|(noise, size)| match noise {
            Some(noise) if *noise != size => (size, 1),
            _ => (size, size),
        });
        self.axes.extend(drawn);
        self.noise.clear();
        let count = self.axes.iter().map(|&(_, drawn)| drawn).product();
        self.noise.extend((0..count).map(|_| factor()));
        for (mut at, entry) in self.factors.iter_mut().enumerate() {
            let (mut place, mut stride) = (0, 1);
            for &(size, drawn) in self.axes.iter().rev() {
                place += if drawn == 1 { 0 } else { at % size * stride };
                stride *= drawn;
                at /= size;
            }
            *entry = self.noise[place];
        }
    }
}

impl<T: Float> Operation<T> for Drop<T> {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let (x, y) = (pass.inputs.at(0), &mut outputs[0]);
        self.draw(&pass);
        match &self.factors[..] {
            [] => y.copy_from_slice(x),
            factors => y.iter_mut().zip(x.iter().zip(factors)).for_each(|(y, (&x, &factor))| {
                // Not a product: a dropped entry is zero, whatever it was.
                *y = if factor == T::ZERO { T::ZERO } else { x * factor };
            }),
        }
    }

    fn backward(
        &mut self,
        _: Pass<T>,
        _: &[Buffer<T>],
        douts: &mut [Flow<T>],
        _: &mut [T],
        dins: &mut [Flow<T>],
    ) {
        let (Some(dx), Some(dy)) = (dins[0].room(), douts[0].get()) else { return };
        match &self.factors[..] {
            [] => dx.copy_from_slice(dy),
            factors => {
                dx.iter_mut().zip(dy.iter().zip(factors)).for_each(|(dx, (&dy, &factor))| {
                    *dx = if factor == T::ZERO { T::ZERO } else { dy * factor };
                })
            }
        }
    }

    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        outputs[0].pass(inputs.mask(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Draw;

    /// What a dropout makes of ones `[batch, steps, features]`, and of a gradient of ones.
    fn ones(dropout: &Dropout, [batch, steps, features]: [usize; 3], step: u64) -> [Vec<f64>; 2] {
        let len = batch * steps * features;
        let mut values = vec![vec![Buffer::zeros(len)]];
        values[0][0].fill(1.0);
        let shapes = [Shape::from([steps, features])];
        let inputs = Inputs {
            first: None,
            values: &values,
            masks: &[],
            sources: &[(0, 0)],
            shapes: &shapes,
            given: None,
        };
        let training = Some(Draw::new(3, step));
        let pass = Pass {
            batch,
            kept: true,
            training,
            serial: false,
            beside: false,
            weights: &[],
            version: 0,
            inputs,
        };
        let mut drop = Drop::new(dropout);
        let mut y = [Buffer::zeros(len)];
        drop.forward(pass, &mut y);
        let flow = || Flow { live: true, grad: values[0][0].clone() };
        let (mut dy, mut dx) = ([flow()], [flow()]);
        drop.backward(pass, &y, &mut dy, &mut [], &mut dx);
        [y[0].to_vec(), dx[0].grad.to_vec()]
    }

    #[test]
    fn a_share_of_the_rate_is_dropped_the_rest_scaled_and_backward_drops_the_same() {
        for rate in [0.1, 0.5, 0.75] {
            let [y, dx] = ones(&Dropout::new(rate), [40, 25, 10], 0);
            assert_eq!(y, dx);
            let kept = 1.0 / (1.0 - rate);
            assert!(y.iter().all(|&y| y == 0.0 || y == kept), "{rate}");
            let dropped = y.iter().filter(|&&y| y == 0.0).count() as f64;
            // Six standard deviations of a binomial distribution.
            let spread = 6.0 * (1e4 * rate * (1.0 - rate)).sqrt();
            assert!((dropped - 1e4 * rate).abs() < spread, "{rate}: {dropped}");
            assert_ne!(ones(&Dropout::new(rate), [40, 25, 10], 1)[0], y);
            assert_eq!(ones(&Dropout::new(rate), [40, 25, 10], 0)[0], y);
            assert_ne!(ones(&Dropout::new(rate).seed(9), [40, 25, 10], 0)[0], y);
        }
        assert_eq!(ones(&Dropout::new(0.0), [2, 3, 4], 0), [vec![1.0; 24], vec![1.0; 24]]);
        assert_eq!(ones(&Dropout::new(1.0), [2, 3, 4], 0), [vec![0.0; 24], vec![0.0; 24]]);
    }

    #[test]
    fn an_axis_of_one_in_the_noise_shape_is_drawn_once() {
        let [batch, steps, features] = [8, 5, 16];
        let at = |y: &[f64], i: usize, t: usize, j: usize| y[(i * steps + t) * features + j];
        let dropout = |shape: [Option<usize>; 3]| {
            ones(&Dropout::new(0.5).noise_shape(shape), [batch, steps, features], 0)[0].clone()
        };
        let along_steps = dropout([None, Some(1), None]);
        let along_batch = dropout([Some(1), None, None]);
        let along_features = dropout([None, Some(5), Some(1)]);
        for i in 0..batch {
            for t in 0..steps {
                for j in 0..features {
                    let same = [
                        at(&along_steps, i, t, j) == at(&along_steps, i, 0, j),
                        at(&along_batch, i, t, j) == at(&along_batch, 0, t, j),
                        at(&along_features, i, t, j) == at(&along_features, i, t, 0),
                    ];
                    assert_eq!(same, [true; 3], "{i} {t} {j}");
                }
            }
        }
        for y in [along_steps, along_batch, along_features] {
            assert!(y.contains(&0.0) && y.contains(&2.0));
        }
    }

    #[test]
    fn settings_that_do_not_fit_are_refused_by_name() {
        let x = crate::Input::new([4, 3]);
        let rate = Dropout::new(1.5).call(&x).unwrap_err().to_string();
        assert_eq!(rate, "Dropout: rate must be between 0 and 1, not 1.5");
        let noise = Dropout::new(0.5).noise_shape([None, Some(2), None]).name("d");
        assert_eq!(
            noise.call(&x).unwrap_err().to_string(),
            "noise_shape of Dropout `d`, whose axes are those of its input or 1: expected shape \
             (None, 4, 3), found (None, 2, None)"
        );
        assert!(SpatialDropout1D::new(0.5).call(&crate::Input::new([4])).is_err());
    }
}
