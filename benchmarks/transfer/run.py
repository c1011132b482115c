"""Every loss on real data it was not evolved on: digits and CIFAR-10, clean and with label noise, on a CPU.

    python -m benchmarks.transfer.run --dry-run              # what would run, and how long it takes
    python -m benchmarks.transfer.run --core                 # the conditions and losses of the main questions
    python -m benchmarks.transfer.run --only digits-sym40    # one condition, all losses
    python -m benchmarks.transfer.page                       # docs/transfer.md from what is there

Each condition is one ``evoloss compare`` in ``benchmarks/transfer/results/NAME``: every loss at its own best
learning rate of the same grid, chosen on the validation split, and the same seeds for all. It goes on where
it was stopped. Losses of most interest come first in every condition before the others have their turn. A
loss that is no longer shipped is taken out of a condition's results when that is run again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.harness import command
from benchmarks.harness.accuracy_study import Step, Study, describe, run_steps
from benchmarks.transfer.conditions import CONDITIONS, EVOLVED, PAPER, STAGES
from evoloss import PretrainConfig, pretrain

OUT = Path(__file__).parent / "results"
CONFIGS = Path(__file__).parents[2] / "recipes/not-shipped"
CORE_STAGES = 2
CORE_SEEDS = 5


@dataclass(frozen=True, kw_only=True)
class TransferStudy:
    """Run the protocol."""

    only: tuple[str, ...] = ()
    """Conditions to run; all by default."""
    core: bool = False
    """Only the conditions and losses of the main questions, five seeds each."""
    losses: tuple[str, ...] = ()
    """Losses to run beside cross_entropy; also directories. By default those of the condition."""
    seeds: int | None = None
    """Reported runs for each loss; by default those of the condition."""
    workers: int = 2
    """Runs at the same time, one thread each."""
    out: Path = OUT
    """Folder of the results, one folder in it for each condition."""
    dry_run: bool = False
    """Say what would be run, and how long it takes."""


def study(out: Path = OUT) -> Study:
    """Conditions and losses, with results in a folder."""
    return Study(CONDITIONS, STAGES, out, {name: EVOLVED / name for name in PAPER})


def plan(settings: TransferStudy) -> Iterator[Step]:
    """Yield the steps in order: all conditions with the first losses, then with the next.

    Raises:
        UnknownNameError: if there is no such condition.
    """
    whole = study(settings.out)
    chosen = [condition for condition in whole.chosen(settings.only) if condition.core or not settings.core]
    stages = (settings.losses,) if settings.losses else STAGES[: CORE_STAGES if settings.core else None]
    for number in range(len(stages)):
        for condition in chosen:
            if settings.losses or number < condition.stages:
                wanted = ("cross_entropy", *(name for stage in stages[: number + 1] for name in stage))
                own = min(condition.seeds, CORE_SEEDS) if settings.core else condition.seeds
                yield whole.step(condition, wanted, own if settings.seeds is None else settings.seeds)


def evolve_paper_losses(folder: Path = EVOLVED) -> None:
    """Evolve what the published method alone gives, where it is not there yet: about a minute."""
    torch.set_num_threads(1)
    for name, config in PAPER.items():
        if not (folder / name / "config.json").exists():
            pretrain(PretrainConfig.from_toml(CONFIGS / config)).save(folder / name)


def main(settings: TransferStudy) -> int:
    """Run what is planned; the status of the first comparison that fails, else 0."""
    steps = list(plan(settings))
    print(describe(steps), flush=True)
    if settings.dry_run:
        return 0
    if any(name in PAPER for step in steps for name in step.losses):
        evolve_paper_losses()
    return run_steps(plan(settings), settings.workers)


if __name__ == "__main__":
    command.run(TransferStudy, main)
