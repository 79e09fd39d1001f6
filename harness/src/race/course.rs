//! The race: equal outputs first, then rounds.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use kernels::Isa;

use super::board::{Cell, Entry};
use super::files;
use super::job::{Job, Order};
use super::ours::{Data, Ours};
use super::peers::Peer;
use super::process::Process;
use super::refusal::Refusal;
use crate::conformance::{Tensors, worst};
use crate::throughput::Mode;
use crate::timing::Timing;

/// How far an answer may be from ours, relative to its largest entry or to one. Of a training the
/// losses are compared: some add Adam's epsilon before they correct the moments, as Keras does, others
/// after it.
pub fn tolerance(mode: Mode) -> f64 {
    match mode {
        Mode::Infer | Mode::Train | Mode::Stream => 1e-4,
        Mode::Step => 1e-2,
    }
}

/// Between turns on several threads: those of some peers go on looking for work for a while.
const PAUSE: Duration = Duration::from_millis(5);

/// What some libraries in Rust read their number of threads from, and nowhere else.
const THREADS: [&str; 2] = ["RAYON_NUM_THREADS", "RTEN_NUM_THREADS"];

/// Contestants and how they are timed.
#[derive(Debug)]
pub struct Course {
    isa: Isa,
    rounds: usize,
    turn: Duration,
    lanes: Vec<Lane>,
    threads: usize,
    folder: Folder,
}

/// A peer, and its process if it has one.
#[derive(Debug)]
struct Lane {
    peer: Peer,
    process: Option<Process>,
}

/// What takes turns.
type Turn<'a> = Box<dyn FnMut(usize) -> Result<Duration, Refusal> + 'a>;

impl Course {
    /// A race of `rounds` rounds, in which each contestant has a turn of about `turn`.
    ///
    /// # Errors
    ///
    /// If there is no room for files.
    pub fn new(isa: Isa, peers: Vec<Peer>, rounds: usize, turn: Duration) -> io::Result<Self> {
        let lanes = peers.into_iter().map(|peer| Lane { peer, process: None }).collect();
        Ok(Course { isa, rounds, turn, lanes, threads: 0, folder: Folder::new()? })
    }

    /// Races one job.
    ///
    /// # Errors
    ///
    /// If our own part of it fails.
    pub fn run(&mut self, job: Job) -> Result<Cell, String> {
        if self.threads != job.threads {
            // Most frameworks have their threads for life.
            self.lanes.iter_mut().for_each(|lane| lane.process = None);
            self.threads = job.threads;
        }
        let (mut ours, Data { given, expected }) = Ours::new(self.isa, job)?;
        let expected = expected.iter().map(|(name, x)| (name.clone(), x.cast())).collect();
        let data = self.folder.0.join("data.safetensors");
        files::write(&data, &given)?;
        drop(given);
        let order = Order { job, data, answer: self.folder.0.join("answer.safetensors") };

        let ready: Vec<_> =
            self.lanes.iter_mut().map(|lane| lane.prepare(&order, &expected)).collect();
        let mut turns: Vec<Turn> = vec![Box::new(|runs| Ok(ours.go(runs)))];
        for (lane, ready) in self.lanes.iter_mut().zip(&ready) {
            turns.push(match ready {
                Ok(_) => Box::new(|runs| lane.go(runs)),
                Err(refusal) => Box::new(|_| Err(refusal.clone())),
            });
        }
        let pause = if job.threads > 1 { PAUSE } else { Duration::ZERO };
        let mut results = rounds(&mut turns, self.rounds, self.turn, pause).into_iter();
        drop(turns);

        let ours = results.next().ok_or("nobody has run")?;
        let ours = Entry {
            peer: "lstm".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            result: ours,
        };
        let peers = self.lanes.iter().zip(ready).zip(results).map(|((lane, ready), result)| {
            let version = ready.unwrap_or_default();
            Entry { peer: lane.peer.name.clone(), version, result }
        });
        Ok(Cell { job, entries: [ours].into_iter().chain(peers).collect() })
    }
}

