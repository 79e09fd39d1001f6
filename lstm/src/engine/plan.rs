//! How a call is computed: decided from its sizes, in one place.
//!
//! Nothing here changes a bit of what forward returns: every plan adds up `b + x W + h₋ U` in the
//! same order. What backward adds up over rows and steps is cut by the orientation and the groups of
//! rows, which are the same on every instruction set and for any number of threads.

use std::fmt;

use kernels::gemm::Caches;
use kernels::{Float, Isa};

use super::costs::{Costs, Level};
use super::rows;

/// What runs over the lanes of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// Neighbouring units of a row of the batch.
    Units,
    /// Neighbouring rows of the batch.
    Batch,
}

/// When `x W` is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputProduct {
    /// In each step, in the register tile that goes on with `h₋ U`.
    Fused,
    /// Before the steps, as one matrix product for this many of them.
    Hoisted(usize),
}

/// How a call is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What a vector holds.
    pub lanes: Lanes,
    /// Rows of the batch whose history lies together; the last group may have fewer.
    pub group: usize,
    /// When `x W` is computed.
    pub input: InputProduct,
    /// Threads of the steps, and of packing weights. Products over all steps that end backward choose for
    /// themselves.
    pub threads: usize,
    /// What each of them has.
    pub cut: Cut,
}

/// What threads share out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The batch: each thread has rows of its own for the whole sequence.
    Batch,
    /// The units, of one row: all threads wait for each other after each step.
    Units,
}

/// The sizes of a call, by which its plan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Rows of the batch.
    pub batch: usize,
    /// Steps of the sequence.
    pub steps: usize,
    /// Features of the input.
    pub inputs: usize,
    /// Units of the layer.
    pub units: usize,
    /// Whether backward will follow.
    pub training: bool,
}

impl Sizes {
    /// Numbers of W and U: multiply-adds of a step of a row.
    pub(super) fn weights(&self) -> usize {
        self.inputs.saturating_add(self.units).saturating_mul(self.units.saturating_mul(4))
    }
}

/// Rows of a product that is hoisted for a few steps only, at least: then it runs at the speed of a
/// large one, and its result is still in the cache when its steps come.
const HOISTED_ROWS: usize = 96;

/// The same where W comes from memory: what reading it costs is shared by more rows.
const FAR_ROWS: usize = 256;

impl Plan {
    /// The plan of `T` for a call on an instruction set, with these caches. Asks how many threads
    /// there are only if there is enough for two to do.
    pub fn of<T: Float>(
        isa: Isa,
        caches: Caches,
        sizes: Sizes,
        threads: impl FnOnce() -> usize,
    ) -> Self {
        let Sizes { batch, steps, training, .. } = sizes;
        let costs = Costs::of::<T>(caches, sizes);
        let lanes = costs.lanes();
        let group = match lanes {
            Lanes::Batch => isa.lanes::<T>(),
            Lanes::Units => rows::group(batch),
        };
        let input = match lanes {
            Lanes::Units if costs.waits() => {
                let rows = if costs.level == Level::Memory { FAR_ROWS } else { HOISTED_ROWS };
                let few = rows.div_ceil(group).min(steps);
                InputProduct::Hoisted(if training { steps } else { few })
            }
            _ => InputProduct::Fused,
        };
        let plan = Plan { lanes, group, input, threads: 1, cut: Cut::Batch };
        let parts = plan.parts(batch);
        let one_row = lanes == Lanes::Units && batch == 1 && costs.threads_of_a_row() > 1;
        let (threads, cut) = match parts {
            _ if !costs.pays_threads() => (1, Cut::Batch),
            1 if one_row => match threads() {
                1 => (1, Cut::Batch),
                threads => (threads.min(costs.threads_of_a_row()), Cut::Units),
            },
            1 => (1, Cut::Batch),
            _ => (threads().min(parts).min(costs.threads_of_a_batch()), Cut::Batch),
        };
        Plan { threads, cut, ..plan }
    }

    /// Rows that stay together, where threads share a batch.
    pub(super) fn uncut(self) -> usize {
        match self.lanes {
            Lanes::Units => 1,
            Lanes::Batch => self.group,
        }
    }

    /// In how many parts a batch could be cut.
    pub(super) fn parts(self, batch: usize) -> usize {
        batch.div_ceil(self.uncut())
    }

    /// The same with lanes over the batch, of which a vector has so many.
    pub(super) fn over_batch(self, batch: usize, lanes: usize) -> Self {
        let plan = Plan { lanes: Lanes::Batch, group: lanes, ..self.fused() };
        Plan { threads: plan.threads.min(plan.parts(batch)), ..plan }
    }

    /// The same with `x W` in the steps, and threads that share the batch: as it has to be where each gate
    /// sees `h` and `x` in its own way, or units are mixed.
    pub(super) fn fused(self) -> Self {
        let threads = if self.cut == Cut::Units { 1 } else { self.threads };
        Plan { input: InputProduct::Fused, threads, cut: Cut::Batch, ..self }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let Plan { lanes, group, input, threads, cut } = self;
        match lanes {
            Lanes::Units => write!(out, "lanes over units, groups of {group} rows")?,
            Lanes::Batch => write!(out, "lanes over the batch, groups of {group} rows")?,
        }
        match input {
            InputProduct::Fused => write!(out, ", x W in the tile of each step")?,
            InputProduct::Hoisted(steps) => write!(out, ", x W ahead for {steps} steps")?,
        }
        match (threads, cut) {
            (1, _) => write!(out, ", 1 thread"),
            (_, Cut::Batch) => write!(out, ", {threads} threads with rows of their own"),
            (_, Cut::Units) => write!(out, ", {threads} threads with units of their own"),
        }
    }
}
