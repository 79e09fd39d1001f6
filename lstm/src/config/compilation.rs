//! What a model was compiled with.

use serde_json::{Map, Value};

use super::fields::Fields;
use super::optimizers::optimizer;
use crate::error::{Error, Result};
use crate::loss::{Loss, Losses, Objective, Reduction};
use crate::metric::{ClassAggregation, Curve, Measure, Metric, Summation};
use crate::model::Compile;
use crate::optimizer::Optimizer;

/// The arguments of `compile`; none where it was not called, which Keras writes as null or `{}`.
/// `outputs` are the names of the model's outputs.
pub(super) fn compilation(
    value: &Value,
    outputs: &[String],
) -> Result<Option<(Optimizer, Losses, Compile)>> {
    if value.is_null() || value.as_object().is_some_and(|object| object.is_empty()) {
        return Ok(None);
    }
    let mut fields = Fields::of("compile_config", value)?;
    let optimizer = optimizer(fields.need("optimizer")?)?;
    let losses = losses(&mut fields, outputs)?;
    let compile = Compile {
        loss_weights: loss_weights(&mut fields, outputs)?,
        metrics: metrics(&mut fields, "metrics", outputs)?,
        weighted_metrics: metrics(&mut fields, "weighted_metrics", outputs)?,
    };
    how_it_runs(&mut fields)?;
    fields.finish()?;
    Ok(Some((optimizer, losses, compile)))
}

/// How TensorFlow computes, not what.
fn how_it_runs(fields: &mut Fields) -> Result<()> {
    fields.flag("auto_scale_loss", true)?; // where numbers are smaller than `f32` alone
    for key in ["run_eagerly", "jit_compile"] {
        match fields.take(key) {
            None | Some(Value::Null) => {}
            Some(value) if key == "jit_compile" && value == "auto" => {}
            Some(_) => _ = fields.flag(key, false)?,
        }
    }
    match fields.take("steps_per_execution") {
        None => Ok(()),
        Some(steps) if steps == "auto" || steps.as_u64().is_some_and(|steps| steps > 0) => Ok(()),
        Some(other) => {
            let why = format!("expected a positive number or auto, found {other}");
            Err(fields.error("steps_per_execution", why))
        }
    }
}

/// What an object has for each output, in their order, by their names; none for one that it has
/// not. A name that is none of theirs is an error.
fn by_output<'a>(
    fields: &Fields,
    key: &'static str,
    object: &'a Map<String, Value>,
    outputs: &[String],
) -> Result<Vec<Option<&'a Value>>> {
    match object.keys().find(|&name| !outputs.contains(name)) {
        None => Ok(outputs.iter().map(|name| object.get(name)).collect()),
        Some(name) => {
            let why = format!("no output `{name}`; there is {}", outputs.join(", "));
            Err(fields.error(key, why))
        }
    }
}

/// The same where each output needs one.
fn for_each_output<'a>(
    fields: &Fields,
    key: &'static str,
    object: &'a Map<String, Value>,
    outputs: &[String],
) -> Result<Vec<&'a Value>> {
    let values = by_output(fields, key, object, outputs)?.into_iter().zip(outputs);
    let missing = |name: &String| fields.error(key, format!("missing for output `{name}`"));
    values.map(|(value, name)| value.ok_or_else(|| missing(name))).collect()
}

/// One loss, or one for each output, in a list or by name, where null leaves one out.
fn losses(fields: &mut Fields, outputs: &[String]) -> Result<Losses> {
    let one = |value: &Value| match value {
        Value::Null => Ok(None),
        value => loss(value).map(Some),
    };
    let each: Result<Vec<Option<Objective>>> = match fields.need("loss")? {
        Value::Array(each) => each.iter().map(one).collect(),
        Value::Object(object) if !object.contains_key("class_name") => {
            for_each_output(fields, "loss", object, outputs)?.into_iter().map(one).collect()
        }
        value => return Ok(loss(value)?.into()),
    };
    Ok(each?.into())
}

/// One weight, or one for each output, in a list or by name.
fn loss_weights(fields: &mut Fields, outputs: &[String]) -> Result<Vec<f64>> {
    let wrong = |found: &Value| format!("expected a number for each output, found {found}");
    let value = match fields.take("loss_weights") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(value) => value,
    };
    let one =
        |value: &Value| value.as_f64().ok_or_else(|| fields.error("loss_weights", wrong(value)));
    match value {
        Value::Array(each) => each.iter().map(one).collect(),
        Value::Object(object) => {
            for_each_output(fields, "loss_weights", object, outputs)?.into_iter().map(one).collect()
        }
        value => Ok(vec![one(value)?]),
    }
}

