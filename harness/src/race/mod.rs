//! Whole layers against the frameworks that are installed, in turns of one run.
//!
//! | module      | has                                                                        |
//! |-------------|----------------------------------------------------------------------------|
//! | [`job`]     | what is raced, as a line of text; its arrays are in files                  |
//! | [`files`]   | those files                                                                |
//! | [`ours`]    | this workspace as a contestant                                             |
//! | [`peers`]   | who else there is, and how each is started                                 |
//! | [`process`] | a peer that runs, spoken to over pipes                                     |
//! | [`refusal`] | why a peer has no time                                                      |
//! | [`serve`]   | the other end of those pipes, for peers in Rust                            |
//! | [`course`]  | the race: equal outputs first, then rounds                                 |
//! | [`board`]   | results: the best peer of each row, leads, means                           |
//! | [`markdown`], [`svg`] | the board as a page and as a plot                                |
//! | [`date`]    | today                                                                      |
//!
//! The protocol is described in `harness/peers/protocol.py`.

pub mod board;
pub mod course;
pub mod date;
pub mod files;
pub mod job;
pub mod markdown;
pub mod ours;
pub mod peers;
pub mod process;
pub mod refusal;
pub mod serve;
pub mod svg;

use crate::throughput::{Mode, Shape};

/// The shapes of a whole race in a kind.
pub fn grid(mode: Mode) -> &'static [Shape] {
    match mode {
        Mode::Infer | Mode::Train | Mode::Step => &LAYERS,
        Mode::Stream => &STREAMS,
    }
}

/// From a handful of numbers to weights that no cache holds.
const LAYERS: [Shape; 12] = [
    shape(32, 10, 8, 4),
    shape(1, 3, 1, 10),
    shape(32, 10, 8, 64),
    shape(32, 50, 1, 32),
    shape(64, 100, 128, 256),
    shape(20, 35, 650, 650),
    shape(64, 25, 512, 512),
    shape(16, 25, 1024, 1024),
    shape(1, 100, 256, 256),
    shape(1, 50, 1024, 1024),
    shape(1, 25, 2048, 2048),
    shape(128, 25, 64, 128),
];

/// Effects and controllers: one row, one input. A thousand steps, so that µs of all are ns of one.
const STREAMS: [Shape; 6] = [
    shape(1, 1000, 1, 8),
    shape(1, 1000, 1, 16),
    shape(1, 1000, 1, 20),
    shape(1, 1000, 1, 32),
    shape(1, 1000, 1, 40),
    shape(1, 1000, 1, 64),
];

const fn shape(batch: usize, steps: usize, inputs: usize, units: usize) -> Shape {
    Shape { batch, steps, inputs, units }
}
