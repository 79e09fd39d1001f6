//! A product whose scratch has served one as large allocates nothing.
//!
//! A file of its own: its allocator counts for the whole program.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use kernels::activation::{Sigmoid, Tanh};
use kernels::{Bias, Float, Gemm, Isa, MatMut, MatRef, Packed, Scratch};

thread_local! {
    /// Allocations of this thread. Tests run side by side, each on a thread.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[allow(unsafe_code, reason = "an allocator is unsafe to implement")]
// SAFETY: all is done by `System`; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations on this thread while `work` runs.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// Less than a tile; A read in place; A packed; several blocks in depth.
const SIZES: [(usize, usize, usize); 4] = [(1, 5, 3), (40, 60, 70), (64, 300, 64), (130, 200, 600)];

fn products<T: Float>(isa: Isa, serial: bool) {
    let mut scratch = Scratch::default();
    for (m, n, k) in SIZES {
        let (a, b, bias) = (vec![T::ONE; m * k], vec![T::ONE; k * n], vec![T::ONE; n]);
        let (rows, columns) = (MatRef::new(&a, m, k), MatRef::new(&a, k, m).t());
        let b = MatRef::new(&b, k, n);
        let (mut left, mut right) = (Packed::left(isa, rows), Packed::right(isa, b));
        let mut c = vec![T::ZERO; m * n];
        let mut run = || {
            left.repack_left(columns);
            right.repack_right(b);
            for gemm in [
                Gemm::new(rows, b),
                Gemm::new(columns, b),
                Gemm::new(&left, b),
                Gemm::new(rows, &right),
            ] {
                let gemm = gemm.isa(isa).beta(T::ONE).epilogue(Bias(&bias));
                let gemm = if serial { gemm.serial() } else { gemm };
                gemm.run(MatMut::new(&mut c, m, n), &mut scratch);
            }
        };
        run();
        let count = allocations(run);
        assert_eq!(count, 0, "{isa} {} {m}×{n}×{k}, serial: {serial}", T::NAME);
    }
}

#[test]
fn nor_does_one_whose_c_is_narrow_or_has_no_neighbours() {
    for isa in Isa::available() {
        let (a, b, mut c) = (vec![1.0f32; 64 * 300], vec![1.0; 300 * 4], vec![0.0; 2 * 64 * 4]);
        let (a, b) = (MatRef::new(&a, 300, 64).t(), MatRef::new(&b, 300, 4));
        let packed = Packed::right(isa, b);
        let mut scratch = Scratch::default();
        let mut run = || {
            // Computed transposed, aside; and in pieces, aside.
            Gemm::new(a, b).isa(isa).run(MatMut::new(&mut c[..64 * 4], 64, 4), &mut scratch);
            let apart = MatMut::strided(&mut c, (64, 4), (8, 2));
            Gemm::new(a, &packed).isa(isa).run(apart, &mut scratch);
        };
        run();
        assert_eq!(allocations(run), 0, "{isa}");
    }
}

#[test]
fn the_allocations_of_this_thread_are_counted() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn the_second_product_with_a_scratch_allocates_nothing() {
    for isa in Isa::available() {
        products::<f32>(isa, true);
        products::<f64>(isa, true);
    }
}

#[test]
fn nor_does_it_within_a_pool_of_threads() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    // Counts on the one thread of the pool that this runs on; it does a share of the work.
    pool.install(|| {
        for isa in Isa::available() {
            products::<f32>(isa, false);
            products::<f64>(isa, false);
        }
    });
}

#[test]
fn a_smaller_product_fits_the_scratch_of_a_larger_one() {
    let ones = vec![1.0; 600 * 600];
    let mut c = vec![0.0; 600 * 600];
    for isa in Isa::available() {
        let mut scratch = Scratch::<f32>::default();
        let mut run = |n: usize| {
            let square = MatRef::new(&ones[..n * n], n, n);
            let c = MatMut::new(&mut c[..n * n], n, n);
            Gemm::new(square, square).isa(isa).serial().run(c, &mut scratch);
        };
        run(600);
        assert_eq!(allocations(|| (1..600).rev().step_by(7).for_each(&mut run)), 0, "{isa}");
    }
}

#[test]
fn activations_allocate_nothing() {
    let mut xs = vec![0.5f32; 1001];
    for isa in Isa::available() {
        let count = allocations(|| {
            isa.run(Sigmoid(&mut xs));
            isa.run(Tanh(&mut xs));
        });
        assert_eq!(count, 0, "{isa}");
    }
}
