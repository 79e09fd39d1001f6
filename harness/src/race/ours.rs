//! This workspace as a contestant.

use std::time::{Duration, Instant};

use kernels::Isa;
use lstm::Tensor;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::job::Job;
use crate::conformance::Tensors;
use crate::stack::Stack;
use crate::streams::Streams;
use crate::throughput::{Mode, Shape, Step};

/// Training steps whose losses are compared.
pub const STEPS: usize = 3;

/// Names of a layer's arrays.
const LAYER: [&str; 3] = ["kernel", "recurrent_kernel", "bias"];

/// A layer, or a model in training, with its threads.
#[derive(Debug)]
pub struct Ours {
    threads: ThreadPool,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Infer(Box<Stack<f32>>),
    Train(Box<Stack<f32>>),
    Step(Box<Step<f32>>),
    Stream(Box<Streams<f32>>),
}

/// What goes into a job, and what has to come out.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Weights and inputs.
    pub given: Tensors<f32>,
    /// Outputs, gradients or losses.
    pub expected: Tensors<f32>,
}

impl Ours {
    /// The contestant, its data, and its own answer. Data are the same for the same shape.
    ///
    /// # Errors
    ///
    /// If there are no threads, or the model cannot be built.
    pub fn new(isa: Isa, job: Job) -> Result<(Self, Data), String> {
        let threads = ThreadPoolBuilder::new().num_threads(job.threads).build();
        let threads = threads.map_err(|error| error.to_string())?;
        let (work, data) = threads.install(|| start(isa, job)).map_err(|e| e.to_string())?;
        Ok((Ours { threads, work }, data))
    }

    /// The time of a number of runs.
    pub fn go(&mut self, runs: usize) -> Duration {
        let work = &mut self.work;
        self.threads.install(|| {
            let start = Instant::now();
            for _ in 0..runs {
                match work {
                    Work::Infer(stack) => stack.infer(),
                    Work::Train(stack) => stack.train(),
                    Work::Step(step) => step.run(),
                    Work::Stream(streams) => streams.run(),
                }
            }
            start.elapsed()
        })
    }
}

fn start(isa: Isa, Job { shape, mode, .. }: Job) -> lstm::Result<(Work, Data)> {
    match mode {
        Mode::Infer | Mode::Train => layer(isa, shape, mode),
        Mode::Step => step(isa, shape),
        Mode::Stream => stream(isa, shape),
    }
}

/// Weights of a layer that lie one after another.
fn cut(Shape { inputs, units, .. }: Shape, flat: &[f32]) -> lstm::Result<[Tensor<f32>; 3]> {
    let (kernel, rest) = flat.split_at(inputs * 4 * units);
    let (recurrent_kernel, bias) = rest.split_at(units * 4 * units);
    Ok([
        Tensor::new([inputs, 4 * units], kernel.to_vec())?,
        Tensor::new([units, 4 * units], recurrent_kernel.to_vec())?,
        Tensor::new([4 * units], bias.to_vec())?,
    ])
}

fn layer(isa: Isa, shape: Shape, mode: Mode) -> lstm::Result<(Work, Data)> {
    let Shape { batch, steps, inputs, units } = shape;
    let mut stack = Box::new(Stack::<f32>::new(isa, shape, 1));
    let of_x = [batch, steps, inputs];
    let of_y = [batch, steps, units];
    let mut given = named(LAYER, cut(shape, stack.weights())?);
    given.insert("x".to_owned(), Tensor::new(of_x, stack.input().to_vec())?);
    let mut expected = Tensors::new();
    let work = if mode == Mode::Infer {
        stack.infer();
        expected.insert("y".to_owned(), Tensor::new(of_y, stack.output().to_vec())?);
        Work::Infer(stack)
    } else {
        given.insert("dy".to_owned(), Tensor::new(of_y, stack.output_gradient().to_vec())?);
        stack.train();
        let names = ["d_kernel", "d_recurrent_kernel", "d_bias"];
        expected.extend(named(names, cut(shape, stack.gradients())?));
        expected.insert("d_x".to_owned(), Tensor::new(of_x, stack.input_gradient().to_vec())?);
        expected.insert("y".to_owned(), Tensor::new(of_y, stack.output().to_vec())?);
        Work::Train(stack)
    };
    Ok((work, Data { given, expected }))
}

fn stream(isa: Isa, shape: Shape) -> lstm::Result<(Work, Data)> {
    let Shape { batch, steps, inputs, units } = shape;
    let mut streams = Box::new(Streams::<f32>::new(isa, shape, 1));
    let mut given = named(LAYER, cut(shape, streams.weights())?);
    let x = Tensor::new([batch, steps, inputs], streams.input().to_vec())?;
    given.insert("x".to_owned(), x);
    streams.run();
    let expected = named(["y"], [Tensor::new([batch, steps, units], streams.output())?]);
    Ok((Work::Stream(streams), Data { given, expected }))
}

fn step(isa: Isa, shape: Shape) -> lstm::Result<(Work, Data)> {
    let mut step = Box::new(Step::<f32>::untrained(isa, shape, 1)?);
    let names = ["kernel", "recurrent_kernel", "bias", "head_kernel", "head_bias"];
    let mut given = named(names, step.weights());
    let (x, y) = step.batch();
    given.insert("x".to_owned(), x.clone());
    given.insert("y".to_owned(), y.clone());
    let losses = (0..STEPS).map(|_| step.loss()).collect::<lstm::Result<_>>()?;
    let expected = named(["losses"], [Tensor::new([STEPS], losses)?]);
    Ok((Work::Step(step), Data { given, expected }))
}

fn named<const N: usize>(
    names: [&str; N],
    tensors: impl IntoIterator<Item = Tensor<f32>>,
) -> Tensors<f32> {
    names.map(str::to_owned).into_iter().zip(tensors).collect()
}
