//! The memory of one layer call, and how it is cut for threads.
//!
//! The batch is cut into groups of rows. A group's history lies in one piece, step after step, so
//! that a thread can own the groups it works on, and what runs over all steps of a group is a
//! plain matrix. Arrays of states have one slot more than there are steps: slot 0 is the state
//! before the first step, which is then no special case. Where nothing is kept for backward, two
//! slots take turns, or as many as there are steps whose outputs are written at a time.

use std::ops::Range;

use kernels::{Buffer, Float};

use super::call::{Factors, Options};
use super::plan::Lanes;

/// Sizes of a call, as they are in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dims {
    /// Rows of the batch, padded to whole groups where a group is a vector of rows.
    pub(super) batch: usize,
    /// Rows of a group; the last may have fewer.
    pub(super) group: usize,
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

/// Some rows of the batch whose history lies together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) first: usize,
    pub(super) rows: usize,
}

impl Dims {
    /// The groups, in order.
    #[inline(always)]
    pub(super) fn groups(self) -> impl Iterator<Item = Group> {
        (0..self.batch)
            .step_by(self.group)
            .map(move |first| Group { first, rows: self.group.min(self.batch - first) })
    }

    /// The slots of the states before and after step `t`.
    #[inline(always)]
    pub(super) fn around(self, t: usize) -> (usize, usize) {
        let before = (self.first + t) % self.slots;
        (before, if before + 1 == self.slots { 0 } else { before + 1 })
    }
}

impl Group {
    /// One slot of this group in an array that has `slots` of them, with `width` elements a row.
    #[inline(always)]
    pub(super) fn slot(self, slots: usize, slot: usize, width: usize) -> Range<usize> {
        let start = (self.first * slots + self.rows * slot) * width;
        start..start + self.rows * width
    }

    /// All slots of this group.
    #[inline(always)]
    pub(super) fn history(self, slots: usize, width: usize) -> Range<usize> {
        let start = self.first * slots * width;
        start..start + self.rows * slots * width
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
        let [h, x] = &mut self.by_gate;
        View {
            dims,
            extent,
            by_gate: [h, x],
            z: &mut self.z,
            x: &mut self.x,
            h: &mut self.h,
            c: &mut self.c,
            a: &mut self.a,
            gates: &mut self.gates,
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

    /// Steps of a group in the window: those of its first row.
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

/// The part of a workspace that holds some groups; `dims.batch` counts their rows.
#[derive(Debug)]
pub(crate) struct View<'a, T> {
    pub(super) dims: Dims,
    pub(super) extent: Extent<'a, T>,
    /// See [`Workspace`]; empty without dropout.
    pub(super) by_gate: [&'a mut [T]; 2],
    pub(super) z: &'a mut [T],
    pub(super) x: &'a mut [T],
    pub(super) h: &'a mut [T],
    pub(super) c: &'a mut [T],
    pub(super) a: &'a mut [T],
    pub(super) gates: &'a mut [T],
    pub(super) dh: &'a mut [T],
    pub(super) dc: &'a mut [T],
    pub(super) dy: &'a mut [T],
}

impl<T> View<'_, T> {
    /// Steps of a group in the window: those of its first row.
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

    /// The first `rows` rows, whole groups, and the others.
    pub(super) fn split(self, rows: usize) -> (Self, Self) {
        let batch = self.dims.batch;
        let cut = |array| split_rows(array, batch, rows);
        let (x, x_rest) = cut(self.x);
        let (h, h_rest) = cut(self.h);
        let (c, c_rest) = cut(self.c);
        let (a, a_rest) = cut(self.a);
        let (gates, gates_rest) = cut(self.gates);
        let (dh, dh_rest) = cut(self.dh);
        let (dc, dc_rest) = cut(self.dc);
        let (dy, dy_rest) = cut(self.dy);
        let (extent, extent_rest) = self.extent.split(batch, rows);
        let [h_in, x_in] = self.by_gate;
        let (h_in, h_in_rest) = cut(h_in);
        let (x_in, x_in_rest) = cut(x_in);
        let (z, z_rest) = cut(self.z);
        let dims = Dims { batch: rows, ..self.dims };
        let rest = Dims { batch: batch - rows, ..self.dims };
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
