//! One step at a time.

use std::sync::{Arc, Weak};

use kernels::{Buffer, Isa};

use super::call::{Call, Options, Weights};
use super::cell::Activations;
use super::packings::Packings;
use super::panels::Padding;
use super::parts::Forward;
use super::plan::{Lanes, Plan, Sizes};
use super::rows::{Hoist, OnePiece, OneStep};
use super::workspace::{self, Dims, Extent, Workspace};
use super::{dims, get_states, plan_for, put_states};
use crate::float::Float;

/// One layer that takes a step at a time and carries its state along, for audio and control.
///
/// Outputs equal those of [`Engine::forward`](super::Engine::forward) over the whole sequence bit for
/// bit. A step allocates nothing, takes no lock, makes no system call and stays on its thread. It has no
/// branch that depends on the data. Some CPUs are slow at subnormal numbers: a
/// state that decays is zero below 2⁻⁹⁵ (`f64`: 2⁻⁹⁹¹), before it is one; inputs are up to you.
///
/// ```
/// use lstm::engine::{Options, Stream, Weights};
/// use lstm::Isa;
///
/// let options = Options::new(1, 2);
/// let weights = [0.1f32; (1 + 2 + 1) * 4 * 2];
/// let mut stream = Stream::new(Isa::best(), options, Weights::cut(&weights, 1, 2), 1);
/// for x in [0.5, -0.25, 1.0] {
///     let h = stream.step(&[x]);
///     assert!(h[0] > 0.0 && h[0] == h[1]);
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Stream<T> {
    isa: Isa,
    options: Options,
    activations: Activations,
    plan: Plan,
    dims: Dims,
    /// Rows of the batch without padding.
    batch: usize,
    weights: Packed<T>,
    workspace: Workspace<T>,
    y: Buffer<T>,
}

/// Packed weights, of which there may be several streams.
#[derive(Clone, Debug)]
enum Packed<T> {
    /// For one row.
    OnePiece(Arc<OnePiece<T>>),
    /// For the steps of a batch.
    Packings(Arc<Packings<T>>),
}

/// The packed weights of a layer that its streams share, in each form, as long as there is one.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    one_piece: Weak<OnePiece<T>>,
    /// Of each orientation.
    packings: [Weak<Packings<T>>; 2],
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Shared { one_piece: Weak::new(), packings: [Weak::new(), Weak::new()] }
    }
}

/// What is known, or else is made and known from now on.
fn known<X>(weak: &mut Weak<X>, make: impl FnOnce() -> X) -> Arc<X> {
    let known = weak.upgrade().unwrap_or_else(|| Arc::new(make()));
    *weak = Arc::downgrade(&known);
    known
}

impl<T: Float> Stream<T> {
    /// A stream of `batch` rows at a time, its state zero. Copies the weights. A small layer of one row runs on
    /// [`Isa::narrowed`], with the same bits.
    ///
    /// # Panics
    ///
    /// If the layer goes backwards, a size is zero or a weight has not the size stated for it.
    pub fn new(isa: Isa, options: Options, weights: Weights<T>, batch: usize) -> Self {
        Stream::sharing(isa, options, weights, batch, &mut Shared::default())
    }

    /// The same with what other streams of these very weights have packed.
    pub(crate) fn sharing(
        isa: Isa,
        options: Options,
        weights: Weights<T>,
        batch: usize,
        shared: &mut Shared<T>,
    ) -> Self {
        let Options { inputs, units, .. } = options;
        assert!(
            !options.go_backwards,
            "a layer that goes backwards starts at the end of a sequence"
        );
        assert!(inputs > 0 && units > 0, "an LSTM of {inputs} inputs and {units} units");
        let x = vec![T::ZERO; batch * inputs];
        let (version, steps, initial, training) = (0, 1, [None, None], false);
        let call = Call {
            weights,
            version,
            x: &x,
            batch,
            steps,
            initial,
            training,
            mask: None,
            dropout: None,
        };
        call.check(options);
        let sizes = Sizes { batch, steps, inputs, units, training };
        let plan = plan_for::<T>(isa, options, sizes, || 1);
        let alone = batch == 1 && plan.lanes == Lanes::Units;
        let isa = if alone { isa.narrowed::<T>(units) } else { isa };
        let dims = dims::<T>(isa, options, plan, (batch, 0..steps, steps), training);
        let weights = if alone {
            Packed::OnePiece(known(&mut shared.one_piece, || OnePiece::new(isa, weights, units)))
        } else {
            let form = &mut shared.packings[usize::from(plan.lanes == Lanes::Batch)];
            Packed::Packings(known(form, || {
                let mut packings = Packings::default();
                T::pack_forward(&mut packings, isa, options, plan, &call);
                packings
            }))
        };
        let mut workspace = Workspace::default();
        workspace.reserve(workspace::lens(dims, options, training, [false; 2]));
        let y = Buffer::zeros(batch * units);
        let activations = Activations::of(&options);
        let mut stream =
            Stream { isa, options, activations, plan, dims, batch, weights, workspace, y };
        stream.reset();
        stream
    }

