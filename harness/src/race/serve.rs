//! The other end of the pipes, for peers in Rust.

use std::fmt;
use std::io::{BufRead, Result, Write};
use std::time::Instant;

use super::files;
use super::job::{Job, Order};
use super::refusal::Refusal;
use crate::conformance::Tensors;
use crate::json;

/// What a peer has made of a job.
pub struct Built {
    /// Its outputs, gradients or losses.
    pub answer: Tensors<f32>,
    /// One run.
    pub run: Box<dyn FnMut()>,
}

impl fmt::Debug for Built {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.debug_struct("Built").field("answer", &self.answer).finish_non_exhaustive()
    }
}

/// Answers the lines of a race until they end.
///
/// # Errors
///
/// If nobody reads the answers.
pub fn serve(
    version: &str,
    lines: impl BufRead,
    mut out: impl Write,
    build: impl Fn(Job, &Tensors<f32>) -> std::result::Result<Built, Refusal>,
) -> Result<()> {
    let mut run: Option<Box<dyn FnMut()>> = None;
    for line in lines.lines() {
        let line = line?;
        let runs = line.strip_prefix("go ").map(str::parse::<usize>);
        let answer = match (runs, &mut run) {
            (Some(Ok(runs)), Some(run)) => {
                let start = Instant::now();
                (0..runs).for_each(|_| run());
                start.elapsed().as_nanos().to_string()
            }
            (Some(_), _) => json::line(&[("failed", "nothing to run".into())]),
            (None, run) => {
                // Before its successor is built: two may not fit in memory.
                *run = None;
                match prepare(&line, &build) {
                    Ok(new) => {
                        *run = Some(new);
                        json::line(&[("ready", version.into())])
                    }
                    Err(refusal) => {
                        let name = match refusal {
                            Refusal::NotInstalled => "missing",
                            Refusal::Unsupported(_) => "unsupported",
                            Refusal::Disagrees(_) | Refusal::Failed(_) => "failed",
                        };
                        json::line(&[(name, refusal.reason().into())])
                    }
                }
            }
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn prepare(
    line: &str,
    build: impl Fn(Job, &Tensors<f32>) -> std::result::Result<Built, Refusal>,
) -> std::result::Result<Box<dyn FnMut()>, Refusal> {
    let order = Order::parse(line).map_err(Refusal::Failed)?;
    let data = files::read(&order.data).map_err(Refusal::Failed)?;
    let Built { answer, run } = build(order.job, &data)?;
    files::write(&order.answer, &answer).map_err(Refusal::Failed)?;
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::throughput::{Mode, Shape};

    #[test]
    fn a_peer_answers_every_line() -> std::result::Result<(), String> {
        let folder = std::env::temp_dir().join(format!("harness-serve-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let (data, answer) = (folder.join("data"), folder.join("answer"));
        let x = lstm::Tensor::from([[1.0f32, 2.0]]);
        files::write(&data, &Tensors::from([("x".to_owned(), x)]))?;
        let shape = Shape { batch: 1, steps: 1, inputs: 2, units: 1 };
        let line = |mode| Order {
            job: Job { shape, mode, threads: 1 },
            data: data.clone(),
            answer: answer.clone(),
        };
        let lines = [
            "go 1".to_owned(),
            line(Mode::Infer).line(),
            "go 3".to_owned(),
            line(Mode::Step).line(),
            "go 1".to_owned(),
            "gone".to_owned(),
        ];
        let mut out = Vec::new();
        let build = |job: Job, data: &Tensors<f32>| match job.mode {
            Mode::Infer => Ok(Built { answer: data.clone(), run: Box::new(|| ()) }),
            _ => Err(Refusal::Unsupported("no training".to_owned())),
        };
        let served = serve("1.2", lines.join("\n").as_bytes(), &mut out, build);
        served.map_err(|error| error.to_string())?;
        let same = files::read(&answer)? == files::read(&data)?;
        std::fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
        assert!(same);
        let out = String::from_utf8_lossy(&out).into_owned();
        let [early, ready, time, refused, late, wrong] =
            out.lines().collect::<Vec<_>>().try_into().map_err(|_| out.clone())?;
        assert_eq!((early, late), (r#"{"failed":"nothing to run"}"#, early));
        assert_eq!(ready, r#"{"ready":"1.2"}"#);
        assert!(time.parse::<u64>().is_ok(), "{time}");
        assert_eq!(refused, r#"{"unsupported":"no training"}"#);
        assert!(wrong.starts_with(r#"{"failed":"expected value"#), "{wrong}");
        Ok(())
    }
}
