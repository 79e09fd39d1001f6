//! Matrices in every layout, and how near to its definition a product must come.

use std::fmt::Display;

use kernels::gemm::Blocking;
use kernels::{Isa, MatMut, MatRef, reference};

use crate::common::{Scalar, noise};

/// Which neighbours in a matrix are near in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Order {
    Rows,
    Columns,
}

/// How a matrix lies in memory: its order, and elements left out after each element and each line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout(pub(crate) Order, pub(crate) usize, pub(crate) usize);

pub(crate) const ROWS: Layout = Layout(Order::Rows, 0, 0);
pub(crate) const COLUMNS: Layout = Layout(Order::Columns, 0, 0);

impl Layout {
    /// Row stride and column stride.
    pub(crate) fn strides(self, (rows, cols): (usize, usize)) -> (usize, usize) {
        let Layout(order, element_gap, line_gap) = self;
        let near = 1 + element_gap;
        match order {
            Order::Rows => (cols * near + line_gap, near),
            Order::Columns => (near, rows * near + line_gap),
        }
    }
}

/// Either order for each of A, B and C; every second one with gaps.
pub(crate) const LAYOUTS: [[Layout; 3]; 8] = [
    [ROWS, ROWS, ROWS],
    [Layout(Order::Columns, 0, 1), Layout(Order::Rows, 0, 3), Layout(Order::Rows, 0, 2)],
    [ROWS, COLUMNS, ROWS],
    [Layout(Order::Columns, 1, 0), Layout(Order::Columns, 2, 1), Layout(Order::Rows, 1, 1)],
    [ROWS, ROWS, COLUMNS],
    [COLUMNS, ROWS, COLUMNS],
    [Layout(Order::Rows, 0, 5), Layout(Order::Columns, 0, 4), Layout(Order::Columns, 0, 3)],
    [Layout(Order::Columns, 0, 2), COLUMNS, Layout(Order::Columns, 2, 0)],
];

/// A matrix that owns its memory. What lies in its gaps is NaN, and stays what it is.
#[derive(Clone, Debug)]
pub(crate) struct Matrix<T> {
    data: Vec<T>,
    size: (usize, usize),
    strides: (usize, usize),
}

impl<T: Scalar> Matrix<T> {
    /// The matrix with these rows, one after another.
    pub(crate) fn new(layout: Layout, (rows, cols): (usize, usize), elements: &[T]) -> Self {
        let strides = layout.strides((rows, cols));
        let len = rows * strides.0 + cols * strides.1 + 1;
        let mut matrix = Matrix { data: vec![T::NAN; len], size: (rows, cols), strides };
        let mut view = matrix.view_mut();
        for (at, &x) in elements.iter().enumerate() {
            view.set(at / cols, at % cols, x);
        }
        matrix
    }

    pub(crate) fn noise(layout: Layout, (rows, cols): (usize, usize), seed: u64) -> Self {
        Matrix::new(layout, (rows, cols), &noise(seed, rows * cols))
    }

    pub(crate) fn view(&self) -> MatRef<'_, T> {
        MatRef::strided(&self.data, self.size, self.strides)
    }

    pub(crate) fn view_mut(&mut self) -> MatMut<'_, T> {
        MatMut::strided(&mut self.data, self.size, self.strides)
    }

    /// Memory, row stride and column stride.
    pub(crate) fn parts(&mut self) -> (&mut [T], isize, isize) {
        (&mut self.data, self.strides.0 as isize, self.strides.1 as isize)
    }

    /// The rows, one after another.
    pub(crate) fn elements(&self) -> Vec<T> {
        let (view, (rows, cols)) = (self.view(), self.size);
        (0..rows * cols).map(|at| view.at(at / cols, at % cols)).collect()
    }

    /// The bits of all memory, gaps included.
    pub(crate) fn bits(&self) -> Vec<u64> {
        self.data.iter().map(|x| x.bits()).collect()
    }

    /// How many places are not NaN: with finite elements, those that are no gap.
    fn numbers(&self) -> usize {
        self.data.iter().filter(|x| !x.is_nan()).count()
    }
}

/// α and β: assign, add, both scaled, and no product at all.
pub(crate) const SCALES: [(f64, f64); 4] = [(1.0, 0.0), (1.0, 1.0), (-0.7, 1.3), (0.0, 0.3)];

/// What a product must come to, and how nearly.
pub(crate) struct Expected<T> {
    elements: Vec<T>,
    bounds: Vec<f64>,
    cols: usize,
}

impl<T: Scalar> Expected<T> {
    /// The product by definition. With `k` terms, the old C, and both scaled, each side rounds
    /// `k + 3` times: off by at most `(k + 3) ε / 2` of what the terms would come to without their signs (N. Higham,
    /// *Accuracy and Stability of Numerical Algorithms*, 2002, 3.1). An underflow adds what a
    /// subnormal number can be off.
    pub(crate) fn of((alpha, beta): (T, T), a: MatRef<T>, b: MatRef<T>, c: &Matrix<T>) -> Self {
        let (rows, k, cols) = (a.rows(), a.cols(), b.cols());
        let mut wanted = Matrix::new(ROWS, (rows, cols), &c.elements());
        reference::gemm(alpha, a, b, beta, wanted.view_mut());

        let magnitudes = |view: MatRef<T>| -> Vec<f64> {
            let (rows, cols) = (view.rows(), view.cols());
            (0..rows * cols).map(|at| view.at(at / cols, at % cols).to_f64().abs()).collect()
        };
        let mut bounds = magnitudes(c.view());
        let (a, b) = (magnitudes(a), magnitudes(b));
        let (a, b) = (MatRef::new(&a, rows, k), MatRef::new(&b, k, cols));
        let (alpha, beta) = (alpha.to_f64().abs(), beta.to_f64().abs());
        reference::gemm(alpha, a, b, beta, MatMut::new(&mut bounds, rows, cols));
        for bound in &mut bounds {
            let roundings = (k + 3) as f64;
            *bound = roundings * (T::EPSILON.to_f64() * *bound + T::from_bits(1).to_f64());
        }
        Expected { elements: wanted.elements(), bounds, cols }
    }

    /// Another view of what the elements are.
    pub(crate) fn with(self, elements: Vec<T>) -> Self {
        Expected { elements, ..self }
    }

    /// Compares every element, and makes sure that no gap was written.
    #[track_caller]
    pub(crate) fn check(&self, c: &Matrix<T>, what: impl Display) {
        for (at, got) in c.elements().into_iter().enumerate() {
            let (want, bound) = (self.elements[at], self.bounds[at]);
            let (i, j) = (at / self.cols, at % self.cols);
            let error = (got.to_f64() - want.to_f64()).abs();
            assert!(error <= bound, "{what}: C[{i}, {j}] is {got}, not {want} ± {bound:e}");
        }
        assert_eq!(c.numbers(), self.elements.len(), "{what}: written between the elements of C");
    }
}

/// Sizes about a vector and a register tile of `isa`.
pub(crate) fn tile_sizes<T: Scalar>(isa: Isa) -> Vec<usize> {
    let Blocking { mr, nr, .. } = Blocking::on::<T>(isa);
    let about = |size: usize| size - 1..=size + 1;
    let mut sizes: Vec<usize> = [1, isa.lanes::<T>(), mr, nr].into_iter().flat_map(about).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}
