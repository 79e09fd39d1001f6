//! What the rows of a batch go through, step after step, cut for threads.

use core::marker::PhantomData;
use core::ops::Range;
use core::slice::{from_raw_parts, from_raw_parts_mut};

/// Rows of a batch next to each other, all of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which group, counted from the one that the part starts in.
    pub group: usize,
    /// Its first row that is meant.
    pub first: usize,
    /// How many rows.
    pub rows: usize,
}

/// An array `[groups][slots][rows][width]` that may be cut between any two rows of the batch.
///
/// A slot holds `width` numbers for each row: those of a step of time, say. All slots of a group of rows lie
/// together, so what is summed over them is a plain matrix. The rows of a batch are dealt out to groups in
/// order, and the last group may have fewer.
///
/// Parts that are [cut](Self::split) within a group have rows in every slot of it, between those of the
/// others; each thread can own one all the same.
///
/// ```
/// use kernels::{History, Piece};
///
/// // Three rows, in groups of two; two slots of one number for each row.
/// let mut array = [0; 3 * 2];
/// let (mut left, mut right) = History::new(&mut array, (3, 2), (2, 1)).split(1);
/// left.slot_mut(Piece { group: 0, first: 0, rows: 1 }, 1).fill(1);
/// right.slot_mut(Piece { group: 0, first: 1, rows: 1 }, 1).fill(2);
/// right.slot_mut(Piece { group: 1, first: 0, rows: 1 }, 0).fill(3);
/// assert_eq!(array, [0, 0, 1, 2, 3, 0]);
/// ```
#[derive(Debug)]
pub struct History<'a, T> {
    /// The first element of the group that this part starts in. From there on all that is said below lies in
    /// the memory that was borrowed for `'a`.
    start: *mut T,
    /// Rows from there to the end of the batch.
    batch: usize,
    /// Rows of a group; the last of the batch may have fewer.
    group: usize,
    slots: usize,
    width: usize,
    /// Those of the rows that this part has, and no other.
    rows: Range<usize>,
    memory: PhantomData<&'a mut [T]>,
}

// SAFETY: it is a mutable borrow of its elements.
#[allow(unsafe_code, reason = "a borrow with gaps")]
unsafe impl<T: Send> Send for History<'_, T> {}

// SAFETY: through a shared reference it only reads them.
#[allow(unsafe_code, reason = "a borrow with gaps")]
unsafe impl<T: Sync> Sync for History<'_, T> {}

#[allow(unsafe_code, reason = "a borrow with gaps, cut between rows")]
impl<'a, T> History<'a, T> {
    /// All of an array, of `batch` rows in groups of `group`, each with `slots` times `width` elements.
    ///
    /// # Panics
    ///
    /// If groups have no rows, or the array has another size.
    #[track_caller]
    pub fn new(
        array: &'a mut [T],
        (batch, group): (usize, usize),
        (slots, width): (usize, usize),
    ) -> Self {
        let len = batch.checked_mul(slots).and_then(|slots| slots.checked_mul(width));
        assert!(group > 0 && len == Some(array.len()), "a history of the size of its array");
        let start = array.as_mut_ptr();
        History { start, batch, group, slots, width, rows: 0..batch, memory: PhantomData }
    }

    /// The first rows of this part, so many, and the others.
    ///
    /// # Panics
    ///
    /// If it has not as many.
    #[track_caller]
    pub fn split(self, rows: usize) -> (Self, Self) {
        let Range { start, end } = self.rows;
        assert!(rows <= end - start, "rows of a part");
        let cut = start + rows;
        // The second part starts in another group, maybe.
        let base = (cut / self.group * self.group).min(self.batch);
        // SAFETY: `base` rows of `slots * width` elements are no more than the array has from `start` on.
        let second = unsafe { self.start.add(base * self.slots * self.width) };
        let (batch, others) = (self.batch - base, cut - base..end - base);
        // Their rows are different ones, and no two rows share an element.
        (
            History { rows: start..cut, ..self },
            History { start: second, batch, rows: others, ..self },
        )
    }

