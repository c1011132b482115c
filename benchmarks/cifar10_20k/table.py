"""The table of ``docs/adaptive.md``: the loss beside cross-entropy and GCE, as far as was run.

python -m benchmarks.cifar10_20k.table             # print it
python -m benchmarks.cifar10_20k.table --write     # put it between the marks of the page
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cifar10_20k.run import OUT, study
from benchmarks.harness import command
from benchmarks.harness.markdown import numbers_table
from benchmarks.harness.page import DOCS, replace_between
from benchmarks.harness.study_results import BASELINE, Measured, load
from benchmarks.harness.study_tables import OWN
from evoloss.atomic_files import write_text
from evoloss.training import RunResult

PAGE = DOCS / "adaptive.md"
BEGIN, END = "<!-- adaptive: python -m benchmarks.cifar10_20k.table --write -->", "<!-- adaptive end -->"
LOSSES = {BASELINE: "cross-entropy", "gce": "GCE", OWN: f"`{OWN}`"}
"""The columns; the last one is compared with each of the others, seed by seed."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Make the table."""

    results: Path = OUT
    """Folder of the results."""
    write: bool = False
    """Put it into the page."""


def table(measured: Mapping[str, Measured]) -> list[str]:
    """A row for each condition in which cross-entropy and the last loss have seeds in common.

    Of a loss between them those seeds count, if it has them all.
    """
    others = [name for name in LOSSES if name != OWN]
    rows = []
    for found in measured.values():
        by_loss = _common_runs(found)
        if OWN not in by_loss:
            continue
        accuracies = (_accuracy(by_loss.get(name, ())) for name in LOSSES)
        gains = (_gain(by_loss[OWN], by_loss.get(other, ())) for other in others)
        rows.append((found.condition.title, str(len(by_loss[OWN])), *accuracies, *gains))
    heads = ("accuracy, %", "seeds", *LOSSES.values(), *(f"over {LOSSES[other]}" for other in others))
    return numbers_table(heads, rows)


def _common_runs(found: Measured) -> dict[str, list[RunResult]]:
    """The runs of each loss over the seeds of cross-entropy and the last loss, where it has them all."""
    runs = {(run.loss, run.seed): run for run in found.runs}
    seeds = [{seed for loss, seed in runs if loss == name} for name in (BASELINE, OWN)]
    common = sorted(set.intersection(*seeds))
    return {
        name: [runs[name, seed] for seed in common]
        for name in LOSSES
        if common and all((name, seed) in runs for seed in common)
    }


def _accuracy(runs: Sequence[RunResult]) -> str:
    if not runs:
        return "–"
    last, best = (statistics.mean(_values(runs, when)) for when in ("test_accuracy", "best_test_accuracy"))
    return f"{last:.1f} ({best:.1f}) at {runs[0].lr:g}"


def _values(runs: Sequence[RunResult], name: str) -> list[float]:
    return [getattr(run, name) for run in runs]


def _gain(own: Sequence[RunResult], other: Sequence[RunResult]) -> str:
    if not other:
        return "–"
    pairs = zip(_values(own, "test_accuracy"), _values(other, "test_accuracy"), strict=True)
    gains = [one - two for one, two in pairs]
    each = f" ({min(gains):+.1f} to {max(gains):+.1f})" if len(gains) > 1 else ""
    return f"{statistics.mean(gains):+.1f}{each}"


def main(options: Table) -> None:
    """Print or write."""
    lines = table(load(study(options.results)))
    if options.write:
        write_text(PAGE, replace_between(PAGE.read_text(encoding="utf-8"), BEGIN, END, lines))
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    command.run(Table, main)
