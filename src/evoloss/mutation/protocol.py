"""The interface of a mutation: unit-variance noise for a whole population, with its state outside."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

MutationState = dict[str, Tensor]
"""Everything a mutation remembers between two samples: CPU tensors of fixed dtype, by name."""


class Mutation(Protocol):
    """A source of noise with zero mean and unit variance in each coordinate.

    A mutation has no hidden state: the same state and a generator in the same condition give the same bits.
    """

    def init(self, popsize: int, n_params: int, generator: torch.Generator) -> MutationState:
        """Start the noise for ``popsize`` candidates with ``n_params`` parameters each."""
        ...

    def sample(self, state: MutationState, generator: torch.Generator) -> tuple[Tensor, MutationState]:
        """Return noise of shape ``(popsize, n_params)`` and the next state; ``state`` stays as it is."""
        ...
