//! `harness race`

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use harness::machine;
use harness::race::board::{Board, Cell};
use harness::race::course::Course;
use harness::race::job::Job;
use harness::race::markdown::{self, Occasion};
use harness::race::peers::Peer;
use harness::race::{date, grid, svg};
use harness::style::Style;
use harness::table::{Table, count, short};
use harness::throughput::{Mode, Shape};
use kernels::Isa;

use super::{Outcome, size, threads, write};

/// Races whole layers against the frameworks that are installed, in turns of one run.
///
/// Every peer gets the same weights and inputs, and is timed only if what it computes agrees with
/// what is computed here. `make peers` installs them; those that are not there are named and left
/// out. A peer's column has its time over ours. Exit status 1 if a peer disagrees.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Batch, steps, inputs and units; may be given several times; all of a grid unless given
    #[arg(long, value_name = "B,T,I,H")]
    shape: Vec<Shape>,
    /// What is raced; may be given several times; everything unless given
    #[arg(long, value_enum)]
    kind: Vec<Mode>,
    /// Threads; may be given several times; streams are raced with the first alone
    #[arg(long, value_name = "N", default_values = ["1", "2"], value_parser = threads)]
    threads: Vec<usize>,
    /// Only the peer of this name; may be given several times
    #[arg(long, value_name = "NAME")]
    peer: Vec<String>,
    /// One more peer, which speaks the same protocol; may be given several times
    #[arg(long, value_name = "NAME=PROGRAM", value_parser = Peer::parse)]
    with: Vec<Peer>,
    /// Where `make peers` has put the peers
    #[arg(long, value_name = "DIR", default_value = "target/peers")]
    peers: PathBuf,
    /// Rounds, in which each contestant has a turn
    #[arg(long, value_name = "N", default_value = "15", value_parser = size)]
    rounds: usize,
    /// Length of a turn, if that is more than one run
    #[arg(long, value_name = "MS", default_value = "20", value_parser = size)]
    turn: usize,
    /// Instruction set of ours; the best unless given
    #[arg(long, value_name = "NAME")]
    isa: Option<Isa>,
    /// One JSON object for each contestant and job
    #[arg(long)]
    json: bool,
    /// Write the results as a page
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write the results as a plot
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub(crate) fn run(args: Args, out: &mut impl Write) -> Outcome {
    let isa = args.isa.unwrap_or_else(Isa::best);
    let all = vec![Mode::Infer, Mode::Train, Mode::Step, Mode::Stream];
    let modes = if args.kind.is_empty() { all } else { args.kind };
    let peers = contestants(&args.peers, args.with, &args.peer)?;
    let turn = Duration::from_millis(args.turn as u64);
    let mut course = Course::new(isa, peers, args.rounds, turn)?;
    let mut board = Board::default();
    for &threads in &args.threads {
        for &mode in &modes {
            // A stream stays on its thread: more of them would repeat the race.
            if mode == Mode::Stream && threads != args.threads[0] {
                continue;
            }
            let shapes = if args.shape.is_empty() { grid(mode) } else { &args.shape };
            for &shape in shapes {
                eprintln!("{mode} {shape}, {}", count(threads, "thread"));
                let cell = course.run(Job { shape, mode, threads })?;
                if args.json {
                    cell.lines().iter().try_for_each(|line| writeln!(out, "{line}"))?;
                    out.flush()?;
                }
                board.cells.push(cell);
            }
        }
    }
    if !args.json {
        show(&board, isa, out)?;
    }
    let (cpu, isa) = (machine::cpu(), isa.to_string());
    let occasion = Occasion { cpu, isa, date: date::today(), rounds: args.rounds };
    if let Some(path) = &args.markdown {
        write(path, &markdown::render(&board, &occasion))?;
    }
    if let Some(path) = &args.svg {
        write(path, &svg::render(&board, &occasion))?;
    }
    Ok(board.cells.iter().all(Cell::agrees))
}

/// The known peers and others, or those of them that are wanted.
fn contestants(
    folder: &PathBuf,
    others: Vec<Peer>,
    wanted: &[String],
) -> Result<Vec<Peer>, String> {
    // A program is looked for in the path, unless its folder is given.
    let folder = std::path::absolute(folder).map_err(|error| error.to_string())?;
    let mut peers = Peer::known(&folder);
    peers.extend(others);
    let names: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(format!("no peer `{unknown}`; there are {}", names.join(", ")));
    }
    peers.retain(|peer| wanted.is_empty() || wanted.contains(&peer.name));
    Ok(peers)
}

/// A table for each kind.
fn show(board: &Board, isa: Isa, out: &mut impl Write) -> std::io::Result<()> {
    let style = Style::of_stdout();
    let mut peers: Vec<&str> = board.timed().into_iter().map(|(peer, _)| peer).collect();
    peers.dedup();
    for (mode, cells) in board.kinds() {
        let columns = ["B,T,I,H", "threads", "lstm µs", "best peer", "lead"];
        let mut table = Table::new(&[&columns[..], &peers].concat());
        let dash = || "–".to_owned();
        for cell in cells {
            let (best, lead) = match cell.best() {
                Some((entry, lead)) => (entry.peer.clone(), short(lead)),
                None => (dash(), dash()),
            };
            let ours = cell.ours().map_or_else(dash, |timing| short(timing.median_us()));
            let ratios = peers.iter().map(|peer| cell.ratio_of(peer).map_or_else(dash, short));
            let first =
                [cell.job.shape.to_string(), cell.job.threads.to_string(), ours, best, lead];
            table.row(first.into_iter().chain(ratios));
        }
        writeln!(out, "\n{} · f32, {isa}\n", style.heading(mode.name()))?;
        writeln!(out, "{}", table.render(style))?;
    }
    let missing = board.missing();
    if !missing.is_empty() {
        writeln!(out, "not installed: {}", missing.join(", "))?;
    }
    for line in board.trouble() {
        writeln!(out, "{}", style.bad(&line))?;
    }
    Ok(())
}
