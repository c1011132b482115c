"""Class weights by the labels that are trained on, for any loss that takes weights as PyTorch's do."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from evoloss.errors import ConfigError


def balanced_weights(labels: Tensor, n_classes: int) -> Tensor:
    """One weight a class, ``n_samples / (n_classes * samples of the class)``; 1 for a class without samples.

    Args:
        labels: class indices, int64 ``(N,)``.
        n_classes: number of classes.

    Returns:
        float32 ``(n_classes,)``; the mean weight of a sample is 1 where every class has samples.

    Example:
        >>> balanced_weights(torch.tensor([0, 0, 0, 1]), 2)
        tensor([0.6667, 2.0000])
    """
    counts = torch.bincount(labels, minlength=n_classes).double()
    weights = len(labels) / (n_classes * counts)
    return torch.where(counts > 0, weights, 1.0).float()


def with_balanced_weights(loss: nn.Module, labels: Tensor, n_classes: int) -> nn.Module:
    """Return a copy of a loss that weighs classes by :func:`balanced_weights`.

    Raises:
        ConfigError: if the loss takes no class weights, or has some already.
    """
    name = type(loss).__name__
    if "weight" not in loss._buffers:
        raise ConfigError(
            f"loss {name} has no buffer 'weight', as nn.CrossEntropyLoss has for class weights, so "
            "class_weights='balanced' cannot reach it; leave class_weights at 'none'"
        )
    if loss._buffers["weight"] is not None:
        raise ConfigError(
            f"loss {name} has class weights of its own; leave class_weights at 'none', or make it without"
        )
    weighted = copy.deepcopy(loss)
    weighted._buffers["weight"] = balanced_weights(labels, n_classes)
    return weighted
