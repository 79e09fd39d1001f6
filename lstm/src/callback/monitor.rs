//! A number that is watched, and what is better.

use crate::error::{Error, Result};
use crate::float::Float;
use crate::metric::Direction;
use crate::model::{Logs, Model};

/// What is better of a monitored number: Keras's `mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Less of losses, and of each metric what its kind says.
    #[default]
    Auto,
    /// Less.
    Min,
    /// More.
    Max,
}

impl Mode {
    /// What is better of the number `monitor` of a model.
    pub(super) fn direction<T: Float>(self, model: &Model<T>, monitor: &str) -> Result<Direction> {
        let name = monitor.strip_prefix("val_").unwrap_or(monitor);
        match self {
            Mode::Min => Ok(Direction::Down),
            Mode::Max => Ok(Direction::Up),
            Mode::Auto if name == "loss" => Ok(Direction::Down),
            Mode::Auto => model.direction(name).ok_or_else(|| {
                let why = "whether it should be large or small does not follow from its name; set \
                           `mode` to `Mode::Max` or `Mode::Min`";
                Error::invalid(format!("monitor `{monitor}`"), why)
            }),
        }
    }
}

/// Whether `current` is better than `best`, by more than `min_delta`; anything is, than nothing.
pub(super) fn improves(
    direction: Direction,
    current: f64,
    best: Option<f64>,
    min_delta: f64,
) -> bool {
    match (direction, best) {
        (_, None) => true,
        (Direction::Down, Some(best)) => current + min_delta < best,
        (Direction::Up, Some(best)) => current - min_delta > best,
    }
}

/// The monitored number; says so where there is none, as Keras does.
pub(super) fn watched(logs: &Logs, monitor: &str, who: &str) -> Option<f64> {
    let found = logs.get(monitor);
    if found.is_none() {
        let names: Vec<&str> = logs.iter().map(|(name, _)| name).collect();
        eprintln!(
            "{who}: metric `{monitor}` is not available. Available metrics are: {}",
            names.join(",")
        );
    }
    found
}
