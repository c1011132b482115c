from __future__ import annotations

import math

import pytest
import torch

from evoloss.errors import ConfigError
from evoloss.random_streams import stream
from evoloss.strategies import EvolutionStrategy
from evoloss.strategies.evolution_strategy import cumulate
from evoloss.strategies.shaping import log_rank_weights
from tests.strategies.searches import search, sphere, start


def test_the_mean_is_the_weighted_mean_of_the_best() -> None:
    strategy = EvolutionStrategy(popsize=6, parents=2)
    candidates, asked = strategy.ask(start(strategy, torch.ones(3, dtype=torch.float64)), stream(0))
    told = strategy.tell(asked, candidates, torch.tensor([5.0, 1.0, 4.0, 3.0, 2.0, 6.0]))
    weights = log_rank_weights(6, 2)
    torch.testing.assert_close(strategy.mean(told), weights[0] * candidates[1] + weights[1] * candidates[4])


def test_rejected_candidates_that_are_not_finite_do_not_reach_the_mean() -> None:
    strategy = EvolutionStrategy(popsize=4)
    candidates, asked = strategy.ask(start(strategy, torch.ones(3)), stream(0))
    candidates[2] = math.nan
    told = strategy.tell(asked, candidates, torch.tensor([1.0, 2.0, math.nan, 3.0]))
    assert bool(strategy.mean(told).isfinite().all())
    assert bool(told["path"].isfinite().all())


def test_one_step_of_cumulation_by_hand() -> None:
    path, sigma = cumulate(
        torch.zeros(4, dtype=torch.float64),
        torch.tensor(0.5, dtype=torch.float64),
        torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64),
        mu_eff=3.0,
    )
    rate = 5.0 / 12.0
    length = math.sqrt(rate * (2.0 - rate) * 3.0) / 0.5
    assert float(path[0]) == pytest.approx(length)
    expected = 2.0 * (1.0 - 1.0 / 16.0 + 1.0 / 336.0)
    assert float(sigma) == pytest.approx(0.5 * math.exp(rate / (1.0 + rate) * (length / expected - 1.0)))


@pytest.mark.parametrize("step_control", ["csa", "self"])
def test_step_size_adapts_in_both_directions(step_control: str) -> None:
    small = EvolutionStrategy(popsize=32, sigma=1e-4, step_control=step_control)  # type: ignore[arg-type]
    large = EvolutionStrategy(popsize=32, sigma=10.0, step_control=step_control)  # type: ignore[arg-type]
    assert float(search(small, start(small, torch.ones(10)), sphere, range(40))["sigma"]) > 1e-3
    assert float(search(large, start(large, torch.ones(10)), sphere, range(40))["sigma"]) < 3.0


def test_step_size_stays_without_control() -> None:
    strategy = EvolutionStrategy(popsize=16, sigma=0.3, step_control="none")
    state = search(strategy, start(strategy, torch.ones(5)), sphere, range(20))
    assert float(state["sigma"]) == 0.3
    assert float(strategy.mean(state).norm()) < 0.5


def test_self_adaptation_brings_the_sphere_down() -> None:
    strategy = EvolutionStrategy(popsize=32, sigma=0.3, step_control="self")
    state = search(strategy, start(strategy, torch.ones(20)), sphere, range(120))
    assert float(strategy.mean(state).square().sum()) < 1e-3


def test_fields_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"parents must be between 1 and popsize \(8\), got 9"):
        EvolutionStrategy(popsize=8, parents=9)
    with pytest.raises(ConfigError, match="step_control must be one of csa, self, none, got 'magic'"):
        EvolutionStrategy(step_control="magic")  # type: ignore[arg-type]
