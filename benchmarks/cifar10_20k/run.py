"""Losses on 20,000 images of CIFAR-10: the size at which a robust loss shows what it gives and what it costs.

    python -m benchmarks.cifar10_20k.run --dry-run            # what would run, and how long it takes
    python -m benchmarks.cifar10_20k.run                      # goes on where it was stopped
    python -m benchmarks.cifar10_20k.run --only sym40-long    # one condition, all losses

Each condition is one ``evoloss compare`` in ``benchmarks/cifar10_20k/results/NAME``, as in
``benchmarks.transfer``. Validation labels, on which rates and epochs are chosen, are as noisy as those that
are trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cifar10_20k.conditions import CONDITIONS, FOLDERS, PASSES, STAGES
from benchmarks.harness import command
from benchmarks.harness.accuracy_study import Step, Study, describe, run_steps
from evoloss.data.folders import data_folder

OUT = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class SizeStudy:
    """Run the protocol."""

    only: tuple[str, ...] = ()
    """Conditions to run; all by default."""
    losses: tuple[str, ...] = ()
    """Losses to run beside cross_entropy; also directories. By default those of the study, pass by pass."""
    seeds: int | None = None
    """Reported runs for each loss at most; by default those of the pass and of the condition."""
    workers: int = 1
    """Runs at the same time, one thread each."""
    out: Path = OUT
    """Folder of the results, one folder in it for each condition."""
    dry_run: bool = False
    """Say what would be run, and how long it takes."""


def study(out: Path = OUT) -> Study:
    """Conditions and losses, with results in a folder."""
    return Study(CONDITIONS, STAGES, out, FOLDERS, data_folder(None))


def plan(settings: SizeStudy) -> Iterator[Step]:
    """Yield the steps in order: pass by pass all conditions, with more losses and seeds each time.

    Raises:
        UnknownNameError: if there is no such condition.
    """
    whole = study(settings.out)
    chosen = whole.chosen(settings.only)
    passes = (
        [(settings.losses, PASSES[-1][1])]
        if settings.losses
        else [(tuple(name for stage in STAGES[:stages] for name in stage), seeds) for stages, seeds in PASSES]
    )
    for losses, most in passes:
        for condition in chosen:
            seeds = min(condition.seeds, most, settings.seeds or most)
            yield whole.step(condition, ("cross_entropy", *losses), seeds)


def main(settings: SizeStudy) -> int:
    """Run what is planned; the status of the first comparison that fails, else 0."""
    print(describe(plan(settings)), flush=True)
    return 0 if settings.dry_run else run_steps(plan(settings), settings.workers)


if __name__ == "__main__":
    command.run(SizeStudy, main)
