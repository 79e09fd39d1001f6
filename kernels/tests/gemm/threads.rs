//! The same bits on any number of threads.

use std::collections::HashSet;
use std::sync::Mutex;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use kernels::simd::{Simd, V};
use kernels::{Bias, Epilogue, Float, Gemm, Isa, Packed, Scratch};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::common::{Scalar, noise};
use crate::operands::{COLUMNS, LAYOUTS, Matrix, ROWS};

/// Products worth more than one thread: square, wide, tall, deep, one tile more than threads; few
/// rows, few columns, and one of each.
const SIZES: [(usize, usize, usize); 10] = [
    (129, 130, 131),
    (24, 700, 300),
    (1009, 40, 60),
    (61, 33, 1100),
    (97, 129, 257),
    (8, 600, 513),
    (5, 2100, 300),
    (2100, 5, 300),
    (1, 4200, 257),
    (4200, 1, 256),
];

fn pools() -> Vec<ThreadPool> {
    let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    [1, 2, 3, 8].map(pool).into()
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    fn check<T: Scalar>(pools: &[ThreadPool]) {
        for (i, (m, n, k)) in SIZES.into_iter().enumerate() {
            // C by rows and by columns.
            for [a, b, c] in [LAYOUTS[i % 8], LAYOUTS[(i + 4) % 8]] {
                let a = Matrix::<T>::noise(a, (m, k), 1);
                let b = Matrix::<T>::noise(b, (k, n), 2);
                let old = Matrix::<T>::noise(c, (m, n), 3);
                let bias = noise::<T>(4, n);
                for isa in Isa::available() {
                    let beta = if i % 2 == 0 { T::ZERO } else { T::ONE };
                    let alpha = if i % 3 == 0 { T::from_f64(-0.7) } else { T::ONE };
                    let (left, right) = (Packed::left(isa, a.view()), Packed::right(isa, b.view()));
                    for gemm in [
                        Gemm::new(a.view(), b.view()),
                        Gemm::new(&left, b.view()),
                        Gemm::new(a.view(), &right),
                    ] {
                        let gemm = gemm.isa(isa).alpha(alpha).beta(beta).epilogue(Bias(&bias));
                        // One scratch for all: more threads find what fewer have left.
                        let mut scratch = Scratch::default();
                        let mut alone = old.clone();
                        gemm.serial().run(alone.view_mut(), &mut scratch);
                        for pool in pools {
                            let mut c = old.clone();
                            pool.install(|| gemm.run(c.view_mut(), &mut scratch));
                            let threads = pool.current_num_threads();
                            let what = format_args!("{isa} {} {m}×{n}×{k}", T::NAME).to_string();
                            assert!(c.bits() == alone.bits(), "{what} on {threads} threads");
                        }
                    }
                }
            }
        }
    }
    let pools = pools();
    check::<f32>(&pools);
    check::<f64>(&pools);
}

/// An epilogue that waits for a second thread, for as long as one may be late.
struct Meeting<'a>(&'a Mutex<HashSet<ThreadId>>);

impl<T: Float> Epilogue<T> for Meeting<'_> {
    #[inline(always)]
    fn finish<S: Simd>(&self, _: S, _: usize, _: usize, c: V<S, T>) -> V<S, T> {
        let met = || {
            let mut threads = self.0.lock().unwrap();
            threads.insert(std::thread::current().id());
            threads.len() > 1
        };
        let start = Instant::now();
        while !met() && start.elapsed() < Duration::from_secs(10) {
            std::thread::yield_now();
        }
        c
    }
}

#[test]
fn every_large_product_is_shared_by_two_threads() {
    let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    for (m, n, k) in SIZES {
        for order in [ROWS, COLUMNS] {
            for isa in Isa::available() {
                let a = Matrix::<f32>::noise(ROWS, (m, k), 1);
                let b = Matrix::<f32>::noise(ROWS, (k, n), 2);
                let mut c = Matrix::<f32>::noise(order, (m, n), 3);
                let threads = Mutex::new(HashSet::new());
                let gemm = Gemm::new(a.view(), b.view()).isa(isa).epilogue(Meeting(&threads));
                pool.install(|| gemm.run(c.view_mut(), &mut Scratch::default()));
                let count = threads.into_inner().unwrap().len();
                assert_eq!(count, 2, "{isa} {m}×{n}×{k}, C by {order:?}");
            }
        }
    }
}

#[test]
fn products_on_several_threads_do_not_disturb_each_other() {
    let (m, n, k) = (70, 90, 200);
    let a = Matrix::<f32>::noise(LAYOUTS[0][0], (m, k), 1);
    let b = Matrix::<f32>::noise(LAYOUTS[2][1], (k, n), 2);
    let mut want = Matrix::<f32>::noise(LAYOUTS[0][2], (m, n), 3);
    Gemm::new(a.view(), b.view()).serial().run(want.view_mut(), &mut Scratch::default());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut c = Matrix::<f32>::noise(LAYOUTS[0][2], (m, n), 4);
                Gemm::new(a.view(), b.view()).run(c.view_mut(), &mut Scratch::default());
                assert!(c.bits() == want.bits());
            });
        }
    });
}
