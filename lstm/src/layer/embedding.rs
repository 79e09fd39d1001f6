//! A vector for each of a number of things.

use kernels::{Buffer, Float};

use super::{
    Describe, Flow, Inputs, Layer, Mask, Operation, Pass, Weight, named, one_input, options,
    setters,
};
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::graph::{Shared, Symbol};
use crate::initializer::Initializer;
use crate::regularizer::Regularizer;
use crate::shape::Shape;

/// `y = E[x]`: `[…]`, of whole numbers, to `[…, output_dim]`, of rows of the weight
/// `E [input_dim, output_dim]`.
///
/// Options and defaults are those of `keras.layers.Embedding`, as are negative numbers, which count
/// from the end: `-1` is the last row. Data of a model that goes straight to this layer must be
/// whole numbers in `-input_dim..input_dim`, or it is refused. Of what other layers make, the
/// fraction is cut off, as in Keras; beyond the last row, where Keras stops on a CPU, `y` is zero,
/// as it is there on a GPU.
///
/// The gradient of a row is the sum over all places where its number stands. Keras on TensorFlow
/// sums there, too, but where an optimizer squares gradients (as Adam does), it squares each of
/// them before it sums: training differs where a number comes twice in a batch. Here it is trained
/// as any other weight, and as in Keras if the embedding is a product with one-hot vectors.
///
/// Whole numbers are exact up to 2²⁴ in single precision, up to 2⁵³ in double.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    pub(crate) input_dim: usize,
    pub(crate) output_dim: usize,
    pub(crate) embeddings_initializer: Initializer,
    pub(crate) embeddings_regularizer: Option<Regularizer>,
    pub(crate) activity_regularizer: Option<Regularizer>,
    pub(crate) embeddings_constraint: Option<Constraint>,
    pub(crate) mask_zero: bool,
    pub(crate) trainable: bool,
    pub(crate) name: Option<String>,
}

impl Embedding {
    /// A layer with `input_dim` vectors of `output_dim` numbers each.
    pub fn new(input_dim: usize, output_dim: usize) -> Self {
        Embedding {
            input_dim,
            output_dim,
            embeddings_initializer: Initializer::RandomUniform { minval: -0.05, maxval: 0.05 },
            mask_zero: false,
            embeddings_regularizer: None,
            activity_regularizer: None,
            embeddings_constraint: None,
            trainable: true,
            name: None,
        }
    }

    setters! {
        /// How `E` starts; `RandomUniform` between ±0.05 unless set.
        embeddings_initializer: Initializer,
        /// Whether the number 0 stands for a step to pass over: the mask of the output says so. A
        /// mask of the input ends here in either case.
        mask_zero: bool,
        /// Whether training changes `E`; it does unless set.
        trainable: bool,
    }

    options! {
        /// The penalty on `E`.
        embeddings_regularizer: Regularizer,
        /// The penalty on `y`, divided by the size of the batch.
        activity_regularizer: Regularizer,
        /// The bounds of `E`.
        embeddings_constraint: Constraint,
    }

    /// Checks data that goes straight to this layer; it calls itself `what`.
    pub(crate) fn check_indices<T: Float>(&self, what: &str, x: &[T]) -> Result<()> {
        let whole = |x: T| x.to_f64().fract() == 0.0 && row(x, self.input_dim).is_some();
        match x.iter().position(|&x| !whole(x)) {
            None => Ok(()),
            Some(at) => {
                let (found, end) = (x[at].to_f64(), self.input_dim);
                let why = format!(
                    "entry {at} is {found}, where an Embedding with input_dim {end} needs whole \
                     numbers from 0 to {} (or from -{end}, to count from the end)",
                    end - 1
                );
                Err(Error::invalid(what, why))
            }
        }
    }
}

named!(Embedding);

/// The row of the weight that an entry stands for.
fn row<T: Float>(x: T, input_dim: usize) -> Option<usize> {
    // Cuts off the fraction, and keeps within bounds what is beyond those of the integers.
    let (index, end) = (x.to_f64() as i64, input_dim as i64);
    let index = if index < 0 { index.saturating_add(end) } else { index };
    (0..end).contains(&index).then_some(index as usize)
}

impl Describe for Embedding {
    fn class(&self) -> &'static str {
        "Embedding"
    }

    fn base_name(&self) -> &'static str {
        "embedding"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let input = one_input(what, inputs)?;
        outputs.resize_with(1, Shape::default);
        outputs[0].assign(input.axes().iter().copied().chain([Some(self.output_dim)]));
        Ok(())
    }

    fn check(&self, what: &str, inputs: &[Shape]) -> Result<()> {
        self.check_activity(what, inputs)?;
        if self.input_dim == 0 {
            return Err(Error::invalid(what, "input_dim must be positive"));
        }
        if self.output_dim == 0 {
            return Err(Error::invalid(what, "output_dim must be positive"));
        }
        self.weights(inputs).iter().try_for_each(|weight| weight.check(what))
    }

    fn activity_regularizer(&self) -> Option<Regularizer> {
        self.activity_regularizer
    }

    fn weights(&self, _: &[Shape]) -> Vec<Weight> {
        let shape = vec![self.input_dim, self.output_dim];
        let embeddings = Weight::new("embeddings", shape, self.embeddings_initializer)
            .regularizer(self.embeddings_regularizer)
            .constraint(self.embeddings_constraint.as_ref())
            .trainable(self.trainable);
        vec![embeddings]
    }
}

/// The operation of an [`Embedding`].
#[derive(Debug)]
pub(super) struct Lookup {
    input_dim: usize,
    output_dim: usize,
    mask_zero: bool,
}

impl Lookup {
    pub(super) fn new(embedding: &Embedding) -> Self {
        let Embedding { input_dim, output_dim, mask_zero, .. } = *embedding;
        Lookup { input_dim, output_dim, mask_zero }
    }
}

impl<T: Float> Operation<T> for Lookup {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let width = self.output_dim;
        for (&x, y) in pass.inputs.at(0).iter().zip(outputs[0].chunks_exact_mut(width)) {
            match row(x, self.input_dim) {
                Some(row) => y.copy_from_slice(&pass.weights[row * width..][..width]),
                None => y.fill(T::ZERO),
            }
        }
    }

    fn backward(
        &mut self,
        pass: Pass<T>,
        _: &[Buffer<T>],
        douts: &mut [Flow<T>],
        dweights: &mut [T],
        dins: &mut [Flow<T>],
    ) {
        let width = self.output_dim;
        if let Some(dy) = douts[0].get() {
            for (&x, dy) in pass.inputs.at(0).iter().zip(dy.chunks_exact(width)) {
                if let Some(row) = row(x, self.input_dim) {
                    let de = &mut dweights[row * width..][..width];
                    de.iter_mut().zip(dy).for_each(|(de, &dy)| *de += dy);
                }
            }
        }
        // The output does not change with small changes of a whole number.
        if let Some(dx) = dins[0].room() {
            dx.fill(T::ZERO);
        }
    }

    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        if self.mask_zero {
            outputs[0].set(inputs.at(0).iter().map(|&x| x != T::ZERO));
        }
    }
}
