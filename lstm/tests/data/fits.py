"""Trainings by Keras, as `lstm/tests/fits.rs` repeats them: `python fits.py > fits.json`.

Keras 3.15.1 on TensorFlow, float64. Every case has the model as `to_json` writes it, compiled, with
its weights before and after, what `fit` was given, and its history; where callbacks do so, too, what
they printed and the weights that they saved.
"""

import contextlib
import io
import json
import math
import os
import tempfile

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
import tensorflow as tf
from keras import layers, losses, metrics

keras.config.set_floatx("float64")
# TensorFlow ranks float32 alone.
in_top_k = tf.math.in_top_k
tf.math.in_top_k = lambda targets, predictions, k: in_top_k(targets, tf.cast(predictions, "float32"), k)
CASES = []


def numbers(seed, *shape, scale=1.0):
    return np.round(np.random.default_rng(seed).normal(0, scale, shape), 3)


def classes(seed, count, *shape):
    return np.random.default_rng(seed).integers(0, count, shape).astype("float64")


def one_hot(labels, count):
    return np.eye(count)[labels.astype(int)]


def plain(activation=None, units=2, features=3, name="dense"):
    return keras.Sequential([keras.Input((features,)), layers.Dense(units, activation=activation, name=name)])


def steps(activation=None, units=2, masking=False):
    stack = [keras.Input((4, 3))] + ([layers.Masking()] if masking else [])
    return keras.Sequential(stack + [layers.Dense(units, activation=activation)])


def array(value):
    return {"shape": list(np.shape(value)), "data": np.asarray(value, "float64").ravel().tolist()}


def number(value):
    """JSON has no infinity."""
    value = float(value)
    return value if math.isfinite(value) else repr(value)


def case(name, model, x, y, *, loss, callbacks=None, csv=False, compile={}, delta=None, lossless=None, **fit):
    xs, ys = (list(v) if isinstance(v, (list, tuple)) else [v] for v in (x, y))
    for at, weight in enumerate(model.weights):
        weight.assign(numbers(at, *weight.shape, scale=0.5))
    optimizer = keras.optimizers.SGD(0.05)
    model.compile(optimizer, loss, **compile)
    described_model = model.to_json()
    before = [array(w) for w in model.get_weights()]
    folder = tempfile.mkdtemp()
    made, described = [], []
    for kind, arguments in callbacks or []:
        described.append({"kind": kind, **arguments})
        arguments = dict(arguments)
        if kind == "LearningRateScheduler":
            by, add = arguments.pop("by"), arguments.pop("add")
            arguments["schedule"] = lambda epoch, rate, by=by, add=add: rate * by + epoch * add
        if kind == "ModelCheckpoint":
            arguments["filepath"] = f"{folder}/{arguments['filepath']}.weights.h5"
            arguments["save_weights_only"] = True
        made.append(getattr(keras.callbacks, kind)(**arguments))
    table = dict(csv) if csv and csv is not True else {}
    if csv:
        path = tempfile.mktemp(".csv")
        if "before" in table:
            open(path, "w", newline="").write(table["before"])
        made.append(keras.callbacks.CSVLogger(path, **{k: v for k, v in table.items() if k != "before"}))
    options = {"epochs": 2, "batch_size": 3, **fit}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        history = model.fit(x, y, shuffle=False, verbose=0, callbacks=made, **options)
    given = dict(options)
    if "sample_weight" in given:
        w = given["sample_weight"]
        given["sample_weight"] = [array(v) for v in (w if isinstance(w, list) else [w])]
    if "class_weight" in given:
        given["class_weight"] = sorted(map(list, given["class_weight"].items()))
    if "validation_data" in given:
        given["validation_data"] = [array(v) for v in given["validation_data"]]
    found = {
        "name": name,
        "model": described_model,
        "before": before,
        "x": [array(v) for v in xs],
        # Keras wants targets for an output without a loss, too.
        "y": [array(v) for at, v in enumerate(ys) if at != lossless],
        "fit": given,
        "callbacks": described,
        "history": [[key, [number(v) for v in values]] for key, values in history.history.items()],
        "epochs": history.epoch,
        "csv": open(path, newline="").read() if csv else None,
        "after": [array(w) for w in model.get_weights()],
        "evaluate": sorted((k, number(v)) for k, v in model.evaluate(x, y, verbose=0, batch_size=3, return_dict=True).items()),
    }
    if delta is not None:
        found["delta"] = delta  # of Huber, which Keras does not write
    if table:
        found["table"] = table
    if printed.getvalue():
        found["printed"] = printed.getvalue().replace(folder, "FOLDER").replace(".weights.h5", "")
    if any(kind == "ModelCheckpoint" for kind, _ in callbacks or []):
        found["saved"] = []
        for at, _, files in sorted(os.walk(folder)):
            for file in sorted(files):
                model.load_weights(f"{at}/{file}")
                within = os.path.relpath(f"{at}/{file}", folder).removesuffix(".weights.h5")
                found["saved"].append([within, [array(w) for w in model.get_weights()]])
    results = lambda logs: sorted((key, number(value)) for key, value in logs.items())
    weights = fit.get("sample_weight")
    if weights is not None:
        found["evaluate_weighted"] = results(
            model.evaluate(x, y, sample_weight=weights, verbose=0, batch_size=3, steps=2, return_dict=True))
        found["test_on_batch"] = results(model.test_on_batch(x, y, weights, return_dict=True))
        found["train_on_batch"] = results(model.train_on_batch(x, y, weights, return_dict=True))
    if "class_weight" in fit:
        found["train_on_batch"] = results(model.train_on_batch(x, y, class_weight=fit["class_weight"], return_dict=True))
    if "train_on_batch" in found:
        found["after_it"] = [array(w) for w in model.get_weights()]
    CASES.append(found)


