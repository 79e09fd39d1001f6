//! Matrices as views of slices: a transpose is a swap of strides and copies nothing.

use core::marker::PhantomData;
use core::ops::Range;

use crate::strided::{Strided, StridedMut};

/// A read-only `rows × cols` view; element `(i, j)` lies at `i * row_stride + j * col_stride`.
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

/// Elements a view of this form spans, from its first to its last; none where they are too many to
/// count.
fn span(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Option<usize> {
    if rows == 0 || cols == 0 {
        return Some(0);
    }
    let down = (rows - 1).checked_mul(row_stride)?;
    let across = (cols - 1).checked_mul(col_stride)?;
    down.checked_add(across)?.checked_add(1)
}

/// The span, in memory for `len` elements.
#[track_caller]
fn span_within(
    len: usize,
    (rows, cols): (usize, usize),
    (row_stride, col_stride): (usize, usize),
) -> usize {
    let matrix = format_args!("a {rows}×{cols} matrix with strides {row_stride} and {col_stride}");
    match span(rows, cols, row_stride, col_stride) {
        Some(span) if span <= len => span,
        Some(span) => panic!("{matrix} spans {span} of {len} elements"),
        None => panic!("{matrix} spans more elements than there can be"),
    }
}

/// A function of its own: a message formatted in place would have sizes stored that may stay in registers.
#[cold]
#[track_caller]
fn no_matrix(rows: usize, cols: usize, len: usize) -> ! {
    panic!("a {rows}×{cols} matrix of {len} elements")
}

impl<'a, T: Copy> MatRef<'a, T> {
    /// A row-major matrix: `data` holds one row after another.
    ///
    /// # Panics
    ///
    /// If `data` does not hold `rows * cols` elements.
    #[track_caller]
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        if rows.checked_mul(cols) != Some(data.len()) {
            no_matrix(rows, cols, data.len());
        }
        MatRef { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// A view with any strides, in elements.
    ///
    /// # Panics
    ///
    /// If the last element lies outside of `data`.
    #[track_caller]
    pub fn strided(
        data: &'a [T],
        (rows, cols): (usize, usize),
        (row_stride, col_stride): (usize, usize),
    ) -> Self {
        span_within(data.len(), (rows, cols), (row_stride, col_stride));
        MatRef { data, rows, cols, row_stride, col_stride }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        MatRef {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// Some rows and columns.
    ///
    /// # Panics
    ///
    /// If the matrix does not have them.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn block(self, rows: &Range<usize>, cols: &Range<usize>) -> Self {
        let within = rows.start <= rows.end && cols.start <= cols.end;
        assert!(within && rows.end <= self.rows && cols.end <= self.cols, "within the matrix");
        let start = rows.start * self.row_stride + cols.start * self.col_stride;
        // Where the block is empty, its first element may lie past the last.
        let data = self.data.get(start..).unwrap_or(&[]);
        MatRef { data, rows: rows.len(), cols: cols.len(), ..self }
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Element `(i, j)`.
    ///
    /// # Panics
    ///
    /// If the matrix has no such element.
    #[inline(always)]
    #[track_caller]
    pub fn at(&self, i: usize, j: usize) -> T {
        let (rows, cols) = (self.rows, self.cols);
        assert!(i < rows && j < cols, "element ({i}, {j}) of a {rows}×{cols} matrix");
        self.data[i * self.row_stride + j * self.col_stride]
    }

    /// Part of row `i` as a slice, where neighbours in a row are neighbours in memory.
    #[inline(always)]
    pub(crate) fn row(&self, i: usize, cols: Range<usize>) -> Option<&'a [T]> {
        if self.col_stride != 1 || cols.is_empty() {
            return None;
        }
        let start = i * self.row_stride;
        Some(&self.data[start + cols.start..start + cols.end])
    }

    /// Its rows as slices, where neighbours in a row are neighbours in memory.
    #[inline(always)]
    pub(crate) fn pieces(&self) -> Option<Strided<'a, T>> {
        self.has_lines().then(|| Strided::new(self.data, self.rows, self.row_stride, self.cols))
    }

    /// Whether neighbours in a row are neighbours in memory.
    #[inline(always)]
    pub(crate) fn has_lines(&self) -> bool {
        self.col_stride == 1
    }

    /// The elements from `(i, j)` on and the distance of rows, where neighbours in a row are
    /// neighbours in memory.
    #[inline(always)]
    pub(crate) fn lines(&self, i: usize, j: usize) -> Option<(&'a [T], usize)> {
        let start = (i * self.row_stride + j).min(self.data.len());
        (self.col_stride == 1).then(|| (&self.data[start..], self.row_stride))
    }
}

/// A writable `rows × cols` view; element `(i, j)` lies at `i * row_stride + j * col_stride`.
///
/// Holds a pointer, not a slice, so that it can be cut between any two rows or columns: the columns
/// of a row-major matrix lie between each other.
#[derive(Debug)]
pub struct MatMut<'a, T> {
    /// Every element lies in the memory that was borrowed for `'a`, and no two share a place.
    start: *mut T,
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
    memory: PhantomData<&'a mut [T]>,
}

// SAFETY: it is a mutable borrow of its elements.
#[allow(unsafe_code, reason = "a borrow with strides")]
unsafe impl<T: Send> Send for MatMut<'_, T> {}

// SAFETY: through a shared reference it only reads them.
#[allow(unsafe_code, reason = "a borrow with strides")]
unsafe impl<T: Sync> Sync for MatMut<'_, T> {}

#[allow(unsafe_code, reason = "a borrow with strides, cut without bounds checks")]
impl<'a, T: Copy> MatMut<'a, T> {
    /// A row-major matrix: `data` holds one row after another.
    ///
    /// # Panics
    ///
    /// If `data` does not hold `rows * cols` elements.
    #[track_caller]
    pub fn new(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        if rows.checked_mul(cols) != Some(data.len()) {
            no_matrix(rows, cols, data.len());
        }
        MatMut {
            start: data.as_mut_ptr(),
            rows,
            cols,
            row_stride: cols,
            col_stride: 1,
            memory: PhantomData,
        }
    }

    /// A view with any strides, in elements.
    ///
    /// # Panics
    ///
    /// If the last element lies outside of `data`, or two elements share a place.
    #[track_caller]
    pub fn strided(
        data: &'a mut [T],
        (rows, cols): (usize, usize),
        (row_stride, col_stride): (usize, usize),
    ) -> Self {
        let span = span_within(data.len(), (rows, cols), (row_stride, col_stride));
        let apart = rows <= 1 || cols <= 1 || {
            let row_span = (cols - 1) * col_stride;
            let col_span = (rows - 1) * row_stride;
            row_span < row_stride || col_span < col_stride
        };
        let distinct = span == 0 || (rows <= 1 || row_stride > 0) && (cols <= 1 || col_stride > 0);
        assert!(
            apart && distinct,
            "elements of a {rows}×{cols} matrix with strides {row_stride} and {col_stride} may overlap"
        );
        let start = data.as_mut_ptr();
        MatMut { start, rows, cols, row_stride, col_stride, memory: PhantomData }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        MatMut {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Where element `(i, j)` lies.
    #[inline(always)]
    #[track_caller]
    fn place(&self, i: usize, j: usize) -> *mut T {
        let (rows, cols) = (self.rows, self.cols);
        assert!(i < rows && j < cols, "element ({i}, {j}) of a {rows}×{cols} matrix");
        // SAFETY: as just checked it is an element, so it lies in the borrowed memory.
        unsafe { self.start.add(i * self.row_stride + j * self.col_stride) }
    }

    /// Element `(i, j)`.
    ///
    /// # Panics
    ///
    /// If the matrix has no such element.
    #[inline(always)]
    #[track_caller]
    pub fn at(&self, i: usize, j: usize) -> T {
        // SAFETY: an element of memory borrowed by `self`.
        unsafe { *self.place(i, j) }
    }

    /// Writes element `(i, j)`.
    ///
    /// # Panics
    ///
    /// If the matrix has no such element.
    #[inline(always)]
    #[track_caller]
    pub fn set(&mut self, i: usize, j: usize, x: T) {
        // SAFETY: an element of memory that `self` has borrowed mutably.
        unsafe { *self.place(i, j) = x }
    }

    /// Whether neighbours in a row are neighbours in memory.
    #[inline(always)]
    pub(crate) fn has_lines(&self) -> bool {
        self.col_stride == 1
    }

    /// Whether neighbours in a column are neighbours in memory, and those in a row are not.
    pub(crate) fn is_column_major(&self) -> bool {
        self.row_stride == 1 && self.col_stride != 1
    }

    /// Parts of some rows, each a slice.
    ///
    /// # Panics
    ///
    /// If the matrix has no such elements, or neighbours in a row are no neighbours in memory.
    #[inline(always)]
    pub(crate) fn pieces(&mut self, rows: &Range<usize>, cols: &Range<usize>) -> StridedMut<'_, T> {
        let some = rows.start < rows.end && cols.start < cols.end;
        let within = some && rows.end <= self.rows && cols.end <= self.cols;
        assert!(within && self.has_lines(), "rows within the matrix");
        // SAFETY: as just checked all are elements, next to each other, `self` has borrowed them
        // mutably, and no two rows share a place.
        unsafe {
            let start = self.start.add(rows.start * self.row_stride + cols.start);
            StridedMut::new(start, rows.end - rows.start, self.row_stride, cols.end - cols.start)
        }
    }

    /// Copies the elements of another matrix of this size.
    pub(crate) fn copy_from(&mut self, other: &MatMut<T>) {
        assert_eq!((self.rows, self.cols), (other.rows, other.cols), "matrices of one size");
        for j in 0..self.cols {
            for i in 0..self.rows {
                let to = i * self.row_stride + j * self.col_stride;
                let from = i * other.row_stride + j * other.col_stride;
                // SAFETY: elements of either, since both are of one size: they lie in memory that `self` has
                // borrowed mutably, and `other` has, too.
                unsafe { *self.start.add(to) = *other.start.add(from) }
            }
        }
    }

    /// The same view for a shorter time.
    pub(crate) fn reborrow(&mut self) -> MatMut<'_, T> {
        MatMut { memory: PhantomData, ..*self }
    }

    /// The rows before `i` and those from `i` on.
    pub(crate) fn split_rows(self, i: usize) -> (Self, Self) {
        assert!(i <= self.rows, "a row within the matrix");
        // An empty part points nowhere beyond the memory.
        let beyond = if i < self.rows && self.cols > 0 { i * self.row_stride } else { 0 };
        // SAFETY: row `i` starts with an element of the borrowed memory, if it has any.
        let start = unsafe { self.start.add(beyond) };
        // Disjoint: no two elements share a place.
        (MatMut { rows: i, ..self }, MatMut { start, rows: self.rows - i, ..self })
    }

    /// The columns before `j` and those from `j` on.
    pub(crate) fn split_cols(self, j: usize) -> (Self, Self) {
        let (left, right) = self.t().split_rows(j);
        (left.t(), right.t())
    }
}
