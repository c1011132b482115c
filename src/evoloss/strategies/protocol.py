"""The interface of an evolution strategy: ask for candidates, tell their fitness, state in and out."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

StrategyState = dict[str, Tensor]
"""Everything a strategy remembers: CPU tensors of fixed dtype by name, the mutation's under ``mutation.``."""


class Strategy(Protocol):
    """An evolution strategy that minimises, with its whole state in a flat dictionary of tensors.

    All methods are pure: the same state and a generator in the same condition give the same bits, and the
    state that is passed in is left as it is. A candidate whose fitness is infinite or NaN is *rejected*: it
    counts as worst, and no number is computed from its fitness. Where every candidate of a generation is
    rejected, mean and step size stay as they are and the next generation asks for fresh candidates.
    """

    @property
    def popsize(self) -> int:
        """Number of candidates that ``ask`` returns."""
        ...

    def init(self, mean: Tensor, generator: torch.Generator) -> StrategyState:
        """Start the search at ``mean``, shape ``(n_params,)``, any floating dtype."""
        ...

    def ask(self, state: StrategyState, generator: torch.Generator) -> tuple[Tensor, StrategyState]:
        """Return candidates of shape ``(popsize, n_params)`` in the dtype of the mean, and the next state."""
        ...

    def tell(self, state: StrategyState, candidates: Tensor, fitness: Tensor) -> StrategyState:
        """Learn from ``fitness``, shape ``(popsize,)``, smaller is better; ``state`` as ask returned it."""
        ...

    def parents_of(self, fitness: Tensor) -> list[int] | None:
        """Return the places of the candidates that become parents by ``fitness``, best first.

        Of all that were asked for, so that who survives from the generation before can be a parent again.
        None where all candidates move the mean, or the strategy does not tell which do.
        """
        ...

    def mean(self, state: StrategyState) -> Tensor:
        """Return the current best guess, shape ``(n_params,)``."""
        ...
