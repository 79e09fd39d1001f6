//! How layers on top of each other share threads.
//!
//! A layer can take a step as soon as the layer below has taken it. So threads that a layer has no use for, for it
//! has few rows, take layers: while one takes some of its steps, the next one takes those that the first had before,
//! and so on, a front that moves through steps and layers (J. Appleyard, T. Kočiský and P. Blunsom, *Optimizing
//! Performance of Recurrent Neural Networks on GPUs*, 2016).

use std::fmt;
use std::ops::Range;

use kernels::gemm::Caches;
use kernels::{Float, Team};

use super::costs::pays_threads;
use super::plan::{Cut, Lanes, Plan, Sizes};

/// Multiply-adds that take as long as it takes a team to share out work once.
const SHARING: usize = 3 << 13;

/// Multiply-adds that a thread has between two sharings, at most: who waits for more goes back to its pool.
const PIECE: usize = 1 << 23;

/// How layers on top of each other share threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wavefront {
    /// Steps that a layer takes at a time.
    pub steps: usize,
    /// Threads of all layers together.
    pub threads: usize,
}

impl Wavefront {
    /// How layers of these sizes share threads, the lowest first, if that is faster than one layer after the other,
    /// each with its plan. All have the same rows and steps. Asks how many threads there are only if there is
    /// enough for two to do.
    pub fn of<T: Float>(
        caches: Caches,
        layers: &[(Sizes, Plan)],
        threads: impl FnOnce() -> usize,
    ) -> Option<Self> {
        let &[(Sizes { steps, .. }, _), ref above @ ..] = layers else { return None };
        let whole = |&(_, plan): &(Sizes, Plan)| plan.lanes == Lanes::Batch; // takes all its steps at once
        let count = 2..=Team::MOST;
        if !count.contains(&layers.len()) || layers.iter().any(whole) || !pays(layers) {
            return None;
        }
        let threads = threads().min(layers.iter().map(useful).sum()).min(Team::MOST);
        let share = Share::most::<T>(layers, threads);
        // From piece to piece the weights have to stay, beside what else there is.
        if threads < 2 || share.weights > caches.l2 / 8 * 7 {
            return None;
        }
        // So many steps at a time that the front's way through the layers costs as much as sharing them out.
        let [all, sharing, piece] = [steps, SHARING, PIECE].map(|count| count as f64);
        let at_a_time = (all * sharing / share.time / above.len() as f64).sqrt();
        let at_a_time = at_a_time.min(piece / share.time) as usize;
        let at_a_time = at_a_time.clamp(1, steps);
        let way = all + (above.len() * at_a_time) as f64;
        let together = way * share.time + (way / at_a_time as f64).ceil() * sharing;
        let alone = all * layers.iter().map(alone).sum::<f64>();
        (together < alone).then_some(Wavefront { steps: at_a_time, threads })
    }

    /// The steps of piece number `at` of a sequence of so many.
    pub(super) fn piece(self, at: usize, steps: usize) -> Range<usize> {
        at * self.steps..steps.min((at + 1) * self.steps)
    }

    /// How many pieces so many steps are.
    pub(super) fn pieces(self, steps: usize) -> usize {
        steps.div_ceil(self.steps)
    }
}

/// Whether layers of these sizes have enough for two threads to do.
fn pays(layers: &[(Sizes, Plan)]) -> bool {
    let work = layers.iter().map(|(sizes, _)| work(sizes).saturating_mul(sizes.steps));
    pays_threads(work.fold(0, usize::saturating_add))
}

/// Multiply-adds of a step of a layer.
pub(super) fn work(sizes: &Sizes) -> usize {
    sizes.batch.saturating_mul(sizes.weights())
}

/// How many threads could take a step of a layer together.
fn useful((_, plan): &(Sizes, Plan)) -> usize {
    if plan.cut == Cut::Units { plan.threads } else { 1 }
}

/// How long threads take that share the units of a row, in multiply-adds of one: they wait for each other in every step,
/// and two need two thirds, measured.
fn of_units(work: usize, threads: usize) -> f64 {
    2.0 * work as f64 / (1 + threads) as f64
}

/// How long a step of a layer takes by itself: threads that share a batch share no weights, which costs each about half
/// a row, measured.
fn alone((sizes, plan): &(Sizes, Plan)) -> f64 {
    let (work, threads) = (work(sizes), plan.threads);
    match plan.cut {
        Cut::Batch if threads > 1 => {
            work as f64 * (1.0 / threads as f64 + 0.5 / sizes.batch as f64)
        }
        _ => of_units(work, threads),
    }
}

/// What a thread has to do in a step.
#[derive(Clone, Copy)]
struct Share {
    /// In multiply-adds.
    time: f64,
    /// Bytes of weights.
    weights: usize,
}

impl Share {
    /// The most that one of some threads has, of either.
    fn most<T: Float>(layers: &[(Sizes, Plan)], threads: usize) -> Self {
        if threads > 1 && layers.len() > 1 {
            let half = half(layers, threads, |(sizes, _)| work(sizes));
            let (lower, upper) = layers.split_at(half);
            let a = Share::most::<T>(lower, threads / 2);
            let b = Share::most::<T>(upper, threads - threads / 2);
            return Share { time: a.time.max(b.time), weights: a.weights.max(b.weights) };
        }
        // Several layers have one thread, a layer maybe more than it has a use for.
        let threads = layers.iter().map(useful).fold(threads, usize::min);
        let sum = |of: fn(&Sizes) -> usize| {
            layers.iter().map(|(sizes, _)| of(sizes)).fold(0, usize::saturating_add)
        };
        let weights = sum(Sizes::weights).saturating_mul(size_of::<T>());
        Share { time: of_units(sum(work), threads), weights: weights / threads }
    }
}

/// How many of the layers, some but not all, the first half of some threads takes, for the others to have as much to
/// do each.
pub(super) fn half<L>(layers: &[L], threads: usize, work: impl Fn(&L) -> usize) -> usize {
    let first = (threads / 2).max(1);
    let others = threads.max(2) - first;
    let all = layers.iter().map(&work).fold(0, usize::saturating_add);
    let mut below = 0usize;
    let most = |layer| {
        below = below.saturating_add(work(layer));
        below.saturating_mul(others).max((all - below).saturating_mul(first))
    };
    let halves = layers[..layers.len() - 1].iter().map(most).enumerate();
    1 + halves.min_by_key(|&(_, most)| most).map_or(0, |(at, _)| at)
}

impl fmt::Display for Wavefront {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let Wavefront { steps, threads } = self;
        write!(out, "side by side, {steps} steps at a time, {threads} threads")
    }
}
