//! What a plan is made of: the numbers that its choices compare.

use std::fmt;

use kernels::gemm::Caches;
use kernels::{Float, Team};

use super::gates::line;
use super::plan::{Cut, InputProduct, Lanes, Plan, Sizes};

/// Multiply-adds of a whole call below which a second thread costs more than it brings.
const PARALLEL_ABOVE: usize = 1 << 21;

/// Whether so many multiply-adds are enough for two threads to do.
pub(crate) fn pays_threads(work: usize) -> bool {
    work >= PARALLEL_ABOVE
}

/// Numbers to be copied below which a second thread costs more than it brings.
const COPIED_ABOVE: usize = 1 << 18;

/// Whether to copy so many numbers is enough for two threads to do.
pub(super) fn pays_threads_to_copy(numbers: usize) -> bool {
    numbers >= COPIED_ABOVE
}

/// Bytes of a recurrent kernel from which on a step is worth a fork and a join for two threads.
const SHARED_ABOVE: usize = 1 << 17;

/// Bytes of it for each of more.
const SHARE: usize = 1 << 19;

/// Bytes of weights that a core works off in a cycle for one row: its two units of multiply-adds take
/// 32 each.
const WORKED_OFF: usize = 64;

/// Where the weights of a layer are from step to step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The first level of the cache.
    L1,
    /// The second.
    L2,
    /// A core's share of the third.
    L3,
    /// Beyond.
    Memory,
}

impl Level {
    fn of(bytes: usize, caches: Caches) -> Self {
        match bytes {
            bytes if bytes <= caches.l1 => Level::L1,
            bytes if bytes <= caches.l2 => Level::L2,
            bytes if bytes <= caches.l3 => Level::L3,
            _ => Level::Memory,
        }
    }

    /// Bytes that a core reads from there in a cycle.
    fn bytes_in_a_cycle(self) -> usize {
        match self {
            Level::L1 => 64,
            Level::L2 => 32,
            Level::L3 => 16,
            Level::Memory => 6,
        }
    }

    /// `L1`, `L2`, `L3` or `memory`.
    pub fn name(self) -> &'static str {
        match self {
            Level::L1 => "L1",
            Level::L2 => "L2",
            Level::L3 => "L3",
            Level::Memory => "memory",
        }
    }
}

/// What it would cost to compute a call one way and the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// The sizes of the call.
    pub sizes: Sizes,
    /// Numbers of a state, where cache lines run over units and are filled up.
    pub over_units: usize,
    /// The same where they run over the batch.
    pub over_batch: usize,
    /// Bytes of W and U.
    pub weights: usize,
    /// Bytes of U.
    pub recurrent: usize,
    /// Where W and U are.
    pub level: Level,
    /// Multiply-adds with W and U.
    pub work: usize,
}

impl Costs {
    /// The costs of a call in `T`, with these caches.
    pub fn of<T: Float>(caches: Caches, sizes: Sizes) -> Self {
        let Sizes { batch, steps, units, .. } = sizes;
        let line = line::<T>();
        let row = units.saturating_mul(4 * size_of::<T>());
        let weights = sizes.weights().saturating_mul(size_of::<T>());
        Costs {
            sizes,
            over_units: batch.saturating_mul(units.next_multiple_of(line)),
            over_batch: units.saturating_mul(batch.next_multiple_of(line)),
            weights,
            recurrent: units.saturating_mul(row),
            level: Level::of(weights, caches),
            work: batch.saturating_mul(steps).saturating_mul(sizes.weights()),
        }
    }

    /// What runs over lanes: what leaves less of a cache line empty; units if there is little between them,
    /// since their products are proper matrix products. Not what leaves fewer lanes of a vector empty: sums over the
    /// batch have another order than over units, and it is that of all instruction sets.
    pub(super) fn lanes(&self) -> Lanes {
        match self.over_units.saturating_mul(4) > self.over_batch.saturating_mul(5) {
            true => Lanes::Batch,
            false => Lanes::Units,
        }
    }

