"""Loss networks: candidate losses, a whole population at once."""

from typing import Protocol

import torch
from torch import Tensor

from evoloss.networks.balanced import BalancedNetwork
from evoloss.networks.basis import BasisNetwork
from evoloss.networks.classwise import LOG_P_FLOOR, ClasswiseForm, ClasswiseNetwork, Features
from evoloss.networks.concat import ConcatForm, ConcatNetwork
from evoloss.networks.description import (
    NETWORKS,
    AnyCountNetwork,
    Network,
    build_network,
    describe_network,
)
from evoloss.networks.lookup import LookupTables, tabulate
from evoloss.networks.mixture import MixtureNetwork
from evoloss.networks.mlp import ACTIVATIONS, PopulationMLP
from evoloss.networks.monotone import MonotoneNetwork
from evoloss.networks.paced import BATCH_COUNT, PacedNetwork, agreements_of, dense_agreements_of
from evoloss.networks.table import DEFAULT_GRID, MIN_GRID, LossTable
from evoloss.networks.tempered import (
    TemperedCosts,
    TemperedForm,
    TemperedNetwork,
    Tempering,
    certainty,
    certainty_of,
)

__all__ = [
    "ACTIVATIONS",
    "BATCH_COUNT",
    "DEFAULT_GRID",
    "LOG_P_FLOOR",
    "MIN_GRID",
    "NETWORKS",
    "AnyCountNetwork",
    "BalancedNetwork",
    "BasisNetwork",
    "ClasswiseForm",
    "ClasswiseNetwork",
    "ConcatForm",
    "ConcatNetwork",
    "Features",
    "Form",
    "LookupTables",
    "LossNetwork",
    "LossTable",
    "MixtureNetwork",
    "MonotoneNetwork",
    "Network",
    "PacedNetwork",
    "PopulationMLP",
    "TemperedCosts",
    "TemperedForm",
    "TemperedNetwork",
    "Tempering",
    "agreements_of",
    "build_network",
    "certainty",
    "certainty_of",
    "dense_agreements_of",
    "describe_network",
    "tabulate",
]


class Form(Protocol):
    """A canonical form; ``exists`` says for which candidates there is one."""

    @property
    def exists(self) -> Tensor:
        """Shape ``(popsize,)``, bool."""
        ...


class LossNetwork(Protocol):
    """What every loss network offers; ``params`` is one candidate a row except in ``class_costs``."""

    @property
    def n_params(self) -> int:
        """Length of a candidate's parameter vector."""
        ...

    def initial(self, generator: torch.Generator) -> Tensor:
        """A random starting point, shape ``(n_params,)``."""
        ...

    def form(self, params: Tensor, n_classes: int) -> Form:
        """The canonical form of ``(popsize, n_params)`` at a class count."""
        ...

    def losses(self, params: Tensor, log_probs: Tensor, target: Tensor) -> Tensor:
        """Canonical losses ``(popsize, N)``."""
        ...

    def class_costs(self, params: Tensor, log_probs: Tensor) -> Tensor:
        """One candidate's canonical ``L(p, k)`` for every k, ``(N, C)``."""
        ...
