//! General matrix multiply, `C = α A B + β C`, after BLIS (F. Van Zee and R. van de Geijn, *BLIS: A
//! Framework for Rapidly Instantiating BLAS Functionality*, 2015).
//!
//! Five loops around a register tile, from the outside in, with [`Blocking`] by the CPU's caches:
//!
//! | loop | steps over | by   | so that                                         |
//! |------|------------|------|-------------------------------------------------|
//! | 5    | columns    | `nc` | the packed block of B fits in L3                |
//! | 4    | depth      | `kc` | a panel of A or B fits in L1                    |
//! | 3    | rows       | `mc` | the packed block of A fits in L2                |
//! | 2    | columns    | `nr` | one panel of B serves a whole block of A        |
//! | 1    | rows       | `mr` | the tile of C stays in registers                |
//!
//! Operands are packed only where that pays:
//!
//! | operand | is read where it lies | is packed |
//! |---------|-----------------------|-----------|
//! | A       | if its rows or columns are contiguous, for up to 48 panels of B | else a block at a time; always where α is not one |
//! | B       | by products of up to two million multiply-adds; by more if A has not more than `mc` rows | a block at a time for more rows, shared by threads |
//! | B in a block that spans more than 8 MB, its rows pages apart | as above, by the first tile of a panel, which copies it for the others | as above |
//! | B in panels narrower than four cache lines | as above, for fewer than 24 rows; for more by the first tile of a panel, which copies it | as above; for up to 47 rows four cache lines of panels at a time if a block spans more than 2 MB |
//! | B, its rows not contiguous | never | as above, through squares transposed in registers |
//! | B, for one row | up to 128 KB: eight vectors of C at a time; beyond, six rows at a time, from one end to the other; packed before, four panels at a time | as above |
//!
//! With both operands not packed before, a C of fewer than 16 columns is computed by the narrowest
//! vectors that hold its rows and give the same bits. Or, without an epilogue and with α = 1, as `Cᵀ = Bᵀ Aᵀ`,
//! where that takes fewer vectors, and then copied; so is a column-major C, which need not be copied.
//! Elements of C that are no neighbours are written one by one otherwise, which costs as much as ten to
//! twenty terms of the sum.
//!
//! Products on one thread whose operands are read where they lie take a shorter way: a core stores once
//! in a cycle, and calls with what they hand on would be most of the time of the smallest.
//!
//! # What is promised
//!
//! Every element of C is one chain of multiply-adds over k, in order, that starts from `β C`:
//!
//! ```text
//! c ← β c;  c ← c + (α a[i, p]) b[p, j]  for p = 0, 1, …, k - 1
//! ```
//!
//! with `α a` rounded, and each multiply-add rounded once where the instruction set has FMA. Nothing
//! else enters: not the block sizes, the number of threads, the layout of an operand or whether it
//! was packed. So results are equal to the last bit for any number of threads, and on every
//! instruction set that has FMA; only the portable one without it rounds twice. Which NaN it is
//! where there is one is not promised.
//!
//! Before the epilogue, and where nothing over- or underflows, each element is within
//! `γ (|α| |A| |B| + |β| |C|)` of the exact one, with `γ = n u / (1 - n u)` for its `n ≤ k + 2`
//! roundings and u half the [`EPSILON`](crate::Float::EPSILON) (N. Higham, *Accuracy and Stability of
//! Numerical Algorithms*, 2002, 3.1).
//!
//! # Threads
//!
//! Products above half a million multiply-adds are spread over the current `rayon` pool, by columns
//! of C, or by its rows where it has more tiles that way or a block of B is shared.

mod apart;
mod band;
mod bands;
mod block;
mod blocking;
mod caches;
mod compiled;
mod driver;
mod epilogue;
mod job;
mod microkernel;
mod one_row;
mod pack;
mod packed;
mod small;
mod tile;
mod vendor;

pub use blocking::Blocking;
pub use caches::Caches;
#[doc(hidden)]
pub use compiled::Compiled;
pub use driver::{Gemm, Scratch, gemm};
pub use epilogue::{Bias, Epilogue};
pub use microkernel::{accumulate_abreast, accumulate_panels, accumulate_rows};
pub use packed::{Operand, Packed};
