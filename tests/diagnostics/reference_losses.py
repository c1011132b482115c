"""Plain losses with known answers, sound and broken, written without the package."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def log_p_y(logits: Tensor, target: Tensor) -> Tensor:
    return F.log_softmax(logits, dim=1).gather(1, target.unsqueeze(1)).squeeze(1)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target, reduction="none")


def mae(logits: Tensor, target: Tensor) -> Tensor:
    return 2 * (1 - log_p_y(logits, target).exp())


def gce(logits: Tensor, target: Tensor) -> Tensor:
    return (1 - (0.7 * log_p_y(logits, target)).exp()) / 0.7


def brier(logits: Tensor, target: Tensor) -> Tensor:
    return ((F.softmax(logits, dim=1) - F.one_hot(target, logits.shape[1])) ** 2).sum(dim=1)


def smoothed(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target, reduction="none", label_smoothing=0.1)


def inverse(logits: Tensor, target: Tensor) -> Tensor:
    """1 / p_y: its gradient grows without bound."""
    return (-log_p_y(logits, target)).exp()


def negated(logits: Tensor, target: Tensor) -> Tensor:
    """Broken: rewards mistakes."""
    return -cross_entropy(logits, target)


def blind(logits: Tensor, target: Tensor) -> Tensor:
    """Broken: the label does not enter."""
    return -F.log_softmax(logits, dim=1).mean(dim=1)


def ten_classes_only(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy that refuses any other class count."""
    if logits.shape[1] != 10:
        raise ValueError(f"expected 10 classes, got {logits.shape[1]}")
    return cross_entropy(logits, target)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "blind": blind,
    "brier": brier,
    "cross_entropy": cross_entropy,
    "gce": gce,
    "inverse": inverse,
    "mae": mae,
    "negated": negated,
    "smoothed": smoothed,
}
