//! What is said of single weights: initializers, regularizers, constraints.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use crate::constraint::{Constraint, NormAxis};
use crate::error::{Error, Result};
use crate::initializer::{Distribution, Fan, Initializer};
use crate::optimizer::rounded;
use crate::regularizer::{Regularizer, Vectors};

/// An object as `keras.saving.serialize_keras_object` writes it.
pub(super) fn object(module: &str, class: &str, config: Value) -> Value {
    json!({
        "module": module,
        "class_name": class,
        "config": config,
        "registered_name": null,
    })
}

/// Runs `read` on the class and the settings of a value that is a name or a class with a config.
pub(super) fn named_or_class<R>(
    what: &str,
    value: &Value,
    read: impl FnOnce(&str, &mut Fields) -> Result<R>,
) -> Result<R> {
    let empty = Value::Object(Map::new());
    let (class, mut settings) = match value {
        Value::String(name) => (&name[..], Fields::of(&name[..], &empty)?),
        value => Fields::of_class(what, value)?,
    };
    let found = read(class, &mut settings)?;
    settings.finish()?;
    Ok(found)
}

/// An initializer, as a name or as a class with its settings.
pub(super) fn initializer(
    fields: &mut Fields,
    key: &'static str,
    default: Initializer,
) -> Result<Initializer> {
    let Some(value) = fields.take(key) else { return Ok(default) };
    named_or_class(key, value, |class, settings| {
        seed(settings)?;
        for axes in ["input_axes", "output_axes"] {
            settings.refuse(axes)?;
        }
        Ok(match class {
            "Zeros" | "zeros" | "zero" => Initializer::Zeros,
            "Ones" | "ones" | "one" => Initializer::Ones,
            "Constant" | "constant" => Initializer::Constant(settings.number("value", 0.0)?),
            "RandomNormal" | "random_normal" | "normal" => Initializer::RandomNormal {
                mean: settings.number("mean", 0.0)?,
                stddev: settings.number("stddev", 0.05)?,
            },
            "RandomUniform" | "random_uniform" | "uniform" => Initializer::RandomUniform {
                minval: settings.number("minval", -0.05)?,
                maxval: settings.number("maxval", 0.05)?,
            },
            "TruncatedNormal" | "truncated_normal" => Initializer::TruncatedNormal {
                mean: settings.number("mean", 0.0)?,
                stddev: settings.number("stddev", 0.05)?,
            },
            "VarianceScaling" | "variance_scaling" => variance_scaling(settings)?,
            "GlorotUniform" | "glorot_uniform" => Initializer::GLOROT_UNIFORM,
            "GlorotNormal" | "glorot_normal" => Initializer::GLOROT_NORMAL,
            "HeUniform" | "he_uniform" => Initializer::HE_UNIFORM,
            "HeNormal" | "he_normal" => Initializer::HE_NORMAL,
            "LecunUniform" | "lecun_uniform" => Initializer::LECUN_UNIFORM,
            "LecunNormal" | "lecun_normal" => Initializer::LECUN_NORMAL,
            "Orthogonal" | "OrthogonalInitializer" | "orthogonal" => {
                Initializer::Orthogonal { gain: settings.number("gain", 1.0)? }
            }
            "Identity" | "IdentityInitializer" | "identity" => {
                Initializer::Identity { gain: settings.number("gain", 1.0)? }
            }
            other => return Err(Error::unsupported(key, other)),
        })
    })
}

/// A seed: streams of random numbers are our own, so that it need not be kept.
fn seed(settings: &mut Fields) -> Result<()> {
    match settings.take("seed") {
        None | Some(Value::Null) => Ok(()),
        Some(seed) if seed.is_i64() || seed.is_u64() => Ok(()),
        Some(generator @ Value::Object(_)) => {
            let (class, mut generator) = Fields::of_class("seed", generator)?;
            if class != "SeedGenerator" {
                return Err(Error::unsupported("seed", class));
            }
            self::seed(&mut generator)?;
            generator.name()?;
            generator.finish()
        }
        Some(other) => Err(settings.error("seed", format!("expected a seed, found {other}"))),
    }
}

