//! A peer that runs, spoken to over pipes.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::job::Order;
use super::refusal::Refusal;

/// How long a peer may take for anything: some compile for minutes.
const PATIENCE: Duration = Duration::from_secs(300);

/// A peer that runs. It ends with this value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Process {
    /// Starts a peer.
    ///
    /// # Errors
    ///
    /// If there is no such program.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err(io::Error::other("no pipes"));
        };
        let (sender, answers) = channel();
        // Ends with the peer's output, at the latest when the peer is killed.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Process { child, input, answers })
    }

    fn ask(&mut self, line: &str) -> Result<String, String> {
        writeln!(self.input, "{line}").map_err(|_| "it has ended")?;
        self.answers.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("no answer in {} s", PATIENCE.as_secs()),
            RecvTimeoutError::Disconnected => "it has ended".to_owned(),
        })
    }

    /// Lets the peer build what an order says and write its answer; gives the peer's version.
    ///
    /// # Errors
    ///
    /// If the peer will not, or cannot.
    pub fn prepare(&mut self, order: &Order) -> Result<String, Refusal> {
        let line = self.ask(&order.line()).map_err(Refusal::Failed)?;
        let answer: Value = serde_json::from_str(&line)
            .map_err(|_| Refusal::Failed(format!("expected an object, found `{line}`")))?;
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        if let Some(version) = text("ready") {
            return Ok(version);
        }
        Err(match (text("missing"), text("unsupported"), text("failed")) {
            (Some(_), ..) => Refusal::NotInstalled,
            (_, Some(why), _) => Refusal::Unsupported(why),
            (.., Some(why)) => Refusal::Failed(why),
            _ => Refusal::Failed(format!("neither ready nor a reason: `{line}`")),
        })
    }

    /// The time of a number of runs.
    ///
    /// # Errors
    ///
    /// If the peer gives none.
    pub fn go(&mut self, runs: usize) -> Result<Duration, Refusal> {
        let answer = self.ask(&format!("go {runs}")).map_err(Refusal::Failed)?;
        match answer.trim().parse() {
            Ok(nanoseconds) => Ok(Duration::from_nanos(nanoseconds)),
            Err(_) => Err(Refusal::Failed(format!("expected nanoseconds, found `{answer}`"))),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
