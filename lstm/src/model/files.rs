//! Weights and states in files, in the format of safetensors.

use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Model;
use crate::error::{Error, Result};
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
        let tensors = self.weights.iter().map(|place| {
            let data = &self.params[place.range.clone()];
            (self.weight_name(place), &place.weight.shape[..], data)
        });
        write(path.as_ref(), tensors)
    }

    /// Reads weights that [`save_weights`](Self::save_weights) has written, of a model of the same
    /// layers in either precision.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no such file or has been cut off, or its weights are not those
    /// of this model. The model is then as it was.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let weights = read(path.as_ref(), &self.weight_names())?;
        self.set_weights(&weights)
    }
}

/// Writes tensors of these names and shapes.
pub(super) fn write<'a, T: Float>(
    path: &Path,
    tensors: impl Iterator<Item = (String, &'a [usize], &'a [T])> + Clone,
) -> Result<()> {
    let failed = |error: std::io::Error| Error::file(path, &error);
    let mut header = Map::new();
    let mut start = 0;
    for (name, shape, data) in tensors.clone() {
        let end = start + size_of_val(data);
        let dtype = T::NAME.to_uppercase();
        let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] });
        header.insert(name, entry);
        start = end;
    }
    let mut header = Value::Object(header).to_string();
    // The data begins at a multiple of eight.
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let mut bytes = Vec::with_capacity(8 + header.len() + start);
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    for (_, _, data) in tensors {
        for &number in data {
            match size_of::<T>() {
                4 => bytes.extend_from_slice(&(number.to_f64() as f32).to_le_bytes()),
                _ => bytes.extend_from_slice(&number.to_f64().to_le_bytes()),
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

/// Reads tensors of these names, all that the file has.
pub(super) fn read<T: Float>(path: &Path, names: &[String]) -> Result<Vec<Tensor<T>>> {
    let wrong = |why: String| Error::File { path: path.display().to_string(), why };
    let bytes = std::fs::read(path).map_err(|error| Error::file(path, &error))?;
    let foreign = || wrong("this is no safetensors file".to_owned());
    let (size, rest) = bytes.split_first_chunk::<8>().ok_or_else(foreign)?;
    let size = usize::try_from(u64::from_le_bytes(*size)).map_err(|_| foreign())?;
    let (header, data) = rest.split_at_checked(size).ok_or_else(foreign)?;
    let header: Map<String, Value> = serde_json::from_slice(header).map_err(|_| foreign())?;

    let unknown = header.keys().find(|&key| key != "__metadata__" && !names.contains(key));
    if let Some(unknown) = unknown {
        return Err(wrong(format!("it has `{unknown}`, for which there is no place")));
    }
    let tensor = |name: &String| {
        let entry = header.get(name).ok_or_else(|| wrong(format!("it has no `{name}`")))?;
        let broken = || wrong(format!("the description of `{name}` is broken"));
        let width = match entry["dtype"].as_str() {
            Some("F32") => 4,
            Some("F64") => 8,
            Some(other) => return Err(wrong(format!("`{name}` is of {other}, not F32 or F64"))),
            None => return Err(broken()),
        };
        let sizes = |value: &Value| -> Option<Vec<usize>> {
            let sizes = value.as_array()?.iter();
            sizes.map(|size| usize::try_from(size.as_u64()?).ok()).collect()
        };
        let shape = sizes(&entry["shape"]).ok_or_else(broken)?;
        let offsets = sizes(&entry["data_offsets"]).ok_or_else(broken)?;
        let [start, end] = offsets[..] else {
            return Err(broken());
        };
        let count = shape.iter().try_fold(width, |size: usize, &axis| size.checked_mul(axis));
        if count.is_none_or(|count| start.checked_add(count) != Some(end)) {
            return Err(broken());
        }
        let cut = || wrong(format!("it ends before the data of `{name}` does"));
        let data = data.get(start..end).ok_or_else(cut)?;
        let number = |bytes: &[u8]| match *bytes {
            [a, b, c, d] => f64::from(f32::from_le_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => f64::NAN,
        };
        let numbers = data.chunks_exact(width).map(|bytes| T::from_f64(number(bytes)));
        Tensor::new(shape, numbers.collect())
    };
    names.iter().map(tensor).collect()
}
