//! The slow, obvious definitions that every fast path is tested against.

mod double_double;
mod exact;
mod hard_cases;

pub use exact::Exact;
pub use hard_cases::hard_cases;

use crate::gemm::Update;
use crate::matrix::{MatMut, MatRef};
use crate::simd::Float;

/// `C = A B` or `C += A B`, one element after another, summed in `f64`.
pub fn gemm<T: Float>(update: Update, a: MatRef<T>, b: MatRef<T>, mut c: MatMut<T>) {
    for i in 0..c.rows() {
        for j in 0..c.cols() {
            let start = match update {
                Update::Assign => 0.0,
                Update::Add => c.at(i, j).to_f64(),
            };
            let terms = (0..a.cols()).map(|p| a.at(i, p).to_f64() * b.at(p, j).to_f64());
            c.set(i, j, T::from_f64(start + terms.sum::<f64>()));
        }
    }
}

/// `1 / (1 + e⁻ˣ)`
pub fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}
