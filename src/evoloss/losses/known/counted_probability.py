"""Losses that see of a prediction the label's probability and the number of classes."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses.base import ClassificationLoss
from evoloss.losses.call.gather import gather
from evoloss.losses.call.labels import Labels
from evoloss.networks import Context, RowTerms, SlopeFunctions, Terms

__all__ = ["CountedProbabilityLoss"]


@dataclass(frozen=True)
class _CountedTerms(RowTerms):
    """A loss at one class count."""

    loss: CountedProbabilityLoss
    n_classes: int

    def cost_and_slope(self, log_p: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """Cost and slope of the loss."""
        del context
        return self.loss.cost(log_p, self.n_classes), self.loss.slope(log_p, self.n_classes)


class CountedProbabilityLoss(ClassificationLoss):
    """Base of the losses that are a function of log p_y and of the class count.

    A subclass defines cost and slope, which plain calls and the students of a search are trained with, as of
    a :class:`~evoloss.losses.known.label_probability.LabelProbabilityLoss`, the same at every class count.

    Example:
        >>> class AboveChance(CountedProbabilityLoss):
        ...     def cost(self, log_p, n_classes):
        ...         return (1 - log_p.exp()) / (1 - 1 / n_classes)
        ...     def slope(self, log_p, n_classes):
        ...         return -log_p.exp() / (1 - 1 / n_classes)
        >>> AboveChance()(torch.zeros(2, 4), torch.tensor([0, 3]))
        tensor(1.)
    """

    @abstractmethod
    def cost(self, log_p: Tensor, n_classes: int) -> Tensor:
        """Cost of giving the label the log-probability ``log_p``.

        Args:
            log_p: at most 0, float32 or float64, any shape; ``-inf`` for a label that is masked.
            n_classes: the class count, at least 1.

        Returns:
            The costs, of the same shape, with a derivative that is finite everywhere.
        """

    @abstractmethod
    def slope(self, log_p: Tensor, n_classes: int) -> Tensor:
        """The derivative of :meth:`cost`, of the same shape; finite everywhere, also at ``-inf``."""

    def slopes(self, n_classes: int) -> SlopeFunctions:
        """The slopes of other classes, which are 0, and of the label, as functions of log p."""
        return torch.zeros_like, lambda log_p: self.slope(log_p, n_classes)

    def class_costs(self, logits: Tensor) -> Tensor:
        """L(p, k) for every class k; ``(N, C)`` to ``(N, C)``."""
        return self.cost(F.log_softmax(logits, dim=1), logits.shape[1])

    def label_costs(self, logits: Tensor, target: Tensor) -> Tensor:
        """L(p, y); ``(N, C)`` and ``(N,)`` to ``(N,)``."""
        return self.cost(gather(F.log_softmax(logits, dim=1), target), logits.shape[1])

    def terms(self, logits: Tensor, labels: Labels) -> Terms | None:
        """Cost and slope; of dense labels in float32 or less."""
        if labels.is_dense and logits.dtype == torch.float64:
            return None
        return _CountedTerms(self, logits.shape[1])
