"""The operations on NumPy arrays and plain numbers, for the statistics of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from evoloss.formulas.operations import Operations, Value


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


ARRAYS: Operations = _Arrays()
"""One array of classes or samples, beside plain numbers."""
POPULATIONS: Operations = _Populations()
"""Arrays of any shape, the classes last, beside plain numbers."""
FLOATS: Operations = _Floats()
