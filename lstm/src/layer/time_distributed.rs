//! A layer applied to every step.

use std::cell::RefCell;
use std::slice;

use kernels::{Buffer, Isa};

use super::{
    Describe, Flow, Inputs, Layer, Mask, Operation, Pass, Recurrence, Weight, named, one_input,
    setters,
};
use crate::error::{Error, Result};
use crate::graph::{Shared, Symbol};
use crate::shape::Shape;

/// Applies a layer to every step of a sequence, with the same weights: `[steps, …]` to
/// `[steps, …]`, where the layer makes one of the other.
///
/// Options are those of `keras.layers.TimeDistributed`. The steps are computed together, as rows of a
/// batch; a layer that is stateful, which would carry its states from step to step, is refused.
/// A mask of the steps goes on with the sequence; one of what is inside the steps, too, and the
/// layer goes by it. As in Keras, an `activity_regularizer` of the layer adds nothing to the loss
/// here.
#[derive(Clone, Debug)]
pub struct TimeDistributed {
    pub(crate) layer: Box<Layer>,
    pub(crate) trainable: bool,
    pub(crate) name: Option<String>,
}

impl TimeDistributed {
    /// The layer for every step.
    pub fn new(layer: impl Into<Layer>) -> Self {
        TimeDistributed { layer: Box::new(layer.into()), trainable: true, name: None }
    }

    setters! {
        /// Whether the weights of the layer are trained; each is as the layer says unless set to
        /// false.
        trainable: bool,
    }
}

named!(TimeDistributed);

/// Whether a layer carries states from batch to batch.
fn is_stateful(layer: &Layer) -> bool {
    match layer {
        Layer::LSTM(lstm) => lstm.stateful,
        Layer::RNN(rnn) => rnn.stateful,
        Layer::Bidirectional(both) => both.forward_layer.sequence().stateful,
        Layer::TimeDistributed(outer) => is_stateful(&outer.layer),
        _ => false,
    }
}

thread_local! {
    /// Shapes of a step, kept so that none is allocated when the number of steps changes.
    static SHAPES: RefCell<Vec<Shape>> = const { RefCell::new(Vec::new()) };
}

/// Hands on the shape of a step of an input.
fn of_step<R>(input: &Shape, f: impl FnOnce(&[Shape]) -> R) -> R {
    let mut step = SHAPES.with_borrow_mut(Vec::pop).unwrap_or_default();
    step.assign(input.axes().iter().skip(1).copied());
    let found = f(slice::from_ref(&step));
    SHAPES.with_borrow_mut(|shapes| shapes.push(step));
    found
}

impl Describe for TimeDistributed {
    fn class(&self) -> &'static str {
        "TimeDistributed"
    }

    fn base_name(&self) -> &'static str {
        "time_distributed"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn count_inside(&self, count: &mut dyn FnMut(&'static str)) {
        let inner = self.layer.describe();
        inner.count_inside(count);
        if inner.name().is_none() {
            count(inner.base_name());
        }
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        let input = one_input(what, inputs)?;
        let inner = self.layer.describe();
        let [steps, _, ..] = *input.axes() else {
            let why = format!("expected an input with at least 3 axes, found shape {input}");
            return Err(Error::invalid(what, why));
        };
        if matches!(*self.layer, Layer::Input(_)) {
            return Err(Error::unsupported(format!("layer of {what}"), inner.class()));
        }
        of_step(input, |step| inner.outputs(what, step, outputs))?;
        if outputs.len() != 1 {
            let what = format!("outputs of the {} of {what}", inner.class());
            return Err(Error::Count { what, expected: 1, found: outputs.len() });
        }
        outputs[0].prepend(steps);
        Ok(())
    }

    fn check(&self, what: &str, inputs: &[Shape]) -> Result<()> {
        let inner = self.layer.describe();
        if is_stateful(&self.layer) {
            let what = format!("layer of {what} that is stateful");
            return Err(Error::unsupported(what, inner.class()));
        }
        let what = format!("{} of {what}", inner.class());
        of_step(&inputs[0], |step| inner.check(&what, step))
    }

    fn weights(&self, inputs: &[Shape]) -> Vec<Weight> {
        let inner = self.layer.describe();
        let name = inner.name().unwrap_or(inner.base_name());
        let weights = of_step(&inputs[0], |step| inner.weights(step));
        let weights = weights.into_iter().map(|weight| {
            let trainable = weight.trainable && self.trainable;
            weight.of(name).trainable(trainable)
        });
        weights.collect()
    }
}

