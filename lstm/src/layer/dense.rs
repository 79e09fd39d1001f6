//! The fully connected layer.
//!
//! | forward        | backward                             |
//! |----------------|--------------------------------------|
//! | `z = x W + b`  | `dW += xᵀ dz`, `db += Σ dz`, `dx = dz Wᵀ` |
//! | `y = φ(z)`     | `dz = dy φ'(y)`                      |

use kernels::{Bias, Buffer, Float, Gemm, Isa, MatMut, MatRef, Scratch};

use super::through::Through;
use super::{
    Describe, Flow, Inputs, Layer, Mask, OfLoss, Operation, Pass, Weight, options, setters,
};
use crate::activation::Activation;
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::graph::Symbol;
use crate::initializer::Initializer;
use crate::regularizer::Regularizer;
use crate::shape::Shape;

/// `y = φ(x W + b)` over the last axis: `[…, features]` to `[…, units]`.
///
/// Options and defaults are those of `keras.layers.Dense`.
#[derive(Clone, Debug)]
pub struct Dense {
    pub(crate) units: usize,
    pub(crate) activation: Activation,
    pub(crate) use_bias: bool,
    pub(crate) kernel_initializer: Initializer,
    pub(crate) bias_initializer: Initializer,
    pub(crate) kernel_regularizer: Option<Regularizer>,
    pub(crate) bias_regularizer: Option<Regularizer>,
    pub(crate) activity_regularizer: Option<Regularizer>,
    pub(crate) kernel_constraint: Option<Constraint>,
    pub(crate) bias_constraint: Option<Constraint>,
    pub(crate) trainable: bool,
    pub(crate) name: Option<String>,
}

impl Dense {
    /// A linear layer with a bias.
    pub fn new(units: usize) -> Self {
        Dense {
            units,
            activation: Activation::Linear,
            use_bias: true,
            kernel_initializer: Initializer::GLOROT_UNIFORM,
            bias_initializer: Initializer::Zeros,
            kernel_regularizer: None,
            bias_regularizer: None,
            activity_regularizer: None,
            kernel_constraint: None,
            bias_constraint: None,
            trainable: true,
            name: None,
        }
    }

    setters! {
        /// `φ`; linear unless set.
        activation: Activation,
        /// Whether there is a bias; there is unless set.
        use_bias: bool,
        /// How `W` starts; `GLOROT_UNIFORM` unless set.
        kernel_initializer: Initializer,
        /// How `b` starts; `Zeros` unless set.
        bias_initializer: Initializer,
        /// Whether training changes the weights; it does unless set.
        trainable: bool,
    }

    options! {
        /// The penalty on `W`.
        kernel_regularizer: Regularizer,
        /// The penalty on `b`.
        bias_regularizer: Regularizer,
        /// The penalty on `y`, divided by the size of the batch.
        activity_regularizer: Regularizer,
        /// The bounds of `W`.
        kernel_constraint: Constraint,
        /// The bounds of `b`.
        bias_constraint: Constraint,
    }

    /// The layer's name in the model; `dense`, `dense_1`, … unless set.
    pub fn name(self, name: impl Into<String>) -> Self {
        Dense { name: Some(name.into()), ..self }
    }

    /// Calls the layer on `x`, as part of a functional model.
    ///
    /// # Errors
    ///
    /// If the layer does not fit the shape of `x`.
    pub fn call(self, x: &Symbol) -> Result<Symbol> {
        Symbol::of_call(self.into(), vec![x.clone()])
    }
}

impl From<Dense> for Layer {
    fn from(dense: Dense) -> Self {
        Layer::Dense(dense)
    }
}

impl Describe for Dense {
    fn class(&self) -> &'static str {
        "Dense"
    }

    fn base_name(&self) -> &'static str {
        "dense"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let [input] = inputs else {
            let what = format!("inputs of {what}");
            return Err(Error::Count { what, expected: 1, found: inputs.len() });
        };
        if input.features().is_none() {
            let why = format!("the last axis of its input, {input}, must be known");
            return Err(Error::invalid(what, why));
        }
        outputs.resize_with(1, Shape::default);
        outputs[0].assign(input.axes().iter().copied());
        outputs[0].set_features(self.units);
        Ok(())
    }

    fn check(&self, what: &str, inputs: &[Shape]) -> Result<()> {
        self.check_activity(what, inputs)?;
        if self.units == 0 {
            return Err(Error::invalid(what, "units must be positive"));
        }
        self.weights(inputs).iter().try_for_each(|weight| weight.check(what))
    }

    fn activity_regularizer(&self) -> Option<Regularizer> {
        self.activity_regularizer
    }

    fn weights(&self, inputs: &[Shape]) -> Vec<Weight> {
        let features = inputs[0].features().unwrap_or(0);
        let kernel = vec![features, self.units];
        let kernel = Weight::new("kernel", kernel, self.kernel_initializer)
            .regularizer(self.kernel_regularizer)
            .constraint(self.kernel_constraint.as_ref())
            .trainable(self.trainable);
        let mut weights = vec![kernel];
        if self.use_bias {
            let bias = Weight::new("bias", vec![self.units], self.bias_initializer)
                .regularizer(self.bias_regularizer)
                .constraint(self.bias_constraint.as_ref())
                .trainable(self.trainable);
            weights.push(bias);
        }
        weights
    }
}

