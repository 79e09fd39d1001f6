//! A case as a run of `lstm`.

use std::collections::BTreeSet;

use lstm::{Fit, Float, Input, Layer, Model, Objective, Optimizer, Tensor, Verbose};
use serde_json::Value;

use super::{Case, Tensors};

/// The run of a case, with note of the tensors it takes.
pub(super) struct Replay<'a> {
    case: &'a Case,
    taken: BTreeSet<String>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(case: &'a Case) -> Self {
        Replay { case, taken: BTreeSet::new() }
    }

    /// Whether the run has made use of a tensor.
    pub(super) fn has_taken(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    /// Everything that a case of this kind expects.
    pub(super) fn run<T: Float>(&mut self) -> Result<Tensors<T>, String> {
        match self.case.kind() {
            "layer" => self.layer(),
            "stateful" => self.stateful(),
            "model" => self.model(),
            "fit" => self.fit(),
            other => Err(format!("unsupported kind of case: `{other}`")),
        }
    }

    fn take<T: Float>(&mut self, name: &str) -> Option<Tensor<T>> {
        let tensor = self.case.tensor(name)?;
        self.taken.insert(name.to_owned());
        Some(tensor)
    }

    fn need<T: Float>(&mut self, name: &str) -> Result<Tensor<T>, String> {
        self.take(name).ok_or_else(|| format!("no tensor `{name}`"))
    }

    /// `name.0`, `name.1`, … as far as they go.
    fn numbered<T: Float>(&mut self, name: &str) -> Vec<Tensor<T>> {
        (0..).map_while(|i| self.take(&format!("{name}.{i}"))).collect()
    }

    fn config(&self) -> String {
        self.case.description["config"].to_string()
    }

    fn layer<T: Float>(&mut self) -> Result<Tensors<T>, String> {
        let text = |error: lstm::Error| error.to_string();
        let layer = Layer::from_json(&self.config()).map_err(text)?;
        let x = self.need::<T>("x")?;
        let states = self.numbered::<T>("initial_state");
        let mask = self.take::<T>("mask");

        let mut inputs = vec![input("x", &x)?];
        for (i, state) in states.iter().enumerate() {
            inputs.push(input(&format!("initial_state.{i}"), state)?);
        }
        let symbols: Vec<_> = inputs.iter().collect();
        let mut data: Vec<&Tensor<T>> = [&x].into_iter().chain(&states).collect();
        let y = match &mask {
            None => layer.call(&symbols),
            Some(mask) => {
                let symbol = input("mask", mask)?;
                let y = layer.call_masked(&symbols, &symbol);
                inputs.push(symbol);
                data.push(mask);
                y
            }
        }
        .map_err(text)?;
        let outputs: Vec<_> =
            (0..y.outputs()).map(|i| y.output(i)).collect::<Result<_, _>>().map_err(text)?;
        let mut model = Model::<T>::new_as(&inputs[..], &outputs[..]).map_err(text)?;
        model.set_weights(&self.numbered("weights")).map_err(text)?;

        // There is a gradient for every output, but for states maybe.
        let mut dy: Vec<_> = self.numbered("dy").into_iter().map(Some).collect();
        if dy.is_empty() {
            self.need::<T>("dy.0")?;
        }
        let sequences = dy.len().min(outputs.len());
        let states_out = outputs.len() - sequences;
        dy.extend((0..states_out).map(|i| self.take(&format!("dstate.{i}"))));
        let dy: Vec<_> = dy.iter().map(Option::as_ref).collect();
        let found = model.gradients(&data[..], &dy).map_err(text)?;

        let mut got = Tensors::new();
        let mut outputs = found.outputs.into_iter();
        insert(&mut got, "y", outputs.by_ref().take(sequences));
        insert(&mut got, "state", outputs);
        insert(&mut got, "grad.weights", found.weights.into_iter());
        let mut inputs = found.inputs.into_iter();
        got.extend(inputs.next().map(|dx| ("grad.x".to_owned(), dx)));
        insert(&mut got, "grad.initial_state", inputs.take(states.len()));
        Ok(got)
    }

    /// Calls one after another, each of which starts where the one before has ended.
    fn stateful<T: Float>(&mut self) -> Result<Tensors<T>, String> {
        let text = |error: lstm::Error| error.to_string();
        let layer = Layer::from_json(&self.config()).map_err(text)?;
        let x = self.need::<T>("x")?;
        let [calls, batch, sample @ ..] = x.shape() else {
            return Err("x: expected [calls, batch, steps, inputs]".to_owned());
        };
        let shape: Vec<usize> = [*batch].into_iter().chain(sample.iter().copied()).collect();
        let symbol = lstm::Symbol::clone(&Input::new(sample));
        let y = layer.call(&[&symbol]).map_err(text)?;
        let mut model = Model::<T>::new_as(&symbol, &y).map_err(text)?;
        model.set_weights(&self.numbered("weights")).map_err(text)?;

        let (mut y, mut out) = (Vec::new(), vec![*calls]);
        for x in x.data().chunks_exact(shape.iter().product::<usize>().max(1)) {
            let x = Tensor::new(shape.clone(), x.to_vec()).map_err(text)?;
            let options = lstm::Predict { batch_size: *batch, ..lstm::Predict::default() };
            let found = model.predict_with(&x, options).map_err(text)?;
            out.truncate(1);
            out.extend(found.shape());
            y.extend_from_slice(found.data());
        }
        let y = Tensor::new(out, y).map_err(text)?;
        Ok(Tensors::from([("y".to_owned(), y)]))
    }

    fn model<T: Float>(&mut self) -> Result<Tensors<T>, String> {
        let text = |error: lstm::Error| error.to_string();
        let mut model = Model::<T>::from_json_as(&self.config()).map_err(text)?;
        let description = &self.case.description;
        for (what, found) in
            [("parameters", model.count_params()), ("outputs", model.output_shapes().count())]
        {
            if description[what].as_u64() != Some(found as u64) {
                return Err(format!("{found} {what}, not {}", description[what]));
            }
        }
        check_inputs(description, model.input_shapes().count())?;
        model.set_weights(&self.numbered("weights")).map_err(text)?;

        let (x, dy) = (self.numbered("x"), self.numbered("dy"));
        let x: Vec<&Tensor<T>> = x.iter().collect();
        let dy: Vec<_> = dy.iter().map(Some).collect();
        let found = model.gradients(&x[..], &dy).map_err(text)?;

        let mut got = Tensors::new();
        insert(&mut got, "y", found.outputs.into_iter());
        insert(&mut got, "grad.weights", found.weights.into_iter());
        Ok(got)
    }

    fn fit<T: Float>(&mut self) -> Result<Tensors<T>, String> {
        let text = |error: lstm::Error| error.to_string();
        let fit = &self.case.description["fit"];
        let known = ["optimizer", "loss", "epochs", "batch_size", "shuffle"];
        let keys = fit.as_object().into_iter().flatten();
        if let Some((key, _)) = keys.into_iter().find(|(key, _)| !known.contains(&key.as_str())) {
            return Err(format!("unsupported argument of fit: `{key}`"));
        }
        if fit["shuffle"] != false {
            return Err(format!("fit.shuffle: expected false, found {}", fit["shuffle"]));
        }
        let size = |key: &str| {
            let size = fit[key].as_u64().and_then(|size| usize::try_from(size).ok());
            size.ok_or_else(|| format!("fit.{key}: expected a size, found {}", fit[key]))
        };
        let loss = Objective::from_json(&fit["loss"].to_string()).map_err(text)?;
        let optimizer = Optimizer::from_json(&fit["optimizer"].to_string()).map_err(text)?;
        let mut model = Model::<T>::from_json_as(&self.config()).map_err(text)?;
        model.set_weights(&self.numbered("weights")).map_err(text)?;
        model.compile(optimizer, loss).map_err(text)?;

        let (x, y) = (self.need("x.0")?, self.need("y.0")?);
        let weights = self.take("sample_weight");
        let weights: Vec<&Tensor<T>> = weights.iter().collect();
        let options = Fit {
            sample_weight: &weights,
            epochs: size("epochs")?,
            batch_size: size("batch_size")?,
            shuffle: false,
            verbose: Verbose::Silent,
            ..Fit::default()
        };
        let history = model.fit(&x, &y, options).map_err(text)?;

        let mut got = Tensors::new();
        let losses: Vec<T> = history.loss().iter().map(|&loss| T::from_f64(loss)).collect();
        got.insert("loss".to_owned(), Tensor::new([losses.len()], losses).map_err(text)?);
        insert(&mut got, "weights_after", model.get_weights().into_iter());
        got.insert("predict".to_owned(), model.predict(&x).map_err(text)?);
        Ok(got)
    }
}

