//! The recurrent engine: forward and backpropagation through time of one LSTM layer.
//!
//! [`Engine`] holds a layer's packed weights and workspaces, not the weights themselves; those come
//! with each call, in Keras's layout. Arrays are batch first, `[batch, steps, features]`.
//!
//! A vector's lanes run over neighbouring units of a row of the batch (`rows`), or, where the
//! layer has fewer units than a vector has lanes or an activation mixes them, over neighbouring rows
//! (`panels`). Both compute `z = b + x W + h₋ U` in one register tile per step (with dropout over units, in
//! one for each gate), or go on in it from a `b + x W` that was computed ahead, and hand it to the same cell (`cell`). A mask shortens rows (`ragged`). Both run the steps of backward in the mirror image, with the sums over all steps and rows last.
//!
//! How a call is computed follows from its sizes: its [`Plan`], made from its [`Costs`]. [`forward`] runs several layers
//! on top of each other, as a [`Wavefront`] where that is faster. [`Stream`] takes one step at a time.
//!
//! After the first call of a shape nothing is allocated, while it stays on one thread.

mod call;
mod cell;
mod costs;
mod gates;
mod packings;
mod panels;
mod parts;
mod plan;
mod ragged;
mod rows;
mod sequence;
mod stages;
mod stream;
#[cfg(test)]
mod tests;
mod wavefront;
mod windows;
mod workspace;

use std::ops::Range;

use kernels::gemm::Caches;
use kernels::simd::MAX_LANES;
use kernels::{Buffer, Isa};

use crate::float::Float;
pub use call::{Call, Factors, Gradients, Incoming, Options, Weights};
pub(crate) use costs::pays_threads;
pub use costs::{Costs, Level, Reasons};
pub(crate) use packings::Packings;
use panels::Padding;
pub(crate) use parts::{Backward, Forward, Products};
pub use plan::{Cut, InputProduct, Lanes, Plan, Sizes};
use ragged::Ragged;
pub(crate) use rows::{Hoist, OneStep};
pub use sequence::Gradient;
pub use stages::{Stage, forward, wavefront};
pub(crate) use stream::Shared as SharedWeights;
pub use stream::Stream;
pub use wavefront::Wavefront;
use windows::{Checkpoints, Windows};
pub(crate) use workspace::View;
use workspace::{Dims, Extent, Workspace};

/// One layer's engine.
#[derive(Clone, Debug)]
pub struct Engine<T> {
    isa: Isa,
    options: Options,
    packings: Packings<T>,
    workspace: Workspace<T>,
    products: rows::Products<T>,
    hoist: rows::Hoist<T>,
    ragged: Ragged<T>,
    /// Whether all stays on one thread, whatever the pool.
    serial: bool,
    /// Bytes that training may take, if not all that it can use.
    budget: Option<usize>,
    checkpoints: Checkpoints<T>,
    last: Option<Last>,
}

/// The last forward call.
#[derive(Clone, Copy, Debug)]
struct Last {
    batch: usize,
    /// Of the last window.
    dims: Dims,
    windows: Windows,
    plan: Plan,
    training: bool,
    masked: bool,
    /// Whether there was dropout by gate of `h` and of `x`.
    dropped: [bool; 2],
}

impl<T: Float> Engine<T> {
    /// The engine of a layer on an instruction set, without memory yet.
    ///
    /// # Panics
    ///
    /// If there are no inputs or no units.
    pub fn new(isa: Isa, options: Options) -> Self {
        let Options { inputs, units, .. } = options;
        assert!(inputs > 0 && units > 0, "an LSTM of {inputs} inputs and {units} units");
        Engine {
            isa,
            options,
            packings: Packings::default(),
            workspace: Workspace::default(),
            products: rows::Products::default(),
            hoist: rows::Hoist::default(),
            ragged: Ragged::default(),
            serial: false,
            budget: None,
            checkpoints: Checkpoints::default(),
            last: None,
        }
    }

    /// How a call of these sizes is computed on the current `rayon` pool.
    pub fn plan(&self, batch: usize, steps: usize, training: bool) -> Plan {
        let Options { inputs, units, .. } = self.options;
        let sizes = Sizes { batch, steps, inputs, units, training };
        let threads = || if self.serial { 1 } else { rayon::current_num_threads() };
        plan_for::<T>(self.isa, self.options, sizes, threads)
    }

