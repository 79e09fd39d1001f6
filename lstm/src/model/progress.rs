//! What `fit` prints while it trains, and `evaluate` and `predict` if they are asked to: the lines of
//! Keras.
//!
//! On a terminal one line an epoch is drawn again and again: the cursor moves back by the visible
//! width of the last drawing, and spaces cover what a shorter one leaves. The time per step counts
//! from the end of the first, which tells little about the others.
//!
//! Two differences are deliberate. Where the output is no terminal, Keras draws all the same, with
//! control characters; here [`Verbose::Bar`] writes only the finished bar of every epoch there, in
//! plain text, and [`Verbose::Auto`] nothing.

use std::fmt::{Result, Write as _};
use std::io::{IsTerminal as _, Stdout, Write, stdout};
use std::iter::repeat_n;
use std::time::{Duration, Instant};

use super::logs::Logs;

/// How `fit`, `evaluate` and `predict` show their progress: as in Keras, where the modes are called 0, 1 and 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbose {
    /// A bar on a terminal, nothing elsewhere.
    #[default]
    Auto,
    /// 0: nothing.
    Silent,
    /// 1: a bar that moves; where the output is no terminal, the finished bar of every epoch.
    Bar,
    /// 2: one line an epoch.
    Line,
}

/// The time between two drawings, at least.
const INTERVAL: Duration = Duration::from_millis(50);

/// The display of a run of epochs. Failures to write are ignored.
#[derive(Debug)]
pub(crate) struct Progress<W = Stdout> {
    out: W,
    terminal: bool,
    verbose: Verbose,
    epochs: usize,
    /// Unknown where an epoch has as many as it turns out.
    steps: Option<usize>,
    /// The beginning of the epoch, and the end of its first step.
    start: Instant,
    first: Option<Instant>,
    /// The last drawing in it, with its visible width.
    drawn: Option<(Instant, usize)>,
    line: String,
}

impl Progress {
    /// On the standard output, for `epochs` of `steps` batches.
    pub(crate) fn new(verbose: Verbose, epochs: usize, steps: Option<usize>) -> Self {
        let terminal = stdout().is_terminal();
        let verbose = match verbose {
            Verbose::Auto if terminal => Verbose::Bar,
            Verbose::Auto => Verbose::Silent,
            chosen => chosen,
        };
        Progress::on(stdout(), terminal, verbose, epochs, steps)
    }

    /// The same for batches that are gone through once, if anything is to be shown.
    pub(crate) fn once(verbose: Verbose, steps: Option<usize>) -> Option<Self> {
        (verbose != Verbose::Silent).then(|| Progress::new(verbose, 1, steps))
    }
}

impl<W: Write> Progress<W> {
    fn on(out: W, terminal: bool, verbose: Verbose, epochs: usize, steps: Option<usize>) -> Self {
        let (start, line) = (Instant::now(), String::new());
        Progress { out, terminal, verbose, epochs, steps, start, first: None, drawn: None, line }
    }

    /// Begins an epoch; the first is 0.
    pub(crate) fn epoch(&mut self, epoch: usize) {
        (self.start, self.first, self.drawn) = (Instant::now(), None, None);
        if self.epochs > 1 && self.verbose != Verbose::Silent {
            let _ = writeln!(self.out, "Epoch {}/{}", epoch + 1, self.epochs);
        }
    }

    /// Shows that `done` steps of the epoch are done, if it is time to show something.
    pub(crate) fn step(&mut self, done: usize, logs: &Logs) {
        if self.verbose == Verbose::Bar {
            self.step_at(done, logs, Instant::now());
        }
    }

    /// Ends the epoch after `done` steps.
    pub(crate) fn finish_epoch(&mut self, done: usize, logs: &Logs) {
        let steps = *self.steps.get_or_insert(done);
        self.draw(steps, logs, Phase::Over, Instant::now());
    }

    fn step_at(&mut self, done: usize, metrics: &Logs, now: Instant) {
        if self.terminal && self.drawn.is_none_or(|(drawn, _)| now - drawn >= INTERVAL) {
            self.draw(done, metrics, Phase::Running, now);
        }
        if done == 1 {
            self.first = Some(now);
        }
    }

    fn draw(&mut self, done: usize, metrics: &Logs, phase: Phase, now: Instant) {
        let elapsed = (now - self.start).as_secs_f64();
        let per_step = match self.first {
            Some(first) if done > 1 => (now - first).as_secs_f64() / (done - 1) as f64,
            _ => elapsed / done.max(1) as f64,
        };
        let state = State { done, steps: self.steps, elapsed, per_step, phase, metrics };
        self.line.clear();
        match self.verbose {
            Verbose::Bar if self.terminal => {
                let before = self.drawn.map_or(0, |(_, width)| width);
                self.drawn = Some((now, redraw(&mut self.line, &state, before)));
            }
            Verbose::Bar => self.line = visible(&text(|out| state.bar(out))).collect(),
            Verbose::Line => _ = state.line(&mut self.line),
            Verbose::Silent | Verbose::Auto => return,
        }
        if phase == Phase::Over {
            self.line.push('\n');
        }
        let _ = self.out.write_all(self.line.as_bytes()).and_then(|()| self.out.flush());
    }
}

