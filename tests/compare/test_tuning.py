from __future__ import annotations

from typing import Any

import pytest

from evoloss.compare.tuning import (
    FIRST_TUNING_SEED,
    best_learning_rate,
    rates_at_edges,
    rates_beyond,
    require_apart,
    tuning_seeds,
)
from evoloss.errors import ConfigError
from tests.compare.runs import make_tuning_run


def _runs(table: dict[float, list[tuple[float, float]]]):
    return [
        make_tuning_run("gce", lr, seed, accuracy, nll)
        for lr, row in table.items()
        for seed, (accuracy, nll) in enumerate(row)
    ]


def test_highest_mean_accuracy_wins() -> None:
    runs = _runs({0.01: [(90, 1), (90, 1)], 0.1: [(99, 1), (80, 1)], 1.0: [(91, 9), (90, 9)]})
    assert best_learning_rate(runs) == 1.0


def test_ties_go_to_the_lower_nll_then_to_the_smaller_rate() -> None:
    assert best_learning_rate(_runs({0.01: [(90, 0.3)], 0.1: [(90, 0.2)], 1.0: [(80, 0.1)]})) == 0.1
    assert best_learning_rate(_runs({0.1: [(90, 0.2)], 0.01: [(90, 0.2)]})) == 0.01
    third = 100 / 3
    thirds = {0.1: [(third, 0.1), (third, 0.1), (0.0, 0.1)], 0.2: [(0.0, 0), (third, 0), (third, 0)]}
    assert best_learning_rate(_runs(thirds)) == 0.2, "equal but for rounding"


def test_tuning_seeds_are_apart_from_reported_ones() -> None:
    seeds = tuning_seeds(3)
    assert len(set(seeds)) == 3
    assert min(seeds) == FIRST_TUNING_SEED
    require_apart([0, FIRST_TUNING_SEED - 1])
    with pytest.raises(ConfigError, match="is kept for tuning"):
        require_apart([0, seeds[2]])


def test_edges_are_those_of_each_loss_own_grid() -> None:
    grids = {"a": (0.1, 0.2, 0.4), "b": (0.05, 0.1), "c": (0.1,)}
    tuning = [make_tuning_run(loss, lr, 1_000_000, 80.0) for loss, grid in grids.items() for lr in grid]
    assert rates_at_edges(tuning, {"a": 0.1, "b": 0.1, "c": 0.1, "d": 0.1}) == {"a": "lowest", "b": "highest"}
    assert rates_at_edges(tuning, {"a": 0.2, "b": 0.05}) == {"b": "lowest"}
    assert rates_at_edges([], {"a": 0.1}) == {}


@pytest.mark.parametrize(
    ("grid", "edges", "expected"),
    [
        ((0.1, 0.01, 0.02), ["lowest"], [0.005]),
        ((0.1, 0.01, 0.02), ["highest", "highest"], [0.5]),
        ((0.01, 0.03), ["lowest", "highest"], [0.003333, 0.09]),
        ((0.1, 0.2), [], []),
    ],
)
def test_the_next_rate_is_as_far_as_the_last_step(
    grid: tuple[float, ...], edges: list[Any], expected: list[float]
) -> None:
    assert rates_beyond(grid, edges) == expected
