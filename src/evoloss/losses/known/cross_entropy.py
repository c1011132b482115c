"""Cross-entropy, through the shared semantics."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.known.label_probability import LabelProbabilityLoss

__all__ = ["CrossEntropyLoss", "cross_entropy", "cross_entropy_slope"]


def cross_entropy(log_p: Any, on: BatchOperations = TENSORS) -> Any:
    r"""Cross-entropy, :math:`-\log p_y`; at least 0, 0 at p_y = 1.

    Args:
        log_p: log-probability of the label, at most 0, any shape.
        on: operations.
    """
    return -log_p


def cross_entropy_slope(log_p: Tensor) -> Tensor:
    r"""Derivative of :func:`cross_entropy` by log p_y: -1."""
    return torch.full_like(log_p, -1.0)


class CrossEntropyLoss(LabelProbabilityLoss):
    """Cross-entropy; see :func:`cross_entropy`, and :class:`ClassificationLoss` for the arguments.

    Equals ``nn.CrossEntropyLoss`` in value and gradient; the baseline that goes the way of every other loss.

    Example:
        >>> criterion = CrossEntropyLoss(label_smoothing=0.1)
        >>> logits, target = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([0])
        >>> expected = torch.nn.functional.cross_entropy(logits, target, label_smoothing=0.1)
        >>> torch.allclose(criterion(logits, target), expected)
        True
    """

    name: ClassVar[str] = "cross_entropy"
    formula: ClassVar[Formula | None] = Formula(cross_entropy)

    def cost(self, log_p: Tensor) -> Tensor:
        """See :func:`cross_entropy`."""
        return cross_entropy(log_p)

    def slope(self, log_p: Tensor) -> Tensor:
        """See :func:`cross_entropy_slope`."""
        return cross_entropy_slope(log_p)
