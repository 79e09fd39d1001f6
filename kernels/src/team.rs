//! A team of threads, for work that is shared out again and again for some microseconds.
//!
//! A fork of a thread pool finds its other threads asleep, or looking for work elsewhere: some
//! microseconds until one of them is there, each time. A team stays together from one piece of work to
//! the next, awake, and a fork costs what it takes a cache line to go from one core to another, twice.

use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

/// How often a thread looks before it lets others have its core: a few microseconds.
const LOOKS: usize = 256;

/// How often a member lets others have its core before it goes back to its pool: about a millisecond, if
/// nobody else wants the core.
const YIELDS: usize = 4096;

/// A thread, and others that wait for it to share its work with them.
///
/// ```
/// use kernels::Team;
/// use kernels::activation::tanh;
///
/// let mut xs = [0.5; 1024];
/// Team::gather(2, |team| {
///     for _ in 0..100 {
///         let (left, right) = xs.split_at_mut(512);
///         team.join(|_| tanh(left), |_| tanh(right));
///     }
/// });
/// ```
///
/// A team shares out one piece of work at a time, so there is no way to use it twice:
///
/// ```compile_fail
/// # use kernels::Team;
/// Team::gather(2, |team| team.join(|_| team.join(|_| (), |_| ()), |_| ()));
/// ```
///
/// ```compile_fail
/// # use kernels::Team;
/// Team::gather(2, |team| { let again = *team; again.join(|_| (), |_| ()) });
/// ```
#[derive(Debug)]
pub struct Team<'a> {
    /// The others. Nobody else posts work to them as long as this is borrowed.
    members: &'a [Member],
}

impl Team<'_> {
    /// Threads of a team, at most.
    pub const MOST: usize = 32;

    /// Calls `work`, on a thread of the current `rayon` pool, with a team of so many of its threads, at most
    /// [`MOST`](Self::MOST).
    ///
    /// The others join in when they have nothing else to do, one after another, or never: who is not there
    /// is not waited for. Those that are there do nothing else until `work` has returned, or nothing was
    /// shared out for a millisecond: then they are gone. So it had better share out work all the time, and
    /// none that waits for threads of the pool itself.
    pub fn gather<R: Send>(threads: usize, work: impl FnOnce(&mut Team) -> R + Send) -> R {
        let members = [const { Member::new() }; Team::MOST - 1];
        let members = &members[..threads.clamp(1, Team::MOST) - 1];
        let first = members.len().checked_ilog2().map(|log| (1 << log) - 1);
        gather(members, first, work)
    }

    /// How many threads it has, if all have come.
    pub fn threads(&self) -> usize {
        self.members.len() + 1
    }

    /// Does both, the second at the same time as the first if the thread for it is there. The first has
    /// half of the [`threads`](Self::threads) to share its work with, rounded down, but one; the second the
    /// others.
    ///
    /// Panics if one of them does, once both have ended.
    pub fn join(&mut self, first: impl FnOnce(&mut Team), second: impl FnOnce(&mut Team) + Send) {
        let Some((mut left, member, mut right)) = self.halves() else {
            first(self);
            return second(self);
        };
        let share =
            Share { work: Mutex::new(Some(|| second(&mut right))), panic: Mutex::new(None) };
        let work: &(dyn Work + Sync) = &share;
        {
            let _posted = member.post(&work);
            first(&mut left);
        }
        share.run(); // if the member has not
        if let Some(panic) = share.panic.into_inner().expect(UNPOISONED) {
            resume_unwind(panic);
        }
    }

    /// The half with this thread, the member that leads the other one, and those with it.
    fn halves(&mut self) -> Option<(Team<'_>, &Member, Team<'_>)> {
        let half = (self.threads() / 2).checked_sub(1)?;
        let (left, right) = self.members.split_at(half);
        let (member, right) = right.split_first()?;
        Some((Team { members: left }, member, Team { members: right }))
    }
}

/// Waits with a thread of the pool for each member from this one on, and calls `work` on this thread.
fn gather<R: Send>(
    members: &[Member],
    next: Option<usize>,
    work: impl FnOnce(&mut Team) -> R + Send,
) -> R {
    match next {
        None => {
            let _dismissed = Dismissed(members);
            work(&mut Team { members })
        }
        Some(next) => {
            let rest = || gather(members, after(next, members.len()), work);
            rayon::join(rest, || members[next].help()).0
        }
    }
}

