r"""Balanced loss networks: classwise, with a sum over the other classes that does not grow with their number.

:math:`\phi_0 = (1 / C + p) f(\log p, p, 0, \log C)`, :math:`\phi_1 = f(\log p, p, 1, \log C)` with one
network f. The factor adds up to at most 2 over all classes, so what a change of the network's weights does to
the loss does not grow with the class count, and a random network need not learn to silence a thousand small
terms before the label's is heard. Label smoothing, whose terms go as 1 / C, and Brier's, whose go as p^2, are
of this form with a tame f.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evoloss.formulas import NumberedFormula
from evoloss.networks.kinds.classwise import ClasswiseNetwork
from evoloss.networks.kinds.layers import layered_formula


@dataclass(frozen=True, kw_only=True)
class BalancedNetwork(ClasswiseNetwork):
    """A classwise network whose other classes weigh ``1 / C + p``; attributes as there.

    Example:
        >>> network = BalancedNetwork(hidden=(4,))
        >>> params = torch.randn(5, network.n_params, generator=torch.Generator().manual_seed(0))
        >>> network.form(params, n_classes=100).exists.shape
        torch.Size([5])
    """

    kind: ClassVar[str] = "balanced"
    summary: ClassVar[str] = "classwise, its sum over other classes held alike at all class counts"

    def factor(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        """1 for the label, ``1 / C + p`` for the others."""
        flag = torch.as_tensor(is_label, dtype=torch.bool, device=log_p.device)
        return torch.where(flag, torch.ones_like(log_p), log_p.exp() + 1 / n_classes)

    def formula(self, params: Tensor, n_classes: int) -> NumberedFormula:
        """The canonical cost as a formula with numbers."""
        return layered_formula(self, params, n_classes, balanced=True)

    def factor_slope(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        """The derivative of :meth:`factor` with respect to log p."""
        flag = torch.as_tensor(is_label, dtype=torch.bool, device=log_p.device)
        return torch.where(flag, torch.zeros_like(log_p), log_p.exp())
