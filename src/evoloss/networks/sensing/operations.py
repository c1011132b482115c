"""The operations of a formula that is written once, for tensors, for NumPy arrays and for plain numbers.

Plain numbers and short arrays are for eager calls on a CPU: an operation of PyTorch takes microseconds there
whatever its size, one of NumPy one, and one of Python a tenth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch

Value = Any
"""A tensor, a NumPy array or a number."""


class Operations(Protocol):
    """The operations that a formula asks for beside arithmetic."""

    def exp(self, value: Value) -> Value:
        """The exponential."""

    def expm1(self, value: Value) -> Value:
        """The exponential, less 1, to all digits."""

    def log(self, value: Value) -> Value:
        """The natural logarithm, of what is above 0."""

    def where(self, condition: Value, yes: Value, no: Value) -> Value:
        """One or the other; both are worked out."""

    def at_least(self, value: Value, bound: Value) -> Value:
        """The larger one."""

    def at_most(self, value: Value, bound: Value) -> Value:
        """The smaller one."""

    def floor(self, value: Value) -> Value:
        """The whole number below."""

    def alike(self, values: Mapping[str, Value], other: Value) -> Mapping[str, Value]:
        """The same in the dtype of another value, where values have dtypes."""

    def total(self, value: Value) -> Value:
        """The sum over the last axis; a plain number of an array."""

    def count(self, condition: Value) -> Value:
        """The number of places along the last axis at which a condition holds; a plain number of an array."""

    def beside(self, value: Value) -> Value:
        """A value that broadcasts with values of each class or sample, which have one axis more, the last."""


class _Tensors:
    exp = staticmethod(torch.exp)
    expm1 = staticmethod(torch.expm1)
    log = staticmethod(torch.log)
    floor = staticmethod(torch.floor)
    where: Any = staticmethod(torch.where)

    @staticmethod
    def alike(values: Mapping[str, Value], other: Value) -> Mapping[str, Value]:
        dtype = other.dtype
        return {name: value if value.dtype == dtype else value.to(dtype) for name, value in values.items()}

    @staticmethod
    def at_least(value: Value, bound: Value) -> Value:
        return value.clamp(min=bound)

    @staticmethod
    def at_most(value: Value, bound: Value) -> Value:
        return value.clamp(max=bound)

    @staticmethod
    def total(value: Value) -> Value:
        return value.sum(dim=-1)

    @staticmethod
    def count(condition: Value) -> Value:
        return condition.sum(dim=-1)

    @staticmethod
    def beside(value: Value) -> Value:
        return value[..., None]


class _OneTraining:
    """Numbers of one training, all in double precision or of no dtype."""

    @staticmethod
    def beside(value: Value) -> Value:
        return value

    @staticmethod
    def alike(values: Mapping[str, Value], other: Value) -> Mapping[str, Value]:
        del other
        return values


class _Arrays(_OneTraining):
    exp = staticmethod(np.exp)
    expm1 = staticmethod(np.expm1)
    log = staticmethod(np.log)
    floor = staticmethod(np.floor)
    where = staticmethod(np.where)
    at_least = staticmethod(np.maximum)
    at_most = staticmethod(np.minimum)

    @staticmethod
    def total(value: Value) -> Value:
        return np.add.reduce(value).item()

    @staticmethod
    def count(condition: Value) -> Value:
        return np.count_nonzero(condition)


class _Floats(_OneTraining):
    exp = staticmethod(math.exp)
    expm1 = staticmethod(math.expm1)
    log = staticmethod(math.log)
    floor = staticmethod(math.floor)
    at_least: Any = staticmethod(max)
    at_most: Any = staticmethod(min)

    @staticmethod
    def where(condition: Value, yes: Value, no: Value) -> Value:
        return yes if condition else no

    @staticmethod
    def total(value: Value) -> Value:
        return value

    @staticmethod
    def count(condition: Value) -> Value:
        return int(condition)


_NUMBER = (float, int)  # a pair, made once: these tests take longer than what they decide on


class _Populations(_Floats):
    """Plain numbers stay such, as what all candidates have in common is."""

    @staticmethod
    def expm1(value: Value) -> Value:
        return math.expm1(value) if isinstance(value, float) else np.expm1(value)

    @staticmethod
    def where(condition: Value, yes: Value, no: Value) -> Value:
        if isinstance(condition, bool):
            return yes if condition else no
        return np.where(condition, yes, no)

    @staticmethod
    def at_least(value: Value, bound: Value) -> Value:
        both = isinstance(value, _NUMBER) and isinstance(bound, _NUMBER)
        return (max if both else np.maximum)(value, bound)

    @staticmethod
    def at_most(value: Value, bound: Value) -> Value:
        both = isinstance(value, _NUMBER) and isinstance(bound, _NUMBER)
        return (min if both else np.minimum)(value, bound)

    @staticmethod
    def total(value: Value) -> Value:
        return np.add.reduce(value, axis=-1)

    @staticmethod
    def count(condition: Value) -> Value:
        return np.count_nonzero(condition, axis=-1)

    @staticmethod
    def beside(value: Value) -> Value:
        return value if isinstance(value, float) else value[..., None]


TENSORS: Operations = _Tensors()
ARRAYS: Operations = _Arrays()
"""One array of classes or samples, beside plain numbers."""
POPULATIONS: Operations = _Populations()
"""Arrays of any shape, the classes last, beside plain numbers."""
FLOATS: Operations = _Floats()


def limited(on: Operations, value: Value) -> Value:
    """A value kept from 0 to 1."""
    return on.at_most(on.at_least(value, 0.0), 1.0)