impl Lane {
    /// Builds what the order says and compares the answer; gives the version.
    fn prepare(&mut self, order: &Order, expected: &Tensors<f64>) -> Result<String, Refusal> {
        let process = match &mut self.process {
            Some(process) => process,
            none => {
                let mut command = self.peer.command();
                let threads = order.job.threads.to_string();
                command.envs(THREADS.map(|name| (name, &threads)));
                let process = Process::start(&mut command);
                none.insert(process.map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => Refusal::NotInstalled,
                    _ => Refusal::Failed(error.to_string()),
                })?)
            }
        };
        // No answer of a job before.
        let _ = fs::remove_file(&order.answer);
        let version = process.prepare(order).inspect_err(|refusal| {
            // Whatever state it is in.
            if matches!(refusal, Refusal::Failed(_)) {
                self.process = None;
            }
        })?;
        let answer = files::read(&order.answer).map_err(Refusal::Failed)?;
        if let Some(missing) = expected.keys().find(|name| !answer.contains_key(*name)) {
            return Err(Refusal::Disagrees(format!("no `{missing}`")));
        }
        let worst =
            worst(&answer, expected, tolerance(order.job.mode)).map_err(Refusal::Disagrees)?;
        if !worst.passed() {
            return Err(Refusal::Disagrees(worst.to_string()));
        }
        Ok(version)
    }

    fn go(&mut self, runs: usize) -> Result<Duration, Refusal> {
        let process = self.process.as_mut();
        let process = process.ok_or_else(|| Refusal::Failed("it has ended".to_owned()))?;
        let time = process.go(runs);
        if time.is_err() {
            self.process = None;
        }
        time
    }
}

/// Lets contestants take turns. Whoever fails once is out.
fn rounds(
    turns: &mut [Turn],
    rounds: usize,
    turn: Duration,
    pause: Duration,
) -> Vec<Result<Timing, Refusal>> {
    let mut states: Vec<Result<(usize, Vec<f64>), Refusal>> = Vec::new();
    for go in turns.iter_mut() {
        sleep(pause);
        states.push(warm_up(go, turn).map(|runs| (runs, Vec::new())));
    }
    for _ in 0..rounds {
        for (go, state) in turns.iter_mut().zip(&mut states) {
            let Ok((runs, samples)) = state else { continue };
            sleep(pause);
            match go(*runs) {
                Ok(time) => samples.push(time.as_secs_f64() / *runs as f64),
                Err(refusal) => *state = Err(refusal),
            }
        }
    }
    states.into_iter().map(|state| state.map(|(_, samples)| Timing::of(samples))).collect()
}

/// Warms a contestant up; gives how many runs make a turn.
fn warm_up(go: &mut Turn, turn: Duration) -> Result<usize, Refusal> {
    go(1)?;
    let (turn, mut runs) = (turn.as_nanos(), 1);
    loop {
        let time = go(runs)?.as_nanos().max(1);
        if 4 * time >= turn {
            return Ok((turn * runs as u128).div_ceil(time).max(1) as usize);
        }
        runs *= 2;
    }
}

/// A folder for the time of the race.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("harness-race-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in a folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_of_equal_length_and_who_fails_is_out() {
        let of = |nanos: u64| -> Turn<'static> {
            Box::new(move |runs| Ok(Duration::from_nanos(nanos * runs as u64)))
        };
        let mut left = 9;
        let lost = Refusal::Failed("tired".to_owned());
        let tired: Turn = Box::new(|runs| {
            left -= 1;
            if left == 0 { Err(lost.clone()) } else { Ok(Duration::from_millis(runs as u64)) }
        });
        let mut turns = vec![of(1_000), of(50_000_000), tired];
        let turn = Duration::from_millis(2);
        assert_eq!(warm_up(&mut turns[0], turn), Ok(2_000));
        assert_eq!(warm_up(&mut turns[1], turn), Ok(1));
        let results = rounds(&mut turns, 20, turn, Duration::ZERO);
        let medians: Vec<_> =
            results.iter().map(|r| r.clone().map(|t| t.median_us().round())).collect();
        drop(turns);
        assert_eq!(medians, [Ok(1.0), Ok(50_000.0), Err(lost)]);
    }
}