    /// Whether calls stay on the thread that makes them, so that they wait for no other.
    pub(crate) fn stay_on_one_thread(&mut self, serial: bool) {
        self.serial = serial;
    }

    /// Bounds, in bytes, what forward keeps for backward and backward needs beside it, all that grows with
    /// the steps: gradients are the same to the bit, and backward runs forward once more over all but
    /// the last part of a sequence that does not fit. Not counted are packed weights, which do not
    /// grow, and with a mask the copies of `x`, `y` and their gradients, in the order in which steps are
    /// computed.
    ///
    /// Without a bound, a step of a row takes `inputs + 7 units` numbers, units padded to whole
    /// vectors.
    pub fn keep_within(&mut self, bytes: Option<usize>) {
        self.budget = bytes;
    }

    /// What [`keep_within`](Self::keep_within) counts, in bytes, of a call in training with so many
    /// rows and steps, with dropout by gate of `h` and of `x` or without: all that it can use, and the
    /// least that is enough.
    pub fn bytes(&self, batch: usize, steps: usize, dropped: [bool; 2]) -> (usize, usize) {
        let plan = self.plan_of((batch, steps), true, dropped[0]);
        let bytes = |windows| self.bytes_of((plan, windows), batch, dropped);
        let all = bytes(Windows::one(steps));
        (all, Windows::within(0, batch, steps, bytes).err().unwrap_or(0))
    }

    fn bytes_of(
        &self,
        (plan, windows): (Plan, Windows),
        batch: usize,
        dropped: [bool; 2],
    ) -> usize {
        let (lens, states) = self.lens((plan, windows), batch, true, dropped);
        let products = self.products_of(plan, (batch, windows.steps), dropped);
        let lens = lens.into_iter().chain([states; 2]).chain(products);
        lens.map(Buffer::<T>::bytes).sum()
    }

    /// The bytes that are held once there is room for a call, with what other calls have left.
    fn held(&self, (plan, windows): (Plan, Windows), call: &Call<T>) -> usize {
        let (batch, training, dropped) = (call.batch, call.training, call.dropped());
        let (lens, states) = self.lens((plan, windows), batch, training, dropped);
        let products = match training {
            true => self.products_of(plan, (batch, windows.steps), dropped),
            false => [0; 5],
        };
        let products = self.products.held(products);
        self.workspace.held(lens) + self.checkpoints.held(states) + products
    }

    /// The elements of the arrays of the workspace, in training or not, and those of either state
    /// between windows.
    fn lens(
        &self,
        (plan, windows): (Plan, Windows),
        batch: usize,
        training: bool,
        dropped: [bool; 2],
    ) -> ([usize; 11], usize) {
        let Windows { steps, window } = windows;
        let sizes = (batch, 0..window, steps);
        let dims = dims::<T>(self.isa, self.options, plan, sizes, training);
        let lens = workspace::lens(dims, self.options, training, dropped);
        (lens, windows::checkpoints(windows, dims, training))
    }

    /// Those of the products that end backward.
    fn products_of(
        &self,
        plan: Plan,
        (batch, steps): (usize, usize),
        dropped: [bool; 2],
    ) -> [usize; 5] {
        if plan.lanes == Lanes::Batch {
            return [0; 5]; // tiles of sums in registers
        }
        let Options { inputs, units, .. } = self.options;
        let rows = rows_of_chunk(plan, (batch, steps));
        rows::Products::<T>::lens(rows, [inputs, units], dropped)
    }

    fn windows(&self, plan: Plan, call: &Call<T>) -> Windows {
        let Some(budget) = self.budget else { return Windows::one(call.steps) };
        let within = |bytes: &dyn Fn(Windows) -> usize| {
            Windows::within(budget, call.batch, call.steps, bytes)
        };
        // Beside what other calls have left, if that can be, so that none of it has to be given back.
        within(&|windows| self.held((plan, windows), call))
            .or_else(|_| {
                within(&|windows| self.bytes_of((plan, windows), call.batch, call.dropped()))
            })
            .unwrap_or_else(|least| {
                assert!(!call.training, "{budget} bytes for a call that needs {least}");
                // Nothing is kept but the input, of as few steps as may be.
                Windows::shortest(call.batch, call.steps)
            })
    }

