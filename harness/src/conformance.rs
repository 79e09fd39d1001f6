//! Cases computed by Keras, run here: format 1 of the conformance files.
//!
//! A case is one `.safetensors` file: a layer, model or training run in Keras's own JSON, its
//! inputs, and what Keras made of them in `f64`. It is run in both precisions, and passes if every
//! expected tensor agrees, as `max|got - want| / max(1, max|want|)`. A case that asks for what
//! `lstm` does not have fails with the name of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use lstm::{Fit, Float, Input, Layer, Loss, Model, Optimizer, Tensor, Verbose};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// What a case holds.
#[derive(Clone, Debug)]
pub struct Case {
    description: Value,
    tensors: BTreeMap<String, Tensor<f64>>,
}

/// The worst disagreement in a case, and the tensor it is in.
#[derive(Clone, Debug, PartialEq)]
pub struct Worst {
    /// The tensor.
    pub tensor: String,
    /// Its error, relative to its largest entry or to one.
    pub error: f64,
    /// What the error may be.
    pub tolerance: f64,
}

impl Worst {
    /// Whether the error is within its tolerance; a NaN is not.
    pub fn passed(&self) -> bool {
        self.error <= self.tolerance
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{:.1e} in {}", self.error, self.tensor)
    }
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The file.
    pub path: PathBuf,
    /// The worst errors in `f64` and in `f32`, or why the case could not be run.
    pub result: Result<[Worst; 2], String>,
}

impl Outcome {
    /// Whether the case ran and agreed in both precisions.
    pub fn passed(&self) -> bool {
        matches!(&self.result, Ok(worst) if worst.iter().all(Worst::passed))
    }
}

/// Runs the case in a file.
pub fn run(path: &Path) -> Outcome {
    let both = |case: Case| Ok([case.run::<f64>()?, case.run::<f32>()?]);
    Outcome { path: path.to_owned(), result: Case::read(path).and_then(both) }
}

