"""Parameters of a test of which a few run each time and all among the slow tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(values: Iterable[Any], every: int) -> list[Any]:
    """The values for ``parametrize``, tuples for several names; all but every so many-th are slow."""
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)),
            marks=() if position % every == 0 else pytest.mark.slow,
        )
        for position, value in enumerate(values)
    ]
