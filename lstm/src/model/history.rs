//! What training leaves behind.

/// The losses of a training, epoch by epoch: what `fit` returns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    epoch: Vec<usize>,
    history: Vec<(String, Vec<f64>)>,
}

impl History {
    /// Room for `epochs` epochs, or as many as anyone waits for, of the numbers that have these
    /// names.
    pub(super) fn new(names: &[String], epochs: usize) -> Self {
        let epochs = epochs.min(1 << 16);
        let history = names.iter().map(|name| (name.clone(), Vec::with_capacity(epochs))).collect();
        History { epoch: Vec::with_capacity(epochs), history }
    }

    /// Adds an epoch, its numbers in the order of the names.
    pub(super) fn push(&mut self, epoch: usize, values: &[f64]) {
        self.epoch.push(epoch);
        for ((_, series), &value) in self.history.iter_mut().zip(values) {
            series.push(value);
        }
    }

    /// The number of each epoch, from 0.
    pub fn epoch(&self) -> &[usize] {
        &self.epoch
    }

    /// The values of `name`, one for each epoch.
    pub fn get(&self, name: &str) -> Option<&[f64]> {
        self.history.iter().find(|(known, _)| *known == name).map(|(_, series)| &series[..])
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
        let mut history = History::new(&["loss".to_owned()], usize::MAX);
        history.push(0, &[0.5]);
        assert_eq!(history.loss(), [0.5]);
    }
}
