from __future__ import annotations

import math

import pytest
import torch

from evoloss.errors import ConfigError
from evoloss.mutation import Chaotic
from evoloss.random_streams import stream
from evoloss.strategies import OpenES
from evoloss.strategies.shaping import centred_ranks
from tests.strategies.searches import search, sphere, start


@pytest.mark.parametrize("fields", [{}, {"mutation": Chaotic()}], ids=["normal", "orbits"])
def test_candidates_are_mirrored(fields: dict[str, Chaotic]) -> None:
    strategy = OpenES(popsize=10, **fields)  # type: ignore[arg-type]
    mean = torch.linspace(-1.0, 1.0, 7, dtype=torch.float64)
    candidates, state = strategy.ask(start(strategy, mean), stream(0))
    torch.testing.assert_close(candidates[:5] - mean, mean - candidates[5:])
    assert state["mutation.shape"].tolist() == [5, 7]


def test_odd_popsize_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"popsize must be an even integer of at least 2 .*mirrored.*, got 7"
    ):
        OpenES(popsize=7)


def test_updates_are_those_of_torch_adam() -> None:
    strategy = OpenES(popsize=12, sigma=0.2, learning_rate=0.03)
    state = start(strategy, torch.ones(5, dtype=torch.float64))
    reference = torch.nn.Parameter(torch.ones(5, dtype=torch.float64))
    adam = torch.optim.Adam([reference], lr=0.03)
    for generation in range(6):
        candidates, state = strategy.ask(state, stream(0, generation))
        fitness = sphere(candidates, stream(0))
        noise = (candidates - state["mean"]) / 0.2
        reference.grad = -(centred_ranks(fitness) @ noise) / (12 * 0.2)
        adam.step()
        state = strategy.tell(state, candidates, fitness)
        torch.testing.assert_close(strategy.mean(state), reference.detach())


def test_sigma_decays_to_the_floor() -> None:
    strategy = OpenES(popsize=8, sigma=0.4, sigma_decay=0.5, sigma_floor=0.15)
    state, seen = start(strategy, torch.ones(3)), []
    for generation in range(3):
        state = search(strategy, state, sphere, range(generation, generation + 1))
        seen.append(float(state["sigma"]))
    assert seen == [0.2, 0.15, 0.15]


def test_a_floor_above_sigma_does_not_raise_it() -> None:
    strategy = OpenES(popsize=8, sigma=0.001, sigma_floor=0.01)
    state = search(strategy, start(strategy, torch.ones(3)), sphere, range(2))
    assert float(state["sigma"]) == 0.001


def test_the_mean_leaves_a_rejected_candidate() -> None:
    strategy = OpenES(popsize=2)
    candidates, state = strategy.ask(start(strategy, torch.zeros(4)), stream(0))
    mean = strategy.mean(strategy.tell(state, candidates, torch.tensor([math.nan, 1.0])))
    assert float(mean @ candidates[1]) > 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be finite and above 0"),
        ({"sigma_decay": 1.1}, r"sigma_decay must lie in \[0.0, 1.0\], got 1.1"),
        ({"sigma_decay": 0.0}, "sigma_decay must be finite and above 0"),
        ({"sigma_floor": -1.0}, "sigma_floor must lie in"),
        ({"beta1": 1.0}, "beta1 must lie in"),
        ({"beta2": -0.1}, "beta2 must lie in"),
    ],
)
def test_fields_are_checked(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        OpenES(**fields)  # type: ignore[arg-type]
