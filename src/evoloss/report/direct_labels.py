"""Names at the right ends of lines, in the place of a legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAP = 0.075
"""Share of the height between two names of small letters."""


def label_ends(
    axes: Axes,
    ends: Sequence[tuple[float, str, Any]],
    *,
    gap: float = GAP,
    fontsize: str | float = "small",
    at: float = 1.02,
) -> None:
    """Write a name beside the right end of each line, names apart from each other and within the axes.

    Args:
        axes: with their final limits, on linear or logarithmic scales.
        ends: the last value of each line, its name and its colour; values beyond the axes are taken to their
            edge.
        gap: between two names, as a share of the height.
        fontsize: of the names.
        at: where they begin, as a share of the width.
    """
    low, high = sorted(axes.get_ylim())
    ordered = sorted(ends, key=lambda end: -end[0])
    places: list[float] = []
    for value, _, _ in ordered:
        shown = axes.transData.transform((axes.get_xlim()[0], min(max(value, low), high)))
        wanted = float(axes.transAxes.inverted().transform(shown)[1])
        places.append(min(wanted, places[-1] - gap) if places else wanted)
    for number in range(len(places) - 1, -1, -1):
        least = places[number + 1] + gap if number + 1 < len(places) else 0.0
        places[number] = max(places[number], least)
    for (_, name, colour), place in zip(ordered, places, strict=True):
        axes.annotate(
            name, (at, place), xycoords="axes fraction", color=colour, fontsize=fontsize, va="center"
        )