    /// Runs the layer over `call.x`. Writes the output of every step, `[batch, steps, units]`, to
    /// `y` if it is given.
    ///
    /// # Panics
    ///
    /// If an array does not have the size stated for it, or a call in training cannot keep
    /// [within](Self::keep_within) its bytes.
    pub fn forward(&mut self, call: &Call<T>, y: Option<&mut [T]>) {
        call.check(self.options);
        if let Some(y) = &y {
            assert_eq!(y.len(), call.batch * call.steps * self.options.units, "y");
        }
        let plan = self.plan_of((call.batch, call.steps), call.training, call.dropout.is_some());
        match call.mask {
            None => self.forward_as(plan, call, y),
            Some(mask) => self.forward_masked(plan, call, mask, y),
        }
    }

    /// The plan of a call with dropout by gate, or without.
    fn plan_of(&self, (batch, steps): (usize, usize), training: bool, by_gate: bool) -> Plan {
        let plan = self.plan(batch, steps, training);
        if by_gate { plan.fused() } else { plan }
    }

    fn forward_as(&mut self, plan: Plan, call: &Call<T>, y: Option<&mut [T]>) {
        let extent = Extent { lengths: None, dropout: call.dropout };
        let windows = self.windows(plan, call);
        self.run_forward((plan, windows), self.options, call, extent, y);
    }

    fn forward_masked(&mut self, plan: Plan, call: &Call<T>, mask: &[bool], y: Option<&mut [T]>) {
        let Options { inputs, units, .. } = self.options;
        let mut ragged = std::mem::take(&mut self.ragged);
        ragged.sort(self.options, call, mask, MAX_LANES);
        ragged.read_input(call.x, inputs);
        ragged.read_states(call.initial, units);
        ragged.read_factors(call.dropout, [units, inputs]);

        // Plan, windows and room are those of whole rows: the masks of later batches may leave more.
        let windows = self.windows(plan, call);
        self.reserve((plan, windows), call);
        let steps = ragged.longest();
        let options = Options { go_backwards: false, ..self.options };
        let initial = [Some(&ragged.states[0][..]), Some(&ragged.states[1][..])];
        let inner = Call { x: &ragged.x, steps, initial, mask: None, ..*call };
        let mut sorted = std::mem::take(&mut ragged.y);
        for steps in [call.steps, steps] {
            sorted.resize(if y.is_some() { call.batch * steps * units } else { 0 });
        }
        let room = y.is_some().then_some(&mut sorted[..]);
        let windows = Windows { steps, window: windows.window.min(steps) };
        let extent = ragged.extent(call.dropout);
        self.run_forward((plan, windows), options, &inner, extent, room);
        ragged.y = sorted;
        if let Some(y) = y {
            ragged.write_output(y, units);
        }
        self.ragged = ragged;
    }

    /// Makes room for the longest window of a call.
    fn reserve(&mut self, (plan, windows): (Plan, Windows), call: &Call<T>) {
        let (training, dropped) = (call.training, call.dropped());
        let (lens, states) = self.lens((plan, windows), call.batch, training, dropped);
        if let Some(budget) = self.budget
            && self.held((plan, windows), call) > budget
        {
            self.workspace = Workspace::default();
            self.checkpoints = Checkpoints::default();
            self.products = rows::Products::default();
        }
        self.workspace.reserve(lens);
        self.checkpoints.reserve(states);
    }

