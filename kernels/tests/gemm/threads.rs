//! The same bits on any number of threads.

use kernels::{Bias, Gemm, Isa, Packed, Scratch, Update};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::common::{Scalar, noise};
use crate::operands::{LAYOUTS, Matrix};

/// Products worth more than one thread: square, wide, tall, deep, and one tile more than threads.
const SIZES: [(usize, usize, usize); 6] = [
    (129, 130, 131),
    (24, 700, 300),
    (1009, 40, 60),
    (61, 33, 1100),
    (97, 129, 257),
    (8, 600, 513),
];

fn pools() -> Vec<ThreadPool> {
    let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    [1, 2, 3, 8].map(pool).into()
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    fn check<T: Scalar>(pools: &[ThreadPool]) {
        for (i, (m, n, k)) in SIZES.into_iter().enumerate() {
            for [a, b, c] in [LAYOUTS[i], LAYOUTS[i + 2]] {
                let a = Matrix::<T>::noise(a, (m, k), 1);
                let b = Matrix::<T>::noise(b, (k, n), 2);
                let old = Matrix::<T>::noise(c, (m, n), 3);
                let bias = noise::<T>(4, n);
                for isa in Isa::available() {
                    let update = if i % 2 == 0 { Update::Assign } else { Update::Add };
                    let (left, right) = (Packed::left(isa, a.view()), Packed::right(isa, b.view()));
                    for gemm in [
                        Gemm::new(a.view(), b.view()),
                        Gemm::new(&left, b.view()),
                        Gemm::new(a.view(), &right),
                    ] {
                        let gemm = gemm.isa(isa).update(update).epilogue(Bias(&bias));
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
