"""Writes training.json, beside this file: what Keras's `fit` makes of small models with penalties,
constraints, frozen layers and moving averages, in float64.

    KERAS_BACKEND=tensorflow python training.py      # Keras 3.15.1, TensorFlow 2.21.0, NumPy 2.4.6
"""

import json
import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np

keras.config.set_floatx("float64")
K, L, O, R, C = keras, keras.layers, keras.optimizers, keras.regularizers, keras.constraints
rng = np.random.default_rng(5)


def draw(*shape):
    return rng.normal(size=shape).round(4)


def penalties():
    inputs = K.Input((4, 3))
    h = L.LSTM(3, return_sequences=True, kernel_regularizer="l2", recurrent_regularizer=R.L1(0.02),
               bias_regularizer=R.L1L2(0.01, 0.03), activity_regularizer=R.L2(0.02))(inputs)
    h, _, c = L.LSTM(4, return_state=True, activity_regularizer=R.L1(0.05))(h)
    h = L.Dense(3, activation="tanh", activity_regularizer=R.L1L2(0.02, 0.01))(h)
    return K.Model(inputs, L.Dense(1, kernel_regularizer=R.L2(0.1))(h)), O.SGD(0.1, momentum=0.5)


def constraints():
    inputs = K.Input((4, 3))
    h = L.LSTM(3, kernel_constraint=C.MaxNorm(0.6), recurrent_constraint=C.UnitNorm(axis=1),
               bias_constraint="non_neg")(inputs)
    h = L.Dense(3, kernel_constraint=C.MinMaxNorm(0.5, 0.9, rate=0.8), activation="tanh")(h)
    return K.Model(inputs, L.Dense(1)(h)), O.AdamW(0.05, weight_decay=0.1, clipnorm=0.5)


def frozen():
    inputs = K.Input((4, 3))
    h = L.LSTM(3, return_sequences=True)(inputs)
    h = L.LSTM(3, trainable=False, kernel_regularizer="l2", kernel_constraint="non_neg")(h)
    optimizer = O.Nadam(0.05, use_ema=True, ema_momentum=0.7, weight_decay=0.05, global_clipnorm=1.0)
    return K.Model(inputs, L.Dense(1)(h)), optimizer


def accumulated():
    inputs = K.Input((4, 3))
    h = L.LSTM(3, kernel_constraint=C.MaxNorm(0.6), kernel_regularizer=R.L2(0.1))(inputs)
    schedule = O.schedules.ExponentialDecay(0.1, 4, 0.5)
    optimizer = O.RMSprop(schedule, momentum=0.3, gradient_accumulation_steps=3, use_ema=True,
                          ema_momentum=0.4, ema_overwrite_frequency=2, loss_scale_factor=4.0)
    return K.Model(inputs, L.Dense(1)(h)), optimizer


def case(make):
    model, optimizer = make()
    model.set_weights([0.5 * draw(*w.shape) for w in model.get_weights()])
    x, y = draw(10, 4, 3), draw(10, 1)
    before = [w.ravel().tolist() for w in model.get_weights()]
    model.compile(optimizer, "mse")
    found = {
        "model": json.loads(model.to_json()),
        "optimizer": O.serialize(optimizer),
        "x": x.ravel().tolist(),
        "y": y.ravel().tolist(),
        "before": before,
        "evaluate": float(model.evaluate(x, y, batch_size=4, verbose=0)),
    }
    history = model.fit(x, y, batch_size=4, epochs=5, shuffle=False, verbose=0)
    lines = []
    model.summary(print_fn=lines.append)
    return {
        **found,
        "loss": [float(v) for v in history.history["loss"]],
        "after": [w.ravel().tolist() for w in model.get_weights()],
        "params": [l.strip() for l in "\n".join(lines).split("\n") if "params:" in l],
    }


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "training.json")
    cases = [case(make) for make in [penalties, constraints, frozen, accumulated]]
    with open(path, "w") as out:
        out.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


main()
