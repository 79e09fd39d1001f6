"""Writes optimizers.json, beside this file: what Keras's optimizers, schedules, regularizers and
constraints make of small weights, in float64.

    KERAS_BACKEND=tensorflow python optimizers.py      # Keras 3.15.1, TensorFlow 2.21.0, NumPy 2.4.6

Numbers are written in full (Python's repr of a float is exact)."""

import json
import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np

keras.config.set_floatx("float64")
O, S, R, C = keras.optimizers, keras.optimizers.schedules, keras.regularizers, keras.constraints

START = [[[0.5, -0.25, 1.5], [0.75, -1.25, 0.0]], [0.3, -0.6, 0.9]]
STEPS = 7


def gradients():
    """One list for each step: large, small, zero, of changing sign."""
    rng = np.random.default_rng(11)
    scale = [3.0, 0.1, 1e-4, 1.0, 10.0, 0.5, 1.0]
    steps = []
    for s in range(STEPS):
        kernel = (rng.normal(size=(2, 3)) * scale[s]).round(6)
        bias = (rng.normal(size=3) * scale[s]).round(6)
        kernel[0, 1] = 0.0
        if s < 3:
            bias[2] = 0.0
        steps.append([kernel.tolist(), bias.tolist()])
    return steps


def optimizers():
    yield O.SGD()
    yield O.SGD(0.1, momentum=0.9)
    yield O.SGD(0.1, momentum=0.9, nesterov=True)
    yield O.RMSprop()
    yield O.RMSprop(0.01, rho=0.8, momentum=0.7, epsilon=1e-3)
    yield O.RMSprop(0.01, rho=0.8, centered=True)
    yield O.RMSprop(0.01, momentum=0.7, centered=True)
    yield O.Adam()
    yield O.Adam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-4)
    yield O.Adam(0.01, amsgrad=True, beta_2=0.7)
    yield O.AdamW()
    yield O.AdamW(0.05, weight_decay=0.3)
    yield O.Nadam()
    yield O.Nadam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-4)
    yield O.Adamax()
    yield O.Adamax(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-4)
    yield O.Adagrad()
    yield O.Adagrad(0.1, initial_accumulator_value=0.7, epsilon=1e-3)
    yield O.Adadelta()
    yield O.Adadelta(1.0, rho=0.8, epsilon=1e-3)
    yield O.Ftrl()
    yield O.Ftrl(0.1, learning_rate_power=-0.3, l1_regularization_strength=0.2,
                 l2_regularization_strength=0.1, l2_shrinkage_regularization_strength=0.05, beta=0.3)
    yield O.Lion()
    yield O.Lion(0.01, beta_1=0.7, beta_2=0.8)
    yield O.Lamb()
    yield O.Lamb(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-4)
    yield O.SGD(0.1, weight_decay=0.2)
    yield O.SGD(0.1, clipnorm=0.5)
    yield O.SGD(0.1, global_clipnorm=0.5)
    yield O.SGD(0.1, clipvalue=0.2)
    yield O.SGD(0.1, clipnorm=0.0)
    yield O.Adam(0.01, clipnorm=0.7, weight_decay=0.1)
    yield O.Adam(0.01, use_ema=True)
    yield O.Adam(0.01, use_ema=True, ema_momentum=0.6, ema_overwrite_frequency=3)
    yield O.SGD(0.1, momentum=0.5, gradient_accumulation_steps=2)
    yield O.Nadam(0.1, gradient_accumulation_steps=3)
    yield O.Adam(0.1, gradient_accumulation_steps=2, use_ema=True, ema_momentum=0.5,
                 ema_overwrite_frequency=2, clipvalue=0.4, weight_decay=0.01)
    yield O.Lamb(0.1, gradient_accumulation_steps=2)
    yield O.SGD(0.1, loss_scale_factor=8.0)
    yield O.Adam(0.1, loss_scale_factor=1000.0, global_clipnorm=1.0)
    yield O.SGD(S.ExponentialDecay(0.1, 3, 0.5))
    yield O.Adam(S.CosineDecay(0.1, 5, alpha=0.1), gradient_accumulation_steps=2)


def trajectory(optimizer):
    weights = [keras.Variable(np.array(w), name=n) for w, n in zip(START, ["kernel", "bias"])]
    steps = []
    for grads in gradients():
        scale = optimizer.loss_scale_factor or 1.0
        optimizer.apply([keras.ops.convert_to_tensor(np.array(g) * scale) for g in grads], weights)
        steps.append([w.numpy().ravel().tolist() for w in weights])
    optimizer.finalize_variable_values(weights)
    return {
        "optimizer": O.serialize(optimizer),
        "variables": [v.path.split("/")[-1] for v in optimizer.variables],
        "values": [np.ravel(v.numpy()).tolist() for v in optimizer.variables],
        "steps": steps,
        "final": [w.numpy().ravel().tolist() for w in weights],
    }


