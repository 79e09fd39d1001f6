//! The five loops.

use alloc::vec::Vec;
use core::ops::Range;

use super::bands::{Bands, Part};
use super::blocking::{Blocking, MR_16, MR_32, NV};
use super::epilogue::Epilogue;
use super::microkernel::{accumulate_panels, accumulate_rows};
use super::pack::{Operand, pack, pack_panel, pieces};
use crate::buffer::Buffer;
use crate::matrix::{MatMut, MatRef};
use crate::simd::{Float, Isa, Kernel, MAX_LANES, Simd, V, Vector};
use crate::threads;

/// What happens to the old value of C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// `C = A B`
    Assign,
    /// `C = C + A B`
    Add,
}

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
    /// One block of A for each band of C that is computed at the same time.
    a: Vec<Buffer<T>>,
    b: Buffer<T>,
    /// C in the other order, where only that can be cut.
    c: Buffer<T>,
}

/// A matrix product and how to compute it.
///
/// ```
/// use kernels::gemm::{Bias, Gemm, Update};
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
///     .update(Update::Assign)
///     .epilogue(Bias(&[10.0, 20.0]))
///     .run(MatMut::new(&mut y, 2, 2), &mut scratch);
/// assert_eq!(y, [14.0, 26.0, 16.0, 28.0]);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is computed before `run`"]
pub struct Gemm<'a, T, E = ()> {
    a: Operand<'a, T>,
    b: Operand<'a, T>,
    update: Update,
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
            update: Update::Assign,
            epilogue: (),
            isa: Isa::best(),
            serial: false,
        }
    }

    /// Maps every element of C with `epilogue` before it is stored for the last time.
    pub fn epilogue<E: Epilogue<T>>(self, epilogue: E) -> Gemm<'a, T, E> {
        let Gemm { a, b, update, isa, serial, .. } = self;
        Gemm { a, b, update, epilogue, isa, serial }
    }
}

/// Multiply-adds below which a second thread costs more than it brings: about 30 µs of work.
const PARALLEL_ABOVE: usize = 1 << 20;

/// Panels of B that must share a block of A before copying it pays.
const PACK_A_ABOVE: usize = 4;

impl<'a, T: Float, E: Epilogue<T>> Gemm<'a, T, E> {
    /// Whether C is overwritten (the default) or added to.
    pub fn update(self, update: Update) -> Self {
        Gemm { update, ..self }
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
    #[track_caller]
    pub fn run(self, c: MatMut<T>, scratch: &mut Scratch<T>) {
        let ((m, k), (depth, n)) = (self.a.left_size(), self.b.right_size());
        assert_eq!(k, depth, "A has {k} columns, B has {depth} rows");
        assert_eq!((c.rows(), c.cols()), (m, n), "A B is {m}×{n}, C is {}×{}", c.rows(), c.cols());
        assert!(self.a.is_for(self.isa), "A was packed for another instruction set");
        assert!(self.b.is_for(self.isa), "B was packed for another instruction set");
        self.epilogue.check(m, n);
        if m > 0 && n > 0 {
            self.blocks((m, n, k), c, scratch);
        }
    }

    /// Loops 5 and 4.
    fn blocks(&self, (m, n, k): (usize, usize, usize), mut c: MatMut<T>, scratch: &mut Scratch<T>) {
        let sizes = Blocking::on::<T>(self.isa);
        let work = m.saturating_mul(n).saturating_mul(k);
        let alone = self.serial || work <= PARALLEL_ABOVE;
        let threads = if alone { 1 } else { threads::count() };
        let bands = Bands::of(&c, &sizes, threads);
        if bands.pays_to_copy(&c, k, &sizes, threads) {
            return self.blocks_of_copy(bands, (m, n, k), c, scratch);
        }
        if scratch.a.len() < bands.count() {
            scratch.a.resize_with(bands.count(), Buffer::new);
        }

        // Loop 5: columns.
        for cols in pieces(0..n, sizes.nc) {
            // Loop 4: depth.
            for depth in pieces(0..k, sizes.kc) {
                let panels = cols.len().div_ceil(sizes.nr);
                let b = match (&self.b, self.b.panels(&depth, cols.start / sizes.nr)) {
                    (Operand::Matrix(b), _) => {
                        scratch.b.resize(panels * sizes.nr * depth.len());
                        pack_b(sizes.nr, *b, &depth, &cols, &mut scratch.b, bands.count() > 1);
                        &scratch.b[..]
                    }
                    (_, panels) => panels.unwrap_or(&[]),
                };
                let block = Block {
                    a: self.a,
                    b,
                    starts: match self.update {
                        Update::Assign => depth.start == 0,
                        Update::Add => false,
                    },
                    ends: depth.end == k,
                    depth,
                    cols: cols.clone(),
                    epilogue: &self.epilogue,
                    sizes,
                };
                let part = Part { rows: 0..m, cols: cols.clone(), c: c.reborrow(), origin: (0, 0) };
                block.fork(self.isa, bands, part, &mut scratch.a[..bands.count()]);
            }
        }
    }

    /// [`blocks`](Self::blocks) by way of a C in the other order.
    fn blocks_of_copy(
        &self,
        bands: Bands,
        (m, n, k): (usize, usize, usize),
        mut c: MatMut<T>,
        scratch: &mut Scratch<T>,
    ) {
        let mut elements = core::mem::take(&mut scratch.c);
        elements.resize(m * n);
        let mut copy = match bands {
            Bands::Rows(_) => MatMut::new(&mut elements, n, m).t(),
            Bands::Columns(_) => MatMut::new(&mut elements, m, n),
        };
        if self.update == Update::Add {
            copy.copy_from(&c);
        }
        self.blocks((m, n, k), copy.reborrow(), scratch);
        c.copy_from(&copy);
        scratch.c = elements;
    }
}

/// Packs a block of B, its panels in parallel if told so.
fn pack_b<T: Float>(
    nr: usize,
    b: MatRef<T>,
    depth: &Range<usize>,
    cols: &Range<usize>,
    out: &mut [T],
    parallel: bool,
) {
    if parallel && !depth.is_empty() {
        threads::for_each_chunk(out, nr * depth.len(), |panel, out| {
            let start = cols.start + panel * nr;
            pack_panel(nr, b, depth.clone(), start..cols.end.min(start + nr), out);
        });
    } else {
        pack(nr, b, depth.clone(), cols.clone(), out);
    }
}

/// One packed block of B against all of A: what is left inside loop 4.
struct Block<'a, T, E> {
    a: Operand<'a, T>,
    b: &'a [T],
    /// C has no old value worth reading.
    starts: bool,
    /// C is finished after this block.
    ends: bool,
    depth: Range<usize>,
    cols: Range<usize>,
    epilogue: &'a E,
    sizes: Blocking,
}

