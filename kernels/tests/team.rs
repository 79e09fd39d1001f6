//! Everything is done once, by whoever is there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use kernels::Team;
use rayon::{ThreadPool, ThreadPoolBuilder};

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("threads")
}

/// Adds one to every number, each thread of a team to its share.
fn add_one(team: Team, numbers: &mut [u32]) {
    if team.threads() == 1 {
        return numbers.iter_mut().for_each(|number| *number += 1);
    }
    let (left, right) = numbers.split_at_mut(numbers.len() * (team.threads() / 2) / team.threads());
    team.join(|team| add_one(team, left), |team| add_one(team, right));
}

#[test]
fn all_of_it_is_done_again_and_again() {
    const ROUNDS: u32 = 3000;
    for threads_of_pool in [1, 2, 3, 8] {
        for threads in [1, 2, 3, 4, 7, 8, 32] {
            let mut numbers = [0; 40];
            pool(threads_of_pool).install(|| {
                Team::gather(threads, |team| {
                    for round in 0..ROUNDS {
                        add_one(team, &mut numbers);
                        assert!(numbers.iter().all(|&number| number == round + 1));
                    }
                });
            });
            assert_eq!(numbers, [ROUNDS; 40], "{threads} of {threads_of_pool} threads");
        }
    }
}

#[test]
fn a_team_is_as_large_as_asked_within_its_limits() {
    fn leaves(team: Team, sum: &AtomicUsize) {
        match team.threads() {
            1 => _ = sum.fetch_add(1, Ordering::Relaxed),
            _ => team.join(|team| leaves(team, sum), |team| leaves(team, sum)),
        }
    }
    for (asked, threads) in [(0, 1), (1, 1), (2, 2), (5, 5), (32, 32), (33, 32), (1000, 32)] {
        let sum = AtomicUsize::new(0);
        let count = Team::gather(asked, |team| {
            leaves(team, &sum);
            team.threads()
        });
        assert_eq!((count, sum.into_inner()), (threads, threads), "{asked}");
    }
}

/// With threads to spare, the second half is done by another one sooner or later, while the first goes
/// on: each waits for the other.
#[test]
fn the_halves_are_done_at_the_same_time() {
    fn together(team: Team) -> Option<(ThreadId, ThreadId)> {
        let (both, second) = (Barrier::new(2), AtomicUsize::new(0));
        let mut ids = (thread::current().id(), thread::current().id());
        let deadline = Instant::now() + Duration::from_secs(20);
        team.join(
            |_| {
                while second.load(Ordering::Acquire) == 0 {
                    if Instant::now() > deadline {
                        return;
                    }
                    thread::yield_now();
                }
                both.wait();
            },
            |_| {
                ids.1 = thread::current().id();
                if ids.1 != ids.0 {
                    second.store(1, Ordering::Release);
                    both.wait();
                }
            },
        );
        (ids.0 != ids.1).then_some(ids)
    }
    pool(2).install(|| Team::gather(2, |team| assert_ne!(together(team), None)));
}

/// The only other thread of the pool is busy until the team's work is done.
#[test]
fn who_is_not_there_is_not_waited_for() {
    let (busy, done) = (Barrier::new(2), Barrier::new(2));
    pool(2).in_place_scope(|scope| {
        scope.spawn(|_| {
            busy.wait();
            done.wait();
        });
        scope.spawn(|_| {
            busy.wait();
            let here = thread::current().id();
            Team::gather(2, |team| {
                for _ in 0..100 {
                    team.join(
                        |_| assert_eq!(thread::current().id(), here),
                        |_| assert_eq!(thread::current().id(), here),
                    );
                }
            });
            done.wait();
        });
    });
}

#[test]
fn a_panic_comes_out_and_the_other_half_has_ended() {
    let pool = pool(2);
    for bad in [1, 2, 3] {
        for _ in 0..200 {
            let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let half = |number: usize| {
                begun.fetch_add(1, Ordering::Relaxed);
                assert!(bad & number == 0, "half {number}");
                ended.fetch_add(1, Ordering::Relaxed);
            };
            let run = || Team::gather(2, |team| team.join(|_| half(1), |_| half(2)));
            let panic = catch_unwind(AssertUnwindSafe(|| pool.install(run)));
            let message = *panic.expect_err("a panic").downcast::<String>().expect("a message");
            let first = if bad & 1 == 1 { "half 1" } else { "half 2" };
            assert_eq!(message, first);
            let failed = if bad == 3 { begun.load(Ordering::Relaxed) } else { 1 };
            let (begun, ended) = (begun.into_inner(), ended.into_inner());
            assert_eq!(begun - ended, failed, "{bad}: {begun} begun, {ended} ended");
        }
    }
    // The pool has lost nobody.
    pool.install(|| rayon::join(|| (), || ()));
}
