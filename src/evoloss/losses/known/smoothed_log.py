"""Smoothed logarithm: cross-entropy that gives up on labels less likely than a guess."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses.base import ClassificationLoss, Options
from evoloss.losses.call.gather import gather
from evoloss.losses.call.labels import Labels
from evoloss.losses.known.ranges import in_range
from evoloss.networks import Context, RowTerms, SlopeFunctions, Terms

__all__ = ["SmoothedLogLoss", "smoothed_log"]


def smoothed_log(log_p: Tensor, n_classes: int, share: float) -> Tensor:
    r"""Smoothed logarithm, :math:`(1 + 1/s) \log\frac{1 + e}{p_y + e}` with :math:`e = 1 / (s C)`.

    From 0 at p_y = 1 to :math:`(1 + 1/s) \log(1 + s C)` at p_y = 0. By log p_y its slope is
    :math:`-(1 + 1/s)\, p_y / (p_y + e)`: that of cross-entropy at the uniform prediction, a little more above
    it, and next to nothing where p_y falls below e.

    Args:
        log_p: log-probability of the label, at most 0, any shape.
        n_classes: the class count C.
        share: s, above 0; e is the s-th part of the uniform probability. Towards infinity it is
            cross-entropy, towards 0 mean absolute error.

    References:
        Suggested by synthetic tasks (docs/lab-notebook.md, entry 19). It is the gambler's loss of Liu et al.
        2019, arXiv:1907.00208, with a reserve that is fixed instead of learned.
    """
    log_e = torch.full_like(log_p, -math.log(share * n_classes))
    return (1 + 1 / share) * (math.log1p(1 / (share * n_classes)) - torch.logaddexp(log_p, log_e))


def smoothed_log_slope(log_p: Tensor, n_classes: int, share: float) -> Tensor:
    r"""Derivative of :func:`smoothed_log` by log p_y: :math:`-(1 + 1/s)\, p_y / (p_y + e)`."""
    return -(1 + 1 / share) * torch.sigmoid(log_p + math.log(share * n_classes))


@dataclass(frozen=True)
class SmoothedLogTerms(RowTerms):
    """The loss at one class count; arguments as for :func:`smoothed_log`."""

    n_classes: int
    share: float

    def cost_and_slope(self, log_p: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """See :func:`smoothed_log` and :func:`smoothed_log_slope`."""
        del context
        arguments = log_p, self.n_classes, self.share
        return smoothed_log(*arguments), smoothed_log_slope(*arguments)


class SmoothedLogLoss(ClassificationLoss):
    """Smoothed logarithm; see :func:`smoothed_log`.

    Args:
        share: above 0, at most 1e6.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if ``share`` is out of range.

    Example:
        >>> criterion = SmoothedLogLoss(weight=torch.tensor([1.0, 2.0, 1.0]))
        >>> print(criterion(torch.tensor([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]), torch.tensor([0, 1])))
        tensor(0.3481)
    """

    name: ClassVar[str] = "smoothed_log"
    _HYPERPARAMETERS: ClassVar[tuple[str, ...]] = ("share",)

    def __init__(
        self, weight: Tensor | None = None, *, share: float = 1.0, **options: Unpack[Options]
    ) -> None:
        super().__init__(weight, **options)
        self.share = in_range("smoothed_log", "share", share, 0.0, 1e6, above=True)

    def class_costs(self, logits: Tensor) -> Tensor:
        """See :func:`smoothed_log`."""
        return smoothed_log(F.log_softmax(logits, dim=1), logits.shape[1], self.share)

    def label_costs(self, logits: Tensor, target: Tensor) -> Tensor:
        """See :func:`smoothed_log`."""
        return smoothed_log(gather(F.log_softmax(logits, dim=1), target), logits.shape[1], self.share)

    def terms(self, logits: Tensor, labels: Labels) -> Terms | None:
        """Cost and slope; of dense labels in float32 or less."""
        if labels.is_dense and logits.dtype == torch.float64:
            return None
        return SmoothedLogTerms(logits.shape[1], self.share)

    def slopes(self, n_classes: int) -> SlopeFunctions:
        """The slopes of other classes, which are 0, and of the label, as functions of log p."""
        return torch.zeros_like, lambda log_p: smoothed_log_slope(log_p, n_classes, self.share)
