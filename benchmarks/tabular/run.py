"""Losses on five tables with a small MLP, clean and with wrong labels.

    python -m benchmarks.tabular.run --dry-run             # what would run, and how long it takes
    python -m benchmarks.tabular.run                       # goes on where it was stopped
    python -m benchmarks.tabular.run --only wine-sym40     # one condition

``benchmarks.tabular.tables`` says where the tables come from. They are made ready once, as files in
``benchmarks/tabular/data``; each condition is one ``evoloss compare`` in ``benchmarks/tabular/results/NAME``.
Validation labels, on which rates and epochs are chosen, are as noisy as those that are trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import command
from benchmarks.harness.accuracy_study import Step, Study, describe, run_steps
from benchmarks.tabular.conditions import CONDITIONS, FIRST_SEEDS, LOSSES, SIZES
from benchmarks.tabular.tables import MLBENCH, write_table

OUT = Path(__file__).parent / "results"
DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, kw_only=True)
class TabularStudy:
    """Run the protocol."""

    only: tuple[str, ...] = ()
    """Conditions to run; all by default."""
    losses: tuple[str, ...] = LOSSES[1:]
    """Losses to run beside cross_entropy; also directories."""
    seeds: int | None = None
    """Reported runs for each loss at most; by default those of the condition."""
    workers: int = 1
    """Runs at the same time, one thread each."""
    out: Path = OUT
    """Folder of the results, one folder in it for each condition."""
    data: Path = DATA
    """Folder of the tables as they are trained on."""
    mlbench: Path = MLBENCH
    """Folder of the tables of r-cran-mlbench."""
    dry_run: bool = False
    """Say what would be run, and how long it takes."""


def study(out: Path = OUT, data: Path = DATA) -> Study:
    """Conditions and losses, with results in a folder."""
    files = {name: data / f"{name}.npz" for name in SIZES}
    return Study(CONDITIONS, (LOSSES,), out, {}, files=files)


def plan(settings: TabularStudy) -> Iterator[Step]:
    """Yield the steps in order: three seeds of every condition, then the others.

    Raises:
        UnknownNameError: if there is no such condition.
    """
    whole = study(settings.out, settings.data)
    chosen = whole.chosen(settings.only)
    for most in (FIRST_SEEDS, max(condition.seeds for condition in chosen)):
        for condition in chosen:
            seeds = min(condition.seeds, most, settings.seeds or most)
            yield whole.step(condition, ("cross_entropy", *settings.losses), seeds)


def main(settings: TabularStudy) -> int:
    """Run what is planned; the status of the first comparison that fails, else 0."""
    print(describe(plan(settings)), flush=True)
    if settings.dry_run:
        return 0
    for name in dict.fromkeys(step.condition.dataset for step in plan(settings)):
        path = settings.data / f"{name}.npz"
        if not path.exists():
            write_table(name, path, settings.mlbench)
    return run_steps(plan(settings), settings.workers)


if __name__ == "__main__":
    command.run(TabularStudy, main)
