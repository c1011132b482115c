"""Brier score: squared error on probabilities."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from evoloss.losses.base import ClassificationLoss
from evoloss.losses.known.slopes import SlopeFunctions

__all__ = ["BrierLoss", "brier"]


def brier(log_probs: Tensor) -> Tensor:
    r"""Brier score, :math:`\sum_j (p_j - [j = k])^2 = 1 - 2 p_k + \sum_j p_j^2` for every class k; in [0, 2].

    Args:
        log_probs: log-probabilities, shape ``(N, C)``.

    References:
        Brier 1950, Monthly Weather Review 78.
    """
    probs = log_probs.exp()
    return 1.0 - 2.0 * probs + probs.square().sum(dim=1, keepdim=True)


class BrierLoss(ClassificationLoss):
    """Squared error between predicted and one-hot probabilities, summed over classes; see :func:`brier`.

    Some code has the mean over classes. For a label distribution q the rule of the package gives
    ``sum_j (p_j - q_j)^2 + 1 - sum_j q_j^2``: the squared error to q and a constant.
    """

    name: ClassVar[str] = "brier"

    def class_costs(self, logits: Tensor) -> Tensor:
        """See :func:`brier`."""
        return brier(F.log_softmax(logits, dim=1))

    def slopes(self, n_classes: int) -> SlopeFunctions:
        """The slopes of other classes, ``2 p^2``, and of the label, ``2 p^2 - 2 p``, by log p."""
        del n_classes
        return lambda log_p: 2 * (2 * log_p).exp(), lambda log_p: 2 * (2 * log_p).exp() - 2 * log_p.exp()