X, Y = numbers(1, 11, 3), numbers(2, 11, 2)
case("plain", plain(), X, Y, loss="mse", csv=True)
case("validation_split", plain(), X, Y, loss="mse", validation_split=0.3, csv=True)
case("validation_data", plain(), X, Y, loss="mae", validation_data=(X[:5], Y[:5], np.arange(5.0)),
     validation_batch_size=2, validation_steps=2, validation_freq=2, epochs=5)
case("initial_epoch", plain(), X, Y, loss="huber", initial_epoch=2, epochs=4)
case("steps_per_epoch", plain(), X, Y, loss="mse", steps_per_epoch=2, epochs=3)
case("sample_weight_and_split", plain(), X, Y, loss="mse", sample_weight=np.arange(11.0) / 5,
     validation_split=0.4, compile={"metrics": ["mae"], "weighted_metrics": ["mae", "mse"]})
LABELS = classes(3, 3, 11)
case("class_weight_of_labels", plain("softmax", 3), X, LABELS, loss="sparse_categorical_crossentropy",
     class_weight={0: 0.5, 2: 3.0}, validation_split=0.3,
     compile={"metrics": ["accuracy"], "weighted_metrics": ["accuracy"]})
case("class_weight_of_one_hot", plain("softmax", 3), X, one_hot(LABELS, 3), loss="categorical_crossentropy",
     class_weight={1: 2.0}, compile={"weighted_metrics": ["acc"]})
case("class_weight_of_binary", plain("sigmoid", 1), X, classes(4, 2, 11), loss="binary_crossentropy",
     class_weight={0: 0.25, 1: 1.5}, compile={"metrics": ["accuracy"]})
SX, SY = numbers(5, 7, 4, 3), numbers(6, 7, 4, 2)
MX = SX.copy()
MX[1, 2:] = 0
MX[3, :2] = 0
MX[5] = 0
WEIGHTS = np.abs(numbers(7, 7, 4))
case("steps", steps(), SX, SY, loss="mse", sample_weight=WEIGHTS, compile={"weighted_metrics": ["mae"]})
case("steps_of_samples", steps(), SX, SY, loss="mse", sample_weight=WEIGHTS[:, :1])
case("masked", steps(masking=True), MX, SY, loss="mse", compile={"metrics": ["mae", "mse"]})
case("masked_and_weighted", steps(masking=True), MX, SY, loss="huber", sample_weight=WEIGHTS,
     compile={"metrics": ["mae"], "weighted_metrics": ["mape"]})
