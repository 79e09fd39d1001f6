//! Vectors: a vocabulary of some twenty words, spoken by every instruction set.
//!
//! A numeric kernel is written once, generic over the instruction set [`Simd`] and the scalar
//! [`Float`], as a struct that implements [`Kernel`]. [`Isa::run`](crate::Isa::run) chooses the
//! instruction set when the program runs, once for the whole operation.
//!
//! ```
//! use kernels::simd::{Float, Kernel, Simd, V, Vector};
//!
//! /// `y += a x`
//! struct Axpy<'a, T> {
//!     a: T,
//!     x: &'a [T],
//!     y: &'a mut [T],
//! }
//!
//! impl<T: Float> Kernel for Axpy<'_, T> {
//!     type Output = ();
//!
//!     #[inline(always)]
//!     fn run<S: Simd>(self, simd: S) {
//!         let lanes = V::<S, T>::LANES;
//!         let a = V::<S, T>::splat(simd, self.a);
//!         for (x, y) in self.x.chunks(lanes).zip(self.y.chunks_mut(lanes)) {
//!             let sum = a.mul_add(V::<S, T>::load(simd, x), V::<S, T>::load(simd, y));
//!             sum.store(y);
//!         }
//!     }
//! }
//!
//! let mut y = vec![1.0f32; 13];
//! kernels::Isa::best().run(Axpy { a: 2.0, x: &[3.0; 13], y: &mut y });
//! assert_eq!(y, [7.0; 13]);
//! ```
//!
//! One rule makes this fast: everything between `run` and the intrinsic is `#[inline(always)]`.

mod bundle;
mod float;
mod isa;
mod lanewise;
mod portable;
mod vector;

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "intrinsics; the token proves that the CPU has them")]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "intrinsics; the token proves that the CPU has them")]
mod avx512;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use bundle::Bundle;
pub use float::{Float, Pieces};
pub use isa::{Isa, UnknownIsa};
pub use portable::Portable;
pub use vector::{Kernel, MAX_LANES, Simd, V, Vector};
