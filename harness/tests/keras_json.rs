//! Every model and layer of the conformance fixtures, read and written again, is what Keras wrote.

use std::path::{Path, PathBuf};

use lstm::{Layer, Loss, Model, Objective};
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
        if object.get("dtype") == Some(&json!("int32")) {
            object["dtype"] = json!("float64");
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
    assert!(models >= 155 && layers >= 142, "{models} models, {layers} layers");
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