for reduction in ["sum", "mean", "mean_with_sample_weight"]:
    case(f"masked_{reduction}", steps(masking=True), MX, SY, sample_weight=WEIGHTS,
         loss=losses.MeanSquaredError(reduction=reduction))
SL = classes(8, 3, 7, 4)
case("masked_labels", steps("softmax", 3, masking=True), MX, SL, loss="sparse_categorical_crossentropy",
     compile={"metrics": ["accuracy"]})
case("ignore_class_masked", steps("linear", 3, masking=True), MX, SL,
     loss=losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1))
BITS = classes(9, 2, 11, 2)
case("counts", plain("sigmoid"), X, BITS, loss="binary_crossentropy", sample_weight=np.arange(1.0, 12),
     compile={"metrics": ["AUC", metrics.AUC(curve="PR", name="pr"), metrics.Precision(), metrics.Recall(thresholds=0.3),
                          metrics.BinaryAccuracy(threshold=0.4), metrics.Precision(class_id=1, top_k=1, name="p1"),
                          metrics.AUC(num_thresholds=20, summation_method="majoring", name="major"),
                          metrics.AUC(num_thresholds=20, curve="PR", summation_method="minoring", name="minor")],
              "weighted_metrics": [metrics.AUC(name="wauc"), metrics.Recall(name="wrecall")]})
case("regression", plain(), X, Y, loss="mse", sample_weight=np.arange(1.0, 12),
     compile={"metrics": [metrics.RootMeanSquaredError(), metrics.R2Score(), "cosine_similarity", "msle",
                          metrics.LogCoshError(),
                          metrics.R2Score(class_aggregation="variance_weighted_average", name="r2v")],
              "weighted_metrics": [metrics.RootMeanSquaredError(name="wrmse"), metrics.R2Score(name="wr2")]})
case("classes", plain("softmax", 4), X, one_hot(classes(10, 4, 11), 4), loss="categorical_crossentropy",
     compile={"metrics": ["accuracy", "categorical_accuracy",
                          "categorical_crossentropy", "kl_divergence"]})


def two():
    x = keras.Input((3,), name="in")
    return keras.Model(x, [layers.Dense(2, name="a")(x), layers.Dense(1, activation="sigmoid", name="b")(x)])


BIT = classes(11, 2, 11, 1)
case("two_outputs", two(), X, [Y, BIT], loss=["mse", "binary_crossentropy"], validation_split=0.3,
     compile={"metrics": [["mae"], ["accuracy"]], "loss_weights": [0.5, 2.0]})
case("two_outputs_weighted", two(), X, [Y, BIT], loss=["mse", "mae"],
     sample_weight=[np.arange(11.0), np.ones(11) / 2])
case("early_stopping", plain(), X, Y, loss="mse", validation_split=0.4, epochs=40, csv=True,
     callbacks=[("EarlyStopping", {"patience": 2, "min_delta": 0.003, "restore_best_weights": True})])
case("early_stopping_start", plain(), X, Y, loss="mse", validation_split=0.4, epochs=40,
     callbacks=[("EarlyStopping", {"monitor": "loss", "min_delta": 0.05, "start_from_epoch": 3, "patience": 1})])
case("plateau", plain(), X, Y, loss="mse", validation_split=0.4, epochs=12, csv=True,
     callbacks=[("ReduceLROnPlateau", {"patience": 2, "min_delta": 0.03, "factor": 0.5, "cooldown": 1, "min_lr": 0.002})])
# Saturated, where Keras looks through the activation at the logits.
case("saturated_sigmoid", plain("sigmoid"), X * 40, BITS, loss="binary_crossentropy")
case("saturated_softmax", plain("softmax", 3), X * 60, one_hot(LABELS, 3), loss="categorical_crossentropy")
case("saturated_labels", plain("softmax", 3), X * 60, LABELS, loss="sparse_categorical_crossentropy")


