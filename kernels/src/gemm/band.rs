//! What one thread computes: a part of C.

use core::ops::Range;

use super::apart::Apart;
use super::bands::Part;
use super::block::Block;
use super::blocking::{Blocking, MR};
use super::caches::Caches;
use super::epilogue::Epilogue;
use super::job::Job;
use super::one_row::{OneRow, PackedRow};
use super::pack::{Pack, pieces};
use super::packed::Operand;
use super::tile::{Panels, Sum, strips};
use super::vendor::is_intel;
use crate::buffer::Buffer;
use crate::matrix::MatRef;
use crate::simd::{Float, Kernel, Simd, V, Vector};

/// Panels of B that must share a block of A before copying it pays: where it lies, a row of the tile
/// needs a pointer of its own, which costs instructions but hardly time.
const PACK_A_ABOVE: usize = 48;

/// The same of an A whose rows are not contiguous, if rows of a panel of B are narrow: in place, a tile
/// reads six elements of each column, from a cache line of its own, anew for every panel of B.
const PACK_COLUMNS_ABOVE: usize = 8;

/// The same of columns whole pages apart where they [displace](is_intel) each other.
const PACK_PAGES_ABOVE: usize = 7;

/// Rows from which on copying a panel of B pays if its rows are narrow.
const COPY_B_FROM: usize = 24;

/// Bytes that a block of B spans up to which that is best done on the way whatever the number of rows:
/// what is asked for ahead in more pages has left the caches when its turn comes.
const SPAN: usize = 2 << 20;

/// Rows from which on it is best done on the way whatever the span: most of them read the copy.
const MANY: usize = 48;

/// Bytes of a row of B from which on it is not narrow: that many cache lines, next to each other, are
/// read as fast where they lie.
const WIDE: usize = 256;

/// [`WIDE`] in elements.
pub(super) const fn wide<T>() -> usize {
    WIDE / size_of::<T>()
}

/// Bytes that a block of B spans above which its panels are copied on the way if its rows are whole
/// pages apart: 2048 pages, what the TLB of a core reaches. Of such rows it holds fewer, those of a
/// panel have left it when the next tile comes.
const COPY_B_ABOVE: usize = 8 << 20;

/// Rows from which on that pays above the size of L2, where rows whole pages apart [displace](is_intel) each other.
const COPY_PAGES_FROM: usize = 20;

/// Rows from which on copying a panel of B on the way pays if its vectors [cross lines](Panels::are_crooked).
pub(super) const COPY_CROOKED_FROM: usize = 20;

/// Columns from which on fewer rows pay for a narrow strip at either end, so that those between them are
/// [straight](Panels::until_straight).
pub(super) const STRAIGHTEN_FROM: usize = 1024;

/// [`PACK_A_ABOVE`] for an A whose rows are not contiguous, if panels of B are so wide.
fn pack_columns_above<T: Float>(a: &MatRef<T>, nr: usize) -> usize {
    let are_pages_apart = || Panels::in_place(a.t(), 0).is_some_and(|a| a.are_pages_apart());
    if nr < wide::<T>() {
        PACK_COLUMNS_ABOVE
    } else if is_intel() && are_pages_apart() {
        PACK_PAGES_ABOVE
    } else {
        PACK_A_ABOVE
    }
}

/// Memory of one band for packing.
#[derive(Clone, Debug, Default)]
pub(super) struct BandScratch<T> {
    /// A block of A.
    a: Buffer<T>,
    /// Panels of B.
    pub(super) b: Buffer<T>,
}

/// A part of C, and the terms that are added to it.
pub(super) struct Band<'a, T, E> {
    pub(super) job: &'a Job<'a, T, E>,
    /// A block of B that all bands share, with these terms and the columns from this one on.
    pub(super) shared: Option<(&'a [T], usize)>,
    pub(super) depth: Range<usize>,
    pub(super) part: Part<'a, T>,
    pub(super) scratch: &'a mut BandScratch<T>,
}

