"""Index targets of rows: whether they are in range, which count, how much each weighs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses.call.labels import Labels

__all__ = ["check_range", "index_labels", "weighted"]

# Labels; which rows count, None for all; what multiplies the cost of each, None for 1; what the mean divides
# by, None for their number.
Factors = tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]


def check_range(labels: Labels, n_classes: int) -> None:
    """Raise IndexError, as cross-entropy does, for an index target outside ``[0, C)``."""
    label = labels.label
    least, most = label.aminmax()
    if least.item() < 0 or most.item() >= n_classes:
        wrong = label[(label < 0) | (label >= n_classes)][:1]
        F.nll_loss(torch.zeros(1, n_classes, dtype=torch.float32, device=label.device), wrong)


def index_labels(labels: Labels) -> Factors:
    """The labels of rows from index targets, which are in range.

    Returns:
        The labels ``(N,)``, class 0 for rows to ignore; which rows count, None for all; what multiplies the
        cost of each, None for 1; what the mean divides by, None for their number.
    """
    target, weight, _, ignored, _ = labels
    # Only an index to ignore is negative, or the index is one of the classes and has to be looked for.
    if target.min().item() >= 0 if ignored < 0 else not bool((target == ignored).any()):
        if weight is None:
            return target, None, None, None
        factor = weight.index_select(0, target)
        return target, None, factor, factor.sum()
    label, counted = labels.label, labels.counted
    if weight is None:
        return label, counted, counted.to(torch.float32), counted.sum()
    factor = torch.where(counted, weight.index_select(0, label), 0.0)
    return label, counted, factor, factor.sum()


def weighted(cost: Tensor, counted: Tensor | None, factor: Tensor) -> Tensor:
    """Costs times what multiplies them, 0 for rows to ignore: those may cost NaN, and 0 * NaN is NaN."""
    cost = cost.mul_(factor)
    return cost if counted is None else cost.masked_fill_(~counted, 0.0)
