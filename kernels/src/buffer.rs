//! Memory that starts on a cache line, so that no vector load crosses one.

use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

use bytemuck::{Pod, Zeroable};

use crate::simd::Float;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct CacheLine([u64; 8]);

/// An array on the stack, say, that starts on a cache line. Elsewhere every vector of 64 bytes that is stored to it
/// or loaded from it would be in two lines, and how long that takes depends on where the compiler puts it.
///
/// ```
/// let mut sums = kernels::Aligned([0.0f32; 32]);
/// sums.0[16..].fill(1.0);
/// assert!(sums.0.as_ptr().addr().is_multiple_of(64));
/// ```
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Aligned<A>(pub A);

/// A growable array of `T` aligned to 64 bytes; zeros where nothing was written.
#[derive(Clone)]
pub struct Buffer<T> {
    lines: Vec<CacheLine>,
    len: usize,
    scalar: core::marker::PhantomData<T>,
}

impl<T> Buffer<T> {
    /// An empty buffer, without memory.
    pub const fn new() -> Self {
        Buffer { lines: Vec::new(), len: 0, scalar: core::marker::PhantomData }
    }
}

impl<T: Float> Buffer<T> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Buffer::new();
        buffer.resize(len);
        buffer
    }

    /// The memory of a buffer that never held more than `len` elements: whole cache lines.
    pub fn bytes(len: usize) -> usize {
        (len * size_of::<T>()).next_multiple_of(size_of::<CacheLine>())
    }

    /// The memory that the buffer holds once it has been that long.
    pub fn held(&self, len: usize) -> usize {
        Self::bytes(len).max(self.lines.len() * size_of::<CacheLine>())
    }

    /// Changes the length. Allocates only to grow beyond what the buffer ever held; elements kept
    /// or regained have their last value.
    pub fn resize(&mut self, len: usize) {
        let lines = Self::bytes(len) / size_of::<CacheLine>();
        if lines > self.lines.len() {
            self.lines.reserve_exact(lines - self.lines.len());
            self.lines.resize(lines, CacheLine::zeroed());
        }
        self.len = len;
    }

    /// Changes the length where what the elements are does not matter: memory that is too small is given
    /// back before there is more, so that there are never both.
    pub fn refit(&mut self, len: usize) {
        if Self::bytes(len) > self.lines.len() * size_of::<CacheLine>() {
            self.lines = Vec::new();
        }
        self.resize(len);
    }
}

impl<T> Default for Buffer<T> {
    fn default() -> Self {
        Buffer::new()
    }
}

impl<T: Float> Deref for Buffer<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl<T: Float> DerefMut for Buffer<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl<T: Float> From<&[T]> for Buffer<T> {
    fn from(xs: &[T]) -> Self {
        let mut buffer = Buffer::zeros(xs.len());
        buffer.copy_from_slice(xs);
        buffer
    }
}

impl<T> fmt::Debug for Buffer<T> {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "Buffer({})", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_on_a_cache_line_and_keeps_what_was_written() {
        let mut buffer = Buffer::<f64>::zeros(3);
        buffer.copy_from_slice(&[1.0, 2.0, 3.0]);
        buffer.resize(1);
        buffer.resize(100);
        assert_eq!(buffer.as_ptr() as usize % 64, 0);
        assert_eq!(buffer[..4], [1.0, 2.0, 3.0, 0.0]);
    }

    #[test]
    fn holds_no_more_than_its_longest() {
        let mut buffer = Buffer::<f32>::zeros(17);
        for len in [18, 40, 41, 100, 3] {
            buffer.resize(len);
        }
        assert_eq!(buffer.lines.capacity() * 64, Buffer::<f32>::bytes(100));
        buffer.refit(101);
        buffer.refit(200);
        buffer.refit(7);
        assert_eq!(buffer.lines.capacity() * 64, Buffer::<f32>::bytes(200));
        assert_eq!(buffer.len(), 7);
    }
}
