"""Partially Huberised cross-entropy."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import Options
from evoloss.losses.known.label_probability import LabelProbabilityLoss
from evoloss.losses.known.ranges import Range, Ranges

__all__ = ["PhuberLoss", "phuber", "phuber_slope"]


def phuber(log_p: Any, tau: float, on: BatchOperations = TENSORS) -> Any:
    r"""Partially Huberised cross-entropy: linear in p_y below 1 / tau, where it meets cross-entropy smoothly.

    .. math:: -\log p_y \ \text{ if } p_y \ge 1/\tau, \qquad \log \tau + 1 - \tau p_y \ \text{ else;}

    in :math:`[0, \log \tau + 1]`. The derivative by p_y is that of cross-entropy, clipped at :math:`-\tau`.

    Args:
        log_p: log-probability of the label, at most 0, any shape.
        tau: above 1, a number or a scalar tensor; towards infinity it becomes cross-entropy.
        on: operations.

    References:
        Menon et al. 2020, ICLR, "Can gradient clipping mitigate label noise?".
    """
    return linear_below(log_p, tau, -math.log(tau), on)


def linear_below(log_p: Any, tau: Any, end: Any, on: BatchOperations = TENSORS) -> Any:
    """Cross-entropy above log p = ``end``, which is -log ``tau``, and a line in p below."""
    below = log_p < end
    return on.where(below, 1.0 - tau * on.exp(log_p), 0.0) - on.where(below, end, log_p)


def phuber_slope(log_p: Tensor, tau: float) -> Tensor:
    r"""Derivative of :func:`phuber` by log p_y: :math:`-\min(1, \tau p_y)`."""
    return (-tau * torch.exp(log_p)).clamp(min=-1.0)


class PhuberLoss(LabelProbabilityLoss):
    """Partially Huberised cross-entropy, PHuber-CE; see :func:`phuber`.

    Args:
        tau: above 1, at most 1e7. 10 is the value of public code (dmizr/phuber) for CIFAR-100 and its
            default; its example for CIFAR-10 has 2.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if ``tau`` is out of range.

    Example:
        >>> criterion = PhuberLoss(tau=10.0, reduction="none")
        >>> print(criterion(torch.tensor([[2.0, 0.0, 0.0], [0.0, 40.0, 0.0]]), torch.tensor([0, 0])))
        tensor([0.2395, 3.3026])
    """

    name: ClassVar[str] = "phuber"
    reference: ClassVar[str] = "Menon et al. 2020, ICLR"
    formula: ClassVar[Formula | None] = Formula(phuber)
    ranges: ClassVar[Ranges] = {"tau": Range(1.0, 1e7, above=True, scale="log", search=(1.5, 100.0))}

    def __init__(
        self, weight: Tensor | None = None, *, tau: float = 10.0, **options: Unpack[Options]
    ) -> None:
        super().__init__(weight, **options)
        self.tau = self._in_range("tau", tau)

    def cost(self, log_p: Tensor) -> Tensor:
        """See :func:`phuber`."""
        return phuber(log_p, self.tau)

    def slope(self, log_p: Tensor) -> Tensor:
        """See :func:`phuber_slope`."""
        return phuber_slope(log_p, self.tau)
