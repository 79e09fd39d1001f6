//! What `fit` prints while it trains: the lines of Keras.
//!
//! On a terminal one line an epoch is drawn again and again: the cursor is moved back by the
//! visible width of the last drawing, and spaces cover what a shorter one leaves of it. The
//! first step of an epoch tells little about the others, so the time per step is counted from
//! its end.
//!
//! Two differences are deliberate. Where the output is no terminal, Keras draws the moving bar all
//! the same, with its control characters; here only the finished bar of an epoch is written, in
//! plain text. And [`Verbose::Auto`] writes nothing there.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Stdout, Write, stdout};
use std::iter::repeat_n;
use std::time::{Duration, Instant};

/// How `fit` shows its progress: as in Keras, where the modes are called 0, 1 and 2.
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

/// What a [`Verbose`] comes to on an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Display {
    Nothing,
    MovingBar,
    FinishedBar,
    Line,
}

impl Display {
    fn new(verbose: Verbose, terminal: bool) -> Self {
        match verbose {
            Verbose::Auto | Verbose::Bar if terminal => Display::MovingBar,
            Verbose::Auto | Verbose::Silent => Display::Nothing,
            Verbose::Bar => Display::FinishedBar,
            Verbose::Line => Display::Line,
        }
    }
}

/// The time between two drawings, at least.
const INTERVAL: Duration = Duration::from_millis(50);

/// The display of a run of epochs. Failures to write are ignored.
#[derive(Debug)]
pub(crate) struct Progress<W = Stdout> {
    out: W,
    display: Display,
    epochs: usize,
    steps: usize,
    /// The beginning of the epoch.
    start: Instant,
    /// The end of its first step.
    first: Option<Instant>,
    /// The last drawing in it, and the visible width of that.
    drawn: Option<Instant>,
    width: usize,
    line: String,
}

impl Progress {
    /// On the standard output, for `epochs` of `steps` batches.
    pub(crate) fn new(verbose: Verbose, epochs: usize, steps: usize) -> Self {
        let out = stdout();
        let display = Display::new(verbose, out.is_terminal());
        Progress::on(out, display, epochs, steps)
    }
}

impl<W: Write> Progress<W> {
    fn on(out: W, display: Display, epochs: usize, steps: usize) -> Self {
        let (start, line) = (Instant::now(), String::new());
        Progress { out, display, epochs, steps, start, first: None, drawn: None, width: 0, line }
    }

    /// Begins an epoch; the first is 0.
    pub(crate) fn epoch(&mut self, epoch: usize) {
        self.epoch_at(epoch, Instant::now());
    }

    /// Shows that `done` steps of the epoch are done, if it is time to show something.
    pub(crate) fn step(&mut self, done: usize, metrics: &[(&str, f64)]) {
        if matches!(self.display, Display::MovingBar | Display::FinishedBar) {
            self.step_at(done, metrics, Instant::now());
        }
    }

    /// Ends the epoch.
    pub(crate) fn finish_epoch(&mut self, metrics: &[(&str, f64)]) {
        self.draw(self.steps, metrics, Phase::Over, Instant::now());
    }

    fn epoch_at(&mut self, epoch: usize, now: Instant) {
        (self.start, self.first, self.drawn, self.width) = (now, None, None, 0);
        if self.epochs > 1 && self.display != Display::Nothing {
            let _ = writeln!(self.out, "Epoch {}/{}", epoch + 1, self.epochs);
        }
    }

    fn step_at(&mut self, done: usize, metrics: &[(&str, f64)], now: Instant) {
        let due = self.drawn.is_none_or(|drawn| now - drawn >= INTERVAL);
        if due && self.display == Display::MovingBar {
            self.draw(done, metrics, Phase::Running, now);
            self.drawn = Some(now);
        }
        if done == 1 {
            self.first = Some(now);
        }
    }

