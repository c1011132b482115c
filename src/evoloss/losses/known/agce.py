"""Asymmetric generalised cross-entropy."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import Options
from evoloss.losses.known.label_probability import LabelProbabilityLoss
from evoloss.losses.known.ranges import Range, Ranges

__all__ = ["AgceLoss", "agce", "agce_slope"]


def agce(log_p: Any, a: float, q: float, on: BatchOperations = TENSORS) -> Any:
    r"""Asymmetric generalised cross-entropy, :math:`((a + 1)^q - (a + p_y)^q) / q`; at least 0, 0 at p_y = 1.

    Args:
        log_p: log-probability of the label, at most 0, any shape.
        a: above 0.
        q: above 0; towards a = 0 with q at most 1 it becomes generalised cross-entropy.
        on: operations.

    References:
        Zhou et al. 2021, arXiv:2106.03110.
    """
    # (a + p)^q = (a + 1)^q (1 + (p - 1) / (a + 1))^q: written so that no digits cancel near p = 1.
    shortfall = on.log1p(on.expm1(log_p) / (a + 1.0))
    return -math.pow(a + 1.0, q) / q * on.expm1(q * shortfall)


def agce_slope(log_p: Tensor, a: float, q: float) -> Tensor:
    r"""Derivative of :func:`agce` by log p_y: :math:`-(a + p_y)^{q - 1} p_y`."""
    p = torch.exp(log_p)
    return -((a + p) ** (q - 1.0)) * p


class AgceLoss(LabelProbabilityLoss):
    """Asymmetric generalised cross-entropy; see :func:`agce`.

    Args:
        a: above 0, at most 1000. The default is the CIFAR-10 setting of the AGCE term of NCE+AGCE in the
            published configurations of the Active Negative Loss (factors 1 for NCE and 4 for AGCE); CIFAR-100
            has 1.8. For the loss alone the configuration of the Joint Asymmetric Loss
            (cswjl/joint-asymmetric-loss) has ``a=0.6, q=0.6`` on both; ``docs/loss-defaults.md`` shows both
            settings.
        q: above 0, at most 10. The default comes from the same place; CIFAR-100 has 3.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if a parameter is out of range.

    Example:
        >>> criterion = AgceLoss(a=6.0, q=1.5)
        >>> print(criterion(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([1])))
        tensor(2.2868)
    """

    name: ClassVar[str] = "agce"
    reference: ClassVar[str] = "Zhou et al. 2021, arXiv:2106.03110"
    formula: ClassVar[Formula | None] = Formula(agce)
    ranges: ClassVar[Ranges] = {
        # (a + 1)^q has to fit float32.
        "a": Range(0.0, 1e3, above=True, scale="log", search=(0.1, 10.0)),
        "q": Range(0.0, 10.0, above=True, scale="log", search=(0.1, 5.0)),
    }

    def __init__(
        self, weight: Tensor | None = None, *, a: float = 6.0, q: float = 1.5, **options: Unpack[Options]
    ) -> None:
        super().__init__(weight, **options)
        self.a = self._in_range("a", a)
        self.q = self._in_range("q", q)

    def cost(self, log_p: Tensor) -> Tensor:
        """See :func:`agce`."""
        return agce(log_p, self.a, self.q)

    def slope(self, log_p: Tensor) -> Tensor:
        """See :func:`agce_slope`."""
        return agce_slope(log_p, self.a, self.q)