/// The metrics of the only output, or those of each, in a list or by name: one, a list, or null.
fn metrics(fields: &mut Fields, key: &'static str, outputs: &[String]) -> Result<Vec<Metric>> {
    let each: Vec<Option<&Value>> = match fields.take(key) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) if list.is_empty() => return Ok(Vec::new()),
        Some(Value::Array(list)) if outputs.len() == 1 => list.iter().map(Some).collect(),
        Some(Value::Array(list)) if list.len() == outputs.len() => list.iter().map(Some).collect(),
        Some(Value::Array(list)) => {
            let (found, expected) = (list.len(), outputs.len());
            let why = format!("expected one for each of {expected} outputs, found {found}");
            return Err(fields.error(key, why));
        }
        Some(Value::Object(object)) => by_output(fields, key, object, outputs)?,
        Some(other) => return Err(fields.error(key, format!("expected a list, found {other}"))),
    };
    let mut metrics = Vec::new();
    for (at, value) in each.into_iter().enumerate() {
        let output = if outputs.len() == 1 { 0 } else { at };
        let of_output = match value {
            None | Some(Value::Null) => &[],
            Some(Value::Array(several)) => &several[..],
            Some(one) => std::slice::from_ref(one),
        };
        for value in of_output {
            metrics.push(metric(value)?.of_output(output));
        }
    }
    Ok(metrics)
}

/// The name of a function or class of Keras, if the value is one or stands for a function.
fn name<'a>(at: &str, value: &'a Value) -> Result<Option<&'a str>> {
    if value.get("class_name").and_then(Value::as_str) != Some("function") {
        return Ok(value.as_str());
    }
    let mut fields = Fields::of(at, value)?;
    let class = fields.text("class_name")?;
    let name = fields.text("config")?;
    fields.origin(class, Some(name))?;
    fields.finish()?;
    Ok(Some(name))
}

/// A loss: the name of a function or class, a function, or a class with its settings.
pub(super) fn loss(value: &Value) -> Result<Objective> {
    if let Some(name) = name("loss", value)? {
        return name.parse().map(|loss: Loss| loss.into());
    }
    let (class, mut settings) = Fields::of_class("loss", value)?;
    let mut loss: Loss = class.parse()?;
    if class != loss.class() {
        return Err(Error::unsupported("class of a loss", class));
    }
    match &mut loss {
        Loss::Huber { delta } => *delta = settings.number("delta", 1.0)?,
        Loss::BinaryCrossentropy { from_logits, label_smoothing }
        | Loss::CategoricalCrossentropy { from_logits, label_smoothing } => {
            *from_logits = settings.flag("from_logits", false)?;
            *label_smoothing = settings.number("label_smoothing", 0.0)?;
            last_axis(&mut settings)?;
        }
        Loss::SparseCategoricalCrossentropy { from_logits, ignore_class } => {
            *from_logits = settings.flag("from_logits", false)?;
            *ignore_class = self::ignore_class(&mut settings)?;
            last_axis(&mut settings)?;
        }
        Loss::CosineSimilarity => last_axis(&mut settings)?,
        _ => {}
    }
    let reduction = match settings.take("reduction") {
        None => Reduction::default(),
        Some(Value::Null) => Reduction::None,
        Some(name) => match name.as_str() {
            Some("sum_over_batch_size") => Reduction::SumOverBatchSize,
            Some("sum") => Reduction::Sum,
            Some("mean") => Reduction::Mean,
            Some("mean_with_sample_weight") => Reduction::MeanWithSampleWeight,
            Some("none") => Reduction::None,
            _ => {
                return Err(Error::unsupported(format!("reduction of {class}"), name.to_string()));
            }
        },
    };
    settings.name()?;
    settings.dtype()?;
    settings.finish()?;
    Ok(loss.reduction(reduction))
}

/// The class that does not count, if there is one.
fn ignore_class(settings: &mut Fields) -> Result<Option<i64>> {
    let Some(value) = settings.take("ignore_class").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let wrong = || settings.error("ignore_class", format!("expected a class, found {value}"));
    value.as_i64().ok_or_else(wrong).map(Some)
}

/// The axis of the classes: the last is the one there is.
fn last_axis(settings: &mut Fields) -> Result<()> {
    match settings.take("axis") {
        None => Ok(()),
        Some(axis) if axis.as_i64() == Some(-1) => Ok(()),
        Some(other) => Err(Error::unsupported("axis of a loss", other.to_string())),
    }
}

