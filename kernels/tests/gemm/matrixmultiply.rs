//! The product is that of the crate `matrixmultiply`, whatever the sizes, strides, α and β.

use kernels::{Gemm, Isa, MatRef, Scratch};
use proptest::prelude::*;

use crate::common::{Scalar, noise};
use crate::operands::{Expected, Layout, Matrix, Order, SCALES};

/// An operand that is only read: any strides, so that elements may share a place.
#[derive(Clone, Debug)]
struct Strided<T> {
    data: Vec<T>,
    size: (usize, usize),
    strides: (usize, usize),
}

impl<T: Scalar> Strided<T> {
    fn noise(size: (usize, usize), strides: (usize, usize), seed: u64) -> Self {
        Strided { data: noise(seed, size.0 * strides.0 + size.1 * strides.1 + 1), size, strides }
    }

    fn view(&self) -> MatRef<'_, T> {
        MatRef::strided(&self.data, self.size, self.strides)
    }
}

/// The scalars that the crate has a product for.
trait Peer: Scalar {
    /// `C = A B` or `C += A B`
    fn gemm(scales: (f64, f64), a: &Strided<Self>, b: &Strided<Self>, c: &mut Matrix<Self>);
}

macro_rules! peer {
    ($scalar:ident, $gemm:ident) => {
        impl Peer for $scalar {
            fn gemm(
                scales: (f64, f64),
                a: &Strided<Self>,
                b: &Strided<Self>,
                c: &mut Matrix<Self>,
            ) {
                let ((m, k), (_, n)) = (a.size, b.size);
                let strides = |x: &Strided<Self>| (x.strides.0 as isize, x.strides.1 as isize);
                let ((rsa, csa), (rsb, csb)) = (strides(a), strides(b));
                let (alpha, beta) = (scales.0 as $scalar, scales.1 as $scalar);
                let (data, rsc, csc) = c.parts();
                let (a, b, c) = (a.data.as_ptr(), b.data.as_ptr(), data.as_mut_ptr());
                // SAFETY: with these sizes and strides, `Strided::view` and `Matrix::view_mut` have
                // found every element within its memory, and no two of C in one place.
                unsafe {
                    matrixmultiply::$gemm(
                        m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, c, rsc, csc,
                    );
                }
            }
        }
    };
}

peer! { f32, sgemm }
peer! { f64, dgemm }

/// How an operand lies in memory.
#[derive(Clone, Copy, Debug)]
enum Strides {
    /// Each element in its place.
    Apart(Layout),
    /// Whatever these are: neighbours may share places.
    Any(usize, usize),
}

impl Strides {
    fn of(self, size: (usize, usize)) -> (usize, usize) {
        match self {
            Strides::Apart(layout) => layout.strides(size),
            Strides::Any(row, col) => (row, col),
        }
    }
}

/// Sizes and layouts of one product.
#[derive(Clone, Debug)]
struct Case {
    sizes: (usize, usize, usize),
    a: Strides,
    b: Strides,
    c: Layout,
    scales: (f64, f64),
    seed: u64,
}

/// Either order, half of them without gaps.
fn layouts() -> impl Strategy<Value = Layout> {
    let order = prop_oneof![Just(Order::Rows), Just(Order::Columns)];
    let gaps = prop_oneof![Just((0, 0)), (0..3usize, 0..9usize)];
    (order, gaps).prop_map(|(order, (element, line))| Layout(order, element, line))
}

fn strides() -> impl Strategy<Value = Strides> {
    prop_oneof![
        3 => layouts().prop_map(Strides::Apart),
        1 => (0..9usize, 0..9usize).prop_map(|(row, col)| Strides::Any(row, col)),
    ]
}

prop_compose! {
    fn cases()(
        sizes in (0..70usize, 0..70usize, 0..300usize),
        (a, b) in (strides(), strides()),
        c in layouts(),
        scales in prop::sample::select(&SCALES[..]),
        seed in any::<u64>(),
    ) -> Case {
        Case { sizes, a, b, c, scales, seed }
    }
}

fn check<T: Peer>(case: &Case) {
    let &Case { sizes: (m, n, k), a, b, c, scales, seed } = case;
    let a = Strided::<T>::noise((m, k), a.of((m, k)), seed);
    let b = Strided::<T>::noise((k, n), b.of((k, n)), !seed);
    let old = Matrix::<T>::noise(c, (m, n), seed / 2);
    // Makes sure of what `Peer::gemm` relies on, too.
    let (alpha, beta) = (T::from_f64(scales.0), T::from_f64(scales.1));
    let expected = Expected::of((alpha, beta), a.view(), b.view(), &old);
    let mut c = old.clone();
    c.view_mut();
    T::gemm(scales, &a, &b, &mut c);
    let expected = expected.with(c.elements());

    for isa in Isa::available() {
        let mut c = old.clone();
        let mut scratch = Scratch::default();
        let gemm = Gemm::new(a.view(), b.view()).alpha(alpha).beta(beta);
        gemm.isa(isa).run(c.view_mut(), &mut scratch);
        expected.check(&c, format_args!("{isa} {}", T::NAME));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn gemm_is_matrixmultiply(case in cases()) {
        check::<f32>(&case);
        check::<f64>(&case);
    }
}
