"""Things that the charts of a search share: measures, series with their colours, generations shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from evoloss.pretraining.history import GenerationRecord
from evoloss.report.html.controls import Control, checkboxes

FLOOR = 1e-6
"""A share of couples below this is drawn here, since the axis is logarithmic."""
DIGITS = 6
"""Significant ones of a number that is drawn."""
SHARE_AXIS: dict[str, Any] = {"scale": {"type": "log"}, "axis": {"tickCount": 3, "format": "~%"}}
"""Of shares of couples: a line a power of ten, and no more."""
COLOURS = {"best": 5, "parents": 5, "mean": 1}
"""Series of a search, and their places among the colours: that of one generation, and that of its mean."""
_MOST_GENERATIONS = 600


def series_control(texts: Mapping[str, str]) -> Control:
    """The control of the series that a chart shows: all of them at first, with their texts and colours."""
    control = checkboxes("series", "Shown", list(texts), list(texts))
    for option in control["options"]:
        option["text"], option["series"] = texts[option["value"]], COLOURS[option["value"]]
    return control


def colour_of(series: str) -> str:
    """The colour of a series, as the theme of the page names it."""
    return f"theme:series{COLOURS[series]}"


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
