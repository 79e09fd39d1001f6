//! One step at a time.

use std::sync::{Arc, Weak};

use kernels::{Buffer, Isa};

use super::call::{Call, Options, Weights};
use super::packings::Packings;
use super::panels::Padding;
use super::parts::Forward;
use super::plan::{Lanes, Plan, Sizes};
use super::workspace::{self, Dims, Extent, Workspace};
use super::{dims, get_states, plan_for, put_states};
use crate::float::Float;

/// One layer that takes a step at a time and carries its state along, for audio and control.
///
/// Outputs equal those of [`Engine::forward`](super::Engine::forward) over the whole sequence bit for
/// bit. A step allocates nothing, takes no lock, makes no system call and stays on its thread. It has no
/// branch that depends on the data; on CPUs where arithmetic with subnormal numbers is slow, a state that
/// decays towards zero is.
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
    plan: Plan,
    dims: Dims,
    /// Rows of the batch without padding.
    batch: usize,
    packings: Arc<Packings<T>>,
    workspace: Workspace<T>,
    y: Buffer<T>,
}

/// The packed weights of a layer that its streams share, of each orientation, as long as there is one.
#[derive(Debug)]
pub(crate) struct Shared<T>([Weak<Packings<T>>; 2]);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Shared([Weak::new(), Weak::new()])
    }
}

impl<T> Shared<T> {
    fn of(&mut self, lanes: Lanes) -> &mut Weak<Packings<T>> {
        &mut self.0[usize::from(lanes == Lanes::Batch)]
    }
}

impl<T: Float> Stream<T> {
    /// A stream of `batch` rows at a time, its state zero. Copies the weights.
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
        let dims = dims::<T>(isa, options, plan, (batch, 0..steps, steps), training);
        let known = shared.of(plan.lanes);
        let packings = known.upgrade().unwrap_or_else(|| {
            let mut packings = Packings::default();
            T::pack_forward(&mut packings, isa, options, plan, &call);
            Arc::new(packings)
        });
        *known = Arc::downgrade(&packings);
        let mut workspace = Workspace::default();
        workspace.reserve(workspace::lens(dims, options, training, [false; 2]));
        let y = Buffer::zeros(batch * units);
        let mut stream = Stream { isa, options, plan, dims, batch, packings, workspace, y };
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
        let job = Forward {
            isa: self.isa,
            options: self.options,
            weights: self.packings.of(self.plan.lanes),
            plan: self.plan,
            kept: false,
            live: self.batch,
        };
        T::forward(job, self.workspace.view(self.dims, Extent::ALIKE), x, Some(y), &mut [], 1);
        // The states after this step are those before the next one.
        self.dims.first = self.dims.around(1).0;
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
