//! Every model and layer of the conformance fixtures, read and written again, is what Keras wrote.

use std::path::{Path, PathBuf};

use lstm::{
    AUC, Adam, Compile, Curve, Dense, Input, LSTM, Layer, Loss, Measure, Metric, Model, Objective,
    Reduction, Sequential, Threshold,
};
use safetensors::SafeTensors;
use serde_json::{Value, json};

/// What Keras wrote, in the fixtures; each with the name of its file.
fn written_by_keras() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/conformance");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    let read = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let case = header.metadata().as_ref().unwrap()["case"].clone();
        let mut case: Value = serde_json::from_str(&case).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), case["config"].take())
    };
    files.iter().map(read).collect()
}

/// Takes out what `to_json` says that it does not keep.
fn kept(value: &mut Value) {
    if let Value::Object(object) = value {
        if object.get("module") == Some(&json!("keras.initializers")) {
            object["config"].as_object_mut().unwrap().remove("seed");
        }
        object.remove("unroll");
        if let Some(kwargs) = object.get_mut("kwargs") {
            let kwargs = kwargs.as_object_mut().unwrap();
            kwargs.remove("training");
            kwargs.retain(|_, argument| !argument.is_null());
            // An input that is nothing but a mask is of truths, whatever it was.
            if let Some(mask) = kwargs.get_mut("mask") {
                mask["config"]["dtype"] = json!("bool");
            }
            // Initial states may have been given by their place.
            let states = object["args"].as_array_mut().unwrap();
            if let [_, Value::Array(_)] = states[..] {
                let states = states.pop().unwrap();
                object["kwargs"]["initial_state"] = states;
            }
        }
        for key in ["input_layers", "output_layers"] {
            if let Some([Value::Array(one)]) =
                object.get(key).and_then(Value::as_array).map(|list| &list[..])
            {
                object[key] = json!(one);
            }
        }
        let is_input = object.contains_key("batch_shape");
        match object.get("dtype").and_then(Value::as_str) {
            Some("int32") => object["dtype"] = json!("float64"),
            Some("bool") if is_input => object["dtype"] = json!("float64"),
            _ => {}
        }
        if let Some(loss) = object.get_mut("loss") {
            let objective = Objective::from_json(&loss.to_string()).unwrap();
            if let Some(plain) = plain(objective) {
                *loss = json!(plain);
            }
        }
        object.values_mut().for_each(kept);
    } else if let Value::Array(values) = value {
        values.iter_mut().for_each(kept);
    }
}

/// The name of a loss that has Keras's defaults.
fn plain(objective: Objective) -> Option<&'static str> {
    let name = objective.loss.name();
    (name.parse().map(|loss: Loss| Objective::from(loss)) == Ok(objective)).then_some(name)
}

/// Where two values differ, if they do. Numbers are equal where what they stand for is.
fn difference(at: &str, ours: &Value, keras: &Value) -> Option<String> {
    match (ours, keras) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            let one = |value: Option<&Value>| value.cloned().unwrap_or_else(|| json!("(missing)"));
            keys.map(|key| (key, one(a.get(key)), one(b.get(key))))
                .find_map(|(key, a, b)| difference(&format!("{at}.{key}"), &a, &b))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(i, (a, b))| difference(&format!("{at}[{i}]"), a, b))
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        (a, b) if a == b => None,
        (a, b) => Some(format!("{at}: {a}, in Keras {b}")),
    }
}

/// Of layers by themselves: these shapes are of a call that was made after they were described.
fn without_builds(value: &mut Value) {
    if let Value::Object(object) = value {
        object.remove("build_config");
        object.values_mut().for_each(without_builds);
    } else if let Value::Array(values) = value {
        values.iter_mut().for_each(without_builds);
    }
}

