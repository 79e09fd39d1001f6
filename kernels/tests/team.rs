//! Everything is done once, by whoever is there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use kernels::Team;
use rayon::{ThreadPool, ThreadPoolBuilder};

const LONG: Duration = Duration::from_secs(60);

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("threads")
}

/// Waits until it is so, but not for ever. Returns whether it is.
fn wait_until(is_so: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        if Instant::now() > deadline {
            return false;
        }
        thread::yield_now();
    }
    true
}

/// Adds one to every number, each thread of a team to its share.
fn add_one(team: &mut Team, numbers: &mut [u32]) {
    let threads = team.threads();
    if threads == 1 {
        return numbers.iter_mut().for_each(|number| *number += 1);
    }
    let (left, right) = numbers.split_at_mut(numbers.len() * (threads / 2) / threads);
    team.join(|team| add_one(team, left), |team| add_one(team, right));
}

/// Adds one to every number many times.
fn add_again_and_again(threads: usize, numbers: &mut [u32], rounds: u32) {
    Team::gather(threads, |team| (0..rounds).for_each(|_| add_one(team, numbers)));
}

#[test]
fn all_of_it_is_done_again_and_again() {
    for threads_of_pool in [1, 2, 3, 8] {
        for threads in [1, 2, 3, 4, 7, 8, 32] {
            let mut numbers = [0; 40];
            pool(threads_of_pool).install(|| add_again_and_again(threads, &mut numbers, 2000));
            assert_eq!(numbers, [2000; 40], "{threads} of {threads_of_pool} threads");
        }
    }
}

#[test]
fn teams_share_a_pool_and_have_teams_within() {
    let (mut left, mut right, mut within) = ([0; 40], [0; 40], [0; 40]);
    pool(4).install(|| {
        rayon::join(
            || add_again_and_again(3, &mut left, 2000),
            || {
                Team::gather(4, |team| {
                    team.join(
                        |team| (0..2000).for_each(|_| add_one(team, &mut right)),
                        |_| add_again_and_again(2, &mut within, 2000),
                    );
                });
            },
        );
    });
    assert_eq!([left, right, within], [[2000; 40]; 3]);
}

#[test]
fn a_team_is_as_large_as_asked_within_its_limits() {
    fn leaves(team: &mut Team, sum: &AtomicUsize) {
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

/// The second half is done while the first one waits for it.
#[test]
fn the_halves_are_done_at_the_same_time() {
    let by = Mutex::new(None::<ThreadId>);
    pool(2).install(|| {
        Team::gather(2, |team| {
            let here = thread::current().id();
            team.join(
                |_| assert!(wait_until(|| by.lock().expect("a thread").is_some())),
                |_| *by.lock().expect("a thread") = Some(thread::current().id()),
            );
            assert_ne!(by.lock().expect("a thread").expect("somebody did it"), here);
        });
    });
}

/// The only other thread of the pool is busy until the team's work is done.
#[test]
fn who_is_not_there_is_not_waited_for() {
    struct Done<'a>(&'a AtomicBool);

    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }

    let (busy, done) = (AtomicBool::new(false), AtomicBool::new(false));
    pool(2).in_place_scope(|scope| {
        scope.spawn(|_| {
            busy.store(true, Ordering::Release);
            wait_until(|| done.load(Ordering::Acquire));
        });
        scope.spawn(|_| {
            let _done = Done(&done);
            assert!(wait_until(|| busy.load(Ordering::Acquire)));
            let here = thread::current().id();
            Team::gather(2, |team| {
                for _ in 0..100 {
                    team.join(
                        |_| assert_eq!(thread::current().id(), here),
                        |_| assert_eq!(thread::current().id(), here),
                    );
                }
            });
        });
    });
}

/// Who waits for the pool within a team may be given a place in that very team, and must leave it again.
#[test]
fn work_that_waits_for_the_pool_comes_to_an_end() {
    fn sum(from: u64, to: u64) -> u64 {
        match to - from {
            0..100 => (from..to).sum(),
            more => {
                let middle = from + more / 2;
                let (left, right) = rayon::join(|| sum(from, middle), || sum(middle, to));
                left + right
            }
        }
    }
    let (ended, end) = mpsc::channel();
    thread::spawn(move || {
        for _ in 0..20 {
            pool(4).install(|| {
                Team::gather(3, |team| {
                    let mut sums = [0; 2];
                    let [left, right] = &mut sums;
                    team.join(|_| *left = sum(0, 100_000), |_| *right = sum(0, 100_000));
                    assert_eq!(sums, [4_999_950_000; 2]);
                });
            });
        }
        ended.send(()).expect("somebody waits");
    });
    end.recv_timeout(LONG).expect("an end");
}

#[test]
fn a_panic_comes_out_and_the_other_half_has_ended() {
    let pool = pool(2);
    for bad in [1, 2, 3] {
        for _ in 0..10 {
            let (begun, ended) = (AtomicBool::new(false), AtomicBool::new(false));
            let half = |number: u32| assert!(bad & number == 0, "half {number}");
            let run = || {
                Team::gather(2, |team| {
                    team.join(
                        |_| {
                            assert!(wait_until(|| begun.load(Ordering::Acquire)));
                            half(1);
                        },
                        |_| {
                            begun.store(true, Ordering::Release);
                            thread::sleep(Duration::from_millis(5));
                            ended.store(true, Ordering::Release);
                            half(2);
                        },
                    );
                });
            };
            let panic = catch_unwind(AssertUnwindSafe(|| pool.install(run)));
            let message = *panic.expect_err("a panic").downcast::<String>().expect("a message");
            assert_eq!(message, if bad & 1 == 1 { "half 1" } else { "half 2" });
            assert!(ended.load(Ordering::Acquire), "the second half is over");
        }
    }
    // The pool has lost nobody.
    pool.install(|| rayon::join(|| (), || ()));
}
