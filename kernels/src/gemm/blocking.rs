//! Sizes of tiles and blocks, each with its reason.

use core::marker::PhantomData;

use super::caches::Caches;
use crate::simd::{Float, Isa, Kernel, Simd, V, Vector};

/// How a product is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The sizes for products of `T` on `isa`, by the caches of this CPU.
    pub fn on<T: Float>(isa: Isa) -> Self {
        #[cfg(feature = "std")]
        {
            use std::sync::OnceLock;

            // Computed once: the divisions would be half the time of the smallest products.
            static SIZES: [[OnceLock<Blocking>; 2]; 3] =
                [const { [const { OnceLock::new() }; 2] }; 3];
            let set = match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512(_) => 2,
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2(_) => 1,
                Isa::Portable(_) => 0,
            };
            let sizes = &SIZES[set][size_of::<T>() / 8];
            *sizes.get_or_init(|| Blocking::within::<T>(isa, Caches::of_this_cpu()))
        }
        #[cfg(not(feature = "std"))]
        Blocking::within::<T>(isa, Caches::of_this_cpu())
    }

    /// The sizes for products of `T` on `isa`, by these caches.
    pub fn within<T: Float>(isa: Isa, caches: Caches) -> Self {
        struct Sizes<T>(Caches, PhantomData<T>);

        impl<T: Float> Kernel for Sizes<T> {
            type Output = Blocking;

            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> Blocking {
                Blocking::cut::<S, T>(self.0)
            }
        }
        isa.run(Sizes::<T>(caches, PhantomData))
    }

    /// Rows and columns of the register tile.
    pub(super) const fn tile<S: Simd, T: Float>() -> (usize, usize) {
        let mr = if S::REGISTERS >= 32 { MR_32 } else { MR_16 };
        (mr, NV * V::<S, T>::LANES)
    }

    fn cut<S: Simd, T: Float>(Caches { l1, l2, l3 }: Caches) -> Self {
        let (mr, nr) = Blocking::tile::<S, T>();
        let size = size_of::<T>();
        // A panel of one operand stays in L1 while the other streams past it from L2. Wide tiles
        // keep A (each vector of B then feeds `mr` multiply-adds, and a deep block reads C less
        // often: 512 against 256 deep was worth 8 % at 1024³ on Zen 4); others keep B. In f64 the
        // block of a wide tile is as deep: A then streams too, which costs less than C.
        let kc = match S::REGISTERS >= 32 {
            true => (l1 * 3 / 4 / (mr * size_of::<f32>())).max(1),
            false => (l1 / 2 / (nr * size)).max(1),
        };
        // The block of A takes half of L2; the other half is for the panels of B that pass.
        let mc = (l2 / 2 / (kc * size)).max(mr) / mr * mr;
        // The block of B takes half of a core's share of L3.
        let nc = (l3 / 2 / (kc * size)).max(nr) / nr * nr;
        Blocking { mr, nr, mc, kc, nc }
    }

    /// For a product: where the terms of a sum are few, more rows and columns fit.
    pub(super) fn fit(self, (m, n, k): (usize, usize, usize)) -> Self {
        let Blocking { mr, nr, mc, kc, nc } = self;
        if m <= mc && n <= nc || k >= kc {
            return self;
        }
        let longer = |extent: usize, tile: usize| extent * kc / k.max(1) / tile * tile;
        Blocking { mr, nr, mc: longer(mc, mr), kc, nc: longer(nc, nr) }
    }
}
