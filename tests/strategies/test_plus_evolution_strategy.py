from __future__ import annotations

import math

import pytest
import torch

from evoloss.errors import ConfigError
from evoloss.random_streams import stream
from evoloss.strategies import PlusEvolutionStrategy
from evoloss.strategies.plus_evolution_strategy import success
from tests.strategies.searches import noisy_ellipsoid, search, sphere, start


def test_the_best_survive_and_are_asked_again() -> None:
    strategy = PlusEvolutionStrategy(popsize=8, parents=3)
    first, state = strategy.ask(start(strategy, torch.ones(4)), stream(0, 1))
    fitness = sphere(first, stream(0))
    state = strategy.tell(state, first, fitness)
    second, state = strategy.ask(state, stream(0, 2))
    assert second.shape == (8, 4)
    assert torch.equal(second[:3], first[fitness.argsort()[:3]])
    # A second look that finds them poor removes them: nothing is kept of the first.
    poor = torch.tensor([9.0, 9.0, 9.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    third, _ = strategy.ask(strategy.tell(state, second, poor), stream(0, 3))
    assert torch.equal(third[:3], second[[7, 6, 5]])


def test_without_noise_the_best_never_gets_worse() -> None:
    strategy = PlusEvolutionStrategy(popsize=16)
    state, best = start(strategy, torch.ones(6)), math.inf
    for generation in range(30):
        candidates, state = strategy.ask(state, stream(0, generation))
        fitness = sphere(candidates, stream(0))
        assert float(fitness.min()) <= best
        best = float(fitness.min())
        state = strategy.tell(state, candidates, fitness)
    assert best < 1.0


def test_rejected_candidates_do_not_become_parents() -> None:
    strategy = PlusEvolutionStrategy(popsize=8, parents=4)
    candidates, state = strategy.ask(start(strategy, torch.ones(3)), stream(0))
    fitness = torch.full((8,), math.inf)
    fitness[5] = 2.0
    state = strategy.tell(state, candidates, fitness)
    assert torch.equal(state["parents"], candidates[[5]])
    assert torch.equal(strategy.mean(state), candidates[5])
    state = search(strategy, state, noisy_ellipsoid, range(1))
    assert state["parents"].shape == (4, 3)


def test_success_by_hand() -> None:
    assert success(torch.tensor([1.0, 5.0, 4.0, 4.0, 6.0, 7.0]), 2) == 0.0
    assert success(torch.tensor([1.0, 5.0, 4.0, 4.0, 4.0, 4.0]), 2) == 1.0
    assert success(torch.tensor([1.0, 5.0, 5.0, math.inf]), 2) == -0.5
    assert success(torch.tensor([1.0, math.inf, 2.0, math.nan]), 2) == -1.0
    assert success(torch.tensor([math.nan, math.inf, 2.0, 3.0]), 2) == 0.0


def test_step_size_adapts_in_both_directions() -> None:
    small, large = (PlusEvolutionStrategy(popsize=32, sigma=sigma) for sigma in (1e-4, 10.0))
    assert float(search(small, start(small, torch.ones(10)), sphere, range(40))["sigma"]) > 1e-3
    assert float(search(large, start(large, torch.ones(10)), sphere, range(40))["sigma"]) < 3.0


def test_fields_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"parents must be between 1 and popsize - 1 \(7\), got 8"):
        PlusEvolutionStrategy(popsize=8, parents=8)
    assert PlusEvolutionStrategy(popsize=2).n_parents == 1
