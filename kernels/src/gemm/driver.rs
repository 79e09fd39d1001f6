//! The product: what it is made of, and how it is shared out.

use alloc::vec::Vec;
use core::mem::take;
use core::ops::Range;

use super::band::{Band, BandScratch, COPY_CROOKED_FROM, STRAIGHTEN_FROM, wide};
use super::bands::{Bands, Part};
use super::blocking::Blocking;
use super::epilogue::Epilogue;
use super::job::Job;
use super::pack::{Pack, pieces};
use super::packed::Operand;
use super::small::Small;
use super::tile::Sum;
use crate::buffer::Buffer;
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

/// Memory for packing, and for a C that is computed transposed, kept between products. It grows to the largest
/// product of each form that it has served.
#[derive(Clone, Debug, Default)]
pub struct Scratch<T> {
    /// Of each band of C that is computed at the same time.
    bands: Vec<BandScratch<T>>,
    /// A C that is computed transposed.
    transposed: Buffer<T>,
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
    pub(super) a: Operand<'a, T>,
    pub(super) b: Operand<'a, T>,
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

/// Vectors of multiply-adds from which on narrower ones pay, where they hold a row of C: their parts
/// take longer to store.
const NARROWED_FROM: usize = 128;

/// Lanes of multiply-adds that take as long as moving a number to where it belongs.
const TURNED: usize = 32;

/// Bytes of B up to which one row of C is computed a strip after another: beyond, it may take less time to
/// read rows of B from one end to the other, and does where they are whole pages apart.
const ONE_ROW_UP_TO: usize = 1 << 17;

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

