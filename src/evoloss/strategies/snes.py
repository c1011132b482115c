"""SNES: separable natural evolution strategy, one step size for each parameter.

Schaul, Glasmachers and Schmidhuber, "High Dimensions and Heavy Tails for Natural Evolution Strategies",
GECCO 2011; utilities as in Wierstra et al., "Natural Evolution Strategies", arXiv 1106.4487.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from evoloss.mutation import Gaussian, Mutation
from evoloss.strategies.checks import require_popsize, require_positive, require_start, require_told
from evoloss.strategies.mutation_state import nested, sample_noise
from evoloss.strategies.protocol import StrategyState
from evoloss.strategies.shaping import rejected, utilities_by_rank


@dataclass(frozen=True, kw_only=True)
class SNES:
    r"""Candidates :math:`x_i = m + \sigma z_i` with a vector of step sizes; natural-gradient steps on both.

    :math:`m \leftarrow m + \eta_m \sigma \sum_i u_i z_i` and
    :math:`\sigma \leftarrow \sigma \exp(\frac{\eta_\sigma}{2} \sum_i u_i (z_i^2 - 1))`, entry by entry.
    The gradient is that of a Gaussian; with another mutation of unit variance the same formulas are used. A
    rejected candidate has the worst rank and its negative utility.

    Args:
        popsize: candidates a generation, at least 2.
        sigma: first step size of every parameter, above 0, in units of the parameters.
        mutation: where the noise ``z`` comes from.
        learning_rate: of the mean, above 0; the paper's is 1.
        sigma_learning_rate: of the step sizes, above 0; None is the paper's ``(3 + log n) / (5 sqrt n)``.

    Raises:
        ConfigError: for a field outside its range.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> strategy = SNES(popsize=16)
        >>> state = strategy.init(torch.ones(3), generator)
        >>> for _ in range(60):
        ...     candidates, state = strategy.ask(state, generator)
        ...     state = strategy.tell(state, candidates, fitness=candidates.square().sum(1))
        >>> strategy.mean(state).norm().item() < 0.1
        True
    """

    popsize: int = 64
    sigma: float = 0.1
    mutation: Mutation = field(default_factory=Gaussian)
    learning_rate: float = 1.0
    sigma_learning_rate: float | None = None

    def __post_init__(self) -> None:
        """Check the fields."""
        require_popsize(self.popsize)
        require_positive("sigma", self.sigma)
        require_positive("learning_rate", self.learning_rate)
        if self.sigma_learning_rate is not None:
            require_positive("sigma_learning_rate", self.sigma_learning_rate)

    def init(self, mean: Tensor, generator: torch.Generator) -> StrategyState:
        """Start at ``mean``, shape ``(n_params,)``."""
        require_start(mean)
        return {
            "mean": mean.detach().clone(),
            "sigma": torch.full((mean.numel(),), self.sigma, dtype=torch.float64),
            **nested(self.mutation.init(self.popsize, mean.numel(), generator)),
        }

    def ask(self, state: StrategyState, generator: torch.Generator) -> tuple[Tensor, StrategyState]:
        """Return candidates of shape ``(popsize, n_params)`` around the mean, and the next state."""
        noise, state = sample_noise(self.mutation, state, generator)
        return state["mean"] + state["sigma"].to(noise.dtype) * noise, state

    def tell(self, state: StrategyState, candidates: Tensor, fitness: Tensor) -> StrategyState:
        """Follow the natural gradient of the expected utility."""
        n_params = state["mean"].numel()
        require_told(candidates, fitness, self.popsize, n_params)
        if bool(rejected(fitness).all()):
            return dict(state)
        start, sigma = state["mean"].double(), state["sigma"]
        noise = (candidates.double() - start) / sigma
        shaped = utilities_by_rank(fitness, nes_utilities(self.popsize))
        paper_rate = (3.0 + math.log(n_params)) / (5.0 * math.sqrt(n_params))
        rate = self.sigma_learning_rate or paper_rate
        # The utilities sum to zero, so the -1 of the formula drops out.
        change = 0.5 * rate * (shaped @ noise.square())
        return {
            **state,
            "mean": (start + self.learning_rate * sigma * (shaped @ noise)).to(state["mean"].dtype),
            "sigma": sigma * change.clamp(-1.0, 1.0).exp(),
        }

    def parents_of(self, fitness: Tensor) -> None:
        """Return None: all candidates move the mean, those of low utility away from them."""

    def mean(self, state: StrategyState) -> Tensor:
        """Return the mean of the search distribution, shape ``(n_params,)``."""
        return state["mean"]


def nes_utilities(popsize: int) -> Tensor:
    r"""Utilities of the ranks, :math:`\max(0, \log(\lambda/2 + 1) - \log k)`, to sum 1, less 1 / popsize.

    Returns:
        float64, shape ``(popsize,)``, best rank first; their sum is 0.
    """
    ranks = torch.arange(1, popsize + 1, dtype=torch.float64)
    raw = (math.log(popsize / 2.0 + 1.0) - ranks.log()).clamp_min(0.0)
    return raw / raw.sum() - 1.0 / popsize
