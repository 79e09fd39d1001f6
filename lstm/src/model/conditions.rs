//! What has to be the same for a training to go on as it would have.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fit::Fit;
use super::{Bptt, Model};
use crate::callback::Callback;
use crate::float::Float;

/// Options, model and callbacks of a training, as they are before it begins.
#[derive(Debug)]
pub(super) struct Conditions {
    /// Leaves are texts, so that no digit is lost on the way through a file, truths, or null.
    value: Value,
    text: String,
}

impl Conditions {
    /// Of a training in so many batches, if that is known, validated or not.
    pub(super) fn new<T: Float>(
        model: &Model<T>,
        options: &Fit<T>,
        (batches, validated): (Option<usize>, bool),
        callbacks: &[&mut dyn Callback<T>],
    ) -> Self {
        let mut description = model.description();
        let compilation = description["compile_config"].take();
        let classes: Vec<&str> = callbacks.iter().map(|callback| callback.class()).collect();
        let value = texts(json!({
            "batch_size": options.batch_size,
            "batches": batches,
            "callbacks": classes,
            "class_weight": options.class_weight,
            "compile": compilation,
            "dtype": T::NAME,
            "initial_epoch": options.initial_epoch,
            "model": description,
            "seed": options.seed,
            "shuffle": options.shuffle,
            "steps_per_epoch": options.steps_per_epoch,
            "truncated": match options.bptt {
                Bptt::Truncated { window } => Some(window),
                Bptt::Full | Bptt::Checkpointed { .. } => None, // the same to the bit
            },
            "validated": validated,
            "validation_batch_size": options.validation_batch_size,
            "validation_freq": options.validation_freq,
            "validation_split": options.validation_split,
            "validation_steps": options.validation_steps,
        }));
        Conditions { text: value.to_string(), value }
    }

    /// JSON, for a file.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What was different then, and is now, if anything is.
    pub(super) fn difference(&self, then: &Value) -> Option<String> {
        difference("", then, &self.value)
    }
}

/// Numbers as texts.
fn texts(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::Array(items) => items.into_iter().map(texts).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (key, texts(value))).collect())
        }
        other => other,
    }
}

/// The first difference within what is called `at`.
fn difference(at: &str, then: &Value, now: &Value) -> Option<String> {
    let inside = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
    match (then, now) {
        _ if then == now => None,
        (Value::Object(before), Value::Object(after)) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            keys.into_iter().find_map(|key| difference(&inside(key), &then[key], &now[key]))
        }
        (Value::Array(before), Value::Array(after)) if before.len() != after.len() => {
            Some(format!("{} {at}, not {}", before.len(), after.len()))
        }
        (Value::Array(before), Value::Array(after)) => {
            let mut pairs = before.iter().zip(after).enumerate();
            pairs.find_map(|(i, (then, now))| difference(&inside(&i.to_string()), then, now))
        }
        _ => Some(format!("{at} {}, not {}", shown(then), shown(now))),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named_with_what_it_was_and_is() {
        let now = json!({ "a": { "x": "1", "y": ["p", "q"] }, "b": null, "c": true });
        let found = |then: Value| difference("", &then, &now);
        assert_eq!(found(now.clone()), None);
        for (key, then, expected) in [
            ("a", json!({ "x": "2", "y": ["p", "q"] }), "a.x 2, not 1"),
            ("a", json!({ "x": "1", "y": ["p", "r"] }), "a.y.1 r, not q"),
            ("a", json!({ "x": "1", "y": ["p"] }), "1 a.y, not 2"),
            ("a", json!({ "x": "1" }), "a.y none, not [\"p\",\"q\"]"),
            ("b", json!("5"), "b 5, not none"),
            ("c", json!(false), "c false, not true"),
            ("d", json!("5"), "d 5, not none"),
        ] {
            let mut changed = now.clone();
            changed[key] = then;
            assert_eq!(found(changed).as_deref(), Some(expected));
        }
    }

    #[test]
    fn neighbours_among_numbers_differ() {
        let one = |x: f64| texts(json!({ "rate": x }));
        let there = |value: Value| serde_json::from_str::<Value>(&value.to_string()).unwrap();
        for x in [0.1, 0.001, 1e-7, 123_456.789] {
            assert_eq!(difference("", &there(one(x)), &one(x)), None);
            assert!(difference("", &there(one(x)), &one(x.next_up())).is_some());
        }
    }
}
