"""Tables of what losses give and cost, in situations that a user can tell before training.

A page asks for one by a comment, ``<!-- gains: SITUATION LOSS LOSS ... -->``; when the site is built, a table
from the committed results takes its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from evoloss.errors import UnknownNameError
from website.gains import gains_of
from website.tables import points, table

_MARK = re.compile(r"^<!-- gains: (\S+) (.+) -->$", re.MULTILINE)


def _memorised(one: Mapping[str, Any]) -> bool:
    """Trained so long, without augmentation, that the network gives wrong labels back."""
    return bool(one["noise"] != "none" and not one["augmented"] and one["epochs"] >= 30)


SITUATIONS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "all": lambda one: True,
    "wrong-labels": lambda one: bool(one["noise"] != "none"),
    "right-labels": lambda one: bool(one["noise"] == "none"),
    "memorised": _memorised,
    "wrong-images": lambda one: bool(one["noise"] != "none" and one["samples"] >= 20_000),
    "right-images": lambda one: bool(one["noise"] == "none" and one["data"] == "CIFAR-10"),
    "tables-wrong": lambda one: bool(one["noise"] != "none" and one["study"] == "tabular"),
    "tables-right": lambda one: bool(one["noise"] == "none" and one["study"] == "tabular"),
    "few": lambda one: bool(one["noise"] == "none" and one["study"] == "transfer" and one["samples"] <= 500),
    "digits-wrong": lambda one: bool(one["noise"] != "none" and one["data"] == "digits"),
}
"""Conditions that are looked at together, by a name."""


def fill(markdown: str) -> str:
    """Replace the marks of a page by their tables.

    Raises:
        UnknownNameError: if a mark names no situation.
        ValueError: if it names a loss without a run there.
    """
    return _MARK.sub(lambda found: "\n".join(gains_table(found[1], found[2].split())), markdown)


def gains_table(situation: str, losses: list[str]) -> list[str]:
    """The lines of a table: a loss a row, over the conditions of a situation that it was run in."""
    if situation not in SITUATIONS:
        raise UnknownNameError.among("situation", situation, SITUATIONS)
    rows = []
    for loss in losses:
        gains = gains_of(loss, SITUATIONS[situation])
        if gains is None:
            raise ValueError(
                f"{loss} has not been run in a condition of {situation}; leave it out of the table"
            )
        where, least = gains.worst
        best = max(gains.points.values())
        rows.append(
            [
                f"`{loss}`",
                points(gains.median),
                points(gains.mean),
                points(best),
                f"{points(least)}, {where}",
                str(len(gains.points)),
                str(gains.seeds),
            ]
        )
    head = ["loss", "median", "mean", "best", "worst", "conditions", "fewest seeds"]
    return table(head, rows, "lrrrlrr")
