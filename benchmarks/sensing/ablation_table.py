"""The table of a sensing loss without one of its parts, from the courses that were run.

python -m benchmarks.sensing.ablation_table --write    # the table of the README
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import command
from benchmarks.harness.markdown import numbers_table
from benchmarks.harness.page import replace_between
from benchmarks.harness.results import read_record
from benchmarks.sensing.ablations import ABLATIONS
from evoloss.atomic_files import write_text

COURSES = Path(__file__).parent / "results/courses.json"
README = Path(__file__).parent / "README.md"
MARKS = "<!-- ablations: python -m benchmarks.sensing.ablation_table --write -->", "<!-- ablations end -->"
FIRST_SEED = 110
"""Courses of seeds before it are of earlier forms of the loss."""
IN_WORDS = {
    "cross_entropy": "cross-entropy",
    "sensing": "`adaptive`",
    "sensor-off": "nothing counts as memorised",
    "doubt-from-the-start": "doubt from the first batch on",
    "without-rival": "no rival: doubt by the label's own probability",
    "classes-alike": "doubt in all classes alike",
    "cross-entropy-first": "cross-entropy before memorising",
}


@dataclass(frozen=True, kw_only=True)
class AblationTable:
    """Print the table, or write it."""

    courses: Path = COURSES
    """File of the courses."""
    write: bool = False
    """Write the table of the README."""


def table(courses: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line a loss: mean accuracy in the last epoch, in each condition that has an ablation."""
    runs = [run for run in courses.values() if run["seed"] >= FIRST_SEED and run["loss"] in IN_WORDS]
    wanted = {run["condition"] for run in runs if run["loss"] in ABLATIONS and run["loss"] != "sensing"}
    conditions = list(dict.fromkeys(run["condition"] for run in runs if run["condition"] in wanted))
    rows = []
    for loss, words in IN_WORDS.items():
        cells = [
            _accuracy(run["last"] for run in runs if (run["loss"], run["condition"]) == (loss, condition))
            for condition in conditions
        ]
        if any(cell != "–" for cell in cells):
            rows.append([words, *cells])
    return numbers_table(["loss", *conditions], rows)


def _accuracy(found: Iterable[float]) -> str:
    values = list(found)
    if not values:
        return "–"
    return f"{statistics.fmean(values):.1f}" + (f" ({len(values)} seeds)" if len(values) > 1 else "")


def main(settings: AblationTable) -> None:
    """Print the table, or write it into the README."""
    made = table(read_record(settings.courses))
    if settings.write:
        write_text(README, replace_between(README.read_text(encoding="utf-8"), *MARKS, made))
    else:
        print("\n".join(made))


if __name__ == "__main__":
    command.run(AblationTable, main)
