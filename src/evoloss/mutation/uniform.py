"""Uniform mutation: independent noise from an interval, the simplest density without tails."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from evoloss.mutation.protocol import MutationState

_BOUND = math.sqrt(3.0)  # the uniform density on [-b, b] has the variance b^2 / 3


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """Independent draws from the uniform density on [-sqrt(3), sqrt(3)], whose variance is 1.

    The state holds the shape of a sample only: nothing is remembered from one generation to the next.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> mutation = Uniform()
        >>> noise, state = mutation.sample(mutation.init(100, 3, generator), generator)
        >>> noise.abs().max().item() <= 3**0.5
        True
    """

    def init(self, popsize: int, n_params: int, generator: torch.Generator) -> MutationState:
        """Remember the shape; ``generator`` is not used."""
        return {"shape": torch.tensor([popsize, n_params])}

    def sample(self, state: MutationState, generator: torch.Generator) -> tuple[Tensor, MutationState]:
        """Draw float32 noise of shape ``(popsize, n_params)``."""
        popsize, n_params = state["shape"].tolist()
        share = torch.rand(popsize, n_params, generator=generator, dtype=torch.float32)
        return (2.0 * _BOUND) * share - _BOUND, dict(state)
