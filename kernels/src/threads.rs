//! The threads of the current `rayon` pool; without the feature `std`, this one alone.

/// How many threads work can be shared among.
pub(crate) fn count() -> usize {
    #[cfg(feature = "std")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "std"))]
    return 1;
}

/// Does both, at the same time where a thread is free.
pub(crate) fn join(first: impl FnOnce() + Send, second: impl FnOnce() + Send) {
    #[cfg(feature = "std")]
    rayon::join(first, second);
    #[cfg(not(feature = "std"))]
    {
        first();
        second();
    }
}

/// Calls `work` with every chunk of `len` elements and its number, in any order; what is left over
/// at the end is no chunk.
pub(crate) fn for_each_chunk<T: Send>(
    xs: &mut [T],
    len: usize,
    work: impl Fn(usize, &mut [T]) + Send + Sync,
) {
    #[cfg(feature = "std")]
    {
        use rayon::prelude::*;
        xs.par_chunks_exact_mut(len).enumerate().for_each(|(i, chunk)| work(i, chunk));
    }
    #[cfg(not(feature = "std"))]
    for (i, chunk) in xs.chunks_exact_mut(len).enumerate() {
        work(i, chunk);
    }
}
