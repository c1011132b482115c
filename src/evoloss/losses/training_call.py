"""Arguments of a training call beside logits and target."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from evoloss.losses.base import ClassificationLoss


def training_arguments(criterion: nn.Module, index: Tensor, rate: float) -> dict[str, Any]:
    """Return what a training call says beside logits and target, for a loss that asks.

    Args:
        criterion: the loss.
        index: place of each sample in the training set, ``(B,)``.
        rate: learning rate of the step.
    """
    if not isinstance(criterion, ClassificationLoss):
        return {}
    known: dict[str, Any] = {"index": index, "lr": rate}
    return {name: known[name] for name in criterion.training_arguments}