    fn run_forward(
        &mut self,
        (plan, windows): (Plan, Windows),
        options: Options,
        call: &Call<T>,
        extent: Extent<T>,
        mut y: Option<&mut [T]>,
    ) {
        let Call { batch, training, .. } = *call;
        T::pack_forward(&mut self.packings, self.isa, options, plan, call);
        self.reserve((plan, windows), call);
        let (factors, extent) = (extent.dropout, extent.over(plan.lanes));
        let masked = extent.lengths.is_some();
        // Without backward there is no need for any but the last.
        let kept_as = |at: usize| if training { at } else { 0 };
        for (at, window) in windows.iter().enumerate() {
            let last = at + 1 == windows.count();
            let kept = training && last;
            let sizes = (batch, window, windows.steps);
            let dims = dims::<T>(self.isa, options, plan, sizes, kept);
            if windows.count() > 1 {
                self.workspace.reserve(workspace::lens(dims, options, kept, call.dropped()));
            }
            if at == 0 {
                self.put_initial_states(dims, plan.lanes, call.initial);
                put_factors(dims, plan.lanes, &mut self.workspace.by_gate, factors);
                if !last && training {
                    self.checkpoints.take_first(&self.workspace, dims);
                }
            } else {
                self.checkpoints.put(kept_as(at), &mut self.workspace, dims);
            }
            self.run_window(
                (plan, dims),
                options,
                (kept, batch),
                (call.x, extent),
                y.as_deref_mut(),
            );
            if last {
                self.last = Some(Last {
                    batch,
                    dims,
                    windows,
                    plan,
                    training,
                    masked,
                    dropped: call.dropped(),
                });
            } else {
                let extent = extent.of(dims);
                self.checkpoints.take_last(kept_as(at + 1), &self.workspace, dims, extent);
            }
        }
    }

    /// Forward over the steps of a window, from the states before it on.
    fn run_window(
        &mut self,
        (plan, dims): (Plan, Dims),
        options: Options,
        (kept, live): (bool, usize),
        (x, extent): (&[T], Extent<T>),
        y: Option<&mut [T]>,
    ) {
        let weights = self.packings.of(plan.lanes);
        let job = Forward { isa: self.isa, options, weights, plan, kept, live };
        let view = self.workspace.view(dims, extent.of(dims));
        T::forward(job, view, x, y, &mut self.hoist);
    }

    fn put_initial_states(&mut self, dims: Dims, lanes: Lanes, initial: [Option<&[T]>; 2]) {
        let states = [&mut self.workspace.h, &mut self.workspace.c];
        for (states, initial) in states.into_iter().zip(initial) {
            put_states(dims, lanes, (states, Padding::LastRow), initial);
        }
    }

    /// Copies `h` and `c` after the last step of the last forward call, `[batch, units]`.
    ///
    /// # Panics
    ///
    /// If there was none, or a slice has another size.
    pub fn states(&mut self, h: Option<&mut [T]>, c: Option<&mut [T]>) {
        let Some(Last { batch, dims, plan: Plan { lanes, .. }, masked, .. }) = self.last else {
            panic!("no forward call")
        };
        let Engine { workspace, ragged, .. } = self;
        for (which, (states, out)) in [(&workspace.h, h), (&workspace.c, c)].into_iter().enumerate()
        {
            let Some(out) = out else { continue };
            assert_eq!(out.len(), batch * dims.units, "states");
            if masked {
                let mut sorted = std::mem::take(&mut ragged.states[which]);
                get_states(dims, ragged.extent(None), lanes, states, &mut sorted);
                ragged.states[which] = sorted;
                ragged.write_states(which, out, dims.units);
            } else {
                get_states(dims, Extent::ALIKE, lanes, states, out);
            }
        }
    }

