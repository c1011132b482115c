"""Losses that see of a prediction the label's probability only, as cross-entropy and most known ones do."""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses.base import ClassificationLoss
from evoloss.losses.call.gather import gather
from evoloss.losses.call.labels import Labels
from evoloss.networks import Context, RowTerms, SlopeFunctions, Terms

__all__ = ["LabelProbabilityLoss"]


class LabelProbabilityLoss(ClassificationLoss, RowTerms):
    """Base of the losses that are a function of log p_y alone; a subclass defines cost and slope.

    Both stand side by side: plain calls and the students of a search are trained with the slope, all others
    differentiate the cost.

    Example:
        >>> class Root(LabelProbabilityLoss):
        ...     def cost(self, log_p):
        ...         return (1 - log_p.exp()).sqrt()
        >>> Root(reduction="sum")(torch.zeros(2, 4), torch.tensor([0, 3]))
        tensor(1.7321)
    """

    @abstractmethod
    def cost(self, log_p: Tensor) -> Tensor:
        """Cost of giving the label the log-probability ``log_p``.

        Args:
            log_p: at most 0, float32 or float64, any shape; ``-inf`` for a label that is masked.

        Returns:
            The costs, of the same shape, with a derivative that is finite everywhere.
        """

    @abstractmethod
    def slope(self, log_p: Tensor) -> Tensor:
        """The derivative of :meth:`cost`, of the same shape; finite everywhere, also at ``-inf``."""

    def slopes(self, n_classes: int) -> SlopeFunctions:
        """The slopes of other classes, which are 0, and of the label, as functions of log p."""
        del n_classes
        return torch.zeros_like, self.slope

    def class_costs(self, logits: Tensor) -> Tensor:
        """L(p, k) for every class k; ``(N, C)`` to ``(N, C)``."""
        return self.cost(F.log_softmax(logits, dim=1))

    def label_costs(self, logits: Tensor, target: Tensor) -> Tensor:
        """L(p, y); ``(N, C)`` and ``(N,)`` to ``(N,)``."""
        return self.cost(gather(F.log_softmax(logits, dim=1), target))

    def terms(self, logits: Tensor, labels: Labels) -> Terms | None:
        """Cost and slope; of dense labels in float32 or less."""
        return None if labels.is_dense and logits.dtype == torch.float64 else self

    def cost_and_slope(self, log_p: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """:meth:`cost` and :meth:`slope`."""
        del context
        return self.cost(log_p), self.slope(log_p)
