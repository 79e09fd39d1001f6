//! A batch of one row: threads share the units of each step.
//!
//! A step of one row reads every weight once and does little with it. With the units shared out,
//! each core reads the weights of its own, from its own cache if they fit. All have to have finished
//! a step before the next one starts: a fork and a join for each, in a [`Team`] that stays awake.
//!
//! A step starts with the units that the one before has ended with: weights that a cache cannot hold all of
//! would otherwise have left it by the time they are needed again, every one.

use kernels::simd::{Float, Kernel, Simd, V, Vector};
use kernels::{Isa, Team};

use super::pack::Packed;
use super::{Cells, NV, Step, abreast};
use crate::engine::cell::Activations;
use crate::engine::gates::{line, place};

// The steps of a call are those that one thread takes. The team works on them and nothing else: none waits for the
// pool.

impl<T: Float> super::Forward<'_, '_, T> {
    /// Forward over some steps of the only row, each shared by a team.
    pub(in crate::engine) fn shared(mut self, isa: Isa, team: &mut Team) {
        for t in self.steps.clone() {
            for group in self.view.dims.groups() {
                if self.view.live(group, t) == 1 {
                    self.row(t, isa.lanes::<T>(), group).fork(isa, team);
                }
            }
            self.finish(t);
        }
    }
}

impl<T: Float> super::Backward<'_, T> {
    /// Backward over all steps of the only row, each shared by a team.
    pub(in crate::engine) fn shared(mut self, isa: Isa, team: &mut Team) {
        let lanes = isa.lanes::<T>();
        for group in self.view.dims.groups() {
            let steps = self.view.steps(group);
            for t in (0..steps).rev() {
                self.row(t, lanes, group).fork(isa, team);
            }
            if self.initial && steps > 0 {
                self.before_row(lanes, group).fork(isa, team);
            }
        }
    }
}

/// Of so many vectors or blocks, of which so many are a line or more of units, those of the first half of a
/// team: whole lines, some but not all.
fn share(all: usize, line: usize, threads: usize) -> usize {
    (all * (threads / 2) / threads / line * line).max(line)
}

/// A forward step of neighbouring vectors of units.
pub(super) struct Forward<'a, T> {
    pub(super) step: Step<'a, T>,
    pub(super) lanes: usize,
    pub(super) first: usize,
    pub(super) vectors: usize,
    /// Whether the last of them come first.
    pub(super) reversed: bool,
}

impl<T: Float> Forward<'_, T> {
    fn fork(self, isa: Isa, team: &mut Team) {
        let threads = team.threads();
        let line = (line::<T>() / self.lanes).max(1);
        if threads == 1 || self.vectors <= line {
            return isa.run(self);
        }
        let half = share(self.vectors, line, threads);
        let (left, right) = self.split(half);
        team.join(|team| left.fork(isa, team), |team| right.fork(isa, team));
    }

    /// So many of the vectors, and the others.
    fn split(self, half: usize) -> (Self, Self) {
        let Forward { step, lanes, first, vectors, reversed } = self;
        let at = half * lanes;
        let (c_prev, c_prev_rest) = step.c_prev.split_at(at);
        let (h, h_rest) = step.h.split_at_mut(at);
        let (c, c_rest) = step.c.split_at_mut(at);
        let (gates, gates_rest) = step.gates.split_at_mut(step.gates.len().min(4 * at));
        let (a, a_rest) = step.a.map(|a| a.split_at_mut(at)).unzip();
        (
            Forward {
                step: Step { c_prev, h, c, gates, a, ..step },
                lanes,
                first,
                vectors: half,
                reversed,
            },
            Forward {
                step: Step {
                    c_prev: c_prev_rest,
                    h: h_rest,
                    c: c_rest,
                    gates: gates_rest,
                    a: a_rest,
                    ..step
                },
                lanes,
                first: first + half,
                vectors: vectors - half,
                reversed,
            },
        )
    }
}

