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

/// How layers on top of each other share threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wavefront {
    /// Steps that a layer takes at a time.
    pub steps: usize,
    /// Threads of all layers together.
    pub threads: usize,
}

impl Wavefront {
    /// How layers of these sizes share threads, the lowest first, with as many rows and steps, if that is faster
    /// than one layer after the other, each with its plan. Asks how many threads there are only if there is
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
        let useful =
            |&(_, plan): &(Sizes, Plan)| if plan.cut == Cut::Units { plan.threads } else { 1 };
        let threads = threads().min(layers.iter().map(useful).sum()).min(Team::MOST);
        let share = Share::most::<T>(layers, threads);
        // From piece to piece the weights have to stay, beside what else there is.
        if threads < 2 || share.weights > caches.l2 / 8 * 7 {
            return None;
        }
        // So many steps at a time that the front's way through the layers costs as much as sharing them out.
        let [all, sharing, longest] = [steps, SHARING, share.work].map(|count| count as f64);
        let at_a_time = (all * sharing / longest / above.len() as f64).sqrt() as usize;
        let at_a_time = at_a_time.clamp(1, steps);
        let way = all + (above.len() * at_a_time) as f64;
        let together = way * longest + (way / at_a_time as f64).ceil() * sharing;
        let alone = all * layers.iter().map(alone).sum::<f64>();
        (together < alone).then_some(Wavefront { steps: at_a_time, threads })
    }

    /// The steps that a layer takes at a time: number `piece` of them, and how many there are.
    pub(super) fn piece(self, piece: usize, steps: usize) -> Range<usize> {
        piece * self.steps..steps.min((piece + 1) * self.steps)
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
pub(super) fn work(&Sizes { batch, inputs, units, .. }: &Sizes) -> usize {
    batch.saturating_mul(4 * units).saturating_mul(inputs + units)
}

/// How long a step of a layer takes by itself, in multiply-adds of one thread, measured: threads that share a batch
/// share no weights, which costs each about half a row; two that share the units of a row wait for each other in
/// every step and need two thirds.
fn alone((sizes, plan): &(Sizes, Plan)) -> f64 {
    let [work, threads, batch] = [work(sizes), plan.threads, sizes.batch].map(|count| count as f64);
    match plan.cut {
        _ if plan.threads == 1 => work,
        Cut::Batch => work / threads + work / batch / 2.0,
        Cut::Units => work * 2.0 / (1.0 + threads),
    }
}

/// What a thread has to do in a step.
#[derive(Clone, Copy)]
struct Share {
    work: usize,
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
            return Share { work: a.work.max(b.work), weights: a.weights.max(b.weights) };
        }
        let work = layers.iter().map(|(sizes, _)| work(sizes)).sum::<usize>();
        let weights =
            |sizes: &Sizes| 4 * sizes.units * (sizes.inputs + sizes.units) * size_of::<T>();
        let weights = layers.iter().map(|(sizes, _)| weights(sizes)).sum::<usize>();
        Share { work: work / threads, weights: weights / threads }
    }
}

/// How many of the layers, some but not all, the first half of some threads takes, for the others to have as much to
/// do each.
pub(super) fn half<L>(layers: &[L], threads: usize, work: impl Fn(&L) -> usize) -> usize {
    let first = (threads / 2).max(1);
    let others = threads.max(2) - first;
    let all = layers.iter().map(&work).sum::<usize>();
    let mut below = 0;
    let most = |layer| {
        below += work(layer);
        (below * others).max((all - below) * first)
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
