"""Ranges of the parameters of losses: one declaration for the check, the messages and the public list."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from evoloss.errors import ConfigError
from evoloss.losses.call.numbers import python_number, shown_number

__all__ = ["Range", "Ranges", "Scale", "in_range"]

_LEAST, _LARGEST = 1e-30, 1e30  # in size, of a number that float32 holds with its products in a loss

Scale = Literal["linear", "log"]
"""Best way to search a parameter: by its value, or by its logarithm."""


@dataclass(frozen=True)
class Range:
    """The numbers that a parameter may be: [low, high], or (low, high] with ``above``.

    Losses compute in float32. So of these only 0 and what is from 1e-30 to 1e30 in size is meant: others are
    0 or infinite there, or leave products that are.

    Attributes:
        low: smallest value allowed.
        high: largest value allowed; infinity where there is no largest one.
        above: whether ``low`` itself is refused.
        scale: how the parameter is best searched.
        search: smallest and largest value that a search of hyperparameters is advised to try, both allowed
            and finite; None for the whole range.
    """

    low: float
    high: float = math.inf
    above: bool = False
    scale: Scale = "linear"
    search: tuple[float, float] | None = None

    def __contains__(self, number: float) -> bool:
        return self._spans(number) and (number == 0 or _LEAST <= abs(number) <= _LARGEST)

    def _spans(self, number: float) -> bool:
        return self.low < number <= self.high if self.above else self.low <= number <= self.high

    def refusal(self, number: object) -> str:
        """The words for what a number has to be that is refused."""
        if isinstance(number, int | float) and math.inf > number and self._spans(number):
            return f"{self}, and 0 or {_LEAST:g} to {_LARGEST:g} in size, since losses compute in float32"
        return str(self)

    def __str__(self) -> str:
        return f"{'above' if self.above else 'at least'} {self.low:g}" + (
            f" and at most {self.high:g}" if self.high < math.inf else ""
        )


Ranges = Mapping[str, Range]
"""The ranges of a loss's own parameters, by their names."""


def in_range(loss: str, name: str, value: float, allowed: Range) -> float:
    """Return the parameter as a float if it lies in its range.

    Args:
        loss: name of the loss, for the message.
        name: name of the parameter, for the message.
        value: what was given; infinite values are refused.
        allowed: the range.

    Raises:
        ConfigError: if the value is not a number in the range.
    """
    number = python_number(value, real=True)
    if isinstance(number, float) and number in allowed:
        return number
    raise ConfigError(f"{loss}: {name} must be a number {allowed.refusal(number)}, got {shown_number(value)}")
