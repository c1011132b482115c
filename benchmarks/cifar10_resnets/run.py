"""ResNets on CIFAR-10, on one core: ResNet-20 on all images in bfloat16, ResNet-8 on 20,000.

    python -m benchmarks.cifar10_resnets.run --dry-run                  # what would run, and how long
    python -m benchmarks.cifar10_resnets.run                            # goes on where it was stopped
    python -m benchmarks.cifar10_resnets.run --only resnet8-sym40-long  # one condition

Learning rates are those that ``benchmarks.cifar10_20k`` chose for the small network, loss by loss: nothing is
tuned here. A loss without one there waits. Losses of one rate are one ``evoloss compare`` in
``benchmarks/cifar10_resnets/results/CONDITION/lr-RATE``. The first seed of all conditions comes before the
second. A run that is stopped begins again from its first epoch; those that have ended are not run again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cifar10_20k.conditions import FOLDERS
from benchmarks.cifar10_20k.run import OUT as MIDDLE_RESULTS
from benchmarks.cifar10_resnets.conditions import CONDITIONS, PARTS, Part
from benchmarks.harness import command
from benchmarks.harness.accuracy_study import Step, Study, describe, earlier_results, run_steps
from benchmarks.harness.comparison import available
from evoloss.compare.tuning import best_learning_rate
from evoloss.data.folders import data_folder
from evoloss.training import RunResult

OUT = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class ResnetStudy:
    """Run the protocol."""

    only: tuple[str, ...] = ()
    """Conditions to run; all by default."""
    losses: tuple[str, ...] = ()
    """Losses to run, of those of the conditions; all by default."""
    seeds: int | None = None
    """Runs for each loss at most; by default those of the condition."""
    workers: int = 1
    """Runs at the same time, one thread each."""
    out: Path = OUT
    """Folder of the results, one folder in it for each condition."""
    rates: Path = MIDDLE_RESULTS
    """Folder of the results whose learning rates are taken."""
    dry_run: bool = False
    """Say what would be run, and how long it takes."""


def study(out: Path = OUT) -> Study:
    """Conditions and losses, with results in a folder."""
    losses = tuple(dict.fromkeys(name for part in PARTS for name in part.losses))
    planned = {part.condition.name: part.losses for part in PARTS}
    return Study(CONDITIONS, (losses,), out, FOLDERS, data_folder(None), losses_of=planned)


def chosen_rates(folder: Path) -> dict[str, float]:
    """The rate that a tuned condition chose for each loss; those that are still being tuned are left out."""
    results = earlier_results(folder)
    if results is None:
        return {}
    needed = len(results.config["lr_grid"]) * results.config["tune_seeds"]
    tuning: dict[str, list[RunResult]] = {}
    for run in results.tuning:
        tuning.setdefault(run.loss, []).append(run)
    return {name: best_learning_rate(runs) for name, runs in tuning.items() if len(runs) >= needed}


def _wanted(part: Part, settings: ResnetStudy) -> tuple[str, ...]:
    return available((name for name in part.losses if name in (settings.losses or part.losses)), FOLDERS)


def _parts(settings: ResnetStudy) -> list[Part]:
    chosen = study(settings.out).chosen(settings.only)
    return [part for part in PARTS if part.condition in chosen]


def plan(settings: ResnetStudy) -> Iterator[Step]:
    """Yield the steps in order: one seed of everything, then the next.

    Raises:
        UnknownNameError: if there is no such condition.
    """
    whole, parts = study(settings.out), _parts(settings)
    for seeds in range(1, 1 + max(part.condition.seeds for part in parts)):
        for part in parts:
            if seeds > min(part.condition.seeds, settings.seeds or seeds):
                continue
            rates = chosen_rates(settings.rates / part.rates_of)
            by_rate: dict[float, list[str]] = {}
            for name in _wanted(part, settings):
                if name in rates:
                    by_rate.setdefault(rates[name], []).append(name)
            for rate, names in by_rate.items():
                yield whole.step(part.condition, names, seeds, rate)


def waiting(settings: ResnetStudy) -> list[str]:
    """A line for each condition with losses that have no rate yet, with the command that chooses one."""
    lines = []
    for part in _parts(settings):
        rates = chosen_rates(settings.rates / part.rates_of)
        names = [name for name in _wanted(part, settings) if name not in rates]
        if names:
            lines.append(
                f"{part.condition.name}: no learning rate yet for {', '.join(names)}; "
                f"python -m benchmarks.cifar10_20k.run --only {part.rates_of} --seeds 1 "
                f"--losses {' '.join(names)}"
            )
    return lines


def main(settings: ResnetStudy) -> int:
    """Run what is planned; the status of the first comparison that fails, else 0."""
    print(describe(plan(settings)), flush=True)
    print("\n".join(waiting(settings)), flush=True)
    return 0 if settings.dry_run else run_steps(plan(settings), settings.workers)


if __name__ == "__main__":
    command.run(ResnetStudy, main)