/// Draws over a bar of the visible width `before`, and returns that of the new one.
fn redraw(out: &mut String, state: &State, before: usize) -> usize {
    out.extend(repeat_n('\u{8}', before));
    out.push('\r');
    let start = out.len();
    let _ = state.bar(out);
    let width = visible(&out[start..]).count();
    out.extend(repeat_n(' ', before.saturating_sub(width)));
    width
}

/// The characters of `text` outside escape codes, which end in `m`.
fn visible(text: &str) -> impl Iterator<Item = char> {
    let mut code = false;
    text.chars().filter(move |&letter| {
        let hidden = code || letter == '\x1b';
        code = hidden && letter != 'm';
        !hidden
    })
}

fn text(write: impl FnOnce(&mut String) -> Result) -> String {
    let mut out = String::new();
    let _ = write(&mut out);
    out
}

/// Where the epoch is: its time is what is left, by estimate, or what it took.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Running,
    Over,
}

/// What a drawing shows; times are in seconds.
struct State<'a> {
    done: usize,
    steps: Option<usize>,
    elapsed: f64,
    per_step: f64,
    phase: Phase,
    metrics: &'a Logs,
}

const BAR: &str = "━━━━━━━━━━━━━━━━━━━━";

impl State<'_> {
    /// `2/4 ━━━━━━━━━━━━━━━━━━━━ 5s 2s/step - loss: 29.4275`, in bold, green and white.
    fn bar(&self, out: &mut String) -> Result {
        let State { done, steps, elapsed, per_step, metrics, .. } = *self;
        match steps {
            None => write!(out, "{done:>7}/Unknown \x1b[1m")?,
            Some(steps) => {
                let (digits, whole) = (self.digits(), BAR.chars().count());
                let full = (whole as f64 * (done as f64 / steps.max(1) as f64)) as usize;
                let empty = whole.saturating_sub(full);
                write!(out, "\x1b[1m{done:>digits$}/{steps}\x1b[0m ")?;
                if full > 0 {
                    write!(out, "\x1b[32m{BAR:.full$}\x1b[0m")?;
                }
                write!(out, "\x1b[37m{BAR:.empty$}\x1b[0m \x1b[1m")?;
            }
        }
        match (self.phase, steps) {
            (Phase::Running, Some(steps)) => {
                time_left(out, per_step * steps.saturating_sub(done) as f64)?;
            }
            _ => write!(out, "{elapsed:.0}s")?,
        }
        write!(out, "\x1b[0m ")?;
        step_time(out, per_step)?;
        metrics.iter().try_for_each(|(name, value)| metric(out, name, value, value.abs()))
    }

    /// `4/4 - 1s - 365ms/step - loss: 25.4725`, where values below zero have an exponent.
    fn line(&self, out: &mut String) -> Result {
        let (digits, State { done, elapsed, .. }) = (self.digits(), self);
        let steps = self.steps.unwrap_or(*done); // a line comes when an epoch is over
        write!(out, "{done:>digits$}/{steps} - {elapsed:.0}s - ")?;
        step_time(out, self.per_step)?;
        self.metrics.iter().try_for_each(|(name, value)| metric(out, name, value, value))
    }

    fn digits(&self) -> usize {
        self.steps.unwrap_or(self.done).max(1).ilog10() as usize + 1
    }
}

