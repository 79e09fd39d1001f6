//! The recurrent engine: forward and backpropagation through time of one LSTM layer.
//!
//! [`Engine`] holds a layer's packed weights and workspaces, not the weights themselves; those come
//! with each call, in Keras's layout. Arrays are batch first, `[batch, steps, features]`.
//!
//! A vector's lanes run over neighbouring units of a row of the batch (`rows`), or, where the
//! layer has fewer units than a vector has lanes, over neighbouring rows (`panels`). Both compute
//! `z = b + x W + h₋ U` in one register tile per step, or go on in it from a `b + x W` that was computed
//! ahead, and hand it to the same cell (`cell`). Both run the steps of backward in the mirror image, with the sums over all steps and rows last.
//!
//! How a call is computed follows from its sizes: its [`Plan`]. [`Stream`] takes one step at a time.
//!
//! After the first call of a shape nothing is allocated, while it stays on one thread.

mod call;
mod cell;
mod packings;
mod panels;
mod parts;
mod plan;
mod rows;
mod sequence;
mod stream;
#[cfg(test)]
mod tests;
mod workspace;

use kernels::Isa;
use kernels::gemm::Caches;

use crate::float::Float;
pub use call::{Call, Gradients, Incoming, Options, Weights};
pub(crate) use packings::Packings;
use panels::Padding;
pub(crate) use parts::{Backward, Forward, Products};
pub use plan::{Cut, InputProduct, Lanes, Plan, Sizes};
pub(crate) use rows::Hoist;
pub use sequence::Gradient;
pub use stream::Stream;
pub(crate) use workspace::View;
use workspace::{Dims, Workspace};

/// One layer's engine.
#[derive(Clone, Debug)]
pub struct Engine<T> {
    isa: Isa,
    options: Options,
    packings: Packings<T>,
    workspace: Workspace<T>,
    products: rows::Products<T>,
    /// What hoisted products need, for each thread.
    hoists: Vec<rows::Hoist<T>>,
    last: Option<Last>,
}

/// The last forward call.
#[derive(Clone, Copy, Debug)]
struct Last {
    batch: usize,
    dims: Dims,
    plan: Plan,
    training: bool,
}

impl<T: Float> Engine<T> {
    /// The engine of a layer on an instruction set, without memory yet.
    ///
    /// # Panics
    ///
    /// If an activation is softmax, or there are no inputs or no units.
    pub fn new(isa: Isa, options: Options) -> Self {
        let Options { inputs, units, .. } = options;
        assert!(inputs > 0 && units > 0, "an LSTM of {inputs} inputs and {units} units");
        options.assert_element_wise();
        Engine {
            isa,
            options,
            packings: Packings::default(),
            workspace: Workspace::default(),
            products: rows::Products::default(),
            hoists: Vec::new(),
            last: None,
        }
    }

    /// How a call of these sizes is computed on the current `rayon` pool.
    pub fn plan(&self, batch: usize, steps: usize, training: bool) -> Plan {
        let Options { inputs, units, .. } = self.options;
        let sizes = Sizes { batch, steps, inputs, units, training };
        Plan::of::<T>(self.isa, Caches::of_this_cpu(), sizes, rayon::current_num_threads)
    }

    /// Runs the layer over `call.x`. Writes the output of every step, `[batch, steps, units]`, to
    /// `y` if it is given.
    ///
    /// # Panics
    ///
    /// If an array does not have the size stated for it.
    pub fn forward(&mut self, call: &Call<T>, y: Option<&mut [T]>) {
        call.check(self.options);
        let plan = self.plan(call.batch, call.steps, call.training);
        self.forward_as(plan, call, y);
    }

    fn forward_as(&mut self, plan: Plan, call: &Call<T>, y: Option<&mut [T]>) {
        let Options { units, .. } = self.options;
        let Call { batch, steps, .. } = *call;
        if let Some(y) = &y {
            assert_eq!(y.len(), batch * steps * units, "y");
        }
        let dims = dims::<T>(self.isa, self.options, plan, (batch, steps), call.training);
        let lanes = plan.lanes;
        self.last = Some(Last { batch, dims, plan, training: call.training });
        T::pack_forward(&mut self.packings, self.isa, self.options, plan, call);
        self.workspace.reserve(dims, call.training);
        if self.hoists.len() < plan.threads {
            self.hoists.resize_with(plan.threads, Default::default);
        }

        let (h, c) = (&mut self.workspace.h, &mut self.workspace.c);
        for (states, initial) in [(h, call.initial[0]), (c, call.initial[1])] {
            put_states(dims, lanes, (states, Padding::LastRow), initial);
        }
        let view = self.workspace.view(dims);
        let job = Forward {
            isa: self.isa,
            options: self.options,
            weights: self.packings.of(lanes),
            plan,
            kept: call.training,
            live: batch,
        };
        let hoists = &mut self.hoists[..plan.threads];
        T::forward(job, view, call.x, y, hoists, plan.threads);
    }

