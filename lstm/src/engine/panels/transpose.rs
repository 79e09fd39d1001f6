//! Between arrays of rows, batch first, and panels, `[column][lanes]`: squares of as many numbers as a
//! vector has lanes are transposed in registers.

use std::ops::Range;

use kernels::simd::{Float, Kernel, Simd, V, Vector};

use super::View;
use crate::engine::workspace::{Dims, Group};

/// Steps that are transposed at a time: whole squares of `lanes` numbers, if they are not many. Two at least,
/// as a ring of states has.
pub(in crate::engine) fn steps_at_a_time(units: usize, lanes: usize) -> usize {
    /// Numbers of a row: the states of all groups should stay in the cache from step to step.
    const MOST: usize = 64;

    let squares = lanes >> units.trailing_zeros().min(lanes.trailing_zeros());
    squares.clamp(2, (MOST / units.max(1)).max(2))
}

/// Calls `$function::<S, T, LANES>`: a vector of `T` on `S` has so many lanes.
macro_rules! by_lanes {
    ($function:ident::<$S:ty, $T:ty>($($argument:expr),*)) => {
        match V::<$S, $T>::LANES {
            16 => $function::<$S, $T, 16>($($argument),*),
            8 => $function::<$S, $T, 8>($($argument),*),
            4 => $function::<$S, $T, 4>($($argument),*),
            _ => $function::<$S, $T, 2>($($argument),*),
        }
    };
}
pub(super) use by_lanes;

/// Some columns of the rows of `group`, from an array of rows of this length to panels.
#[inline(always)]
pub(super) fn read<S: Simd, T: Float>(
    simd: S,
    (array, length): (&[T], usize),
    group: Group,
    columns: Range<usize>,
    (panels, padding): (&mut [T], Padding),
) {
    let to = (panels, padding);
    by_lanes!(read_squares::<S, T>(simd, (array, length), group, columns, to));
}

#[inline(always)]
fn read_squares<S: Simd, T: Float, const L: usize>(
    simd: S,
    (array, length): (&[T], usize),
    group: Group,
    columns: Range<usize>,
    (panels, padding): (&mut [T], Padding),
) {
    if L != V::<S, T>::LANES {
        return; // another instruction set's: the compiler drops it
    }
    let rows = array.len() / length.max(1);
    for (start, out) in columns.clone().step_by(L).zip(panels.chunks_mut(L * L)) {
        let count = L.min(columns.end - start);
        let mut square = [V::<S, T>::splat(simd, T::ZERO); L];
        for (lane, numbers) in square.iter_mut().enumerate() {
            let row = match (group.first + lane, padding) {
                (row, _) if row < rows => row,
                (_, Padding::LastRow) => rows - 1,
                (_, Padding::Zeros) => break,
            };
            *numbers = V::<S, T>::load(simd, &array[row * length + start..][..count]);
        }
        let square = V::<S, T>::transpose(square);
        for (numbers, out) in square.iter().zip(out.chunks_exact_mut(L)) {
            numbers.store(out);
        }
    }
}

/// Some columns of the rows of `group`, from panels to an array of rows of this length; lanes past the
/// last row are dropped.
#[inline(always)]
pub(super) fn write<S: Simd, T: Float>(
    simd: S,
    panels: &[T],
    group: Group,
    (array, length): (&mut [T], usize),
    columns: Range<usize>,
) {
    by_lanes!(write_squares::<S, T>(simd, panels, group, (array, length), columns));
}

#[inline(always)]
fn write_squares<S: Simd, T: Float, const L: usize>(
    simd: S,
    panels: &[T],
    group: Group,
    (array, length): (&mut [T], usize),
    columns: Range<usize>,
) {
    if L != V::<S, T>::LANES {
        return; // another instruction set's: the compiler drops it
    }
    let rows = array.len() / length.max(1);
    let rows = group.first..rows.min(group.first + L);
    for (start, from) in columns.clone().step_by(L).zip(panels.chunks(L * L)) {
        let count = L.min(columns.end - start);
        // Parts of vectors take several stores, or slow ones.
        if count <= L / 2 {
            write_panel(from, group, (array, length), start..start + count);
            continue;
        }
        let mut square = [V::<S, T>::splat(simd, T::ZERO); L];
        for (column, numbers) in square.iter_mut().enumerate() {
            *numbers = V::<S, T>::load(simd, &from[from.len().min(column * L)..]);
        }
        let square = V::<S, T>::transpose(square);
        for (row, numbers) in rows.clone().zip(&square) {
            numbers.store(&mut array[row * length + start..][..count]);
        }
    }
}

/// What lanes past the last row of the batch hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Padding {
    /// What the last row has: inputs and states.
    LastRow,
    /// Zeros: gradients.
    Zeros,
}

/// The rows of `group`, from an array of rows of this length to a panel `[length][lanes]`, number by number:
/// for what is read once in a call.
#[inline(always)]
pub(in crate::engine) fn read_panel<T: Float>(
    (array, length): (&[T], usize),
    group: Group,
    (panel, padding): (&mut [T], Padding),
) {
    let lanes = group.rows;
    let last = array.len() / length - 1;
    for (lane, row) in (group.first..group.first + lanes).enumerate() {
        if row > last && padding == Padding::Zeros {
            panel.chunks_exact_mut(lanes).for_each(|out| out[lane] = T::ZERO);
            continue;
        }
        let row = &array[row.min(last) * length..][..length];
        for (out, &x) in panel.chunks_exact_mut(lanes).zip(row) {
            out[lane] = x;
        }
    }
}

/// What `write` does, number by number.
#[inline(always)]
pub(in crate::engine) fn write_panel<T: Float>(
    panel: &[T],
    group: Group,
    (array, length): (&mut [T], usize),
    columns: Range<usize>,
) {
    let lanes = group.rows;
    let rows = array.len() / length.max(1);
    for (lane, row) in (group.first..rows.min(group.first + lanes)).enumerate() {
        let row = &mut array[row * length..][columns.clone()];
        for (out, panel) in row.iter_mut().zip(panel.chunks_exact(lanes)) {
            *out = panel[lane];
        }
    }
}

/// Copies the input of the rows of `view`, and its steps, to where forward reads it.
pub(in crate::engine) struct ReadInput<'a, 'v, T> {
    pub(in crate::engine) view: &'a mut View<'v, T>,
    /// `[rows, steps, inputs]`
    pub(in crate::engine) x: &'a [T],
    /// Its last step first.
    pub(in crate::engine) reversed: bool,
}

impl<T: Float> Kernel for ReadInput<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let ReadInput { view, x, reversed } = self;
        let Dims { steps, start, total, inputs, .. } = view.dims;
        // Steps follow each other, as they do in a row, unless their order is reversed.
        let length = if reversed { inputs } else { steps * inputs };
        let panels = (length * V::<S, T>::LANES).max(1);
        for group in view.dims.groups() {
            let out = &mut view.x[group.lines(steps * inputs)];
            for (piece, out) in out.chunks_exact_mut(panels).enumerate() {
                let from = if reversed { total - 1 - (start + piece) } else { start } * inputs;
                let to = (out, Padding::LastRow);
                read(simd, (x, total * inputs), group, from..from + length, to);
            }
        }
    }
}