    /// Whether the tiles of a step would wait for W.
    ///
    /// Fused, W is read in every step, from the level of the cache that holds all weights. Where so few
    /// rows share it that it comes slower than it is worked off, the product had better be hoisted, and
    /// W read once for many steps. From memory, a core takes about as long to read it as to work it off
    /// for some rows, and does not do both at a time: hoisted, it is read while U stays in the cache. The
    /// price is `z`, written and read once more, and a product of its own: worth it, measured, above sixteen
    /// inputs for each row and each of its shares of time.
    pub(super) fn waits(&self) -> bool {
        let Sizes { batch, steps, inputs, .. } = self.sizes;
        let saved = (WORKED_OFF / self.level.bytes_in_a_cycle()).saturating_sub(batch);
        let saved = if self.level == Level::Memory { saved.max(1) } else { saved };
        steps > 1 && saved * inputs > 16 * batch
    }

    /// Whether there is enough for two threads to do.
    pub(super) fn pays_threads(&self) -> bool {
        pays_threads(self.work)
    }

    /// How many threads could share the batch: each has half as much to do as two are worth.
    pub(super) fn threads_of_a_batch(&self) -> usize {
        (self.work / (PARALLEL_ABOVE / 2)).max(1)
    }

    /// How many threads could share a step of one row: fewer than two if that does not pay.
    pub(super) fn threads_of_a_row(&self) -> usize {
        match self.recurrent {
            ..SHARED_ABOVE => 1,
            bytes => (bytes / SHARE).clamp(2, Team::MOST),
        }
    }

    /// Why a plan is as it is.
    pub fn reasons(self, plan: Plan) -> Reasons {
        Reasons { costs: self, plan }
    }
}

/// Why a plan is as it is, a line for each choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reasons {
    costs: Costs,
    plan: Plan,
}

impl fmt::Display for Reasons {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let Reasons { costs, plan } = self;
        let Sizes { batch, steps, units, .. } = costs.sizes;
        let full = |room: usize| 100.0 * (batch * units) as f64 / room.max(1) as f64;
        let (over_units, over_batch) = (full(costs.over_units), full(costs.over_batch));
        let (over, other) = match plan.lanes {
            Lanes::Units => (("units", over_units), ("the batch", over_batch)),
            Lanes::Batch => (("the batch", over_batch), ("units", over_units)),
        };
        writeln!(
            out,
            "lanes over {}: {:.0} % of cache lines are full; over {} {:.0} %",
            over.0, over.1, other.0, other.1
        )?;

        let (size, level) = (Bytes(costs.weights), costs.level.name());
        let rows = if batch == 1 { "one row".to_owned() } else { format!("{batch} rows") };
        match plan.input {
            InputProduct::Hoisted(ahead) => writeln!(
                out,
                "x W ahead for {ahead} steps: {rows} would wait for {size} of weights from {level} in each"
            )?,
            InputProduct::Fused if plan.lanes == Lanes::Batch || steps == 1 => {
                writeln!(out, "x W in the step: there is nothing to wait for")?;
            }
            InputProduct::Fused => {
                writeln!(out, "x W in the step: {rows} share {size} of weights from {level}")?;
            }
        }

        let millions = costs.work as f64 / 1e6;
        match (plan.threads, plan.cut) {
            (1, _) if !costs.pays_threads() => {
                let least = PARALLEL_ABOVE as f64 / 1e6;
                write!(
                    out,
                    "1 thread: {millions:.1} million multiply-adds, where {least:.1} would pay two"
                )
            }
            (1, _) => write!(out, "1 thread: there are no others, or nothing to share out"),
            (threads, Cut::Batch) => {
                let parts = plan.parts(batch);
                let what = if plan.uncut() == 1 { "rows" } else { "groups of rows" };
                write!(
                    out,
                    "{threads} threads: {millions:.0} million multiply-adds in {parts} {what}"
                )
            }
            (threads, Cut::Units) => {
                let size = Bytes(costs.recurrent);
                write!(
                    out,
                    "{threads} threads: a step of one row reads {size} of U, each its share"
                )
            }
        }
    }
}

/// A number of bytes, to be read.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 1 << 20 => write!(out, "{:.1} MiB", bytes as f64 / (1 << 20) as f64),
            bytes if bytes >= 1 << 10 => write!(out, "{:.1} KiB", bytes as f64 / 1024.0),
            bytes => write!(out, "{bytes} bytes"),
        }
    }
}
