//! Initial weights, by Keras's formulas.

use kernels::{Float, Gemm, MatMut, MatRef, Scratch};

use crate::error::{Error, Result};
use crate::isa;
use crate::random::Rng;
use crate::tensor::{self, Tensor};

/// How the initial values of a weight are drawn.
///
/// Fans are those of Keras: the last two axes of the shape, so that an LSTM's four gates count
/// together, `fan_out = 4 units`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Initializer {
    /// 0
    Zeros,
    /// 1
    Ones,
    /// One value.
    Constant(f64),
    /// Normal with a mean and a standard deviation.
    RandomNormal {
        /// 0 in Keras.
        mean: f64,
        /// 0.05 in Keras.
        stddev: f64,
    },
    /// Uniform between two bounds.
    RandomUniform {
        /// -0.05 in Keras.
        minval: f64,
        /// 0.05 in Keras.
        maxval: f64,
    },
    /// Normal, drawn again where it lies more than two standard deviations from the mean.
    TruncatedNormal {
        /// 0 in Keras.
        mean: f64,
        /// 0.05 in Keras, before truncation.
        stddev: f64,
    },
    /// Of variance `scale / fan`.
    VarianceScaling {
        /// The factor before the fan.
        scale: f64,
        /// Which fan.
        mode: Fan,
        /// Which distribution.
        distribution: Distribution,
    },
    /// A matrix with orthonormal rows or columns, whichever are fewer, times a gain: the
    /// Q of a random normal matrix (A. Saxe et al., *Exact Solutions to the Nonlinear Dynamics of
    /// Learning in Deep Linear Neural Networks*, 2013).
    Orthogonal {
        /// 1 in Keras.
        gain: f64,
    },
    /// The identity matrix times a gain.
    Identity {
        /// 1 in Keras.
        gain: f64,
    },
}

/// What the variance of [`Initializer::VarianceScaling`] is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// Inputs of a unit.
    In,
    /// Outputs.
    Out,
    /// The mean of both.
    Average,
}

/// The distribution of [`Initializer::VarianceScaling`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Within two standard deviations, of the variance asked for after truncation.
    TruncatedNormal,
    /// Of all numbers.
    UntruncatedNormal,
    /// Between two bounds.
    Uniform,
}

/// The standard deviation of a standard normal cut at ±2, as Keras has it.
const TRUNCATED_STDDEV: f64 = 0.879_625_661_034_239_8;

impl Initializer {
    /// Uniform in `±√(6 / (fan_in + fan_out))` (X. Glorot and Y. Bengio, 2010).
    pub const GLOROT_UNIFORM: Initializer = scaling(1.0, Fan::Average, Distribution::Uniform);
    /// Truncated normal of variance `2 / (fan_in + fan_out)`.
    pub const GLOROT_NORMAL: Initializer =
        scaling(1.0, Fan::Average, Distribution::TruncatedNormal);
    /// Uniform in `±√(6 / fan_in)` (K. He et al., 2015).
    pub const HE_UNIFORM: Initializer = scaling(2.0, Fan::In, Distribution::Uniform);
    /// Truncated normal of variance `2 / fan_in`.
    pub const HE_NORMAL: Initializer = scaling(2.0, Fan::In, Distribution::TruncatedNormal);
    /// Uniform in `±√(3 / fan_in)` (Y. LeCun et al., 1998).
    pub const LECUN_UNIFORM: Initializer = scaling(1.0, Fan::In, Distribution::Uniform);
    /// Truncated normal of variance `1 / fan_in`.
    pub const LECUN_NORMAL: Initializer = scaling(1.0, Fan::In, Distribution::TruncatedNormal);
    /// Orthogonal of gain one.
    pub const ORTHOGONAL: Initializer = Initializer::Orthogonal { gain: 1.0 };

    /// A tensor of random numbers: the same for the same seed.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range, if the initializer is one for matrices and the shape is
    /// none, if there is no memory for the shape, or if `KERNELS_ISA` names an instruction set that
    /// this CPU lacks.
    pub fn draw<T: Float>(self, seed: u64, shape: impl Into<Vec<usize>>) -> Result<Tensor<T>> {
        let shape = shape.into();
        self.check("tensor", &shape)?;
        tensor::size_in_memory::<T>("tensor", &shape)?;
        isa::best()?; // which products run on
        let mut tensor = Tensor::zeros(shape.clone());
        self.fill(&mut Rng::new(seed, 0), &shape, tensor.data_mut());
        Ok(tensor)
    }