def read_on(activation, units, through):
    """An output that a loss looks through, and that another layer reads."""
    x = keras.Input((3,), name="in")
    a = layers.Dense(units, activation=None if through else activation, name="a")(x)
    a = through(a) if through else a
    return keras.Model(x, [a, layers.Dense(1, name="b")(a)])


for scale, size in [(1, "mild"), (60, "saturated")]:
    case(f"{size}_softmax_read_on", read_on("softmax", 3, None), X * scale, [one_hot(LABELS, 3), BIT],
         loss=["categorical_crossentropy", "mse"])
    case(f"{size}_sigmoid_read_on", read_on("sigmoid", 2, None), X * scale, [BITS, BIT],
         loss=["binary_crossentropy", "mae"])
    case(f"{size}_activation_read_on", read_on(None, 3, layers.Activation("softmax")), X * scale,
         [LABELS, BIT], loss=["sparse_categorical_crossentropy", "mse"])
RANKS = classes(12, 5, 11)
case("top_k", plain("softmax", 5), X, one_hot(RANKS, 5), loss="categorical_crossentropy", sample_weight=np.arange(1.0, 12),
     compile={"metrics": [metrics.TopKCategoricalAccuracy(k=2), metrics.TopKCategoricalAccuracy(k=3, name="three")],
              "weighted_metrics": [metrics.TopKCategoricalAccuracy(k=2, name="weighted")]})
case("sparse_top_k", plain("softmax", 5), X, RANKS, loss="sparse_categorical_crossentropy", sample_weight=np.arange(1.0, 12),
     compile={"metrics": [metrics.SparseTopKCategoricalAccuracy(k=2), metrics.SparseTopKCategoricalAccuracy(k=4, name="four")],
              "weighted_metrics": [metrics.SparseTopKCategoricalAccuracy(k=2, name="weighted")]})
case("top_k_of_steps", steps("softmax", 3, masking=True), MX, SL, loss="sparse_categorical_crossentropy",
     compile={"metrics": [metrics.SparseTopKCategoricalAccuracy(k=2)]})


def callback(name, *callbacks, csv=False, **options):
    """A classification, whose accuracy rises and whose loss falls, but not always."""
    case(name, plain("softmax", 3), X, LABELS, loss="sparse_categorical_crossentropy", callbacks=list(callbacks),
         csv=csv, **{"epochs": 9, "batch_size": 2, "validation_split": 0.4, "compile": {"metrics": ["accuracy"]}, **options})


def checkpoint(path, **arguments):
    return ("ModelCheckpoint", {"filepath": path, "verbose": 1, **arguments})


# The rate grows, and the loss with it at times.
RISING = ("LearningRateScheduler", {"by": 1.0, "add": 3.0})
y = Y.copy()
y[7] = 1e200  # whose square is infinite
case("terminate_on_nan_in_the_third_batch", plain(), X, y, loss="mse", epochs=3, csv=True,
     validation_data=(X[:3], Y[:3]), callbacks=[("TerminateOnNaN", {})])
callback("scheduler", ("LearningRateScheduler", {"by": 0.7, "add": 0.013, "verbose": 1}), csv=True, epochs=5)
callback("scheduler_from_a_later_epoch", ("LearningRateScheduler", {"by": 0.7, "add": 0.013, "verbose": 1}),
         initial_epoch=3, epochs=5)
STOP = {"patience": 2, "restore_best_weights": True, "verbose": 1}
for name, arguments in {
    "auto_rises": {"monitor": "val_accuracy"},
    "max_rises": {"monitor": "accuracy", "mode": "max", "patience": 3},
    "min_rises": {"monitor": "accuracy", "mode": "min", "patience": 3},
    "max_falls": {"monitor": "val_loss", "mode": "max"},
    "auto_falls": {"monitor": "loss", "patience": 3},
}.items():
    callback(f"early_stopping_{name}", RISING, ("EarlyStopping", {**STOP, **arguments}))
