//! Sizes of tiles and blocks, each with its reason.

use core::marker::PhantomData;

use crate::simd::{Float, Isa, Kernel, Simd, V, Vector};

/// Bytes of the caches that the blocks are cut for: what x86-64 cores of the last ten years have
/// at least. Blocks leave room for the operands that stream by.
const L1: usize = 32 << 10;
const L2: usize = 512 << 10;
const L3: usize = 8 << 20;

/// How a product is cut.
#[derive(Clone, Copy, Debug)]
pub struct Blocking {
    /// Rows of a register tile, and the width of a packed panel of A.
    pub mr: usize,
    /// Columns of a register tile, and the width of a packed panel of B.
    pub nr: usize,
    /// Rows of a packed block of A.
    pub mc: usize,
    /// Depth of packed blocks.
    pub kc: usize,
    /// Columns of a packed block of B.
    pub nc: usize,
}

/// Vectors in a row of the register tile.
pub(super) const NV: usize = 2;

/// Rows of the register tile where there are 32 registers: 24 accumulators, 2 of B, 1 of A.
pub(super) const MR_32: usize = 12;
/// Rows of the register tile where there are 16 registers: 12 accumulators, 2 of B, 1 of A.
pub(super) const MR_16: usize = 6;

impl Blocking {
    /// The sizes for products of `T` on `isa`.
    pub fn on<T: Float>(isa: Isa) -> Self {
        struct Sizes<T>(PhantomData<T>);

        impl<T: Float> Kernel for Sizes<T> {
            type Output = Blocking;

            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> Blocking {
                Blocking::of::<S, T>()
            }
        }
        isa.run(Sizes::<T>(PhantomData))
    }

    pub(super) const fn of<S: Simd, T: Float>() -> Self {
        let mr = if S::REGISTERS >= 32 { MR_32 } else { MR_16 };
        let nr = NV * V::<S, T>::LANES;
        let size = size_of::<T>();
        // A panel of one operand stays in L1 while the other streams past it from L2. Wide tiles
        // keep A (each vector of B then feeds `mr` multiply-adds, and a deep block reads C less
        // often: 512 against 256 deep was worth 8 % at 1024³ on Zen 4); others keep B.
        let kc = match S::REGISTERS >= 32 {
            true => L1 * 3 / 4 / (mr * size),
            false => L1 / 2 / (nr * size),
        };
        let mc = L2 / 2 / (kc * size) / mr * mr;
        let nc = L3 / 2 / (kc * size) / nr * nr;
        Blocking { mr, nr, mc, kc, nc }
    }
}
