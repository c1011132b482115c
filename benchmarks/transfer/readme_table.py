"""The README's headline table, from the results of ``benchmarks.transfer.run``.

    python -m benchmarks.transfer.readme_table          # prints it
    python -m benchmarks.transfer.readme_table --write  # puts it between the marks in README.md

A cell is a loss's accuracy less cross-entropy's, with half its 95 % interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.harness.markdown import difference_text, numbers_table
from benchmarks.transfer.conditions import CONDITIONS
from benchmarks.transfer.page import load
from evoloss.atomic_files import write_text
from evoloss.compare.results import Results
from evoloss.zoo import SHIPPED

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- headline: python -m benchmarks.transfer.readme_table --write -->", "<!-- headline ends -->"
LOSSES = (
    *SHIPPED,
    "label_smoothing",
    "gce",
    "sce",
    "smoothed_log",
    "nce_rce",
    "anl_ce",
    "jal_ce",
    "paper-concat",
    "paper-classwise",
)
BASELINE = "cross_entropy"


@dataclass(frozen=True, kw_only=True)
class Command:
    """Print the table, or write it into the README."""

    write: bool = False
    """Replace what stands between the marks in README.md."""


def table(found: Mapping[str, Results]) -> list[str]:
    """For each condition cross-entropy's accuracy, and the losses' differences with half their intervals."""
    losses = [
        loss
        for loss in LOSSES
        if any(row.loss == loss for results in found.values() for row in results.summary)
    ]
    body = []
    titles = {each.name: each.title for each in CONDITIONS}
    for name, results in found.items():
        mean = next(row.mean_test_accuracy for row in results.losses if row.loss == BASELINE)
        body.append((titles[name], f"{mean:.1f}", *(_cell(results, loss) for loss in losses)))
    return numbers_table(("test accuracy, %", "cross-entropy", *losses), body)


def _cell(results: Results, loss: str) -> str:
    for row in results.summary:
        if row.loss == loss and row.ci_low is not None and row.ci_high is not None:
            return difference_text(row)
    return ""


def filled(readme: str, lines: list[str]) -> str:
    """The README with the table between its marks."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    body = "\n".join(lines)
    return f"{before}{BEGIN}\n\n{body}\n\n{END}{after}"


def main(command: Command) -> None:
    """Print or write."""
    lines = table(load())
    if command.write:
        write_text(README, filled(README.read_text(encoding="utf-8"), lines))
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    main(tyro.cli(Command, description=__doc__))
