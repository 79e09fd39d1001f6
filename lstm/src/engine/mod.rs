//! The recurrent engine: forward and backpropagation through time of one LSTM layer.
//!
//! [`Engine`] holds a layer's packed weights and workspaces, not the weights themselves; those come
//! with each call, in Keras's layout. Arrays are batch first, `[batch, steps, features]`.
//!
//! A vector's lanes run over neighbouring units of a row of the batch (`rows`), or, where the
//! layer has fewer units than a vector has lanes, over neighbouring rows (`panels`). Both compute
//! `z = b + x W + h₋ U` in one register tile per step and hand it to the same cell (`cell`), and
//! both run the steps of backward in the mirror image, with the sums over all steps and rows last.
//!
//! After the first call of a shape nothing is allocated, while it stays on one thread.

mod call;
mod cell;
mod panels;
mod parts;
mod rows;
mod sequence;
mod workspace;

use kernels::Isa;
use kernels::simd::{Kernel, Simd};

use crate::activation::Activation;
use crate::float::Float;
pub use call::{Call, Gradients, Incoming, Options, Weights};
use panels::Padding;
use parts::Packed;
pub(crate) use parts::{Backward, Forward, Products};
pub use sequence::Gradient;
pub(crate) use workspace::View;
use workspace::{Dims, Workspace};

/// What runs over the lanes of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lanes {
    Units,
    Batch,
}

/// Multiply-adds of a whole call below which a second thread costs more than it brings.
const PARALLEL_ABOVE: usize = 1 << 21;

/// One layer's engine.
#[derive(Clone, Debug)]
pub struct Engine<T> {
    isa: Isa,
    options: Options,
    registers: usize,
    /// The version of the weights packed for forward and for backward.
    rows: (rows::Packed<T>, [Option<u64>; 2]),
    panels: (panels::Packed<T>, [Option<u64>; 2]),
    workspace: Workspace<T>,
    products: rows::Products<T>,
    /// The batch, dimensions and orientation of the last forward call.
    call: Option<(usize, Dims, Lanes)>,
}

impl<T: Float> Engine<T> {
    /// The engine of a layer on an instruction set, without memory yet.
    ///
    /// # Panics
    ///
    /// If an activation is softmax, or there are no inputs or no units.
    pub fn new(isa: Isa, options: Options) -> Self {
        let Options { inputs, units, activation, recurrent_activation, .. } = options;
        assert!(inputs > 0 && units > 0, "an LSTM of {inputs} inputs and {units} units");
        for activation in [activation, recurrent_activation] {
            assert_ne!(activation, Activation::Softmax, "softmax is not element-wise");
        }
        Engine {
            isa,
            options,
            registers: isa.run(Registers),
            rows: Default::default(),
            panels: Default::default(),
            workspace: Workspace::default(),
            products: rows::Products::default(),
            call: None,
        }
    }

    /// Sizes in memory, and the orientation: the one that leaves fewer lanes empty, units if there
    /// is little between them, since their products are proper matrix products.
    fn dims(&self, batch: usize, steps: usize, training: bool) -> (Dims, Lanes) {
        let Options { inputs, units, .. } = self.options;
        let lanes = self.isa.lanes::<T>();
        let (padded_units, padded_batch) =
            (units.next_multiple_of(lanes), batch.next_multiple_of(lanes));
        // batch / padded_batch > 5/4 units / padded_units
        let by_batch = 4 * batch * padded_units > 5 * units * padded_batch;
        let slots = if training { steps + 1 } else { 2 };
        let dims =
            Dims { batch, group: rows::GROUP, steps, inputs, units, width: padded_units, slots };
        match by_batch {
            true => {
                (Dims { batch: padded_batch, group: lanes, width: units, ..dims }, Lanes::Batch)
            }
            false => (dims, Lanes::Units),
        }
    }

    /// Runs the layer over `call.x`. Writes the output of every step, `[batch, steps, units]`, to
    /// `y` if it is given.
    ///
    /// # Panics
    ///
    /// If an array does not have the size stated for it.
    pub fn forward(&mut self, call: &Call<T>, y: Option<&mut [T]>) {
        let Options { inputs, units, .. } = self.options;
        let Call { batch, steps, .. } = *call;
        call.check(self.options);
        if let Some(y) = &y {
            assert_eq!(y.len(), batch * steps * units, "y");
        }
        let (dims, lanes) = self.dims(batch, steps, call.training);
        self.call = Some((batch, dims, lanes));
        self.pack(lanes, call);
        self.workspace.reserve(dims, call.training);

        let (h, c) = (&mut self.workspace.h, &mut self.workspace.c);
        for (states, initial) in [(h, call.initial[0]), (c, call.initial[1])] {
            put_states(dims, lanes, (states, Padding::LastRow), initial);
        }
        let view = self.workspace.view(dims);
        let job = Forward {
            isa: self.isa,
            options: self.options,
            weights: match lanes {
                Lanes::Units => Packed::Rows(&self.rows.0),
                Lanes::Batch => Packed::Panels(&self.panels.0),
            },
            kept: call.training,
            live: batch,
        };
        let work = batch * steps * 4 * units * (inputs + units);
        T::forward(job, view, call.x, y, threads(work, dims));
    }

