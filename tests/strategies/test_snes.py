from __future__ import annotations

import math

import pytest
import torch

from evoloss.errors import ConfigError
from evoloss.random_streams import stream
from evoloss.strategies import SNES
from evoloss.strategies.snes import nes_utilities
from tests.strategies.searches import ellipsoid, search, sphere, start


def test_utilities_by_hand() -> None:
    raw = [math.log(3.0), math.log(1.5), 0.0, 0.0]
    expected = torch.tensor([value / sum(raw) - 0.25 for value in raw], dtype=torch.float64)
    torch.testing.assert_close(nes_utilities(4), expected)


def test_one_update_is_the_formula() -> None:
    strategy = SNES(popsize=6, sigma=0.5)
    state = start(strategy, torch.ones(3, dtype=torch.float64))
    candidates, state = strategy.ask(state, stream(0))
    order = sphere(candidates, stream(0)).argsort()
    noise = ((candidates - 1.0) / 0.5)[order]
    utilities = nes_utilities(6).unsqueeze(1)
    told = strategy.tell(state, candidates, sphere(candidates, stream(0)))
    torch.testing.assert_close(told["mean"], 1.0 + 0.5 * (utilities * noise).sum(0))
    rate = (3.0 + math.log(3.0)) / (5.0 * math.sqrt(3.0))
    change = (utilities * (noise.square() - 1.0)).sum(0)
    torch.testing.assert_close(told["sigma"], 0.5 * (0.5 * rate * change).exp())


def test_step_sizes_learn_the_scale_of_each_parameter() -> None:
    strategy = SNES(popsize=64, sigma=0.3)
    problem = lambda x, generator: ellipsoid(x * torch.tensor([1.0, 1.0, 30.0]))  # noqa: E731
    state = search(strategy, start(strategy, torch.ones(3)), problem, range(60))
    assert float(state["sigma"][2]) < 0.2 * float(state["sigma"][:2].min())


def test_learning_rates_are_used() -> None:
    states = []
    for fields in ({}, {"learning_rate": 0.5}, {"sigma_learning_rate": 1e-9}):
        strategy = SNES(popsize=8, **fields)
        states.append(search(strategy, start(strategy, torch.zeros(3)), sphere, range(1)))
    torch.testing.assert_close(states[1]["mean"], 0.5 * states[0]["mean"])
    torch.testing.assert_close(states[2]["sigma"], torch.full((3,), 0.1, dtype=torch.float64))
    assert not torch.allclose(states[0]["sigma"], states[2]["sigma"])


def test_fields_are_checked() -> None:
    with pytest.raises(ConfigError, match="learning_rate must be finite and above 0, got -1"):
        SNES(learning_rate=-1.0)
    with pytest.raises(ConfigError, match="sigma_learning_rate must be finite and above 0, got 0"):
        SNES(sigma_learning_rate=0.0)