/// The members in the order in which they are called for: first those that lead many others.
fn after(member: usize, count: usize) -> Option<usize> {
    let leads = 1 << (member + 1).trailing_zeros();
    match member + 2 * leads {
        next if next < count => Some(next),
        _ if leads == 1 => None,
        _ => Some(leads / 2 - 1),
    }
}

/// When it is dropped, the members go back to their pool.
struct Dismissed<'a>(&'a [Member]);

impl Drop for Dismissed<'_> {
    fn drop(&mut self) {
        for member in self.0 {
            member.dismissed.store(true, Ordering::Release);
        }
    }
}

/// Where a thread waits for work. Alone on its cache lines, of which a CPU may fetch two at a time.
#[derive(Debug)]
#[repr(align(128))]
struct Member {
    /// What is to be done, until somebody takes it.
    posted: AtomicPtr<&'static (dyn Work + Sync)>,
    /// Whether what this thread took is done.
    done: AtomicBool,
    dismissed: AtomicBool,
}

#[allow(unsafe_code, reason = "work on the stack of another thread, which waits for its end")]
impl Member {
    const fn new() -> Self {
        Member {
            posted: AtomicPtr::new(core::ptr::null_mut()),
            done: AtomicBool::new(false),
            dismissed: AtomicBool::new(false),
        }
    }

    /// Offers work until what is returned is dropped, which has to be before anything else is offered.
    fn post<'a>(&'a self, work: &'a &'a (dyn Work + Sync)) -> Posted<'a> {
        self.done.store(false, Ordering::Relaxed);
        self.posted.store(core::ptr::from_ref(work).cast_mut().cast(), Ordering::Release);
        Posted(self)
    }

    /// Does what is offered, until dismissed, or weary.
    fn help(&self) {
        let mut pause = Pause::default();
        while !self.dismissed.load(Ordering::Acquire) && pause.looks < LOOKS + YIELDS {
            if self.posted.load(Ordering::Relaxed).is_null() {
                pause.wait();
                continue;
            }
            let work = self.posted.swap(core::ptr::null_mut(), Ordering::Acquire);
            if !work.is_null() {
                // SAFETY: the one who posted it wrote it before (Release and Acquire of `posted`). A `Posted`
                // borrows it, is never leaked, and when dropped finds the pointer gone, so it waits for
                // `done`: that was false before the pointer was there, nothing else is posted meanwhile, and
                // it becomes true (Release and Acquire) after the last use here.
                unsafe { (*work).run() };
                self.done.store(true, Ordering::Release);
                pause = Pause::default();
            }
        }
    }
}

/// Work that is offered. When it is dropped, nobody does it any more.
struct Posted<'a>(&'a Member);

impl Drop for Posted<'_> {
    fn drop(&mut self) {
        let Posted(member) = self;
        if member.posted.swap(core::ptr::null_mut(), Ordering::Acquire).is_null() {
            let mut pause = Pause::default();
            while !member.done.load(Ordering::Acquire) {
                pause.wait();
            }
        }
    }
}

trait Work {
    /// Does it, unless it has been done.
    fn run(&self);
}

const UNPOISONED: &str = "nothing panics that holds it";

struct Share<F> {
    work: Mutex<Option<F>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl<F: FnOnce()> Work for Share<F> {
    fn run(&self) {
        let work = self.work.lock().expect(UNPOISONED).take();
        if let Some(work) = work
            && let Err(panic) = catch_unwind(AssertUnwindSafe(work))
        {
            *self.panic.lock().expect(UNPOISONED) = Some(panic);
        }
    }
}

/// Waits for another thread: awake for a while, then behind those that want the core.
#[derive(Default)]
struct Pause {
    looks: usize,
}

impl Pause {
    fn wait(&mut self) {
        self.looks += 1;
        if self.looks < LOOKS { core::hint::spin_loop() } else { std::thread::yield_now() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_members_are_called_for_and_leaders_first() {
        let order = |count: usize| {
            let first = count.checked_ilog2().map(|log| (1 << log) - 1);
            std::iter::successors(first, |&member| after(member, count)).collect::<Vec<_>>()
        };
        assert_eq!(order(7), [3, 1, 5, 0, 2, 4, 6]);
        for count in 0..Team::MOST {
            let mut all = order(count);
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }
}
