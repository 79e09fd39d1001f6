//! Streams on top of each other: what a [`Stack`](crate::stack::Stack) computes, one step at a time.

use kernels::Isa;
use lstm::Float;
use lstm::engine::{Options, Stream, Weights};

use crate::random::Random;
use crate::throughput::Shape;

/// The streams, and a sequence for them.
#[derive(Clone, Debug)]
pub struct Streams<T> {
    shape: Shape,
    /// `[batch, steps, inputs]`
    x: Vec<T>,
    /// The same, `[steps, batch, inputs]`.
    steps: Vec<T>,
    layers: Vec<Stream<T>>,
    /// Weights of the first layer.
    weights: Vec<T>,
    /// Outputs of the last, `[steps, batch, units]`, and of the others, one step.
    y: Vec<T>,
    between: Vec<Vec<T>>,
}

impl<T: Float> Streams<T> {
    /// `layers` layers of `shape.units` units, with random weights and input, their states zero.
    ///
    /// # Panics
    ///
    /// If a size or `layers` is zero.
    pub fn new(isa: Isa, shape: Shape, layers: usize) -> Self {
        let Shape { batch, steps, inputs, units } = shape;
        let mut random = Random::new(0);
        let x = random.numbers(batch * steps * inputs, 1.0);
        let mut made = Vec::new();
        let mut first = Vec::new();
        for layer in 0..layers {
            let inputs = if layer == 0 { inputs } else { units };
            let weights = random.layer::<T>(inputs, units);
            let options = Options::new(inputs, units);
            made.push(Stream::new(isa, options, Weights::cut(&weights, inputs, units), batch));
            if layer == 0 {
                first = weights;
            }
        }
        assert!(layers > 0, "no layers");
        Streams {
            shape,
            steps: exchanged(&x, (batch, steps), inputs),
            x,
            layers: made,
            weights: first,
            y: vec![T::ZERO; batch * steps * units],
            between: vec![vec![T::ZERO; batch * units]; layers - 1],
        }
    }

    /// All steps, each of its own; goes on from the states of the run before.
    pub fn run(&mut self) {
        let Shape { batch, inputs, units, .. } = self.shape;
        let steps = self.steps.chunks_exact(batch * inputs);
        let Some((last, below)) = self.layers.split_last_mut() else { return };
        for (x, y) in steps.zip(self.y.chunks_exact_mut(batch * units)) {
            let mut x = x;
            for (layer, y) in below.iter_mut().zip(&mut self.between) {
                layer.step_to(x, y);
                x = y;
            }
            last.step_to(x, y);
        }
    }

    /// The output of the last layer in the last run, `[batch, steps, units]`.
    pub fn output(&self) -> Vec<T> {
        exchanged(&self.y, (self.shape.steps, self.shape.batch), self.shape.units)
    }

    /// The input of the first layer, `[batch, steps, inputs]`.
    pub fn input(&self) -> &[T] {
        &self.x
    }

    /// The weights of the first layer, one after another, as [`Weights::cut`] has them.
    pub fn weights(&self) -> &[T] {
        &self.weights
    }
}

/// From `[first, second, size]` to `[second, first, size]`.
fn exchanged<T: Float>(from: &[T], (first, second): (usize, usize), size: usize) -> Vec<T> {
    let vector = |i: usize, j: usize| from.iter().skip((i * second + j) * size).take(size);
    (0..second).flat_map(|j| (0..first).flat_map(move |i| vector(i, j))).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Stack;

    #[test]
    fn streams_compute_what_a_stack_does() {
        let shape = Shape { batch: 3, steps: 4, inputs: 2, units: 5 };
        let mut streams = Streams::<f32>::new(Isa::best(), shape, 1);
        let mut stack = Stack::<f32>::new(Isa::best(), shape, 1);
        streams.run();
        stack.infer();
        assert_eq!((streams.input(), streams.weights()), (stack.input(), stack.weights()));
        assert_eq!(streams.output(), stack.output());
        let before = streams.output();
        streams.run();
        assert_ne!(streams.output(), before, "the state is carried along");
    }

    #[test]
    fn layers_follow_each_other() {
        let shape = Shape { batch: 1, steps: 6, inputs: 1, units: 3 };
        let mut two = Streams::<f64>::new(Isa::best(), shape, 2);
        two.run();
        let mut one = Streams::<f64>::new(Isa::best(), shape, 1);
        one.run();
        assert_eq!((two.input(), two.weights()), (one.input(), one.weights()));
        assert_eq!(two.between[0], one.output()[15..], "the last step of the first layer");
        assert_ne!(two.output(), one.output());
    }
}
