"""Gaussian mutation: independent standard normal noise, the usual choice of an evolution strategy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evoloss.mutation.protocol import MutationState


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """Independent draws from N(0, 1) for each candidate and parameter.

    The state holds the shape of a sample only: nothing is remembered from one generation to the next.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> mutation = Gaussian()
        >>> noise, state = mutation.sample(mutation.init(4, 3, generator), generator)
        >>> noise.shape
        torch.Size([4, 3])
    """

    def init(self, popsize: int, n_params: int, generator: torch.Generator) -> MutationState:
        """Remember the shape; ``generator`` is not used."""
        return {"shape": torch.tensor([popsize, n_params])}

    def sample(self, state: MutationState, generator: torch.Generator) -> tuple[Tensor, MutationState]:
        """Draw float32 noise of shape ``(popsize, n_params)``."""
        popsize, n_params = state["shape"].tolist()
        return torch.randn(popsize, n_params, generator=generator, dtype=torch.float32), dict(state)