    /// Copies `h` and `c` after the last step of the last forward call, `[batch, units]`.
    ///
    /// # Panics
    ///
    /// If there was none, or a slice has another size.
    pub fn states(&self, h: Option<&mut [T]>, c: Option<&mut [T]>) {
        let Some((batch, dims, lanes)) = self.call else { panic!("no forward call") };
        let slot = dims.steps % dims.slots;
        for (states, out) in [(&self.workspace.h, h), (&self.workspace.c, c)] {
            let Some(out) = out else { continue };
            assert_eq!(out.len(), batch * dims.units, "states");
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
        let Some((batch, dims, lanes)) = self.call.take() else { panic!("no forward call") };
        assert_eq!((batch, dims.slots), (call.batch, call.steps + 1), "another forward call");
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
        self.pack_backward(lanes, call);

        let (dh, dc) = (&mut self.workspace.dh, &mut self.workspace.dc);
        let states = Dims { slots: 1, ..dims };
        for (gradient, given) in [(dh, incoming.states[0]), (dc, incoming.states[1])] {
            put_states(states, lanes, (gradient, Padding::Zeros), given);
        }
        let job = Backward {
            isa: self.isa,
            options: self.options,
            weights: match lanes {
                Lanes::Units => Packed::Rows(&self.rows.0),
                Lanes::Batch => Packed::Panels(&self.panels.0),
            },
            initial: initial[0].is_some(),
        };
        let work = 2 * batch * dims.steps * 4 * units * units;
        T::backward(job, self.workspace.view(dims), incoming.dy, threads(work, dims));

        for (gradient, out) in [&self.workspace.dh, &self.workspace.dc].into_iter().zip(initial) {
            let Some(out) = out else { continue };
            for group in dims.groups() {
                let gradient = &gradient[group.slot(1, 0, dims.width)];
                match lanes {
                    Lanes::Units => {
                        sequence::write_rows(gradient, dims.width, (out, 1, units), group, 0)
                    }
                    Lanes::Batch => panels::write_panel(gradient, group, (out, 1, units), 0),
                }
            }
        }

        T::products(Products {
            isa: self.isa,
            weights: match lanes {
                Lanes::Units => Packed::Rows(&self.rows.0),
                Lanes::Batch => Packed::Panels(&self.panels.0),
            },
            view: self.workspace.view(dims),
            grads,
            dx: dx.map(|dx| (dx, go_backwards)),
            scratch: &mut self.products,
        });
    }

    /// Packs the weights for forward unless this version is packed already.
    fn pack(&mut self, lanes: Lanes, call: &Call<T>) {
        let units = self.options.units;
        let (isa, registers) = (self.isa, self.registers);
        match lanes {
            Lanes::Units if self.rows.1[0] != Some(call.version) => {
                self.rows.0.pack_forward(isa, units, call.weights);
                self.rows.1[0] = Some(call.version);
            }
            Lanes::Batch if self.panels.1[0] != Some(call.version) => {
                self.panels.0.pack_forward(registers, units, call.weights);
                self.panels.1[0] = Some(call.version);
            }
            _ => {}
        }
    }

    /// Packs the weights for backward unless this version is packed already.
    fn pack_backward(&mut self, lanes: Lanes, call: &Call<T>) {
        let (isa, units) = (self.isa, self.options.units);
        match lanes {
            Lanes::Units if self.rows.1[1] != Some(call.version) => {
                self.rows.0.pack_backward(isa, units, call.weights);
                self.rows.1[1] = Some(call.version);
            }
            Lanes::Batch if self.panels.1[1] != Some(call.version) => {
                self.panels.0.pack_backward(units, call.weights);
                self.panels.1[1] = Some(call.version);
            }
            _ => {}
        }
    }
}

/// How many registers an instruction set has.
struct Registers;

impl Kernel for Registers {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        S::REGISTERS
    }
}

/// Threads that `work` multiply-adds are worth, of those that the current pool has.
fn threads(work: usize, dims: Dims) -> usize {
    if work < PARALLEL_ABOVE {
        return 1; // without a look at the pool, which would be started by it
    }
    rayon::current_num_threads().min(dims.groups().count())
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
