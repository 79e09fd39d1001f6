//! The memory of one layer call, and how it is cut for threads.
//!
//! The batch is cut into groups of rows. All steps of a group lie together in a [`History`], so that what runs
//! over them is a plain matrix. Threads share the batch: each owns rows next to each
//! other, wherever groups begin. Arrays of states have one slot more than there are steps: slot 0 is the state
//! before the first step, which is then no special case. Where nothing is kept for backward, two
//! slots take turns, or as many as there are steps whose outputs are written at a time.

use std::ops::Range;

use kernels::{Buffer, Float, History, Piece};

use super::call::{Factors, Options};
use super::plan::Lanes;

/// Sizes of a call, as they are in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dims {
    /// Rows of the batch, padded to whole groups where a group is a vector of rows.
    pub(super) batch: usize,
    /// Rows of a group; the last may have fewer.
    pub(super) group: usize,
    /// Rows of the first group that come before these, which are another thread's.
    pub(super) skipped: usize,
    /// Whether there may be others' rows in these groups.
    pub(super) cut: bool,
    /// Steps that are in memory: a window of the sequence, all of it as a rule.
    pub(super) steps: usize,
    /// The step of the sequence that is the first of them.
    pub(super) start: usize,
    /// Steps of the sequence.
    pub(super) total: usize,
    pub(super) inputs: usize,
    pub(super) units: usize,
    /// Units, padded to whole vectors where a vector holds units.
    pub(super) width: usize,
    /// Slots in arrays of states.
    pub(super) slots: usize,
    /// The one that holds the states before the first step.
    pub(super) first: usize,
    /// Slots in the array of gates: those that are kept, or what hoisted products leave in it.
    pub(super) gates: usize,
    /// Steps whose outputs, and gradients of outputs, are transposed at a time where a vector holds rows of
    /// the batch; else none.
    pub(super) steps_at_a_time: usize,
}

/// Some rows of the batch whose history lies together: a group, or those of it that a thread has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// The first of them in the batch, or in that part of it which a thread has.
    pub(super) first: usize,
    pub(super) rows: usize,
    /// Which group it is.
    pub(super) index: usize,
    /// Rows of the group that come before them.
    pub(super) skipped: usize,
}

impl Dims {
    /// The groups, in order.
    #[inline(always)]
    pub(super) fn groups(self) -> impl Iterator<Item = Group> {
        let Dims { batch, group: of_group, mut skipped, .. } = self;
        let (mut first, mut index) = (0, 0);
        std::iter::from_fn(move || {
            let rows = (of_group - skipped).min(batch - first);
            let group = Group { first, rows, index, skipped };
            (first, index, skipped) = (first + rows, index + 1, 0);
            (rows > 0).then_some(group)
        })
    }

    /// The slots of the states before and after step `t`.
    #[inline(always)]
    pub(super) fn around(self, t: usize) -> (usize, usize) {
        let before = (self.first + t) % self.slots;
        (before, if before + 1 == self.slots { 0 } else { before + 1 })
    }
}

impl Group {
    /// Where histories have it.
    #[inline(always)]
    pub(super) fn piece(self) -> Piece {
        Piece { group: self.index, first: self.skipped, rows: self.rows }
    }

    /// Its rows in an array that has `width` elements for each row of the batch, or of the part.
    #[inline(always)]
    pub(super) fn lines(self, width: usize) -> Range<usize> {
        self.first * width..(self.first + self.rows) * width
    }

    /// One slot of this group, which is whole, in an array of histories that has `slots` of them, with `width`
    /// elements a row.
    #[inline(always)]
    pub(super) fn slot(self, slots: usize, slot: usize, width: usize) -> Range<usize> {
        let start = (self.first * slots + self.rows * slot) * width;
        start..start + self.rows * width
    }
}

/// Two different slots of one array, the first to read and the second to write.
#[inline(always)]
pub(super) fn before_and_after<T>(
    array: &mut [T],
    before: Range<usize>,
    after: Range<usize>,
) -> (&[T], &mut [T]) {
    if before.start < after.start {
        let (low, high) = array.split_at_mut(after.start);
        (&low[before], &mut high[..after.len()])
    } else {
        let (low, high) = array.split_at_mut(before.start);
        (&high[..before.len()], &mut low[after])
    }
}

/// The memory. Sizes below are those of one row of the batch.
#[derive(Clone, Debug, Default)]
pub(super) struct Workspace<T> {
    // Kept by forward for backward.
    /// `[steps, inputs]`: the input, in the order in which it is read.
    pub(super) x: Buffer<T>,
    /// `[slots, width]`
    pub(super) h: Buffer<T>,
    /// `[slots, width]`
    pub(super) c: Buffer<T>,
    /// `[steps, width]`: `φ(c)`.
    pub(super) a: Buffer<T>,
    /// `[gates, 4 width]`: `z` if it was hoisted, which the gates replace, and backward those by
    /// `dz`.
    pub(super) gates: Buffer<T>,
    // Scratch.
    /// `[4, units]` and `[4, inputs]`: `h₋` and `x` of a step as dropout leaves them for each gate; where a
    /// vector holds rows of the batch, the factors of dropout.
    pub(super) by_gate: [Buffer<T>; 2],
    /// `[4, units]`: `z` of a step, where an activation mixes the units.
    pub(super) z: Buffer<T>,
    /// `[width]`
    pub(super) dh: Buffer<T>,
    /// `[width]`
    pub(super) dc: Buffer<T>,
    /// `[steps_at_a_time, units]`: the gradient of the output of some steps, where a vector holds rows of the
    /// batch.
    pub(super) dy: Buffer<T>,
}