    /// Checks the settings, and that they can make a weight of this shape.
    pub(crate) fn check(self, what: &str, shape: &[usize]) -> Result<()> {
        let wrong = |why: String| Err(Error::invalid(what, why));
        let numbers: &[(&str, f64)] = match self {
            Initializer::Zeros | Initializer::Ones => &[],
            Initializer::Constant(value) => &[("value", value)],
            Initializer::RandomNormal { mean, stddev }
            | Initializer::TruncatedNormal { mean, stddev } => {
                if stddev < 0.0 {
                    return wrong(format!("stddev must not be negative, as {stddev} is"));
                }
                &[("mean", mean), ("stddev", stddev)]
            }
            Initializer::RandomUniform { minval, maxval } => {
                &[("minval", minval), ("maxval", maxval), ("maxval - minval", maxval - minval)]
            }
            Initializer::VarianceScaling { scale, .. } => {
                if scale <= 0.0 {
                    return wrong(format!("scale must be positive, not {scale}"));
                }
                &[("scale", scale)]
            }
            Initializer::Orthogonal { gain } => {
                if shape.len() < 2 {
                    return wrong(format!(
                        "the orthogonal initializer needs a matrix, not {shape:?}"
                    ));
                }
                &[("gain", gain)]
            }
            Initializer::Identity { gain } => {
                if shape.len() != 2 {
                    return wrong(format!(
                        "the identity initializer needs a matrix, not {shape:?}"
                    ));
                }
                &[("gain", gain)]
            }
        };
        match numbers.iter().find(|(_, x)| !x.is_finite()) {
            None => Ok(()),
            Some((name, x)) => wrong(format!("{name} must be finite, not {x}")),
        }
    }

    /// Fills a weight of the given shape.
    pub(crate) fn fill<T: Float>(self, rng: &mut Rng, shape: &[usize], weight: &mut [T]) {
        let mut each = |mut draw: Box<dyn FnMut(&mut Rng) -> f64>| {
            weight.iter_mut().for_each(|w| *w = T::from_f64(draw(rng)));
        };
        match self {
            Initializer::Zeros => weight.fill(T::ZERO),
            Initializer::Ones => weight.fill(T::ONE),
            Initializer::Constant(value) => weight.fill(T::from_f64(value)),
            Initializer::RandomNormal { mean, stddev } => {
                each(Box::new(move |rng| mean + stddev * rng.normal()));
            }
            Initializer::RandomUniform { minval, maxval } => {
                each(Box::new(move |rng| minval + (maxval - minval) * rng.uniform()));
            }
            Initializer::TruncatedNormal { mean, stddev } => {
                each(Box::new(move |rng| mean + stddev * rng.truncated_normal()));
            }
            Initializer::VarianceScaling { scale, mode, distribution } => {
                let (fan_in, fan_out) = fans(shape);
                let fan = match mode {
                    Fan::In => fan_in,
                    Fan::Out => fan_out,
                    Fan::Average => (fan_in + fan_out) / 2.0,
                };
                let variance = scale / fan.max(1.0);
                let stddev = variance.sqrt();
                match distribution {
                    Distribution::TruncatedNormal => each(Box::new(move |rng| {
                        stddev / TRUNCATED_STDDEV * rng.truncated_normal()
                    })),
                    Distribution::UntruncatedNormal => {
                        each(Box::new(move |rng| stddev * rng.normal()));
                    }
                    Distribution::Uniform => {
                        let limit = (3.0 * variance).sqrt();
                        each(Box::new(move |rng| limit * (2.0 * rng.uniform() - 1.0)));
                    }
                }
            }
            Initializer::Orthogonal { gain } => {
                let cols = shape.last().copied().unwrap_or(1);
                orthogonal(rng, weight.len() / cols.max(1), cols, gain, weight);
            }
            Initializer::Identity { gain } => {
                weight.fill(T::ZERO);
                let cols = shape.last().copied().unwrap_or(1);
                for (i, row) in weight.chunks_exact_mut(cols.max(1)).enumerate() {
                    row.iter_mut().skip(i).take(1).for_each(|w| *w = T::from_f64(gain));
                }
            }
        }
    }
}

