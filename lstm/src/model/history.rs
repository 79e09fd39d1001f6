//! What training leaves behind.

use super::Logs;

/// The losses and metrics of a training, epoch by epoch: what `fit` returns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    epoch: Vec<usize>,
    history: Vec<(String, Vec<f64>)>,
}

impl History {
    /// Room for `epochs` epochs, or as many as anyone waits for.
    pub(super) fn new(epochs: usize) -> Self {
        History { epoch: Vec::with_capacity(epochs.min(1 << 16)), history: Vec::new() }
    }

    /// Adds an epoch.
    pub(super) fn push(&mut self, epoch: usize, logs: &Logs) {
        self.epoch.push(epoch);
        for (name, value) in logs.iter() {
            match self.history.iter_mut().find(|(known, _)| known == name) {
                Some((_, series)) => series.push(value),
                None => {
                    let mut series = Vec::with_capacity(self.epoch.capacity());
                    series.push(value);
                    self.history.push((name.to_owned(), series));
                }
            }
        }
    }

    /// Begins with these epochs and series. The room stays.
    pub(super) fn restore(&mut self, epoch: &[usize], history: Vec<(String, Vec<f64>)>) {
        self.epoch.clear();
        self.epoch.extend_from_slice(epoch);
        self.history = history;
        for (_, series) in &mut self.history {
            series.reserve(self.epoch.capacity() - series.len());
        }
    }

    /// The number of each epoch, from 0.
    pub fn epoch(&self) -> &[usize] {
        &self.epoch
    }

    /// The values of `name`, one for each epoch that had one: `loss`, `val_loss`, `accuracy`, …
    pub fn get(&self, name: &str) -> Option<&[f64]> {
        self.history.iter().find(|(known, _)| known == name).map(|(_, series)| &series[..])
    }

    /// The names of all series, in Keras's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.history.iter().map(|(name, _)| name.as_str())
    }

    /// The training loss of each epoch: the mean over its samples, each taken before the step of
    /// its batch.
    pub fn loss(&self) -> &[f64] {
        self.get("loss").unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_room_to_make_for_endless_training() {
        let (mut history, mut logs) = (History::new(usize::MAX), Logs::default());
        logs.set("loss", 0.5);
        history.push(0, &logs);
        assert_eq!(history.loss(), [0.5]);
    }

    #[test]
    fn two_are_equal_if_the_same_was_recorded() {
        let recorded = |epochs, loss| {
            let (mut history, mut logs) = (History::new(epochs), Logs::default());
            logs.set("loss", loss);
            history.push(0, &logs);
            history
        };
        assert_eq!(recorded(1, 0.5), recorded(9, 0.5));
        assert_ne!(recorded(1, 0.5), recorded(1, 0.25));
        let mut restored = History::new(9);
        restored.restore(&[0], vec![("loss".to_owned(), vec![0.5])]);
        assert_eq!(restored, recorded(1, 0.5));
    }

    #[test]
    fn a_series_has_the_epochs_that_had_a_value() {
        let (mut history, mut logs) = (History::new(2), Logs::default());
        for epoch in 0..2 {
            logs.clear();
            logs.set("loss", epoch as f64);
            if epoch == 1 {
                logs.set("val_loss", 7.0);
            }
            history.push(epoch, &logs);
        }
        assert_eq!(history.get("loss"), Some(&[0.0, 1.0][..]));
        assert_eq!(history.get("val_loss"), Some(&[7.0][..]));
        assert_eq!(history.names().collect::<Vec<_>>(), ["loss", "val_loss"]);
        assert_eq!(history.epoch(), [0, 1]);
    }
}