/// The case files among `paths`, and in folders among them: in order.
///
/// # Errors
///
/// If a path cannot be read, or a folder has no case.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in paths {
        let unreadable = |error| format!("{}: {error}", path.display());
        if !path.metadata().map_err(unreadable)?.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        for entry in path.read_dir().map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if file.extension().is_some_and(|extension| extension == "safetensors") {
                files.push(file);
            }
        }
        if files.len() == before {
            return Err(format!("{}: no .safetensors files in it", path.display()));
        }
        files[before..].sort();
    }
    Ok(files)
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

        let mut tensors = BTreeMap::new();
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

    /// The case with a tensor changed: to see it fail.
    pub fn with(mut self, tensor: &str, change: impl FnOnce(&mut [f64])) -> Case {
        if let Some(tensor) = self.tensors.get_mut(tensor) {
            change(tensor.data_mut());
        }
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

    /// Runs the case in the precision `T`.
    ///
    /// # Errors
    ///
    /// If it asks for what `lstm` does not have.
    pub fn run<T: Float>(&self) -> Result<Worst, String> {
        let kind = self.description["kind"].as_str().unwrap_or_default();
        let got = match kind {
            "layer" => self.layer::<T>(),
            "model" => self.model::<T>(),
            "fit" => self.fit::<T>(),
            other => return Err(format!("unsupported kind of case: `{other}`")),
        };
        let tolerance = match (kind, T::NAME) {
            ("fit", "f64") => 1e-6,
            ("fit", _) => 1e-2,
            (_, "f64") => 1e-7,
            _ => 1e-4,
        };
        self.compare(&got?, tolerance)
    }

    /// The worst of all expected tensors. Each of them must have been computed.
    fn compare<T: Float>(
        &self,
        got: &BTreeMap<String, Tensor<T>>,
        tolerance: f64,
    ) -> Result<Worst, String> {
        let given = ["x", "weights", "mask", "initial_state", "dy", "dstate", "sample_weight"];
        let mut worst = Worst { tensor: "nothing".to_owned(), error: 0.0, tolerance };
        for (name, want) in &self.tensors {
            let stem = name.split('.').next().unwrap_or(name);
            if given.contains(&stem) || name == "y.0" && self.description["kind"] == "fit" {
                continue;
            }
            let got = got.get(name).ok_or_else(|| format!("{name} was not computed"))?;
            if got.shape() != want.shape() {
                let (got, want) = (got.shape(), want.shape());
                return Err(format!("{name}: expected shape {want:?}, found {got:?}"));
            }
            let largest = want.data().iter().fold(1.0, |max: f64, x| max.max(x.abs()));
            let errors = got.data().iter().zip(want.data()).map(|(g, w)| (g.to_f64() - w).abs());
            // A NaN must not be lost on the way, wherever it is.
            let larger = |max: f64, e| if e <= max || max.is_nan() { max } else { e };
            let error = errors.fold(0.0, larger) / largest;
            if worst.tensor == "nothing" || error > worst.error || error.is_nan() {
                worst = Worst { tensor: name.clone(), error, tolerance };
            }
        }
        Ok(worst)
    }

    /// `name`, in another precision, if the case has it.
    fn tensor<T: Float>(&self, name: &str) -> Option<Tensor<T>> {
        self.tensors.get(name).map(Tensor::cast)
    }

    fn need<T: Float>(&self, name: &str) -> Result<Tensor<T>, String> {
        self.tensor(name).ok_or_else(|| format!("no tensor `{name}`"))
    }

    /// `name.0`, `name.1`, … as far as they go.
    fn numbered<T: Float>(&self, name: &str) -> Vec<Tensor<T>> {
        (0..).map_while(|i| self.tensor(&format!("{name}.{i}"))).collect()
    }

    fn config(&self, key: &str) -> String {
        self.description[key].to_string()
    }

    fn layer<T: Float>(&self) -> Result<BTreeMap<String, Tensor<T>>, String> {
        let text = |error: lstm::Error| error.to_string();
        let layer = Layer::from_json(&self.config("config")).map_err(text)?;
        if self.tensors.contains_key("mask") {
            return Err("unsupported argument of a layer: `mask`".to_owned());
        }
        let x = self.need::<T>("x")?;
        let states = self.numbered::<T>("initial_state");

        let data: Vec<&Tensor<T>> = [&x].into_iter().chain(&states).collect();
        let input = |tensor: &&Tensor<T>| Input::new(&tensor.shape()[1..]);
        let inputs: Vec<_> = data.iter().map(input).map(|input| (*input).clone()).collect();
        let y = layer.call(&inputs.iter().collect::<Vec<_>>()).map_err(text)?;
        let outputs: Vec<_> =
            (0..y.outputs()).map(|i| y.output(i)).collect::<Result<_, _>>().map_err(text)?;
        let mut model = Model::<T>::new_as(&inputs[..], &outputs[..]).map_err(text)?;
        model.set_weights(&self.numbered("weights")).map_err(text)?;

        let dy = self.need("dy.0")?;
        let dstates = self.numbered("dstate");
        let mut douts: Vec<Option<&Tensor<T>>> = vec![Some(&dy)];
        douts.extend((1..outputs.len()).map(|i| dstates.get(i - 1)));
        let found = model.gradients(&data[..], &douts).map_err(text)?;

        let mut got = BTreeMap::new();
        let mut outputs = found.outputs.into_iter();
        got.extend(outputs.next().map(|y| ("y.0".to_owned(), y)));
        insert(&mut got, "state", outputs);
        insert(&mut got, "grad.weights", found.weights.into_iter());
        let mut inputs = found.inputs.into_iter();
        got.extend(inputs.next().map(|dx| ("grad.x".to_owned(), dx)));
        insert(&mut got, "grad.initial_state", inputs);
        Ok(got)
    }

    fn model<T: Float>(&self) -> Result<BTreeMap<String, Tensor<T>>, String> {
        let text = |error: lstm::Error| error.to_string();
        let mut model = Model::<T>::from_json_as(&self.config("config")).map_err(text)?;
        let parameters = self.description["parameters"].as_u64();
        if parameters != Some(model.count_params() as u64) {
            let found = model.count_params();
            return Err(format!("{found} parameters, not {}", self.description["parameters"]));
        }
        model.set_weights(&self.numbered("weights")).map_err(text)?;

        let (x, dy) = (self.numbered("x"), self.numbered("dy"));
        let x: Vec<&Tensor<T>> = x.iter().collect();
        let dy: Vec<_> = dy.iter().map(Some).collect();
        let found = model.gradients(&x[..], &dy).map_err(text)?;

        let mut got = BTreeMap::new();
        insert(&mut got, "y", found.outputs.into_iter());
        insert(&mut got, "grad.weights", found.weights.into_iter());
        Ok(got)
    }

    fn fit<T: Float>(&self) -> Result<BTreeMap<String, Tensor<T>>, String> {
        let text = |error: lstm::Error| error.to_string();
        let fit = &self.description["fit"];
        if self.tensors.contains_key("sample_weight") {
            return Err("unsupported argument of fit: `sample_weight`".to_owned());
        }
        let size = |key: &str| {
            let size = fit[key].as_u64().and_then(|size| usize::try_from(size).ok());
            size.ok_or_else(|| format!("fit.{key}: expected a size, found {}", fit[key]))
        };
        let name = fit["loss"].as_str().ok_or_else(|| format!("fit.loss: {}", fit["loss"]))?;
        let loss: Loss = name.parse().map_err(text)?;
        let optimizer = Optimizer::from_json(&fit["optimizer"].to_string()).map_err(text)?;
        let mut model = Model::<T>::from_json_as(&self.config("config")).map_err(text)?;
        model.set_weights(&self.numbered("weights")).map_err(text)?;
        model.compile(optimizer, loss).map_err(text)?;

        let (x, y) = (self.need("x.0")?, self.need("y.0")?);
        let options = Fit {
            epochs: size("epochs")?,
            batch_size: size("batch_size")?,
            shuffle: false,
            verbose: Verbose::Silent,
            ..Fit::default()
        };
        let history = model.fit(&x, &y, options).map_err(text)?;

        let mut got = BTreeMap::new();
        let losses: Vec<T> = history.loss().iter().map(|&loss| T::from_f64(loss)).collect();
        got.insert("loss".to_owned(), Tensor::new([losses.len()], losses).map_err(text)?);
        insert(&mut got, "weights_after", model.get_weights().into_iter());
        got.insert("predict".to_owned(), model.predict(&x).map_err(text)?);
        Ok(got)
    }
}

/// Inserts tensors as `name.0`, `name.1`, ….
fn insert<T>(
    into: &mut BTreeMap<String, Tensor<T>>,
    name: &str,
    tensors: impl Iterator<Item = Tensor<T>>,
) {
    into.extend(tensors.enumerate().map(|(i, tensor)| (format!("{name}.{i}"), tensor)));
}
