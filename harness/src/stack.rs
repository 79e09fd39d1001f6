//! Recurrent engines on top of each other, every step out: what a framework would call a layer
//! with `num_layers`, and no model around it.

use arrayvec::ArrayVec;
use kernels::{Isa, Team};
use lstm::Float;
use lstm::engine::{self, Call, Engine, Gradient, Gradients, Incoming, Options, Stage, Weights};

use crate::random::Random;
use crate::throughput::Shape;

/// The engines, their weights, and the arrays between them.
#[derive(Clone, Debug)]
pub struct Stack<T> {
    shape: Shape,
    x: Vec<T>,
    dx: Vec<T>,
    layers: Vec<Layer<T>>,
    version: u64,
}

#[derive(Clone, Debug)]
struct Layer<T> {
    engine: Engine<T>,
    inputs: usize,
    weights: Vec<T>,
    grads: Vec<T>,
    y: Vec<T>,
    dy: Vec<T>,
}

impl<T: Float> Stack<T> {
    /// `layers` layers of `shape.units` units, with random weights, input and output gradient.
    ///
    /// # Panics
    ///
    /// If a size or `layers` is zero.
    pub fn new(isa: Isa, shape: Shape, layers: usize) -> Self {
        let Shape { batch, steps, inputs, units } = shape;
        let mut random = Random::new(0);
        let x = random.numbers(batch * steps * inputs, 1.0);
        let layers = (0..layers).map(|layer| {
            let inputs = if layer == 0 { inputs } else { units };
            let options = Options::new(inputs, units);
            let weights = random.layer::<T>(inputs, units);
            Layer {
                engine: Engine::new(isa, options),
                inputs,
                grads: vec![T::ZERO; weights.len()],
                weights,
                y: vec![T::ZERO; batch * steps * units],
                dy: random.numbers(batch * steps * units, 1.0),
            }
        });
        Stack { shape, dx: vec![T::ZERO; x.len()], x, layers: layers.collect(), version: 0 }
    }

    /// Forward only.
    pub fn infer(&mut self) {
        self.forward(false);
    }

    /// Forward, and backward for weights and inputs, with weights never seen before: those of a
    /// training change with each step, so packing them belongs to it.
    pub fn train(&mut self) {
        self.version += 1;
        self.forward(true);
        self.backward();
    }

    /// The output of the last layer.
    pub fn output(&self) -> &[T] {
        self.layers.last().map_or(&[], |layer| &layer.y)
    }

    /// The gradient that comes into the last layer.
    pub fn output_gradient(&self) -> &[T] {
        self.layers.last().map_or(&[], |layer| &layer.dy)
    }

    /// The input of the first layer.
    pub fn input(&self) -> &[T] {
        &self.x
    }

    /// The gradient that comes out of the first layer.
    pub fn input_gradient(&self) -> &[T] {
        &self.dx
    }

    /// The weights of the first layer, one after another, as [`Weights::cut`] has them.
    pub fn weights(&self) -> &[T] {
        self.layers.first().map_or(&[], |layer| &layer.weights)
    }

    /// Their gradients.
    pub fn gradients(&self) -> &[T] {
        self.layers.first().map_or(&[], |layer| &layer.grads)
    }

    fn forward(&mut self, training: bool) {
        let Stack { shape, x, layers, version, .. } = self;
        let mut x = &x[..];
        for layers in layers.chunks_mut(Team::MOST) {
            let mut stages = ArrayVec::<_, { Team::MOST }>::new();
            for Layer { engine, inputs, weights, y, .. } in layers.iter_mut() {
                let weights = Weights::cut(weights, *inputs, shape.units);
                let call = call(*shape, weights, *version, x, training);
                stages.push(Stage { engine, call, y: Some(y) });
            }
            engine::forward(&mut stages);
            drop(stages);
            x = layers.last().map_or(x, |layer| &layer.y);
        }
    }

    fn backward(&mut self) {
        for i in (0..self.layers.len()).rev() {
            let (below, layer) = self.layers.split_at_mut(i);
            let (x, dx) = match below.last_mut() {
                Some(Layer { y, dy, .. }) => (&*y, dy),
                None => (&self.x, &mut self.dx),
            };
            let Layer { engine, inputs, weights, grads, dy, .. } = &mut layer[0];
            let weights = Weights::cut(weights, *inputs, self.shape.units);
            grads.fill(T::ZERO);
            engine.backward(
                &call(self.shape, weights, self.version, x, true),
                Incoming { dy: Gradient::Sequence(dy), states: [None, None] },
                Gradients::cut(grads, *inputs, self.shape.units),
                Some(dx),
                [None, None],
            );
        }
    }
}

fn call<'a, T>(
    Shape { batch, steps, .. }: Shape,
    weights: Weights<'a, T>,
    version: u64,
    x: &'a [T],
    training: bool,
) -> Call<'a, T> {
    Call {
        weights,
        version,
        x,
        batch,
        steps,
        mask: None,
        dropout: None,
        initial: [None, None],
        training,
    }
}
