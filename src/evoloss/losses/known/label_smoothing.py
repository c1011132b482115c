"""Cross-entropy with label smoothing."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import ClassificationLoss, Options
from evoloss.losses.call.labels import Labels
from evoloss.losses.known.ranges import Range, Ranges
from evoloss.networks import AffineTerms, SlopeFunctions, Terms

__all__ = ["LabelSmoothingLoss", "smoothed_cross_entropy"]


def smoothed_cross_entropy(log_probs: Any, smoothing: float, on: BatchOperations = TENSORS) -> Any:
    r"""Smoothed cross-entropy, :math:`-(1 - s) \log p_k - (s / C) \sum_j \log p_j` for every class k.

    Args:
        log_probs: log-probabilities, shape ``(N, C)``.
        smoothing: s, in [0, 1]; 0 gives cross-entropy.
        on: operations.

    Returns:
        The costs, at least 0, shape ``(N, C)``.

    References:
        Szegedy et al. 2016, arXiv:1512.00567.
    """
    return -(1.0 - smoothing) * log_probs - smoothing * on.beside(on.mean(log_probs))


class LabelSmoothingLoss(ClassificationLoss):
    """Cross-entropy with label smoothing as part of the loss; see :func:`smoothed_cross_entropy`.

    Without class weights it equals ``nn.CrossEntropyLoss(label_smoothing=smoothing)``. With them it differs:
    here the weight of the label multiplies the whole cost, there every class of the smoothed target has its
    own weight. The shared ``label_smoothing`` stays a separate argument, with PyTorch's meaning.

    Args:
        smoothing: share of the label spread over all classes, in [0, 1]. 0.1 is the value of the paper.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if ``smoothing`` is out of range.

    Example:
        >>> criterion = LabelSmoothingLoss(smoothing=0.1)
        >>> print(criterion(torch.tensor([[4.0, 0.0, 0.0]]), torch.tensor([0])))
        tensor(0.3026)
    """

    name: ClassVar[str] = "label_smoothing"
    reference: ClassVar[str] = "Szegedy et al. 2016, arXiv:1512.00567"
    formula: ClassVar[Formula | None] = Formula(smoothed_cross_entropy, "classes")
    ranges: ClassVar[Ranges] = {"smoothing": Range(0.0, 1.0, search=(0.0, 0.5))}

    def __init__(
        self, weight: Tensor | None = None, *, smoothing: float = 0.1, **options: Unpack[Options]
    ) -> None:
        super().__init__(weight, **options)
        self.smoothing = self._in_range("smoothing", smoothing)

    def class_costs(self, logits: Tensor) -> Tensor:
        """See :func:`smoothed_cross_entropy`."""
        return smoothed_cross_entropy(F.log_softmax(logits, dim=1), self.smoothing)

    def terms(self, logits: Tensor, labels: Labels) -> Terms | None:
        """Linear terms, in float32 or less."""
        if logits.dtype == torch.float64:
            return None
        return AffineTerms(-self.smoothing / logits.shape[1], -(1.0 - self.smoothing))

    def slopes(self, n_classes: int) -> SlopeFunctions:
        """The slopes of other classes, ``-s / C``, and of the label, ``-(1 - s + s / C)``."""
        share = self.smoothing / n_classes
        label = -(1.0 - self.smoothing + share)
        return lambda log_p: torch.full_like(log_p, -share), lambda log_p: torch.full_like(log_p, label)