    /// All elements, in order.
    ///
    /// # Panics
    ///
    /// If this part has not all rows of all of its groups.
    #[track_caller]
    pub fn into_slice(self) -> &'a mut [T] {
        let Range { start, end } = self.rows;
        if start == end {
            return &mut [];
        }
        let whole = start == 0 && (end == self.batch || end.is_multiple_of(self.group));
        assert!(whole, "whole groups");
        // SAFETY: the first groups, whose rows are those of this part, which are borrowed mutably for `'a`.
        unsafe { from_raw_parts_mut(self.start, end * self.slots * self.width) }
    }

    /// The same for a shorter time.
    pub fn reborrow(&mut self) -> History<'_, T> {
        History { rows: self.rows.clone(), memory: PhantomData, ..*self }
    }

    /// Where the slots of a piece are, having checked that it is of this part.
    #[inline(always)]
    #[track_caller]
    fn slots(&self, Piece { group, first, rows }: Piece) -> Slots {
        let (before, in_memory) = self.group_at(group);
        let there = first <= in_memory
            && rows <= in_memory - first
            && self.rows.start <= before + first
            && before + first + rows <= self.rows.end;
        assert!(there, "rows of this part");
        // No overflow: the array has more elements than that.
        Slots {
            start: (before * self.slots + first) * self.width,
            stride: in_memory * self.width,
            len: rows * self.width,
            count: self.slots,
        }
    }

    /// How many rows come before a group, and how many it has.
    #[inline(always)]
    #[track_caller]
    fn group_at(&self, group: usize) -> (usize, usize) {
        let before = group.checked_mul(self.group).filter(|&before| before <= self.batch);
        let Some(before) = before else { no_group() };
        (before, self.group.min(self.batch - before))
    }

    /// A slot of some rows, `[rows][width]`.
    ///
    /// # Panics
    ///
    /// If this part has not all of them, or there is no such slot.
    #[inline(always)]
    #[track_caller]
    pub fn slot(&self, piece: Piece, slot: usize) -> &[T] {
        let slots = self.slots(piece);
        // SAFETY: as `slots` has checked, elements of the rows of this part.
        unsafe { from_raw_parts(self.start.add(slots.at(slot)), slots.len) }
    }

    /// The same, to write to.
    ///
    /// # Panics
    ///
    /// As there.
    #[inline(always)]
    #[track_caller]
    pub fn slot_mut(&mut self, piece: Piece, slot: usize) -> &mut [T] {
        let slots = self.slots(piece);
        // SAFETY: as `slots` has checked, elements of the rows of this part, which `self` has borrowed mutably.
        unsafe { from_raw_parts_mut(self.start.add(slots.at(slot)), slots.len) }
    }

    /// Two slots of some rows, one to read and another one to write to.
    ///
    /// # Panics
    ///
    /// As there, and if they are the same.
    #[inline(always)]
    #[track_caller]
    pub fn read_and_write(&mut self, piece: Piece, read: usize, write: usize) -> (&[T], &mut [T]) {
        let slots = self.slots(piece);
        let (from, to) = (slots.at(read), slots.at(write));
        assert!(read != write, "one slot to read and another one to write to");
        // SAFETY: as `slots` has checked, elements of the rows of this part, which `self` has borrowed mutably;
        // two slots share none.
        unsafe {
            let (from, to) = (self.start.add(from), self.start.add(to));
            (from_raw_parts(from, slots.len), from_raw_parts_mut(to, slots.len))
        }
    }

    /// All slots of a group, `[slots][rows][width]`.
    ///
    /// # Panics
    ///
    /// If this part has not all of its rows.
    #[inline(always)]
    #[track_caller]
    pub fn group(&self, group: usize) -> &[T] {
        let (at, len) = self.whole(group);
        // SAFETY: as `whole` has checked, elements of the rows of this part.
        unsafe { from_raw_parts(self.start.add(at), len) }
    }

    /// The same, to write to.
    ///
    /// # Panics
    ///
    /// As there.
    #[inline(always)]
    #[track_caller]
    pub fn group_mut(&mut self, group: usize) -> &mut [T] {
        let (at, len) = self.whole(group);
        // SAFETY: as `whole` has checked, elements of the rows of this part, which `self` has borrowed mutably.
        unsafe { from_raw_parts_mut(self.start.add(at), len) }
    }

    /// How many elements come before those of a group, and how many they are.
    #[inline(always)]
    #[track_caller]
    fn whole(&self, group: usize) -> (usize, usize) {
        let (before, rows) = self.group_at(group);
        let there = self.rows.start <= before && before + rows <= self.rows.end;
        assert!(there, "all rows of a group");
        (before * self.slots * self.width, rows * self.slots * self.width)
    }
}

/// Where the rows of a piece are in each slot.
struct Slots {
    /// Elements before those of the first.
    start: usize,
    /// From one to the next.
    stride: usize,
    /// Elements in each.
    len: usize,
    count: usize,
}

impl Slots {
    /// Elements before those of a slot.
    #[inline(always)]
    #[track_caller]
    fn at(&self, slot: usize) -> usize {
        assert!(slot < self.count, "a slot of those there are");
        self.start + self.stride * slot
    }
}

