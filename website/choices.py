"""Tables of what losses give and cost, in situations that a user can tell before training.

A page asks for one by a comment, ``<!-- gains: SITUATION LOSS LOSS ... -->`` or ``<!-- rates: LOSS ... -->``.
The table from the committed results stands below it, up to ``<!-- gains end -->`` or ``<!-- rates end -->``.

    python -m website.choices            # name the pages whose tables are out of date
    python -m website.choices --write    # write the tables into the pages under docs/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import command
from benchmarks.harness.page import DOCS
from evoloss.atomic_files import write_text
from evoloss.errors import UnknownNameError
from website.gains import Gains, gains_of
from website.runs import BASELINE, ROOT, collect
from website.tables import points, table

_MARK = re.compile(
    r"^<!-- (?P<kind>gains|rates): (?P<words>.+) -->$(?:\n\n(?:\|.*\n)+\n<!-- (?P=kind) end -->$)?",
    re.MULTILINE,
)


def _long(one: Mapping[str, Any]) -> bool:
    """Trained for 30 epochs and more on the same samples, so that wrong labels can be learned by heart."""
    return bool(one["noise"] != "none" and not one["augmented"] and one["epochs"] >= 30)


SITUATIONS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "all": lambda one: True,
    "wrong-labels": lambda one: bool(one["noise"] != "none"),
    "right-labels": lambda one: bool(one["noise"] == "none"),
    "long-training": _long,
    "wrong-images": lambda one: bool(one["noise"] != "none" and one["samples"] >= 20_000),
    "right-images": lambda one: bool(one["noise"] == "none" and one["data"] == "CIFAR-10"),
    "tables-wrong": lambda one: bool(one["noise"] != "none" and one["study"] == "tabular"),
    "tables-right": lambda one: bool(one["noise"] == "none" and one["study"] == "tabular"),
    "few": lambda one: bool(one["noise"] == "none" and one["study"] == "transfer" and one["samples"] <= 500),
    "digits-wrong": lambda one: bool(one["noise"] != "none" and one["data"] == "digits"),
}
"""Conditions that are looked at together, by a name."""


def fill(markdown: str) -> str:
    """Return a page with its tables below their marks.

    Raises:
        UnknownNameError: if a mark names no situation.
        ValueError: if it names a loss without a run there.
    """

    def filled(found: re.Match[str]) -> str:
        kind, words = found["kind"], found["words"].split()
        lines = gains_table(words[0], words[1:]) if kind == "gains" else rates_table(words)
        return "\n".join([f"<!-- {kind}: {found['words']} -->", "", *lines, "", f"<!-- {kind} end -->"])

    return _MARK.sub(filled, markdown)


def due() -> dict[Path, str]:
    """The pages whose tables are not those of the committed results, as they should be."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
    return {path: made for path, text in texts.items() if (made := fill(text)) != text}


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Name the pages whose tables are out of date, or write them."""

    write: bool = False
    """Write the tables into the pages under docs/."""


def main(options: Choices) -> None:
    """Write, or name the pages."""
    for path, text in due().items():
        print(f"{'written' if options.write else 'out of date'}: {path.relative_to(ROOT)}")
        if options.write:
            write_text(path, text)


def gains_in(situation: str, loss: str) -> Gains:
    """A loss over the conditions of a situation that it was run in.

    Raises:
        ValueError: if there are none.
    """
    gains = gains_of(loss, SITUATIONS[situation])
    if gains is None:
        raise ValueError(f"{loss} has not been run in a condition of {situation}; leave it out of the table")
    return gains


def gains_where_all_ran(situation: str, losses: Sequence[str]) -> list[Gains]:
    """Losses side by side: over the conditions of a situation that all of them were run in.

    Raises:
        ValueError: if there are none.
    """
    shared = set.intersection(*({cell["id"] for cell in gains_in(situation, loss).cells} for loss in losses))
    found = [
        gains_of(loss, lambda one: SITUATIONS[situation](one) and one["id"] in shared) for loss in losses
    ]
    gains = [one for one in found if one is not None]
    if len(gains) < len(losses):
        raise ValueError(f"no condition of {situation} has all of {', '.join(losses)}")
    return gains


def gains_table(situation: str, losses: list[str]) -> list[str]:
    """The lines of a table: a loss a row, over the conditions of a situation that it was run in."""
    if situation not in SITUATIONS:
        raise UnknownNameError.among("situation", situation, SITUATIONS)
    rows = []
    for loss in losses:
        gains = gains_in(situation, loss)
        where, least = gains.worst
        best = max(gains.points.values())
        cells = [gains.median, gains.mean, best, least]
        rows.append([f"`{loss}`", *map(points, cells), where, str(len(gains.points)), str(gains.seeds)])
    head = ["loss", "median", "mean", "best", "worst", "worst where", "conditions", "seeds, at least"]
    return table(head, rows, "lrrrrlrr")


def rates_table(losses: list[str]) -> list[str]:
    """The lines of a table: how often a loss chose the learning rate that cross-entropy chose.

    Raises:
        ValueError: if a loss has not been run.
    """
    cells = collect()["cells"]
    reference = {cell["condition"]: cell["lr"] for cell in cells if cell["loss"] == BASELINE}
    rows = []
    for loss in losses:
        own = [(cell["lr"], reference[cell["condition"]]) for cell in cells if cell["loss"] == loss]
        if not own:
            raise ValueError(f"{loss} has not been run; leave it out of the table")
        counts = (sum(a < b for a, b in own), sum(a == b for a, b in own), sum(a > b for a, b in own))
        rows.append([f"`{loss}`", *map(str, counts)])
    return table(["loss", "a lower rate", "the same", "a higher rate"], rows, "lrrr")


if __name__ == "__main__":
    command.run(Choices, main)