for name, baseline in [("beaten", 0.9), ("never_beaten", 0.1)]:
    callback(f"early_stopping_baseline_{name}", RISING,
             ("EarlyStopping", {"monitor": "loss", "patience": 3, "baseline": baseline, "verbose": 1}))
callback("early_stopping_baseline_rises", RISING,
         ("EarlyStopping", {"monitor": "accuracy", "patience": 3, "baseline": 0.9, "verbose": 1}))
for name, arguments in {
    "auto_rises": {"monitor": "accuracy", "patience": 2},
    "min_rises": {"monitor": "accuracy", "patience": 2, "mode": "min"},
    "max_falls": {"monitor": "loss", "patience": 3, "mode": "max", "cooldown": 2},
    "to_a_lowest": {"monitor": "loss", "patience": 1, "min_delta": 0.5, "min_lr": 0.01},
}.items():
    callback(f"plateau_{name}", ("ReduceLROnPlateau", {"factor": 0.3, "verbose": 1, **arguments}), csv=True)
OLD = "epoch,loss\r\n0,1.5\r\n"
for name, table in {
    "appended": {"append": True, "before": OLD},
    "appended_to_nothing": {"append": True},
    "appended_to_an_empty_file": {"append": True, "before": ""},
    "written_anew": {"before": OLD * 40},
    "with_semicolons": {"separator": ";"},
    "with_tabs_appended": {"separator": "\t", "append": True, "before": OLD},
}.items():
    callback(f"table_{name}", csv=table, epochs=2)
callback("checkpoint_of_each_epoch", checkpoint("{epoch:02d}-{val_loss:.3f}-{accuracy:.2f}"), epochs=3)
callback("checkpoint_overwritten", checkpoint("deep/within/last"), epochs=3)
BEST = {"save_best_only": True}
for name, arguments in {
    "auto_falls": {"monitor": "loss"},
    "auto_rises": {"monitor": "accuracy"},
    "max_falls": {"monitor": "val_loss", "mode": "max"},
    "below_a_threshold": {"monitor": "loss", "initial_value_threshold": 0.9},
    "never_below_it": {"monitor": "loss", "initial_value_threshold": 1e-5},
    "every_fourth_batch": {"monitor": "loss", "save_freq": 4},
}.items():
    callback(f"checkpoint_of_the_best_{name}", RISING, checkpoint("{epoch}", **BEST, **arguments), epochs=8)
callback("checkpoint_of_the_best_overwritten", RISING, checkpoint("best", monitor="loss", **BEST), epochs=8)
callback("checkpoint_every_second_batch", checkpoint("{epoch}-{batch:02d}-{loss:.3f}", save_freq=2), epochs=3)
for delta in [0.25, 3.0]:
    case(f"huber_{delta}", plain(), X, Y * 2, loss=losses.Huber(delta=delta), delta=delta)
case("huber_masked", steps(masking=True), MX, SY, loss=losses.Huber(delta=0.5), delta=0.5, sample_weight=WEIGHTS)
case("curves", plain(), X, BITS, loss=losses.BinaryCrossentropy(from_logits=True), sample_weight=np.arange(1.0, 12),
     compile={"metrics": [metrics.AUC(from_logits=True), metrics.AUC(from_logits=True, curve="PR", name="pr"),
                          metrics.AUC(from_logits=True, curve="PRGAIN", name="gain"),
                          metrics.AUC(num_thresholds=7, from_logits=True, curve="PRGAIN", summation_method="majoring",
                                      name="major"),
                          metrics.AUC(num_thresholds=7, from_logits=True, curve="PRGAIN", summation_method="minoring",
                                      name="minor")],
              "weighted_metrics": [metrics.AUC(from_logits=True, curve="PRGAIN", name="wgain")]})
