//! Random data that fits a model.

use crate::dataset::Batch;
use crate::error::Result;
use crate::float::Float;
use crate::loss::Loss;
use crate::model::Model;
use crate::random::Rng;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// `samples` random inputs of a model, with targets that its losses take, if it is compiled: for
/// [`gradcheck`](super::gradcheck) and for measurements. Axes that may have any size get `any`.
///
/// Inputs and most targets are standard normal. Indices into an [`Embedding`](crate::Embedding) are
/// within it, and targets are labels, zeros and ones, parts of one or positive where a loss asks for
/// that. An entry of a loss's sum over classes is a multiple of 1/4, so that they add up exactly.
///
/// # Errors
///
/// If a shape has too many elements.
pub fn random_batch<T: Float>(
    model: &Model<T>,
    samples: usize,
    any: usize,
    seed: u64,
) -> Result<Batch<T>> {
    let mut rng = Rng::new(seed, 4);
    let axes = |shape: &Shape| -> Vec<usize> {
        let sample = shape.axes().iter().map(|axis| axis.unwrap_or(any));
        [samples].into_iter().chain(sample).collect()
    };
    let mut batch = Batch::default();
    for (shape, indices) in model.input_shapes().zip(model.index_ranges()) {
        let axes = axes(shape);
        batch.x.push(draw(axes, || match indices {
            Some(end) => rng.below(end as u64) as f64,
            None => rng.normal(),
        })?);
    }
    let outputs: Vec<&Shape> = model.output_shapes().collect();
    for (output, loss) in model.judged_outputs() {
        batch.y.push(targets(axes(outputs[output]), loss, &mut rng)?);
    }
    Ok(batch)
}

fn targets<T: Float>(mut axes: Vec<usize>, loss: Option<Loss>, rng: &mut Rng) -> Result<Tensor<T>> {
    let classes = axes.last().copied().unwrap_or(1);
    match loss {
        Some(Loss::SparseCategoricalCrossentropy { .. }) => {
            axes.pop();
            draw(axes, || rng.below(classes as u64) as f64)
        }
        Some(Loss::BinaryCrossentropy { .. } | Loss::Hinge | Loss::SquaredHinge) => {
            draw(axes, || rng.below(2) as f64)
        }
        Some(
            Loss::CategoricalCrossentropy { .. } | Loss::KLDivergence | Loss::CategoricalHinge,
        ) => {
            let mut y: Tensor<T> = draw(axes, || 0.0)?;
            for row in y.data_mut().chunks_exact_mut(classes.max(1)) {
                for _ in 0..4 {
                    let class = &mut row[rng.below(classes as u64) as usize];
                    *class += T::from_f64(0.25);
                }
            }
            Ok(y)
        }
        Some(Loss::MeanSquaredLogarithmicError | Loss::Poisson) => {
            draw(axes, || rng.normal().abs())
        }
        _ => draw(axes, || rng.normal()),
    }
}

fn draw<T: Float>(axes: Vec<usize>, mut next: impl FnMut() -> f64) -> Result<Tensor<T>> {
    let size = crate::tensor::size_in_memory::<T>("a random batch", &axes)?;
    Tensor::new(axes, (0..size).map(|_| T::from_f64(next())).collect())
}
