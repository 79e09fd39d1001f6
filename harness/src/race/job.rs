//! What is raced.

use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use serde_json::Value;

use crate::json;
use crate::throughput::{Mode, Shape};

/// One cell of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Batch, steps, inputs and units.
    pub shape: Shape,
    /// What is done.
    pub mode: Mode,
    /// Threads of each contestant.
    pub threads: usize,
}

/// A [`Job`] and its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What to do.
    pub job: Job,
    /// With these arrays.
    pub data: PathBuf,
    /// Where what comes out belongs.
    pub answer: PathBuf,
}

impl Order {
    /// The line that tells a peer.
    pub fn line(&self) -> String {
        let Job { shape: Shape { batch, steps, inputs, units }, mode, threads } = self.job;
        let path = |path: &Path| Value::from(path.to_string_lossy().into_owned());
        json::line(&[
            ("shape", vec![batch, steps, inputs, units].into()),
            ("kind", mode.name().into()),
            ("threads", threads.into()),
            ("data", path(&self.data)),
            ("answer", path(&self.answer)),
        ])
    }

    /// The order of a line.
    ///
    /// # Errors
    ///
    /// If it is not one.
    pub fn parse(line: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let number = |value: &Value| value.as_u64().map(|number| number as usize);
        let sizes = value["shape"].as_array().into_iter().flatten().map(number);
        let sizes: Option<Vec<usize>> = sizes.collect();
        let [batch, steps, inputs, units] =
            sizes.and_then(|sizes| sizes.try_into().ok()).ok_or("no `shape` of four sizes")?;
        let mode = Mode::from_str(value["kind"].as_str().unwrap_or_default(), false)
            .map_err(|error| format!("kind: {error}"))?;
        let threads = number(&value["threads"]).ok_or("no number of `threads`")?;
        let path = |name: &str| match value[name].as_str() {
            Some(path) => Ok(PathBuf::from(path)),
            None => Err(format!("no path of `{name}`")),
        };
        let job = Job { shape: Shape { batch, steps, inputs, units }, mode, threads };
        Ok(Order { job, data: path("data")?, answer: path("answer")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_written() {
        for mode in [Mode::Infer, Mode::Train, Mode::Step, Mode::Stream] {
            let shape = Shape { batch: 2, steps: 3, inputs: 4, units: 5 };
            let job = Job { shape, mode, threads: 2 };
            let order = Order { job, data: "a \"b\"/c".into(), answer: "d".into() };
            assert_eq!(Order::parse(&order.line()), Ok(order));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (line, reason) in [
            ("go", "expected value"),
            (r#"{"shape":[1,2,3]}"#, "`shape`"),
            (r#"{"shape":[1,2,3,4],"kind":"fly"}"#, "kind"),
            (r#"{"shape":[1,2,3,4],"kind":"step"}"#, "`threads`"),
            (r#"{"shape":[1,2,3,4],"kind":"step","threads":1,"data":"a"}"#, "`answer`"),
        ] {
            let error = Order::parse(line).err().unwrap_or_default();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }
}
