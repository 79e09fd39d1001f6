//! The fields of a JSON object, taken one by one until none is left.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// An object of which every key has to be taken before [`finish`](Self::finish).
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// What the object is, for messages.
    at: String,
    object: &'a Map<String, Value>,
    taken: Vec<&'static str>,
}

/// Where Keras has the classes that are read here: `keras.layers` and so on.
const MODULES: [&str; 11] = [
    "constraints",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "random",
    "regularizers",
    "src",
];

/// `layers` of `.layers.core`.
fn package(rest: &str) -> &str {
    rest.split('.').nth(1).unwrap_or_default()
}

impl<'a> Fields<'a> {
    pub(super) fn of(at: impl Into<String>, value: &'a Value) -> Result<Self> {
        let at = at.into();
        match value {
            Value::Object(object) => Ok(Fields { at, object, taken: Vec::new() }),
            other => Err(Error::config(at, format!("expected an object, found {other}"))),
        }
    }

    /// `class_name` and `config` of a serialized object, whose other keys say where the class
    /// lives in Keras and what it was built for.
    pub(super) fn of_class(at: &str, value: &'a Value) -> Result<(&'a str, Fields<'a>)> {
        Fields::of_class_beside(at, value, &[])
    }

    /// As [`of_class`](Self::of_class), beside keys that the caller reads.
    pub(super) fn of_class_beside(
        at: &str,
        value: &'a Value,
        keys: &[&'static str],
    ) -> Result<(&'a str, Fields<'a>)> {
        let mut outer = Fields::of(at, value)?;
        let class = outer.text("class_name")?;
        let config = Fields::of(class, outer.need("config")?)?;
        outer.origin(class, None)?;
        // The shapes it was built for follow from those of the inputs.
        if let Some(other) = outer.take("build_config").filter(|v| !v.is_null() && !v.is_object()) {
            return Err(outer.error("build_config", format!("expected an object, found {other}")));
        }
        // Written by Functional around a layer, and read there.
        for key in ["name", "inbound_nodes"].iter().chain(keys) {
            outer.skip(key);
        }
        outer.finish()?;
        Ok((class, config))
    }

    /// The keys that say where a class lives, or a function of this name: it has to be one of
    /// Keras's own, not a custom one that is called the same.
    pub(super) fn origin(&mut self, class: &str, function: Option<&str>) -> Result<()> {
        let [module, registered] = ["module", "registered_name"].map(|key| match self.take(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(name)) => Ok(Some(&name[..])),
            Some(other) => Err(self.error(key, format!("expected a string, found {other}"))),
        });
        let (module, registered) = (module?, registered?);
        let is_builtin = match module {
            None => registered.is_none(),
            // Functions by name, which Keras writes without the module that they are of.
            Some("builtins") => class == "function",
            Some(module) => match module.strip_prefix("keras") {
                Some("") => true,
                Some(rest) => rest.starts_with('.') && MODULES.contains(&package(rest)),
                None => false,
            },
        };
        if is_builtin && registered.is_none_or(|name| name == class || Some(name) == function) {
            return Ok(());
        }
        let name = match (registered, module) {
            (Some(name), _) if name != class || module.is_none() => name.to_owned(),
            (_, module) => format!("{}.{class}", module.unwrap_or_default()),
        };
        Err(Error::unsupported(format!("custom class of {}", self.at), name))
    }

    pub(super) fn error(&self, key: &str, why: impl std::fmt::Display) -> Error {
        Error::config(format!("{}.{key}", self.at), why.to_string())
    }

