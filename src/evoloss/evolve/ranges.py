"""Numbers and ranges as people write them: ``3``, ``100-400``, ``0.2-0.5``, ``10m``."""

from __future__ import annotations

import math
import re

from evoloss.errors import ConfigError
from evoloss.safe_text import quoted

_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"
_RANGE = re.compile(rf"\s*({_NUMBER})(?:\s*(?:-|\.\.|to)\s*({_NUMBER}))?\s*")
_BUDGET = re.compile(rf"\s*(?:({_NUMBER})\s*h)?\s*(?:({_NUMBER})\s*m(?:in)?)?\s*(?:({_NUMBER})\s*s)?\s*")


def whole_range(name: str, text: str, least: int, most: int) -> tuple[int, int]:
    """Read a range of whole numbers, or one number.

    Args:
        name: of the setting, for the error.
        text: such as ``100-400`` or ``3``.
        least: the smallest number that is allowed.
        most: the largest.

    Raises:
        ConfigError: if it is no range, or out of bounds.

    Example:
        >>> whole_range("samples", "100-400", 4, 100_000), whole_range("classes", "3", 2, 1000)
        ((100, 400), (3, 3))
    """
    low, high = _range(name, text, f"a whole number or a range, as 3 or 100-400, from {least:,} to {most:,}")
    if low != int(low) or high != int(high) or not least <= low <= high <= most:
        raise ConfigError(
            f"--{name} must be a whole number or a range, the smaller number first, from {least:,} to "
            f"{most:,}; got {quoted(text)}"
        )
    return int(low), int(high)


def share_range(name: str, text: str, most: float) -> tuple[float, float]:
    """Read a range of shares, or one share, from 0.

    Raises:
        ConfigError: if it is no range, or out of bounds.

    Example:
        >>> share_range("noise", "0.2-0.5", 0.95)
        (0.2, 0.5)
    """
    low, high = _range(name, text, f"a share or a range of shares, as 0.3 or 0.2-0.5, from 0 to {most:g}")
    if not 0 <= low <= high <= most:
        hint = "; a share is 0.2, not 20" if 1 < high <= 100 else ""
        raise ConfigError(
            f"--{name} must be a share or a range of shares, the smaller one first, from 0 to {most:g}; got "
            f"{quoted(text)}{hint}"
        )
    return low, high


def _range(name: str, text: str, expected: str) -> tuple[float, float]:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ConfigError(f"--{name} must be {expected}; got {quoted(text)}")
    return float(found[1]), float(found[2] or found[1])


def seconds_of(text: str) -> float:
    """Read a budget of time: hours, minutes and seconds with their letters.

    Raises:
        ConfigError: if it is none, or not above 0.

    Example:
        >>> seconds_of("10m"), seconds_of("1h30m"), seconds_of("45s")
        (600.0, 5400.0, 45.0)
    """
    found = _BUDGET.fullmatch(text)
    parts = () if found is None else found.groups()
    seconds = sum(float(part) * unit for part, unit in zip(parts, (3600, 60, 1), strict=False) if part)
    if not 0 < seconds < math.inf:
        raise ConfigError(f"--budget must be a time such as 10m, 90s or 1h30m; got {quoted(text)}")
    return seconds


def time_text(seconds: float) -> str:
    """Write a time for people.

    Example:
        >>> time_text(600), time_text(75), time_text(5400), time_text(9)
        ('10 min', '1 min 15 s', '1 h 30 min', '9 s')
    """
    whole = max(0, round(seconds))
    hours, minutes, left = whole // 3600, whole // 60 % 60, whole % 60
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else left, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
