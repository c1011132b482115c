"""Brier score: squared error on probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import ClassificationLoss
from evoloss.losses.call.labels import Labels
from evoloss.networks import Context, RowTerms, SlopeFunctions, Terms

__all__ = ["BrierLoss", "brier"]


def brier(log_probs: Any, on: BatchOperations = TENSORS) -> Any:
    r"""Brier score, :math:`\sum_j (p_j - [j = k])^2 = 1 - 2 p_k + \sum_j p_j^2` for every class k; in [0, 2].

    Args:
        log_probs: log-probabilities, shape ``(N, C)``.
        on: operations.

    References:
        Brier 1950, Monthly Weather Review 78.
    """
    probs = on.exp(log_probs)
    return 1.0 - 2.0 * probs + on.beside(on.total(probs**2))


class BrierTerms(RowTerms):
    """The score as a sum of squares over all classes and a term of the label's."""

    has_other = True

    def cost_and_slope(self, log_p: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """``1 - 2 p`` and its slope by log p."""
        del context
        slope = log_p.exp().mul_(-2.0)
        return slope + 1.0, slope

    def others(self, log_probs: Tensor, scratch: Sequence[Tensor] | None) -> tuple[Tensor, Tensor]:
        """The sum of the squares, and their slopes ``2 p^2``."""
        squares = (
            log_probs.exp().square_() if scratch is None else torch.exp(log_probs, out=scratch[0]).square_()
        )
        return squares.sum(1), squares.mul_(2.0)


_TERMS = BrierTerms()


class BrierLoss(ClassificationLoss):
    """Squared error between predicted and one-hot probabilities, summed over classes; see :func:`brier`.

    Some code has the mean over classes. For a label distribution q the rule of the package gives
    ``sum_j (p_j - q_j)^2 + 1 - sum_j q_j^2``: the squared error to q and a constant.

    Example:
        >>> criterion = BrierLoss()
        >>> shares = torch.tensor([[0.7, 0.3, 0.0]])  # a soft target, as mixup makes
        >>> print(criterion(torch.tensor([[2.0, 0.0, 0.0]]), shares))
        tensor(0.4763)
    """

    name: ClassVar[str] = "brier"
    reference: ClassVar[str] = "Brier 1950, Monthly Weather Review 78"
    formula: ClassVar[Formula | None] = Formula(brier, "classes")

    def class_costs(self, logits: Tensor) -> Tensor:
        """See :func:`brier`."""
        return brier(F.log_softmax(logits, dim=1))

    def terms(self, logits: Tensor, labels: Labels) -> Terms | None:
        """Cost and slope, in float32 or less."""
        return None if logits.dtype == torch.float64 else _TERMS

    def slopes(self, n_classes: int) -> SlopeFunctions:
        """The slopes of other classes, ``2 p^2``, and of the label, ``2 p^2 - 2 p``, by log p."""
        del n_classes
        return lambda log_p: 2 * (2 * log_p).exp(), lambda log_p: 2 * (2 * log_p).exp() - 2 * log_p.exp()