fn variance_scaling(settings: &mut Fields) -> Result<Initializer> {
    let scale = settings.number("scale", 1.0)?;
    let mode = match settings.text_or("mode", "fan_in")? {
        "fan_in" => Fan::In,
        "fan_out" => Fan::Out,
        "fan_avg" => Fan::Average,
        other => return Err(settings.error("mode", format!("unknown value `{other}`"))),
    };
    let distribution = match settings.text_or("distribution", "truncated_normal")? {
        "truncated_normal" => Distribution::TruncatedNormal,
        "untruncated_normal" => Distribution::UntruncatedNormal,
        "uniform" => Distribution::Uniform,
        other => return Err(settings.error("distribution", format!("unknown value `{other}`"))),
    };
    Ok(Initializer::VarianceScaling { scale, mode, distribution })
}

/// What `keras.initializers.serialize` writes, without a seed.
pub(super) fn initializer_json(initializer: Initializer) -> Value {
    let scaled = json!({ "seed": null, "input_axes": null, "output_axes": null });
    let (class, config) = match initializer {
        Initializer::GLOROT_UNIFORM => ("GlorotUniform", scaled),
        Initializer::GLOROT_NORMAL => ("GlorotNormal", scaled),
        Initializer::HE_UNIFORM => ("HeUniform", scaled),
        Initializer::HE_NORMAL => ("HeNormal", scaled),
        Initializer::LECUN_UNIFORM => ("LecunUniform", scaled),
        Initializer::LECUN_NORMAL => ("LecunNormal", scaled),
        Initializer::Zeros => ("Zeros", json!({})),
        Initializer::Ones => ("Ones", json!({})),
        Initializer::Constant(value) => ("Constant", json!({ "value": value })),
        Initializer::RandomNormal { mean, stddev } => {
            ("RandomNormal", json!({ "seed": null, "mean": mean, "stddev": stddev }))
        }
        Initializer::RandomUniform { minval, maxval } => {
            ("RandomUniform", json!({ "seed": null, "minval": minval, "maxval": maxval }))
        }
        Initializer::TruncatedNormal { mean, stddev } => {
            ("TruncatedNormal", json!({ "seed": null, "mean": mean, "stddev": stddev }))
        }
        Initializer::VarianceScaling { scale, mode, distribution } => {
            let mode = match mode {
                Fan::In => "fan_in",
                Fan::Out => "fan_out",
                Fan::Average => "fan_avg",
            };
            let distribution = match distribution {
                Distribution::TruncatedNormal => "truncated_normal",
                Distribution::UntruncatedNormal => "untruncated_normal",
                Distribution::Uniform => "uniform",
            };
            let mut config = scaled;
            config["scale"] = json!(scale);
            config["mode"] = json!(mode);
            config["distribution"] = json!(distribution);
            ("VarianceScaling", config)
        }
        Initializer::Orthogonal { gain } => ("Orthogonal", json!({ "seed": null, "gain": gain })),
        // Keras itself leaves the gain out, and so loses it where it is not one.
        Initializer::Identity { gain: 1.0 } => ("Identity", json!({})),
        Initializer::Identity { gain } => ("Identity", json!({ "gain": gain })),
    };
    object("keras.initializers", class, config)
}

/// A regularizer, as a name or as a class with its settings; none where it is null or missing.
pub(super) fn regularizer(fields: &mut Fields, key: &'static str) -> Result<Option<Regularizer>> {
    let value = fields.take(key).filter(|value| !value.is_null());
    value.map(|value| regularizer_of(key, value)).transpose()
}

/// A regularizer that is there.
pub(super) fn regularizer_of(what: &str, value: &Value) -> Result<Regularizer> {
    named_or_class(what, value, |class, settings| {
        Ok(match class {
            "L1" | "l1" => Regularizer::L1(settings.number("l1", 0.01)?),
            "L2" | "l2" => Regularizer::L2(settings.number("l2", 0.01)?),
            "L1L2" | "l1l2" | "l1_l2" => Regularizer::L1L2 {
                l1: settings.number("l1", 0.0)?,
                l2: settings.number("l2", 0.0)?,
            },
            "OrthogonalRegularizer" | "orthogonal_regularizer" => Regularizer::Orthogonal {
                factor: settings.number("factor", 0.01)?,
                mode: match settings.text_or("mode", "rows")? {
                    "rows" => Vectors::Rows,
                    "columns" => Vectors::Columns,
                    other => {
                        return Err(settings.error("mode", format!("unknown value `{other}`")));
                    }
                },
            },
            other => return Err(Error::unsupported(what, other)),
        })
    })
}

