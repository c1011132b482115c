"""Losses on the whole of CIFAR-10 with ResNet-20 and ResNet-18, on one GPU, in parts of a few minutes.

    python -m benchmarks.cifar10_gpu.run --part clean --minutes 9
    python -m benchmarks.cifar10_gpu.run --part noise40 --model resnet18 --minutes 9
    python -m benchmarks.cifar10_gpu.run --part clean --toy --out /tmp/toy      # on a CPU, to try it

A part is an ``evoloss compare`` whose runs go side by side on the device: one small network does not fill a
GPU, and several processes launch its kernels faster than one. Data and augmentation are on the device,
arithmetic is bfloat16 (autocast, channels last), losses are computed in float32. Each loss has its own best
learning rate of the same grid, chosen on 5,000 validation images that no network is trained on.

Every run leaves a file under ``benchmarks/cifar10_gpu/results/PART-MODEL/runs``; when the minutes are over
the part is stopped, and the same command goes on. ``results.json`` beside it has the runs, means, and
differences paired by seed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import tyro

from benchmarks.transfer.conditions import available
from evoloss.compare.results import Results
from evoloss.errors import ConfigError, ResultsError
from evoloss.report.tables import caption, markdown_table
from evoloss.zoo import SHIPPED

OUT = Path(__file__).parent / "results"
Part = Literal["clean", "noise40", "noise80", "small"]
Model = Literal["resnet20", "resnet18"]
ROBUST = ("gce", "sce", "nce_rce", "anl_ce", "jal_ce")
GRACE_SECONDS = 30.0
"""What a part gets to end its workers after its time is over."""


@dataclass(frozen=True, kw_only=True)
class PartPlan:
    """What a part compares.

    Attributes:
        losses: shipped losses that this version does not have are left out.
        seeds: runs for each loss at its rate.
        epochs: of each run, by classifier.
        label_noise: share of wrong training labels, symmetric.
        train_samples: class-balanced subset; None for all 45,000.
        batch_size: samples a step.
        lr_grid: rates that each loss is tuned over, one run each.
    """

    losses: tuple[str, ...]
    seeds: int
    epochs: dict[Model, int]
    label_noise: float = 0.0
    train_samples: int | None = None
    batch_size: int = 512
    lr_grid: tuple[float, ...] = (0.1, 0.3, 0.9)


PARTS: dict[Part, PartPlan] = {
    "clean": PartPlan(
        losses=("cross_entropy", *SHIPPED, "label_smoothing", "poly1"),
        seeds=10,
        epochs={"resnet20": 30, "resnet18": 15},
    ),
    "noise40": PartPlan(
        losses=("cross_entropy", *SHIPPED, "label_smoothing", *ROBUST),
        seeds=5,
        epochs={"resnet20": 30, "resnet18": 15},
        label_noise=0.4,
        lr_grid=(0.03, 0.1, 0.3, 0.9),
    ),
    "noise80": PartPlan(
        losses=("cross_entropy", *SHIPPED, "label_smoothing", *ROBUST),
        seeds=5,
        epochs={"resnet20": 30, "resnet18": 15},
        label_noise=0.8,
        lr_grid=(0.03, 0.1, 0.3, 0.9),
    ),
    "small": PartPlan(
        losses=("cross_entropy", *SHIPPED, "label_smoothing", "poly1", "gce"),
        seeds=10,
        epochs={"resnet20": 100, "resnet18": 60},
        train_samples=500,
        batch_size=64,
        lr_grid=(0.03, 0.1, 0.3),
    ),
}
WORKERS: dict[Model, int] = {"resnet20": 10, "resnet18": 3}
"""Runs side by side: ResNet-20 waits for its launches, ResNet-18 fills the device with few."""


@dataclass(frozen=True, kw_only=True)
class Cifar10Gpu:
    """Run one part, or go on with it."""

    part: Part
    """What to compare."""
    model: Model = "resnet20"
    """The classifier."""
    minutes: float = 9.0
    """Stop after so many; the same command goes on."""
    workers: int | None = None
    """Runs side by side; by default 10 of ResNet-20 or 3 of ResNet-18."""
    losses: tuple[str, ...] = ()
    """Losses in place of the part's, beside cross_entropy."""
    seeds: int | None = None
    """Runs for each loss; by default those of the part."""
    out: Path = OUT
    """Folder of the results, one folder in it for each part and classifier."""
    toy: bool = False
    """A tiny classifier on few images on the CPU, to see that everything runs."""

    def __post_init__(self) -> None:
        if self.minutes <= 0:
            raise ConfigError(f"minutes must be above 0; got {self.minutes}")

    @property
    def folder(self) -> Path:
        """Where this part's results go."""
        return self.out / f"{self.part}-{self.model}{'-toy' if self.toy else ''}"


def command(settings: Cifar10Gpu) -> list[str]:
    """The call of ``evoloss compare`` that does a part."""
    part = PARTS[settings.part]
    losses = ("cross_entropy", *settings.losses) if settings.losses else available(part.losses)
    options: dict[str, object] = {
        "dataset": "cifar10",
        "validation": 0.1,  # 5,000 of 50,000 images
        "model": settings.model,
        "epochs": part.epochs[settings.model],
        "batch-size": part.batch_size,
        "label-noise": part.label_noise,
        "precision": "bf16-mixed",
        "accelerator": "cuda",
        "eval-every": 2,
        "tune-seeds": 1,
        "executor": "processes",
        "workers": settings.workers or WORKERS[settings.model],
        "threads": 1,
        "out": settings.folder,
    }
    if part.train_samples is not None:
        options["train-samples"] = part.train_samples
    grid, seeds = part.lr_grid, settings.seeds or part.seeds
    if settings.toy:
        options |= {"model": "cnn_small", "train-samples": 200, "epochs": 2, "batch-size": 50}
        options |= {"accelerator": "cpu", "workers": settings.workers or 2}
        grid, seeds, losses = grid[:1], settings.seeds or 2, losses[:2]
    return [
        *(sys.executable, "-m", "evoloss", "compare", "--tune-lr", "--quiet"),
        *(text for name, value in options.items() for text in (f"--{name}", str(value))),
        *("--lr-grid", *(f"{rate:g}" for rate in grid)),
        *("--losses", *losses),
        *("--seeds", *map(str, range(seeds))),
    ]


def run_for(arguments: list[str], seconds: float, grace: float = GRACE_SECONDS) -> int | None:
    """Run a command; after some seconds interrupt it, as a user would with Ctrl-C.

    Returns:
        Its status; None if its time was over.
    """
    process = subprocess.Popen(arguments)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return None


def report(folder: Path) -> str:
    """What a part has found so far, as Markdown."""
    try:
        results = Results.read(folder)
    except ResultsError:
        return "No run has ended yet."
    done = f"{len(results.tuning)} tuning runs and {len(results.runs)} runs are done."
    return f"{done}\n\n{markdown_table(results) if results.runs else caption(results)}"


def main(settings: Cifar10Gpu) -> int:
    """Run a part for its minutes; 0 if it is complete or its time was over, else the failure's status."""
    status = run_for(command(settings), 60 * settings.minutes)
    print(report(settings.folder))
    if status is None:
        print("The time is over; the same command goes on.")
    return status or 0


if __name__ == "__main__":
    assert set(PARTS) == set(get_args(Part)), "a plan for every part"
    sys.exit(main(tyro.cli(Cifar10Gpu, description=__doc__)))
