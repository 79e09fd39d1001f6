//! Weights in files.

use std::io::Write;
use std::path::Path;

use serde_json::{Map, json};

use super::Model;
use crate::error::{Error, Result};
use crate::float::Float;

impl<T: Float> Model<T> {
    /// Writes all weights to a file in the format of safetensors, under the names of
    /// [`weight_names`](Self::weight_names). Written beside it first, the file is whole or as it
    /// was.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn save_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let failed = |error: std::io::Error| Error::file(path, &error);
        let mut header = Map::new();
        let mut start = 0;
        for place in &self.weights {
            let end = start + place.range.len() * size_of::<T>();
            let entry = json!({
                "dtype": T::NAME.to_uppercase(),
                "shape": place.weight.shape,
                "data_offsets": [start, end],
            });
            header.insert(self.weight_name(place), entry);
            start = end;
        }
        let mut header = serde_json::Value::Object(header).to_string();
        // The data begins at a multiple of eight.
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        let mut bytes = Vec::with_capacity(8 + header.len() + start);
        bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
        bytes.extend_from_slice(header.as_bytes());
        for place in &self.weights {
            for &weight in &self.params[place.range.clone()] {
                match size_of::<T>() {
                    4 => bytes.extend_from_slice(&(weight.to_f64() as f32).to_le_bytes()),
                    _ => bytes.extend_from_slice(&weight.to_f64().to_le_bytes()),
                }
            }
        }
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(".part");
        let mut file = std::fs::File::create(&beside).map_err(failed)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&beside, path).map_err(failed)
    }
}
