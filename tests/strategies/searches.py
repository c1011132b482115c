"""Problems with a known optimum, and the loop that a strategy is run in."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from evoloss.random_streams import stream
from evoloss.strategies import Strategy, StrategyState

Problem = Callable[[Tensor, torch.Generator], Tensor]


def sphere(x: Tensor, generator: torch.Generator) -> Tensor:
    return x.double().square().sum(1)


def rosenbrock(x: Tensor, generator: torch.Generator) -> Tensor:
    x = x.double()
    return (100.0 * (x[:, 1:] - x[:, :-1].square()).square() + (1.0 - x[:, :-1]).square()).sum(1)


def ellipsoid(x: Tensor) -> Tensor:
    """Axes from 1 to 10 in squared length."""
    return (10.0 ** torch.linspace(0.0, 1.0, x.shape[1], dtype=torch.float64) * x.double().square()).sum(1)


def noisy_ellipsoid(x: Tensor, generator: torch.Generator) -> Tensor:
    """The ellipsoid with 20 % multiplicative and 0.01 additive Gaussian noise."""
    relative, absolute = torch.randn(2, len(x), generator=generator, dtype=torch.float64)
    return ellipsoid(x) * (1.0 + 0.2 * relative) + 0.01 * absolute


def start(strategy: Strategy, mean: Tensor, seed: int = 0) -> StrategyState:
    return strategy.init(mean, stream(seed, "init"))


def search(
    strategy: Strategy, state: StrategyState, problem: Problem, generations: range, seed: int = 0
) -> StrategyState:
    """Run the given generations; the streams depend on the seed and the generation's number alone."""
    for generation in generations:
        candidates, state = strategy.ask(state, stream(seed, "ask", generation))
        fitness = problem(candidates, stream(seed, "fitness", generation))
        state = strategy.tell(state, candidates, fitness)
    return state
