"""JAX: `lax.scan` over a cell, compiled; the product of the input is taken out of the loop."""

import os

import protocol


def load(threads):
    # The size of its pool is the number of cores it sees when it starts.
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:threads])
    if threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax

    jax.config.update("jax_cpu_enable_async_dispatch", False)
    jax.devices()
    os.sched_setaffinity(0, cores)
    return jax.__version__, {"infer": infer, "train": train, "step": step}


def forward(weights, x):
    import jax
    from jax import numpy as jnp

    kernel, recurrent_kernel, bias = weights
    units = recurrent_kernel.shape[0]

    def cell(state, z):
        h, c = state
        i, f, g, o = jnp.split(z + h @ recurrent_kernel, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zeros = jnp.zeros((x.shape[0], units), x.dtype)
    z = jnp.swapaxes(x, 0, 1) @ kernel + bias
    return jnp.swapaxes(jax.lax.scan(cell, (zeros, zeros), z)[1], 0, 1)


def arrays(job, *names):
    import jax

    return [jax.device_put(getattr(job, name)) for name in names]


def infer(job):
    import jax

    *weights, x = arrays(job, "kernel", "recurrent_kernel", "bias", "x")
    compiled = jax.jit(forward)

    def run():
        return compiled(weights, x).block_until_ready()

    return {"y": run()}, run


def train(job):
    import jax

    *weights, x, dy = arrays(job, "kernel", "recurrent_kernel", "bias", "x", "dy")

    @jax.jit
    def compiled(weights, x, dy):
        y, pull = jax.vjp(forward, weights, x)
        return y, pull(dy)

    def run():
        return jax.block_until_ready(compiled(weights, x, dy))

    y, ((d_kernel, d_recurrent_kernel, d_bias), d_x) = run()
    answer = {"y": y, "d_x": d_x, "d_kernel": d_kernel}
    return answer | {"d_recurrent_kernel": d_recurrent_kernel, "d_bias": d_bias}, run


def step(job):
    import jax
    from jax import numpy as jnp

    x, y = arrays(job, "x", "y")
    names = ["kernel", "recurrent_kernel", "bias", "head_kernel", "head_bias"]
    weights = arrays(job, *names)

    def loss(weights, x, y):
        *weights, kernel, bias = weights
        return jnp.mean((forward(weights, x)[:, -1] @ kernel + bias - y) ** 2)

    def compiled(state, x, y):
        count, weights, means, squares = state
        value, grads = jax.value_and_grad(loss)(weights, x, y)
        count = count + 1
        rate = 0.001 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        means = [0.9 * m + 0.1 * g for m, g in zip(means, grads)]
        squares = [0.999 * s + 0.001 * g * g for s, g in zip(squares, grads)]
        moments = zip(weights, means, squares)
        weights = [w - rate * m / (jnp.sqrt(s) + 1e-7) for w, m, s in moments]
        return value, (count, weights, means, squares)

    compiled = jax.jit(compiled, donate_argnums=0)
    zeros = [jnp.zeros_like(w) for w in weights]
    state = (jnp.float32(0), weights, zeros, [jnp.zeros_like(w) for w in weights])

    def run():
        nonlocal state
        value, state = jax.block_until_ready(compiled(state, x, y))
        return value

    return {"losses": [float(run()) for _ in range(3)]}, run


protocol.serve(load)
