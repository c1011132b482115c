"""Measures of a search's course that charts share, and how many generations they show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from evoloss.pretraining.history import GenerationRecord

FLOOR = 1e-6
"""A share of couples below this is drawn here, since the axis is logarithmic."""
DIGITS = 6
"""Significant ones of a number that is drawn."""
SHARE_AXIS: dict[str, Any] = {"scale": {"type": "log"}, "axis": {"tickCount": 3, "format": "~%"}}
"""Of shares of couples: a line a power of ten, and no more."""
_MOST_GENERATIONS = 600


def disorder(consistency: float) -> float:
    """The share of couples in the wrong order, as it is drawn."""
    return max(1 - consistency, FLOOR)


def thinned(history: Sequence[GenerationRecord]) -> list[GenerationRecord]:
    """As many generations as a chart shows; all in which something was held out."""
    step = math.ceil(len(history) / _MOST_GENERATIONS) or 1
    return [
        row
        for place, row in enumerate(history)
        if place % step == 0 or row is history[-1] or (step < 20 and row.held_out_consistency is not None)
    ]
