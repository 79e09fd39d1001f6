//! Inside a pool of threads, too, nothing is allocated after the first batch of a shape: counted
//! over all threads, which is why this test has a program of its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::random::Random;
use lstm::{Adam, Bidirectional, Dense, Input, LSTM, Loss, Model, Sequential, Tensor};

/// Calls of the allocator by any thread.
static CALLS: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

#[allow(unsafe_code, reason = "an allocator that counts its calls")]
// SAFETY: both methods hand their arguments on to the system's allocator, unchanged; the others
// end in these.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Trains on batches and predicts them, and counts when all has been seen.
fn allocates_nothing(mut model: Model<f32>, rows: usize, shape: [usize; 2]) -> lstm::Result<()> {
    model.compile(Adam::default(), Loss::MeanSquaredError)?;
    let mut random = Random::new(0);
    let [steps, inputs] = shape;
    let x = Tensor::new([rows, steps, inputs], random.numbers(rows * steps * inputs, 1.0))?;
    let y = Tensor::new([rows, 1], random.numbers(rows, 1.0))?;
    let mut prediction = y.clone();
    // Which thread packs which block is chance: each has had all of them after some batches.
    for _ in 0..20 {
        model.train_on_batch(&x, &y)?;
        model.predict_into(&x, &mut prediction)?;
    }
    let before = CALLS.load(Ordering::Relaxed);
    for _ in 0..50 {
        model.train_on_batch(&x, &y)?;
        model.predict_into(&x, &mut prediction)?;
    }
    assert_eq!(CALLS.load(Ordering::Relaxed) - before, 0, "calls in fifty batches");
    Ok(())
}

/// One test: what others allocate at the same time would be counted, too.
#[test]
fn threads_allocate_nothing_after_the_first_batch() -> lstm::Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build();
    pool.unwrap_or_else(|error| panic!("{error}")).install(|| {
        let wide = Sequential::new()
            .add(Input::new([6, 64]))
            .add(Bidirectional::new(LSTM::new(32).return_sequences(true)))
            .add(LSTM::new(96).return_sequences(true))
            .add(LSTM::new(7))
            .add(Dense::new(1));
        allocates_nothing(wide.build()?, 64, [6, 64])?;
        // Threads share the layers.
        let high = Sequential::new()
            .add(Input::new([100, 8]))
            .add(LSTM::new(48).return_sequences(true))
            .add(LSTM::new(40).return_sequences(true))
            .add(LSTM::new(44))
            .add(Dense::new(1));
        allocates_nothing(high.build()?, 1, [100, 8])
    })
}