/// A metric: the name of a function or class, a function, or a class with its settings.
fn metric(value: &Value) -> Result<Metric> {
    if let Some(name) = name("metric", value)? {
        return name.parse();
    }
    let (class, mut settings) = Fields::of_class("metric", value)?;
    let mut measure = Measure::by_name(class)?;
    settings_of(&mut measure, &mut settings)?;
    let name = settings.name()?;
    settings.dtype()?;
    settings.finish()?;
    let metric = Metric::from(measure);
    Ok(match name {
        Some(name) => metric.named(name),
        None => metric,
    })
}

fn settings_of(measure: &mut Measure, settings: &mut Fields) -> Result<()> {
    match measure {
        Measure::BinaryAccuracy { threshold } => *threshold = settings.number("threshold", 0.5)?,
        Measure::TopKCategoricalAccuracy { k } | Measure::SparseTopKCategoricalAccuracy { k } => {
            *k = settings.size("k")?;
        }
        Measure::Loss(
            Loss::BinaryCrossentropy { from_logits, label_smoothing }
            | Loss::CategoricalCrossentropy { from_logits, label_smoothing },
        ) => {
            *from_logits = settings.flag("from_logits", false)?;
            *label_smoothing = settings.number("label_smoothing", 0.0)?;
            last_axis(settings)?;
        }
        Measure::Loss(Loss::SparseCategoricalCrossentropy { from_logits, ignore_class }) => {
            *from_logits = settings.flag("from_logits", false)?;
            *ignore_class = self::ignore_class(settings)?;
            last_axis(settings)?;
        }
        Measure::Loss(Loss::CosineSimilarity) => last_axis(settings)?,
        Measure::Precision(threshold) | Measure::Recall(threshold) => {
            threshold.threshold = match settings.take("thresholds") {
                None | Some(Value::Null) => None,
                Some(value) => Some(value.as_f64().ok_or_else(|| {
                    settings.error("thresholds", format!("expected one number, found {value}"))
                })?),
            };
            for (key, place) in
                [("top_k", &mut threshold.top_k), ("class_id", &mut threshold.class_id)]
            {
                *place = match settings.take(key) {
                    None | Some(Value::Null) => None,
                    Some(_) => Some(settings.size(key)?),
                };
            }
        }
        Measure::AUC(_) | Measure::R2Score(_) => {
            for key in [
                "num_thresholds",
                "curve",
                "summation_method",
                "multi_label",
                "num_labels",
                "label_weights",
                "thresholds",
                "from_logits",
                "class_aggregation",
                "num_regressors",
            ] {
                curve_setting(measure, settings, key)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// A setting of an area or of R², if it is there.
fn curve_setting(measure: &mut Measure, settings: &mut Fields, key: &'static str) -> Result<()> {
    let value = match (settings.take(key), key) {
        // R² of each class by itself, which is no one number.
        (Some(value @ Value::Null), "class_aggregation") => value,
        (None | Some(Value::Null), _) => return Ok(()),
        (Some(value), _) => value,
    };
    let other = || Error::unsupported(format!("{key} of a metric"), value.to_string());
    match (measure, key, value.as_str()) {
        (Measure::AUC(auc), "num_thresholds", _) => auc.num_thresholds = settings.size(key)?,
        (Measure::AUC(auc), "from_logits", _) => auc.from_logits = settings.flag(key, false)?,
        (Measure::AUC(auc), "curve", Some(curve)) => {
            auc.curve = match curve {
                "ROC" | "roc" => Curve::ROC,
                "PR" | "pr" => Curve::PR,
                "PRGAIN" | "prgain" => Curve::PRGain,
                _ => return Err(other()),
            }
        }
        (Measure::AUC(auc), "summation_method", Some(method)) => {
            auc.summation_method = match method {
                "interpolation" | "Interpolation" => Summation::Interpolation,
                "majoring" | "Majoring" => Summation::Majoring,
                "minoring" | "Minoring" => Summation::Minoring,
                _ => return Err(other()),
            }
        }
        (Measure::R2Score(r2), "num_regressors", _) => r2.num_regressors = settings.size(key)?,
        (Measure::R2Score(r2), "class_aggregation", Some(way)) => {
            r2.class_aggregation = match way {
                "uniform_average" => ClassAggregation::UniformAverage,
                "variance_weighted_average" => ClassAggregation::VarianceWeightedAverage,
                _ => return Err(other()),
            }
        }
        (_, "multi_label", _) if value == false => {}
        _ => return Err(other()),
    }
    Ok(())
}
