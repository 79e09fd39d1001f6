//! Named numbers, as callbacks and displays see them.

/// The loss and the metrics of a batch or an epoch, by Keras's names, in its order: that of the
/// alphabet, and then what callbacks add.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs {
    names: Vec<String>,
    /// None where the present batch or epoch has no such number. The name stays, so that the next
    /// one that has allocates nothing.
    values: Vec<Option<f64>>,
}

impl Logs {
    /// The number of this name.
    pub fn get(&self, name: &str) -> Option<f64> {
        let at = self.names.iter().position(|known| known == name)?;
        self.values[at]
    }

    /// Adds a number, or changes it.
    pub fn set(&mut self, name: &str, value: f64) {
        match self.names.iter().position(|known| known == name) {
            Some(at) => self.values[at] = Some(value),
            None => {
                self.names.push(name.to_owned());
                self.values.push(Some(value));
            }
        }
    }

    /// Names and numbers.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        let pairs = self.names.iter().zip(&self.values);
        pairs.filter_map(|(name, value)| Some((name.as_str(), (*value)?)))
    }

    /// With room for numbers of these names.
    pub(crate) fn sorted<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        let mut names: Vec<String> = names.cloned().collect();
        names.sort();
        let values = vec![None; names.len()];
        Logs { names, values }
    }

    pub(crate) fn clear(&mut self) {
        self.values.fill(None);
    }

    /// Sets one number after another.
    pub(crate) fn fill(&mut self, names: &[String], values: &[f64]) {
        names.iter().zip(values).for_each(|(name, &value)| self.set(name, value));
    }
}
