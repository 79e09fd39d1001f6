"""Writes layers.json, beside this file: a functional model of all layers that reshape, merge, embed
or normalize, as Keras writes it, and what it computes in float64 where weights and inputs are `waves`.

    KERAS_BACKEND=tensorflow python layers.py      # Keras 3.15.1, TensorFlow 2.21.0, NumPy 2.4.6
"""

import json
import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

keras.config.set_floatx("float64")
K, L = keras, keras.layers


def waves(*shape):
    return np.sin(np.arange(1, np.prod(shape, dtype=int) + 1) * 1.7).reshape(shape)


def model():
    words = K.Input((4,), name="words")
    x, v = K.Input((4, 3), name="x"), K.Input((3,), name="v")
    embedded = L.Embedding(6, 3, mask_zero=True)(words)
    added = L.Add()([L.LayerNormalization()(embedded), x, L.RepeatVector(4)(v)])
    masked = L.Masking()(x)
    joined = L.Concatenate()([embedded, masked])
    largest = L.Maximum()([L.Multiply()([embedded, masked]), embedded])
    s = L.LSTM(2, return_sequences=True)(joined)
    t = L.LSTM(2)(largest)
    f = L.Flatten()(L.Permute((2, 1))(L.Softmax(axis=[1, 2])(L.Activation("mish")(added))))
    z = L.Reshape((-1,))(s)
    average = L.Average()([t, L.Subtract()([t, L.Minimum()([t, t])])])
    return K.Model([words, x, v], L.Dense(2)(L.Concatenate()([f, z, t, average])))


model = model()
model.set_weights([waves(*w.shape) for w in model.get_weights()])
words = np.array([[1.0, 2, 0, 0], [5, 0, 3, 1]])
x = waves(2, 4, 3)
x[:, 0] = 0
given = [words, x, waves(2, 3)]
with tf.GradientTape() as tape:
    y = model([tf.constant(array) for array in given])
    objective = tf.reduce_sum(y * waves(2, 2))
gradients = tape.gradient(objective, model.trainable_weights)
found = {
    "model": json.loads(model.to_json()),
    "inputs": [array.ravel().tolist() for array in given],
    "y": y.numpy().ravel().tolist(),
    "shapes": [list(w.shape) for w in model.weights],
    "gradients": [tf.convert_to_tensor(g).numpy().ravel().tolist() for g in gradients],
}
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers.json")
with open(path, "w") as file:
    json.dump(found, file)
    file.write("\n")
