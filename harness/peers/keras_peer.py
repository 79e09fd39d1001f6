"""Keras on TensorFlow: its methods as they come, or with `xla` functions compiled by XLA."""

import os
import sys

import protocol

XLA = sys.argv[1:] == ["xla"]


def load(threads):
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import keras
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    version = f"{keras.__version__} (TensorFlow {tensorflow.__version__})"
    return version, {"infer": infer, "train": train, "step": step}


def stack(job, sequences):
    import keras

    keras.backend.clear_session()
    x = keras.Input((job.steps, job.inputs), batch_size=job.batch)
    lstm = keras.layers.LSTM(job.units, return_sequences=sequences)
    y = lstm(x)
    lstm.set_weights([job.kernel, job.recurrent_kernel, job.bias])
    return x, y


def infer(job):
    import keras
    import tensorflow

    model = keras.Model(*stack(job, True))
    if not XLA:
        return {"y": model.predict_on_batch(job.x)}, lambda: model.predict_on_batch(job.x)
    x = tensorflow.constant(job.x)
    compiled = tensorflow.function(lambda x: model(x, training=False), jit_compile=True)

    def run():
        return compiled(x).numpy()

    return {"y": run()}, run


def train(job):
    import keras
    import tensorflow

    model = keras.Model(*stack(job, True))
    weights = [weight.value for weight in model.trainable_variables]

    @tensorflow.function(jit_compile=XLA)
    def compiled(x, dy):
        with tensorflow.GradientTape() as tape:
            tape.watch(x)
            y = model(x, training=True)
        return y, tape.gradient(y, [x, *weights], dy)

    x, dy = tensorflow.constant(job.x), tensorflow.constant(job.dy)

    def run():
        y, grads = compiled(x, dy)
        return [y.numpy(), *(grad.numpy() for grad in grads)]

    names = ["y", "d_x", "d_kernel", "d_recurrent_kernel", "d_bias"]
    return dict(zip(names, run())), run


def step(job):
    import keras
    import tensorflow

    x, y = stack(job, False)
    head = keras.layers.Dense(1)
    model = keras.Model(x, head(y))
    head.set_weights([job.head_kernel, job.head_bias])
    model.compile(keras.optimizers.Adam(), "mse", jit_compile=False)
    if not XLA:

        def run():
            model.reset_metrics()
            return float(model.train_on_batch(job.x, job.y))

        return {"losses": [run() for _ in range(3)]}, run

    variables = model.trainable_variables
    model.optimizer.build(variables)

    @tensorflow.function(jit_compile=True)
    def compiled(x, y):
        with tensorflow.GradientTape() as tape:
            loss = tensorflow.reduce_mean((model(x, training=True) - y) ** 2)
        grads = tape.gradient(loss, [variable.value for variable in variables])
        model.optimizer.apply(grads, variables)
        return loss

    x, y = tensorflow.constant(job.x), tensorflow.constant(job.y)

    def run():
        return float(compiled(x, y))

    return {"losses": [run() for _ in range(3)]}, run


protocol.serve(load)
