"""The conditions of ``benchmarks.cifar10_resnets.run``: what is trained, with which losses and rates."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.cifar10_20k.conditions import CONDITIONS as MIDDLE
from benchmarks.harness.accuracy_study import Condition
from benchmarks.transfer.conditions import PAPER

RESNET8_LOSSES = ("cross_entropy", "adaptive", "gce", "evolved-noise", "evolved-base", *PAPER)
_MIDDLE = {condition.name: condition for condition in MIDDLE}


@dataclass(frozen=True)
class Part:
    """A condition, and where its learning rates come from.

    Attributes:
        condition: what is trained.
        losses: with which losses.
        rates_of: condition of ``benchmarks.cifar10_20k`` whose rates are taken, loss by loss.
    """

    condition: Condition
    losses: tuple[str, ...]
    rates_of: str


def _resnet8(name: str) -> Part:
    middle = _MIDDLE[name]
    condition = replace(
        middle,
        name=f"resnet8-{name}",
        title=f"ResNet-8, 20,000 images, {middle.title}",
        model="resnet8",
        lr_grid=(),
        seeds=3,
    )
    return Part(condition, RESNET8_LOSSES, name)


def _resnet20(labels: str, *, losses: tuple[str, ...], seeds: int) -> Part:
    middle = _MIDDLE[f"{labels}-short"]
    what = middle.title.split(",")[0]
    condition = replace(
        middle,
        name=f"resnet20-{labels}",
        title=f"ResNet-20, all of CIFAR-10, {what}, 20 epochs, augmented",
        model="resnet20",
        train_samples=None,
        epochs=20,
        precision="bf16-mixed",
        lr_grid=(),
        seeds=seeds,
    )
    return Part(condition, losses, middle.name)


PARTS = (
    _resnet20("clean", losses=("cross_entropy", "label_smoothing", "evolved-base", "adaptive"), seeds=3),
    _resnet20("sym40", losses=("cross_entropy", "gce", "evolved-noise", "adaptive"), seeds=2),
    _resnet8("clean-short"),
    _resnet8("sym40-long"),
    _resnet8("human-long"),
)
"""ResNet-20 on 48,000 images in bfloat16, and ResNet-8 on the 20,000 of the middle size."""
CONDITIONS = tuple(part.condition for part in PARTS)
SITUATIONS = {
    "clean": tuple(name for name in (c.name for c in CONDITIONS) if "clean" in name),
    "noise": tuple(name for name in (c.name for c in CONDITIONS) if "clean" not in name),
}
"""Conditions that are looked at together."""
