//! A call cut into parts of the batch, one for each thread.
//!
//! Each part owns its rows for the whole sequence: one fork and one join for all steps, or for those that `x W`
//! is computed ahead for. Where lanes run over units a cut is between any two rows, where they run over the
//! batch between groups. One row is not cut here; its units are shared out in each step.

use std::ops::Range;

use kernels::{Isa, Team};

use super::call::{Gradients, Options, Weights};
use super::cell::Activations;
use super::plan::{Cut, InputProduct, Plan};
use super::sequence::Gradient;
use super::workspace::{Dims, View};
use super::{panels, rows};

/// Packed weights of either orientation.
#[derive(Clone, Copy)]
pub(super) enum Packed<'a, T> {
    Rows(&'a rows::Packed<T>),
    Panels(&'a panels::Packed<T>),
}

/// Where to cut the rows of `view` between two sets of threads: `(threads, rows)` of the first. Each
/// thread has about as many steps of rows as another, and some.
fn halves<T: kernels::Float>(view: &View<T>, plan: Plan, threads: usize) -> (usize, usize) {
    let (batch, rows) = (view.dims.batch, plan.uncut());
    let (first, all) = (threads / 2, plan.parts(batch));
    let share = match view.extent.lengths {
        None => all * first / threads,
        Some(lengths) => {
            let steps: usize = lengths.iter().sum();
            let mut sum = 0;
            let parts = lengths.chunks(rows).map(|rows| rows.iter().sum::<usize>());
            let within = parts.take_while(|part| {
                sum += part;
                sum * threads <= steps * first
            });
            within.count()
        }
    };
    let share = share.clamp(first, (all + first).saturating_sub(threads).max(first));
    (first, (share.max(1) * rows).min(batch))
}

/// A forward call without its arrays.
#[derive(Clone, Copy)]
pub(crate) struct Forward<'a, T> {
    pub(super) isa: Isa,
    pub(super) options: Options,
    pub(super) weights: Packed<'a, T>,
    pub(super) plan: Plan,
    pub(super) kept: bool,
    /// Rows of the batch without padding.
    pub(super) live: usize,
}

impl<T: kernels::Float> Forward<'_, T> {
    /// All steps, with `x W` in each of them or ahead of some.
    pub(crate) fn run(
        self,
        mut view: View<T>,
        x: &[T],
        mut y: Option<&mut [T]>,
        hoist: &mut rows::Hoist<T>,
    ) {
        let (steps, threads) = (view.dims.steps, self.plan.threads);
        let (InputProduct::Hoisted(ahead), Packed::Rows(weights)) = (self.plan.input, self.weights)
        else {
            return self.part(view, Some(x), y, 0..steps, threads);
        };
        self.part(view.reborrow(), Some(x), None, 0..0, threads);
        for start in (0..steps).step_by(ahead) {
            let steps = start..steps.min(start + ahead);
            hoist.run(self.isa, weights, &mut view, steps.clone(), threads == 1);
            self.part(view.reborrow(), None, y.as_deref_mut(), steps, threads);
        }
    }

    /// Reads the input of some steps, lanes over units.
    pub(crate) fn read(self, mut view: View<T>, x: &[T], steps: Range<usize>) {
        rows::read_input(&mut view, x, self.options.go_backwards, steps);
    }

    /// Some steps whose input has been read, lanes over units, on this thread or, of one row, with a team.
    pub(crate) fn steps(
        self,
        mut view: View<T>,
        mut y: Option<&mut [T]>,
        hoist: &mut rows::Hoist<T>,
        steps: Range<usize>,
        team: &mut Team,
    ) {
        let Forward { isa, kept, plan, .. } = self;
        let Packed::Rows(weights) = self.weights else {
            unreachable!("lanes over the batch take all steps at once")
        };
        let activations = Activations::of(&self.options);
        let mut start = steps.start;
        while start < steps.end {
            let (end, hoisted) = match plan.input {
                InputProduct::Fused => (steps.end, false),
                // What is computed ahead never ends in the middle of the room for it.
                InputProduct::Hoisted(ahead) => (steps.end.min((start / ahead + 1) * ahead), true),
            };
            if hoisted {
                hoist.run(isa, weights, &mut view, start..end, true);
            }
            let (view, y) = (&mut view, y.as_deref_mut());
            let all =
                rows::Forward { activations, weights, view, y, kept, hoisted, steps: start..end };
            match plan.cut {
                Cut::Units if team.threads() > 1 => all.shared(isa, team),
                _ => isa.run(all),
            }
            start = end;
        }
    }

    /// Reads the input, if there is one, and takes some steps: halves the batch until there is one part for each
    /// thread.
    fn part(
        self,
        view: View<T>,
        x: Option<&[T]>,
        y: Option<&mut [T]>,
        steps: Range<usize>,
        threads: usize,
    ) {
        if threads == 1 || self.plan.cut == Cut::Units {
            return self.serial(view, x, y, steps);
        }
        let (first, rows) = halves(&view, self.plan, threads);
        let Dims { total, inputs, units, .. } = view.dims;
        let live = rows.min(self.live);
        let (x, x_rest) = x.map(|x| x.split_at(live * total * inputs)).unzip();
        let (y, y_rest) = y.map(|y| y.split_at_mut(live * total * units)).unzip();
        let (view, view_rest) = view.split(rows);
        let (this, rest) = (Forward { live, ..self }, Forward { live: self.live - live, ..self });
        let steps_rest = steps.clone();
        rayon::join(
            || this.part(view, x, y, steps, first),
            || rest.part(view_rest, x_rest, y_rest, steps_rest, threads - first),
        );
    }

    /// The same on this thread, or one row by a team.
    fn serial(self, mut view: View<T>, x: Option<&[T]>, y: Option<&mut [T]>, steps: Range<usize>) {
        let Forward { isa, options, kept, plan, .. } = self;
        let (activations, reversed) = (Activations::of(&options), options.go_backwards);
        match self.weights {
            Packed::Rows(weights) => {
                let view = &mut view;
                if let Some(x) = x {
                    let all = 0..view.dims.steps;
                    rows::read_input(view, x, reversed, all);
                }
                let hoisted = plan.input != InputProduct::Fused;
                if steps.is_empty() {
                    return;
                }
                let all = rows::Forward { activations, weights, view, y, kept, hoisted, steps };
                match plan.cut {
                    Cut::Units => Team::gather(plan.threads, |team| all.shared(isa, team)),
                    Cut::Batch => isa.run(all),
                }
            }
            Packed::Panels(weights) => {
                let mut view = view.whole();
                if let Some(x) = x {
                    isa.run(panels::ReadInput { view: &mut view, x, reversed });
                }
                isa.run(panels::Forward { activations, weights, view, y, kept });
            }
        }
    }
}

