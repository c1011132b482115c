"""Focal loss."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import Options
from evoloss.losses.known.label_probability import LabelProbabilityLoss
from evoloss.losses.known.ranges import Range, Ranges

__all__ = ["FocalLoss", "focal", "focal_slope"]


# At p = 1 a power below 1 has an infinite slope, and infinity times log p = 0 is NaN. The floor is far below
# the resolution of p, and its square is still a number in float32, as second derivatives need.
_LEAST_MISSING = 1e-12
_TINY = -100.0  # 1 - exp(-100) is 1 in float64


def focal(log_p: Any, gamma: float, on: BatchOperations = TENSORS) -> Any:
    r"""Focal loss, :math:`-(1 - p_y)^\gamma \log p_y`; at least 0, 0 at p_y = 1.

    Args:
        log_p: log-probability of the label, at most 0, any shape.
        gamma: focus, at least 0; 0 gives cross-entropy.
        on: operations.

    References:
        Lin et al. 2017, arXiv:1708.02002.
    """
    # Where p_y is 0 to every digit the loss is -log p_y; 0 times an infinite logarithm would be NaN there.
    tiny = log_p < _TINY
    inside = on.where(tiny, _TINY, log_p)
    missing = on.at_least(-on.expm1(inside), _LEAST_MISSING)
    return on.where(tiny, -log_p, -(missing**gamma) * inside)


def focal_slope(log_p: Tensor, gamma: float) -> Tensor:
    r"""Derivative of :func:`focal` by log p_y.

    :math:`\gamma m^{\gamma - 1} p_y \log p_y - m^\gamma` with m = 1 - p_y.
    """
    p = torch.exp(log_p)
    missing = (-torch.expm1(log_p)).clamp(min=_LEAST_MISSING)
    # p log p is 0 at p = 0, and 0 times infinity is not.
    entropy = torch.where(p == 0.0, 0.0, p * log_p)
    return gamma * missing ** (gamma - 1.0) * entropy - missing**gamma


class FocalLoss(LabelProbabilityLoss):
    """Focal loss; see :func:`focal`.

    The paper's balance factor alpha is what ``weight`` does here.

    Args:
        gamma: focus, from 0 to 1000. 2 is the value of the paper; benchmarks with label noise often use 0.5.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if ``gamma`` is out of range.

    Example:
        >>> criterion = FocalLoss(gamma=2.0, reduction="none")
        >>> print(criterion(torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0]]), torch.tensor([0, 0])))
        tensor([4.4924e-05, 3.8946e+00])
    """

    name: ClassVar[str] = "focal"
    reference: ClassVar[str] = "Lin et al. 2017, arXiv:1708.02002"
    formula: ClassVar[Formula | None] = Formula(focal)
    # With a larger one the rounding of p in float32 decides about the power.
    ranges: ClassVar[Ranges] = {"gamma": Range(0.0, 1e3, search=(0.0, 5.0))}

    def __init__(
        self, weight: Tensor | None = None, *, gamma: float = 2.0, **options: Unpack[Options]
    ) -> None:
        super().__init__(weight, **options)
        self.gamma = self._in_range("gamma", gamma)

    def cost(self, log_p: Tensor) -> Tensor:
        """See :func:`focal`."""
        return focal(log_p, self.gamma)

    def slope(self, log_p: Tensor) -> Tensor:
        """See :func:`focal_slope`."""
        return focal_slope(log_p, self.gamma)