/// The operation of a [`Dense`] layer.
#[derive(Debug)]
pub(super) struct Affine<T> {
    isa: Isa,
    activation: Activation,
    features: usize,
    units: usize,
    /// `z`, where the derivative of `φ` does not follow from `y`.
    z: Buffer<T>,
    through: Through<T>,
    scratch: Scratch<T>,
}

impl<T: Float> Affine<T> {
    pub(super) fn new(isa: Isa, dense: &Dense, inputs: &[Shape]) -> Self {
        let features = inputs[0].features().unwrap_or(0);
        Affine {
            isa,
            activation: dense.activation,
            features,
            units: dense.units,
            z: Buffer::new(),
            through: match dense.activity_regularizer {
                None => Through::new(dense.activation),
                // A penalty on `y` has its gradient from `y`, beside that of the loss.
                Some(_) => Through::closed(),
            },
            scratch: Scratch::default(),
        }
    }
}

impl<T: Float> Operation<T> for Affine<T> {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let rows = pass.inputs.at(0).len() / self.features;
        let (w, b) = pass.weights.split_at(self.features * self.units);
        let x = MatRef::new(pass.inputs.at(0), rows, self.features);
        let w = MatRef::new(w, self.features, self.units);

        // z = x W + b
        let z = MatMut::new(&mut outputs[0], rows, self.units);
        let product = Gemm::new(x, w).isa(self.isa);
        let product = if pass.serial { product.serial() } else { product };
        match b {
            [] => product.run(z, &mut self.scratch),
            b => product.epilogue(Bias(b)).run(z, &mut self.scratch),
        }

        // y = φ(z)
        self.through.keep(&outputs[0]);
        if pass.kept && self.activation.keeps_operand() {
            self.z.resize(outputs[0].len());
            self.z.copy_from_slice(&outputs[0]);
        }
        self.activation.forward(self.isa, self.units, &mut outputs[0]);
    }

    fn look_through(&mut self, keep: bool) -> Option<Activation> {
        self.through.look(keep)
    }

    fn operand(&mut self, of_loss: OfLoss) -> Option<(&[T], Option<&mut [T]>)> {
        self.through.operand(of_loss)
    }

    fn backward(
        &mut self,
        pass: Pass<T>,
        outputs: &[Buffer<T>],
        douts: &mut [Flow<T>],
        dweights: &mut [T],
        dins: &mut [Flow<T>],
    ) {
        let rows = pass.inputs.at(0).len() / self.features;
        let (w, _) = pass.weights.split_at(self.features * self.units);
        let (dw, db) = dweights.split_at_mut(self.features * self.units);
        let x = MatRef::new(pass.inputs.at(0), rows, self.features);
        let w = MatRef::new(w, self.features, self.units);

        // dz = dy φ'(y)
        let dz = &mut douts[0].grad;
        let kept = if self.activation.keeps_operand() { &self.z } else { &outputs[0] };
        self.through.backward(dz, |dz| self.activation.backward(self.isa, self.units, kept, dz));

        // dW += xᵀ dz, db += Σ dz
        let dz = MatRef::new(dz, rows, self.units);
        let dw = MatMut::new(dw, self.features, self.units);
        Gemm::new(x.t(), dz).isa(self.isa).beta(T::ONE).run(dw, &mut self.scratch);
        for (j, db) in db.iter_mut().enumerate() {
            for i in 0..rows {
                *db += dz.at(i, j);
            }
        }

        // dx = dz Wᵀ
        if let Some(dx) = dins[0].room() {
            let dx = MatMut::new(dx, rows, self.features);
            Gemm::new(dz, w.t()).isa(self.isa).run(dx, &mut self.scratch);
        }
    }

    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        outputs[0].pass(inputs.mask(0));
    }
}
