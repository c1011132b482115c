"""Losses as pure functions of JAX, for optax, flax and whatever takes gradients of functions.

They are the formulas of the PyTorch losses, evaluated by JAX.
"""

from evoloss.errors import MissingExtraError

try:
    import jax  # noqa: F401 - to say which extra brings it
except ImportError as error:
    raise MissingExtraError.of("jax", "jax", "evoloss.integrations.jax") from error

from evoloss.integrations.jax.loss import JaxLoss, functional, per_example

__all__ = ["JaxLoss", "functional", "per_example"]
