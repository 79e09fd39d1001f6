//! Results: the best peer of each row, leads, means.

use super::job::Job;
use super::refusal::Refusal;
use crate::json;
use crate::table::count;
use crate::throughput::{Mode, Shape};
use crate::timing::Timing;

/// What one contestant has made of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub peer: String,
    /// Its version; empty if it did not say.
    pub version: String,
    /// Its time, or why there is none.
    pub result: Result<Timing, Refusal>,
}

/// What all contestants have made of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The job.
    pub job: Job,
    /// Ours, then those of the peers.
    pub entries: Vec<Entry>,
}

impl Cell {
    /// Our time.
    pub fn ours(&self) -> Option<Timing> {
        self.entries.first().and_then(|entry| entry.result.clone().ok())
    }

    /// The peers.
    pub fn peers(&self) -> &[Entry] {
        self.entries.get(1..).unwrap_or_default()
    }

    /// The time of a peer over ours: above one we are faster.
    pub fn ratio(&self, entry: &Entry) -> Option<f64> {
        Some(entry.result.as_ref().ok()?.median / self.ours()?.median)
    }

    /// That of a peer by its name.
    pub fn ratio_of(&self, peer: &str) -> Option<f64> {
        let entry = self.peers().iter().find(|entry| entry.peer == peer)?;
        self.ratio(entry)
    }

    /// The fastest peer, and its ratio: our lead.
    pub fn best(&self) -> Option<(&Entry, f64)> {
        let ratios = self.peers().iter().filter_map(|entry| Some((entry, self.ratio(entry)?)));
        ratios.min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// Whether no peer computes something else.
    pub fn agrees(&self) -> bool {
        let disagrees = |entry: &Entry| matches!(entry.result, Err(Refusal::Disagrees(_)));
        !self.entries.iter().any(disagrees)
    }

    /// A line for each contestant.
    pub fn lines(&self) -> Vec<String> {
        let Job { shape: Shape { batch, steps, inputs, units }, mode, threads } = self.job;
        let line = |entry: &Entry| {
            let time = |of: fn(Timing) -> f64| match &entry.result {
                Ok(timing) => json::rounded(of(*timing)),
                Err(_) => serde_json::Value::Null,
            };
            let (state, reason) = match &entry.result {
                Ok(_) => ("timed", ""),
                Err(refusal) => (refusal.name(), refusal.reason()),
            };
            json::line(&[
                ("peer", entry.peer.as_str().into()),
                ("version", entry.version.as_str().into()),
                ("kind", mode.name().into()),
                ("shape", vec![batch, steps, inputs, units].into()),
                ("threads", threads.into()),
                ("state", state.into()),
                ("reason", reason.into()),
                ("median_us", time(Timing::median_us)),
                ("min_us", time(Timing::min_us)),
                ("ratio", self.ratio(entry).map_or(serde_json::Value::Null, json::rounded)),
            ])
        };
        self.entries.iter().map(line).collect()
    }
}

/// A whole race.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// Its cells, in order.
    pub cells: Vec<Cell>,
}

impl Board {
    /// Peers that have a time somewhere, with their versions.
    pub fn timed(&self) -> Vec<(&str, &str)> {
        let mut peers = Vec::new();
        for entry in self.cells.iter().flat_map(Cell::peers) {
            let peer = (entry.peer.as_str(), entry.version.as_str());
            if entry.result.is_ok() && !peers.contains(&peer) {
                peers.push(peer);
            }
        }
        peers
    }

    /// Peers that are not there.
    pub fn missing(&self) -> Vec<&str> {
        let mut peers = Vec::new();
        for entry in self.cells.iter().flat_map(Cell::peers) {
            if entry.result == Err(Refusal::NotInstalled) && !peers.contains(&entry.peer.as_str()) {
                peers.push(&entry.peer);
            }
        }
        peers
    }