impl<T: Float, E: Epilogue<T>> Block<'_, T, E> {
    /// Halves the part until there is one band for each scratch buffer, all bands in parallel.
    fn fork(&self, isa: Isa, bands: Bands, part: Part<T>, scratch: &mut [Buffer<T>]) {
        if let [scratch] = scratch {
            return isa.run(Band { block: self, part, scratch });
        }
        let (left, right) = scratch.split_at_mut(scratch.len() / 2);
        let share = (left.len(), left.len() + right.len());
        let [first, second] = part.cut(bands, &self.sizes, share);
        threads::join(
            || self.fork(isa, bands, first, left),
            || self.fork(isa, bands, second, right),
        );
    }
}

/// A part of a block of C: loops 3, 2 and 1.
struct Band<'a, T, E> {
    block: &'a Block<'a, T, E>,
    part: Part<'a, T>,
    scratch: &'a mut Buffer<T>,
}

/// Rows of A as the register tile reads them.
#[derive(Clone, Copy)]
enum Rows<'a, T> {
    Panel(&'a [T]),
    Matrix(MatRef<'a, T>),
}

impl<T: Float, E: Epilogue<T>> Kernel for Band<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let Block { a, depth, sizes, .. } = self.block;
        let (mr, cols) = (sizes.mr, self.part.cols.clone());
        if cols.is_empty() || self.part.rows.is_empty() {
            return; // the last block of columns may have fewer tiles than there are bands
        }
        // Loop 3: rows.
        for rows in pieces(self.part.rows.clone(), sizes.mc) {
            let in_place = match *a {
                Operand::Matrix(a) => {
                    let few = cols.len() <= PACK_A_ABOVE * sizes.nr;
                    (few && a.row(0, depth.clone()).is_some()).then_some(a)
                }
                Operand::Packed(_) => None,
            };
            let mut scratch = core::mem::take(self.scratch);
            let panels = match (*a, a.panels(depth, rows.start / mr)) {
                (_, Some(panels)) => panels,
                (Operand::Matrix(a), _) if in_place.is_none() => {
                    scratch.resize(rows.len().next_multiple_of(mr) * depth.len());
                    pack(mr, a.t(), depth.clone(), rows.clone(), &mut scratch);
                    &scratch[..]
                }
                _ => &[],
            };
            self.tiles(simd, rows, in_place, panels);
            *self.scratch = scratch;
        }
    }
}

