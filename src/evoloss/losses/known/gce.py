"""Generalised cross-entropy."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import Options
from evoloss.losses.known.label_probability import LabelProbabilityLoss
from evoloss.losses.known.ranges import Range, Ranges

__all__ = ["GceLoss", "gce", "gce_slope"]


def gce(log_p: Any, q: float, on: BatchOperations = TENSORS) -> Any:
    r"""Generalised cross-entropy, :math:`(1 - p_y^q) / q`; in [0, 1/q], 0 at p_y = 1.

    Args:
        log_p: log-probability of the label, at most 0, any shape.
        q: in (0, 1]; towards 0 it becomes cross-entropy, 1 gives 1 - p_y.
        on: operations.

    References:
        Zhang and Sabuncu 2018, arXiv:1805.07836.
    """
    # expm1 keeps the digits that 1 - p^q loses near p = 1 and for small q.
    return -on.expm1(q * log_p) / q


def gce_slope(log_p: Tensor, q: float) -> Tensor:
    r"""Derivative of :func:`gce` by log p_y: :math:`-p_y^q`."""
    return torch.exp(q * log_p).neg()


class GceLoss(LabelProbabilityLoss):
    """Generalised cross-entropy; see :func:`gce`. The truncated variant of the paper is not included.

    Args:
        q: in (0, 1]. 0.7 is the value of the paper.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if ``q`` is out of range.

    Example:
        >>> criterion = GceLoss(q=0.7, reduction="none")
        >>> print(criterion(torch.tensor([[4.0, 0.0, 0.0], [0.0, 40.0, 0.0]]), torch.tensor([0, 0])))
        tensor([0.0355, 1.4286])
    """

    name: ClassVar[str] = "gce"
    reference: ClassVar[str] = "Zhang and Sabuncu 2018, arXiv:1805.07836"
    formula: ClassVar[Formula | None] = Formula(gce)
    ranges: ClassVar[Ranges] = {"q": Range(0.0, 1.0, above=True, search=(0.05, 1.0))}

    def __init__(self, weight: Tensor | None = None, *, q: float = 0.7, **options: Unpack[Options]) -> None:
        super().__init__(weight, **options)
        self.q = self._in_range("q", q)

    def cost(self, log_p: Tensor) -> Tensor:
        """See :func:`gce`."""
        return gce(log_p, self.q)

    def slope(self, log_p: Tensor) -> Tensor:
        """See :func:`gce_slope`."""
        return gce_slope(log_p, self.q)
