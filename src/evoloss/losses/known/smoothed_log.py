"""Smoothed logarithm: cross-entropy that gives up on labels less likely than a guess."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import Options
from evoloss.losses.known.counted_probability import CountedProbabilityLoss
from evoloss.losses.known.ranges import Range, Ranges

__all__ = ["SmoothedLogLoss", "smoothed_log", "smoothed_log_slope"]


def smoothed_log(log_p: Any, n_classes: int, share: float, on: BatchOperations = TENSORS) -> Any:
    r"""Smoothed logarithm, :math:`(1 + 1/s) \log\frac{1 + e}{p_y + e}` with :math:`e = 1 / (s C)`.

    From 0 at p_y = 1 to :math:`(1 + 1/s) \log(1 + s C)` at p_y = 0. By log p_y its slope is
    :math:`-(1 + 1/s)\, p_y / (p_y + e)`: that of cross-entropy at the uniform prediction, a little more above
    it, and next to nothing where p_y falls below e.

    Args:
        log_p: log-probability of the label, at most 0, any shape.
        n_classes: the class count C.
        share: s, above 0; e is the s-th part of the uniform probability. Towards infinity it is
            cross-entropy, towards 0 mean absolute error.
        on: operations.

    References:
        Suggested by synthetic tasks (docs/notebook, entry 19). It is the gambler's loss of Liu et al.
        2019, arXiv:1907.00208, with a reserve that is fixed instead of learned.
    """
    e = 1 / (share * n_classes)
    # The ratio less 1, (1 - p) / (p + e): a difference of two logarithms would cancel where e is large.
    return (1 + 1 / share) * on.log1p(-on.expm1(log_p) / (on.exp(log_p) + e))


def smoothed_log_costs(log_probs: Any, share: float, on: BatchOperations = TENSORS) -> Any:
    """:func:`smoothed_log` of every class, ``(N, C)``."""
    return smoothed_log(log_probs, log_probs.shape[1], share, on)


def smoothed_log_slope(log_p: Tensor, n_classes: int, share: float) -> Tensor:
    r"""Derivative of :func:`smoothed_log` by log p_y: :math:`-(1 + 1/s)\, p_y / (p_y + e)`."""
    return -(1 + 1 / share) * torch.sigmoid(log_p + math.log(share * n_classes))


class SmoothedLogLoss(CountedProbabilityLoss):
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
    reference: ClassVar[str] = "Liu et al. 2019, arXiv:1907.00208"
    formula: ClassVar[Formula | None] = Formula(smoothed_log_costs, "classes")
    ranges: ClassVar[Ranges] = {"share": Range(0.0, 1e6, above=True, scale="log", search=(0.1, 100.0))}

    def __init__(
        self, weight: Tensor | None = None, *, share: float = 1.0, **options: Unpack[Options]
    ) -> None:
        super().__init__(weight, **options)
        self.share = self._in_range("share", share)

    def cost(self, log_p: Tensor, n_classes: int) -> Tensor:
        """See :func:`smoothed_log`."""
        return smoothed_log(log_p, n_classes, self.share)

    def slope(self, log_p: Tensor, n_classes: int) -> Tensor:
        """See :func:`smoothed_log_slope`."""
        return smoothed_log_slope(log_p, n_classes, self.share)