/// A function of its own: a message formatted in place would have sizes stored that may stay in registers.
#[cold]
#[track_caller]
fn no_group() -> ! {
    panic!("a group of this part")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every element once, with each number of rows cut off, and what is cut off of the others.
    #[test]
    fn parts_have_their_rows_and_no_other() {
        let (batch, group, slots, width) = (11, 4, 3, 2);
        let mut array = vec![0; batch * slots * width];
        // The number of each element: row, slot and column.
        let number = |row: usize, slot: usize, column| (row * slots + slot) * width + column;
        let fill = |mut part: History<usize>, first: usize, rows: usize| {
            for row in first..first + rows {
                let piece =
                    Piece { group: row / group - first / group, first: row % group, rows: 1 };
                for slot in 0..slots {
                    let elements = part.slot_mut(piece, slot);
                    assert_eq!(elements.len(), width);
                    for (column, x) in elements.iter_mut().enumerate() {
                        *x = number(row, slot, column);
                    }
                }
            }
        };
        for first in 0..=batch {
            for second in first..=batch {
                array.fill(0);
                let all = History::new(&mut array, (batch, group), (slots, width));
                let (left, rest) = all.split(first);
                let (middle, right) = rest.split(second - first);
                fill(left, 0, first);
                fill(middle, first, second - first);
                fill(right, second, batch - second);
                let mut expected = Vec::new();
                for of_group in [0..4, 4..8, 8..11] {
                    for slot in 0..slots {
                        for row in of_group.clone() {
                            expected.extend((0..width).map(|column| number(row, slot, column)));
                        }
                    }
                }
                assert_eq!(array, expected, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_slot_has_the_rows_of_a_piece_next_to_each_other() {
        let mut array: Vec<usize> = (0..7 * 2 * 3).collect();
        let mut history = History::new(&mut array, (7, 5), (2, 3));
        let piece = Piece { group: 0, first: 2, rows: 2 };
        assert_eq!(history.slot(piece, 1), [21, 22, 23, 24, 25, 26]);
        let last = Piece { group: 1, first: 1, rows: 1 };
        let (read, write) = history.read_and_write(last, 1, 0);
        assert_eq!((read, &*write), (&[39, 40, 41][..], &[33, 34, 35][..]));
        assert_eq!(history.group(1), (30..42).collect::<Vec<_>>());
        assert_eq!(history.group_mut(0).len(), 30);
        assert_eq!(history.reborrow().split(5).1.into_slice(), (30..42).collect::<Vec<_>>());
        assert!(history.reborrow().slot(Piece { group: 1, first: 2, rows: 0 }, 0).is_empty());
    }

    #[test]
    fn what_has_no_elements_can_be_cut_too() {
        for (batch, slots, width) in [(0, 3, 2), (5, 0, 2), (5, 3, 0)] {
            let mut array = [0u8; 0];
            let mut history = History::new(&mut array, (batch, 2), (slots, width));
            for first in 0..=batch {
                let (left, right) = history.reborrow().split(first);
                for (mut part, rows) in [(left, 0..first), (right, first..batch)] {
                    for row in rows.clone() {
                        let group = row / 2 - rows.start / 2;
                        let piece = Piece { group, first: row % 2, rows: 1 };
                        for slot in 0..slots {
                            assert!(part.slot_mut(piece, slot).is_empty());
                        }
                    }
                }
            }
            assert!(history.into_slice().is_empty());
        }
        // Nothing is left behind a last group that is short, nor before the first.
        let mut array = [0u8; 5];
        let mut history = History::new(&mut array, (5, 2), (1, 1));
        assert!(history.reborrow().split(5).1.into_slice().is_empty());
        assert!(history.reborrow().split(0).0.into_slice().is_empty());
        assert_eq!(history.split(0).1.into_slice().len(), 5);
    }

    /// What would reach into a neighbour, and numbers so large that they come round.
    #[test]
    fn what_is_not_of_a_part_is_refused() {
        let refused = |ask: &dyn Fn(History<i32>)| {
            let mut array = [0; 24];
            let (_, part) = History::new(&mut array, (6, 4), (4, 1)).split(1);
            let (part, _) = part.split(4);
            let ask = std::panic::AssertUnwindSafe(|| ask(part));
            assert!(std::panic::catch_unwind(ask).is_err());
        };
        let most = usize::MAX;
        for (group, first, rows, slot) in [
            (0, 0, 1, 0),
            (0, 1, 4, 0),
            (0, 1, 3, 4),
            (0, 4, 1, 0),
            (1, 0, 2, 0),
            (1, 1, 1, 0),
            (2, 0, 0, 0),
            (most / 4 + 1, 1, 1, 0),
            (most, 0, 1, 0),
            (0, most, 2, 0),
            (0, 1, most, 0),
            (0, 1, 1, most),
        ] {
            let piece = Piece { group, first, rows };
            refused(&|part| {
                part.slot(piece, slot);
            });
            refused(&|mut part| {
                part.slot_mut(piece, slot);
            });
            refused(&|mut part| {
                part.read_and_write(piece, slot, slot.wrapping_add(1));
            });
        }
        for group in [0, 1, 2, most] {
            refused(&|part| {
                part.group(group);
            });
            refused(&|mut part| {
                part.group_mut(group);
            });
        }
        refused(&|mut part| {
            part.read_and_write(Piece { group: 0, first: 1, rows: 1 }, 2, 2);
        });
        refused(&|part| {
            part.split(5);
        });
        refused(&|part| {
            part.into_slice();
        });
    }

    #[test]
    #[should_panic(expected = "of the size of its array")]
    fn an_array_has_the_size_that_is_said() {
        History::new(&mut [0; 5], (usize::MAX, 1), (usize::MAX, 1));
    }
}
