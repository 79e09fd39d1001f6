//! Results as JSON, one object to a line, its fields in the order given.

use std::fmt::Write as _;

use serde_json::Value;

/// An object on one line.
pub fn line(fields: &[(&str, Value)]) -> String {
    let mut line = String::from("{");
    for (i, (name, value)) in fields.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(line, "{comma}{}:{value}", Value::from(*name));
    }
    line + "}"
}

/// A measured number: as many digits as mean something.
pub fn rounded(x: f64) -> Value {
    let digits = 4i32.saturating_sub(x.abs().log10().floor() as i32).clamp(0, 9);
    let scale = 10f64.powi(digits);
    Value::from((x * scale).round() / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_the_order_and_parses() {
        let line =
            line(&[("b", "x\"y".into()), ("a", rounded(12.345_678)), ("n", f64::NAN.into())]);
        assert_eq!(line, r#"{"b":"x\"y","a":12.346,"n":null}"#);
        assert!(serde_json::from_str::<Value>(&line).is_ok());
        assert_eq!(rounded(0.0), Value::from(0.0));
        assert_eq!(rounded(123_456.7), Value::from(123_457.0));
    }
}
