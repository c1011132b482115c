"""(mu, lambda) evolution strategy: the best offspring, weighted by rank, become the next mean.

Hansen, Arnold and Auger, "Evolution Strategies", Springer Handbook of Computational Intelligence, 2015;
weights and cumulative step-size adaptation as in Hansen, "The CMA Evolution Strategy: A Tutorial",
arXiv 1604.00772, without the covariance matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.mutation import Gaussian, Mutation
from evoloss.strategies.checks import require_popsize, require_positive, require_start, require_told
from evoloss.strategies.mutation_state import nested, sample_noise
from evoloss.strategies.protocol import StrategyState
from evoloss.strategies.shaping import best_places, recombination_weights

StepControl = Literal["csa", "self", "none"]


@dataclass(frozen=True, kw_only=True)
class EvolutionStrategy:
    r"""Candidates :math:`x_i = m + \sigma z_i`; the next mean is :math:`m + \sum_i w_i (x_i - m)`.

    Args:
        popsize: candidates a generation (lambda), at least 2.
        sigma: first step size, above 0, in units of the parameters.
        mutation: where the noise ``z`` comes from.
        parents: how many of the best enter the mean (mu), 1 to popsize; None means half of popsize.
        step_control: ``"csa"``, cumulative step-size adaptation: the step grows while successive moves of
            the mean point the same way, and shrinks while they cancel. ``"self"``, self-adaptation: each
            candidate draws its own step from a log-normal, and steps are recombined like parameters.
            ``"none"``: the step stays at ``sigma``.

    Raises:
        ConfigError: for a field outside its range.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> strategy = EvolutionStrategy(popsize=16, sigma=0.3, step_control="csa")
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
    parents: int | None = None
    step_control: StepControl = "csa"

    def __post_init__(self) -> None:
        """Check the fields."""
        require_popsize(self.popsize)
        require_positive("sigma", self.sigma)
        if self.parents is not None and not 1 <= self.parents <= self.popsize:
            raise ConfigError(f"parents must be between 1 and popsize ({self.popsize}), got {self.parents}")
        if self.step_control not in get_args(StepControl):
            known = ", ".join(get_args(StepControl))
            raise ConfigError(f"step_control must be one of {known}, got {self.step_control!r}")

    @property
    def n_parents(self) -> int:
        """Number of candidates that enter the mean."""
        return self.parents or max(1, self.popsize // 2)

    def init(self, mean: Tensor, generator: torch.Generator) -> StrategyState:
        """Start at ``mean``, shape ``(n_params,)``."""
        require_start(mean)
        state = {
            "mean": mean.detach().clone(),
            "sigma": torch.tensor(self.sigma, dtype=torch.float64),
            **nested(self.mutation.init(self.popsize, mean.numel(), generator)),
        }
        if self.step_control == "csa":
            state["path"] = torch.zeros(mean.numel(), dtype=torch.float64)
        if self.step_control == "self":
            state["candidate_sigma"] = torch.full((self.popsize,), self.sigma, dtype=torch.float64)
        return state

    def ask(self, state: StrategyState, generator: torch.Generator) -> tuple[Tensor, StrategyState]:
        """Return candidates of shape ``(popsize, n_params)`` around the mean, and the next state."""
        noise, state = sample_noise(self.mutation, state, generator)
        steps = state["sigma"].to(noise.dtype)
        if self.step_control == "self":
            rate = 1.0 / math.sqrt(2.0 * noise.shape[1])
            draws = torch.randn(self.popsize, generator=generator, dtype=torch.float64)
            state["candidate_sigma"] = state["sigma"] * (rate * draws).exp()
            steps = state["candidate_sigma"].to(noise.dtype).unsqueeze(1)
        return state["mean"] + steps * noise, state

    def tell(self, state: StrategyState, candidates: Tensor, fitness: Tensor) -> StrategyState:
        """Move the mean towards the best candidates and adapt the step size."""
        require_told(candidates, fitness, self.popsize, state["mean"].numel())
        weights = recombination_weights(fitness, self.n_parents)
        chosen = weights.nonzero().squeeze(1)
        if len(chosen) == 0:
            return dict(state)
        start = state["mean"].double()
        # Rows without weight are left out rather than multiplied by 0: what they hold may not be finite.
        move = weights[chosen] @ (candidates[chosen].double() - start)
        after = {**state, "mean": (start + move).to(state["mean"].dtype)}
        if self.step_control == "csa":
            mu_eff = 1.0 / float(weights.square().sum())
            after["path"], after["sigma"] = cumulate(state["path"], state["sigma"], move, mu_eff)
        if self.step_control == "self":
            after["sigma"] = (weights[chosen] @ state["candidate_sigma"][chosen].log()).exp()
        return after

    def parents_of(self, fitness: Tensor) -> list[int]:
        """Return the places of the candidates that enter the mean, best first."""
        return best_places(fitness, self.n_parents)

    def mean(self, state: StrategyState) -> Tensor:
        """Return the mean of the search distribution, shape ``(n_params,)``."""
        return state["mean"]


def cumulate(path: Tensor, sigma: Tensor, move: Tensor, mu_eff: float) -> tuple[Tensor, Tensor]:
    r"""One step of cumulative step-size adaptation.

    :math:`p \leftarrow (1 - c) p + \sqrt{c (2 - c) \mu_{eff}}\, move / \sigma` and
    :math:`\sigma \leftarrow \sigma \exp(\frac{c}{d} (|p| / E|N(0, I)| - 1))`.

    Args:
        path: running sum of normalised moves, shape ``(n_params,)``, float64.
        sigma: the step size, a scalar tensor.
        move: the last move of the mean, shape ``(n_params,)``.
        mu_eff: ``1 / sum(w**2)`` of the recombination weights, at least 1.

    Returns:
        The next path and step size. A generation changes the step by a factor of e at most.
    """
    n = path.numel()
    rate = (mu_eff + 2.0) / (n + mu_eff + 5.0)
    damping = 1.0 + rate + 2.0 * max(0.0, math.sqrt((mu_eff - 1.0) / (n + 1.0)) - 1.0)
    expected_norm = math.sqrt(n) * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n))
    path = (1.0 - rate) * path + math.sqrt(rate * (2.0 - rate) * mu_eff) * (move / sigma)
    change = rate / damping * (path.norm() / expected_norm - 1.0)
    return path, sigma * change.clamp(-1.0, 1.0).exp()
