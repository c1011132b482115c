"""The divisor of the mean over a batch: labels that count, by their weights."""

from __future__ import annotations

import torch
from torch import Tensor

from evoloss.errors import ConfigError


def sum_of_weights(labels: Tensor, weight: Tensor | None, ignore_index: int = -100) -> Tensor:
    """The number of labels that count, or the sum of their class weights; a scalar, float32.

    As ``nn.CrossEntropyLoss`` has it, the mean over distributions divides by their number, whatever the
    weights.

    Args:
        labels: class indices in any shape, or distributions (floating), ``(..., C)``.
        weight: a factor a class, ``(C,)``; None for all ones.
        ignore_index: index label that does not count.

    Raises:
        ConfigError: if a label has no weight.

    Example:
        >>> print(sum_of_weights(torch.tensor([0, 1, -100]), torch.tensor([0.5, 2.0])))
        tensor(2.5000)
    """
    if labels.is_floating_point():
        return torch.tensor(labels.shape[:-1].numel(), dtype=torch.float32, device=labels.device)
    counted = labels[labels != ignore_index].long()
    if weight is None:
        return torch.tensor(counted.numel(), dtype=torch.float32, device=labels.device)
    if counted.numel() and int(counted.max()) >= len(weight):
        raise ConfigError(
            f"there is a label {int(counted.max())}, and the loss has {len(weight)} class weights"
        )
    return weight.detach().to(labels.device)[counted].sum().float()