/// A backward call, as far as its steps, without its arrays.
#[derive(Clone, Copy)]
pub(crate) struct Backward<'a, T> {
    pub(super) isa: Isa,
    pub(super) options: Options,
    pub(super) weights: Packed<'a, T>,
    pub(super) plan: Plan,
    pub(super) initial: bool,
}

impl<T: kernels::Float> Backward<'_, T> {
    /// All steps.
    pub(crate) fn run(self, view: View<T>, dy: Gradient<T>) {
        self.part(view, dy, self.plan.threads);
    }

    /// Halves the batch until there is one part for each thread.
    fn part(self, view: View<T>, dy: Gradient<T>, threads: usize) {
        if threads > 1 && self.plan.cut == Cut::Batch {
            let (first, rows) = halves(&view, self.plan, threads);
            let (dy, dy_rest) = dy.split(rows, view.dims.units, view.dims.total);
            let (view, view_rest) = view.split(rows);
            rayon::join(
                || self.part(view, dy, first),
                || self.part(view_rest, dy_rest, threads - first),
            );
            return;
        }
        let activations = Activations::of(&self.options);
        self.with(activations, view, dy);
    }

    fn with(self, activations: Activations, view: View<T>, dy: Gradient<T>) {
        let Backward { isa, plan, initial, .. } = self;
        match self.weights {
            Packed::Rows(weights) => {
                let all = rows::Backward { activations, weights, view, dy, initial };
                match plan.cut {
                    Cut::Units => Team::gather(plan.threads, |team| all.shared(isa, team)),
                    Cut::Batch => isa.run(all),
                }
            }
            Packed::Panels(weights) => {
                let view = view.whole();
                isa.run(panels::Backward { activations, weights, view, dy, initial });
            }
        }
    }
}

/// The products over many steps that end a backward call.
pub(crate) struct Products<'a, T> {
    pub(super) isa: Isa,
    pub(super) threads: usize,
    pub(super) packed: Packed<'a, T>,
    pub(super) weights: Weights<'a, T>,
    pub(super) view: View<'a, T>,
    /// Which steps of the window.
    pub(super) steps: Range<usize>,
    /// Whether they are few, of one group: by the sizes of the call, whatever its mask leaves of them.
    pub(super) few: bool,
    pub(super) grads: Gradients<'a, T>,
    /// `[batch, total, inputs]`, and whether time runs backwards in it.
    pub(super) dx: Option<(&'a mut [T], bool)>,
    pub(super) scratch: &'a mut rows::Products<T>,
}

impl<T: kernels::Float> Products<'_, T> {
    pub(crate) fn run(self) {
        let Products { isa, threads, packed, weights, view, steps, few, grads, dx, scratch } = self;
        match packed {
            Packed::Rows(packed) => {
                scratch.run((isa, threads), (packed, weights), (&view, steps, few), grads, dx);
            }
            Packed::Panels(weights) => {
                let view = &mut view.whole();
                isa.run(panels::Products { weights, view, steps, grads, dx });
            }
        }
    }
}
