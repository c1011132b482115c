"""Max suppression: cross-entropy with a penalty on the largest logit."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch.nn.functional as F
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import ClassificationLoss, Options
from evoloss.losses.known.ranges import Range, Ranges

__all__ = ["MaxSupLoss", "maxsup"]


def maxsup(log_probs: Any, alpha: float, on: BatchOperations = TENSORS) -> Any:
    r"""Max suppression, :math:`-\log p_k + \alpha (\max_j z_j - \frac{1}{C} \sum_j z_j)` for every class k.

    Label smoothing has the logit of the label where this has the largest one.

    Args:
        log_probs: log-probabilities, shape ``(N, C)``; the difference of logits is a difference of these.
        alpha: strength of the penalty, at least 0; 0 gives cross-entropy.
        on: operations.

    Returns:
        The costs, at least 0, shape ``(N, C)``.

    References:
        Zhou et al. 2025, arXiv:2502.15798.
    """
    penalty = on.beside(on.largest(log_probs)) - on.beside(on.mean(log_probs))
    return alpha * penalty - log_probs


class MaxSupLoss(ClassificationLoss):
    """Max suppression; see :func:`maxsup`.

    Args:
        alpha: strength of the penalty, at least 0. The authors' recipes raise it linearly from 0.1, the
            default here, to 0.2 over the epochs; the attribute may be set between epochs for that.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if ``alpha`` is out of range.

    Example:
        >>> criterion = MaxSupLoss(alpha=0.1)
        >>> print(criterion(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([0])))
        tensor(0.3729)
    """

    name: ClassVar[str] = "maxsup"
    reference: ClassVar[str] = "Zhou et al. 2025, arXiv:2502.15798"
    formula: ClassVar[Formula | None] = Formula(maxsup, "classes")
    ranges: ClassVar[Ranges] = {"alpha": Range(0.0, scale="log", search=(0.01, 1.0))}

    def __init__(
        self, weight: Tensor | None = None, *, alpha: float = 0.1, **options: Unpack[Options]
    ) -> None:
        super().__init__(weight, **options)
        self.alpha = self._in_range("alpha", alpha)

    def class_costs(self, logits: Tensor) -> Tensor:
        """See :func:`maxsup`."""
        return maxsup(F.log_softmax(logits, dim=1), self.alpha)
