//! A graph with memory: runs its operations forward and backward over batches.

use std::ops::Range;

use kernels::{Buffer, Isa};

use crate::error::Result;
use crate::float::Float;
use crate::graph::Graph;
use crate::layer::{Flow, Inputs, Layer, Operation, Pass};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// One call of the graph, ready to run.
#[derive(Debug)]
struct Step<T> {
    layer: Layer,
    operation: Box<dyn Operation<T>>,
    sources: Vec<(usize, usize)>,
    /// Its weights among those of the model.
    weights: Range<usize>,
    /// The shapes of its outputs and inputs, of one sample: all axes are known once there is data.
    outputs: Vec<Shape>,
    inputs: Vec<Shape>,
    /// Gradients of the inputs, before they flow on to whoever made them.
    dins: Vec<Flow<T>>,
}

/// The operations of a graph, the values between them, and the gradients of those values.
///
/// There is room for the largest batch seen. Within it nothing is allocated here, whatever the
/// sizes of batches and of axes that only the data tells.
#[derive(Debug)]
pub(super) struct Execution<T> {
    steps: Vec<Step<T>>,
    values: Vec<Vec<Buffer<T>>>,
    douts: Vec<Vec<Flow<T>>>,
    batch: usize,
    /// Whether all shapes follow from those of the inputs.
    settled: bool,
}

/// The weights of all layers, and a number that changes whenever they do.
#[derive(Clone, Copy)]
pub(super) struct Params<'a, T> {
    pub(super) weights: &'a [T],
    pub(super) version: u64,
}

impl<T: Float> Execution<T> {
    /// The operations of `graph`, whose calls have their weights in `ranges`.
    pub(super) fn new(isa: Isa, graph: &Graph, ranges: &[Range<usize>]) -> Self {
        let steps: Vec<Step<T>> = graph
            .calls
            .iter()
            .zip(ranges)
            .map(|(call, weights)| Step {
                layer: call.layer.clone(),
                operation: T::operation(&call.layer, isa, &call.inputs),
                sources: call.sources.clone(),
                weights: weights.clone(),
                outputs: call.outputs.clone(),
                inputs: call.inputs.clone(),
                dins: call.inputs.iter().map(|_| Flow::default()).collect(),
            })
            .collect();
        let mut execution = Execution {
            values: steps.iter().map(|step| vec![Buffer::new(); step.outputs.len()]).collect(),
            douts: steps
                .iter()
                .map(|step| step.outputs.iter().map(|_| Flow::default()).collect())
                .collect(),
            steps,
            batch: 0,
            settled: false,
        };
        execution.want_input_gradients(false);
        execution
    }

    /// Whether backward computes the gradients of the model's inputs, too.
    pub(super) fn want_input_gradients(&mut self, wanted: bool) {
        // A gradient is wanted where it leads to a weight.
        let mut leads = vec![false; self.steps.len()];
        for i in 0..self.steps.len() {
            let step = &mut self.steps[i];
            for (din, &(source, _)) in step.dins.iter_mut().zip(&step.sources) {
                din.live = leads[source];
            }
            let here = !step.weights.is_empty() || (wanted && step.sources.is_empty());
            leads[i] = here || step.dins.iter().any(|din| din.live);
        }
    }

    /// Makes room for batches of this size, with samples of these shapes: `(call, axes)` for each
    /// input. Shapes are worked out anew only where they differ from those of the last batch.
    ///
    /// # Errors
    ///
    /// If axes that were unknown do not fit together. The shapes are then worked out again at the
    /// next call.
    pub(super) fn reserve<'a>(
        &mut self,
        batch: usize,
        inputs: impl Iterator<Item = (usize, &'a [usize])>,
        training: bool,
    ) -> Result<()> {
        for (call, axes) in inputs {
            let shape = &mut self.steps[call].outputs[0];
            let known = shape.axes().iter().all(Option::is_some);
            if !(known && shape.fits(axes)) {
                shape.assign(axes.iter().copied().map(Some));
                self.settled = false;
            }
        }
        if !self.settled {
            self.propagate_shapes()?;
            self.settled = true;
        }
        self.batch = batch;
        for (i, step) in self.steps.iter_mut().enumerate() {
            for (o, shape) in step.outputs.iter().enumerate() {
                self.values[i][o].resize(batch * shape.len());
                if training {
                    self.douts[i][o].grad.resize(batch * shape.len());
                }
            }
            for (din, shape) in step.dins.iter_mut().zip(&step.inputs) {
                if training && din.live {
                    din.grad.resize(batch * shape.len());
                }
            }
        }
        Ok(())
    }

