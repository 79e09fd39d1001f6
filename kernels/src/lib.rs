//! The numeric floor of an LSTM, usable by any crate: matrix products and activations for `f32`
//! and `f64`, vectorized, on the best instructions of the CPU the program lands on.
//!
//! | module         | holds                                                                     |
//! |----------------|---------------------------------------------------------------------------|
//! | [`gemm`](mod@gemm) | [`Gemm`]: strided views, packed operands, epilogues, threads           |
//! | [`activation`] | `exp`, `sigmoid`, `tanh`, `softplus`, `erf`, … and derivatives, over slices |
//! | [`math`]       | the same from vector to vector, for kernels of your own                   |
//! | [`simd`]       | the vector vocabulary, instruction sets, run-time dispatch                |
//! | [`Team`]       | threads that share out work of microseconds, again and again               |
//! | [`History`]    | what the rows of a batch go through, step after step, cut for threads      |
//! | [`mod@reference`] | the slow, obvious definitions that all of it is tested against            |
//!
//! A plain `cargo build` is enough: no flags. AVX-512, AVX2 with FMA and a portable floor (SSE2 on
//! old x86-64, NEON on Arm, through the crate `wide`) are all in the binary, and [`Isa::best`]
//! takes the best. `KERNELS_ISA=avx512|avx2|portable` forces one.
//!
//! Without the feature `std`, on by default, the crate needs `alloc` alone: products are computed on
//! one thread, and the instruction sets are those that the build's target features allow. With the
//! feature `ndarray`, a [`MatRef`] or [`MatMut`] is made from an `ArrayView2` or `ArrayViewMut2` by
//! `try_from`.
//!
//! Wrong shapes are a bug of the caller: public entries panic and name the operand.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod activation;
#[cfg(feature = "ndarray")]
mod arrays;
mod buffer;
pub mod gemm;
mod history;
pub mod math;
mod matrix;
pub mod reference;
pub mod simd;
mod strided;
#[cfg(feature = "std")]
mod team;
mod threads;
mod unroll;

#[cfg(feature = "ndarray")]
pub use arrays::NotDense;
pub use buffer::{Aligned, Buffer};
pub use gemm::{Bias, Epilogue, Gemm, Packed, Scratch, gemm};
pub use history::{History, Piece};
pub use matrix::{MatMut, MatRef};
pub use simd::{Float, Isa};
#[cfg(feature = "std")]
pub use team::Team;