    fn draw(&mut self, done: usize, metrics: &[(&str, f64)], phase: Phase, now: Instant) {
        let elapsed = (now - self.start).as_secs_f64();
        let per_step = match self.first {
            Some(first) if done > 1 => (now - first).as_secs_f64() / (done - 1) as f64,
            _ => elapsed / done.max(1) as f64,
        };
        let state = State { done, steps: self.steps, elapsed, per_step, phase, metrics };
        self.line.clear();
        match self.display {
            Display::Nothing => return,
            Display::MovingBar => self.width = redraw(&mut self.line, &state, self.width),
            Display::FinishedBar => state.bar(&mut self.line, &PLAIN),
            Display::Line => state.line(&mut self.line),
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
    state.bar(out, &COLOURED);
    let width = visible(&out[start..]);
    out.extend(repeat_n(' ', before.saturating_sub(width)));
    width
}

/// The number of characters of `text` outside escape codes, which end in `m`.
fn visible(text: &str) -> usize {
    let mut code = false;
    let outside = text.chars().filter(|&letter| {
        let outside = !code && letter != '\u{1b}';
        code = !outside && letter != 'm';
        outside
    });
    outside.count()
}

/// Escape codes of a terminal.
struct Codes {
    bold: &'static str,
    green: &'static str,
    white: &'static str,
    reset: &'static str,
}

const COLOURED: Codes =
    Codes { bold: "\x1b[1m", green: "\x1b[32m", white: "\x1b[37m", reset: "\x1b[0m" };
const PLAIN: Codes = Codes { bold: "", green: "", white: "", reset: "" };

/// The length of a full bar.
const BAR: usize = 20;

/// Where the epoch is, and so what its time is.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// The time is what is left, by estimate.
    Running,
    /// The time is what it took.
    Over,
}

/// What a drawing shows; times are in seconds.
struct State<'a> {
    done: usize,
    steps: usize,
    elapsed: f64,
    per_step: f64,
    phase: Phase,
    metrics: &'a [(&'a str, f64)],
}

impl State<'_> {
    /// `2/4 ━━━━━━━━━━━━━━━━━━━━ 5s 2s/step - loss: 29.4275`
    fn bar(&self, out: &mut String, &Codes { bold, green, white, reset }: &Codes) {
        out.push_str(bold);
        self.count(out);
        out.extend([reset, " "]);
        let full = (BAR as f64 * (self.done as f64 / self.steps.max(1) as f64)) as usize;
        if full > 0 {
            out.push_str(green);
            out.extend(repeat_n('━', full));
            out.push_str(reset);
        }
        out.push_str(white);
        out.extend(repeat_n('━', BAR.saturating_sub(full)));
        out.extend([reset, " ", bold]);
        if self.phase == Phase::Over {
            let _ = write!(out, "{:.0}s", self.elapsed);
        } else {
            time_left(out, self.per_step * self.steps.saturating_sub(self.done) as f64);
        }
        out.extend([reset, " "]);
        step_time(out, self.per_step);
        for &(name, value) in self.metrics {
            metric(out, name, value, value.abs());
        }
    }

    /// `4/4 - 1s - 365ms/step - loss: 25.4725`
    fn line(&self, out: &mut String) {
        self.count(out);
        let _ = write!(out, " - {:.0}s - ", self.elapsed);
        step_time(out, self.per_step);
        for &(name, value) in self.metrics {
            metric(out, name, value, value); // a negative value is small here
        }
    }

    fn count(&self, out: &mut String) {
        let digits = self.steps.max(1).ilog10() as usize + 1;
        let _ = write!(out, "{:>digits$}/{}", self.done, self.steps);
    }
}

/// `59s`, `1:05` or `1:00:05`, rounded down.
fn time_left(out: &mut String, seconds: f64) {
    let whole = seconds as u64;
    let (hours, minutes) = (whole / 3600, whole % 3600 / 60);
    let _ = if seconds > 3600.0 {
        write!(out, "{hours}:{minutes:02}:{:02}", whole % 60)
    } else if seconds > 60.0 {
        write!(out, "{}:{:02}", whole / 60, whole % 60)
    } else {
        write!(out, "{whole}s")
    };
}

/// `2s/step`, `10ms/step` or `310us/step`, rounded.
fn step_time(out: &mut String, seconds: f64) {
    let _ = if seconds >= 1.0 || seconds == 0.0 {
        write!(out, "{seconds:.0}s/step")
    } else if seconds >= 1e-3 {
        write!(out, "{:.0}ms/step", seconds * 1e3)
    } else {
        write!(out, "{:.0}us/step", seconds * 1e6)
    };
}

/// ` - loss: 0.1234`, or ` - loss: 4.2000e-04` where `size` is small.
fn metric(out: &mut String, name: &str, value: f64, size: f64) {
    let _ = write!(out, " - {name}: ");
    if value.is_nan() {
        out.push_str("nan");
    } else if size > 1e-3 {
        let _ = write!(out, "{value:.4}");
    } else {
        scientific(out, value);
    }
}

