"""Symmetric cross-entropy."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import Options
from evoloss.losses.known.label_probability import LabelProbabilityLoss
from evoloss.losses.known.ranges import Range, Ranges
from evoloss.losses.known.rce import reverse_cross_entropy

__all__ = ["SceLoss", "sce", "sce_slope"]


def sce(log_p: Any, alpha: float, beta: float, log_zero: float, on: BatchOperations = TENSORS) -> Any:
    r"""Symmetric cross-entropy, :math:`-\alpha \log p_y - \beta A (1 - p_y)`; at least 0, 0 at p_y = 1.

    Args:
        log_p: log-probability of the label, at most 0, any shape.
        alpha: factor of cross-entropy, at least 0.
        beta: factor of reverse cross-entropy, at least 0.
        log_zero: A, the finite number that stands for log 0; below 0.
        on: operations.

    References:
        Wang et al. 2019, arXiv:1908.06112.
    """
    return -alpha * log_p + beta * reverse_cross_entropy(log_p, log_zero, on)


def sce_slope(log_p: Tensor, alpha: float, beta: float, log_zero: float) -> Tensor:
    r"""Derivative of :func:`sce` by log p_y: :math:`-\alpha + \beta A\, p_y`."""
    return torch.exp(log_p) * (beta * log_zero) - alpha


class SceLoss(LabelProbabilityLoss):
    """Symmetric cross-entropy; see :func:`sce`.

    Args:
        alpha: factor of cross-entropy, at least 0. The default is the CIFAR-10 setting; CIFAR-100 has 6.
        beta: factor of reverse cross-entropy, at least 0. The default is the CIFAR-10 setting.
        log_zero: A, in [-1000, -0.001]. The default, -4, is the value of the paper. Its authors' code
            (YisenWang/symmetric_cross_entropy_for_noisy_labels) clips the one-hot label at 1e-4, as later
            code does, which is ``log_zero=math.log(1e-4)``, -9.21, or 2.3 times the ``beta``.
            ``docs/loss-defaults.md`` shows both.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if a parameter is out of range.

    Example:
        >>> criterion = SceLoss(alpha=0.1, beta=1.0)
        >>> print(criterion(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([1])))
        tensor(3.7979)
    """

    name: ClassVar[str] = "sce"
    reference: ClassVar[str] = "Wang et al. 2019, arXiv:1908.06112"
    formula: ClassVar[Formula | None] = Formula(sce)
    ranges: ClassVar[Ranges] = {
        "alpha": Range(0.0, scale="log", search=(0.01, 10.0)),
        "beta": Range(0.0, scale="log", search=(0.01, 10.0)),
        "log_zero": Range(-1000.0, -0.001, search=(-10.0, -1.0)),
    }

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        alpha: float = 0.1,
        beta: float = 1.0,
        log_zero: float = -4.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(weight, **options)
        self.alpha = self._in_range("alpha", alpha)
        self.beta = self._in_range("beta", beta)
        self.log_zero = self._in_range("log_zero", log_zero)

    def cost(self, log_p: Tensor) -> Tensor:
        """See :func:`sce`."""
        return sce(log_p, self.alpha, self.beta, self.log_zero)

    def slope(self, log_p: Tensor) -> Tensor:
        """See :func:`sce_slope`."""
        return sce_slope(log_p, self.alpha, self.beta, self.log_zero)
