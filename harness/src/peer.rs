//! The peers: what a Rust program would use without this workspace.

use kernels::activation::Function;
use kernels::{Float, MatRef};

/// Who computes a function one number at a time: the standard library, or `libm` where that has none.
pub fn of(function: Function) -> &'static str {
    match function {
        Function::Erf => "libm",
        _ => "std",
    }
}

/// A scalar that the peers know.
pub trait Scalar: Float {
    /// `C = A B` by the crate `matrixmultiply`, with C row-major; `(m, n, k)` are their sizes. A
    /// and B come with the strides of their rows and columns.
    ///
    /// # Panics
    ///
    /// If an element lies outside of its slice.
    fn matrixmultiply(
        size: (usize, usize, usize),
        a: (&[Self], (usize, usize)),
        b: (&[Self], (usize, usize)),
        c: &mut [Self],
    );

    /// `f(x)` by the [peer](of).
    fn scalar(function: Function, x: Self) -> Self;
}

macro_rules! scalar {
    ($scalar:ident, $gemm:ident, $erf:ident) => {
        impl Scalar for $scalar {
            #[allow(unsafe_code, reason = "matrixmultiply takes pointers")]
            fn matrixmultiply(
                (m, n, k): (usize, usize, usize),
                (a, (row_a, col_a)): (&[Self], (usize, usize)),
                (b, (row_b, col_b)): (&[Self], (usize, usize)),
                c: &mut [Self],
            ) {
                // These panic where an element lies outside.
                let _ = MatRef::strided(a, (m, k), (row_a, col_a));
                let _ = MatRef::strided(b, (k, n), (row_b, col_b));
                assert_eq!(c.len(), m * n, "the size of C");
                let [row_a, col_a, row_b, col_b] = [row_a, col_a, row_b, col_b].map(|s| s as isize);
                let (a, b, c, row_c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr(), n as isize);
                // SAFETY: as just checked the strides stay within the slices, and C is borrowed
                // for writing, so it does not overlap with A or B.
                unsafe {
                    matrixmultiply::$gemm(
                        m, k, n, 1.0, a, row_a, col_a, b, row_b, col_b, 0.0, c, row_c, 1,
                    );
                }
            }

            #[inline(always)]
            fn scalar(function: Function, x: Self) -> Self {
                match function {
                    Function::Exp => x.exp(),
                    Function::Expm1 => x.exp_m1(),
                    Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
                    Function::Tanh => x.tanh(),
                    Function::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
                    Function::Log1p => x.ln_1p(),
                    Function::Erf => libm::$erf(x),
                }
            }
        }
    };
}

scalar!(f32, sgemm, erff);
scalar!(f64, dgemm, erf);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrixmultiply_is_called_with_the_right_strides() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        let mut c = [f64::NAN; 4];
        f64::matrixmultiply((2, 2, 3), (&a, (3, 1)), (&b, (2, 1)), &mut c);
        assert_eq!(c, [4.0, 5.0, 10.0, 11.0]);
        f64::matrixmultiply((2, 2, 3), (&b, (1, 2)), (&a, (1, 3)), &mut c);
        assert_eq!(c, [4.0, 10.0, 5.0, 11.0]);
    }
}