#[test]
fn what_is_written_is_what_keras_wrote() {
    let (mut models, mut layers, mut wrong) = (0, 0, Vec::new());
    for (file, mut keras) in written_by_keras() {
        let text = keras.to_string();
        let ours = if keras.get("compile_config").is_some() {
            models += 1;
            Model::<f64>::from_json_as(&text).unwrap().to_json()
        } else {
            layers += 1;
            without_builds(&mut keras);
            let ours = Layer::from_json(&text).unwrap().to_json();
            // A layer by itself is in the precision that Keras has unless told otherwise.
            assert!(ours.contains("\"float32\"") && !ours.contains("\"float64\""), "{file}");
            ours.replace("\"float32\"", "\"float64\"")
        };
        let mut ours: Value = serde_json::from_str(&ours).unwrap();
        kept(&mut ours);
        kept(&mut keras);
        if let Some(difference) = difference("", &ours, &keras) {
            wrong.push(format!("{file}{difference}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "{} of {}", wrong.len(), models + layers);
    assert!(models >= 222 && layers >= 142, "{models} models, {layers} layers");
}

#[test]
fn a_key_that_is_another_is_seen() {
    let a = json!({ "config": [{ "units": 2.0 }, { "rate": null }] });
    assert_eq!(difference("", &a, &json!({ "config": [{ "units": 2 }, { "rate": null }] })), None);
    for (b, at) in [
        (json!({ "config": [{ "units": 3 }, { "rate": null }] }), ".config[0].units"),
        (json!({ "config": [{ "units": 2 }, {}] }), ".config[1].rate"),
        (json!({ "config": [{ "units": 2 }] }), ".config"),
        (json!({ "config": [{ "units": 2 }, { "rate": null }], "x": 1 }), ".x"),
    ] {
        let difference = difference("", &a, &b).unwrap();
        assert!(difference.starts_with(&format!("{at}:")), "{difference}");
    }
}

/// Reads, writes and reads again; what was written.
fn there_and_back(model: &Model) -> Value {
    let text = model.to_json();
    let again = Model::from_json(&text).unwrap();
    assert_eq!(again.to_json(), text);
    assert_eq!(again.weight_names(), model.weight_names());
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_model_is_written_with_what_it_is_compiled_with() {
    let x = Input::new([5, 3]);
    let y = LSTM::new(4).return_sequences(true).call(&x).unwrap();
    let (a, b) = (Dense::new(1).call(&y).unwrap(), Dense::new(2).name("two").call(&y).unwrap());
    let mut model = Model::new(&x, [&a, &b]).unwrap();
    assert_eq!(there_and_back(&model)["compile_config"], json!({}));

    let smooth = Loss::CategoricalCrossentropy { from_logits: true, label_smoothing: 0.125 };
    let losses = [Some(Loss::Huber { delta: 2.0 }.into()), Some(smooth.reduction(Reduction::Sum))];
    let auc = AUC { num_thresholds: 50, curve: Curve::PR, ..AUC::default() };
    let precision = Threshold { threshold: Some(0.25), ..Threshold::default() };
    let options = Compile {
        metrics: vec![
            "mae".parse().unwrap(),
            Metric::from(Measure::AUC(auc)).of_output(1),
            Metric::from(Measure::TopKCategoricalAccuracy { k: 2 }).named("top").of_output(1),
        ],
        weighted_metrics: vec![Metric::from(Measure::Precision(precision))],
        loss_weights: vec![1.0, 0.5],
    };
    let adam = Adam { learning_rate: 0.25, ..Adam::default() };
    model.compile_with(adam, losses, options).unwrap();
    let written = &there_and_back(&model)["compile_config"];
    assert_eq!(written["optimizer"]["class_name"], "Adam");
    assert_eq!(written["optimizer"]["config"]["learning_rate"], 0.25);
    assert_eq!(written["loss"][0]["config"]["delta"], 2.0);
    assert_eq!(written["loss"][1]["config"]["reduction"], "sum");
    assert_eq!(written["loss"][1]["config"]["label_smoothing"], 0.125);
    assert_eq!(written["loss_weights"], json!([1.0, 0.5]));
    assert_eq!(written["metrics"][0], json!(["mae"]));
    assert_eq!(written["metrics"][1][0]["config"]["curve"], "PR");
    assert_eq!(written["metrics"][1][0]["config"]["num_thresholds"], 50);
    let top = json!({ "name": "top", "dtype": "float32", "k": 2 });
    assert_eq!(written["metrics"][1][1]["config"], top);
    assert_eq!(written["weighted_metrics"][0][0]["config"]["thresholds"], 0.25);
    assert_eq!(written["weighted_metrics"][1], json!([]));
}

/// A list of objects that `keras.saving.serialize_keras_object` wrote.
fn list(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/json").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn layers_that_are_not_built_are_what_keras_wrote() {
    let layers = list("layers.json");
    assert!(layers.len() >= 24, "{}", layers.len());
    for mut keras in layers {
        let ours = Layer::from_json(&keras.to_string()).unwrap().to_json();
        let mut ours: Value = serde_json::from_str(&ours).unwrap();
        kept(&mut ours);
        kept(&mut keras);
        assert_eq!(difference(&keras["class_name"].to_string(), &ours, &keras), None);
    }
}

#[test]
fn metrics_with_settings_are_what_keras_wrote() {
    let mut model = Sequential::new().add(Input::new([4])).add(Dense::new(3)).build().unwrap();
    model.compile(Adam::default(), Loss::MeanSquaredError).unwrap();
    let mut description: Value = serde_json::from_str(&model.to_json()).unwrap();
    description["compile_config"]["metrics"] = json!(list("metrics.json"));
    let model: Model = Model::from_json(&description.to_string()).unwrap();
    let ours: Value = serde_json::from_str(&model.to_json()).unwrap();
    let ours = ours["compile_config"]["metrics"].as_array().unwrap();
    for (ours, keras) in ours.iter().zip(list("metrics.json")) {
        assert_eq!(difference(&keras["class_name"].to_string(), ours, &keras), None);
    }
    assert_eq!(ours.len(), 14);
}