    /// A value that may be missing.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a Value> {
        self.taken.push(key);
        self.object.get(key)
    }

    /// A value that must be there.
    pub(super) fn need(&mut self, key: &'static str) -> Result<&'a Value> {
        self.take(key).ok_or_else(|| self.error(key, "missing"))
    }

    /// A key that this kind of object does not have.
    pub(super) fn lack(&self, key: &str) -> Result<()> {
        match self.object.contains_key(key) {
            true => Err(self.error(key, "unknown key")),
            false => Ok(()),
        }
    }

    /// A key whose value changes nothing here.
    pub(super) fn skip(&mut self, key: &'static str) {
        self.taken.push(key);
    }

    pub(super) fn text(&mut self, key: &'static str) -> Result<&'a str> {
        let value = self.need(key)?;
        let wrong = || self.error(key, format!("expected a string, found {value}"));
        value.as_str().ok_or_else(wrong)
    }

    /// A string, or what it is in Keras unless given.
    pub(super) fn text_or(&mut self, key: &'static str, default: &'a str) -> Result<&'a str> {
        if self.has(key) { self.text(key) } else { Ok(default) }
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.object.contains_key(key)
    }

    pub(super) fn size(&mut self, key: &'static str) -> Result<usize> {
        let value = self.need(key)?;
        let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
        size.ok_or_else(|| self.error(key, format!("expected a size, found {value}")))
    }

    /// An axis, which may count from the end, or what it is in Keras unless given.
    pub(super) fn axis(&mut self, key: &'static str, default: isize) -> Result<isize> {
        match self.take(key) {
            None => Ok(default),
            Some(value) => {
                let axis = value.as_i64().and_then(|axis| isize::try_from(axis).ok());
                axis.ok_or_else(|| self.error(key, format!("expected an axis, found {value}")))
            }
        }
    }

    /// An axis, or a list of them.
    pub(super) fn axes(&mut self, key: &'static str, default: isize) -> Result<Vec<isize>> {
        match self.object.get(key) {
            Some(Value::Array(axes)) => {
                self.taken.push(key);
                let axis = |axis: &Value| axis.as_i64().and_then(|axis| axis.try_into().ok());
                let wrong = || self.error(key, format!("expected axes, found {axes:?}"));
                axes.iter().map(axis).collect::<Option<_>>().ok_or_else(wrong)
            }
            _ => Ok(vec![self.axis(key, default)?]),
        }
    }

    /// A number, or what it is in Keras unless given.
    pub(super) fn number(&mut self, key: &'static str, default: f64) -> Result<f64> {
        match self.take(key) {
            None => Ok(default),
            Some(value) => value
                .as_f64()
                .ok_or_else(|| self.error(key, format!("expected a number, found {value}"))),
        }
    }

    /// A number that must be there.
    pub(super) fn need_number(&mut self, key: &'static str) -> Result<f64> {
        self.need(key)?;
        self.number(key, 0.0)
    }

    /// A number, unless it is null or missing.
    pub(super) fn optional_number(&mut self, key: &'static str) -> Result<Option<f64>> {
        match self.take(key) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.number(key, 0.0).map(Some),
        }
    }

    /// A count, unless it is null or missing. Python may have written it as `100.0`.
    pub(super) fn optional_count(&mut self, key: &'static str) -> Result<Option<u64>> {
        let Some(value) = self.take(key).filter(|value| !value.is_null()) else { return Ok(None) };
        let whole = value.as_f64().filter(|x| x.fract() == 0.0 && (0.0..1e18).contains(x));
        let count = value.as_u64().or(whole.map(|x| x as u64));
        let wrong = || self.error(key, format!("expected a whole number, found {value}"));
        count.ok_or_else(wrong).map(Some)
    }

    /// A list of numbers that must be there.
    pub(super) fn numbers(&mut self, key: &'static str) -> Result<Vec<f64>> {
        let value = self.need(key)?;
        let numbers = || value.as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<_>>>();
        let wrong = || self.error(key, format!("expected a list of numbers, found {value}"));
        numbers().ok_or_else(wrong)
    }

    /// A flag, or what it is in Keras unless given.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> Result<bool> {
        match self.take(key) {
            None => Ok(default),
            Some(value) => value
                .as_bool()
                .ok_or_else(|| self.error(key, format!("expected true or false, found {value}"))),
        }
    }

    /// The precision, which is the caller's choice: any that this crate has.
    pub(super) fn dtype(&mut self) -> Result<()> {
        self.dtype_among(&[])
    }

    /// As [`dtype`](Self::dtype), or one of those named.
    pub(super) fn dtype_among(&mut self, others: &[&str]) -> Result<()> {
        let what = format!("dtype of {}", self.at);
        let name = match self.take("dtype") {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::String(name)) => name,
            Some(policy) => {
                let (class, mut fields) = Fields::of_class(&what, policy)?;
                if class != "DTypePolicy" {
                    return Err(Error::unsupported(what, class));
                }
                let name = fields.text("name")?;
                fields.finish()?;
                name
            }
        };
        match name {
            "float32" | "float64" => Ok(()),
            other if others.contains(&other) => Ok(()),
            other => Err(Error::unsupported(what, other)),
        }
    }

    /// The seed of a layer's own random numbers, unless it is null or missing.
    pub(super) fn seed(&mut self) -> Result<Option<u64>> {
        match self.take("seed") {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64() {
                Some(seed) => Ok(Some(seed)),
                None => Err(self.error("seed", format!("expected a seed, found {value}"))),
            },
        }
    }

    /// A name, unless it is null or missing.
    pub(super) fn name(&mut self) -> Result<Option<String>> {
        match self.take("name") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(name)) => Ok(Some(name.clone())),
            Some(other) => Err(self.error("name", format!("expected a string, found {other}"))),
        }
    }

    /// A key that asks for something this crate lacks, unless it is missing, null, false, zero or
    /// empty.
    pub(super) fn refuse(&mut self, key: &'static str) -> Result<()> {
        let value = match self.take(key) {
            None | Some(Value::Null | Value::Bool(false)) => return Ok(()),
            Some(value) if value.as_f64() == Some(0.0) => return Ok(()),
            Some(value) if value.as_array().is_some_and(Vec::is_empty) => return Ok(()),
            Some(value) => value,
        };
        let what = match value.get("class_name").and_then(Value::as_str) {
            Some(class) => class.to_owned(),
            None => value.to_string(),
        };
        Err(Error::unsupported(format!("{key} of {}", self.at), what))
    }

    /// All keys taken: any other is an error.
    pub(super) fn finish(self) -> Result<()> {
        match self.object.keys().find(|key| !self.taken.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(self.error(key, "unknown key")),
        }
    }
}
