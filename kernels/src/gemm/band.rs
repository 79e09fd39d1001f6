//! What one thread computes: a part of C.

use core::ops::Range;

use super::bands::Part;
use super::block::{Block, BlockA};
use super::blocking::{Blocking, MR_16, MR_32, NV};
use super::epilogue::Epilogue;
use super::job::Job;
use super::microkernel::{Left, Right};
use super::one_row::OneRow;
use super::pack::{Pack, pieces};
use super::packed::Operand;
use super::tile::{Place, TileOf};
use crate::buffer::Buffer;
use crate::matrix::MatRef;
use crate::simd::{Float, Kernel, Simd};

/// Panels of B that must share a block of A before copying it pays: where it lies, a row of the tile
/// needs a pointer of its own, which costs instructions but hardly time.
const PACK_A_ABOVE: usize = 16;

/// Terms below which a tile takes less time than to ask for the next one.
const SHALLOW: usize = 32;

/// Memory of one band for packing.
#[derive(Clone, Debug, Default)]
pub(super) struct BandScratch<T> {
    /// A block of A.
    a: Buffer<T>,
    /// A panel of B.
    b: Buffer<T>,
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
    /// Where it lies.
    Matrix(MatRef<'a, T>),
}

impl<T: Float, E: Epilogue<T>> Kernel for Band<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let Blocking { mc, kc, nc, nr, .. } = self.job.sizes;
        let (rows, cols) = (self.part.rows.clone(), self.part.cols.clone());
        if rows.is_empty() || cols.is_empty() {
            return; // the last block of columns may have fewer tiles than there are bands
        }
        let mut memory = core::mem::take(self.scratch);
        for cols in pieces(cols, nc) {
            for depth in pieces(self.depth.clone(), kc) {
                for rows in pieces(rows.clone(), mc) {
                    let few = cols.len() <= PACK_A_ABOVE * nr || rows.len() < MR_16;
                    let a = self.job.block_of_a(simd, few, &rows, &depth, &mut memory.a);
                    let b = match (self.shared, self.job.b) {
                        (Some((panels, start)), _) => BlockB::Packed(panels, start),
                        (None, Operand::Matrix(b)) => BlockB::Matrix(b),
                        (None, Operand::Packed(b)) => BlockB::Packed(b.panels(&depth), 0),
                    };
                    if let BlockB::Matrix(_) = b {
                        memory.b.resize(nr * depth.len());
                    }
                    let block = Block { a, rows: &rows, depth: &depth };
                    self.panels(simd, block, b, &cols, &mut memory.b);
                }
            }
        }
        *self.scratch = memory;
    }
}

impl<'a, T: Float, E: Epilogue<T>> Band<'a, T, E> {
    /// Loop 2: the panels of B, one after another, or as many as fill the registers where rows are
    /// few.
    #[inline(always)]
    fn panels<S: Simd>(
        &mut self,
        simd: S,
        block: Block<T>,
        b: BlockB<'a, T>,
        cols: &Range<usize>,
        memory: &mut [T],
    ) {
        let (mr, nr) = Blocking::tile::<S, T>();
        let Block { rows, depth, .. } = block;
        let contiguous = self.part.c.has_lines();
        // Half of the registers are accumulators, `NV` of a panel in each row.
        let abreast = match rows.len() {
            few @ (1 | 2 | 4) if contiguous => S::REGISTERS / 2 / NV / few,
            _ => 1,
        };
        if let (1, true, BlockB::Matrix(b)) = (rows.len(), contiguous && !depth.is_empty(), b)
            && b.has_lines()
        {
            let a = match block.left::<1>(mr, rows) {
                Left::Columns(a, stride) => (a, stride),
                Left::Rows([a]) => (a, 1),
            };
            let (row, cols, depth) = (rows.start, cols.clone(), depth.clone());
            let (job, part) = (self.job, &mut self.part);
            return simd.run(OneRow { job, part, a, b, row, cols, depth });
        }
        let mut start = cols.start;
        while start < cols.end {
            let left = cols.end - start;
            // The panel, the distance of its rows, and that to the next panel.
            let in_place = match b {
                BlockB::Packed(panels, first) => {
                    Some((&panels[(start - first) * depth.len()..], nr, nr * depth.len()))
                }
                BlockB::Matrix(b) if left >= nr => {
                    b.lines(depth.start, start).map(|(lines, stride)| (lines, stride, nr))
                }
                BlockB::Matrix(_) => None,
            };
            let end = cols.end.min(start + nr);
            match (in_place, b) {
                (Some(panels), _) if abreast > 1 && left >= abreast * nr && !depth.is_empty() => {
                    self.few_rows(simd, block, panels, start..start + abreast * nr);
                    start += abreast * nr;
                    continue;
                }
                (Some((panel, stride, _)), BlockB::Matrix(_)) if rows.len() > mr && contiguous => {
                    // The first tile copies the panel, the others read the copy.
                    let place = Place { rows: rows.start..rows.start + mr, cols: start..end };
                    let b = Right { panels: [panel], stride };
                    match S::REGISTERS >= 32 {
                        true => self.tile::<S, MR_32, NV, 1, true>(simd, block, b, place, memory),
                        false => self.tile::<S, MR_16, NV, 1, true>(simd, block, b, place, memory),
                    }
                    self.tiles(simd, block, (memory, nr), rows.start + mr..rows.end, start..end);
                }
                (Some((panel, stride, _)), _) if rows.len() <= mr || stride == nr => {
                    self.tiles(simd, block, (panel, stride), rows.clone(), start..end);
                }
                (_, BlockB::Matrix(b)) => {
                    let (depth, cols) = (depth.clone(), start..end);
                    simd.run(Pack { width: nr, b, depth, cols, out: memory });
                    self.tiles(simd, block, (memory, nr), rows.clone(), start..end);
                }
                (_, BlockB::Packed(..)) => unreachable!("packed panels are read in place"),
            }
            start = end;
        }
    }