# In a graph Keras cannot adjust a score.
case("adjusted", plain(), X, Y, loss="mse", sample_weight=np.arange(1.0, 12),
     compile={"run_eagerly": True,
              "metrics": [metrics.R2Score(num_regressors=1), metrics.R2Score(num_regressors=3, name="three"),
                          metrics.R2Score("variance_weighted_average", num_regressors=2, name="weighted_by_variance"),
                          metrics.R2Score(num_regressors=21, name="as_many_as_numbers")],
              "weighted_metrics": [metrics.R2Score(num_regressors=2, name="weighted")]})
case("margins", plain("tanh"), X, 2 * BITS - 1, loss="mse", sample_weight=np.arange(1.0, 12),
     compile={"metrics": ["hinge", "squared_hinge", metrics.CategoricalHinge()],
              "weighted_metrics": [metrics.Hinge(name="weighted_hinge"), "categorical_hinge"]})
case("margins_of_bits", plain("sigmoid"), X, BITS, loss="mse", compile={"metrics": ["hinge", "squared_hinge", "categorical_hinge"]})
case("counted", plain("exponential"), X, np.abs(np.round(Y * 2)), loss="poisson", sample_weight=np.arange(1.0, 12),
     compile={"metrics": ["poisson"], "weighted_metrics": [metrics.Poisson(name="weighted_poisson")]})
case("entropies_of_bits", plain("sigmoid"), X, BITS, loss="mse", sample_weight=np.arange(1.0, 12),
     compile={"metrics": ["binary_crossentropy", metrics.BinaryCrossentropy(label_smoothing=0.2, name="smooth"),
                          metrics.BinaryCrossentropy(from_logits=True, name="of_logits")],
              "weighted_metrics": [metrics.BinaryCrossentropy(name="weighted_bce")]})
case("entropies_of_labels", plain("softmax", 3), X, LABELS, loss="sparse_categorical_crossentropy",
     sample_weight=np.arange(1.0, 12),
     compile={"metrics": ["sparse_categorical_crossentropy",
                          metrics.SparseCategoricalCrossentropy(from_logits=True, name="of_logits")],
              "weighted_metrics": [metrics.SparseCategoricalCrossentropy(name="weighted_sce")]})
case("entropies_of_steps", steps("softmax", 3, masking=True), MX, SL, loss="sparse_categorical_crossentropy",
     compile={"metrics": ["sparse_categorical_crossentropy"],
              "weighted_metrics": [metrics.SparseCategoricalCrossentropy(name="weighted_sce")]})
case("entropies_of_one_hot", plain("softmax", 3), X, one_hot(LABELS, 3), loss="mse",
     compile={"metrics": [metrics.CategoricalCrossentropy(label_smoothing=0.1),
                          metrics.CategoricalCrossentropy(from_logits=True, name="of_logits"), "kl_divergence"]})
# By the names of outputs.
case("two_outputs_by_name", two(), X, [Y, BIT], loss={"b": "binary_crossentropy", "a": losses.MeanAbsoluteError()},
     compile={"metrics": {"b": ["accuracy", metrics.AUC()], "a": "mse"}, "weighted_metrics": {"b": ["mae"]},
              "loss_weights": {"b": 2.0, "a": 0.5}})
case("one_of_two_outputs_by_name", two(), X, [Y, BIT], loss={"a": "mse", "b": None}, lossless=1,
     compile={"metrics": {"a": ["mae"]}})
case("two_outputs_one_metric_each", two(), X, [Y, BIT], loss={"a": "mse", "b": "mae"},
     compile={"metrics": ["mae", "accuracy"], "weighted_metrics": [None, "mse"], "loss_weights": [0.5, 2.0]})
x = keras.Input((3,), name="in")
case("one_output_by_name", keras.Model(x, layers.Dense(2, name="dense")(x)), X, Y, loss={"dense": "mse"},
     compile={"metrics": {"dense": ["mae", "mape"]}})
case("one_output_with_lists", plain(), X, Y, loss=["mse"],
     compile={"metrics": [["mae"], "mape"], "loss_weights": [0.5]})
print(json.dumps({"keras": keras.__version__, "cases": CASES}, indent=0))
