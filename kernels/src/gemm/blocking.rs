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

/// Rows of the register tile, and the width of a packed panel of A. A tile of six by four vectors
/// fills 32 registers with four vectors of B and one element of A, a tile of six by two 16.
pub(super) const MR: usize = 6;

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

    /// Vectors in a row of the register tile.
    pub(super) const fn vectors<S: Simd>() -> usize {
        if S::REGISTERS >= 32 { 4 } else { 2 }
    }

    fn cut<S: Simd, T: Float>(Caches { l1, l2, l3 }: Caches) -> Self {
        let (mr, nr) = (MR, Blocking::vectors::<S>() * V::<S, T>::LANES);
        let size = size_of::<T>();
        // A panel of one operand stays in L1 while the other streams past it from L2. Wide tiles
        // keep A: each vector of B feeds `mr` multiply-adds, and a deep block reads C less often
        // (256 terms cost 5 % at 2048³ on Zen 4; from 512 to 1024 it is level, in f64 too, where A
        // then streams). Others keep B.
        let wide = S::REGISTERS >= 32;
        let kc = match wide {
            true => (l1 * 3 / 4 / (mr * size_of::<f32>())).max(1),
            false => (l1 / 2 / (nr * size)).max(1),
        };
        // The block of A takes half of L2; the other half is for the panels of B that pass. Where
        // those panels are the ones that stay in L1, it is read again from L2 for each of them, and
        // takes a sixth: L2 is indexed by physical addresses, so pages of a larger block displace
        // each other (3 to 10 % on Zen 3).
        let share = if wide { 2 } else { 6 };
        let mc = (l2 / share / (kc * size)).max(mr) / mr * mr;
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
