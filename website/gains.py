"""What losses give over cross-entropy, over the committed conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from benchmarks.harness.study_results import Overall
from website.runs import BASELINE, collect

Kept = Callable[[Mapping[str, Any]], bool]
"""Whether a condition is looked at."""


@dataclass(frozen=True)
class Gains(Overall):
    """A loss over conditions, with the cells that it is made of: each a condition's facts and the loss's."""

    cells: tuple[Mapping[str, Any], ...] = ()


def always(condition: Mapping[str, Any]) -> bool:
    """Keep every condition."""
    return True


@cache
def gains_of(loss: str, kept: Kept = always) -> Gains | None:
    """A loss over the conditions that are kept and that it was run in beside cross-entropy; None if none.

    Example:
        >>> gains = gains_of("gce", lambda condition: condition["noise"] == "none")
        >>> gains.worst[1] <= gains.median <= max(gains.points.values())
        True
    """
    document = collect()
    conditions = {one["id"]: one for one in document["conditions"]}
    cells = tuple(
        conditions[cell["condition"]] | cell
        for cell in document["cells"]
        if cell["loss"] == loss and cell["difference"] is not None and kept(conditions[cell["condition"]])
    )
    if not cells or loss == BASELINE:
        return None
    found = {f"{cell['title']}, {cell['samples']:,} samples": cell["difference"] for cell in cells}
    if len(found) != len(cells):
        raise ValueError(f"two conditions of {loss} have one title: {sorted(found)}")
    return Gains(loss, found, min(cell["seeds"] for cell in cells), cells)
