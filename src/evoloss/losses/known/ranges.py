"""The check that a loss's own parameter is inside its range."""

from __future__ import annotations

import math

from evoloss.errors import ConfigError
from evoloss.losses.call.numbers import python_number

__all__ = ["in_range"]


def in_range(
    loss: str,
    name: str,
    value: float,
    low: float,
    high: float = math.inf,
    *,
    above: bool = False,
) -> float:
    """Return the parameter as a float if it lies in [low, high], or in (low, high] with ``above``.

    Args:
        loss: name of the loss, for the message.
        name: name of the parameter, for the message.
        value: what was given; infinite values are refused.
        low: smallest value allowed.
        high: largest value allowed.
        above: whether ``low`` itself is refused.

    Raises:
        ConfigError: if the value is not a finite number in the range.
    """
    converted = python_number(value, real=True)
    number = converted if isinstance(converted, float) else math.nan
    inside = low < number <= high if above else low <= number <= high
    if inside and math.isfinite(number):
        return number
    bounds = f"{'above' if above else 'at least'} {low:g}" + (
        f" and at most {high:g}" if high < math.inf else ""
    )
    raise ConfigError(f"{loss}: {name} must be a number {bounds}, got {value!r}")
