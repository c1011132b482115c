"""optax with a loss of its own, as on docs/how-to/frameworks.md with one of evoloss that has a state."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

x, y = load_digits(return_X_y=True)
x = (x / 16).astype(np.float32)
optimizer = optax.adam(0.01)
params = {"w": jnp.zeros((64, 10)), "b": jnp.zeros(10)}
moments = optimizer.init(params)


@jax.jit
def step(params, moments, x, y):
    def cost(params):
        return optax.softmax_cross_entropy_with_integer_labels(x @ params["w"] + params["b"], y).mean()

    grads = jax.grad(cost)(params)
    updates, moments = optimizer.update(grads, moments, params)
    return optax.apply_updates(params, updates), moments


order = np.random.default_rng(0)
for _epoch in range(5):
    for rows in order.permutation(len(y))[:1792].reshape(28, 64):
        params, moments = step(params, moments, x[rows], y[rows])

costs = optax.softmax_cross_entropy_with_integer_labels(jnp.zeros((8, 10)), jnp.arange(8))
