//! The sizes of the caches.

use super::vendor::is_intel;

/// Bytes of the caches that one core can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caches {
    /// First level, data.
    pub l1: usize,
    /// Second level.
    pub l2: usize,
    /// The share of the third level that a core has, if all use it.
    pub l3: usize,
}

/// More than nearly any core has for itself: what is larger is mostly a virtual machine of few cores, which counts the
/// whole of a cache that it shares with others.
#[cfg(all(target_arch = "x86_64", feature = "std"))]
const L3_AT_MOST: usize = 16 << 20;

impl Caches {
    /// What cores of the last ten years have at least: assumed where a CPU does not tell.
    pub const COMMON: Caches = Caches { l1: 32 << 10, l2: 256 << 10, l3: 2 << 20 };

    /// What this CPU says of itself, asked once. Where it says nothing, or what cannot be, as some
    /// virtual machines do, it is [`Caches::COMMON`].
    pub fn of_this_cpu() -> Self {
        #[cfg(all(target_arch = "x86_64", feature = "std"))]
        {
            use std::sync::OnceLock;

            static ASKED: OnceLock<Caches> = OnceLock::new();
            *ASKED.get_or_init(|| Caches::asked().unwrap_or(Caches::COMMON))
        }
        #[cfg(not(all(target_arch = "x86_64", feature = "std")))]
        Caches::COMMON
    }

    /// The same without a third level that is hardly nearer than memory: `l3` is `l2` then. On Intel's servers, which
    /// have their L3 all over the chip, a core reads a quarter as much from it in a cycle as from L2 (nine bytes on an
    /// Emerald Rapids). They are told by a second level of a mebibyte or more; so are Intel's smaller chips since 2020,
    /// which have not been measured.
    pub fn near_this_core() -> Self {
        let caches = Caches::of_this_cpu();
        match is_intel() && caches.l2 >= 1 << 20 {
            true => Caches { l3: caches.l2, ..caches },
            false => caches,
        }
    }

    /// By the instruction `cpuid`.
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    fn asked() -> Option<Self> {
        use raw_cpuid::{CacheType, CpuId};

        let size = |level: u8| {
            let data = |cache: &raw_cpuid::CacheParameter| {
                cache.level() == level && cache.cache_type() != CacheType::Instruction
            };
            let cache = CpuId::new().get_cache_parameters()?.find(data)?;
            let bytes = cache.sets()
                * cache.associativity()
                * cache.physical_line_partitions()
                * cache.coherency_line_size();
            // Threads that share it; a core of two threads runs one of ours.
            Some((bytes, cache.max_cores_for_cache()))
        };
        let ((l1, _), (l2, _)) = (size(1)?, size(2)?);
        let l3 = size(3).map_or(l2, |(l3, sharing)| l3 / sharing.max(1));
        let possible = (8 << 10..=1 << 20).contains(&l1) && (l1..=64 << 20).contains(&l2);
        // Never less than L2: where L3 holds what L2 has dropped, both count.
        let l3 = l3.min(L3_AT_MOST).max(l2).max(Caches::COMMON.l3);
        possible.then_some(Caches { l1, l2, l3 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_grow() {
        let Caches { l1, l2, l3 } = Caches::of_this_cpu();
        assert!(8 << 10 <= l1 && l1 <= l2 && l2 <= l3, "{l1} {l2} {l3}");
    }
}