    /// Loop 1: the tiles of a panel of B.
    #[inline(always)]
    fn tiles<S: Simd>(
        &mut self,
        simd: S,
        block: Block<T>,
        (panel, stride): (&[T], usize),
        rows: Range<usize>,
        cols: Range<usize>,
    ) {
        let (mr, nr) = Blocking::tile::<S, T>();
        let narrow = cols.len() <= nr / NV;
        let b = Right { panels: [panel], stride };
        let mut start = rows.start;
        while start < rows.end {
            let left = (rows.end - start).min(mr);
            let height = match (block.a, left) {
                // Columns end with the matrix: no tile may reach past it.
                (BlockA::Columns(_), 3) => 2,
                (BlockA::Columns(_), 5 | 7) => 4,
                (BlockA::Columns(_), 9..12) => 8,
                _ => left,
            };
            let place = Place { rows: start..start + height, cols: cols.clone() };
            start += height;
            if block.depth.len() >= SHALLOW {
                self.part.prefetch(simd, start..rows.end.min(start + mr), &cols);
            }
            macro_rules! tile {
                ($R:expr) => {
                    match narrow {
                        true => self.tile::<S, { $R }, 1, 1, false>(simd, block, b, place, &mut []),
                        false => {
                            self.tile::<S, { $R }, NV, 1, false>(simd, block, b, place, &mut [])
                        }
                    }
                };
            }
            // The smallest tile that has the rows; those too many are computed for nothing.
            match height {
                1 => tile!(1),
                2 => tile!(2),
                3..=4 => tile!(4),
                5..=MR_16 => tile!(MR_16),
                7..=8 => tile!(8),
                _ => tile!(MR_32),
            }
        }
    }

    /// Loop 1 where there is one tile: several panels side by side.
    #[inline(always)]
    fn few_rows<S: Simd>(
        &mut self,
        simd: S,
        block: Block<T>,
        (panels, stride, apart): (&[T], usize, usize),
        cols: Range<usize>,
    ) {
        let place = Place { rows: block.rows.clone(), cols };
        macro_rules! tile {
            ($R:literal, $N:literal, $P:literal) => {{
                let panels = core::array::from_fn(|q| &panels[q * apart..]);
                let b = Right { panels, stride };
                self.tile::<S, $R, $N, $P, false>(simd, block, b, place, &mut []);
            }};
        }
        match (S::REGISTERS >= 32, place.rows.len()) {
            (true, 1) => tile!(1, 16, 8),
            (true, 2) => tile!(2, 8, 4),
            (true, _) => tile!(4, 4, 2),
            (false, 1) => tile!(1, 8, 4),
            (false, _) => tile!(2, 4, 2),
        }
    }

    /// A register tile.
    #[inline(always)]
    fn tile<S, const R: usize, const N: usize, const P: usize, const COPY: bool>(
        &mut self,
        simd: S,
        block: Block<T>,
        b: Right<T, P>,
        place: Place,
        copy: &mut [T],
    ) where
        S: Simd,
    {
        if R > const { Blocking::tile::<S, T>().0 } {
            return; // no tile of this instruction set: the compiler drops it
        }
        let (block, place) = (&block, &place);
        let (job, part) = (self.job, &mut self.part);
        simd.run(TileOf::<_, _, R, N, P, COPY> { job, part, block, b, place, copy });
    }
}
