//! `Gemm` against other definitions of a matrix product, on every instruction set of this CPU.
//!
//! | module           | property                                                              |
//! |------------------|-----------------------------------------------------------------------|
//! | `agreement`      | as the reference, at every size about a tile or block, in all layouts |
//! | `matrixmultiply` | as the crate of that name, at any size, strides, α and β              |
//! | `exact`          | no error where none is due; NaN and infinity as the reference         |
//! | `packed`         | operands packed before give the same bits                             |
//! | `epilogue`       | once for each element, at the right place                             |
//! | `instruction_sets` | the same bits on every one that has FMA                             |
//! | `threads`        | the same bits on any number of threads, and large products use them   |
//! | `panics`         | wrong arguments are named                                             |

mod agreement;
#[path = "../common/mod.rs"]
mod common;
mod epilogue;
mod exact;
mod instruction_sets;
#[allow(unsafe_code, reason = "its entries take pointers")]
mod matrixmultiply;
mod operands;
mod packed;
mod panics;
mod threads;
