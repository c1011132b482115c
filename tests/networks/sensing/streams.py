"""Streams of predictions and labels of a training whose course is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from evoloss.losses import EvolvedLoss
from evoloss.networks.kinds.sensing import SensingNetwork
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.random_streams import stream

Noise = Callable[[Tensor, torch.Generator], Tensor]
"""Given labels from true ones."""


class Batch(NamedTuple):
    """Logits ``(N, C)`` and labels ``(N,)``."""

    logits: Tensor
    target: Tensor


def symmetric(rate: float, n_classes: int) -> Noise:
    """Labels of which so many are any other class."""

    def labels(true: Tensor, generator: torch.Generator) -> Tensor:
        wrong = torch.rand(len(true), generator=generator) < rate
        shift = torch.randint(1, n_classes, true.shape, generator=generator)
        return torch.where(wrong, (true + shift) % n_classes, true)

    return labels


def one_sided(rate: float) -> Noise:
    """Labels of which so many of the even classes are the next class."""

    def labels(true: Tensor, generator: torch.Generator) -> Tensor:
        wrong = (torch.rand(len(true), generator=generator) < rate) & (true % 2 == 0)
        return torch.where(wrong, true + 1, true)

    return labels


def learning(
    noise: Noise,
    *,
    n_classes: int = 10,
    n_samples: int = 3000,
    epochs: int = 8,
    batch: int = 100,
    imbalance: float = 1.0,
    slowness: float = 1.5,
) -> Iterator[Batch]:
    """A classifier that learns the true classes, and no label by heart.

    Its logits are noise plus a margin for the true class that grows with time, and each epoch has an
    order and a noise of its own. The largest class is ``imbalance`` times as frequent as the smallest.
    """
    generator = stream(7, "learning")
    frequency = imbalance ** -(torch.arange(n_classes) / max(1, n_classes - 1))
    true = torch.multinomial(frequency, n_samples, replacement=True, generator=generator)
    given = noise(true, generator)
    own = torch.randn(n_samples, n_classes, generator=generator)
    for epoch in range(epochs):
        order = torch.randperm(n_samples, generator=generator)
        for step, some in enumerate(order.split(batch)):
            margin = 6 * (1 - 2.0 ** (-(epoch + step * batch / n_samples) / slowness))
            logits = own[some] + 0.3 * torch.randn(len(some), n_classes, generator=generator)
            logits[torch.arange(len(some)), true[some]] += margin
            yield Batch(logits, given[some])


def by_heart(*, n_classes: int = 10, n_samples: int = 3000, epochs: int = 6) -> Iterator[Batch]:
    """A classifier that learns nothing and knows every label a little better each time it has seen it."""
    generator = stream(8, "by heart")
    given = torch.randint(n_classes, (n_samples,), generator=generator)
    for epoch in range(epochs):
        for some in torch.randperm(n_samples, generator=generator).split(100):
            logits = torch.randn(len(some), n_classes, generator=generator)
            logits[torch.arange(len(some)), given[some]] += 1.2 * epoch
            yield Batch(logits, given[some])


def sensing(n_samples: int | None = 3000, *, general: bool = False) -> EvolvedLoss:
    """A sensing loss by the numbers that were set by hand, on the fast way or on the general one."""
    loss = EvolvedLoss(SensingNetwork(), SensorNumbers.set_by_hand(), n_samples=n_samples)
    if general:
        loss.terms = lambda logits, labels: None  # type: ignore[method-assign]
    return loss


def trained(loss: EvolvedLoss, batches: Iterator[Batch]) -> EvolvedLoss:
    """The loss after training calls."""
    for logits, target in batches:
        loss(logits.requires_grad_(), target).backward()
    return loss
