//! What Keras's own tests of LSTM expect: `fixtures/known_answers.json`.

use std::path::Path;

use lstm::{Input, Layer, Model, Predict, Symbol, Tensor};
use serde_json::Value;

/// The numbers of nested lists, and their shape.
fn tensor(value: &Value) -> Tensor<f64> {
    fn gather(value: &Value, data: &mut Vec<f64>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| gather(value, data)),
            value => data.push(value.as_f64().expect("a number")),
        }
    }
    let (mut shape, mut data, mut inner) = (Vec::new(), Vec::new(), value);
    while let Value::Array(values) = inner {
        shape.push(values.len());
        inner = &values[0];
    }
    gather(value, &mut data);
    Tensor::new(shape, data).expect("no ragged rows")
}

/// The layer's answer to the last of its calls. Its weights are those that its initializers make.
fn answer(row: &Value) -> Result<Tensor<f64>, lstm::Error> {
    let shape: Vec<usize> = serde_json::from_value(row["x"].clone()).expect("a shape");
    let x = (0..shape.iter().product::<usize>()).map(|i| i as f64).collect();
    let x = Tensor::new(&shape[..], x)?;
    let states: Vec<_> =
        row["initial_state"].as_array().expect("states").iter().map(tensor).collect();
    let mask = Some(&row["mask"]).filter(|mask| !mask.is_null()).map(tensor);

    let data: Vec<&Tensor<f64>> = [&x].into_iter().chain(&states).collect();
    let input = |tensor: &&Tensor<f64>| Symbol::clone(&Input::new(&tensor.shape()[1..]));
    let inputs: Vec<Symbol> = data.iter().map(input).collect();
    let layer = Layer::from_json(&row["config"].to_string())?;
    let called: Vec<&Symbol> = inputs.iter().collect();
    let mut all = (inputs.clone(), data.clone());
    let y = match &mask {
        None => layer.call(&called)?,
        Some(mask) => {
            let symbol = input(&mask);
            let y = layer.call_masked(&called, &symbol)?;
            all.0.push(symbol);
            all.1.push(mask);
            y
        }
    };
    let mut model = Model::<f64>::new_as(&all.0[..], &y)?;
    let mut found = Tensor::zeros([0]);
    for _ in 0..row["calls"].as_u64().expect("a count") {
        found = model.predict_with(&all.1[..], Predict { batch_size: shape[0] })?;
    }
    Ok(found)
}

#[test]
fn keras_s_own_tests_of_lstm_agree() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/known_answers.json");
    let text = std::fs::read_to_string(path).expect("the fixture");
    let fixture: Value = serde_json::from_str(&text).expect("JSON");
    let rows = fixture["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 11);
    for row in rows {
        let (name, want) = (&row["name"], tensor(&row["y"]));
        let found = answer(row).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found.shape(), want.shape(), "{name}");
        // Keras rounds what `Constant` is given to float32, in float64 too: 0.01 is 0.00999999977….
        for (found, want) in found.data().iter().zip(want.data()) {
            assert!((found - want).abs() < 1e-7, "{name}: {found}, not {want}");
        }
    }
}
