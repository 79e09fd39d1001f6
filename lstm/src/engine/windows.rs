//! Exact gradients in bounded memory: a sequence in windows, of which one is in memory at a time.
//!
//! What forward keeps for backward grows with the steps. Under a budget, forward keeps the states between
//! windows, and all that there is of the last window alone; backward then runs forward once more over
//! each window before (T. Chen, B. Xu, C. Zhang and C. Guestrin, *Training Deep Nets with Sublinear
//! Memory Cost*, 2016).
//!
//! The same numbers come out, bit by bit. A window computes what it computed before, and sums over steps
//! are added to the gradients in chunks from the last one to the first, with budget and without: windows
//! consist of whole chunks.

use std::ops::Range;

use kernels::{Buffer, Float};

use super::workspace::{Dims, Extent, Workspace};

/// Steps of rows of a chunk, at least: enough for its matrix products to run at full speed.
const CHUNK: usize = 2048;

/// Rows of a batch beyond which chunks do not become shorter: those of a group.
const ROWS: usize = 16;

/// Steps of a chunk.
pub(super) fn chunk(batch: usize) -> usize {
    CHUNK.div_ceil(batch.min(ROWS))
}

/// The chunks of a window, the last one first, counted from the start of the window, which is that of a
/// chunk.
pub(super) fn chunks(batch: usize, steps: usize) -> impl Iterator<Item = Range<usize>> {
    let chunk = chunk(batch);
    (0..steps).step_by(chunk).rev().map(move |start| start..steps.min(start + chunk))
}

/// How a sequence is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Windows {
    /// Steps of the sequence.
    pub(super) steps: usize,
    /// Steps of a window; the last may have fewer.
    pub(super) window: usize,
}

impl Windows {
    /// The whole sequence as one.
    pub(super) fn one(steps: usize) -> Self {
        Windows { steps, window: steps }
    }

    /// The longest windows that take no more than `budget` bytes, as `bytes` counts them; or how many
    /// bytes would be enough for some.
    pub(super) fn within(
        budget: usize,
        batch: usize,
        steps: usize,
        bytes: impl Fn(Self) -> usize,
    ) -> Result<Self, usize> {
        let chunk = chunk(batch);
        let chunks = steps.div_ceil(chunk);
        let mut least = usize::MAX;
        let mut last = 0;
        for count in 1..=chunks {
            let window = (chunks.div_ceil(count) * chunk).min(steps);
            if window == last {
                continue;
            }
            last = window;
            let windows = Windows { steps, window };
            match bytes(windows) {
                bytes if bytes <= budget => return Ok(windows),
                bytes => least = least.min(bytes),
            }
        }
        Err(least)
    }

    /// The shortest there are.
    pub(super) fn shortest(batch: usize, steps: usize) -> Self {
        Windows { steps, window: chunk(batch).min(steps) }
    }

    pub(super) fn count(self) -> usize {
        self.steps.div_ceil(self.window)
    }

    /// The windows, in order.
    pub(super) fn iter(self) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator {
        let Windows { steps, window } = self;
        (0..steps).step_by(window).map(move |start| start..steps.min(start + window))
    }
}

/// The states before each window, `[windows][batch, width]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Checkpoints<T>([Buffer<T>; 2]);

/// Elements of either state in [`Checkpoints`]: without backward, one is enough.
pub(super) fn checkpoints(windows: Windows, dims: Dims, training: bool) -> usize {
    let states = match windows.count() {
        1 => 0,
        count if training => count,
        _ => 1,
    };
    states * dims.batch * dims.width
}

impl<T: Float> Checkpoints<T> {
    /// The bytes that are held once there is room for so many elements of either state.
    pub(super) fn held(&self, len: usize) -> usize {
        self.0.iter().map(|states| states.held(len)).sum()
    }

    /// Makes room for so many elements of either state.
    pub(super) fn reserve(&mut self, len: usize) {
        self.0.iter_mut().for_each(|states| states.resize(len));
    }

    /// Takes the states before the first step in memory, which is the first of all.
    pub(super) fn take_first(&mut self, workspace: &Workspace<T>, dims: Dims) {
        self.take(0, workspace, dims, |_| dims.first);
    }

    /// Takes the states after the last step in memory, before window `at`.
    pub(super) fn take_last(
        &mut self,
        at: usize,
        workspace: &Workspace<T>,
        dims: Dims,
        extent: Extent<T>,
    ) {
        self.take(at, workspace, dims, |group| dims.around(extent.steps(dims, group)).0);
    }

    fn take(
        &mut self,
        at: usize,
        workspace: &Workspace<T>,
        dims: Dims,
        slot: impl Fn(super::workspace::Group) -> usize,
    ) {
        let Dims { batch, width, slots, .. } = dims;
        for (kept, states) in self.0.iter_mut().zip([&workspace.h, &workspace.c]) {
            let kept = &mut kept[at * batch * width..][..batch * width];
            for group in dims.groups() {
                let states = &states[group.slot(slots, slot(group), width)];
                kept[group.slot(1, 0, width)].copy_from_slice(states);
            }
        }
    }

    /// Puts the states before window `at` before the first step in memory.
    pub(super) fn put(&self, at: usize, workspace: &mut Workspace<T>, dims: Dims) {
        let Dims { batch, width, slots, .. } = dims;
        for (kept, states) in self.0.iter().zip([&mut workspace.h, &mut workspace.c]) {
            let kept = &kept[at * batch * width..][..batch * width];
            for group in dims.groups() {
                states[group.slot(slots, 0, width)].copy_from_slice(&kept[group.slot(1, 0, width)]);
            }
        }
    }
}
