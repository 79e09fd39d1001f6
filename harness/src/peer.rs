//! The peers: what a Rust program would use without this workspace.

use std::fmt;

use kernels::Float;

/// An elementwise function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Function {
    /// `eˣ`
    Exp,
    /// `eˣ - 1`
    Expm1,
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// `tanh x`
    Tanh,
}

impl Function {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Function::Exp => "exp",
            Function::Expm1 => "expm1",
            Function::Sigmoid => "sigmoid",
            Function::Tanh => "tanh",
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.pad(self.name())
    }
}

/// A scalar that the peers know.
pub trait Scalar: Float {
    /// `C = A B` by the crate `matrixmultiply`, all three row-major; `(m, n, k)` are their sizes.
    ///
    /// # Panics
    ///
    /// If a slice has another size.
    fn matrixmultiply(size: (usize, usize, usize), a: &[Self], b: &[Self], c: &mut [Self]);

    /// `f(x)` by the standard library.
    fn std(function: Function, x: Self) -> Self;
}

macro_rules! scalar {
    ($scalar:ident, $gemm:ident) => {
        impl Scalar for $scalar {
            #[allow(unsafe_code, reason = "matrixmultiply takes pointers")]
            fn matrixmultiply(
                (m, n, k): (usize, usize, usize),
                a: &[Self],
                b: &[Self],
                c: &mut [Self],
            ) {
                assert_eq!((a.len(), b.len(), c.len()), (m * k, k * n, m * n), "sizes");
                let [rows_a, rows_b] = [k as isize, n as isize];
                let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
                // SAFETY: by the assertion the strides stay within the slices, and C is borrowed
                // for writing, so it does not overlap with A or B.
                unsafe {
                    matrixmultiply::$gemm(
                        m, k, n, 1.0, a, rows_a, 1, b, rows_b, 1, 0.0, c, rows_b, 1,
                    );
                }
            }

            #[inline(always)]
            fn std(function: Function, x: Self) -> Self {
                match function {
                    Function::Exp => x.exp(),
                    Function::Expm1 => x.exp_m1(),
                    Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
                    Function::Tanh => x.tanh(),
                }
            }
        }
    };
}

scalar!(f32, sgemm);
scalar!(f64, dgemm);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrixmultiply_is_called_with_the_right_strides() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        let mut c = [f64::NAN; 4];
        f64::matrixmultiply((2, 2, 3), &a, &b, &mut c);
        assert_eq!(c, [4.0, 5.0, 10.0, 11.0]);
    }
}
