//! The common products, compiled once, in this crate.
//!
//! A generic function is compiled wherever it is used. For all tiles of all instruction sets that would
//! be a minute in each crate that multiplies two matrices. Those without an epilogue and those that add
//! a bias are not generic here; one with another epilogue is compiled where that is.

use super::driver::{Gemm, Scratch};
use super::epilogue::Bias;
use crate::matrix::MatMut;

/// What is compiled here.
pub trait Compiled: Sized {
    /// Computes a product without an epilogue.
    fn product(gemm: &Gemm<Self>, c: &mut MatMut<Self>, scratch: &mut Scratch<Self>);

    /// Computes a product and adds a bias.
    fn product_and_bias(
        gemm: &Gemm<Self, Bias<Self>>,
        c: &mut MatMut<Self>,
        scratch: &mut Scratch<Self>,
    );
}

macro_rules! compiled {
    ($($scalar:ty),*) => {$(
        impl Compiled for $scalar {
            fn product(gemm: &Gemm<Self>, c: &mut MatMut<Self>, scratch: &mut Scratch<Self>) {
                gemm.compute(c, scratch);
            }

            fn product_and_bias(
                gemm: &Gemm<Self, Bias<Self>>,
                c: &mut MatMut<Self>,
                scratch: &mut Scratch<Self>,
            ) {
                gemm.compute(c, scratch);
            }
        }
    )*};
}
compiled! { f32, f64 }
