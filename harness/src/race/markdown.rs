//! The board as a page.

use std::fmt::Write as _;

use super::board::{Board, Cell, mean};
use crate::table::{count, short};
use crate::throughput::Mode;

/// Where and when a race was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// The CPU's name.
    pub cpu: String,
    /// Our instruction set.
    pub isa: String,
    /// The day.
    pub date: String,
    /// Rounds of each cell.
    pub rounds: usize,
}

/// What the contestants do in a kind.
pub(super) fn title(mode: Mode) -> &'static str {
    match mode {
        Mode::Infer => "Inference",
        Mode::Train => "Forward and backward",
        Mode::Step => "Training step",
        Mode::Stream => "Step by step",
    }
}

fn explain(mode: Mode) -> &'static str {
    match mode {
        Mode::Infer => "All steps out.",
        Mode::Train => {
            "Gradients of weights and inputs, from a given gradient of every step of the output."
        }
        Mode::Step => "`Dense(1)` on the last step, mean squared error, Adam.",
        Mode::Stream => "Every step is a call of its own, which carries the state along.",
    }
}

/// The page.
pub fn render(board: &Board, occasion: &Occasion) -> String {
    let Occasion { cpu, isa, date, rounds } = occasion;
    let peers = board.timed();
    let mut page = format!(
        "# LSTM layers on {cpu}\n\n\
         {date}, `f32`, instruction set of `lstm` {isa}. Medians of {} in which contestants took \
         turns. A peer's column has its time over ours: above one we are faster. Every peer was \
         given the same weights and inputs, and was timed only if what it computes agrees.\n",
        count(*rounds, "round"),
    );
    if !peers.is_empty() {
        let names: Vec<_> =
            peers.iter().map(|(peer, version)| format!("{peer} {version}")).collect();
        let _ = writeln!(page, "\nPeers: {}.", names.join(", "));
    }
    let names: Vec<&str> = peers.iter().fold(Vec::new(), |mut names, &(peer, _)| {
        if !names.contains(&peer) {
            names.push(peer);
        }
        names
    });
    for (mode, cells) in board.kinds() {
        let _ = writeln!(page, "\n## {}\n\n{}\n", title(mode), explain(mode));
        table(&mut page, &cells, &names);
    }
    let missing = board.missing();
    if !missing.is_empty() {
        let _ = writeln!(page, "\nNot installed: {}.", missing.join(", "));
    }
    let trouble = board.trouble();
    if !trouble.is_empty() {
        page += "\nNot timed:\n\n";
        for line in trouble {
            let _ = writeln!(page, "- {line}");
        }
    }
    page
}

/// The rows of a kind, then a geometric mean for each number of threads.
fn table(page: &mut String, cells: &[&Cell], peers: &[&str]) {
    let of_peers: String = peers.iter().map(|peer| format!(" {peer} |")).collect();
    let rules = "--:|".repeat(peers.len());
    let _ = writeln!(page, "| B,T,I,H | threads | lstm µs | best peer | lead |{of_peers}");
    let _ = writeln!(page, "|---|--:|--:|---|--:|{rules}");
    let ratio = |ratio: Option<f64>| ratio.map_or("–".to_owned(), short);
    for cell in cells {
        let ours = cell.ours().map_or("–".to_owned(), |timing| short(timing.median_us()));
        let (best, lead) = match cell.best() {
            Some((entry, lead)) => (entry.peer.as_str(), format!("**{}**", short(lead))),
            None => ("–", "–".to_owned()),
        };
        let (shape, threads) = (cell.job.shape, cell.job.threads);
        let ratios: String =
            peers.iter().map(|peer| format!(" {} |", ratio(cell.ratio_of(peer)))).collect();
        let _ = writeln!(page, "| {shape} | {threads} | {ours} | {best} | {lead} |{ratios}");
    }
    let mut threads: Vec<usize> = cells.iter().map(|cell| cell.job.threads).collect();
    threads.dedup();
    for threads in threads {
        let cells = || cells.iter().filter(|cell| cell.job.threads == threads);
        let lead = mean(cells().filter_map(|cell| Some(cell.best()?.1)));
        let lead = lead.map_or("–".to_owned(), |lead| format!("**{}**", short(lead)));
        let means: String = peers
            .iter()
            .map(|peer| mean(cells().filter_map(|cell| cell.ratio_of(peer))))
            .map(|mean| format!(" {} |", ratio(mean)))
            .collect();
        let _ = writeln!(page, "| *geometric mean* | {threads} | | | {lead} |{means}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::board;
    use super::*;

    #[test]
    fn a_page_has_a_table_for_each_kind() {
        let occasion = Occasion {
            cpu: "a CPU".to_owned(),
            isa: "avx2".to_owned(),
            date: "2026-11-24".to_owned(),
            rounds: 15,
        };
        let page = render(&board(), &occasion);
        for line in [
            "# LSTM layers on a CPU",
            "Peers: slow 1.2, fast 1.2.",
            "## Inference",
            "| B,T,I,H | threads | lstm µs | best peer | lead | slow | fast |",
            "|---|--:|--:|---|--:|--:|--:|",
            "| 32,10,8,4 | 1 | 5.00 | fast | **8.00** | 80.0 | 8.00 |",
            "| 32,10,8,64 | 1 | 200 | fast | **2.00** | 20.0 | 2.00 |",
            "| *geometric mean* | 1 | | | **4.00** | 40.0 | 4.00 |",
            "## Forward and backward",
            "| 32,10,8,4 | 1 | 10.0 | fast | **0.50** | 5.00 | 0.50 |",
            "Not installed: gone.",
            "- other, train, 1 thread: disagrees: 3.0e-1 in y (32,10,8,4)",
        ] {
            assert!(page.lines().any(|found| found == line), "no `{line}` in\n{page}");
        }
    }
}