def schedules():
    yield S.ExponentialDecay(0.1, 7, 0.9)
    yield S.ExponentialDecay(0.1, 7, 0.9, staircase=True)
    yield S.PiecewiseConstantDecay([3, 10, 50], [0.3, 0.2, 0.1, 0.05])
    yield S.PiecewiseConstantDecay([5], [1.0, 0.5])
    yield S.PolynomialDecay(0.1, 20)
    yield S.PolynomialDecay(0.1, 20, end_learning_rate=0.01, power=0.5)
    yield S.PolynomialDecay(0.1, 20, end_learning_rate=0.01, power=2.0, cycle=True)
    yield S.InverseTimeDecay(0.1, 7, 0.5)
    yield S.InverseTimeDecay(0.1, 7, 0.5, staircase=True)
    yield S.CosineDecay(0.1, 30)
    yield S.CosineDecay(0.1, 30, alpha=0.2)
    yield S.CosineDecay(0.01, 30, alpha=0.2, warmup_target=0.3, warmup_steps=12)
    yield S.CosineDecayRestarts(0.1, 8)
    yield S.CosineDecayRestarts(0.1, 8, t_mul=1.5, m_mul=0.8, alpha=0.1)
    yield S.CosineDecayRestarts(0.1, 8, t_mul=1.0, m_mul=0.5)


def rates(schedule):
    at = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 20, 21, 24, 25, 40, 41, 50, 51, 100, 1000]
    values = [float(schedule(keras.Variable(i, dtype="int64"))) for i in at]
    return {"schedule": S.serialize(schedule), "at": at, "rates": values}


MATRIX = [[0.3, -0.7, 1.1, 0.0], [-0.4, 0.9, 0.6, 0.8], [-0.5, -1.3, 0.1, 0.75]]


def regularizers():
    yield R.L1(), 64
    yield R.L1(0.3), 64
    yield R.L2(), 64
    yield R.L2(0.3), 64
    yield R.L1L2(0.1, 0.2), 64
    yield R.L1L2(), 64
    # In float64 TensorFlow refuses to multiply by a factor that Keras holds in float32.
    yield R.OrthogonalRegularizer(), 32
    yield R.OrthogonalRegularizer(0.3, mode="columns"), 32


def penalty(regularizer, bits):
    import tensorflow as tf

    w = tf.constant(MATRIX, dtype=f"float{bits}")
    with tf.GradientTape() as tape:
        tape.watch(w)
        value = regularizer(w)
    gradient = tape.gradient(value, w, unconnected_gradients="zero").numpy()
    return {"regularizer": R.serialize(regularizer), "bits": bits, "value": float(value),
            "gradient": [float(g) for g in np.ravel(gradient)]}


def constraints():
    yield C.MaxNorm()
    yield C.MaxNorm(0.9)
    yield C.MaxNorm(0.9, axis=1)
    yield C.MaxNorm(0.9, axis=[0, 1])
    yield C.MaxNorm(0.9, axis=-1)
    yield C.NonNeg()
    yield C.UnitNorm()
    yield C.UnitNorm(axis=1)
    yield C.MinMaxNorm()
    yield C.MinMaxNorm(0.5, 0.9, rate=0.7)
    yield C.MinMaxNorm(1.2, 1.4, rate=0.7, axis=1)


def constrained(constraint):
    w = constraint(keras.ops.convert_to_tensor(np.array(MATRIX)))
    return {"constraint": C.serialize(constraint), "w": np.ravel(w).tolist()}


def initializers():
    I = keras.initializers
    for name in ["Zeros", "Ones", "Constant", "RandomNormal", "RandomUniform", "TruncatedNormal",
                 "VarianceScaling", "GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal",
                 "LecunUniform", "LecunNormal", "Orthogonal", "Identity"]:
        yield I.serialize(getattr(I, name)())
    yield I.serialize(I.VarianceScaling(2.0, "fan_out", "untruncated_normal"))
    yield I.serialize(I.Constant(0.5))


def main():
    found = {
        "versions": {"keras": keras.__version__, "numpy": np.__version__},
        "start": [np.ravel(w).tolist() for w in START],
        "gradients": [[np.ravel(g).tolist() for g in step] for step in gradients()],
        "optimizers": [trajectory(o) for o in optimizers()],
        "schedules": [rates(s) for s in schedules()],
        "matrix": np.ravel(MATRIX).tolist(),
        "regularizers": [penalty(r, bits) for r, bits in regularizers()],
        "constraints": [constrained(c) for c in constraints()],
        "initializers": list(initializers()),
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizers.json")
    with open(path, "w") as out:
        out.write("{\n")
        for i, (key, value) in enumerate(found.items()):
            rows = value if isinstance(value, list) else [value]
            text = ",\n".join(json.dumps(row) for row in rows)
            text = f"[\n{text}\n]" if isinstance(value, list) else text
            out.write(f"{json.dumps(key)}: {text}{',' if i < len(found) - 1 else ''}\n")
        out.write("}\n")


main()