/// The input of a model that takes samples like those of `tensor`.
fn input<T: Float>(name: &str, tensor: &Tensor<T>) -> Result<lstm::Symbol, String> {
    match tensor.shape() {
        [] => Err(format!("{name}: expected a batch axis")),
        [_, sample @ ..] => Ok(lstm::Symbol::clone(&Input::new(sample))),
    }
}

/// Whether a model has the inputs that the case names. Keras names an input after its layer, or,
/// where the layer has no name of its own, `keras_tensor` and a number.
fn check_inputs(description: &Value, count: usize) -> Result<(), String> {
    let inputs = description["inputs"].as_array().map_or(&[][..], |inputs| &inputs[..]);
    if inputs.len() != count {
        return Err(format!("{count} inputs, not {}", description["inputs"]));
    }
    for (found, layer) in inputs.iter().zip(input_layers(&description["config"]["config"])) {
        let found = found.as_str().unwrap_or_default();
        if found != layer && !found.starts_with("keras_tensor") {
            return Err(format!("inputs: expected `{layer}`, found `{found}`"));
        }
    }
    Ok(())
}

/// The names of a model's input layers, as far as it has any.
fn input_layers(config: &Value) -> Vec<&str> {
    fn place(value: &Value) -> Option<&str> {
        value.as_array()?.first()?.as_str()
    }
    let Some(layers) = config.get("input_layers") else {
        let first = &config["layers"][0];
        let name = first["config"]["name"].as_str();
        return name.filter(|_| first["class_name"] == "InputLayer").into_iter().collect();
    };
    // One place, or a list of them.
    match place(layers) {
        Some(layer) => vec![layer],
        None => layers.as_array().into_iter().flatten().filter_map(place).collect(),
    }
}

/// Inserts tensors as `name.0`, `name.1`, ….
fn insert<T>(into: &mut Tensors<T>, name: &str, tensors: impl Iterator<Item = Tensor<T>>) {
    into.extend(tensors.enumerate().map(|(i, tensor)| (format!("{name}.{i}"), tensor)));
}
