"""The comparisons of the CIFAR-10 study on a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.harness.comparison import ROBUST
from evoloss.zoo import SHIPPED

Name = Literal["clean", "noise40", "noise80", "asym40", "small"]
Model = Literal["resnet20", "resnet18"]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One comparison.

    Attributes:
        losses: those of most interest first; what this version does not have is left out.
        seeds: runs for each loss at its rate, at most.
        epochs: of each run, by classifier.
        label_noise: share of wrong training labels; those of the validation split are as noisy.
        noise_kind: symmetric or asymmetric.
        train_samples: class-balanced subset; None for all 45,000.
        batch_size: samples a step.
        lr_grid: rates that each loss is tuned over, one run each.
    """

    losses: tuple[str, ...]
    seeds: int
    epochs: dict[Model, int]
    label_noise: float = 0.0
    noise_kind: Literal["symmetric", "asymmetric"] = "symmetric"
    train_samples: int | None = None
    batch_size: int = 512
    lr_grid: tuple[float, ...] = (0.1, 0.3, 0.9)


EPOCHS: dict[Model, int] = {"resnet20": 30, "resnet18": 15}
MILD: tuple[str, ...] = ("cross_entropy", *SHIPPED, "label_smoothing", "poly1")
"""Losses for clean labels."""
NOISY: tuple[str, ...] = ("cross_entropy", *SHIPPED, "label_smoothing", *ROBUST)
"""Losses for noisy labels."""


def _noisy(share: float, kind: Literal["symmetric", "asymmetric"] = "symmetric") -> Condition:
    return Condition(
        losses=NOISY,
        seeds=5,
        epochs=EPOCHS,
        label_noise=share,
        noise_kind=kind,
        lr_grid=(0.03, 0.1, 0.3, 0.9),
    )


CONDITIONS: dict[Name, Condition] = {
    "clean": Condition(losses=MILD, seeds=10, epochs=EPOCHS),
    "noise40": _noisy(0.4),
    "noise80": _noisy(0.8),
    "asym40": _noisy(0.4, "asymmetric"),
    "small": Condition(
        losses=(*MILD, "gce"),
        seeds=10,
        epochs={"resnet20": 100, "resnet18": 60},
        train_samples=500,
        batch_size=64,
        lr_grid=(0.03, 0.1, 0.3),
    ),
}
PASSES = (1, 2, 3, 5, 10)
"""Every loss has so many seeds before any has more: what fits into the minutes is complete."""
WORKERS: dict[Model, int] = {"resnet20": 10, "resnet18": 3}
"""Runs side by side: ResNet-20 waits for its launches, ResNet-18 fills the device with few."""
