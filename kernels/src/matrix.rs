//! Matrices as views of slices: a transpose is a swap of strides and copies nothing.

use core::ops::Range;

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

impl<'a, T: Copy> MatRef<'a, T> {
    /// A row-major matrix: `data` holds one row after another.
    ///
    /// # Panics
    ///
    /// If `data` does not hold `rows * cols` elements.
    #[track_caller]
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        let whole = rows.checked_mul(cols) == Some(data.len());
        assert!(whole, "a {rows}×{cols} matrix of {} elements", data.len());
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

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Element `(i, j)`.
    #[inline(always)]
    pub fn at(&self, i: usize, j: usize) -> T {
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
}

/// A writable `rows × cols` view; element `(i, j)` lies at `i * row_stride + j * col_stride`.
#[derive(Debug)]
pub struct MatMut<'a, T> {
    data: &'a mut [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T: Copy> MatMut<'a, T> {
    /// A row-major matrix: `data` holds one row after another.
    ///
    /// # Panics
    ///
    /// If `data` does not hold `rows * cols` elements.
    #[track_caller]
    pub fn new(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        let whole = rows.checked_mul(cols) == Some(data.len());
        assert!(whole, "a {rows}×{cols} matrix of {} elements", data.len());
        MatMut { data, rows, cols, row_stride: cols, col_stride: 1 }
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
            "elements of a {rows}×{cols} matrix with strides {row_stride} and {col_stride} overlap"
        );
        MatMut { data, rows, cols, row_stride, col_stride }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        MatMut {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
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

    /// Element `(i, j)`.
    #[inline(always)]
    pub fn at(&self, i: usize, j: usize) -> T {
        self.data[i * self.row_stride + j * self.col_stride]
    }

    /// Writes element `(i, j)`.
    #[inline(always)]
    pub fn set(&mut self, i: usize, j: usize, x: T) {
        self.data[i * self.row_stride + j * self.col_stride] = x;
    }

    /// Part of row `i` as a slice, where neighbours in a row are neighbours in memory.
    #[inline(always)]
    pub(crate) fn row(&mut self, i: usize, cols: Range<usize>) -> Option<&mut [T]> {
        if self.col_stride != 1 || cols.is_empty() {
            return None;
        }
        let start = i * self.row_stride;
        Some(&mut self.data[start + cols.start..start + cols.end])
    }

    /// Copies the columns `cols` of the rows from `first` on, one into each of `rows`.
    pub(crate) fn gather<const N: usize>(
        &self,
        first: usize,
        cols: Range<usize>,
        rows: &mut [[T; N]],
    ) {
        for (i, row) in rows.iter_mut().enumerate() {
            for (x, j) in row.iter_mut().zip(cols.clone()) {
                *x = self.at(first + i, j);
            }
        }
    }

    /// Writes what [`gather`](Self::gather) reads.
    pub(crate) fn scatter<const N: usize>(
        &mut self,
        first: usize,
        cols: Range<usize>,
        rows: &[[T; N]],
    ) {
        for (i, row) in rows.iter().enumerate() {
            for (&x, j) in row.iter().zip(cols.clone()) {
                self.set(first + i, j, x);
            }
        }
    }

    /// The same view for a shorter time.
    pub(crate) fn reborrow(&mut self) -> MatMut<'_, T> {
        MatMut {
            data: self.data,
            rows: self.rows,
            cols: self.cols,
            row_stride: self.row_stride,
            col_stride: self.col_stride,
        }
    }

    /// Whether [`split_rows`](Self::split_rows) can cut between any two rows.
    pub(crate) fn rows_are_apart(&self) -> bool {
        self.rows <= 1 || self.cols == 0 || (self.cols - 1) * self.col_stride < self.row_stride
    }

    /// Whether [`split_cols`](Self::split_cols) can cut between any two columns.
    pub(crate) fn cols_are_apart(&self) -> bool {
        self.cols <= 1 || self.rows == 0 || (self.rows - 1) * self.row_stride < self.col_stride
    }

    /// The rows before `i` and those from `i` on.
    pub(crate) fn split_rows(self, i: usize) -> (Self, Self) {
        let (rows, cols) = (self.rows, self.cols);
        let (row_stride, col_stride) = (self.row_stride, self.col_stride);
        let cut = (i * row_stride).min(self.data.len());
        let (above, below) = self.data.split_at_mut(cut);
        let part = |data, rows| MatMut { data, rows, cols, row_stride, col_stride };
        (part(above, i), part(below, rows - i))
    }

    /// The columns before `j` and those from `j` on.
    pub(crate) fn split_cols(self, j: usize) -> (Self, Self) {
        let (left, right) = self.t().split_rows(j);
        (left.t(), right.t())
    }

    /// Copies the elements of a matrix of the same size.
    pub(crate) fn copy_from(&mut self, other: &MatMut<T>) {
        for i in 0..self.rows {
            for j in 0..self.cols {
                self.set(i, j, other.at(i, j));
            }
        }
    }
}