/// What `keras.regularizers.serialize` writes.
pub(super) fn regularizer_json(regularizer: Option<Regularizer>) -> Value {
    let Some(regularizer) = regularizer else { return Value::Null };
    // Keras keeps the factors of these two as tensors of `f32`.
    let (class, config) = match regularizer {
        Regularizer::L1(l1) => ("L1", json!({ "l1": rounded(l1) })),
        Regularizer::L2(l2) => ("L2", json!({ "l2": l2 })),
        Regularizer::L1L2 { l1, l2 } => ("L1L2", json!({ "l1": l1, "l2": l2 })),
        Regularizer::Orthogonal { factor, mode } => {
            let mode = match mode {
                Vectors::Rows => "rows",
                Vectors::Columns => "columns",
            };
            let config = json!({ "factor": rounded(factor), "mode": mode });
            ("OrthogonalRegularizer", config)
        }
    };
    object("keras.regularizers", class, config)
}

/// A constraint, as a name or as a class with its settings; none where it is null or missing.
pub(super) fn constraint(fields: &mut Fields, key: &'static str) -> Result<Option<Constraint>> {
    let value = fields.take(key).filter(|value| !value.is_null());
    value.map(|value| constraint_of(key, value)).transpose()
}

/// A constraint that is there.
pub(super) fn constraint_of(what: &str, value: &Value) -> Result<Constraint> {
    named_or_class(what, value, |class, settings| {
        Ok(match class {
            "MaxNorm" | "max_norm" => Constraint::MaxNorm {
                max_value: settings.number("max_value", 2.0)?,
                axis: axis(settings)?,
            },
            "NonNeg" | "non_neg" => Constraint::NonNeg,
            "UnitNorm" | "unit_norm" => Constraint::UnitNorm { axis: axis(settings)? },
            "MinMaxNorm" | "min_max_norm" => Constraint::MinMaxNorm {
                min_value: settings.number("min_value", 0.0)?,
                max_value: settings.number("max_value", 1.0)?,
                rate: settings.number("rate", 1.0)?,
                axis: axis(settings)?,
            },
            other => return Err(Error::unsupported(what, other)),
        })
    })
}

/// One axis, a list of them, or null for all.
fn axis(settings: &mut Fields) -> Result<NormAxis> {
    let Some(value) = settings.take("axis") else { return Ok(NormAxis::One(0)) };
    let wrong = || settings.error("axis", format!("expected an axis or a list, found {value}"));
    let one = |value: &Value| {
        value.as_i64().and_then(|axis| isize::try_from(axis).ok()).ok_or_else(wrong)
    };
    match value {
        Value::Null => Ok(NormAxis::All),
        Value::Array(axes) => {
            axes.iter().map(one).collect::<Result<Vec<_>>>().map(NormAxis::Several)
        }
        value => one(value).map(NormAxis::One),
    }
}

/// What `keras.constraints.serialize` writes.
pub(super) fn constraint_json(constraint: Option<&Constraint>) -> Value {
    let Some(constraint) = constraint else { return Value::Null };
    let axes = |axis: &NormAxis| match axis {
        NormAxis::One(axis) => json!(axis),
        NormAxis::Several(axes) => json!(axes),
        NormAxis::All => Value::Null,
    };
    let (class, config) = match constraint {
        Constraint::MaxNorm { max_value, axis } => {
            ("MaxNorm", json!({ "max_value": max_value, "axis": axes(axis) }))
        }
        Constraint::NonNeg => ("NonNeg", json!({})),
        Constraint::UnitNorm { axis } => ("UnitNorm", json!({ "axis": axes(axis) })),
        Constraint::MinMaxNorm { min_value, max_value, rate, axis } => {
            let config = json!({
                "min_value": min_value,
                "max_value": max_value,
                "rate": rate,
                "axis": axes(axis),
            });
            ("MinMaxNorm", config)
        }
    };
    object("keras.constraints", class, config)
}
