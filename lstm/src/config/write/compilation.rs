//! What a model was compiled with.

use serde_json::{Value, json};

use super::super::optimizers;
use super::super::weights::object;
use super::extend;
use crate::float::Float;
use crate::loss::{Given, Loss, Losses, Objective, Reduction};
use crate::metric::{ClassAggregation, Curve, Measure, Metric, Summation};
use crate::model::{Compile, Model};

/// The arguments of `compile`; empty where it was not called.
pub(super) fn json<T: Float>(model: &Model<T>, dtype: &str) -> Value {
    let (Some(optimizer), Some((losses, compile))) = (model.optimizer(), model.compilation())
    else {
        return json!({});
    };
    let Compile { metrics, weighted_metrics, loss_weights } = compile;
    let outputs = model.output_shapes().count();
    json!({
        "optimizer": optimizers::json(&optimizer),
        "loss": self::losses(losses),
        "loss_weights": match &loss_weights[..] {
            [] => Value::Null,
            [one] => json!(one),
            several => json!(several),
        },
        "metrics": self::metrics(metrics, outputs, dtype),
        "weighted_metrics": self::metrics(weighted_metrics, outputs, dtype),
        // How TensorFlow computes, not what: Keras's defaults.
        "run_eagerly": false,
        "steps_per_execution": 1,
        "jit_compile": false,
    })
}

fn losses(losses: &Losses) -> Value {
    match &losses.0 {
        Given::ForAll(objective) => loss(*objective),
        Given::ForEach(each) => each.iter().map(|one| one.map_or(Value::Null, loss)).collect(),
    }
}

/// A loss: its name, or, with other settings than Keras's defaults, a class with them.
pub(in super::super) fn loss(objective: Objective) -> Value {
    let Objective { loss, reduction } = objective;
    if reduction == Reduction::default() && loss.name().parse() == Ok(loss) {
        return json!(loss.name());
    }
    let more = match loss {
        // Keras itself leaves it out, and so loses it where it is not one.
        Loss::Huber { delta } if delta != 1.0 => json!({ "delta": delta }),
        Loss::BinaryCrossentropy { from_logits, label_smoothing }
        | Loss::CategoricalCrossentropy { from_logits, label_smoothing } => json!({
            "from_logits": from_logits,
            "label_smoothing": label_smoothing,
            "axis": -1,
        }),
        Loss::SparseCategoricalCrossentropy { from_logits, ignore_class } => json!({
            "from_logits": from_logits,
            "ignore_class": ignore_class,
        }),
        _ => json!({}),
    };
    let config = json!({
        "name": if matches!(loss, Loss::Huber { .. }) { "huber_loss" } else { loss.name() },
        "reduction": match reduction {
            Reduction::SumOverBatchSize => "sum_over_batch_size",
            Reduction::Sum => "sum",
            Reduction::Mean => "mean",
            Reduction::MeanWithSampleWeight => "mean_with_sample_weight",
            Reduction::None => "none",
        },
    });
    object("keras.losses", loss.class(), extend(config, more))
}

/// The metrics of the only output, or of each in a list of lists; null where there are none.
fn metrics(metrics: &[Metric], outputs: usize, dtype: &str) -> Value {
    let of = |output: usize| -> Vec<Value> {
        let chosen = metrics.iter().filter(|metric| metric.output == output);
        chosen.map(|one| metric(one, dtype)).collect()
    };
    match (metrics, outputs) {
        ([], _) => Value::Null,
        (_, 1) => json!(of(0)),
        _ => (0..outputs).map(of).collect(),
    }
}

/// A metric: the name that it was given by, or a class with its settings.
fn metric(metric: &Metric, dtype: &str) -> Value {
    let named = metric.name().parse::<Metric>();
    let is_name = named.is_ok_and(|named| named.measure == metric.measure);
    let (class, more) = match &metric.measure {
        _ if is_name => return json!(metric.name()),
        // Which accuracy it is shows only with targets: Keras has no class for it.
        Measure::Accuracy => return json!("accuracy"),
        Measure::BinaryAccuracy { threshold } => {
            ("BinaryAccuracy", json!({ "threshold": threshold }))
        }
        Measure::CategoricalAccuracy => ("CategoricalAccuracy", json!({})),
        Measure::SparseCategoricalAccuracy => ("SparseCategoricalAccuracy", json!({})),
        Measure::TopKCategoricalAccuracy { k } => ("TopKCategoricalAccuracy", json!({ "k": k })),
        Measure::SparseTopKCategoricalAccuracy { k } => {
            ("SparseTopKCategoricalAccuracy", json!({ "k": k }))
        }
        Measure::RootMeanSquaredError => ("RootMeanSquaredError", json!({})),
        Measure::Loss(Loss::LogCosh) => ("LogCoshError", json!({})),
        Measure::Loss(loss) => (loss.class(), settings(*loss)),
        Measure::Precision(threshold) | Measure::Recall(threshold) => {
            let is_precision = matches!(metric.measure, Measure::Precision(_));
            let config = json!({
                "thresholds": threshold.threshold,
                "top_k": threshold.top_k,
                "class_id": threshold.class_id,
            });
            (if is_precision { "Precision" } else { "Recall" }, config)
        }
        Measure::AUC(auc) => {
            let config = json!({
                "num_thresholds": auc.num_thresholds,
                "curve": match auc.curve {
                    Curve::ROC => "ROC",
                    Curve::PR => "PR",
                    Curve::PRGain => "PRGAIN",
                },
                "summation_method": match auc.summation_method {
                    Summation::Interpolation => "interpolation",
                    Summation::Majoring => "majoring",
                    Summation::Minoring => "minoring",
                },
                "multi_label": false,
                "num_labels": null,
                "label_weights": null,
                "from_logits": auc.from_logits,
            });
            ("AUC", config)
        }
        Measure::R2Score(r2) => {
            let config = json!({
                "class_aggregation": match r2.class_aggregation {
                    ClassAggregation::UniformAverage => "uniform_average",
                    ClassAggregation::VarianceWeightedAverage => "variance_weighted_average",
                },
                "num_regressors": r2.num_regressors,
            });
            ("R2Score", config)
        }
    };
    let config = json!({ "name": metric.name(), "dtype": dtype });
    object("keras.metrics", class, extend(config, more))
}

/// The settings of a loss that is a metric.
fn settings(loss: Loss) -> Value {
    match loss {
        Loss::BinaryCrossentropy { from_logits, label_smoothing } => {
            json!({ "from_logits": from_logits, "label_smoothing": label_smoothing })
        }
        Loss::CategoricalCrossentropy { from_logits, label_smoothing } => json!({
            "from_logits": from_logits,
            "label_smoothing": label_smoothing,
            "axis": -1,
        }),
        Loss::SparseCategoricalCrossentropy { from_logits, ignore_class } => json!({
            "from_logits": from_logits,
            "ignore_class": ignore_class,
            "axis": -1,
        }),
        _ => json!({}),
    }
}