const fn scaling(scale: f64, mode: Fan, distribution: Distribution) -> Initializer {
    Initializer::VarianceScaling { scale, mode, distribution }
}

/// `(fan_in, fan_out)` of a shape.
fn fans(shape: &[usize]) -> (f64, f64) {
    match *shape {
        [] => (1.0, 1.0),
        [n] => (n as f64, n as f64),
        [.., fan_in, fan_out] => {
            let field: f64 = shape[..shape.len() - 2].iter().map(|&dim| dim as f64).product();
            (fan_in as f64 * field, fan_out as f64 * field)
        }
    }
}

/// Vectors that are orthogonalized together: enough for the rest to be matrix products.
const BLOCK: usize = 24;

/// Writes a `rows × cols` matrix with orthonormal rows or columns: random normal vectors,
/// orthogonalized by the block Gram–Schmidt process, twice over for orthogonality to the last bits
/// (L. Giraud et al., 2005). Keras takes Q of a QR factorization with the signs of R's diagonal,
/// which is the same matrix.
fn orthogonal<T: Float>(rng: &mut Rng, rows: usize, cols: usize, gain: f64, out: &mut [T]) {
    let (long, short) = (rows.max(cols), rows.min(cols));
    let mut vectors: Vec<f64> = (0..short * long).map(|_| rng.normal()).collect();
    let (mut overlaps, mut scratch) = (Vec::new(), Scratch::default());
    for first in (0..short).step_by(BLOCK) {
        let (done, rest) = vectors.split_at_mut(first * long);
        let count = BLOCK.min(short - first);
        let block = &mut rest[..count * long];
        let done = MatRef::new(done, first, long);
        for _ in 0..2 {
            // block -= (block doneᵀ) done
            overlaps.resize(count * first, 0.0);
            let product = Gemm::new(MatRef::new(block, count, long), done.t());
            product.run(MatMut::new(&mut overlaps, count, first), &mut scratch);
            Gemm::new(MatRef::new(&overlaps, count, first), done)
                .alpha(-1.0)
                .beta(1.0)
                .run(MatMut::new(block, count, long), &mut scratch);
            orthonormalize(block, long);
        }
    }
    for (i, row) in out.chunks_exact_mut(cols.max(1)).enumerate() {
        for (j, w) in row.iter_mut().enumerate() {
            let at = if rows <= cols { i * long + j } else { j * long + i };
            *w = T::from_f64(gain * vectors[at]);
        }
    }
}

/// The modified Gram–Schmidt process on vectors of `long` elements, one after another.
fn orthonormalize(vectors: &mut [f64], long: usize) {
    for at in 0..vectors.len() / long {
        let (before, rest) = vectors.split_at_mut(at * long);
        let v = &mut rest[..long];
        for u in before.chunks_exact(long) {
            let dot = dot(u, v);
            v.iter_mut().zip(u).for_each(|(v, u)| *v -= dot * u);
        }
        let norm = dot(v, v).sqrt();
        v.iter_mut().for_each(|v| *v /= norm);
    }
}

