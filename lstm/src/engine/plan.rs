//! How a call is computed: decided from its sizes, in one place.
//!
//! Nothing here changes a bit of what forward returns: every plan adds up `b + x W + h₋ U` in the
//! same order. What backward adds up over rows and steps is cut by the orientation and the groups of
//! rows, which are the same on every instruction set and for any number of threads.

use std::fmt;

use kernels::gemm::Caches;
use kernels::{Float, Isa};

use super::gates::line;
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
    /// Threads of the steps. Products over all steps that end backward choose for themselves.
    pub threads: usize,
    /// What each of them has.
    pub cut: Cut,
}

/// What threads share out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The batch: each thread has groups of its own for the whole sequence.
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

/// Multiply-adds of a whole call below which a second thread costs more than it brings.
const PARALLEL_ABOVE: usize = 1 << 21;

/// Bytes of a recurrent kernel from which on a step is worth a fork and a join: half of it for each of
/// two threads, as much for each of more.
const SHARED_ABOVE: usize = 1 << 20;

/// Rows of a product that is hoisted for a few steps only, at least: then it runs at the speed of a
/// large one, and its result is still in the cache when its steps come.
const HOISTED_ROWS: usize = 96;

/// The same where W comes from memory: what reading it costs is shared by more rows.
const FAR_ROWS: usize = 256;

/// Bytes of weights that a core works off in a cycle for one row: its two units of multiply-adds take
/// 32 each.
const WORKED_OFF: usize = 64;

impl Plan {
    /// The plan of `T` for a call on an instruction set, with these caches. Asks how many threads
    /// there are only if there is enough for two to do.
    pub fn of<T: Float>(
        isa: Isa,
        caches: Caches,
        sizes: Sizes,
        threads: impl FnOnce() -> usize,
    ) -> Self {
        let Sizes { batch, steps, inputs, units, training } = sizes;
        let (lanes, line) = (isa.lanes::<T>(), line::<T>());
        let (padded_units, padded_batch) =
            (units.next_multiple_of(line), batch.next_multiple_of(line));
        // The orientation that leaves less of a cache line empty; units if there is little between
        // them, since their products are proper matrix products. Not fewer lanes of a vector: sums
        // over the batch have another order than over units, and it is that of all instruction sets.
        let (full, empty) =
            (batch.saturating_mul(padded_units), units.saturating_mul(padded_batch));
        let by_batch = full.saturating_mul(4) > empty.saturating_mul(5);
        let (orientation, group, groups) = match by_batch {
            true => (Lanes::Batch, lanes, batch.div_ceil(lanes)),
            false => {
                let group = rows::group(batch);
                (Lanes::Units, group, batch.div_ceil(group))
            }
        };

        let weights =
            inputs.saturating_add(units).saturating_mul(units.saturating_mul(4 * size_of::<T>()));
        let input = match orientation {
            Lanes::Units if steps > 1 && waits(weights, caches, (batch, inputs)) => {
                let rows = if is_far(weights, caches) { FAR_ROWS } else { HOISTED_ROWS };
                let few = rows.div_ceil(group).min(steps);
                InputProduct::Hoisted(if training { steps } else { few })
            }
            _ => InputProduct::Fused,
        };

        let work = batch.saturating_mul(steps).saturating_mul(weights / size_of::<T>());
        let recurrent = units.saturating_mul(units).saturating_mul(4 * size_of::<T>());
        let one_row = orientation == Lanes::Units && batch == 1 && recurrent >= SHARED_ABOVE;
        let (threads, cut) = match groups {
            _ if work < PARALLEL_ABOVE => (1, Cut::Batch),
            1 if one_row => match threads() {
                1 => (1, Cut::Batch),
                threads => (threads.min(recurrent / SHARED_ABOVE * 2), Cut::Units),
            },
            1 => (1, Cut::Batch),
            _ => (threads().min(groups), Cut::Batch),
        };
        Plan { lanes: orientation, group, input, threads, cut }
    }

    /// The same with lanes over the batch, of which a vector has so many.
    pub(super) fn over_batch(self, batch: usize, lanes: usize) -> Self {
        let threads = match self.cut {
            Cut::Batch => self.threads.min(batch.div_ceil(lanes)),
            Cut::Units => 1,
        };
        let input = InputProduct::Fused;
        Plan { lanes: Lanes::Batch, group: lanes, input, threads, cut: Cut::Batch }
    }

    /// The same with lanes over units, `x W` in the steps and threads that share the batch.
    pub(super) fn over_units(self, batch: usize) -> Self {
        let group = rows::group(batch);
        let threads = match self.cut {
            Cut::Batch => self.threads.min(batch.div_ceil(group)),
            Cut::Units => 1,
        };
        Plan { lanes: Lanes::Units, group, input: InputProduct::Fused, threads, cut: Cut::Batch }
    }
}

/// Whether the tiles of a step would wait for W.
///
/// Fused, W is read in every step, from the level of the cache that holds all weights. Where so few
/// rows share it that it comes slower than it is worked off, the product had better be hoisted, and
/// W read once for many steps. From memory, a core takes about as long to read it as to work it off for one row
/// or more, and does not do both at a time: hoisted, it is read while U stays in the cache. The cost is `z`,
/// written and read once more, and a product of its own: worth it, measured, above sixteen inputs for each row
/// and each of its shares of time.
fn waits(weights: usize, caches: Caches, (rows, inputs): (usize, usize)) -> bool {
    // Bytes in a cycle.
    let read = match weights {
        bytes if bytes <= caches.l1 => 64,
        bytes if bytes <= caches.l2 => 32,
        bytes if !is_far(bytes, caches) => 16,
        _ => 6,
    };
    let saved = (WORKED_OFF / read).saturating_sub(rows);
    let saved = if is_far(weights, caches) { saved.max(1) } else { saved };
    saved * inputs > 16 * rows
}

/// Whether weights come from memory in each step: a core's share of the third level does not hold them.
fn is_far(weights: usize, caches: Caches) -> bool {
    weights > caches.l3
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
            (_, Cut::Batch) => write!(out, ", {threads} threads with groups of their own"),
            (_, Cut::Units) => write!(out, ", {threads} threads with units of their own"),
        }
    }
}
