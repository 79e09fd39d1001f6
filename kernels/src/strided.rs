//! Pieces of a slice at equal distances.

use core::marker::PhantomData;
use core::slice::from_raw_parts_mut;

/// `count` pieces of `len` elements, `stride` elements from one to the next. That all are there is
/// checked once: checks of each of them were a quarter of the instructions of a product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strided<'a, T> {
    /// Holds the last piece, and so all of them.
    elements: &'a [T],
    stride: usize,
    len: usize,
    count: usize,
}

#[allow(unsafe_code, reason = "pieces, checked all at once")]
impl<'a, T> Strided<'a, T> {
    /// The first piece starts with the first element.
    ///
    /// # Panics
    ///
    /// If there are not enough elements.
    #[inline(always)]
    pub(crate) fn new(elements: &'a [T], count: usize, stride: usize, len: usize) -> Self {
        let span = match count {
            0 => Some(0),
            _ => (count - 1).checked_mul(stride).and_then(|last| last.checked_add(len)),
        };
        assert!(span.is_some_and(|span| span <= elements.len()), "pieces of a slice");
        Strided { elements, stride, len, count }
    }

    /// How many pieces.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Elements of a piece.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// `N` pieces that follow each other, from one on.
    ///
    /// # Panics
    ///
    /// If there are not as many.
    #[inline(always)]
    pub(crate) fn from<const N: usize>(self, first: usize) -> [&'a [T]; N] {
        assert!(N <= self.count && first <= self.count - N, "pieces from one on");
        let mut pieces = [&[][..]; N];
        for (n, piece) in pieces.iter_mut().enumerate() {
            let start = (first + n) * self.stride;
            // SAFETY: one of `count`, of which `new` has checked that the last one lies within the slice.
            *piece = unsafe { self.elements.get_unchecked(start..start + self.len) };
        }
        pieces
    }

    /// Run `i` of `N` pieces that follow each other.
    ///
    /// # Panics
    ///
    /// If there are not as many.
    #[inline(always)]
    pub(crate) fn run<const N: usize>(self, i: usize) -> [&'a [T]; N] {
        assert!(i < self.count / N, "a run of pieces");
        let mut run = [&[][..]; N];
        for (n, piece) in run.iter_mut().enumerate() {
            let start = (i * N + n) * self.stride;
            // SAFETY: `i < count / N`, so this piece, number `i N + n`, is one of `count`, of which `new` has
            // checked that the last one lies within the slice.
            *piece = unsafe { self.elements.get_unchecked(start..start + self.len) };
        }
        run
    }
}

/// `count` pieces of `len` elements that may be written, `stride` elements from one to the next.
#[derive(Debug)]
pub(crate) struct StridedMut<'a, T> {
    start: *mut T,
    stride: usize,
    len: usize,
    count: usize,
    memory: PhantomData<&'a mut [T]>,
}

#[allow(unsafe_code, reason = "pieces, checked all at once")]
impl<'a, T> StridedMut<'a, T> {
    /// # Safety
    ///
    /// For `'a` the pieces are borrowed mutably, and no two share an element.
    #[inline(always)]
    pub(crate) unsafe fn new(start: *mut T, count: usize, stride: usize, len: usize) -> Self {
        StridedMut { start, stride, len, count, memory: PhantomData }
    }

    /// `N` pieces that follow each other, from one on.
    ///
    /// # Panics
    ///
    /// If there are not as many.
    #[inline(always)]
    pub(crate) fn from<const N: usize>(&mut self, first: usize) -> [&mut [T]; N] {
        StridedMut { memory: PhantomData, ..*self }.into_pieces(first)
    }

    /// The same, for as long as all of them were borrowed.
    #[inline(always)]
    pub(crate) fn into_pieces<const N: usize>(self, first: usize) -> [&'a mut [T]; N] {
        assert!(N <= self.count && first <= self.count - N, "pieces from one on");
        core::array::from_fn(|n| {
            // SAFETY: one of `count`, which by the contract of `new` are borrowed and share nothing.
            unsafe { from_raw_parts_mut(self.start.add((first + n) * self.stride), self.len) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_where_they_are_said_to_be() {
        let elements: Vec<usize> = (0..11).collect();
        let pieces = Strided::new(&elements, 3, 4, 3);
        assert_eq!([0, 1, 2].map(|i| pieces.run::<1>(i)), [[[0, 1, 2]], [[4, 5, 6]], [[8, 9, 10]]]);
        assert_eq!(pieces.run::<2>(0), [[0, 1, 2], [4, 5, 6]]);
        assert_eq!(Strided::new(&elements, 0, usize::MAX, usize::MAX).count, 0);
        assert_eq!(Strided::new(&[(); 3], 3, 1, 1).run::<3>(0), [[()]; 3]);
        assert_eq!(Strided::new(&elements, 5, 0, 11).run::<2>(1), [&elements, &elements]);
    }

    #[test]
    fn pieces_may_be_written_where_they_are_said_to_be() {
        let mut elements = [0; 11];
        // SAFETY: three pieces of three elements lie within eleven, and share none.
        #[allow(unsafe_code, reason = "the contract of `new`")]
        let mut pieces = unsafe { StridedMut::new(elements.as_mut_ptr(), 3, 4, 3) };
        for (value, first) in [(1, 0), (2, 1)] {
            pieces.from::<2>(first).into_iter().for_each(|piece| piece.fill(value));
        }
        let [last] = pieces.into_pieces::<1>(2);
        last[2] = 3;
        assert_eq!(elements, [1, 1, 1, 0, 2, 2, 2, 0, 2, 2, 3]);
    }

    #[test]
    #[should_panic(expected = "pieces from one on")]
    fn nor_is_there_one_to_write_beyond_the_last() {
        let mut elements = [0; 11];
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "the contract of `new`")]
        let pieces = unsafe { StridedMut::new(elements.as_mut_ptr(), 3, 4, 3) };
        pieces.into_pieces::<2>(2);
    }

    #[test]
    #[should_panic(expected = "pieces from one on")]
    fn there_is_none_beyond_the_last() {
        Strided::new(&[0; 11], 3, 4, 3).from::<2>(2);
    }

    #[test]
    #[should_panic(expected = "pieces of a slice")]
    fn the_last_piece_has_to_be_there() {
        Strided::new(&[0; 10], 3, 4, 3);
    }

    #[test]
    #[should_panic(expected = "pieces of a slice")]
    fn a_span_may_be_too_large_to_be_counted() {
        Strided::new(&[0; 10], 3, usize::MAX / 2 + 1, 1);
    }

    #[test]
    #[should_panic(expected = "a run of pieces")]
    fn there_are_no_more_than_were_checked() {
        Strided::new(&[0; 100], 3, 4, 3).run::<2>(1);
    }
}
