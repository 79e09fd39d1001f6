//! Matrix products to measure, and who computes them.
//!
//! | module    | holds                                                              |
//! |-----------|--------------------------------------------------------------------|
//! | [`grid`]  | the products: squares, those of a recurrent step, those of BPTT    |
//! | [`peers`] | whoever computes them: `kernels`, other crates, the system's BLAS  |

pub mod grid;
pub mod peers;