    /// The instruction set; [`Isa::best`] unless said. Where operands are not packed before and shorter vectors
    /// hold a row of C, those of an instruction set that gives the same bits may be used.
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
        if k != depth {
            no_product(k, depth);
        }
        if c.rows() != m || c.cols() != n {
            no_room((m, n), (c.rows(), c.cols()));
        }
        assert!(self.a.is_for(self.isa), "A was packed for another instruction set");
        assert!(self.b.is_for(self.isa), "B was packed for another instruction set");
        self.epilogue.check(m, n);
    }

    #[inline]
    pub(super) fn compute(&self, c: &mut MatMut<T>, scratch: &mut Scratch<T>) {
        if c.cols() >= MAX_LANES && !c.is_column_major() {
            self.compute_as_it_lies(self.isa, c, scratch);
        } else if c.rows() > 0 && c.cols() > 0 {
            self.compute_narrow(c, scratch);
        }
    }

    /// The product, where C is narrow or column-major.
    #[inline(never)]
    fn compute_narrow(&self, c: &mut MatMut<T>, scratch: &mut Scratch<T>) {
        let (Operand::Matrix(a), Operand::Matrix(b)) = (self.a, self.b) else {
            return self.compute_as_it_lies(self.isa, c, scratch);
        };
        // Not with α, which scales the left operand: bits must not depend on how C lies.
        if !E::IDENTITY || self.alpha != T::ONE || !self.lies_better_transposed(&a, c) {
            let isa = match c.rows().saturating_mul(a.cols()) {
                ..NARROWED_FROM => self.isa,
                _ => self.isa.narrowed::<T>(c.cols()),
            };
            return self.compute_as_it_lies(isa, c, scratch);
        }
        let Gemm { alpha, beta, isa, serial, .. } = *self;
        let (a, b) = (Operand::Matrix(b.t()), Operand::Matrix(a.t()));
        let transposed = Gemm { a, b, alpha, beta, epilogue: (), isa, serial };
        let mut c = c.reborrow().t();
        if c.has_lines() {
            return transposed.compute_as_it_lies(isa, &mut c, scratch);
        }
        let mut memory = take(&mut scratch.transposed);
        memory.refit(c.rows() * c.cols());
        let mut aside = MatMut::new(&mut memory, c.rows(), c.cols());
        if beta != T::ZERO {
            aside.copy_from(&c);
        }
        transposed.compute_as_it_lies(isa, &mut aside, scratch);
        c.copy_from(&aside);
        scratch.transposed = memory;
    }

    #[inline]
    fn compute_as_it_lies(&self, isa: Isa, c: &mut MatMut<T>, scratch: &mut Scratch<T>) {
        let size = (c.rows(), c.cols(), self.a.left_size().1);
        if work(size) <= PARALLEL_ABOVE && self.is_small(size) && self.lies_well(c) {
            isa.run(Small { gemm: self, c });
        } else {
            self.compute_in_blocks(isa, c, scratch);
        }
    }

    /// Whether `Cᵀ = Bᵀ Aᵀ` fills vectors better: its rows are contiguous, or C is narrow, and the rows
    /// of `Aᵀ` can be read where they lie.
    fn lies_better_transposed(&self, a: &MatRef<T>, c: &MatMut<T>) -> bool {
        if c.is_column_major() || !a.t().has_lines() {
            return c.is_column_major();
        }
        let (m, n, k) = (c.rows(), c.cols(), a.cols());
        let lanes = self.isa.lanes::<T>();
        let transposed = n * m.next_multiple_of(lanes) * k + m * n * TURNED;
        // A tile of six rows and one vector has too few chains for what two units could add.
        let as_it_lies = match n <= lanes {
            true => m * lanes * k * 4 / 3,
            false => m * n.next_multiple_of(lanes) * k,
        };
        as_it_lies > transposed
    }

    /// Whether the product is over before packing an operand would have paid.
    #[inline]
    fn is_small(&self, size: (usize, usize, usize)) -> bool {
        let (m, _, k) = size;
        let few = match m {
            0 => false,
            1 => work(size) <= ONE_ROW_UP_TO / size_of::<T>(),
            _ => work(size) <= SMALL_UP_TO,
        };
        few && k > 0 && self.alpha == T::ONE
    }

    /// What all terms of a sum start from, and what becomes of it.
    #[inline(always)]
    pub(super) fn sum(&self) -> Sum<'_, T, E> {
        Sum { beta: self.beta, epilogue: Some(&self.epilogue) }
    }

    /// Whether tiles can read the operands and write C where they lie.
    #[inline]
    fn lies_well(&self, c: &MatMut<T>) -> bool {
        c.has_lines() && self.a.left_lies_well() && self.b.right_lies_well()
    }

    /// How many threads compute so many multiply-adds.
    fn threads(&self, work: usize) -> usize {
        if self.serial || work <= PARALLEL_ABOVE { 1 } else { threads::count() }
    }

    #[inline(never)]
    fn compute_in_blocks(&self, isa: Isa, c: &mut MatMut<T>, scratch: &mut Scratch<T>) {
        let (m, n, k) = (c.rows(), c.cols(), self.a.left_size().1);
        if m == 0 {
            return;
        }
        let threads = self.threads(work((m, n, k)));
        if threads == 1 && self.is_small((m, n, k)) && self.lies_well(c) {
            let moves = match m {
                COPY_CROOKED_FROM.. => n >= wide::<T>(),
                _ => m > 1 && n >= STRAIGHTEN_FROM,
            };
            if !(moves && self.b.is_crooked(isa.lanes::<T>())) {
                return isa.run(Small { gemm: self, c });
            }
        }
        let Gemm { a, b, alpha, beta, ref epilogue, .. } = *self;
        let k = if alpha == T::ZERO { 0 } else { k };
        let sizes = Blocking::on::<T>(isa).fit((m, n, k));
        let job = Job { a, b, alpha, beta, epilogue, sizes, k };
        job.run(isa, c.reborrow(), threads, scratch);
    }
}

/// A function of its own, as is the next: messages formatted in place would have sizes stored that may
/// stay in registers, and the smallest products take as long as what is stored.
#[cold]
#[track_caller]
fn no_product(columns: usize, rows: usize) -> ! {
    panic!("A has {columns} columns, B has {rows} rows")
}

#[cold]
#[track_caller]
fn no_room((m, n): (usize, usize), (rows, cols): (usize, usize)) -> ! {
    panic!("A B is {m}×{n}, C is {rows}×{cols}")
}

/// Multiply-adds of a product.
fn work((m, n, k): (usize, usize, usize)) -> usize {
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