/// A block of B.
#[derive(Clone, Copy)]
enum BlockB<'a, T> {
    /// Panels, `nr` wide, the first of which starts at this column.
    Packed(&'a [T], usize),
    /// Where it lies, from the first term on.
    InPlace(MatRef<'a, T>),
}

impl<T: Float, E: Epilogue<T>> Kernel for Band<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Band { job, shared, depth, mut part, scratch } = self;
        let Blocking { mc, kc, nc, nr, .. } = job.sizes;
        let (rows, cols) = (part.rows.clone(), part.cols.clone());
        if rows.is_empty() || cols.is_empty() {
            return; // the last block of columns may have fewer tiles than there are bands
        }
        let pack_above = match job.a {
            Operand::Matrix(a) if !a.has_lines() => pack_columns_above(&a, nr),
            _ => PACK_A_ABOVE,
        };
        let all = depth;
        for cols in pieces(cols, nc) {
            for depth in pieces(all.clone(), kc) {
                let sum = Sum {
                    beta: if depth.start == 0 { job.beta } else { T::ONE },
                    epilogue: (depth.end == job.k).then_some(job.epilogue),
                };
                for rows in pieces(rows.clone(), mc) {
                    let few = cols.len() <= pack_above * nr || rows.len() < MR;
                    let a = match job.block_of_a_in_place(few, &rows, &depth) {
                        Some(a) => a,
                        None => job.packed_block_of_a(simd, &rows, &depth, &mut scratch.a),
                    };
                    let b = match (shared, job.b) {
                        (Some((panels, start)), _) => BlockB::Packed(panels, start),
                        (None, Operand::Matrix(b)) => {
                            BlockB::InPlace(b.block(&depth, &(0..b.cols())))
                        }
                        (None, Operand::Packed(b)) => BlockB::Packed(b.panels(&depth), 0),
                    };
                    let product = BlockProduct { part: &mut part, a: &a, b, sum: &sum, nr };
                    product.run(simd, &rows, &cols, &mut scratch.b);
                }
            }
        }
    }
}

/// A block of C, and those of A and B whose product it takes.
struct BlockProduct<'b, 'a, T, E> {
    part: &'b mut Part<'a, T>,
    a: &'b Block<'b, T>,
    b: BlockB<'b, T>,
    sum: &'b Sum<'b, T, E>,
    nr: usize,
}

impl<T: Float, E: Epilogue<T>> BlockProduct<'_, '_, T, E> {
    /// Loop 2: the panels of B, one after another.
    #[inline(always)]
    fn run<S: Simd>(
        self,
        simd: S,
        rows: &Range<usize>,
        cols: &Range<usize>,
        memory: &mut Buffer<T>,
    ) {
        let BlockProduct { part, a, b, sum, nr } = self;
        let depth = a.depth();
        if rows.len() == 1 && part.c.has_lines() && depth > 0 {
            let (a, row, cols) = (a.row(rows.start), rows.start, cols.clone());
            match b {
                BlockB::InPlace(b) => {
                    if let Some(b) = b.block(&(0..depth), &cols).pieces() {
                        let c = part.line(row, &cols);
                        return simd.run(OneRow { c, a, b, row, cols, sum });
                    }
                }
                BlockB::Packed(b, first) => {
                    let (b, c) = (&b[(cols.start - first) * depth..], part.line(row, &cols));
                    return simd.run(PackedRow { c, a, b, depth, row, cols, sum });
                }
            }
        }
        let wide = wide::<T>().max(nr);
        let narrow = nr < wide && rows.len() >= COPY_B_FROM;
        let on_the_way = |b: &Panels<T>| {
            let span = b.bytes_apart().saturating_mul(depth);
            if narrow {
                span <= SPAN || rows.len() >= MANY
            } else {
                b.are_crooked(V::<S, T>::LANES) && rows.len() >= COPY_CROOKED_FROM
                    || b.are_pages_apart()
                        && (rows.len() > MR && span > COPY_B_ABOVE
                            || nr == wide
                                && is_intel()
                                && rows.len() >= COPY_PAGES_FROM
                                && span > Caches::of_this_cpu().l2)
            }
        };
        // Columns up to the first that begins a line in every row.
        let crooked = match b {
            BlockB::InPlace(b)
                if rows.len() < COPY_CROOKED_FROM && cols.len() >= STRAIGHTEN_FROM =>
            {
                Panels::in_place(b, cols.start).map_or(0, |b| b.until_straight(V::<S, T>::LANES))
            }
            _ => 0,
        };
        let straight = cols.start + crooked.min(cols.len());
        let first = (crooked > 0).then_some(cols.start..straight);
        // As many panels at a time as are wide.
        for cols in first.into_iter().chain(pieces(straight..cols.end, wide / nr * nr)) {
            let (panels, copy) = match b {
                BlockB::Packed(b, first) => {
                    (Panels::packed(&b[(cols.start - first) * depth..], nr, depth), None)
                }
                BlockB::InPlace(b) => match Panels::in_place(b, cols.start) {
                    Some(panels) if on_the_way(&panels) && part.c.has_lines() => {
                        memory.refit(nr * depth);
                        (panels, Some(&mut memory[..]))
                    }
                    Some(panels) if !narrow => (panels, None),
                    _ => {
                        // No wider than there are columns.
                        let width = cols.len().next_multiple_of(V::<S, T>::LANES).min(nr);
                        memory.refit(cols.len().next_multiple_of(width) * depth);
                        simd.run(Pack { width, b: b.block(&(0..depth), &cols), out: memory });
                        (Panels::packed(memory, width, depth), None)
                    }
                },
            };
            let (c, origin) = (&mut part.c, part.origin);
            if c.has_lines() {
                strips(simd, (c, origin), a, &panels, (rows, &cols), sum, copy);
            } else {
                let (b, rows) = (&panels, rows.clone());
                simd.run(Apart { c, origin, block: a, b, rows, cols, sum });
            }
        }
    }
}
