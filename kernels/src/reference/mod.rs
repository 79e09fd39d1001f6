//! The slow, obvious definitions that every fast path is tested against.

mod double_double;
mod exact;
mod hard_cases;

pub use exact::Exact;
pub use hard_cases::hard_cases;

use crate::matrix::{MatMut, MatRef};
use crate::simd::Float;

/// `C = α A B + β C`, one element after another, summed in `f64`. Where β is zero, C is not read.
pub fn gemm<T: Float>(alpha: T, a: MatRef<T>, b: MatRef<T>, beta: T, mut c: MatMut<T>) {
    for i in 0..c.rows() {
        for j in 0..c.cols() {
            let terms = (0..a.cols()).map(|p| a.at(i, p).to_f64() * b.at(p, j).to_f64());
            let product = alpha.to_f64() * terms.sum::<f64>();
            let old = if beta == T::ZERO { 0.0 } else { beta.to_f64() * c.at(i, j).to_f64() };
            c.set(i, j, T::from_f64(old + product));
        }
    }
}

/// `1 / (1 + e⁻ˣ)`
#[cfg(feature = "std")]
pub fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}