    /// Works out all shapes from those of the inputs.
    fn propagate_shapes(&mut self) -> Result<()> {
        for i in 0..self.steps.len() {
            let (before, rest) = self.steps.split_at_mut(i);
            let step = &mut rest[0];
            if step.sources.is_empty() {
                continue;
            }
            for (input, &(call, output)) in step.inputs.iter_mut().zip(&step.sources) {
                input.assign(before[call].outputs[output].axes().iter().copied());
            }
            let description = step.layer.describe();
            description.outputs(description.class(), &step.inputs, &mut step.outputs)?;
        }
        Ok(())
    }

    /// The shape of one sample of an output of a call.
    pub(super) fn shape(&self, (call, output): (usize, usize)) -> &Shape {
        &self.steps[call].outputs[output]
    }

    /// Zeros like a batch of an output of a call.
    pub(super) fn zeros(&self, at: (usize, usize)) -> Tensor<T> {
        let axes = self.shape(at).axes().iter().map(|axis| axis.unwrap_or(0));
        Tensor::zeros([self.batch].into_iter().chain(axes).collect::<Vec<_>>())
    }

    /// A copy of an output of a call.
    pub(super) fn output(&self, at: (usize, usize)) -> Tensor<T> {
        let mut tensor = self.zeros(at);
        tensor.data_mut().copy_from_slice(&self.values[at.0][at.1]);
        tensor
    }

    /// An output of a call, to read after forward or, of an input, to write before.
    pub(super) fn value(&mut self, (call, output): (usize, usize)) -> &mut [T] {
        &mut self.values[call][output]
    }

    /// Reads an output of a call, and gives room for its gradient.
    pub(super) fn value_and_gradient(&mut self, at: (usize, usize)) -> (&[T], &mut [T]) {
        let flow = &mut self.douts[at.0][at.1];
        flow.live = true;
        (&self.values[at.0][at.1], &mut flow.grad)
    }

    /// The gradient of an output of a call, after backward.
    pub(super) fn gradient(&self, (call, output): (usize, usize)) -> Option<&[T]> {
        self.douts[call][output].get()
    }

    /// Runs every operation.
    pub(super) fn forward(&mut self, params: Params<T>, training: bool) {
        for (i, step) in self.steps.iter_mut().enumerate() {
            let (before, rest) = self.values.split_at_mut(i);
            let inputs = Inputs { values: before, sources: &step.sources, shapes: &step.inputs };
            let weights = &params.weights[step.weights.clone()];
            let version = params.version;
            let pass = Pass { batch: self.batch, training, weights, version, inputs };
            step.operation.forward(pass, &mut rest[0]);
        }
    }

    /// Forgets all gradients of values.
    pub(super) fn clear_gradients(&mut self) {
        self.douts.iter_mut().flatten().for_each(|flow| flow.live = false);
    }

    /// Runs every operation in reverse, from the gradients of the outputs that were set since
    /// [`clear_gradients`](Self::clear_gradients); adds to `grads`.
    pub(super) fn backward(&mut self, params: Params<T>, grads: &mut [T]) {
        for (i, step) in self.steps.iter_mut().enumerate().rev() {
            let (dbefore, drest) = self.douts.split_at_mut(i);
            let nothing_flows = drest[0].iter().all(|flow| !flow.live);
            if nothing_flows || step.sources.is_empty() {
                continue;
            }
            let (before, rest) = self.values.split_at(i);
            let inputs = Inputs { values: before, sources: &step.sources, shapes: &step.inputs };
            let weights = &params.weights[step.weights.clone()];
            let version = params.version;
            let pass = Pass { batch: self.batch, training: true, weights, version, inputs };
            let dweights = &mut grads[step.weights.clone()];
            step.operation.backward(pass, &rest[0], &mut drest[0], dweights, &mut step.dins);

            // A value used once takes the gradient as it is; one used more often sums them.
            for (din, &(source, output)) in step.dins.iter_mut().zip(&step.sources) {
                let target = &mut dbefore[source][output];
                if !din.live {
                    continue;
                }
                if target.live {
                    target.grad.iter_mut().zip(&din.grad[..]).for_each(|(sum, &d)| *sum += d);
                } else {
                    std::mem::swap(&mut target.grad, &mut din.grad);
                    target.live = true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Symbol;
    use crate::layer::{Dense, Input};

    #[test]
    fn shapes_that_did_not_fit_are_refused_again() {
        let x = Input::new([None, Some(2)]);
        let y = Dense::new(3).call(&x).unwrap();
        let graph = Graph::new(&[Symbol::clone(&x)], &[y]).unwrap();
        let mut execution = Execution::<f32>::new(Isa::best(), &graph, &[0..0, 0..9]);
        let mut reserve = |axes: &[usize]| execution.reserve(1, [(0, axes)].into_iter(), false);
        assert!(reserve(&[5, 2]).is_ok());
        assert!(reserve(&[]).is_err());
        assert!(reserve(&[]).is_err());
        assert!(reserve(&[4, 2]).is_ok());
        assert_eq!(execution.shape((1, 0)), &Shape::from([4, 3]));
    }
}
