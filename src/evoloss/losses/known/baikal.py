"""Baikal loss, found by genetic programming."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import ClassificationLoss

__all__ = ["BaikalLoss", "baikal"]

# Largest value of (1 / C) / p_k before its growth slows down; see `_bounded_inverse`.
_LARGEST_SLOPE = 2000.0


def baikal(log_probs: Any, on: BatchOperations = TENSORS) -> Any:
    r"""Baikal loss, :math:`\frac{1}{C} \sum_j ([j = k] / p_j - \log p_j)` for every class k.

    Below :math:`p_k = 1 / (2000\,C)` the term 1 / p_k goes on logarithmically, with a continuous first
    derivative: unbounded, it would leave every floating-point range.

    Args:
        log_probs: log-probabilities, shape ``(N, C)``.
        on: operations.

    References:
        Gonzalez and Miikkulainen 2020, arXiv:1905.11528.
    """
    n_classes = log_probs.shape[1]
    return _bounded_inverse(log_probs, n_classes, on) / n_classes - on.beside(on.mean(log_probs))


def _bounded_inverse(log_p: Any, n_classes: int, on: BatchOperations) -> Any:
    """1 / p, but ``b (1 + log(1 + log(1 / (b p))))`` where p is below 1 / b, with b = 2000 C.

    Value and slope meet at p = 1 / b. The slope of 1 / p in the logits is 1 / p itself: divided by C it stays
    below 2000 here, and the value below 22,000 for log p down to -20,000, so that loss and gradient fit
    float16 (65,504). A plain clamp would fit too, but would leave a confident mistake without any pull to its
    label.
    """
    bound = _LARGEST_SLOPE * n_classes
    threshold = -math.log(bound)
    beyond = on.at_least(threshold - log_p, 0.0)
    return on.exp(-on.at_least(log_p, threshold)) * (1.0 + on.log1p(beyond))


class BaikalLoss(ClassificationLoss):
    """Baikal loss; see :func:`baikal`. It punishes certainty.

    With equal probabilities for the other classes it is cheapest at p_y = 0.71 for two classes, 0.32 for ten
    and 0.10 for a hundred: the term over all classes pulls towards equal probabilities.

    The published formula is ``-(1/n) sum_i (log p_i - t_i / p_i)``. Settled here: p after softmax, n the
    number of classes (the mean over samples is ``reduction``), and the growth at tiny p_y, which a formula
    with 1 / p leaves to whoever computes it.

    Example:
        >>> criterion = BaikalLoss(ignore_index=-1)
        >>> print(criterion(torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), torch.tensor([0, -1])))
        tensor(1.9964)
    """

    name: ClassVar[str] = "baikal"
    reference: ClassVar[str] = "Gonzalez and Miikkulainen 2020, arXiv:1905.11528"
    formula: ClassVar[Formula | None] = Formula(baikal, "classes")

    def class_costs(self, logits: Tensor) -> Tensor:
        """See :func:`baikal`."""
        return baikal(F.log_softmax(logits, dim=1))
