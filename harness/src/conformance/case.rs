//! What a case file holds.

use std::path::Path;

use lstm::{Float, Tensor};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use super::Tensors;
use super::compare::{self, Worst};
use super::replay::Replay;

/// A description of what to run, and tensors: those given and those expected.
#[derive(Clone, Debug)]
pub struct Case {
    pub(super) description: Value,
    tensors: Tensors<f64>,
}

impl Case {
    /// Reads a case.
    ///
    /// # Errors
    ///
    /// If the file is not a case of format 1.
    pub fn read(path: &Path) -> Result<Case, String> {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| error.to_string())?;
        let case = header.metadata().as_ref().and_then(|metadata| metadata.get("case"));
        let case = case.ok_or("no `case` in the metadata")?;
        let description: Value = serde_json::from_str(case).map_err(|error| error.to_string())?;
        if description["format"] != 1 {
            return Err(format!("unsupported format: {}", description["format"]));
        }

        let mut tensors = Tensors::new();
        let file = SafeTensors::deserialize(&bytes).map_err(|error| error.to_string())?;
        for (name, view) in file.tensors() {
            if view.dtype() != Dtype::F64 {
                return Err(format!("{name}: expected F64, found {:?}", view.dtype()));
            }
            let numbers = view.data().chunks_exact(8).filter_map(|bytes| bytes.first_chunk());
            let data = numbers.map(|&bytes| f64::from_le_bytes(bytes)).collect();
            let tensor = Tensor::new(view.shape(), data).map_err(|error| error.to_string())?;
            tensors.insert(name, tensor);
        }
        Ok(Case { description, tensors })
    }

    /// The names of its tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// One of its tensors, in another precision.
    pub fn tensor<T: Float>(&self, name: &str) -> Option<Tensor<T>> {
        self.tensors.get(name).map(Tensor::cast)
    }

    /// The case with a tensor changed: to see it fail.
    pub fn with(mut self, tensor: &str, change: impl FnOnce(&mut [f64])) -> Case {
        if let Some(tensor) = self.tensors.get_mut(tensor) {
            change(tensor.data_mut());
        }
        self
    }

    /// The case with a tensor more, or another in its place.
    pub fn having(mut self, name: &str, tensor: Tensor<f64>) -> Case {
        self.tensors.insert(name.to_owned(), tensor);
        self
    }

    /// The case with a tensor less.
    pub fn without(mut self, tensor: &str) -> Case {
        self.tensors.remove(tensor);
        self
    }

    /// The case with its description reworded: to see it refused.
    ///
    /// # Panics
    ///
    /// If `from` does not occur, or the description is no JSON any more.
    pub fn reworded(mut self, from: &str, to: &str) -> Case {
        let text = self.description.to_string();
        assert!(text.contains(from), "no {from} in {text}");
        self.description = serde_json::from_str(&text.replace(from, to)).expect("still JSON");
        self
    }

    /// `layer`, `model`, `fit`, …
    pub(super) fn kind(&self) -> &str {
        self.description["kind"].as_str().unwrap_or_default()
    }

    /// Everything that the case expects, as computed here in the precision `T`.
    ///
    /// # Errors
    ///
    /// If it asks for what `lstm` does not have.
    pub fn compute<T: Float>(&self) -> Result<Tensors<T>, String> {
        Replay::new(self).run()
    }

    /// Runs the case in the precision `T`: the worst of all expected tensors.
    ///
    /// # Errors
    ///
    /// If it asks for what `lstm` does not have, an expected tensor is missing, or there is one
    /// that is neither given nor expected.
    pub fn run<T: Float>(&self) -> Result<Worst, String> {
        let mut replay = Replay::new(self);
        let got = replay.run::<T>()?;
        let extra = |name: &&str| !replay.has_taken(name) && !got.contains_key(*name);
        if let Some(name) = self.names().find(extra) {
            return Err(format!("unexpected tensor `{name}`"));
        }
        let tolerance = match (self.kind(), T::NAME) {
            ("fit", "f64") => 1e-6,
            ("fit", _) => 1e-2,
            (_, "f64") => 1e-7,
            _ => 1e-4,
        };
        compare::worst(&got, &self.tensors, tolerance)
    }
}
