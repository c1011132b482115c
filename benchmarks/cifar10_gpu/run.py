"""Losses on the whole of CIFAR-10 with ResNet-20 and ResNet-18, on one GPU, a few minutes at a time.

    python -m benchmarks.cifar10_gpu.run --condition clean --minutes 9
    python -m benchmarks.cifar10_gpu.run --condition noise40 --model resnet18 --minutes 9
    python -m benchmarks.cifar10_gpu.run --condition clean --toy --out /tmp/toy      # on a CPU, to try it

A condition is an ``evoloss compare`` whose runs go side by side on the device: one small network does not
fill a GPU, and several processes launch its kernels faster than one. Data and augmentation are on the device,
arithmetic is bfloat16 (autocast, channels last), losses are computed in float32. Each loss has its own best
learning rate of the same grid, chosen on 5,000 validation images that no network is trained on, with labels
as noisy as those trained on. All losses have one seed before any has two.

Every run leaves a file under ``benchmarks/cifar10_gpu/results/CONDITION-MODEL/runs``; when the minutes are
over the comparison is stopped, and the same command goes on. ``results.json`` beside it has the runs, means,
and differences paired by seed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cifar10_gpu.conditions import CONDITIONS, PASSES, WORKERS, Model, Name
from benchmarks.harness import command
from benchmarks.harness.comparison import available, compare_command, run_command
from evoloss.compare.results import Results
from evoloss.errors import ConfigError, ResultsError
from evoloss.report.tables import caption, markdown_table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class Cifar10Gpu:
    """Run one condition, or go on with it."""

    condition: Name
    """The comparison."""
    model: Model = "resnet20"
    """The classifier."""
    minutes: float = 9.0
    """Stop after so many; the same command goes on."""
    workers: int | None = None
    """Runs side by side; by default 10 of ResNet-20 or 3 of ResNet-18."""
    losses: tuple[str, ...] = ()
    """Losses in place of the condition's, beside cross_entropy."""
    seeds: int | None = None
    """Runs for each loss at most; by default those of the condition."""
    out: Path = RESULTS
    """Folder of the results, one folder in it for each condition and classifier."""
    toy: bool = False
    """A tiny classifier on few images on the CPU, to see that everything runs."""

    def __post_init__(self) -> None:
        if self.minutes <= 0:
            raise ConfigError(f"minutes must be above 0; got {self.minutes}")

    @property
    def folder(self) -> Path:
        """The folder of the condition's results."""
        return self.out / f"{self.condition}-{self.model}{'-toy' if self.toy else ''}"


def passes(settings: Cifar10Gpu) -> list[int]:
    """How many seeds every loss has after each call of ``evoloss compare``."""
    most = settings.seeds or (2 if settings.toy else CONDITIONS[settings.condition].seeds)
    return [*(seeds for seeds in PASSES if seeds < most), most]


def comparison(settings: Cifar10Gpu, seeds: int) -> list[str]:
    """The call of ``evoloss compare`` that brings a condition to some seeds."""
    condition = CONDITIONS[settings.condition]
    names = ("cross_entropy", *settings.losses) if settings.losses else condition.losses
    losses = available(names[: 2 if settings.toy else None])
    options: dict[str, object] = {
        "dataset": "cifar10",
        "validation": 0.1,  # 5,000 of 50,000 images
        "model": settings.model,
        "epochs": condition.epochs[settings.model],
        "batch-size": condition.batch_size,
        "train-samples": condition.train_samples,
        "label-noise": condition.label_noise,
        "noise-kind": condition.noise_kind,
        "precision": "bf16-mixed",
        "accelerator": "cuda",
        "eval-every": 2,
        "tune-seeds": 1,
        "executor": "processes",
        "workers": settings.workers or WORKERS[settings.model],
        "threads": 1,
        "out": settings.folder,
    }
    grid = condition.lr_grid
    if settings.toy:
        options |= {"model": "cnn_small", "train-samples": 200, "epochs": 2, "batch-size": 50}
        options |= {"accelerator": "cpu", "workers": settings.workers or 2}
        grid = grid[:1]
    arguments = compare_command(
        options,
        lr_grid=grid,
        losses=losses,
        seeds=seeds,
    )
    return [*arguments, *(["--validation-noise"] if condition.label_noise else [])]


def report(folder: Path) -> str:
    """The results of a condition so far, as Markdown."""
    try:
        results = Results.read(folder)
    except ResultsError:
        return "No run has ended yet."
    done = f"{len(results.tuning)} tuning runs and {len(results.runs)} runs are done."
    return f"{done}\n\n{markdown_table(results) if results.runs else caption(results)}"


def main(settings: Cifar10Gpu) -> int:
    """Run a condition for its minutes; the status of a failure, else 0, complete or not."""
    until, status = time.monotonic() + 60 * settings.minutes, None
    for seeds in passes(settings):
        left = until - time.monotonic()
        status = run_command(comparison(settings, seeds), seconds=left) if left > 0 else None
        if status != 0:
            break
    print(report(settings.folder))
    if status is None:
        print("The time is over; the same command goes on.")
    return status or 0


if __name__ == "__main__":
    command.run(Cifar10Gpu, main)
