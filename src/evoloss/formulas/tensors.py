"""The operations in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from evoloss.formulas.operations import BatchOperations, Value


class Tensors:
    """See :class:`~evoloss.formulas.operations.BatchOperations`."""

    exp = staticmethod(torch.exp)
    expm1 = staticmethod(torch.expm1)
    log = staticmethod(torch.log)
    log1p = staticmethod(torch.log1p)
    logaddexp = staticmethod(torch.logaddexp)
    sin = staticmethod(torch.sin)
    cos = staticmethod(torch.cos)
    tanh = staticmethod(torch.tanh)
    sigmoid = staticmethod(torch.sigmoid)
    softplus = staticmethod(F.softplus)
    rsqrt = staticmethod(torch.rsqrt)
    floor = staticmethod(torch.floor)
    where: Any = staticmethod(torch.where)
    is_finite = staticmethod(torch.isfinite)
    stack: Any = staticmethod(torch.stack)
    ones = staticmethod(torch.ones_like)

    @staticmethod
    def alike(values: Mapping[str, Value], other: Value) -> Mapping[str, Value]:
        """Values by name in the dtype of another."""
        dtype = other.dtype
        return {name: value if value.dtype == dtype else value.to(dtype) for name, value in values.items()}

    @staticmethod
    def at_least(value: Value, bound: Value) -> Value:
        """The larger one."""
        return value.clamp(min=bound)

    @staticmethod
    def at_most(value: Value, bound: Value) -> Value:
        """The smaller one."""
        return value.clamp(max=bound)

    @staticmethod
    def total(value: Value) -> Value:
        """The sum over the last axis."""
        return value.sum(dim=-1)

    @staticmethod
    def count(condition: Value) -> Value:
        """The number of places along the last axis at which a condition holds."""
        return condition.sum(dim=-1)

    @staticmethod
    def beside(value: Value) -> Value:
        """A value with one axis more, the last."""
        return value[..., None]

    @staticmethod
    def threshold(value: Value, bound: float) -> Value:
        """The same, and 0 where it is not above a bound."""
        return F.threshold(value, bound, 0.0)

    @staticmethod
    def between(start: Value, end: Value, share: Value) -> Value:
        """The place that is a share of the way from one value to another."""
        return torch.lerp(start, end, share)

    @staticmethod
    def constant(value: Value) -> Value:
        """The same, of which no gradient is taken."""
        return value.detach()

    @staticmethod
    def array(numbers: Value, like: Value) -> Value:
        """Numbers as a tensor of the dtype of another, where that is."""
        return torch.as_tensor(numbers, dtype=like.dtype, device=like.device)

    @staticmethod
    def numbers(value: Value, like: Value) -> Value:
        """A mask or a tensor in the dtype of another."""
        return value.to(like.dtype)

    @staticmethod
    def wide(value: Value) -> Value:
        """The same in double precision, which Apple's GPUs do not have."""
        return value.to(torch.float32 if value.device.type == "mps" else torch.float64)

    @staticmethod
    def eps(value: Value) -> float:
        """The distance from 1 to the next number of its dtype."""
        return torch.finfo(value.dtype).eps

    @staticmethod
    def places(n: int, like: Value) -> Value:
        """The whole numbers below n."""
        return torch.arange(n, device=like.device)

    @staticmethod
    def stack_last(values: Sequence[Value]) -> Value:
        """Tensors of one shape under a new last axis."""
        return torch.stack(tuple(values), dim=-1)

    @staticmethod
    def stack_rows(values: Sequence[Value]) -> Value:
        """Tensors of one shape under a new axis before the last."""
        return torch.stack(tuple(values), dim=-2)

    @staticmethod
    def logsumexp(values: Value) -> Value:
        """The logarithm of the sum of exponentials over the last axis."""
        return values.logsumexp(dim=-1)

    @staticmethod
    def mean(values: Value) -> Value:
        """The mean over the last axis."""
        return values.mean(dim=-1)

    @staticmethod
    def column_sums(values: Value) -> Value:
        """The sums over the first axis."""
        return values.sum(dim=0)

    @staticmethod
    def largest(values: Value) -> Value:
        """The largest entry along the last axis."""
        return values.amax(dim=-1)

    @staticmethod
    def smallest(values: Value) -> Value:
        """The smallest entry along the last axis."""
        return values.amin(dim=-1)

    @staticmethod
    def most_likely(values: Value) -> tuple[Value, Value]:
        """The largest entry of each row and its place."""
        return values.amax(dim=-1), values.argmax(dim=-1)

    @staticmethod
    def least_likely(values: Value) -> Value:
        """The place of the smallest entry of each row."""
        return values.argmin(dim=-1)

    @staticmethod
    def chosen(values: Value, index: Value) -> Value:
        """The entry of each row at its index."""
        return values.gather(-1, index[..., None]).squeeze(-1)

    @staticmethod
    def by_class(values: Value, index: Value, n_classes: int) -> Value:
        """Values of samples added up by the class of each."""
        return values.new_zeros(len(values), n_classes).index_add(1, index, values)

    @staticmethod
    def rows(logits: Value, target: Value) -> tuple[Value, Value, Sequence[int]]:
        """Logits ``(C)`` or ``(N, C, d1, ...)`` as rows, their targets, and the shape of positions."""
        axis = 0 if logits.dim() == 1 else 1
        shape = [*logits.shape[:axis], *logits.shape[axis + 1 :]]
        rows = logits.movedim(axis, -1).reshape(-1, logits.shape[axis])
        if target.shape == logits.shape:
            target = target.movedim(axis, -1).reshape(rows.shape)
        elif list(target.shape) != shape:
            raise ValueError(f"target has shape {tuple(target.shape)}, expected {tuple(shape)}")
        elif target.is_floating_point():
            raise ValueError(f"target holds class indices, expected whole numbers, got {target.dtype}")
        else:
            target = target.reshape(-1).long()
        return rows.to(torch.promote_types(rows.dtype, torch.float32)), target, shape

    @staticmethod
    def log_softmax(logits: Value) -> Value:
        """Log-probabilities along the last axis."""
        return F.log_softmax(logits, dim=-1)


TENSORS: BatchOperations = Tensors()
