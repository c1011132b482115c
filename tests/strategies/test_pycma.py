from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.mutation import Gaussian
from evoloss.random_streams import stream
from evoloss.strategies import PyCMA
from tests.strategies.searches import ellipsoid, search, sphere, start


def test_a_mutation_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mutation must be None.* Gaussian$"):
        PyCMA(mutation=Gaussian())


def test_one_parameter_is_refused() -> None:
    with pytest.raises(ConfigError, match="pycma needs at least 2 parameters, got 1"):
        start(PyCMA(), torch.ones(1))


def test_the_package_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cma", None)
    strategy = PyCMA(popsize=4)
    with pytest.raises(MissingExtraError, match=r"needs cma.*pip install 'evoloss\[strategies\]'"):
        strategy.ask(start(strategy, torch.ones(3)), stream(0))


def test_two_searches_through_one_object_do_not_mix() -> None:
    shared = PyCMA(popsize=8)
    first, second = start(shared, torch.ones(4), 0), start(shared, torch.ones(4), 1)
    for generation in range(5):
        first = search(shared, first, sphere, range(generation, generation + 1), 0)
        second = search(shared, second, sphere, range(generation, generation + 1), 1)
    alone = PyCMA(popsize=8)
    undisturbed = search(alone, start(alone, torch.ones(4)), sphere, range(5))
    assert torch.equal(shared.mean(first), alone.mean(undisturbed))
    assert not torch.equal(shared.mean(first), shared.mean(second))


def test_numpys_global_source_is_left_alone() -> None:
    strategy = PyCMA(popsize=8)
    before = np.random.get_state()  # noqa: NPY002
    state = search(strategy, start(strategy, torch.ones(4)), sphere, range(5))
    strategy.mean(state)
    after = np.random.get_state()  # noqa: NPY002
    assert before[2] == after[2]
    assert np.array_equal(before[1], after[1])


def test_the_covariance_is_learned() -> None:
    # A rotated, badly scaled ellipsoid: out of reach of strategies without a covariance in this time.
    rotation, _ = torch.linalg.qr(torch.randn(6, 6, generator=stream(0), dtype=torch.float64))
    scale = torch.tensor([1.0, 1.0, 1.0, 30.0, 30.0, 300.0], dtype=torch.float64)
    problem = lambda x, generator: ellipsoid((x.double() @ rotation) * scale)  # noqa: E731
    strategy = PyCMA(popsize=12, sigma=0.3)
    state = search(strategy, start(strategy, torch.ones(6, dtype=torch.float64)), problem, range(250))
    assert float(problem(strategy.mean(state).unsqueeze(0), stream(0))) < 1e-8


def test_the_state_is_the_seed_and_what_was_told() -> None:
    strategy = PyCMA(popsize=4)
    state = search(strategy, start(strategy, torch.ones(3)), sphere, range(2))
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    assert shapes == {"start": (3,), "seed": (), "told": (2, 4)}
