//! The same bits on every instruction set that has FMA.

use kernels::{Bias, Gemm, Isa, Packed, Scratch};

use crate::common::{Scalar, noise};
use crate::operands::{LAYOUTS, Matrix, SCALES};

/// Many panels of B, one row, few rows, edges of every tile, more rows than a block, more terms than a block, and
/// with α = 1 a narrow C, which is computed transposed if it is not packed.
const SIZES: [(usize, usize, usize); 14] = [
    (13, 1100, 20),
    (1, 300, 70),
    (2, 513, 33),
    (4, 130, 600),
    (13, 37, 29),
    (25, 17, 3),
    (70, 6, 40),
    (61, 129, 1050),
    (600, 35, 530),
    (7, 5, 0),
    (130, 6, 300),
    (40, 150, 20),
    (130, 3, 300),
    (33, 11, 100),
];

#[test]
fn instruction_sets_with_fma_give_the_same_bits() {
    fn check<T: Scalar>() {
        let with_fma = |isa: &Isa| cfg!(target_feature = "fma") || isa.name() != "portable";
        let isas: Vec<Isa> = Isa::available().into_iter().filter(with_fma).collect();
        for (i, (m, n, k)) in SIZES.into_iter().enumerate() {
            for layouts in LAYOUTS {
                let [a, b, c] = layouts;
                let (a, b) = (Matrix::<T>::noise(a, (m, k), 1), Matrix::<T>::noise(b, (k, n), 2));
                let old = Matrix::<T>::noise(c, (m, n), 3);
                let bias = noise::<T>(4, n);
                let (alpha, beta) = SCALES[i % SCALES.len()];
                let (alpha, beta) = (T::from_f64(alpha), T::from_f64(beta));
                let results = isas.iter().flat_map(|&isa| {
                    let (left, right) = (Packed::left(isa, a.view()), Packed::right(isa, b.view()));
                    let run = |gemm: Gemm<T>| {
                        let (mut c, mut d) = (old.clone(), old.clone());
                        let mut scratch = Scratch::default();
                        let gemm = gemm.alpha(alpha).beta(beta).isa(isa);
                        gemm.run(c.view_mut(), &mut scratch);
                        gemm.epilogue(Bias(&bias)).run(d.view_mut(), &mut scratch);
                        [c.bits(), d.bits()]
                    };
                    [
                        run(Gemm::new(a.view(), b.view())),
                        run(Gemm::new(a.view(), &right)),
                        run(Gemm::new(&left, b.view())),
                    ]
                });
                let mut results = results.collect::<Vec<_>>().into_iter();
                let first = results.next();
                for bits in results {
                    assert_eq!(Some(bits), first, "{} {m}×{n}×{k}", T::NAME);
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}
