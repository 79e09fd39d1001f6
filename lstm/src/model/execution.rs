//! A graph with memory: runs its operations forward and backward over batches.

use std::ops::Range;

use arrayvec::ArrayVec;
use kernels::{Buffer, Isa, Team};

use crate::activation::Activation;
use crate::engine::{self, Stream};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::graph::{Call, Graph};
use crate::layer::{Flow, Inputs, LSTM, Layer, Mask, OfLoss, Operation, Pass, Recurrence};
use crate::random::Draw;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// One call of the graph, ready to run.
#[derive(Debug)]
struct Step<T> {
    layer: Layer,
    operation: Box<dyn Operation<T>>,
    sources: Vec<(usize, usize)>,
    /// The mask that it is given, and where that comes from.
    given: Option<(Mask, (usize, usize))>,
    /// Its weights among those of the model.
    weights: Range<usize>,
    /// The shapes of its outputs and inputs, of one sample: all axes are known once there is data.
    outputs: Vec<Shape>,
    inputs: Vec<Shape>,
    /// Gradients of the inputs, before they flow on to whoever made them.
    dins: Vec<Flow<T>>,
    /// Whether a loss or a penalty may be of its outputs.
    judged: bool,
    /// How many calls from this one on are a chain, in inference and in training.
    chains: [usize; 2],
    /// Whether gradients of its outputs have room: where they may begin, or lead to something wanted.
    flows: bool,
}

/// The operations of a graph, the values between them, and the gradients of those values.
///
/// There is room for the largest batch seen. Within it nothing is allocated here, whatever the
/// sizes of batches and of axes that only the data tells.
#[derive(Debug)]
pub(super) struct Execution<T> {
    steps: Vec<Step<T>>,
    values: Vec<Vec<Buffer<T>>>,
    masks: Vec<Vec<Mask>>,
    douts: Vec<Vec<Flow<T>>>,
    batch: usize,
    /// Whether all shapes follow from those of the inputs.
    settled: bool,
    /// Whether any value may have a mask.
    masked: bool,
    /// The bytes that recurrent layers keep for backward, if there is a bound.
    budget: Option<usize>,
    /// How forward was run the last time.
    mode: Mode,
}

/// What a run through the graph is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    /// Whether backward follows.
    kept: bool,
    /// Keras's `training=True`.
    training: Option<Draw>,
    /// Whether all of it stays on its thread.
    serial: bool,
}

impl Mode {
    /// Outputs alone.
    pub(super) const PREDICT: Mode = Mode { kept: false, training: None, serial: false };
    /// Gradients of what [`PREDICT`](Self::PREDICT) computes.
    pub(super) const GRADIENTS: Mode = Mode { kept: true, ..Mode::PREDICT };
    /// Outputs of a step, for whoever cannot wait.
    pub(super) const STREAM: Mode = Mode { serial: true, ..Mode::PREDICT };

    /// Outputs alone, with random numbers where layers do as in training.
    pub(super) fn outputs(draw: Option<Draw>) -> Mode {
        Mode { training: draw, ..Mode::PREDICT }
    }

    /// A step of training, with its random numbers.
    pub(super) fn training(draw: Draw) -> Mode {
        Mode { kept: true, training: Some(draw), serial: false }
    }
}

/// What a call gave.
#[derive(Debug)]
pub(super) struct Outcome<'a, T> {
    pub(super) value: &'a [T],
    pub(super) gradient: Option<&'a mut [T]>,
    pub(super) mask: Option<&'a [bool]>,
    pub(super) operand: Option<&'a [T]>,
}

/// The weights of all layers, and a number that changes whenever they do.
#[derive(Clone, Copy)]
pub(super) struct Params<'a, T> {
    pub(super) weights: &'a [T],
    pub(super) version: u64,
}

impl<T: Float> Step<T> {
    /// What the operation gets from those before it, in a run of rows in a mode as the step number
    /// `at`; the operation, and room for the gradients of its inputs.
    fn parts<'a>(
        &'a mut self,
        (values, masks): (&'a [Vec<Buffer<T>>], &'a [Vec<Mask>]),
        params: Params<'a, T>,
        (batch, mode, at): (usize, Mode, usize),
    ) -> (Pass<'a, T>, &'a mut dyn Operation<T>, &'a mut [Flow<T>]) {
        let given = self.given.as_ref().and_then(|(mask, _)| mask.get());
        let (sources, shapes) = (&self.sources, &self.inputs);
        let inputs = Inputs { values, masks, sources, shapes, given, first: None };
        let pass = Pass {
            batch,
            kept: mode.kept,
            training: mode.training.map(|draw| draw.of(at)),
            serial: mode.serial,
            beside: false,
            weights: &params.weights[self.weights.clone()],
            version: params.version,
            inputs,
        };
        (pass, &mut *self.operation, &mut self.dins)
    }
}

