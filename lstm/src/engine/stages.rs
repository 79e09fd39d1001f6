//! Several layers in one call, one after the other or as a [`Wavefront`].
//!
//! Each layer takes its steps as it does by itself, and in the same order: the same numbers come out, bit by bit.

use std::ops::Range;

use arrayvec::ArrayVec;
use kernels::Team;
use kernels::gemm::Caches;

use super::plan::{Plan, Sizes};
use super::rows::Hoist;
use super::wavefront::{Wavefront, half, work};
use super::windows::Windows;
use super::workspace::{Extent, View};
use super::{Call, Engine, Forward, Last, dims};
use crate::float::Float;

/// A layer of several on top of each other.
#[derive(Debug)]
pub struct Stage<'a, T> {
    /// Its engine.
    pub engine: &'a mut Engine<T>,
    /// Its call. Only the `x` of the lowest layer is read; that of any other is the output of the layer below.
    pub call: Call<'a, T>,
    /// Room for the output of every step, `[batch, steps, units]`: all layers but the highest need it.
    pub y: Option<&'a mut [T]>,
}

/// Runs layers on top of each other, the lowest first: as each by itself with [`Engine::forward`], or some steps of
/// each beside those of the others, if there is a [`wavefront`] for them.
///
/// # Panics
///
/// As there, and if a layer has other rows, steps or features than the one below puts out.
pub fn forward<T: Float>(stages: &mut [Stage<T>]) {
    let sizes = |stage: &Stage<T>| (stage.call.batch, stage.call.steps);
    for pair in stages.windows(2) {
        assert_eq!(
            sizes(&pair[0]),
            sizes(&pair[1]),
            "rows and steps of layers on top of each other"
        );
    }
    if let Some(wavefront) = wavefront(stages) {
        return run(wavefront, stages);
    }
    for at in 0..stages.len() {
        let (below, above) = stages.split_at_mut(at);
        let Stage { engine, call, y } = &mut above[0];
        match below.last() {
            None => engine.forward(call, y.as_deref_mut()),
            Some(below) => engine.forward(&Call { x: below.output(), ..*call }, y.as_deref_mut()),
        }
    }
}

/// How [`forward`] has layers share threads of the current `rayon` pool, if it does.
pub fn wavefront<T: Float>(stages: &[Stage<T>]) -> Option<Wavefront> {
    let [_, above @ ..] = stages else { return None };
    // What is read from its end cannot begin before all of it is there.
    let forwards = above.iter().all(|stage| !stage.engine.options.go_backwards);
    if above.is_empty() || stages.len() > Team::MOST || !forwards {
        return None;
    }
    let layers: ArrayVec<_, { Team::MOST }> =
        stages.iter().map(|stage| (stage.sizes(), stage.plan())).collect();
    let wavefront =
        Wavefront::of::<T>(Caches::near_this_core(), &layers, rayon::current_num_threads)?;
    let stops = stages.iter().zip(&layers).all(|(stage, &(_, plan))| stage.stops(plan));
    stops.then_some(wavefront)
}

/// Takes all steps, and each layer those that the layer below has taken in the wave before.
fn run<T: Float>(wavefront: Wavefront, stages: &mut [Stage<T>]) {
    let (layers, steps) = (stages.len(), stages[0].call.steps);
    let pieces = wavefront.pieces(steps);
    for at in 0..layers {
        let (below, above) = stages.split_at_mut(at);
        above[0].begin(below.last());
    }
    Team::gather(wavefront.threads, |team| {
        for wave in 0..pieces + layers - 1 {
            let first = (wave + 1).saturating_sub(pieces);
            let on_its_way = first..layers.min(wave + 1);
            // Each copies what the layer below has put out to where it alone writes.
            for at in on_its_way.clone() {
                let (below, above) = stages.split_at_mut(at);
                above[0].read(below.last(), wavefront.piece(wave - at, steps));
            }
            advance((wavefront, steps), team, &mut stages[on_its_way], wave - first);
        }
    });
}

