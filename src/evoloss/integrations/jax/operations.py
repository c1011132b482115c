"""The operations in JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from evoloss.formulas import BatchOperations, Value


class Jax:
    """See :class:`~evoloss.formulas.operations.BatchOperations`."""

    exp = staticmethod(jnp.exp)
    expm1 = staticmethod(jnp.expm1)
    log = staticmethod(jnp.log)
    log1p = staticmethod(jnp.log1p)
    logaddexp = staticmethod(jnp.logaddexp)
    sin = staticmethod(jnp.sin)
    cos = staticmethod(jnp.cos)
    tanh = staticmethod(jnp.tanh)
    sigmoid = staticmethod(jax.nn.sigmoid)
    softplus = staticmethod(jax.nn.softplus)
    rsqrt = staticmethod(jax.lax.rsqrt)
    floor = staticmethod(jnp.floor)
    where: Any = staticmethod(jnp.where)
    is_finite = staticmethod(jnp.isfinite)
    at_least = staticmethod(jnp.maximum)
    at_most = staticmethod(jnp.minimum)
    constant = staticmethod(jax.lax.stop_gradient)
    ones = staticmethod(jnp.ones_like)

    @staticmethod
    def alike(values: Mapping[str, Value], other: Value) -> Mapping[str, Value]:
        """See the protocol; so are the others."""
        return {name: value.astype(other.dtype) for name, value in values.items()}

    @staticmethod
    def total(value: Value) -> Value:
        """The sum over the last axis."""
        return value.sum(axis=-1)

    @staticmethod
    def count(condition: Value) -> Value:
        """The number of places along the last axis at which a condition holds."""
        return condition.sum(axis=-1)

    @staticmethod
    def beside(value: Value) -> Value:
        """A value with one axis more, the last."""
        return value[..., None]

    @staticmethod
    def threshold(value: Value, bound: float) -> Value:
        """The same, and 0 where it is not above a bound."""
        return jnp.where(value <= bound, 0.0, value)

    @staticmethod
    def between(start: Value, end: Value, share: Value) -> Value:
        """The place that is a share of the way from one value to another."""
        return start + share * (end - start)

    @staticmethod
    def array(numbers: Value, like: Value) -> Value:
        """Numbers as an array of the dtype of another."""
        return jnp.asarray(numbers, dtype=like.dtype)

    @staticmethod
    def numbers(value: Value, like: Value) -> Value:
        """A mask or an array in the dtype of another."""
        return value.astype(like.dtype)

    @staticmethod
    def wide(value: Value) -> Value:
        """The same in double precision, where that is switched on."""
        return value.astype(jnp.promote_types(jnp.result_type(float), jnp.float32))

    @staticmethod
    def eps(value: Value) -> float:
        """The distance from 1 to the next number of its dtype."""
        return float(jnp.finfo(value.dtype).eps)

    @staticmethod
    def places(n: int, like: Value) -> Value:
        """The whole numbers below n."""
        del like
        return jnp.arange(n)

    @staticmethod
    def stack(values: Sequence[Value]) -> Value:
        """Arrays of one shape under a new first axis."""
        return jnp.stack(tuple(values))

    @staticmethod
    def stack_last(values: Sequence[Value]) -> Value:
        """Arrays of one shape under a new last axis."""
        return jnp.stack(tuple(values), axis=-1)

    @staticmethod
    def stack_rows(values: Sequence[Value]) -> Value:
        """Arrays of one shape under a new axis before the last."""
        return jnp.stack(tuple(values), axis=-2)

    @staticmethod
    def column_sums(values: Value) -> Value:
        """The sums over the first axis."""
        return values.sum(axis=0)

    @staticmethod
    def logsumexp(values: Value) -> Value:
        """The logarithm of the sum of exponentials over the last axis."""
        return jax.nn.logsumexp(values, axis=-1)

    @staticmethod
    def mean(values: Value) -> Value:
        """The mean over the last axis."""
        return values.mean(axis=-1)

    @staticmethod
    def largest(values: Value) -> Value:
        """The largest entry along the last axis."""
        return values.max(axis=-1)

    @staticmethod
    def smallest(values: Value) -> Value:
        """The smallest entry along the last axis."""
        return values.min(axis=-1)

    @staticmethod
    def most_likely(values: Value) -> tuple[Value, Value]:
        """The largest entry of each row and its place."""
        return values.max(axis=-1), values.argmax(axis=-1)

    @staticmethod
    def least_likely(values: Value) -> Value:
        """The place of the smallest entry of each row."""
        return values.argmin(axis=-1)

    @staticmethod
    def chosen(values: Value, index: Value) -> Value:
        """The entry of each row at its index; NaN where there is none."""
        index = jnp.where(index < 0, values.shape[-1], index)  # else the last ones would be meant
        return jnp.take_along_axis(values, index[..., None], axis=-1, mode="fill")[..., 0]

    @staticmethod
    def by_class(values: Value, index: Value, n_classes: int) -> Value:
        """Values of samples added up by the class of each."""
        return jnp.zeros((len(values), n_classes), values.dtype).at[:, index].add(values)

    @staticmethod
    def rows(logits: Value, target: Value) -> tuple[Value, Value, Sequence[int]]:
        """Logits ``(..., C)`` as rows, their targets, and the shape of positions."""
        logits, target = jnp.asarray(logits), jnp.asarray(target)
        rows, shape = logits.reshape(-1, logits.shape[-1]), logits.shape[:-1]
        if target.shape == logits.shape:
            target = target.reshape(rows.shape)
        elif target.shape != shape:
            raise ValueError(f"target has shape {target.shape}, expected {shape} or {logits.shape}")
        else:
            target = target.reshape(-1)
        return rows.astype(jnp.promote_types(rows.dtype, jnp.float32)), target, shape

    @staticmethod
    def log_softmax(logits: Value) -> Value:
        """Log-probabilities along the last axis."""
        return jax.nn.log_softmax(logits, axis=-1)


JAX: BatchOperations = Jax()
