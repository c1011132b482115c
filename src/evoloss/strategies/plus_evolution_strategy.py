"""(mu + lambda) evolution strategy: parents stay in the population until something better replaces them.

Hansen, Arnold and Auger, "Evolution Strategies", Springer Handbook of Computational Intelligence, 2015; the
step size follows the median success rule of Ait Elhara, Auger and Hansen, "A Median Success Rule for
Non-Elitist Evolution Strategies", GECCO 2013, here with the parents as the reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.mutation import Gaussian, Mutation
from evoloss.strategies.checks import require_popsize, require_positive, require_start, require_told
from evoloss.strategies.mutation_state import nested, sample_noise
from evoloss.strategies.protocol import StrategyState
from evoloss.strategies.shaping import best_places, recombination_weights, rejected

DAMPING = 2.0


@dataclass(frozen=True, kw_only=True)
class PlusEvolutionStrategy:
    r"""The best of parents and offspring become the parents; offspring are :math:`x_i = m + \sigma z_i`.

    The mean m is the parents' average, weighted by rank. **Parents are asked again:** the first rows of every
    generation after the first are the parents, so that parents and offspring are compared on the same fitness
    sample. A fitness that was kept would be the luckiest of many noisy ones, and a parent that owes its
    place to luck would stay for good. The price is that of ``popsize`` candidates only ``popsize -
    parents`` are new.

    The step size grows while more than half of the offspring beat the worst parent, and shrinks otherwise.

    Args:
        popsize: candidates a generation, parents included (mu + lambda), at least 2.
        sigma: first step size, above 0, in units of the parameters.
        mutation: where the noise ``z`` comes from.
        parents: how many survive (mu), 1 to popsize - 1; None means a quarter of popsize.

    Raises:
        ConfigError: for a field outside its range.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> strategy = PlusEvolutionStrategy(popsize=16, sigma=0.3)
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

    def __post_init__(self) -> None:
        """Check the fields."""
        require_popsize(self.popsize)
        require_positive("sigma", self.sigma)
        if self.parents is not None and not 1 <= self.parents < self.popsize:
            raise ConfigError(
                f"parents must be between 1 and popsize - 1 ({self.popsize - 1}), got {self.parents}"
            )

    @property
    def n_parents(self) -> int:
        """Number of candidates that survive a generation."""
        return self.parents or max(1, self.popsize // 4)

    def init(self, mean: Tensor, generator: torch.Generator) -> StrategyState:
        """Start at ``mean``, shape ``(n_params,)``, without parents: at first all are offspring."""
        require_start(mean)
        return {
            "mean": mean.detach().clone(),
            "sigma": torch.tensor(self.sigma, dtype=torch.float64),
            "success": torch.tensor(0.0, dtype=torch.float64),
            "parents": torch.empty(0, mean.numel(), dtype=mean.dtype),
            **nested(self.mutation.init(self.popsize, mean.numel(), generator)),
        }

    def ask(self, state: StrategyState, generator: torch.Generator) -> tuple[Tensor, StrategyState]:
        """Return the parents and new offspring, together ``(popsize, n_params)``, and the next state."""
        noise, state = sample_noise(self.mutation, state, generator)
        parents = state["parents"]
        offspring = state["mean"] + state["sigma"].to(noise.dtype) * noise[len(parents) :]
        return torch.cat((parents, offspring)), state

    def tell(self, state: StrategyState, candidates: Tensor, fitness: Tensor) -> StrategyState:
        """Select the next parents and adapt the step size.

        Rejected candidates never become parents; with fewer accepted candidates than ``n_parents`` there are
        fewer parents until there are enough again.
        """
        require_told(candidates, fitness, self.popsize, state["mean"].numel())
        if bool(rejected(fitness).all()):
            return dict(state)
        weights = recombination_weights(fitness, self.n_parents)
        chosen = weights.nonzero().squeeze(1)
        start = state["mean"].double()
        move = weights[chosen] @ (candidates[chosen].double() - start)
        after = {
            **state,
            "mean": (start + move).to(state["mean"].dtype),
            "parents": candidates[self.parents_of(fitness)].to(state["mean"].dtype),
        }
        if len(state["parents"]) > 0:
            after["success"] = 0.7 * state["success"] + 0.3 * success(fitness, len(state["parents"]))
            after["sigma"] = state["sigma"] * (after["success"] / DAMPING).exp()
        return after

    def parents_of(self, fitness: Tensor) -> list[int]:
        """Return the places of the survivors, best first, as the next generation's first rows have them."""
        return best_places(fitness, self.n_parents)

    def mean(self, state: StrategyState) -> Tensor:
        """Return the weighted average of the parents, shape ``(n_params,)``."""
        return state["mean"]


def success(fitness: Tensor, n_parents: int) -> float:
    """Measure how far more (or less) than half of the offspring beat the worst parent, in ``[-1, 1]``.

    A tie counts as half a win, a rejected offspring as a loss. Where no parent is accepted the result is 0.

    Args:
        fitness: shape ``(popsize,)``, that of the parents first.
        n_parents: how many of the first entries are parents' ones.
    """
    parents, offspring = fitness[:n_parents], fitness[n_parents:]
    accepted = parents[~rejected(parents)]
    if len(accepted) == 0:
        return 0.0
    wins = (offspring < accepted.max()).double() + 0.5 * (offspring == accepted.max()).double()
    return float(2.0 * wins.mean() - 1.0)
