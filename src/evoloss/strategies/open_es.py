"""OpenAI-ES: mirrored samples, centred ranks, and Adam on the estimated gradient.

Salimans, Ho, Chen, Sidor and Sutskever, "Evolution Strategies as a Scalable Alternative to Reinforcement
Learning", 2017, arXiv 1703.03864; Adam after Kingma and Ba, arXiv 1412.6980.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from evoloss.mutation import Gaussian, Mutation
from evoloss.strategies.checks import (
    require_between,
    require_popsize,
    require_positive,
    require_start,
    require_told,
)
from evoloss.strategies.mutation_state import nested, sample_noise
from evoloss.strategies.protocol import StrategyState
from evoloss.strategies.shaping import centred_ranks, rejected


@dataclass(frozen=True, kw_only=True)
class OpenES:
    r"""Candidates :math:`m \pm \sigma z_i`; Adam follows :math:`\frac{1}{n\sigma} \sum_i u_i z_i`.

    The first half of the candidates has the noise of the mutation, the second half its mirror image. The
    utility u of a candidate is its centred rank. A rejected candidate has the worst rank, so the mean moves
    away from it, towards its mirror image.

    Args:
        popsize: candidates a generation, even, at least 2.
        sigma: step size of the first generation, above 0, in units of the parameters.
        mutation: where the noise ``z`` comes from; it is asked for ``popsize / 2`` rows.
        learning_rate: of Adam, above 0: about how far a parameter moves in a generation.
        sigma_decay: factor on the step size each generation, above 0 and at most 1.
        sigma_floor: the step size does not decay below this, at least 0.
        beta1: decay of Adam's running mean of the gradient, in [0, 1).
        beta2: decay of Adam's running mean of the squared gradient, in [0, 1).

    Raises:
        ConfigError: for a field outside its range.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> strategy = OpenES(popsize=16, learning_rate=0.05)
        >>> state = strategy.init(torch.ones(3), generator)
        >>> for _ in range(60):
        ...     candidates, state = strategy.ask(state, generator)
        ...     state = strategy.tell(state, candidates, fitness=candidates.square().sum(1))
        >>> strategy.mean(state).norm().item() < 0.2
        True
    """

    popsize: int = 64
    sigma: float = 0.1
    mutation: Mutation = field(default_factory=Gaussian)
    learning_rate: float = 0.05
    sigma_decay: float = 1.0
    sigma_floor: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999

    def __post_init__(self) -> None:
        """Check the fields."""
        require_popsize(self.popsize, even=True)
        require_positive("sigma", self.sigma)
        require_positive("learning_rate", self.learning_rate)
        require_positive("sigma_decay", self.sigma_decay)
        require_between("sigma_decay", self.sigma_decay, 0.0, 1.0)
        require_between("sigma_floor", self.sigma_floor, 0.0, float("inf"))
        require_between("beta1", self.beta1, 0.0, 1.0 - 1e-9)
        require_between("beta2", self.beta2, 0.0, 1.0 - 1e-9)

    def init(self, mean: Tensor, generator: torch.Generator) -> StrategyState:
        """Start at ``mean``, shape ``(n_params,)``."""
        require_start(mean)
        return {
            "mean": mean.detach().clone(),
            "sigma": torch.tensor(self.sigma, dtype=torch.float64),
            "updates": torch.tensor(0),
            "momentum": torch.zeros(mean.numel(), dtype=torch.float64),
            "square": torch.zeros(mean.numel(), dtype=torch.float64),
            **nested(self.mutation.init(self.popsize // 2, mean.numel(), generator)),
        }

    def ask(self, state: StrategyState, generator: torch.Generator) -> tuple[Tensor, StrategyState]:
        """Return candidates of shape ``(popsize, n_params)`` in mirrored pairs, and the next state."""
        noise, state = sample_noise(self.mutation, state, generator)
        steps = state["sigma"].to(noise.dtype) * noise
        return torch.cat((state["mean"] + steps, state["mean"] - steps)), state

    def tell(self, state: StrategyState, candidates: Tensor, fitness: Tensor) -> StrategyState:
        """Take one step of Adam towards the better candidates."""
        require_told(candidates, fitness, self.popsize, state["mean"].numel())
        if bool(rejected(fitness).all()):
            return dict(state)
        start, sigma = state["mean"].double(), state["sigma"]
        # The mean drops out of every pair's difference, so rounding of mean + step does not add up.
        plus, minus = candidates.double().chunk(2)
        utility_plus, utility_minus = centred_ranks(fitness).chunk(2)
        ascent = 0.5 * ((utility_plus - utility_minus) @ (plus - minus)) / (self.popsize * sigma * sigma)
        updates = state["updates"] + 1
        momentum = self.beta1 * state["momentum"] + (1.0 - self.beta1) * ascent
        square = self.beta2 * state["square"] + (1.0 - self.beta2) * ascent.square()
        first = momentum / (1.0 - self.beta1 ** int(updates))
        second = square / (1.0 - self.beta2 ** int(updates))
        move = self.learning_rate * first / (second.sqrt() + 1e-8)
        floor = min(self.sigma_floor, self.sigma)
        return {
            **state,
            "mean": (start + move).to(state["mean"].dtype),
            "sigma": (sigma * self.sigma_decay).clamp_min(floor),
            "updates": updates,
            "momentum": momentum,
            "square": square,
        }

    def parents_of(self, fitness: Tensor) -> None:
        """Return None: all candidates move the mean, those below the middle rank away from them."""

    def mean(self, state: StrategyState) -> Tensor:
        """Return the mean of the search distribution, shape ``(n_params,)``."""
        return state["mean"]
