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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.formulas import TENSORS, BatchOperations, Formula, NumberedFormula
from evoloss.formulas.classes import sum_of_classes
from evoloss.networks.imitation import fit_weights
from evoloss.networks.kinds.classwise import ClasswiseNetwork
from evoloss.networks.kinds.layers import canonical_numbers
from evoloss.networks.mlp import PopulationMLP
from evoloss.networks.options import NetworkOptions
from evoloss.networks.slopes import SlopesByCount
from evoloss.networks.terms import LOG_P_FLOOR

N_FUNCTIONS = 10
N_LABEL = 6


def basis_functions(log_p: Any, n_classes: int, on: BatchOperations = TENSORS) -> tuple[list[Any], list[Any]]:
    r"""The six functions of :math:`\delta` and the four of :math:`\psi`, at log-probabilities of any shape.

    Args:
        log_p: from :data:`LOG_P_FLOOR` to 0.
        n_classes: the class count.
        on: operations.
    """
    p = on.exp(log_p)
    knee = on.log1p(n_classes * p)
    label = [-log_p, -p, -(p**2) / 2, -(p**4) / 4, -2 * on.exp(log_p / 2), -knee]
    every = [-log_p / n_classes, knee / n_classes, p**2 / 2, p**3 / 3]
    return label, every


def basis_costs(
    log_probs: Any,
    label_weights: Sequence[float],
    class_weights: Sequence[float],
    at_certain: float,
    at_floor: float,
    tail: float,
    least: float,
    on: BatchOperations = TENSORS,
) -> Any:
    r"""Costs :math:`\sum_j \psi(p_j) + \delta(p_k)` of every class k as the label, ``(N, C)``.

    Args:
        log_probs: of predictions, ``(N, C)``.
        label_weights: six, of the label's functions in :func:`basis_functions`, in canonical scale.
        class_weights: four, of the others there, likewise.
        at_certain: what the label's functions and the classes' are where p = 1; subtracted.
        at_floor: what the classes' are at the floor; subtracted.
        tail: slope of the label's cost by log p below the floor.
        least: the least cost; subtracted.
        on: operations.
    """
    n_classes, inside = log_probs.shape[1], on.where(log_probs < LOG_P_FLOOR, LOG_P_FLOOR, log_probs)
    below = on.where(log_probs < LOG_P_FLOOR, LOG_P_FLOOR - log_probs, 0.0)
    of_label, of_classes = basis_functions(inside, n_classes, on)
    own = sum(weight * value for weight, value in zip(label_weights, of_label, strict=True))
    every = sum(weight * value for weight, value in zip(class_weights, of_classes, strict=True))
    return sum_of_classes(own + every, every, below, at_certain, at_floor, tail, least, on)


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
        return self._stack(*basis_functions(log_p, n_classes), log_p, is_label)

    def tangents(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        """The derivatives of :meth:`inputs` with respect to log p."""
        p = log_p.exp()
        share = torch.sigmoid(log_p + math.log(n_classes))
        one = torch.ones_like(log_p)
        label = [-one, -p, -p.square(), -p.pow(4), -(log_p / 2).exp(), -share]
        every = [-one / n_classes, share / n_classes, p.square(), p.pow(3)]
        return self._stack(label, every, log_p, is_label)

    def formula(self, params: Tensor, n_classes: int) -> NumberedFormula:
        """The canonical cost as a formula with numbers."""
        weights, numbers = canonical_numbers(self, params, n_classes)
        scaled = weights[0].tolist()
        own = {"label_weights": scaled[:N_LABEL], "class_weights": scaled[N_LABEL:]}
        return NumberedFormula(Formula(basis_costs, "classes"), {**own, **numbers})

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