    /// Peers that are there but disagree or fail: one line for each, kind and reason, with the shapes.
    pub fn trouble(&self) -> Vec<String> {
        let mut lines: Vec<(String, Vec<String>)> = Vec::new();
        for cell in &self.cells {
            for entry in cell.peers() {
                let Err(refusal @ (Refusal::Disagrees(_) | Refusal::Failed(_))) = &entry.result
                else {
                    continue;
                };
                let (peer, mode, threads) = (&entry.peer, cell.job.mode, cell.job.threads);
                let what = format!("{peer}, {mode}, {}: {refusal}", count(threads, "thread"));
                match lines.iter_mut().find(|(line, _)| *line == what) {
                    Some((_, shapes)) => shapes.push(cell.job.shape.to_string()),
                    None => lines.push((what, vec![cell.job.shape.to_string()])),
                }
            }
        }
        lines.into_iter().map(|(what, shapes)| format!("{what} ({})", shapes.join(" · "))).collect()
    }

    /// Kinds with their cells, in the order of the race.
    pub fn kinds(&self) -> Vec<(Mode, Vec<&Cell>)> {
        let mut kinds: Vec<(Mode, Vec<&Cell>)> = Vec::new();
        for cell in &self.cells {
            match kinds.iter_mut().find(|(mode, _)| *mode == cell.job.mode) {
                Some((_, cells)) => cells.push(cell),
                None => kinds.push((cell.job.mode, vec![cell])),
            }
        }
        kinds
    }
}

/// The geometric mean of ratios, if there are any.
pub fn mean(ratios: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (count, sum) =
        ratios.into_iter().fold((0usize, 0.0), |(count, sum), ratio| (count + 1, sum + ratio.ln()));
    (count > 0).then(|| (sum / count as f64).exp())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two kinds; one peer that is timed, one that disagrees, one that is not there.
    pub(crate) fn board() -> Board {
        let timing = |median: f64| Ok(Timing { median, min: median / 2.0 });
        let cell = |units, mode, ours: f64, ratio: f64| {
            let shape = Shape { batch: 32, steps: 10, inputs: 8, units };
            let entry = |peer: &str, result| Entry {
                peer: peer.to_owned(),
                version: "1.2".to_owned(),
                result,
            };
            let off = Refusal::Disagrees("3.0e-1 in y".to_owned());
            Cell {
                job: Job { shape, mode, threads: 1 },
                entries: vec![
                    entry("lstm", timing(ours)),
                    entry("slow", timing(10.0 * ratio * ours)),
                    entry("fast", timing(ratio * ours)),
                    entry("other", Err(off)),
                    entry("gone", Err(Refusal::NotInstalled)),
                ],
            }
        };
        Board {
            cells: vec![
                cell(4, Mode::Infer, 5e-6, 8.0),
                cell(64, Mode::Infer, 2e-4, 2.0),
                cell(4, Mode::Train, 1e-5, 0.5),
            ],
        }
    }

    #[test]
    fn the_best_peer_is_the_fastest_that_agrees() {
        let board = board();
        let best = board.cells[0].best().map(|(entry, lead)| (entry.peer.as_str(), lead.round()));
        assert_eq!(best, Some(("fast", 8.0)));
        assert!(!board.cells[0].agrees());
        assert_eq!(board.timed(), [("slow", "1.2"), ("fast", "1.2")]);
        assert_eq!(board.missing(), ["gone"]);
        let trouble = "other, infer, 1 thread: disagrees: 3.0e-1 in y (32,10,8,4 · 32,10,8,64)";
        assert_eq!(board.trouble()[0], trouble);
        assert_eq!(board.kinds().len(), 2);
    }

    #[test]
    fn means_are_geometric() {
        assert_eq!(mean([2.0, 8.0]).map(f64::round), Some(4.0));
        assert_eq!(mean([]), None);
    }

    #[test]
    fn a_line_has_a_time_or_a_reason() {
        let lines = board().cells[0].lines();
        let shape = r#""kind":"infer","shape":[32,10,8,4],"threads":1"#;
        let fast = r#""state":"timed","reason":"","median_us":40.0,"min_us":20.0,"ratio":8.0}"#;
        assert_eq!(lines[2], format!(r#"{{"peer":"fast","version":"1.2",{shape},{fast}"#));
        let off = r#""state":"disagrees","reason":"3.0e-1 in y","median_us":null"#;
        assert!(lines[3].contains(off), "{}", lines[3]);
    }
}