    /// The output for `x`, `[batch, inputs]`, which comes after all that came before: `[batch, units]`.
    ///
    /// # Panics
    ///
    /// If `x` has another size.
    pub fn step(&mut self, x: &[T]) -> &[T] {
        let mut y = std::mem::take(&mut self.y);
        self.step_to(x, &mut y);
        self.y = y;
        &self.y
    }

    /// Writes the output for `x` to `y`: see [`step`](Self::step).
    ///
    /// # Panics
    ///
    /// If one of them has another size.
    pub fn step_to(&mut self, x: &[T], y: &mut [T]) {
        assert_eq!(x.len(), self.batch * self.dims.inputs, "x");
        assert_eq!(y.len(), self.batch * self.dims.units, "y");
        // Of the two slots that of the states before this step, and that of those after it.
        let (now, next) = (self.dims.first, 1 - self.dims.first);
        match &self.weights {
            Packed::OnePiece(weights) => {
                let Workspace { h, c, .. } = &mut self.workspace;
                let (h_first, h_second) = h.split_at_mut(self.dims.width);
                let (c_first, c_second) = c.split_at_mut(self.dims.width);
                let ((h_prev, h), (c_prev, c)) = match now {
                    0 => ((h_first, h_second), (c_first, c_second)),
                    _ => ((h_second, h_first), (c_second, c_first)),
                };
                let (activations, reversed) = (self.activations, now == 1);
                let step = OneStep { activations, weights, x, h_prev, h, c_prev, c, y, reversed };
                T::step(self.isa, step);
            }
            Packed::Packings(packings) => {
                let job = Forward {
                    isa: self.isa,
                    options: self.options,
                    weights: packings.of(self.plan.lanes),
                    plan: self.plan,
                    kept: false,
                    live: self.batch,
                };
                let view = self.workspace.view(self.dims, Extent::ALIKE);
                // Of one step there is nothing to be computed ahead.
                T::forward(job, view, x, Some(y), &mut Hoist::default());
            }
        }
        self.dims.first = next;
    }

    /// Copies the state, `h` and `c`, `[batch, units]` each.
    ///
    /// # Panics
    ///
    /// If a slice has another size.
    pub fn state(&self, h: &mut [T], c: &mut [T]) {
        // After as many steps as none.
        let dims = Dims { steps: 0, ..self.dims };
        for (states, out) in [(&self.workspace.h, h), (&self.workspace.c, c)] {
            assert_eq!(out.len(), self.y.len(), "states");
            get_states(dims, Extent::ALIKE, self.plan.lanes, states, out);
        }
    }

    /// Sets the state, `h` and `c`, `[batch, units]` each.
    ///
    /// # Panics
    ///
    /// If a slice has another size.
    pub fn set_state(&mut self, h: &[T], c: &[T]) {
        assert_eq!((h.len(), c.len()), (self.y.len(), self.y.len()), "states");
        self.put([Some(h), Some(c)]);
    }

    /// Sets the state to zero.
    pub fn reset(&mut self) {
        self.put([None, None]);
    }

    fn put(&mut self, given: [Option<&[T]>; 2]) {
        self.dims.first = 0;
        let (h, c) = (&mut self.workspace.h, &mut self.workspace.c);
        for (states, given) in [h, c].into_iter().zip(given) {
            put_states(self.dims, self.plan.lanes, (states, Padding::LastRow), given);
        }
    }
}
