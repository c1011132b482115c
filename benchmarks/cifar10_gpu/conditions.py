"""The comparisons of the CIFAR-10 study on a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.harness.comparison import ROBUST
from evoloss.zoo import SHIPPED

Name = Literal["clean", "noise40", "noise80", "small"]
Model = Literal["resnet20", "resnet18"]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One comparison.

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


CONDITIONS: dict[Name, Condition] = {
    "clean": Condition(
        losses=("cross_entropy", *SHIPPED, "label_smoothing", "poly1"),
        seeds=10,
        epochs={"resnet20": 30, "resnet18": 15},
    ),
    "noise40": Condition(
        losses=("cross_entropy", *SHIPPED, "label_smoothing", *ROBUST),
        seeds=5,
        epochs={"resnet20": 30, "resnet18": 15},
        label_noise=0.4,
        lr_grid=(0.03, 0.1, 0.3, 0.9),
    ),
    "noise80": Condition(
        losses=("cross_entropy", *SHIPPED, "label_smoothing", *ROBUST),
        seeds=5,
        epochs={"resnet20": 30, "resnet18": 15},
        label_noise=0.8,
        lr_grid=(0.03, 0.1, 0.3, 0.9),
    ),
    "small": Condition(
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
