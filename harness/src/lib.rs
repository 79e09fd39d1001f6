//! Proof that `lstm` computes what it says, and measurements of how fast: a library, and the
//! command line `harness` over it.
//!
//! | module         | proves or measures                                                       |
//! |----------------|--------------------------------------------------------------------------|
//! | [`mod@gradcheck`] | gradients of any model, entry by entry, against numerical derivatives: of `lstm` |
//! | [`subject`]    | what is checked: layers with every option, as models with random data    |
//! | [`mod@conformance`] | cases computed by Keras                                             |
//! | [`bounded`]    | a scalar LSTM whose numbers carry a bound of their rounding error        |
//! | [`throughput`] | time of a batch: inference, training, a whole step, step by step         |
//! | [`latency`]    | time of single steps of a stream: percentiles, and [`allocation`]s          |
//! | [`memory`]     | time of exact gradients in bounded memory                                |
//! | [`linear`]     | time over three decades of steps and of rows                             |
//! | [`stack`]      | recurrent engines on top of each other, without a model around them      |
//! | [`streams`]    | the same, one step at a time                                             |
//! | [`contest`]    | matrix products and activations against [`peer`]s, in the same run       |
//! | [`race`]       | whole layers against frameworks that are installed, in the same run      |
//! | [`accuracy`]   | errors of activations in units in the last place: every `f32` there is    |
//! | [`peak`]       | what the CPU can do at most, measured beside it                          |
//! | [`machine`]    | the CPU's name                                                           |
//! | [`timing`]     | interleaved measurements: median and minimum                             |
//! | [`report`]     | the page of the main job                                                 |
//!
//! [`json`], [`table`], [`svg`] and [`style`] are how results are shown; [`random`] is where data is from.

#![deny(unsafe_code)]

pub use lstm::gradcheck;

pub mod accuracy;
pub mod allocation;
pub mod bounded;
pub mod conformance;
pub mod contest;
pub mod dtype;
pub mod json;
pub mod latency;
pub mod linear;
pub mod machine;
pub mod memory;
pub mod peak;
pub mod peer;
pub mod race;
pub mod random;
pub mod report;
pub mod stack;
pub mod streams;
pub mod style;
pub mod subject;
pub mod svg;
pub mod table;
pub mod throughput;
pub mod timing;

/// The examples of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;
