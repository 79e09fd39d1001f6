//! A team of threads, for work that is shared out again and again for some microseconds.
//!
//! A fork of a thread pool finds its other threads asleep, or looking for work elsewhere: some
//! microseconds until one of them is there, each time. A team stays together from one piece of work to
//! the next, awake, and a fork costs what it takes a cache line to go from one core to another, twice.

use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

/// Threads of a team, at most.
const MOST: usize = 32;

/// How often a thread looks before it lets others have its core: for about ten microseconds.
const LOOKS: usize = 256;

/// This thread, and others that wait for it to share its work with them.
///
/// ```
/// use kernels::{Team, Isa, activation::tanh};
///
/// let mut xs = [0.5; 1024];
/// Team::gather(2, |team| {
///     for _ in 0..100 {
///         let (left, right) = xs.split_at_mut(512);
///         team.join(|_| tanh(left), |_| tanh(right));
///     }
/// });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Team<'a> {
    /// The others.
    members: &'a [Member],
}

impl Team<'_> {
    /// Calls `work` with a team of so many threads of the current `rayon` pool, 32 at most, this one
    /// among them.
    ///
    /// The others join in when they have nothing else to do, one after another, or never: whoever is
    /// not there is not waited for. Until `work` has returned those that are there do nothing else,
    /// so it had better share out work all the time.
    pub fn gather<R: Send>(threads: usize, work: impl FnOnce(Team) -> R + Send) -> R {
        let members = [const { Member::new() }; MOST - 1];
        let members = &members[..threads.clamp(1, MOST) - 1];
        gather(members, members, work)
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        self.members.len() + 1
    }

    /// Does both, each with a half of the team, and the second at the same time as the first if the
    /// thread for it is there.
    ///
    /// Panics if one of them does, once both have ended.
    pub fn join(self, first: impl FnOnce(Team), second: impl FnOnce(Team) + Send) {
        let Some((left, member, right)) = self.halves() else {
            first(self);
            return second(self);
        };
        let share = Share { work: Mutex::new(Some(|| second(right))), panic: Mutex::new(None) };
        let work: &(dyn Work + Sync) = &share;
        {
            let _posted = member.post(&work);
            first(left);
        }
        share.run(); // if the member has not
        if let Some(panic) = share.panic.into_inner().unwrap_or_default() {
            resume_unwind(panic);
        }
    }

    /// The half with this thread, the member that leads the other one, and those with it.
    fn halves(&self) -> Option<(Team<'_>, &Member, Team<'_>)> {
        let half = (self.threads() / 2).checked_sub(1)?;
        let (left, right) = self.members.split_at(half);
        let (member, right) = right.split_first()?;
        Some((Team { members: left }, member, Team { members: right }))
    }
}

/// Waits with as many threads of the pool as there are members still to come, and calls `work` on
/// this one.
fn gather<R: Send>(all: &[Member], missing: &[Member], work: impl FnOnce(Team) -> R + Send) -> R {
    match missing.split_first() {
        None => {
            let _dismissed = Dismissed(all);
            work(Team { members: all })
        }
        Some((member, rest)) => rayon::join(|| gather(all, rest, work), || member.help()).0,
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

    /// Offers work until what is returned is dropped.
    fn post<'a>(&'a self, work: &'a &'a (dyn Work + Sync)) -> Posted<'a> {
        self.done.store(false, Ordering::Relaxed);
        self.posted.store(core::ptr::from_ref(work).cast_mut().cast(), Ordering::Release);
        Posted(self)
    }

    /// Does what is offered, until dismissed.
    fn help(&self) {
        let mut pause = Pause::default();
        while !self.dismissed.load(Ordering::Acquire) {
            if self.posted.load(Ordering::Relaxed).is_null() {
                pause.wait();
                continue;
            }
            let work = self.posted.swap(core::ptr::null_mut(), Ordering::Acquire);
            if !work.is_null() {
                // SAFETY: a `Posted` borrows it, and when dropped waits for `done`, since it does not
                // find the pointer any more.
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

struct Share<F> {
    work: Mutex<Option<F>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl<F: FnOnce()> Work for Share<F> {
    fn run(&self) {
        let work = self.work.lock().ok().and_then(|mut work| work.take());
        if let Some(work) = work
            && let Err(panic) = catch_unwind(AssertUnwindSafe(work))
        {
            *self.panic.lock().expect("nothing panics that holds it") = Some(panic);
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