/// The operation of a [`TimeDistributed`] layer: that of its layer, for rows that are the steps of
/// all sequences. Arrays lie in memory as they are.
#[derive(Debug)]
pub(super) struct EachStep<T> {
    layer: Layer,
    operation: Box<dyn Operation<T>>,
    /// The shape of a step of the input, and of the output.
    step: Shape,
    made: Vec<Shape>,
    /// The mask of the layer's output, which nobody asks for.
    mask: Mask,
}

impl<T: crate::Float> EachStep<T> {
    pub(super) fn new(isa: Isa, outer: &TimeDistributed, inputs: &[Shape]) -> Self {
        EachStep {
            layer: (*outer.layer).clone(),
            operation: of_step(&inputs[0], |step| outer.layer.operation(isa, step)),
            step: Shape::default(),
            made: Vec::new(),
            mask: Mask::default(),
        }
    }
}

/// What a pass is to the layer inside, with the shape of a step.
fn inside<'a, T: crate::Float>(pass: Pass<'a, T>, step: &'a Shape) -> Pass<'a, T> {
    let batch = pass.batch * pass.inputs.axis(0, 0);
    // A mask of the steps is not for the layer, which sees one alone.
    let within = |mask: &&[bool]| match *step.axes() {
        [steps, _, ..] => mask.len() == batch * steps.unwrap_or(0),
        _ => false,
    };
    let inputs = Inputs {
        masks: &[],
        shapes: slice::from_ref(step),
        given: pass.inputs.mask(0).filter(within),
        ..pass.inputs
    };
    Pass { batch, inputs, ..pass }
}

impl<T: crate::Float> Operation<T> for EachStep<T> {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let EachStep { operation, step, mask, .. } = self;
        step.assign(pass.inputs.shapes[0].axes().iter().skip(1).copied());
        let pass = inside(pass, step);
        mask.clear();
        operation.mask(pass.inputs, slice::from_mut(mask));
        operation.forward(pass, outputs);
    }

    fn backward(
        &mut self,
        pass: Pass<T>,
        outputs: &[Buffer<T>],
        douts: &mut [Flow<T>],
        dweights: &mut [T],
        dins: &mut [Flow<T>],
    ) {
        self.operation.backward(inside(pass, &self.step), outputs, douts, dweights, dins);
    }

    fn visit(&mut self, batch: usize, inputs: &[Shape], see: &mut dyn FnMut(Recurrence<T>)) {
        let steps = inputs[0].axes()[0].unwrap_or(0);
        of_step(&inputs[0], |step| self.operation.visit(batch * steps, step, see));
    }

    /// The mask goes on as it is. One that reaches into the steps ends where the layer leaves no
    /// such steps.
    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        let Some(mask) = inputs.mask(0) else { return };
        let EachStep { layer, made, .. } = self;
        let input = &inputs.shapes[0];
        let steps = inputs.at(0).len() / input.len().max(1) * inputs.axis(0, 0);
        let description = layer.describe();
        let known = of_step(input, |step| description.outputs(description.class(), step, made));
        let inner = match known.is_ok().then(|| made[0].axes()) {
            Some([steps, _, ..]) => steps.unwrap_or(0),
            _ => 1,
        };
        if mask.len() == steps || mask.len() == steps * inner {
            outputs[0].pass(Some(mask));
        }
    }
}
