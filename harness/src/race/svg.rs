//! The board as a plot: a panel for each kind and number of threads, a row for each shape, a dot for
//! each peer at its time over ours.

use super::board::{Board, Cell};
use super::markdown::{Occasion, title};
use crate::svg::{self, COLOURS, line, open, text};
use crate::table::{count, short};

/// Space for names of shapes.
const NAMES: f64 = 130.0;
const PANEL: f64 = 400.0;
const GAP: f64 = 30.0;
const ROW: f64 = 24.0;
/// Above the rows of a panel, and below.
const HEAD: f64 = 34.0;
const FOOT: f64 = 40.0;
/// Above all panels: the title and what colours mean.
const TOP: f64 = 92.0;

/// Ratios on a logarithmic axis.
#[derive(Clone, Copy, Debug)]
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// Holds one and all ratios of a board, with some room.
    fn of(board: &Board) -> Self {
        let cells = board.cells.iter();
        let ratios = cells.flat_map(|cell| cell.peers().iter().filter_map(|e| cell.ratio(e)));
        let (low, high) =
            ratios.fold((0.8, 2.0), |(low, high): (f64, f64), x| (low.min(x), high.max(x)));
        Axis { low: low / 1.15, high: high * 1.15 }
    }

    /// Where a ratio is, from 0 to 1.
    fn at(self, ratio: f64) -> f64 {
        (ratio / self.low).ln() / (self.high / self.low).ln()
    }

    /// 1, 2 and 5 of each decade; only powers of ten where there are many.
    fn ticks(self) -> Vec<f64> {
        let factors: &[f64] = if self.high / self.low > 300.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        decades
            .flat_map(|decade| factors.iter().map(move |factor| factor * 10f64.powi(decade)))
            .filter(|tick| (self.low..=self.high).contains(tick))
            .collect()
    }
}

/// The plot.
pub fn render(board: &Board, occasion: &Occasion) -> String {
    let mut peers: Vec<&str> = Vec::new();
    for (peer, _) in board.timed() {
        if !peers.contains(&peer) {
            peers.push(peer);
        }
    }
    let axis = Axis::of(board);
    let mut threads: Vec<usize> = board.cells.iter().map(|cell| cell.job.threads).collect();
    threads.sort_unstable();
    threads.dedup();
    let kinds = board.kinds();
    let width = NAMES + threads.len().max(1) as f64 * (PANEL + GAP);
    let mut body = String::new();
    let mut y = TOP;
    for (mode, cells) in kinds {
        let mut shapes = Vec::new();
        for cell in &cells {
            if !shapes.contains(&cell.job.shape) {
                shapes.push(cell.job.shape);
            }
        }
        let height = shapes.len() as f64 * ROW;
        for (row, shape) in shapes.iter().enumerate() {
            let y = y + HEAD + (row as f64 + 0.5) * ROW + 4.0;
            text(&mut body, (NAMES - 12.0, y), "end", "12", "#333", &shape.to_string());
        }
        for (column, &threads) in threads.iter().enumerate() {
            // Streams have one thread.
            if cells.iter().all(|cell| cell.job.threads != threads) {
                continue;
            }
            let corner = (NAMES + column as f64 * (PANEL + GAP), y + HEAD);
            let heading = format!("{}, {}", title(mode), count(threads, "thread"));
            frame(&mut body, axis, corner, height, &heading);
            let here = cells.iter().filter(|cell| cell.job.threads == threads);
            for cell in here {
                let row = shapes.iter().position(|shape| *shape == cell.job.shape).unwrap_or(0);
                let y = corner.1 + (row as f64 + 0.5) * ROW;
                dots(&mut body, axis, (corner.0, y), cell, &peers);
            }
        }
        y += HEAD + height + FOOT;
    }
    let mut svg = open(width, y);
    let Occasion { cpu, isa, date, .. } = occasion;
    text(&mut svg, (20.0, 30.0), "start", "17", "#111", "LSTM layers: time of a peer over ours");
    let note = format!("{cpu}, {isa}, {date}, f32; right of the line at 1 we are faster");
    text(&mut svg, (20.0, 50.0), "start", "12", "#555", &note);
    let mut x = 26.0;
    for (i, peer) in peers.iter().enumerate() {
        dot(&mut svg, (x, 72.0), i, peer);
        text(&mut svg, (x + 10.0, 76.0), "start", "12", "#333", peer);
        x += 32.0 + 7.0 * peer.chars().count() as f64;
    }
    svg + &body + "</svg>\n"
}

/// Lines and numbers of a panel.
fn frame(out: &mut String, axis: Axis, (x, y): (f64, f64), height: f64, heading: &str) {
    text(out, (x, y - 12.0), "start", "13", "#111", heading);
    let bottom = y + height;
    for tick in axis.ticks() {
        let x = x + PANEL * axis.at(tick);
        let (colour, stroke) = if tick == 1.0 { ("#111", 1.5) } else { ("#ddd", 1.0) };
        line(out, (x, y), (x, bottom), (colour, stroke));
        let name = if tick < 1.0 { tick.to_string() } else { format!("{tick:.0}") };
        text(out, (x, bottom + 16.0), "middle", "11", "#555", &format!("{name}×"));
    }
}

/// The peers of a row, and a line from the first to the last of them.
fn dots(out: &mut String, axis: Axis, (x, y): (f64, f64), cell: &Cell, peers: &[&str]) {
    let ratios: Vec<_> =
        peers.iter().enumerate().filter_map(|(i, peer)| Some((i, cell.ratio_of(peer)?))).collect();
    let ends = ratios.iter().fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), &(_, ratio)| {
        (low.min(ratio), high.max(ratio))
    });
    if ratios.len() > 1 {
        let (from, to) = (x + PANEL * axis.at(ends.0), x + PANEL * axis.at(ends.1));
        line(out, (from, y), (to, y), ("#ccc", 2.0));
    }
    for (i, ratio) in ratios {
        let name = format!("{} {}×", peers[i], short(ratio));
        dot(out, (x + PANEL * axis.at(ratio), y), i, &name);
    }
}

fn dot(out: &mut String, at: (f64, f64), peer: usize, name: &str) {
    svg::dot(out, at, COLOURS[peer % COLOURS.len()], name);
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::board;
    use super::*;

    #[test]
    fn a_plot_has_a_dot_for_each_time_and_each_peer() {
        let occasion = Occasion {
            cpu: "a <CPU>".to_owned(),
            isa: "avx2".to_owned(),
            date: "2026-11-24".to_owned(),
            rounds: 15,
        };
        let svg = render(&board(), &occasion);
        // Three rows of two peers, and what their colours mean.
        assert_eq!(svg.matches("<circle").count(), 3 * 2 + 2);
        assert!(svg.contains("a &lt;CPU&gt;"), "{svg}");
        assert!(svg.contains("<title>fast 0.50×</title>"), "{svg}");
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        for tag in ["text", "title", "circle"] {
            let (opened, closed) = (format!("<{tag}"), format!("</{tag}>"));
            assert_eq!(svg.matches(&opened).count(), svg.matches(&closed).count(), "{tag}");
        }
    }

    #[test]
    fn an_axis_holds_one_and_every_ratio() {
        let axis = Axis::of(&board());
        assert!(axis.at(0.5) > 0.0 && axis.at(80.0) < 1.0);
        assert!(axis.ticks().contains(&1.0));
        assert!(Axis::of(&Board::default()).ticks().contains(&1.0));
    }
}
