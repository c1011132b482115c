r"""Basis networks: classwise, one layer on fixed functions of p, as few parameters as a loss can do with.

.. math:: L(p, k) = \sum_j \psi(p_j) + \delta(p_k)

with :math:`\psi` and :math:`\delta` linear in the parameters. In terms of their slopes by log p

- :math:`-\delta'` is a mixture of 1 (cross-entropy), p (mean absolute error), :math:`p^2`, :math:`p^4`,
  :math:`\sqrt p` (generalised cross-entropy lies between 1 and p) and :math:`C p / (1 + C p)`, which gives up
  below the uniform probability whatever C;
- :math:`\psi'` is a mixture of :math:`-1 / C` (label smoothing), :math:`p / (1 + C p)`, :math:`p^2` (Brier's)
  and :math:`p^3`.

So cross-entropy, label smoothing, Poly-1, symmetric cross-entropy, Brier's score, mean absolute error and any
mixture of them are exact, and an evolution strategy has ten directions to search instead of a hundred.
Polynomials in p are how TaylorGLO (arXiv:2002.00059) and PolyLoss (arXiv:2204.12511) parametrise losses; here
with what noise and class counts ask for beside them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.networks.imitation import fit_weights
from evoloss.networks.kinds.classwise import ClasswiseNetwork
from evoloss.networks.mlp import PopulationMLP
from evoloss.networks.options import NetworkOptions
from evoloss.networks.slopes import SlopesByCount

N_FUNCTIONS = 10


@dataclass(frozen=True, kw_only=True)
class BasisNetwork(ClasswiseNetwork):
    """One weight for each function of the module's docstring, the label's first.

    Its fields say that there is nothing else to choose: no hidden layers, no activation.

    Raises:
        ConfigError: if another value is given.

    Example:
        >>> network = BasisNetwork()
        >>> params = network.initial(torch.Generator().manual_seed(0))
        >>> len(params) == network.n_params
        True
    """

    kind: ClassVar[str] = "basis"
    summary: ClassVar[str] = "classwise, ten weights on fixed functions of p"

    hidden: tuple[int, ...] = ()
    activation: str = "none"

    def __post_init__(self) -> None:
        if tuple(self.hidden) or self.activation != "none" or self.features != "log_probs":
            raise ConfigError(
                "a basis network has hidden=(), activation 'none' and features 'log_probs', got "
                f"{tuple(self.hidden)}, {self.activation!r} and {self.features!r}"
            )

    @classmethod
    def from_options(cls, options: NetworkOptions) -> Self:
        """Build the network; there is nothing to choose."""
        del options
        return cls()

    @property
    def mlp(self) -> PopulationMLP:
        """A single layer on the basis functions."""
        return PopulationMLP(N_FUNCTIONS, (), "silu")

    def inputs(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        """The basis functions at log-probabilities ``(M,)``, ``(M, N_FUNCTIONS)``."""
        p = log_p.exp()
        knee = torch.log1p(n_classes * p)
        label = [-log_p, -p, -p.square() / 2, -p.pow(4) / 4, -2 * (log_p / 2).exp(), -knee]
        every = [-log_p / n_classes, knee / n_classes, p.square() / 2, p.pow(3) / 3]
        return self._stack(label, every, log_p, is_label)

    def tangents(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        """The derivatives of :meth:`inputs` with respect to log p."""
        p = log_p.exp()
        share = torch.sigmoid(log_p + math.log(n_classes))
        one = torch.ones_like(log_p)
        label = [-one, -p, -p.square(), -p.pow(4), -(log_p / 2).exp(), -share]
        every = [-one / n_classes, share / n_classes, p.square(), p.pow(3)]
        return self._stack(label, every, log_p, is_label)

    def imitate(self, start: Tensor, known: SlopesByCount, name: str) -> Tensor:
        """The weights nearest to a known loss by least squares; ``start`` gives the dtype alone.

        Canonical scales, one a class count, come later.
        """
        del name
        return fit_weights(self.tangents, known).to(start.dtype)

    @staticmethod
    def _stack(label: list[Tensor], every: list[Tensor], log_p: Tensor, is_label: bool | Tensor) -> Tensor:
        flag = torch.as_tensor(is_label, dtype=log_p.dtype, device=log_p.device).expand_as(log_p)
        return torch.stack([term * flag for term in label] + every, dim=-1)
