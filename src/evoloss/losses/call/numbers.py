"""Numbers as users give them."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from torch import Tensor

from evoloss.errors import ConfigError

__all__ = ["positive_count", "python_number"]


def python_number(value: Any, *, real: bool = False) -> Any:
    """Turn a number of NumPy, or a tensor or array that holds one number, into one of Python, which compiles.

    Anything else, booleans too, stays what it is, for whoever uses it to refuse.

    Args:
        value: what was given.
        real: make a float of every number; else only integers are numbers.
    """
    if isinstance(value, Tensor) and value.dim() == 0:
        value = value.item()
    elif isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, bool):
        return value
    if real and isinstance(value, numbers.Real):
        return float(value)
    return int(value) if isinstance(value, numbers.Integral) else value


def positive_count(name: str, value: object, of: str) -> int:
    """A whole number of at least 1, also of NumPy, as Python's.

    Args:
        name: of the argument.
        value: what was given.
        of: whose argument it is, for the error.

    Raises:
        ConfigError: if it is none.
    """
    number = python_number(value)
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ConfigError(f"{of}: {name} must be a whole number, at least 1, got {value!r}")
    return number
