//! Weights and states in files.

use std::path::Path;

use super::Model;
use crate::archive::{Reader, Writer};
use crate::error::Result;
use crate::float::Float;
use crate::tensor::Tensor;

impl<T: Float> Model<T> {
    /// Writes all weights to a file in the format of safetensors, under the names of
    /// [`weight_names`](Self::weight_names). Written beside it first, the file is whole or as it
    /// was.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn save_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut writer = Writer::default();
        self.add_weights(&mut writer, "");
        writer.finish(path.as_ref())
    }

    /// Adds all weights, under their names with a prefix.
    pub(super) fn add_weights(&self, writer: &mut Writer, prefix: &str) {
        for (place, name) in self.weights.iter().zip(self.weight_names()) {
            let weight = &self.params[place.range.clone()];
            writer.add(format!("{prefix}{name}"), &place.weight.shape, weight);
        }
    }

    /// Reads weights that [`save_weights`](Self::save_weights) has written, of a model of the same
    /// layers in either precision.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no such file or has changed, or its weights are not those of
    /// this model. The model is then as it was.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.set_weights(&read(path.as_ref(), &self.weight_names())?)
    }
}

/// Reads tensors of these names, all that the file has.
pub(super) fn read<T: Float>(path: &Path, names: &[String]) -> Result<Vec<Tensor<T>>> {
    let reader = Reader::open(path)?;
    let unknown = reader.names().find(|&found| names.iter().all(|name| name != found));
    if let Some(unknown) = unknown {
        return Err(reader.wrong(format!("it has `{unknown}`, for which there is no place")));
    }
    names.iter().map(|name| reader.tensor(name)).collect()
}
