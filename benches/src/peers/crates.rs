//! Other crates.

use std::hint::black_box;

use harness::peer::Scalar;

use super::{Job, Run};

/// The crate `matrixmultiply`, on one thread as linked here.
pub(super) fn matrixmultiply<T: Scalar>(job: Job<T>) -> Option<Run<T>> {
    let Job { product, a, b, .. } = job;
    let size = (product.m, product.n, product.k);
    let (a_strides, b_strides) = (product.a_strides(), product.b_strides());
    let run = move |c: &mut [T]| {
        T::matrixmultiply(size, (black_box(a), a_strides), (black_box(b), b_strides), black_box(c));
    };
    (job.threads == 1).then(|| Box::new(run) as _)
}

/// The crate `gemm`, on the current `rayon` pool.
#[cfg(feature = "peers")]
#[allow(unsafe_code, reason = "its entry takes pointers")]
pub(super) fn gemm<T: Scalar>(job: Job<T>) -> Option<Run<T>> {
    let Job { product, a, b, threads } = job;
    let (m, n, k) = (product.m, product.n, product.k);
    let parallelism = match threads {
        1 => gemm::Parallelism::None,
        threads => gemm::Parallelism::Rayon(threads),
    };
    let strides = |(row, col)| (col as isize, row as isize);
    let (a_strides, b_strides) = (strides(product.a_strides()), strides(product.b_strides()));
    Some(Box::new(move |c| {
        assert_eq!((a.len(), b.len(), c.len()), (m * k, k * n, m * n), "sizes");
        let (a, b, c) = (black_box(a).as_ptr(), black_box(b).as_ptr(), black_box(c).as_mut_ptr());
        // SAFETY: by the assertion the strides stay within the slices, and C is borrowed for
        // writing, so it does not overlap with A or B.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                c,
                1,
                n as isize,
                false,
                a,
                a_strides.0,
                a_strides.1,
                b,
                b_strides.0,
                b_strides.1,
                T::ZERO,
                T::ONE,
                false,
                false,
                false,
                parallelism,
            );
        }
    }))
}

/// The crate `rten-gemm`, on the current `rayon` pool.
#[cfg(feature = "peers")]
pub(super) fn rten(job: Job<f32>) -> Option<Run<f32>> {
    use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB};

    let (a, b) = rten_views(job);
    let gemm = GemmExecutor::<f32>::new();
    Some(Box::new(move |c| {
        let (a, b) = (GemmInputA::Unpacked(a), GemmInputB::Unpacked(b));
        gemm.gemm(black_box(c), a, b, Default::default()).expect("sizes that fit");
    }))
}

/// The same with B packed before.
#[cfg(feature = "peers")]
pub(super) fn rten_packed(job: Job<f32>) -> Option<Run<f32>> {
    use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB};

    let (a, b) = rten_views(job);
    let gemm = GemmExecutor::<f32>::new();
    let packed = gemm.prepack_b(b);
    Some(Box::new(move |c| {
        let (a, b) = (GemmInputA::Unpacked(a), GemmInputB::Packed(&packed));
        gemm.gemm(black_box(c), a, b, Default::default()).expect("sizes that fit");
    }))
}

#[cfg(feature = "peers")]
fn rten_views<'a>(
    job: Job<'a, f32>,
) -> (rten_tensor::Matrix<'a, f32>, rten_tensor::Matrix<'a, f32>) {
    use rten_tensor::NdTensorView;

    let view = |data, rows, cols, (row, col): (usize, usize)| {
        NdTensorView::from_data_with_strides([rows, cols], data, [row, col])
            .expect("strides that fit")
    };
    let Job { product, a, b, .. } = job;
    (
        view(a, product.m, product.k, product.a_strides()),
        view(b, product.k, product.n, product.b_strides()),
    )
}
