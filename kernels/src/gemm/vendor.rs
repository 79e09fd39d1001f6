//! Where CPUs differ by more than the sizes of their caches.

/// Whether this is a CPU of Intel's. There a load that crosses from a cache line into the next takes the time of
/// several, and a line has its place in L2 by its address, so that rows whole pages apart displace each other: an
/// operand is moved to where it lies well sooner than elsewhere (Emerald Rapids; with AVX-512 on a Zen 4 it is as fast
/// where it lies).
pub(super) fn is_intel() -> bool {
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    {
        use raw_cpuid::CpuId;
        use std::sync::OnceLock;

        static ASKED: OnceLock<bool> = OnceLock::new();
        *ASKED.get_or_init(|| {
            CpuId::new().get_vendor_info().is_some_and(|vendor| vendor.as_str() == "GenuineIntel")
        })
    }
    #[cfg(not(all(target_arch = "x86_64", feature = "std")))]
    false
}