impl<T: Float> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.step.row(simd, self.first, self.vectors, self.reversed);
    }
}

/// A backward step of neighbouring blocks of units.
pub(super) struct Backward<'a, T> {
    pub(super) activations: Activations,
    pub(super) weights: &'a Packed<T>,
    pub(super) units: usize,
    pub(super) width: usize,
    /// Of all units, if there is one.
    pub(super) dy: Option<&'a [T]>,
    /// `dz` of all units in the step after, if there is one.
    pub(super) after: Option<&'a [T]>,
    // Of these blocks alone.
    /// The step, unless only the gradient of the state before it is wanted.
    pub(super) now: Option<Now<'a, T>>,
    pub(super) dh: &'a mut [T],
    pub(super) lanes: usize,
    pub(super) first: usize,
    pub(super) blocks: usize,
    /// Whether the last of them come first.
    pub(super) reversed: bool,
}

/// What the cells of a backward step read and write.
pub(super) struct Now<'a, T> {
    pub(super) gates: &'a mut [T],
    pub(super) c_prev: &'a [T],
    pub(super) a: &'a [T],
    pub(super) dc: &'a mut [T],
}

impl<T: Float> Backward<'_, T> {
    fn fork(self, isa: Isa, team: &mut Team) {
        let threads = team.threads();
        let line = (line::<T>() / (NV * self.lanes)).max(1);
        if threads == 1 || self.blocks <= line {
            return isa.run(self);
        }
        let half = share(self.blocks, line, threads);
        let (left, right) = self.split(half);
        team.join(|team| left.fork(isa, team), |team| right.fork(isa, team));
    }

    /// So many of the blocks, and the others.
    fn split(self, half: usize) -> (Self, Self) {
        let at = half * NV * self.lanes;
        let (now, now_rest) = self.now.map(|now| now.split(at)).unzip();
        let (dh, dh_rest) = self.dh.split_at_mut(at);
        let (first, blocks) = (self.first, self.blocks);
        (
            Backward { now, dh, blocks: half, ..self },
            Backward {
                now: now_rest,
                dh: dh_rest,
                first: first + half,
                blocks: blocks - half,
                ..self
            },
        )
    }
}

impl<T> Now<'_, T> {
    fn split(self, at: usize) -> (Self, Self) {
        let (gates, gates_rest) = self.gates.split_at_mut(4 * at);
        let (c_prev, c_prev_rest) = self.c_prev.split_at(at);
        let (a, a_rest) = self.a.split_at(at);
        let (dc, dc_rest) = self.dc.split_at_mut(at);
        (
            Now { gates, c_prev, a, dc },
            Now { gates: gates_rest, c_prev: c_prev_rest, a: a_rest, dc: dc_rest },
        )
    }
}

impl<T: Float> Kernel for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Backward {
            activations,
            weights,
            units,
            width,
            dy,
            after,
            mut now,
            dh,
            first,
            blocks,
            reversed,
            ..
        } = self;
        let lanes = V::<S, T>::LANES;
        if let Some(dz) = after {
            abreast::product(simd, (weights, units), (first, blocks), dz, dh, reversed);
        }
        for n in 0..blocks {
            let from = n * NV * lanes;
            let Some(now) = &mut now else { continue };
            let end = units - first * NV * lanes;
            for at in (from..end.min(from + NV * lanes)).step_by(lanes) {
                let cells = Cells {
                    activations,
                    rows: 1,
                    at: first * NV * lanes + at,
                    units,
                    width,
                    gates: &mut now.gates[place::<T>(at)..],
                    c_prev: &now.c_prev[at..],
                    a: &now.a[at..],
                    dh: &mut dh[at..],
                    dc: &mut now.dc[at..],
                };
                // `dy` has no padding.
                cells.run(simd, |_| Some(&dy?[first * NV * lanes + at..]));
            }
        }
    }
}