impl<T: Float> Workspace<T> {
    /// Makes room for arrays of these lengths.
    pub(super) fn reserve(&mut self, lens: [usize; 11]) {
        for (array, len) in self.arrays().into_iter().zip(lens) {
            array.resize(len);
        }
    }

    /// The bytes that are held once there is room for arrays of these lengths.
    pub(super) fn held(&self, lens: [usize; 11]) -> usize {
        let Workspace { x, h, c, a, gates, by_gate: [h_in, x_in], z, dh, dc, dy } = self;
        let arrays = [x, h, c, a, gates, h_in, x_in, z, dh, dc, dy];
        arrays.into_iter().zip(lens).map(|(array, len)| array.held(len)).sum()
    }

    fn arrays(&mut self) -> [&mut Buffer<T>; 11] {
        let Workspace { x, h, c, a, gates, by_gate: [h_in, x_in], z, dh, dc, dy } = self;
        [x, h, c, a, gates, h_in, x_in, z, dh, dc, dy]
    }

    /// All of it, to work on.
    pub(super) fn view<'a>(&'a mut self, dims: Dims, extent: Extent<'a, T>) -> View<'a, T> {
        let Dims { batch, group, steps, inputs, width, slots, gates, .. } = dims;
        let history = |array, (slots, width)| History::new(array, (batch, group), (slots, width));
        let kept = if self.a.is_empty() { 0 } else { steps };
        let [h, x] = &mut self.by_gate;
        View {
            dims,
            extent,
            by_gate: [h, x],
            z: &mut self.z,
            x: history(&mut self.x, (steps, inputs)),
            h: history(&mut self.h, (slots, width)),
            c: history(&mut self.c, (slots, width)),
            a: history(&mut self.a, (kept, width)),
            gates: history(&mut self.gates, (gates, 4 * width)),
            dh: &mut self.dh,
            dc: &mut self.dc,
            dy: &mut self.dy,
        }
    }
}

/// Elements of each array of a [`Workspace`], in the order of its fields, for a window of these sizes, `kept`
/// for backward or not, with dropout of `h` and of `x` by gate or without.
pub(super) fn lens(
    dims: Dims,
    options: Options,
    kept: bool,
    [h_dropped, x_dropped]: [bool; 2],
) -> [usize; 11] {
    let Dims { batch, steps, inputs, units, width, slots, gates, steps_at_a_time, .. } = dims;
    let if_kept = usize::from(kept);
    [
        batch * steps * inputs,
        batch * slots * width,
        batch * slots * width,
        batch * steps * width * if_kept,
        batch * gates * 4 * width,
        batch * 4 * units * usize::from(h_dropped),
        batch * 4 * inputs * usize::from(x_dropped),
        batch * 4 * units * usize::from(options.mix_units()),
        batch * width * if_kept,
        batch * width * if_kept,
        batch * units * steps_at_a_time * if_kept,
    ]
}

/// What differs from row to row, beside numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent<'a, T> {
    /// Steps of each row, the longest first, if not all have as many.
    pub(super) lengths: Option<&'a [usize]>,
    /// What dropout multiplies by, where a vector holds units; else forward puts it where states are.
    pub(super) dropout: Option<Factors<'a, T>>,
}

impl<'a, T> Extent<'a, T> {
    /// The same for every row.
    pub(super) const ALIKE: Self = Extent { lengths: None, dropout: None };

    /// Steps of a group in the window: those of its first row here, which may be fewer than the group has.
    #[inline(always)]
    pub(super) fn steps(&self, dims: Dims, group: Group) -> usize {
        let Dims { steps, start, .. } = dims;
        self.lengths.map_or(steps, |lengths| lengths[group.first].saturating_sub(start).min(steps))
    }

    /// Without the factors where forward puts them where states are.
    pub(super) fn over(self, lanes: Lanes) -> Self {
        match lanes {
            Lanes::Units => self,
            Lanes::Batch => Extent { dropout: None, ..self },
        }
    }

    /// Without what there is for rows of padding that a call of these sizes does not have.
    pub(super) fn of(self, dims: Dims) -> Self {
        Extent { lengths: self.lengths.map(|lengths| &lengths[..dims.batch]), ..self }
    }