    /// Copies `h` and `c` after the last step of the last forward call, `[batch, units]`.
    ///
    /// # Panics
    ///
    /// If there was none, or a slice has another size.
    pub fn states(&self, h: Option<&mut [T]>, c: Option<&mut [T]>) {
        let Some(Last { batch, dims, plan: Plan { lanes, .. }, .. }) = self.last else {
            panic!("no forward call")
        };
        for (states, out) in [(&self.workspace.h, h), (&self.workspace.c, c)] {
            let Some(out) = out else { continue };
            assert_eq!(out.len(), batch * dims.units, "states");
            get_states(dims, lanes, states, out);
        }
    }

    /// Backpropagates through the last forward call: adds to `grads`, overwrites `dx [batch,
    /// steps, inputs]` and the gradients of the initial `h` and `c`, `[batch, units]`.
    ///
    /// Uses up what forward has kept: call once per forward call.
    ///
    /// # Panics
    ///
    /// If there was no forward call in training, or an array has the wrong size.
    pub fn backward(
        &mut self,
        call: &Call<T>,
        incoming: Incoming<T>,
        grads: Gradients<T>,
        dx: Option<&mut [T]>,
        initial: [Option<&mut [T]>; 2],
    ) {
        let Some(Last { batch, dims, plan, training: true }) = self.last.take() else {
            panic!("no forward call in training")
        };
        let lanes = plan.lanes;
        assert_eq!((batch, dims.steps), (call.batch, call.steps), "another forward call");
        let Options { inputs, units, go_backwards, .. } = self.options;
        call.check(self.options);
        incoming.check(units, batch, dims.steps);
        grads.check(call.weights);
        if let Some(dx) = &dx {
            assert_eq!(dx.len(), batch * dims.steps * inputs, "dx");
        }
        for gradient in initial.iter().flatten() {
            assert_eq!(gradient.len(), batch * units, "gradient of an initial state");
        }
        let (options, wanted) = (self.options, dx.is_some());
        T::pack_backward(&mut self.packings, self.isa, options, plan, call, wanted);

        let (dh, dc) = (&mut self.workspace.dh, &mut self.workspace.dc);
        let states = Dims { slots: 1, ..dims };
        for (gradient, given) in [(dh, incoming.states[0]), (dc, incoming.states[1])] {
            put_states(states, lanes, (gradient, Padding::Zeros), given);
        }
        let job = Backward {
            isa: self.isa,
            options: self.options,
            weights: self.packings.of(lanes),
            plan,
            initial: initial[0].is_some(),
        };
        T::backward(job, self.workspace.view(dims), incoming.dy, plan.threads);

        for (gradient, out) in [&self.workspace.dh, &self.workspace.dc].into_iter().zip(initial) {
            if let Some(out) = out {
                get_states(states, lanes, gradient, out);
            }
        }

        T::products(Products {
            isa: self.isa,
            weights: self.packings.of(lanes),
            view: self.workspace.view(dims),
            grads,
            dx: dx.map(|dx| (dx, go_backwards)),
            scratch: &mut self.products,
        });
    }
}

/// Sizes in memory.
fn dims<T: kernels::Float>(
    isa: Isa,
    options: Options,
    plan: Plan,
    (batch, steps): (usize, usize),
    training: bool,
) -> Dims {
    let Options { inputs, units, .. } = options;
    let (batch, width) = match plan.lanes {
        Lanes::Units => (batch, units.next_multiple_of(isa.lanes::<T>())),
        Lanes::Batch => (batch.next_multiple_of(plan.group), units),
    };
    let gates = match plan.input {
        _ if training => steps,
        InputProduct::Hoisted(steps) => steps,
        InputProduct::Fused => 0,
    };
    let slots = if training { steps + 1 } else { 2 };
    Dims { batch, group: plan.group, steps, inputs, units, width, slots, first: 0, gates }
}

/// Copies the states after the last step to `[batch, units]`.
fn get_states<T: kernels::Float>(dims: Dims, lanes: Lanes, states: &[T], out: &mut [T]) {
    let (slot, _) = dims.around(dims.steps);
    for group in dims.groups() {
        let states = &states[group.slot(dims.slots, slot, dims.width)];
        match lanes {
            Lanes::Units => {
                sequence::write_rows(states, dims.width, (out, 1, dims.units), group, 0)
            }
            Lanes::Batch => panels::write_panel(states, group, (out, 1, dims.units), 0),
        }
    }
}

/// Writes `[batch, units]`, or zeros, to slot 0 of an array of states.
fn put_states<T: kernels::Float>(
    dims: Dims,
    lanes: Lanes,
    (states, padding): (&mut [T], Padding),
    given: Option<&[T]>,
) {
    for group in dims.groups() {
        let states = &mut states[group.slot(dims.slots, 0, dims.width)];
        states.fill(T::ZERO);
        let Some(given) = given else { continue };
        match lanes {
            Lanes::Units => {
                sequence::read_rows((given, 1, dims.units), group, 0, states, dims.width)
            }
            Lanes::Batch => {
                panels::read_panel((given, 1, dims.units), group, 0, (states, padding));
            }
        }
    }
}