/// `59s`, `1:05` or `1:00:05`, rounded down.
fn time_left(out: &mut String, seconds: f64) -> Result {
    let whole = seconds as u64;
    match seconds {
        ..=60.0 => write!(out, "{whole}s"),
        ..=3600.0 => write!(out, "{}:{:02}", whole / 60, whole % 60),
        _ => write!(out, "{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60),
    }
}

/// `2s/step`, `10ms/step` or `310us/step`, rounded.
fn step_time(out: &mut String, seconds: f64) -> Result {
    match seconds {
        0.0 | 1.0.. => write!(out, "{seconds:.0}s/step"),
        1e-3.. => write!(out, "{:.0}ms/step", seconds * 1e3),
        _ => write!(out, "{:.0}us/step", seconds * 1e6),
    }
}

/// ` - loss: 0.1234`, or ` - loss: 4.2000e-04` where `size` is small.
fn metric(out: &mut String, name: &str, value: f64, size: f64) -> Result {
    write!(out, " - {name}: ")?;
    let start = out.len();
    match value {
        _ if value.is_nan() => write!(out, "nan")?,
        _ if size > 1e-3 => write!(out, "{value:.4}")?,
        _ => write!(out, "{value:.4e}")?,
    }
    // Rust writes `4.2000e-4`, Keras two digits at least.
    if let Some(digits) = out[start..].find('e') {
        let exponent: i32 = out[start + digits + 1..].parse().unwrap_or(0);
        out.truncate(start + digits);
        write!(out, "e{exponent:+03}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two epochs of four steps: the run of the fixtures, at other times.
    fn run(verbose: Verbose, terminal: bool) -> String {
        let mut progress = Progress::on(vec![], terminal, verbose, 2, Some(4));
        for (epoch, [first, last]) in [[29.4275, 25.4725], [28.1048, 24.3384]].iter().enumerate() {
            progress.epoch(epoch);
            let (start, name) = (progress.start, "loss");
            let logs = |value| {
                let mut logs = Logs::default();
                logs.set(name, value);
                logs
            };
            let after = |milliseconds| start + Duration::from_millis(milliseconds);
            progress.step_at(1, &logs(*first), after(1700));
            progress.step_at(2, &logs(f64::NAN), after(1749)); // too soon to be drawn
            progress.draw(4, &logs(*last), Phase::Over, after(1760));
        }
        String::from_utf8(progress.out).unwrap()
    }

    /// The words but times, which differ from run to run. Every drawing must take back the last.
    fn words(text: &str) -> Vec<String> {
        for drawing in text.split('\r').filter(|drawing| drawing.ends_with('\u{8}')) {
            let back = drawing.matches('\u{8}').count();
            assert_eq!(visible(drawing).count(), 2 * back);
        }
        let text = text.replace('\u{8}', "").replace('\n', " \n ").replace("\x1b[0m", " \x1b[0m");
        let time = |word: &str| word.is_empty() || word.ends_with('s') || word.ends_with("s/step");
        text.split(' ').filter(|word| !time(word)).map(str::to_owned).collect()
    }

    #[test]
    fn lines_are_those_of_keras_but_for_their_times() {
        let bar = run(Verbose::Bar, true);
        let piped = include_str!("../../../harness/fixtures/progress/verbose1.txt");
        let terminal = include_str!("../../../harness/fixtures/progress/verbose1_terminal.txt");
        let lines = include_str!("../../../harness/fixtures/progress/verbose2.txt");
        assert_eq!(words(&bar), words(piped));
        assert_eq!(words(&bar), words(terminal));
        assert_eq!(words(&run(Verbose::Line, false)), words(lines));
        assert!(bar.contains(" \x1b[1m5s\x1b[0m 2s/step - loss: 29.4275\u{8}"));
        let plain = format!("Epoch 1/2\n4/4 {BAR} 2s 20ms/step - loss: 25.4725\nEpoch 2/2\n");
        assert!(run(Verbose::Bar, false).starts_with(&plain));
        assert_eq!(run(Verbose::Silent, true), "");
    }

    #[test]
    fn an_epoch_of_unknown_length_has_no_bar_before_its_end() {
        let mut progress = Progress::on(vec![], true, Verbose::Bar, 1, None);
        let after = progress.start + Duration::from_millis(1700);
        progress.step_at(1, &Logs::default(), after);
        progress.finish_epoch(1, &Logs::default());
        let text = String::from_utf8(progress.out).unwrap();
        let (running, over) = text.split_once('\u{8}').unwrap();
        assert_eq!(running, "\r      1/Unknown \x1b[1m2s\x1b[0m 2s/step");
        assert!(over.contains(&format!("1/1\x1b[0m \x1b[32m{BAR}\x1b[0m")));
    }

    #[test]
    fn numbers_are_written_as_in_keras() {
        let left = [59.9, 60.0, 60.5, 3600.0, 3665.2].map(|time| text(|out| time_left(out, time)));
        assert_eq!(left, ["59s", "60s", "1:00", "60:00", "1:01:05"]);
        let each = [0.0, 2.5, 0.9999, 1e-3, 3.1e-4].map(|time| text(|out| step_time(out, time)));
        assert_eq!(each.join(" "), "0s/step 2s/step 1000ms/step 1ms/step 310us/step");
        let values = [0.12345, -2.0, 1e-3, 0.0, -1e-100, f64::NAN];
        let values = values.map(|value| text(|out| metric(out, "a", value, value.abs())));
        let expected = ["0.1235", "-2.0000", "1.0000e-03", "0.0000e+00", "-1.0000e-100", "nan"];
        assert_eq!(values, expected.map(|value| format!(" - a: {value}")));
        assert_eq!(text(|out| metric(out, "a", -2.0, -2.0)), " - a: -2.0000e+00"); // in a line
    }
}
