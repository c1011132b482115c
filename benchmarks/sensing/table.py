"""The table of the courses on fresh seeds, in ``docs/adaptive.md``.

    python -m benchmarks.sensing.table             # print it
    python -m benchmarks.sensing.table --write     # put it between the marks of the page

Seeds from 101 on: none of the loss's numbers was chosen with them.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cifar10_20k.conditions import CONDITIONS
from benchmarks.harness import command
from benchmarks.harness.markdown import numbers_table
from benchmarks.harness.page import DOCS, replace_between
from benchmarks.harness.results import read_record
from benchmarks.sensing.run import FIRST_SEED, OUT
from evoloss.atomic_files import write_text

PAGE = DOCS / "adaptive.md"
BEGIN, END = "<!-- results: python -m benchmarks.sensing.table --write -->", "<!-- results end -->"
LOSSES = {"cross_entropy": "cross-entropy", "gce": "GCE", "sensing": "`adaptive`"}
"""The columns; the last one is compared with each of the others, seed by seed."""
Course = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Make the table."""

    courses: Path = OUT
    """File of the courses."""
    first_seed: int = FIRST_SEED + 1
    """Courses of earlier seeds are left out."""
    write: bool = False
    """Put it into the page."""


def table(courses: Iterable[Course], first_seed: int) -> list[str]:
    """A row for each condition in which all three losses have a seed in common."""
    *others, own = LOSSES
    rows = []
    by_key = {(course["condition"], course["loss"], course["seed"]): course for course in courses}
    for condition in CONDITIONS:
        seeds = sorted(
            seed
            for name, loss, seed in by_key
            if name == condition.name
            and loss == own
            and seed >= first_seed
            and all((name, other, seed) in by_key for other in others)
        )
        if not seeds:
            continue
        found = {loss: [by_key[condition.name, loss, seed] for seed in seeds] for loss in LOSSES}
        accuracies = (_accuracy(found[loss]) for loss in LOSSES)
        gains = (_gain(found[own], found[other]) for other in others)
        rows.append((condition.title, str(len(seeds)), *accuracies, *gains))
    heads = ("accuracy, %", "seeds", *LOSSES.values(), *(f"over {LOSSES[other]}" for other in others))
    return numbers_table(heads, rows)


def _accuracy(courses: Sequence[Course]) -> str:
    last, best = (statistics.mean(course[when] for course in courses) for when in ("last", "best"))
    return f"{last:.1f} ({best:.1f})"


def _gain(own: Sequence[Course], other: Sequence[Course]) -> str:
    gains = [one["last"] - two["last"] for one, two in zip(own, other, strict=True)]
    each = f" ({min(gains):+.1f} to {max(gains):+.1f})" if len(gains) > 1 else ""
    return f"{statistics.mean(gains):+.1f}{each}"


def main(options: Table) -> None:
    """Print or write."""
    lines = table(read_record(options.courses).values(), options.first_seed)
    if options.write:
        write_text(PAGE, replace_between(PAGE.read_text(encoding="utf-8"), BEGIN, END, lines))
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    command.run(Table, main)
