//! The product: what it is made of, and how it is shared out.

use alloc::vec::Vec;
use core::mem::take;
use core::ops::Range;

use super::band::{Band, BandScratch};
use super::bands::{Bands, Part};
use super::block::{Block, lies_well};
use super::blocking::Blocking;
use super::epilogue::Epilogue;
use super::job::Job;
use super::pack::{Pack, pieces};
use super::packed::Operand;
use super::small::Small;
use super::tile::Sum;
use crate::matrix::{MatMut, MatRef};
use crate::simd::{Float, Isa, MAX_LANES};
use crate::threads;

/// `C = A B`, on the best instruction set, with memory of its own.
///
/// ```
/// use kernels::{MatMut, MatRef, gemm};
///
/// let a = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]; // 2×3
/// let b = [1.0f32, 0.0, 0.0, 1.0, 1.0, 1.0]; // 3×2
/// let mut c = [0.0; 4];
/// gemm(MatRef::new(&a, 2, 3), MatRef::new(&b, 3, 2), MatMut::new(&mut c, 2, 2));
/// assert_eq!(c, [4.0, 5.0, 10.0, 11.0]);
/// ```
///
/// # Panics
///
/// If the sizes do not fit.
#[track_caller]
pub fn gemm<T: Float>(a: MatRef<T>, b: MatRef<T>, c: MatMut<T>) {
    Gemm::new(a, b).run(c, &mut Scratch::default());
}

/// Memory for packing, kept between products. It grows to the largest product it has served.
#[derive(Clone, Debug, Default)]
pub struct Scratch<T> {
    /// Of each band of C that is computed at the same time.
    bands: Vec<BandScratch<T>>,
}

/// `C = α A B + β C`, and how to compute it.
///
/// ```
/// use kernels::gemm::{Bias, Gemm};
/// use kernels::{Isa, MatMut, MatRef, Packed, Scratch};
///
/// let isa = Isa::best();
/// let weights = [1.0f64, 2.0, 3.0, 4.0]; // 2×2
/// let packed = Packed::right(isa, MatRef::new(&weights, 2, 2));
///
/// let (x, mut y) = ([1.0, 1.0, 0.0, 2.0], [0.0; 4]);
/// let mut scratch = Scratch::default();
/// Gemm::new(MatRef::new(&x, 2, 2), &packed)
///     .isa(isa)
///     .alpha(1.0)
///     .beta(0.0)
///     .epilogue(Bias(&[10.0, 20.0]))
///     .run(MatMut::new(&mut y, 2, 2), &mut scratch);
/// assert_eq!(y, [14.0, 26.0, 16.0, 28.0]);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is computed before `run`"]
pub struct Gemm<'a, T, E = ()> {
    a: Operand<'a, T>,
    b: Operand<'a, T>,
    alpha: T,
    beta: T,
    epilogue: E,
    isa: Isa,
    serial: bool,
}

impl<'a, T: Float> Gemm<'a, T> {
    /// The product of `a` and `b`, each a [`MatRef`] or a [`Packed`](super::Packed).
    pub fn new(a: impl Into<Operand<'a, T>>, b: impl Into<Operand<'a, T>>) -> Self {
        Gemm {
            a: a.into(),
            b: b.into(),
            alpha: T::ONE,
            beta: T::ZERO,
            epilogue: (),
            isa: Isa::best(),
            serial: false,
        }
    }

    /// Maps every element of C with `epilogue` before it is stored for the last time.
    pub fn epilogue<E: Epilogue<T>>(self, epilogue: E) -> Gemm<'a, T, E> {
        let Gemm { a, b, alpha, beta, isa, serial, .. } = self;
        Gemm { a, b, alpha, beta, epilogue, isa, serial }
    }
}

/// Multiply-adds up to which packing an operand does not pay.
const SMALL_UP_TO: usize = 1 << 21;

/// Bytes of B up to which one row of C is computed column by column: beyond L1, rows of B are read
/// from one end to the other.
const ONE_ROW_UP_TO: usize = 1 << 15;

/// Multiply-adds up to which a second thread costs more than it brings: about 10 µs of work.
const PARALLEL_ABOVE: usize = 1 << 19;