/// The lowest of these layers takes a piece of its steps, each of the others the piece before the one of the layer
/// below, at the same time.
fn advance<T: Float>(
    (wavefront, steps): (Wavefront, usize),
    team: &mut Team,
    stages: &mut [Stage<T>],
    piece: usize,
) {
    match stages {
        [] => {}
        [stage] => stage.advance(wavefront.piece(piece, steps), team),
        _ => {
            let half = half(stages, team.threads(), Stage::work);
            let (lower, upper) = stages.split_at_mut(half);
            team.join(
                |team| advance((wavefront, steps), team, lower, piece),
                |team| advance((wavefront, steps), team, upper, piece - half),
            );
        }
    }
}

impl<T: Float> Stage<'_, T> {
    fn sizes(&self) -> Sizes {
        let (Call { batch, steps, training, .. }, options) = (self.call, self.engine.options);
        Sizes { batch, steps, inputs: options.inputs, units: options.units, training }
    }

    fn plan(&self) -> Plan {
        let Call { batch, steps, training, dropout, .. } = self.call;
        self.engine.plan_of((batch, steps), training, dropout.is_some())
    }

    /// Multiply-adds of a step.
    fn work(&self) -> usize {
        work(&self.sizes())
    }

    /// Whether it can take some steps and then others, with a plan that can.
    fn stops(&self, plan: Plan) -> bool {
        self.call.mask.is_none() && self.engine.windows(plan, &self.call).count() == 1
    }

    /// What comes before the steps.
    fn begin(&mut self, below: Option<&Self>) {
        let plan = self.plan();
        let Stage { engine, call, y } = self;
        let x = below.map_or(call.x, Stage::output);
        Call { x, ..*call }.check(engine.options);
        let Call { batch, steps, training, .. } = *call;
        if let Some(y) = y {
            assert_eq!(y.len(), batch * steps * engine.options.units, "y");
        }
        let windows = Windows::one(steps);
        T::pack_forward(&mut engine.packings, engine.isa, engine.options, plan, call);
        engine.reserve((plan, windows), call);
        let dims = dims::<T>(engine.isa, engine.options, plan, (batch, 0..steps, steps), training);
        engine.put_initial_states(dims, plan.lanes, call.initial);
        let dropped = call.dropped();
        engine.last = Some(Last { batch, dims, windows, plan, training, masked: false, dropped });
    }

    /// Reads the input of some steps.
    fn read(&mut self, below: Option<&Self>, steps: Range<usize>) {
        let x = below.map_or(self.call.x, Stage::output);
        let (job, view, _) = self.engine.piece(&self.call);
        T::read(job, view, x, steps);
    }

    /// Takes some steps, whose input it has read.
    fn advance(&mut self, steps: Range<usize>, team: &mut Team) {
        let (job, view, hoist) = self.engine.piece(&self.call);
        T::steps(job, view, self.y.as_deref_mut(), hoist, steps, team);
    }

    fn output(&self) -> &[T] {
        self.y.as_deref().unwrap_or_else(|| panic!("no room for what the layer above reads"))
    }
}

impl<T: Float> Engine<T> {
    /// What takes some of the steps of the call that has begun.
    fn piece<'a>(
        &'a mut self,
        call: &'a Call<T>,
    ) -> (Forward<'a, T>, View<'a, T>, &'a mut Hoist<T>) {
        let Some(Last { dims, plan, training: kept, batch: live, .. }) = self.last else {
            unreachable!("it begins before it takes steps")
        };
        let weights = self.packings.of(plan.lanes);
        let job = Forward { isa: self.isa, options: self.options, weights, plan, kept, live };
        let extent = Extent { lengths: None, dropout: call.dropout };
        (job, self.workspace.view(dims, extent), &mut self.hoist)
    }
}