impl<T: Float> Execution<T> {
    /// The operations of `graph`, whose layers have their weights in `ranges`.
    pub(super) fn new(isa: Isa, graph: &Graph, ranges: &[Range<usize>]) -> Self {
        Execution::with(graph, ranges, |call| {
            T::operation(&graph.layers[call.layer].layer, isa, &call.inputs)
        })
    }

    /// The same with operations that are given for each call.
    pub(super) fn with(
        graph: &Graph,
        ranges: &[Range<usize>],
        mut operation: impl FnMut(&Call) -> Box<dyn Operation<T>>,
    ) -> Self {
        let steps: Vec<Step<T>> = graph
            .calls
            .iter()
            .enumerate()
            .map(|(at, call)| (at, call, &graph.layers[call.layer].layer))
            .map(|(at, call, layer)| Step {
                layer: layer.clone(),
                operation: operation(call),
                sources: call.sources.clone(),
                given: call.mask.map(|source| (Mask::default(), source)),
                weights: ranges[call.layer].clone(),
                outputs: call.outputs.clone(),
                inputs: call.inputs.clone(),
                dins: call.inputs.iter().map(|_| Flow::default()).collect(),
                judged: layer.describe().activity_regularizer().is_some()
                    || graph.outputs.iter().any(|&(output, _)| output == at),
                chains: [true, false].map(|through| chain(graph, at, through)),
                flows: false,
            })
            .collect();
        let mut execution = Execution {
            values: steps.iter().map(|step| vec![Buffer::new(); step.outputs.len()]).collect(),
            masks: steps.iter().map(|step| vec![Mask::default(); step.outputs.len()]).collect(),
            douts: steps
                .iter()
                .map(|step| step.outputs.iter().map(|_| Flow::default()).collect())
                .collect(),
            steps,
            batch: 0,
            settled: false,
            masked: graph
                .calls
                .iter()
                .any(|call| call.mask.is_some() || graph.layers[call.layer].layer.makes_a_mask()),
            budget: None,
            mode: Mode::PREDICT,
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
            step.flows = leads[i] || step.judged;
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
        gradients: bool,
    ) -> Result<()> {
        self.settle(inputs)?;
        self.batch = batch;
        if let (true, Some(budget)) = (gradients, self.budget) {
            self.share(budget)?;
        }
        for (i, step) in self.steps.iter_mut().enumerate() {
            for (o, shape) in step.outputs.iter().enumerate() {
                self.values[i][o].resize(batch * shape.len());
                if gradients && step.flows {
                    self.douts[i][o].grad.resize(batch * shape.len());
                }
            }
            for (din, shape) in step.dins.iter_mut().zip(&step.inputs) {
                if gradients && din.live {
                    din.grad.resize(batch * shape.len());
                }
            }
        }
        Ok(())
    }

    /// Takes in the shapes of samples, as [`reserve`](Self::reserve) does, without making room.
    ///
    /// # Errors
    ///
    /// As there.
    pub(super) fn settle<'a>(
        &mut self,
        inputs: impl Iterator<Item = (usize, &'a [usize])>,
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
        Ok(())
    }

    /// Checks that so many samples in batches of a size have the rows that every layer asks for.
    ///
    /// # Errors
    ///
    /// If a batch would have more or fewer.
    pub(super) fn check_rows(&self, samples: usize, batch_size: usize) -> Result<()> {
        self.check_rows_of(samples, batch_size, batch_size)
    }

    /// The same, where other batches have `usual` rows.
    ///
    /// # Errors
    ///
    /// As there, and if a layer keeps states and `usual` is another number.
    pub(super) fn check_rows_of(
        &self,
        samples: usize,
        batch_size: usize,
        usual: usize,
    ) -> Result<()> {
        for step in &self.steps {
            let Some(rows) = step.operation.rows() else { continue };
            let rows = match (rows, usual) {
                (0, 0) => continue, // nothing is known of other batches yet
                (0, usual) => usual,
                (rows, _) => rows,
            };
            let last = samples % batch_size;
            let found = if last != 0 && batch_size == rows { last } else { batch_size };
            if found != rows {
                let (class, name) = (step.layer.describe().class(), step.layer.describe().name());
                let name = name.map_or(String::new(), |name| format!(" `{name}`"));
                let why = match step.sources.is_empty() {
                    true => "which has a batch size",
                    false => "which is stateful, see `reset_states`",
                };
                let what = format!("rows of every batch of {class}{name}, {why}");
                return Err(Error::Count { what, expected: rows, found });
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
            if let Some((_, (call, output))) = step.given {
                let mask = &before[call].outputs[output];
                if mask.axes() != &step.inputs[0].axes()[..1] {
                    return Err(Error::Shape {
                        what: format!("mask of {}, [batch, steps]", description.class()),
                        expected: vec![None, step.inputs[0].axes()[0]],
                        found: mask.batched(None),
                    });
                }
            }
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

    /// What all masks said in the last forward, those made and those given.
    pub(super) fn valid(&self) -> Vec<bool> {
        let given = self.steps.iter().filter_map(|step| step.given.as_ref()?.0.get());
        let made = self.masks.iter().flatten().filter_map(Mask::get);
        made.chain(given).flatten().copied().collect()
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

    /// An output of a call, after forward, with room for its gradient, where backward starts if
    /// `wanted`, which of its entries are valid, if that is said of it, and what it was before its
    /// activation, if that was kept. The gradient is with respect to that, where `direct`.
    pub(super) fn outcome(
        &mut self,
        (call, output): (usize, usize),
        wanted: bool,
        direct: bool,
    ) -> Outcome<'_, T> {
        let of_loss = match wanted && direct {
            false => OfLoss::Output,
            true if self.is_read(call) => OfLoss::Beside,
            true => OfLoss::Operand,
        };
        let flow = &mut self.douts[call][output];
        if of_loss == OfLoss::Beside && !flow.live {
            flow.grad.fill(T::ZERO); // others will add to it
        }
        flow.live |= wanted;
        let gradient = wanted.then_some(&mut flow.grad[..]);
        let (operand, beside) = self.steps[call].operation.operand(of_loss).unzip();
        Outcome {
            value: &self.values[call][output],
            gradient: beside.flatten().or(gradient),
            mask: self.masks[call][output].get(),
            operand,
        }
    }

    /// Whether another operation reads an output of a call.
    fn is_read(&self, call: usize) -> bool {
        self.steps.iter().any(|step| step.sources.iter().any(|&(at, _)| at == call))
    }

    /// Whether the next forward keeps what a call gives before its activation; which activation
    /// that is, if the loss can look through it.
    pub(super) fn look_through(&mut self, call: usize, keep: bool) -> Option<Activation> {
        self.steps[call].operation.look_through(keep)
    }

    /// The states that are kept from batch to batch, empty before the first one, with the units of
    /// each.
    pub(super) fn carried(&mut self) -> impl Iterator<Item = (usize, &mut Buffer<T>)> {
        self.steps.iter_mut().flat_map(|step| step.operation.carried())
    }

    /// The streams of all recurrent layers, where that is what they are.
    pub(super) fn streams(&mut self) -> impl Iterator<Item = &mut Stream<T>> {
        self.steps.iter_mut().flat_map(|step| step.operation.streams())
    }

    /// Makes every operation forget the states that it keeps from batch to batch.
    pub(super) fn reset(&mut self) {
        self.steps.iter_mut().for_each(|step| step.operation.reset());
    }

    /// Has recurrent layers keep so many bytes for backward, all together, if not all that they can
    /// use.
    pub(super) fn keep_within(&mut self, bytes: Option<usize>) {
        self.budget = bytes;
        if bytes.is_none() {
            self.visit(&mut |it| it.engine.keep_within(None));
        }
    }

    fn visit(&mut self, see: &mut dyn FnMut(Recurrence<T>)) {
        for step in &mut self.steps {
            step.operation.visit(self.batch, &step.inputs, see);
        }
    }

    /// Shares out the bytes to keep for a batch.
    ///
    /// # Errors
    ///
    /// If they are too few.
    fn share(&mut self, budget: usize) -> Result<()> {
        // In training or for gradients alone, which know no dropout.
        let bytes = |it: &Recurrence<T>| {
            let bytes = |dropped| it.engine.bytes(it.batch, it.steps, dropped);
            let (all, least) = bytes([false; 2]);
            match it.dropped {
                [false, false] => (all, least),
                dropped => {
                    let with = bytes(dropped);
                    (with.0.max(all), with.1.max(least))
                }
            }
        };
        let (mut needed, mut usable) = (0usize, 0u128);
        self.visit(&mut |it| {
            let (all, least) = bytes(&it);
            needed = needed.saturating_add(least);
            usable += (all - least) as u128;
        });
        let rest = budget.saturating_sub(needed) as u128;
        self.visit(&mut |it| {
            // Each has enough; what is left goes to those that can use it.
            let (all, least) = bytes(&it);
            let more = rest * (all - least) as u128 / usable.max(1);
            let part = (least as u128).saturating_add(more);
            it.engine.keep_within(Some(usize::try_from(part).unwrap_or(usize::MAX)));
        });
        if needed > budget {
            let why = format!("{budget} are too few to train with: {needed} are needed");
            return Err(Error::invalid("bytes of Bptt::Checkpointed", why));
        }
        Ok(())
    }

    /// Checks that the bytes to keep are enough for batches of so many rows.
    ///
    /// # Errors
    ///
    /// If they are too few.
    pub(super) fn check_budget(&mut self, rows: usize) -> Result<()> {
        let Some(budget) = self.budget else { return Ok(()) };
        let batch = std::mem::replace(&mut self.batch, rows);
        let enough = self.share(budget);
        self.batch = batch;
        enough
    }

    /// Has recurrent layers carry their states from call to call, starting with zeros, or not any more;
    /// stateful ones do it anyway.
    pub(super) fn carry(&mut self, on: bool) {
        self.steps.iter_mut().for_each(|step| step.operation.carry(on));
    }

    /// Runs every operation.
    pub(super) fn forward(&mut self, params: Params<T>, mode: Mode) {
        self.mode = mode;
        let mut i = 0;
        while i < self.steps.len() {
            let [chain, of_training] = self.steps[i].chains;
            let chain = i..i + if mode.training.is_some() { of_training } else { chain };
            if self.is_shared(chain.clone()) && self.forward_chain(chain.clone(), params) {
                i = chain.end;
                continue;
            }
            if !self.steps[i].sources.is_empty() {
                self.forward_step(i, params); // else its value is there
            }
            i += 1;
        }
    }

    fn forward_step(&mut self, i: usize, params: Params<T>) {
        let step = &mut self.steps[i];
        let (before, rest) = self.values.split_at_mut(i);
        let (masks, outputs) = self.masks.split_at_mut(i);
        if let Some((mask, (call, output))) = &mut step.given {
            mask.set(before[*call][*output].iter().map(|&entry| entry != T::ZERO));
        }
        let run = (self.batch, self.mode, i);
        let (pass, operation, _) = step.parts((before, masks), params, run);
        if self.masked {
            outputs[0].iter_mut().for_each(Mask::clear);
            operation.mask(pass.inputs, &mut outputs[0]);
        }
        operation.forward(pass, &mut rest[0]);
    }

    /// Whether threads may share the layers of a chain: there are some, and they have enough to do.
    fn is_shared(&self, chain: Range<usize>) -> bool {
        let Execution { steps, batch, mode, masked, .. } = self;
        if chain.len() == 1 || *masked || mode.serial {
            return false;
        }
        let weights = steps[chain.clone()].iter().map(|step| step.weights.len()).sum::<usize>();
        let time = steps[chain.start].inputs[0].axes()[0].unwrap_or(0);
        engine::pays_threads(weights.saturating_mul(*batch).saturating_mul(time))
    }

    /// Runs the LSTMs of a chain in one call of the engine, unless one of them has to wait for the whole output
    /// of the one before.
    #[inline(never)] // small models run no more than the loop around it
    fn forward_chain(&mut self, chain: Range<usize>, params: Params<T>) -> bool {
        let Execution { steps, values, masks, batch, mode, .. } = self;
        let (before, values) = values.split_at_mut(chain.start);
        let (steps, masks) = (&mut steps[chain.clone()], &masks[..chain.start]);
        let mut stages = ArrayVec::<_, { Team::MOST }>::new();
        for ((at, step), outputs) in chain.clone().zip(steps).zip(values) {
            if drops_out(&step.layer) {
                continue;
            }
            let (mut pass, operation, _) = step.parts((before, masks), params, (*batch, *mode, at));
            if !stages.is_empty() {
                pass.inputs.first = Some(&[]); // it comes step by step
            }
            let Some(stage) = operation.stage(pass, outputs) else { return false };
            stages.push(stage);
        }
        engine::forward(&mut stages);
        drop(stages);
        for at in chain {
            match drops_out(&self.steps[at].layer) {
                true => self.forward_step(at, params),
                false => self.steps[at].operation.finish(self.batch, &mut self.values[at]),
            }
        }
        true
    }

    /// Forgets all gradients of values.
    pub(super) fn clear_gradients(&mut self) {
        self.douts.iter_mut().flatten().for_each(|flow| flow.live = false);
    }

    /// The penalties on what layers returned, each divided by the rows of the batch.
    pub(super) fn activity_penalty(&self) -> f64 {
        let penalties = self.steps.iter().zip(&self.values).filter_map(|(step, values)| {
            let regularizer = step.layer.describe().activity_regularizer()?;
            let outputs = values.iter().zip(&step.outputs);
            let value = |(value, shape): (&Buffer<T>, &Shape)| {
                regularizer.value(&[self.batch, shape.features().unwrap_or(1)], value)
            };
            Some(outputs.map(value).sum::<f64>() / self.batch as f64)
        });
        let inner = self.steps.iter().map(|step| step.operation.inner_activity_penalty(self.batch));
        penalties.sum::<f64>() + inner.sum::<f64>()
    }

    /// Adds `scale` times the gradients of [`activity_penalty`](Self::activity_penalty) to those
    /// that backward will start from.
    pub(super) fn add_activity_gradients(&mut self, scale: f64) {
        let steps = self.steps.iter_mut().zip(&self.values).zip(&mut self.douts);
        for ((step, values), douts) in steps {
            if step.operation.add_inner_activity(scale) && douts.iter().all(|dout| !dout.live) {
                douts[0].grad.fill(T::ZERO);
                douts[0].live = true;
            }
            let Some(regularizer) = step.layer.describe().activity_regularizer() else { continue };
            for ((value, dout), shape) in values.iter().zip(douts).zip(&step.outputs) {
                let shape = [self.batch, shape.features().unwrap_or(1)];
                let scale = scale / self.batch as f64;
                regularizer.add_gradient(&shape, value, scale, dout.sum(value.len()));
            }
        }
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
            let masks = &self.masks[..i];
            let weights = step.weights.clone();
            let run = (self.batch, self.mode, i);
            let (pass, operation, dins) = step.parts((before, masks), params, run);
            operation.backward(pass, &rest[0], &mut drest[0], &mut grads[weights], dins);

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

/// How many calls from this one on are a chain: LSTMs of which each reads the steps that the one before puts out, and
/// nothing else of those before, maybe `through` dropouts, which do nothing in inference. One if there is no such
/// thing.
fn chain(graph: &Graph, first: usize, through: bool) -> usize {
    let mut chain = 1;
    let layer = |at: usize| &graph.layers[graph.calls[at].layer].layer;
    if !matches!(layer(first), Layer::LSTM(_)) {
        return chain;
    }
    for at in (first + 1..graph.calls.len()).take(Team::MOST - 1) {
        let call = &graph.calls[at];
        let [x, states @ ..] = &call.sources[..] else { break };
        let elsewhere = states.iter().all(|&(source, _)| source < first);
        if *x != (at - 1, 0) || !elsewhere {
            break;
        }
        let waits = |lstm: &LSTM| !through && lstm.drops_whole_input();
        match layer(at) {
            Layer::LSTM(lstm) if !lstm.go_backwards && !waits(lstm) => chain = at + 1 - first,
            layer if through && drops_out(layer) => {}
            _ => break,
        }
    }
    chain
}

/// Whether a layer gives what it gets, but in training.
fn drops_out(layer: &Layer) -> bool {
    matches!(layer, Layer::Dropout(_) | Layer::SpatialDropout1D(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Symbol;
    use crate::layer::{Dense, Dropout, Input, RepeatVector};

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

    #[test]
    fn a_chain_is_of_lstms_that_follow_each_other_step_by_step() {
        let lstm = || LSTM::new(3).return_sequences(true);
        let x = Input::new([None, Some(2)]);
        let a = lstm().call(&x).unwrap();
        let b = lstm().return_state(true).call(&a).unwrap();
        let [h, c]: [Symbol; 2] = b.states().unwrap().to_vec().try_into().unwrap();
        let d = lstm().call_with_state(&b, [&h, &c]).unwrap(); // needs the end of `b`
        let e = lstm().dropout(0.5).call(&d).unwrap();
        let f = lstm().go_backwards(true).call(&e).unwrap();
        let g = Dropout::new(0.5).call(&f).unwrap();
        let g = LSTM::new(3).call(&g).unwrap();
        let g = Dropout::new(0.5).call(&g).unwrap();
        let g = RepeatVector::new(4).call(&g).unwrap();
        let y = lstm().call(&g).unwrap();
        let graph = Graph::new(&[Symbol::clone(&x)], &[y]).unwrap();
        let chains = |through| -> Vec<usize> {
            (0..graph.calls.len()).map(|at| chain(&graph, at, through)).collect()
        };
        assert_eq!(chains(true), [1, 2, 1, 2, 1, 3, 1, 1, 1, 1, 1]);
        assert_eq!(chains(false), [1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    }
}
