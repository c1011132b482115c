"""Numbers as users give them."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.safe_text import quoted

__all__ = ["LARGEST_COUNT", "positive_count", "python_number", "shown_number"]

LARGEST_COUNT = 10**15
"""Of samples or epochs: nobody has as many, and int64 and float64 hold it."""
_LONGEST = 200  # bits of a whole number that is shown digit by digit


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
        try:
            return float(value)
        except OverflowError:  # a whole number that no float is
            return value
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
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= LARGEST_COUNT:
        most = f" and at most {LARGEST_COUNT:,}" if isinstance(number, int) and number > 1 else ""
        raise ConfigError(f"{of}: {name} must be a whole number, at least 1{most}, got {shown_number(value)}")
    return number


def shown_number(value: object) -> str:
    """A number as it was given, for an error; of a whole number that Python does not write its size."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > _LONGEST:
        return f"a whole number of {value.bit_length():,} bits"
    return quoted(value)