    /// Copies the output of the last step of the last forward call, `[batch, units]`: `h`, unless there
    /// is a mask.
    ///
    /// # Panics
    ///
    /// If there was none, or the slice has another size.
    pub fn last_output(&mut self, y: &mut [T]) {
        self.states(Some(&mut *y), None);
        if self.last.is_some_and(|last| last.masked) {
            self.ragged.clear_outputs(y, self.options.units);
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
        let Some(last @ Last { batch, training: true, .. }) = self.last.take() else {
            panic!("no forward call in training")
        };
        let Options { inputs, units, .. } = self.options;
        call.check(self.options);
        let same = (batch, last.masked, last.dropped);
        assert_eq!(same, (call.batch, call.mask.is_some(), call.dropped()), "another forward call");
        incoming.check(units, batch, call.steps);
        grads.check(call.weights);
        if let Some(dx) = &dx {
            assert_eq!(dx.len(), batch * call.steps * inputs, "dx");
        }
        for gradient in initial.iter().flatten() {
            assert_eq!(gradient.len(), batch * units, "gradient of an initial state");
        }
        let wants_initial = initial[0].is_some();
        if last.masked {
            self.backward_masked(last, call, incoming, (grads, dx, wants_initial));
        } else {
            assert_eq!(last.windows.steps, call.steps, "another forward call");
            let extent = Extent { lengths: None, dropout: call.dropout };
            self.run_backward(last, extent, incoming, (call, call.x), (grads, dx, wants_initial));
        }

        let (states, lanes) = (Dims { slots: 1, ..last.dims }, last.plan.lanes);
        let Engine { workspace, ragged, .. } = self;
        let found = [&workspace.dh, &workspace.dc].into_iter().zip(initial).enumerate();
        for (which, (gradient, out)) in found {
            let Some(out) = out else { continue };
            if last.masked {
                get_states(states, Extent::ALIKE, lanes, gradient, &mut ragged.states[which]);
                ragged.write_states(which, out, units);
            } else {
                get_states(states, Extent::ALIKE, lanes, gradient, out);
            }
            // A zero is one with the sign plus: which one a sum that underflows comes to depends on how many
            // zeros of padding follow.
            out.iter_mut().for_each(|gradient| *gradient += T::ZERO);
        }
    }

    fn backward_masked(
        &mut self,
        last: Last,
        call: &Call<T>,
        incoming: Incoming<T>,
        (grads, dx, wants_initial): (Gradients<T>, Option<&mut [T]>, bool),
    ) {
        let Options { inputs, units, .. } = self.options;
        let mut ragged = std::mem::take(&mut self.ragged);
        ragged.read_states(incoming.states, units);
        ragged.read_gradient(incoming.dy, units);
        let incoming = Incoming {
            dy: match incoming.dy {
                Gradient::Sequence(_) => Gradient::Sequence(&ragged.dy),
                _ => Gradient::None,
            },
            states: [Some(&ragged.states[0]), Some(&ragged.states[1])],
        };
        let mut sorted = std::mem::take(&mut ragged.dx);
        for steps in [call.steps, last.windows.steps] {
            sorted.resize(if dx.is_some() { last.batch * steps * inputs } else { 0 });
        }
        let room = dx.is_some().then_some(&mut sorted[..]);
        let extent = ragged.extent(call.dropout);
        let given = (call, &ragged.x[..]);
        self.run_backward(last, extent, incoming, given, (grads, room, wants_initial));
        ragged.dx = sorted;
        if let Some(dx) = dx {
            ragged.write_input_gradient(dx, inputs);
        }
        self.ragged = ragged;
    }

    fn run_backward(
        &mut self,
        last: Last,
        extent: Extent<T>,
        incoming: Incoming<T>,
        (call, x): (&Call<T>, &[T]),
        (mut grads, mut dx, initial): (Gradients<T>, Option<&mut [T]>, bool),
    ) {
        let Last { batch, dims: of_last, windows, plan, masked, dropped, .. } = last;
        let options =
            Options { go_backwards: self.options.go_backwards && !masked, ..self.options };
        let (lanes, wanted) = (plan.lanes, dx.is_some());
        let extent = extent.over(lanes);
        T::pack_backward(&mut self.packings, self.isa, options, plan, call, wanted);

        // For rows without a mask, too.
        let lens = self.products_of(plan, (batch, call.steps), dropped);
        self.products.reserve(lens, wanted);
        let (dh, dc) = (&mut self.workspace.dh, &mut self.workspace.dc);
        let states = Dims { slots: 1, ..of_last };
        for (gradient, given) in [(dh, incoming.states[0]), (dc, incoming.states[1])] {
            put_states(states, lanes, (gradient, Padding::Zeros), given);
        }
        let rows = rows_of_chunk(plan, (batch, call.steps));
        let few = batch <= plan.group && rows::are_few::<T>(rows, of_last.width);
        for (at, window) in windows.iter().enumerate().rev() {
            let initial = initial || at > 0;
            let sizes = (batch, window, windows.steps);
            let dims = dims::<T>(self.isa, options, plan, sizes, true);
            if at + 1 < windows.count() {
                self.workspace.reserve(workspace::lens(dims, options, true, dropped));
                self.checkpoints.put(at, &mut self.workspace, dims);
                self.run_window((plan, dims), options, (true, batch), (x, extent), None);
            }
            let weights = self.packings.of(lanes);
            let job = Backward { isa: self.isa, options, weights, plan, initial };
            let view = self.workspace.view(dims, extent.of(dims));
            T::backward(job, view, incoming.dy);

            for steps in windows::chunks(batch, dims.steps) {
                T::products(Products {
                    isa: self.isa,
                    threads: plan.threads,
                    packed: self.packings.of(lanes),
                    weights: call.weights,
                    view: self.workspace.view(dims, extent.of(dims)),
                    steps,
                    few,
                    grads: grads.reborrow(),
                    dx: dx.as_deref_mut().map(|dx| (dx, options.go_backwards)),
                    scratch: &mut self.products,
                });
            }
        }
    }
}

/// Steps of rows in a chunk of a group, at most.
fn rows_of_chunk(plan: Plan, (batch, steps): (usize, usize)) -> usize {
    plan.group.min(batch) * windows::chunk(batch).min(steps)
}

/// How a call is computed: with all units of a row together where an activation mixes them.
fn plan_for<T: Float>(
    isa: Isa,
    options: Options,
    sizes: Sizes,
    threads: impl FnOnce() -> usize,
) -> Plan {
    let plan = Plan::of::<T>(isa, Caches::near_this_core(), sizes, threads);
    match options.mix_units() {
        true => plan.over_batch(sizes.batch, isa.lanes::<T>()),
        false => plan,
    }
}

/// Sizes in memory of a window, `kept` for backward or not, of a sequence of `total` steps.
fn dims<T: kernels::Float>(
    isa: Isa,
    options: Options,
    plan: Plan,
    (batch, window, total): (usize, Range<usize>, usize),
    kept: bool,
) -> Dims {
    let Options { inputs, units, .. } = options;
    let lanes = isa.lanes::<T>();
    let (start, steps) = (window.start, window.len());
    let (batch, width, steps_at_a_time) = match plan.lanes {
        Lanes::Units => (batch, units.next_multiple_of(lanes), 0),
        Lanes::Batch => {
            (batch.next_multiple_of(plan.group), units, panels::steps_at_a_time(units, lanes))
        }
    };
    let gates = match plan.input {
        _ if kept => steps,
        InputProduct::Hoisted(ahead) => ahead.min(steps),
        InputProduct::Fused => 0,
    };
    let slots = if kept { steps + 1 } else { steps_at_a_time.min(steps + 1).max(2) };
    Dims {
        batch,
        group: plan.group,
        skipped: 0,
        cut: false,
        steps,
        start,
        total,
        inputs,
        units,
        width,
        slots,
        first: 0,
        gates,
        steps_at_a_time,
    }
}

/// Copies the states after the last step to `[batch, units]`.
fn get_states<T: kernels::Float>(
    dims: Dims,
    extent: Extent<T>,
    lanes: Lanes,
    states: &[T],
    out: &mut [T],
) {
    for group in dims.groups() {
        let (slot, _) = dims.around(extent.steps(dims, group));
        let states = &states[group.slot(dims.slots, slot, dims.width)];
        match lanes {
            Lanes::Units => {
                sequence::write_rows(states, dims.width, (out, 1, dims.units), group, 0)
            }
            Lanes::Batch => panels::write_panel(states, group, (out, dims.units), 0..dims.units),
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
                panels::read_panel((given, dims.units), group, (states, padding));
            }
        }
    }
}

/// Copies the factors of dropout to where lanes over the batch find them. Lanes over units read them in the
/// call.
fn put_factors<T: kernels::Float>(
    dims: Dims,
    lanes: Lanes,
    [m, d]: &mut [Buffer<T>; 2],
    factors: Option<Factors<T>>,
) {
    let (Lanes::Batch, Some(Factors { recurrent, input })) = (lanes, factors) else { return };
    panels::read_factors(dims, recurrent, m);
    if let Some(input) = input {
        panels::read_factors(dims, input, d);
    }
}
