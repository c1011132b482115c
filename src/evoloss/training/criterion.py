"""A loss that takes part in a training: what it asks to be told."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from evoloss.losses import ClassificationLoss, NoiseRate
from evoloss.losses.parameters import ParametricLoss
from evoloss.losses.state import states_of


def prepared_criterion(
    loss: nn.Module, device: torch.device, *, n_samples: int, epochs: int, samples_per_epoch: int, world: int
) -> nn.Module:
    """Copy a loss for a training, and say how long that is to one that asks.

    Args:
        loss: the loss; it stays as it is.
        device: of the training.
        n_samples: size of the training set.
        epochs: passes over it.
        samples_per_epoch: of all processes, without incomplete batches.
        world: how many processes train; running statistics are those of the joint batches.
    """
    criterion = copy.deepcopy(loss).to(device).train()
    if isinstance(criterion, ClassificationLoss):
        criterion.plan_training(n_samples=n_samples, epochs=epochs, samples_per_epoch=samples_per_epoch)
    for state in states_of(criterion):
        state.synchronised = world > 1
    return criterion


def sensed_noise_rate(criterion: nn.Module) -> NoiseRate | None:
    """The share of wrong labels that a loss has sensed in its training; None for one that senses none."""
    return criterion.noise_rate if isinstance(criterion, ParametricLoss) and criterion.senses_noise else None


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