/// `Σ u v`, in eight partial sums that a CPU can work on at the same time.
fn dot(u: &[f64], v: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    for (u, v) in u.chunks(8).zip(v.chunks(8)) {
        for ((sum, u), v) in sums.iter_mut().zip(u).zip(v) {
            *sum += u * v;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(initializer: Initializer, shape: [usize; 2]) -> Vec<f64> {
        let mut weight = vec![0.0; shape[0] * shape[1]];
        initializer.fill(&mut Rng::new(3, 0), &shape, &mut weight);
        weight
    }

    #[test]
    fn orthogonal_has_orthonormal_rows_or_columns() {
        for (rows, cols) in [(8, 32), (5, 5), (20, 4), (100, 400), (130, 130)] {
            let q = draw(Initializer::ORTHOGONAL, [rows, cols]);
            let short = rows.min(cols);
            let at =
                |i: usize, k: usize| if rows <= cols { q[i * cols + k] } else { q[k * cols + i] };
            for i in 0..short {
                for j in 0..short {
                    let dot: f64 = (0..rows.max(cols)).map(|k| at(i, k) * at(j, k)).sum();
                    assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-14, "{i} {j} {dot}");
                }
            }
        }
    }

    #[test]
    fn scaled_distributions_have_the_variance_of_their_formula() {
        for (initializer, variance) in [
            (Initializer::GLOROT_UNIFORM, 2.0 / 500.0),
            (Initializer::GLOROT_NORMAL, 2.0 / 500.0),
            (Initializer::HE_UNIFORM, 2.0 / 100.0),
            (Initializer::HE_NORMAL, 2.0 / 100.0),
            (Initializer::LECUN_UNIFORM, 1.0 / 100.0),
            (Initializer::LECUN_NORMAL, 1.0 / 100.0),
            (Initializer::RandomNormal { mean: 0.0, stddev: 0.05 }, 0.0025),
            (Initializer::RandomUniform { minval: -0.05, maxval: 0.05 }, 0.01 / 12.0),
        ] {
            let weight = draw(initializer, [100, 400]);
            let n = weight.len() as f64;
            let mean = weight.iter().sum::<f64>() / n;
            let found = weight.iter().map(|w| w * w).sum::<f64>() / n;
            // Six standard errors, of the mean and (kurtosis at most 3) of the variance.
            assert!(mean.abs() < 6.0 * (variance / n).sqrt(), "{initializer:?} mean {mean}");
            assert!((found / variance - 1.0).abs() < 6.0 * (2.0 / n).sqrt(), "{initializer:?}");
        }
    }

    #[test]
    fn a_scaled_distribution_has_the_variance_of_its_scale_over_its_fan() {
        let shape = [100, 400];
        for (mode, fan) in [(Fan::In, 100.0), (Fan::Out, 400.0), (Fan::Average, 250.0)] {
            for scale in [0.1f64, 3.0] {
                let variance = scale / fan;
                for (distribution, limit) in [
                    (Distribution::Uniform, (3.0 * variance).sqrt()),
                    (Distribution::TruncatedNormal, 2.0 * variance.sqrt() / TRUNCATED_STDDEV),
                    (Distribution::UntruncatedNormal, f64::INFINITY),
                ] {
                    let initializer = scaling(scale, mode, distribution);
                    let weight = draw(initializer, shape);
                    let n = weight.len() as f64;
                    let found = weight.iter().map(|w| w * w).sum::<f64>() / n;
                    let error = (found / variance - 1.0).abs();
                    assert!(error < 6.0 * (2.0 / n).sqrt(), "{initializer:?}: {found}");
                    let largest = weight.iter().fold(0.0, |most: f64, w| most.max(w.abs()));
                    assert!(largest <= limit, "{initializer:?}: {largest}");
                    // Of so many normal numbers, two in a thousand are beyond three deviations.
                    let far = weight.iter().filter(|w| w.abs() > 3.0 * variance.sqrt()).count();
                    let expected = if limit.is_finite() { 0..=0 } else { 60..=160 };
                    assert!(expected.contains(&far), "{initializer:?}: {far}");
                }
            }
        }
    }

    #[test]
    fn the_gain_multiplies_an_orthogonal_matrix() {
        let plain = draw(Initializer::ORTHOGONAL, [7, 12]);
        for gain in [0.5, -2.0] {
            let scaled = draw(Initializer::Orthogonal { gain }, [7, 12]);
            let apart =
                plain.iter().zip(&scaled).map(|(one, by_gain)| (gain * one - by_gain).abs());
            assert!(apart.fold(0.0, f64::max) < 1e-15);
        }
    }

    #[test]
    fn bounded_distributions_keep_their_bounds() {
        let limit = (6.0f64 / 500.0).sqrt();
        let uniform = draw(Initializer::GLOROT_UNIFORM, [100, 400]);
        assert!(uniform.iter().all(|w| w.abs() <= limit));
        let limit = 2.0 * (0.01f64).sqrt() / TRUNCATED_STDDEV;
        let normal = draw(Initializer::LECUN_NORMAL, [100, 400]);
        assert!(normal.iter().all(|w| w.abs() <= limit));
    }

    #[test]
    fn identity_has_ones_on_the_diagonal_of_any_matrix() {
        for (rows, cols) in [(3, 3), (2, 5), (5, 2), (1, 4), (4, 1)] {
            let eye = draw(Initializer::Identity { gain: 2.0 }, [rows, cols]);
            for (at, &w) in eye.iter().enumerate() {
                let expected = if at / cols == at % cols { 2.0 } else { 0.0 };
                assert_eq!(w, expected, "{at} of {rows} × {cols}");
            }
        }
    }

    #[test]
    fn constants_are_constant() {
        for (initializer, value) in [
            (Initializer::Zeros, 0.0),
            (Initializer::Ones, 1.0),
            (Initializer::Constant(-0.25), -0.25),
        ] {
            assert_eq!(draw(initializer, [3, 2]), [value; 6]);
        }
    }

    #[test]
    fn a_truncated_normal_is_cut_at_two_deviations_and_has_the_moments_left_there() {
        let (mean, stddev) = (1.0, 0.5);
        let weight = draw(Initializer::TruncatedNormal { mean, stddev }, [100, 400]);
        let n = weight.len() as f64;
        assert!(weight.iter().all(|w| (w - mean).abs() <= 2.0 * stddev));
        assert!(weight.iter().any(|w| (w - mean).abs() > 1.9 * stddev));
        let found_mean = weight.iter().sum::<f64>() / n;
        let found = weight.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / n;
        let variance = (stddev * TRUNCATED_STDDEV).powi(2);
        assert!((found_mean - mean).abs() < 6.0 * (variance / n).sqrt(), "{found_mean}");
        assert!((found / variance - 1.0).abs() < 6.0 * (2.0 / n).sqrt(), "{found}");
    }

    #[test]
    fn settings_out_of_their_range_are_refused() {
        let (nan, infinity) = (f64::NAN, f64::INFINITY);
        let scaling = |scale| scaling(scale, Fan::In, Distribution::Uniform);
        for (initializer, why) in [
            (Initializer::Constant(nan), "value must be finite, not NaN"),
            (Initializer::RandomNormal { mean: 0.0, stddev: -1.0 }, "stddev must not be negative"),
            (Initializer::RandomNormal { mean: nan, stddev: 1.0 }, "mean must be finite"),
            (Initializer::TruncatedNormal { mean: 0.0, stddev: -0.1 }, "stddev must not be"),
            (Initializer::TruncatedNormal { mean: 0.0, stddev: nan }, "stddev must be finite"),
            (Initializer::RandomUniform { minval: -infinity, maxval: 0.0 }, "minval must be"),
            (Initializer::RandomUniform { minval: 0.0, maxval: nan }, "maxval must be finite"),
            (Initializer::RandomUniform { minval: f64::MIN, maxval: f64::MAX }, "maxval - minval"),
            (scaling(0.0), "scale must be positive, not 0"),
            (scaling(-2.0), "scale must be positive, not -2"),
            (scaling(nan), "scale must be finite, not NaN"),
            (Initializer::Orthogonal { gain: infinity }, "gain must be finite, not inf"),
            (Initializer::Identity { gain: nan }, "gain must be finite, not NaN"),
        ] {
            let error = initializer.draw::<f32>(0, [2, 3]).unwrap_err().to_string();
            assert!(error.starts_with("tensor: ") && error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_shape_beyond_memory_is_refused() {
        for shape in [[1 << 40, 1 << 40], [usize::MAX, 1]] {
            for initializer in [Initializer::Zeros, Initializer::GLOROT_UNIFORM] {
                let error = initializer.draw::<f32>(0, shape).unwrap_err().to_string();
                assert!(error.contains("does not fit in memory"), "{error}");
            }
        }
        let empty = Initializer::HE_NORMAL.draw::<f32>(0, [1 << 40, 0, 1 << 40]).unwrap();
        assert!(empty.data().is_empty());
    }
}
