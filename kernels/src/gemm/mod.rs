//! General matrix multiply, `C = A B` or `C += A B`, after BLIS (F. Van Zee and R. van de Geijn,
//! *BLIS: A Framework for Rapidly Instantiating BLAS Functionality*, 2015).
//!
//! Five loops around a register tile, from the outside in:
//!
//! | loop | steps over | by   | so that                                         |
//! |------|------------|------|-------------------------------------------------|
//! | 5    | columns    | `nc` | the packed block of B fits in L3                |
//! | 4    | depth      | `kc` | a panel of B fits in L1                         |
//! | 3    | rows       | `mc` | the packed block of A fits in L2                |
//! | 2    | columns    | `nr` | one panel of B serves a whole block of A        |
//! | 1    | rows       | `mr` | the tile of C stays in registers                |
//!
//! Threads share the rows of C between loops 4 and 3, or its columns where rows are too few or C is
//! column-major.
//!
//! Every element of C is one chain of multiply-adds over k, in order, whatever the block sizes
//! and the number of threads: the same bits each time on one instruction set.

mod band;
mod bands;
mod blocking;
mod caches;
mod driver;
mod epilogue;
#[allow(unsafe_code)]
mod microkernel;
mod pack;
mod packed;
mod tile;

pub use blocking::Blocking;
pub use caches::Caches;
pub use driver::{Gemm, Scratch, gemm};
pub use epilogue::{Bias, Epilogue};
pub use microkernel::{accumulate_panels, accumulate_rows};
pub use packed::{Operand, Packed};