/// `4.2000e-04`, where Rust would write `4.2000e-4`.
fn scientific(out: &mut String, value: f64) {
    let start = out.len();
    let _ = write!(out, "{value:.4e}");
    if let Some(digits) = out[start..].find('e') {
        let exponent: i32 = out[start + digits + 1..].parse().unwrap_or(0);
        out.truncate(start + digits);
        let _ = write!(out, "e{exponent:+03}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! fixture {
        ($name:literal) => {
            include_str!(concat!("../../../harness/fixtures/progress/", $name, ".txt"))
        };
    }

    fn text(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    /// Two epochs of four steps: the run of the fixtures, at other times.
    fn run(display: Display) -> String {
        let mut progress = Progress::on(vec![], display, 2, 4);
        for (epoch, [first, last]) in [[29.4275, 25.4725], [28.1048, 24.3384]].iter().enumerate() {
            let start = Instant::now();
            let after = |milliseconds| start + Duration::from_millis(milliseconds);
            progress.epoch_at(epoch, start);
            progress.step_at(1, &[("loss", *first)], after(1700));
            progress.step_at(2, &[("loss", f64::NAN)], after(1749));
            progress.draw(4, &[("loss", *last)], Phase::Over, after(1715));
        }
        String::from_utf8(progress.out).unwrap()
    }

    /// What does not depend on times: the words but these, and no backspaces nor padding.
    fn words(text: &str) -> Vec<String> {
        let text = text.replace('\u{8}', "").replace('\n', " \n ").replace("\x1b[0m", " \x1b[0m");
        let words = text.split(' ').filter(|word| !word.is_empty());
        words
            .filter(|word| !word.ends_with('s') && !word.ends_with("s/step"))
            .map(str::to_owned)
            .collect()
    }

    /// Every drawing covers the one before it.
    fn check_widths(text: &str) {
        let mut before = 0;
        for drawing in text.split('\r').skip(1) {
            let line = drawing.split('\n').next().unwrap();
            let shown = line.trim_end_matches('\u{8}');
            let width = visible(shown.trim_end());
            assert_eq!(visible(shown), width.max(before));
            before = visible(line) - visible(shown);
            assert_eq!(before, if drawing.contains('\n') { 0 } else { width });
        }
    }

    #[test]
    fn lines_are_those_of_keras_but_for_their_times() {
        let bar = run(Display::MovingBar);
        check_widths(&bar);
        for fixture in [fixture!("verbose1"), fixture!("verbose1_terminal")] {
            check_widths(fixture);
            assert_eq!(words(&bar), words(fixture));
        }
        assert_eq!(words(&run(Display::Line)), words(fixture!("verbose2")));
        assert!(bar.contains(" \x1b[1m5s\x1b[0m 2s/step - loss: 29.4275\u{8}"));
        let plain = run(Display::FinishedBar);
        let full = "━".repeat(20);
        let line = format!("Epoch 1/2\n4/4 {full} 2s 5ms/step - loss: 25.4725\nEpoch 2/2\n");
        assert!(plain.starts_with(&line) && !plain.contains(['\r', '\x1b', '\u{8}']));
        assert_eq!(run(Display::Nothing), "");
    }

    #[test]
    fn numbers_are_written_as_in_keras() {
        let left = [(59.9, "59s"), (60.0, "60s"), (60.5, "1:00"), (3600.0, "60:00")];
        for (seconds, expected) in left.into_iter().chain([(3605.2, "1:00:05")]) {
            assert_eq!(text(|out| time_left(out, seconds)), expected);
        }
        let each =
            [(0.0, "0s"), (2.5, "2s"), (0.0104, "10ms"), (0.9999, "1000ms"), (3.1e-4, "310us")];
        for (seconds, expected) in each {
            assert_eq!(text(|out| step_time(out, seconds)), format!("{expected}/step"));
        }
        let small = [(1e-3, "1.0000e-03"), (0.0, "0.0000e+00"), (-1e-100, "-1.0000e-100")];
        let large =
            [(0.12345, "0.1235"), (-2.0, "-2.0000"), (f64::NAN, "nan"), (f64::INFINITY, "inf")];
        for (value, expected) in small.into_iter().chain(large) {
            assert_eq!(
                text(|out| metric(out, "a", value, value.abs())),
                format!(" - a: {expected}")
            );
        }
        assert_eq!(text(|out| metric(out, "a", -2.0, -2.0)), " - a: -2.0000e+00"); // in a line
    }
}
