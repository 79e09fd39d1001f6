//! The numbers in Keras's own tests of LSTM.

use std::path::Path;

use lstm::{Float, Input, Layer, Model, Symbol, Tensor};
use serde_json::Value;

fn numbers(value: &Value, into: &mut Vec<f64>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| numbers(value, into)),
        value => into.push(value.as_f64().expect("a number")),
    }
}

fn flat<T: Float>(value: &Value) -> Vec<T> {
    let mut out = Vec::new();
    numbers(value, &mut out);
    out.into_iter().map(T::from_f64).collect()
}

/// The largest difference from the output that is expected of the last call.
fn error<T: Float>(row: &Value) -> lstm::Result<f64> {
    let shape: Vec<usize> = flat::<f64>(&row["x"]).into_iter().map(|size| size as usize).collect();
    let [batch, steps, features] = shape[..] else { panic!("{shape:?}") };
    let count = |n: usize| T::from_f64(n as f64);
    let x = Tensor::new(shape, (0..batch * steps * features).map(count).collect())?;

    let layer = Layer::from_json(&row["config"].to_string())?;
    let (mut inputs, mut data) = (vec![Symbol::clone(&Input::new([steps, features]))], vec![x]);
    for state in row["initial_state"].as_array().into_iter().flatten() {
        let state: Vec<T> = flat(state);
        let units = state.len() / batch;
        inputs.push(Symbol::clone(&Input::new([units])));
        data.push(Tensor::new([batch, units], state)?);
    }
    let symbols: Vec<_> = inputs.iter().collect();
    let y = match &row["mask"] {
        Value::Null => layer.call(&symbols)?,
        mask => {
            let symbol = Symbol::clone(&Input::new([steps]));
            let y = layer.call_masked(&symbols, &symbol)?;
            inputs.push(symbol);
            data.push(Tensor::new([batch, steps], flat(mask))?);
            y
        }
    };
    let mut model = Model::<T>::new_as(&inputs[..], &y)?;
    let data: Vec<_> = data.iter().collect();
    let mut found = model.predict(&data[..])?;
    for _ in 1..row["calls"].as_u64().expect("a number of calls") {
        found = model.predict(&data[..])?;
    }
    let want = flat::<f64>(&row["y"]);
    assert_eq!(found.data().len(), want.len());
    let errors = found.data().iter().zip(want).map(|(got, want)| (got.to_f64() - want).abs());
    Ok(errors.fold(0.0, f64::max))
}

#[test]
fn the_numbers_of_keras_come_out_from_its_own_configs_and_initializers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/known_answers.json");
    let text = std::fs::read_to_string(path).expect("the fixture");
    let fixture: Value = serde_json::from_str(&text).expect("JSON");
    let rows = fixture["rows"].as_array().expect("rows");
    assert!(rows.len() >= 11, "{} rows", rows.len());
    for row in rows {
        let (double, single) = (error::<f64>(row).unwrap(), error::<f32>(row).unwrap());
        // Keras rounds the value of a `Constant` to f32, in f64 too.
        assert!(double < 2e-8 && single < 1e-6, "{}: {double:e}, {single:e}", row["name"]);
    }
}