impl<'a, T: Float, E: Epilogue<T>> Gemm<'a, T, E> {
    /// α: one unless said. A is scaled by it before it is multiplied, which packs it, and must not
    /// overflow; where α is zero, neither A nor B is read.
    pub fn alpha(self, alpha: T) -> Self {
        Gemm { alpha, ..self }
    }

    /// β: zero unless said, and C is overwritten without being read; with one, the product is added
    /// to it.
    pub fn beta(self, beta: T) -> Self {
        Gemm { beta, ..self }
    }

    /// The instruction set; [`Isa::best`] unless said.
    pub fn isa(self, isa: Isa) -> Self {
        Gemm { isa, ..self }
    }

    /// Stays on this thread. Otherwise a large product is spread over the threads of the current
    /// `rayon` pool, with the same result to the last bit.
    pub fn serial(self) -> Self {
        Gemm { serial: true, ..self }
    }

    /// Computes the product into `c`. Allocates only where `scratch` has to grow.
    ///
    /// # Panics
    ///
    /// If the sizes of A, B, C and the epilogue do not fit, or a packed operand is on the wrong
    /// side or for another instruction set.
    #[inline(always)]
    #[track_caller]
    pub fn run(self, mut c: MatMut<T>, scratch: &mut Scratch<T>) {
        // By reference: moving them takes as long as a small product.
        self.check(&c);
        E::compute(&self, &mut c, scratch);
    }

    #[inline]
    #[track_caller]
    fn check(&self, c: &MatMut<T>) {
        let ((m, k), (depth, n)) = (self.a.left_size(), self.b.right_size());
        assert_eq!(k, depth, "A has {k} columns, B has {depth} rows");
        assert_eq!((c.rows(), c.cols()), (m, n), "A B is {m}×{n}, C is {}×{}", c.rows(), c.cols());
        assert!(self.a.is_for(self.isa), "A was packed for another instruction set");
        assert!(self.b.is_for(self.isa), "B was packed for another instruction set");
        self.epilogue.check(m, n);
    }

    #[inline]
    pub(super) fn compute(&self, c: &mut MatMut<T>, scratch: &mut Scratch<T>) {
        if c.rows() == 0 || c.cols() == 0 {
            return;
        }
        if let (Operand::Matrix(a), Operand::Matrix(b)) = (&self.a, &self.b)
            && self.lies_better_transposed(a, c)
        {
            let (a, b) = (Operand::Matrix(b.t()), Operand::Matrix(a.t()));
            let Gemm { alpha, beta, isa, serial, .. } = *self;
            let transposed = Gemm { a, b, alpha, beta, epilogue: (), isa, serial };
            transposed.compute_as_it_lies(&mut c.reborrow().t(), scratch);
        } else {
            self.compute_as_it_lies(c, scratch);
        }
    }

    #[inline]
    fn compute_as_it_lies(&self, c: &mut MatMut<T>, scratch: &mut Scratch<T>) {
        let (m, n, k) = (c.rows(), c.cols(), self.a.left_size().1);
        if self.is_small((m, n, k))
            && let Operand::Matrix(a) = &self.a
            && lies_well(a)
            && let Some(b) = &self.b.panels(k)
        {
            let sum = &Sum { beta: self.beta, epilogue: Some(&self.epilogue) };
            self.isa.run(Small { a: &Block::in_place(a, 0), b, c, sum });
        } else {
            self.run_in_blocks(c.reborrow(), k, scratch);
        }
    }

    /// Whether `Cᵀ = Bᵀ Aᵀ` fills vectors better: its rows are contiguous, or C is too narrow for a
    /// vector and the rows of `Aᵀ` can be read where they lie. Not with α, which scales the left
    /// operand: bits must not depend on how C lies.
    #[inline]
    fn lies_better_transposed(&self, a: &MatRef<T>, c: &MatMut<T>) -> bool {
        let (m, n) = (c.rows(), c.cols());
        let narrow = || {
            let lanes = self.isa.lanes::<T>();
            a.t().has_lines() && m * n.div_ceil(lanes) > 2 * n * m.div_ceil(lanes)
        };
        let better = c.is_column_major() || n < MAX_LANES && narrow();
        better && E::IDENTITY && self.alpha == T::ONE
    }

