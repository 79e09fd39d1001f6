//! The products that are measured.

use std::fmt;

/// `C = A B` with C row-major, `m × n`, and sums of `k` terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Where an LSTM has it.
    pub family: &'static str,
    /// Rows of A and C.
    pub m: usize,
    /// Columns of A, rows of B.
    pub k: usize,
    /// Columns of B and C.
    pub n: usize,
    /// A lies transposed: column-major.
    pub a_transposed: bool,
    /// B lies transposed: column-major.
    pub b_transposed: bool,
}

impl Product {
    const fn new(family: &'static str, (m, k, n): (usize, usize, usize)) -> Self {
        Product { family, m, k, n, a_transposed: false, b_transposed: false }
    }

    /// Floating-point operations: two for each multiply-add.
    pub fn flops(&self) -> f64 {
        2.0 * self.m as f64 * self.k as f64 * self.n as f64
    }

    /// The strides of A's rows and columns.
    pub fn a_strides(&self) -> (usize, usize) {
        if self.a_transposed { (1, self.m) } else { (self.k, 1) }
    }

    /// The strides of B's rows and columns.
    pub fn b_strides(&self) -> (usize, usize) {
        if self.b_transposed { (1, self.k) } else { (self.n, 1) }
    }
}

/// `m×k×n`, with a `ᵀ` after the sizes of an operand that lies transposed.
impl fmt::Display for Product {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let mark = |transposed| if transposed { "ᵀ" } else { "" };
        let Product { m, k, n, .. } = self;
        let text = format!("{m}×{k}{}×{n}{}", mark(self.a_transposed), mark(self.b_transposed));
        out.pad(&text)
    }
}

/// Units of an LSTM layer.
const UNITS: [usize; 6] = [4, 16, 64, 256, 512, 1024];

/// Every product, in the order of the record.
pub fn products() -> Vec<Product> {
    let squares =
        [64, 128, 256, 512, 1024, 2048].map(|n| Product::new("square", (n, n, n))).into_iter();
    // A batch of states times the recurrent weights: h U.
    let recurrent = [1, 8, 16, 20, 32, 64]
        .into_iter()
        .flat_map(|batch| UNITS.map(|units| Product::new("recurrent", (batch, units, 4 * units))));
    // The gradient of the weights over T steps of a batch, and that of the states.
    let weights = UNITS.map(|units| Product {
        a_transposed: true,
        ..Product::new("dWᵀ = dzᵀ x", (4 * units, STEPS * BATCH, units))
    });
    let states = UNITS.map(|units| Product {
        b_transposed: true,
        ..Product::new("dh = dz Uᵀ", (BATCH, 4 * units, units))
    });
    squares.chain(recurrent).chain(weights).chain(states).collect()
}

/// The batch and steps of the products of BPTT.
const BATCH: usize = 32;
const STEPS: usize = 10;
