//! A call cut into parts of the batch, one for each thread.
//!
//! Each part owns its rows for the whole sequence: one fork and one join for all steps. One row is not
//! cut here; its units are shared out in each step.

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
/// thread has about as many steps of rows as another, and a group at least.
fn halves<T>(view: &View<T>, threads: usize) -> (usize, usize) {
    let Dims { batch, group, .. } = view.dims;
    let (first, groups) = (threads / 2, batch.div_ceil(group));
    let share = match view.extent.lengths {
        None => groups * first / threads,
        Some(lengths) => {
            let all: usize = lengths.iter().sum();
            let mut sum = 0;
            let parts = lengths.chunks(group).map(|rows| rows.iter().sum::<usize>());
            let within = parts.take_while(|steps| {
                sum += steps;
                sum * threads <= all * first
            });
            within.count()
        }
    };
    let share = share.clamp(first, (groups + first).saturating_sub(threads).max(first));
    (first, (share.max(1) * group).min(batch))
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
    /// Halves the batch until there is one part for each thread.
    pub(crate) fn run(
        self,
        mut view: View<T>,
        x: &[T],
        y: Option<&mut [T]>,
        hoists: &mut [rows::Hoist<T>],
        threads: usize,
    ) {
        if threads > 1 && self.plan.cut == Cut::Batch {
            let (first, rows) = halves(&view, threads);
            let Dims { total, inputs, units, .. } = view.dims;
            let live = rows.min(self.live);
            let (x, x_rest) = x.split_at(live * total * inputs);
            let (y, y_rest) = match y.map(|y| y.split_at_mut(live * total * units)) {
                Some((y, rest)) => (Some(y), Some(rest)),
                None => (None, None),
            };
            let (view, view_rest) = view.split(rows);
            let (hoists, hoists_rest) = hoists.split_at_mut(first);
            let (this, rest) =
                (Forward { live, ..self }, Forward { live: self.live - live, ..self });
            rayon::join(
                || this.run(view, x, y, hoists, first),
                || rest.run(view_rest, x_rest, y_rest, hoists_rest, threads - first),
            );
            return;
        }

        let Options { activation, recurrent_activation, go_backwards, .. } = self.options;
        match self.weights {
            Packed::Rows(_) => rows::read_input(&mut view, x, go_backwards),
            Packed::Panels(_) => {
                let view = &mut view;
                self.isa.run(panels::ReadInput { view, x, reversed: go_backwards });
            }
        }
        let activations = Activations::new(activation, recurrent_activation);
        self.with(activations, view, y, hoists);
    }

    fn with(
        self,
        activations: Activations,
        mut view: View<T>,
        mut y: Option<&mut [T]>,
        hoists: &mut [rows::Hoist<T>],
    ) {
        let Forward { isa, kept, plan, .. } = self;
        match (self.weights, plan.input) {
            (Packed::Rows(weights), input) => {
                let (ahead, hoisted) = match input {
                    InputProduct::Fused => (view.dims.steps, false),
                    InputProduct::Hoisted(ahead) => (ahead, true),
                };
                let serial = plan.cut == Cut::Batch;
                for start in (0..view.dims.steps).step_by(ahead) {
                    let steps = start..view.dims.steps.min(start + ahead);
                    if hoisted {
                        hoists[0].run(isa, weights, &mut view, steps.clone(), serial);
                    }
                    let (view, y) = (&mut view, y.as_deref_mut());
                    if plan.cut == Cut::Units {
                        Team::gather(plan.threads, |team| {
                            let row = rows::OneRow { isa, activations, weights, view, team };
                            row.forward(y, (kept, hoisted), steps);
                        });
                    } else {
                        isa.run(rows::Forward {
                            activations,
                            weights,
                            view,
                            y,
                            kept,
                            hoisted,
                            steps,
                        });
                    }
                }
            }
            (Packed::Panels(weights), _) => {
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
    /// Halves the batch until there is one part for each thread.
    pub(crate) fn run(self, view: View<T>, dy: Gradient<T>, threads: usize) {
        if threads > 1 && self.plan.cut == Cut::Batch {
            let (first, rows) = halves(&view, threads);
            let (dy, dy_rest) = dy.split(rows, view.dims.units, view.dims.total);
            let (view, view_rest) = view.split(rows);
            rayon::join(
                || self.run(view, dy, first),
                || self.run(view_rest, dy_rest, threads - first),
            );
            return;
        }
        let Options { activation, recurrent_activation, .. } = self.options;
        let activations = Activations::new(activation, recurrent_activation);
        self.with(activations, view, dy);
    }

    fn with(self, activations: Activations, mut view: View<T>, dy: Gradient<T>) {
        let Backward { isa, plan, initial, .. } = self;
        match self.weights {
            Packed::Rows(weights) if plan.cut == Cut::Units => {
                let view = &mut view;
                Team::gather(plan.threads, |team| {
                    rows::OneRow { isa, activations, weights, view, team }.backward(dy, initial);
                });
            }
            Packed::Rows(weights) => {
                isa.run(rows::Backward { activations, weights, view, dy, initial });
            }
            Packed::Panels(weights) => {
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
    pub(super) grads: Gradients<'a, T>,
    /// `[batch, total, inputs]`, and whether time runs backwards in it.
    pub(super) dx: Option<(&'a mut [T], bool)>,
    pub(super) scratch: &'a mut rows::Products<T>,
}

impl<T: kernels::Float> Products<'_, T> {
    pub(crate) fn run(self) {
        let Products { isa, threads, packed, weights, mut view, steps, grads, dx, scratch } = self;
        match packed {
            Packed::Rows(packed) => {
                scratch.run((isa, threads), (packed, weights), (&view, steps), grads, dx);
            }
            Packed::Panels(weights) => {
                isa.run(panels::Products { weights, view: &mut view, steps, grads, dx });
            }
        }
    }
}
