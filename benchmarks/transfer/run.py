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

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.harness import command
from benchmarks.harness.comparison import available, compare_command, run_command
from benchmarks.transfer.conditions import CONDITIONS, EVOLVED, PAPER, STAGES, Condition, loss_argument
from evoloss import PretrainConfig, pretrain
from evoloss.compare.results import FILE_NAME, Results
from evoloss.errors import UnknownNameError
from evoloss.losses.resolve import resolve_loss
from evoloss.training.fingerprints import fingerprint_loss

OUT = Path(__file__).parent / "results"
CONFIGS = Path(__file__).parents[2] / "recipes/not-shipped"
CORE_STAGES = 2
CORE_SEEDS = 5
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
"""Keeps freed memory in the process: without it half of the time of a small network goes to fresh pages."""


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


@dataclass(frozen=True)
class Step:
    """Some losses of a condition, to be run in one go.

    Attributes:
        condition: what is run.
        losses: names, those of earlier steps included.
        seeds: reported runs for each loss.
        out: folder of the results.
    """

    condition: Condition
    losses: tuple[str, ...]
    seeds: int
    out: Path

    @property
    def planned(self) -> int:
        """Trainings of this step and of all before it."""
        condition = self.condition
        return len(self.losses) * (len(condition.lr_grid) * condition.tune_seeds + self.seeds)

    @property
    def done(self) -> int:
        """The trainings that are in the results file already, with the losses as they are now."""
        earlier = _earlier(self.out)
        if earlier is None:
            return 0
        usable = (name for name in self.losses if name not in PAPER or Path(loss_argument(name)).exists())
        fingerprints = {
            Path(name).name: fingerprint_loss(resolve_loss(loss_argument(name))) for name in usable
        }
        runs = (*earlier.runs, *earlier.tuning)
        return sum(run.loss_fingerprint == fingerprints.get(run.loss) for run in runs)

    def command(self, workers: int) -> list[str]:
        """The call of ``evoloss compare``."""
        condition = self.condition
        options = {
            "train-samples": condition.train_samples,
            "executor": "processes" if workers > 1 else None,
            "workers": workers if workers > 1 else None,
            "dataset": condition.dataset,
            "model": condition.model,
            "validation": condition.validation,
            "label-noise": condition.label_noise,
            "noise-kind": condition.noise_kind,
            "epochs": condition.epochs,
            "augment": condition.augment,
            "eval-every": condition.eval_every,
            "tune-seeds": condition.tune_seeds,
            "threads": 1,
            "out": self.out,
        }
        losses = (loss_argument(name) for name in self.losses)
        return compare_command(options, lr_grid=condition.lr_grid, losses=losses, seeds=self.seeds)


def plan(settings: TransferStudy) -> Iterator[Step]:
    """Yield the steps in order: all conditions with the first losses, then with the next.

    Raises:
        UnknownNameError: if there is no such condition.
    """
    names = [condition.name for condition in CONDITIONS]
    for name in settings.only:
        if name not in names:
            raise UnknownNameError.among("condition", name, names)
    chosen = [condition for condition in CONDITIONS if condition.name in settings.only or not settings.only]
    if settings.core:
        chosen = [condition for condition in chosen if condition.core]
    stages = (settings.losses,) if settings.losses else STAGES[: CORE_STAGES if settings.core else None]
    for number in range(len(stages)):
        for condition in chosen:
            if settings.losses or number < condition.stages:
                wanted = ("cross_entropy", *(name for stage in stages[: number + 1] for name in stage))
                yield _step(condition, wanted, settings)


def _step(condition: Condition, wanted: tuple[str, ...], settings: TransferStudy) -> Step:
    """Add what is in the results already: a comparison may grow, not shrink."""
    out = settings.out / condition.name
    earlier = _earlier(out)
    before, n_seeds = ((), 0) if earlier is None else (earlier.config["losses"], len(earlier.config["seeds"]))
    named = {Path(name).name for name in wanted}
    before = [name for name in before if name not in named]
    order = {name: place for place, name in enumerate(name for stage in STAGES for name in stage)}
    losses = sorted(dict.fromkeys((*wanted, *before)), key=lambda name: order.get(name, len(order)))
    own = min(condition.seeds, CORE_SEEDS) if settings.core else condition.seeds
    seeds = max(own if settings.seeds is None else settings.seeds, n_seeds)
    return Step(condition, available(losses, PAPER), seeds, out)


def _earlier(out: Path) -> Results | None:
    return Results.read(out) if (out / FILE_NAME).exists() else None


def drop_missing_losses(step: Step) -> None:
    """Take losses that this version does not have out of what is there: a comparison may not shrink."""
    earlier = _earlier(step.out)
    names = () if earlier is None else earlier.config["losses"]
    planned = {Path(name).name for name in step.losses}
    known = [name for name in names if name in planned]
    if earlier is None or len(known) == len(names):
        return
    print(f"-- {step.condition.name}: without {', '.join(name for name in names if name not in planned)}")
    replace(
        earlier,
        config={**earlier.config, "losses": known},
        runs=tuple(run for run in earlier.runs if run.loss in known),
        tuning=tuple(run for run in earlier.tuning if run.loss in known),
    ).write(step.out / FILE_NAME)


def describe(steps: Iterable[Step]) -> str:
    """A table of the conditions with the number of runs and about how long they take on one core."""
    last = {step.condition.name: step for step in steps}
    lines = [f"{'condition':22} {'losses':>6} {'runs':>5} {'done':>5} {'s/run':>6} {'core-minutes left':>18}"]
    total = 0.0
    for name, step in last.items():
        minutes = max(0, step.planned - step.done) * step.condition.seconds / 60
        total += minutes
        lines.append(
            f"{name:22} {len(step.losses):6} {step.planned:5} {step.done:5} {step.condition.seconds:6.1f} "
            f"{minutes:18.1f}"
        )
    runs = sum(step.planned for step in last.values())
    return "\n".join([*lines, f"{'total':22} {'':6} {runs:5} {'':5} {'':6} {total:18.1f}"])


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
    for step in plan(settings):  # anew, since a step adds to what is there
        if step.done >= step.planned:
            continue
        drop_missing_losses(step)
        print(f"== {step.condition.name}: {', '.join(step.losses)}", flush=True)
        status = run_command(step.command(settings.workers), environment=ALLOCATOR)
        if status:
            return status
    return 0


if __name__ == "__main__":
    command.run(TransferStudy, main)