    /// Whether the product is over before packing an operand would have paid.
    #[inline]
    fn is_small(&self, (m, n, k): (usize, usize, usize)) -> bool {
        let work = work(m, n, k);
        let small = work <= SMALL_UP_TO && (m > 1 || n * k * size_of::<T>() <= ONE_ROW_UP_TO);
        small && k > 0 && self.alpha == T::ONE && self.threads(work) == 1
    }

    /// How many threads compute so many multiply-adds.
    #[inline]
    fn threads(&self, work: usize) -> usize {
        if self.serial || work <= PARALLEL_ABOVE { 1 } else { threads::count() }
    }

    #[inline(never)]
    fn run_in_blocks(&self, c: MatMut<T>, k: usize, scratch: &mut Scratch<T>) {
        let (m, n) = (c.rows(), c.cols());
        let Gemm { a, b, alpha, beta, ref epilogue, isa, .. } = *self;
        let k = if alpha == T::ZERO { 0 } else { k };
        let threads = self.threads(work(m, n, k));
        let sizes = Blocking::on::<T>(isa).fit((m, n, k));
        let job = Job { a, b, alpha, beta, epilogue, sizes, k };
        job.run(isa, c, threads, scratch);
    }
}

/// Multiply-adds of a product.
fn work(m: usize, n: usize, k: usize) -> usize {
    m.saturating_mul(n).saturating_mul(k)
}

impl<T: Float, E: Epilogue<T>> Job<'_, T, E> {
    fn run(&self, isa: Isa, mut c: MatMut<T>, threads: usize, scratch: &mut Scratch<T>) {
        let (m, n) = (c.rows(), c.cols());
        let Blocking { mc, kc, nc, nr, .. } = self.sizes;
        let bands = match threads {
            1 => Bands::Rows(1),
            _ => Bands::of((m, n), &self.sizes, threads),
        };
        if scratch.bands.len() < bands.count() {
            scratch.bands.resize_with(bands.count(), BandScratch::default);
        }
        let memory = &mut scratch.bands[..bands.count()];
        match self.b {
            // Each panel of B serves several blocks of A: packed once, for all bands.
            Operand::Matrix(b) if m > mc => {
                // No band packs B then: the first one lends its memory, which small products use.
                let mut packed = take(&mut memory[0].b);
                for cols in pieces(0..n, nc) {
                    for depth in pieces(0..self.k, kc) {
                        packed.refit(cols.len().next_multiple_of(nr) * depth.len());
                        let b = b.block(&depth, &cols);
                        pack_b(isa, nr, b, &mut packed, bands.count() > 1);
                        let shared = Some((&packed[..], cols.start));
                        let c = c.reborrow();
                        let part = Part { rows: 0..m, cols: cols.clone(), c, origin: (0, 0) };
                        self.fork(isa, bands, shared, depth, part, memory);
                    }
                }
                memory[0].b = packed;
            }
            // Each panel of B serves one: packed by its band on the way, or read where it lies.
            _ => {
                let part = Part { rows: 0..m, cols: 0..n, c, origin: (0, 0) };
                self.fork(isa, bands, None, 0..self.k, part, memory);
            }
        }
    }

    /// Halves the part until there is one band for each scratch memory, all bands in parallel.
    fn fork(
        &self,
        isa: Isa,
        bands: Bands,
        shared: Option<(&[T], usize)>,
        depth: Range<usize>,
        part: Part<T>,
        scratch: &mut [BandScratch<T>],
    ) {
        if let [scratch] = scratch {
            return isa.run(Band { job: self, shared, depth, part, scratch });
        }
        let (left, right) = scratch.split_at_mut(scratch.len() / 2);
        let share = (left.len(), left.len() + right.len());
        let [first, second] = part.cut(bands, &self.sizes, share);
        threads::join(
            || self.fork(isa, bands, shared, depth.clone(), first, left),
            || self.fork(isa, bands, shared, depth.clone(), second, right),
        );
    }
}

/// Packs a block of B, its panels in parallel if told so.
fn pack_b<T: Float>(isa: Isa, width: usize, b: MatRef<T>, out: &mut [T], parallel: bool) {
    if parallel && b.rows() > 0 {
        threads::for_each_chunk(out, width * b.rows(), |panel, out| {
            let cols = panel * width..b.cols().min((panel + 1) * width);
            isa.run(Pack { width, b: b.block(&(0..b.rows()), &cols), out });
        });
    } else {
        isa.run(Pack { width, b, out });
    }
}