    /// Of the first `rows` of a batch, and of the others.
    fn split(self, batch: usize, rows: usize) -> (Self, Self) {
        let cut = |array: &'a [T]| array.split_at(array.len() / batch.max(1) * rows);
        let (lengths, lengths_rest) = self.lengths.map(|lengths| lengths.split_at(rows)).unzip();
        let dropout = self.dropout.map(|Factors { recurrent, input }| {
            let (recurrent, recurrent_rest) = cut(recurrent);
            let (input, input_rest) = input.map(cut).unzip();
            let rest = Factors { recurrent: recurrent_rest, input: input_rest };
            (Factors { recurrent, input }, rest)
        });
        let (dropout, dropout_rest) = dropout.unzip();
        (Extent { lengths, dropout }, Extent { lengths: lengths_rest, dropout: dropout_rest })
    }
}

/// The part of a workspace that holds some rows; `dims.batch` counts them. `A` is an array of all slots.
#[derive(Debug)]
pub(crate) struct View<'a, T, A = History<'a, T>> {
    pub(super) dims: Dims,
    pub(super) extent: Extent<'a, T>,
    // See [`Workspace`].
    /// Empty without dropout.
    pub(super) by_gate: [&'a mut [T]; 2],
    pub(super) z: &'a mut [T],
    pub(super) x: A,
    pub(super) h: A,
    pub(super) c: A,
    pub(super) a: A,
    pub(super) gates: A,
    pub(super) dh: &'a mut [T],
    pub(super) dc: &'a mut [T],
    pub(super) dy: &'a mut [T],
}

impl<T: Float, A> View<'_, T, A> {
    /// Steps of a group in the window: those of its first row here, which may be fewer than the group has.
    #[inline(always)]
    pub(super) fn steps(&self, group: Group) -> usize {
        self.extent.steps(self.dims, group)
    }

    /// How many rows of a group have a step `t` of the window: its first ones.
    #[inline(always)]
    pub(super) fn live(&self, group: Group, t: usize) -> usize {
        match self.extent.lengths {
            None => group.rows,
            Some(lengths) => {
                let t = self.dims.start + t;
                lengths[group.first..][..group.rows].partition_point(|&len| len > t)
            }
        }
    }
}

impl<'a, T: Float> View<'a, T> {
    /// The same where all groups are whole.
    pub(super) fn whole(self) -> View<'a, T, &'a mut [T]> {
        let View { dims, extent, by_gate, z, x, h, c, a, gates, dh, dc, dy } = self;
        let [x, h, c, a, gates] = [x, h, c, a, gates].map(History::into_slice);
        View { dims, extent, by_gate, z, x, h, c, a, gates, dh, dc, dy }
    }

    /// The same for a shorter time.
    pub(super) fn reborrow(&mut self) -> View<'_, T> {
        let [h, x] = &mut self.by_gate;
        View {
            dims: self.dims,
            extent: self.extent,
            by_gate: [h, x],
            z: self.z,
            x: self.x.reborrow(),
            h: self.h.reborrow(),
            c: self.c.reborrow(),
            a: self.a.reborrow(),
            gates: self.gates.reborrow(),
            dh: self.dh,
            dc: self.dc,
            dy: self.dy,
        }
    }

    /// The first `rows` rows, and the others.
    pub(super) fn split(self, rows: usize) -> (Self, Self) {
        let Dims { batch, group, skipped, .. } = self.dims;
        let cut = |array| split_rows(array, batch, rows);
        let (x, x_rest) = self.x.split(rows);
        let (h, h_rest) = self.h.split(rows);
        let (c, c_rest) = self.c.split(rows);
        let (a, a_rest) = self.a.split(rows);
        let (gates, gates_rest) = self.gates.split(rows);
        let (dh, dh_rest) = cut(self.dh);
        let (dc, dc_rest) = cut(self.dc);
        let (dy, dy_rest) = cut(self.dy);
        let (extent, extent_rest) = self.extent.split(batch, rows);
        let [h_in, x_in] = self.by_gate;
        let (h_in, h_in_rest) = cut(h_in);
        let (x_in, x_in_rest) = cut(x_in);
        let (z, z_rest) = cut(self.z);
        let behind = (skipped + rows) % group;
        let dims = Dims { batch: rows, cut: self.dims.cut || behind > 0, ..self.dims };
        let rest = Dims { batch: batch - rows, skipped: behind, ..dims };
        (
            View { dims, extent, by_gate: [h_in, x_in], z, x, h, c, a, gates, dh, dc, dy },
            View {
                dims: rest,
                extent: extent_rest,
                by_gate: [h_in_rest, x_in_rest],
                z: z_rest,
                x: x_rest,
                h: h_rest,
                c: c_rest,
                a: a_rest,
                gates: gates_rest,
                dh: dh_rest,
                dc: dc_rest,
                dy: dy_rest,
            },
        )
    }
}

/// Cuts an array of `batch` rows of equal length behind the first `rows`.
fn split_rows<T>(array: &mut [T], batch: usize, rows: usize) -> (&mut [T], &mut [T]) {
    let row = array.len() / batch.max(1);
    array.split_at_mut(row * rows)
}