impl<T: Float, E: Epilogue<T>> Band<'_, T, E> {
    /// Loops 2 and 1.
    #[inline(always)]
    fn tiles<S: Simd>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        in_place: Option<MatRef<T>>,
        panels: &[T],
    ) {
        let Block { b, depth, sizes, .. } = self.block;
        let (mr, nr) = (sizes.mr, sizes.nr);
        for cols in pieces(self.part.cols.clone(), nr) {
            let panel = (cols.start - self.block.cols.start) / nr;
            let b = &b[panel * nr * depth.len()..][..nr * depth.len()];
            for (panel, rows) in pieces(rows.clone(), mr).enumerate() {
                let a = match in_place {
                    Some(a) => Rows::Matrix(a),
                    None => Rows::Panel(&panels[panel * mr * depth.len()..][..mr * depth.len()]),
                };
                // The next tile of C arrives while this one is computed.
                for i in rows.end..(rows.end + rows.len()).min(self.part.rows.end) {
                    let (i, cols) = self.part.local(i, &cols);
                    if let Some(row) = self.part.c.row(i, cols) {
                        simd.prefetch(row);
                        simd.prefetch(&row[row.len() / 2..]);
                    }
                }
                let cols = cols.clone();
                // The smallest tile that has the rows; those too many are computed for nothing.
                match rows.len() {
                    0 => {}
                    1 => self.tile::<S, 1>(simd, a, b, rows, cols),
                    2 => self.tile::<S, 2>(simd, a, b, rows, cols),
                    3..=4 => self.tile::<S, 4>(simd, a, b, rows, cols),
                    5..=MR_16 => self.tile::<S, MR_16>(simd, a, b, rows, cols),
                    7..=8 => self.tile::<S, 8>(simd, a, b, rows, cols),
                    _ => self.tile::<S, MR_32>(simd, a, b, rows, cols),
                }
            }
        }
    }

    /// One register tile: read C, add the product, map, write C.
    #[inline(always)]
    fn tile<S: Simd, const R: usize>(
        &mut self,
        simd: S,
        a: Rows<T>,
        b: &[T],
        rows: Range<usize>,
        cols: Range<usize>,
    ) {
        if R > const { Blocking::of::<S, T>().mr } {
            return; // no tile of this instruction set: the compiler drops it
        }
        let lanes = V::<S, T>::LANES;
        let Block { starts, ends, depth, epilogue, .. } = self.block;
        let mut tile = [[V::<S, T>::splat(simd, T::ZERO); NV]; R];

        // A whole tile goes between registers and C, one at the edge by way of `edge`. Loops over
        // a tile have constant bounds: unrolled, they leave it in registers.
        let (within, columns) = self.part.local(rows.start, &cols);
        let c = &mut self.part.c;
        let mut edge = [[T::ZERO; NV * MAX_LANES]; R];
        let whole = rows.len() == R && cols.len() == NV * lanes && c.row(0, 0..1).is_some();
        if !starts {
            if !whole {
                c.gather(within, columns.clone(), &mut edge[..rows.len()]);
            }
            for (r, tile) in tile.iter_mut().enumerate() {
                let c = match whole {
                    true => c.row(within + r, columns.clone()).unwrap_or(&mut []),
                    false => &mut edge[r],
                };
                for (v, tile) in tile.iter_mut().enumerate() {
                    *tile = V::<S, T>::load(simd, &c[v * lanes..]);
                }
            }
        }

        let mr = const { Blocking::of::<S, T>().mr };
        tile = match a {
            Rows::Panel(a) => accumulate_panels::<S, T, R, NV>(simd, tile, (a, mr), b),
            Rows::Matrix(a) => {
                // Rows past the last repeat it.
                let row = |r: usize| a.row((rows.start + r).min(rows.end - 1), depth.clone());
                let a = core::array::from_fn(|r| row(r).unwrap_or(&[]));
                accumulate_rows::<S, T, R, NV>(simd, tile, a, b)
            }
        };

        if *ends {
            for (r, tile) in tile.iter_mut().enumerate() {
                for (v, tile) in tile.iter_mut().enumerate() {
                    let (row, col) = (rows.start + r, cols.start + v * lanes);
                    if whole || (row < rows.end && col < cols.end) {
                        *tile = epilogue.finish(simd, row, col, *tile);
                    }
                }
            }
        }
        for (r, tile) in tile.iter().enumerate() {
            let c = match whole {
                true => c.row(within + r, columns.clone()).unwrap_or(&mut []),
                false => &mut edge[r],
            };
            for (v, tile) in tile.iter().enumerate() {
                tile.store(&mut c[v * lanes..]);
            }
        }
        if !whole {
            c.scatter(within, columns, &edge[..rows.len()]);
        }
    }
}
