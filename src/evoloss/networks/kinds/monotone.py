r"""Monotone loss networks: classwise, and consistent with dominance by construction.

:math:`\phi_1` falls and :math:`\phi_0` rises with p, so moving mass from the label to other classes always
raises the loss. The network sees ``s log p / 4`` and ``s p`` with s = -1 for the label and +1 for the others;
the weights on these two and all weights behind the first layer are positive, and the activation rises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.errors import ConfigError
from evoloss.formulas import NumberedFormula
from evoloss.networks.base import LossNetwork
from evoloss.networks.kinds.classwise import ClasswiseNetwork
from evoloss.networks.kinds.layers import layered_formula
from evoloss.networks.slopes import SlopesByCount

RISING = ("softplus", "tanh")


@dataclass(frozen=True, kw_only=True)
class MonotoneNetwork(ClasswiseNetwork):
    """A classwise network with sign-constrained weights; attributes as there.

    Positive weights are the softplus of the search parameters.

    Raises:
        ConfigError: if the activation is not increasing everywhere.

    Example:
        >>> network = MonotoneNetwork(hidden=(4,))
        >>> params = torch.randn(2, network.n_params, generator=torch.Generator().manual_seed(0))
        >>> log_probs = torch.tensor([[0.7, 0.3], [0.2, 0.8]]).log()
        >>> costs = network.losses(params, log_probs, torch.tensor([0, 0]))
        >>> costs[:, 1] > costs[:, 0]  # the more erroneous one costs more, whatever the parameters
        tensor([True, True])
    """

    kind: ClassVar[str] = "monotone"
    summary: ClassVar[str] = "classwise, consistent by construction"
    can_imitate: ClassVar[bool] = False
    is_nonnegative: ClassVar[bool] = True  # every term falls to 0 where the right one is certain

    activation: str = "softplus"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation not in RISING:
            raise ConfigError(f"a monotone network needs an activation of {RISING}, got {self.activation!r}")

    def constrain(self, params: Tensor) -> Tensor:
        """Make the weights positive that must be; the label flag, log C and the biases stay free."""
        signed = 2 if self.features == "log_probs" else 1
        layers: list[Tensor] = []
        at = 0
        for layer, (fan_in, fan_out) in enumerate(self.mlp.shapes):
            positive = fan_in if layer else signed
            size = fan_in * fan_out
            # Divided by the fan-in: a sum of positive terms grows with it, a sum of signed ones does not.
            layers.append(F.softplus(params[:, at : at + positive * fan_out]) * (2.0 / max(positive, 2)))
            layers.append(params[:, at + positive * fan_out : at + size + fan_out])
            at += size + fan_out
        return torch.cat(layers, dim=1)

    def inputs(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        """Feature rows with the sign of the class: -1 for the label, +1 for the others."""
        return self._flip(super().inputs(log_p, is_label, n_classes), is_label)

    def tangents(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        """The derivative of :meth:`inputs` with respect to log p."""
        return self._flip(super().tangents(log_p, is_label, n_classes), is_label)

    def formula(self, params: Tensor, n_classes: int) -> NumberedFormula:
        """The canonical cost as a formula with numbers."""
        return layered_formula(self, params, n_classes, monotone=True)

    def imitate(self, start: Tensor, known: SlopesByCount, name: str) -> Tensor:
        """Refused: not every loss falls with p_y and rises with the other probabilities."""
        return LossNetwork.imitate(self, start, known, name)

    def _flip(self, rows: Tensor, is_label: bool | Tensor) -> Tensor:
        signed = 2 if self.features == "log_probs" else 1
        flag = torch.as_tensor(is_label, dtype=rows.dtype, device=rows.device).expand(rows.shape[0])
        sign = (1 - 2 * flag)[:, None]
        return torch.cat([rows[:, :signed] * sign, rows[:, signed:]], dim=1)
