from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evoloss.strategies.shaping import (
    best_places,
    centred_ranks,
    log_rank_weights,
    recombination_weights,
    rejected,
    utilities_by_rank,
)
from evoloss.strategies.snes import nes_utilities

finite = st.floats(-1e6, 1e6)
anything = st.one_of(finite, st.sampled_from([math.inf, -math.inf, math.nan]))


def vectors(values: st.SearchStrategy[float]) -> st.SearchStrategy[Tensor]:
    return st.lists(values, min_size=2, max_size=40).map(lambda v: torch.tensor(v, dtype=torch.float64))


def shapings(fitness: Tensor) -> list[Tensor]:
    return [centred_ranks(fitness), utilities_by_rank(fitness, nes_utilities(len(fitness)))]


@settings(deadline=None, max_examples=60)
@given(vectors(anything))
def test_shaped_fitness_sums_to_zero(fitness: Tensor) -> None:
    for shaped in shapings(fitness):
        assert float(shaped.sum()) == pytest.approx(0.0, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(vectors(finite))
def test_shaping_keeps_order(fitness: Tensor) -> None:
    for shaped in shapings(fitness):
        better = fitness[:, None] < fitness[None, :]
        equal = fitness[:, None] == fitness[None, :]
        difference = shaped[:, None] - shaped[None, :]
        assert bool((difference[better] >= 0).all())
        assert bool((difference[equal] == 0).all())
    ranks = centred_ranks(fitness)
    assert bool(((ranks[:, None] - ranks[None, :])[better] > 0).all())


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=40))
def test_shaping_is_unmoved_by_increasing_maps(values: list[int]) -> None:
    fitness = torch.tensor(values, dtype=torch.float64)
    for before, after in zip(shapings(fitness), shapings(fitness**3 + 7.0), strict=True):
        assert torch.equal(before, after)


@settings(deadline=None, max_examples=60)
@given(vectors(finite), st.randoms(use_true_random=False))
def test_shaping_does_not_depend_on_the_place_of_a_candidate(fitness: Tensor, random) -> None:  # type: ignore[no-untyped-def]
    order = list(range(len(fitness)))
    random.shuffle(order)
    torch.testing.assert_close(centred_ranks(fitness)[order], centred_ranks(fitness[order]))


@settings(deadline=None, max_examples=60)
@given(vectors(anything), st.data())
def test_recombination_weights(fitness: Tensor, data: st.DataObject) -> None:
    parents = data.draw(st.integers(1, len(fitness)))
    weights = recombination_weights(fitness, parents)
    assert bool((weights[rejected(fitness)] == 0).all())
    assert bool((weights >= 0).all())
    expected = 0.0 if bool(rejected(fitness).all()) else 1.0
    assert float(weights.sum()) == pytest.approx(expected, abs=1e-12)


def test_centred_ranks_by_hand() -> None:
    shaped = centred_ranks(torch.tensor([3.0, 1.0, math.nan, 1.0, math.inf]))
    torch.testing.assert_close(shaped, torch.tensor([0.0, 0.375, -0.375, 0.375, -0.375], dtype=torch.float64))


def test_log_rank_weights_by_hand() -> None:
    raw = [math.log(3.5), math.log(3.5 / 2), math.log(3.5 / 3)]
    expected = torch.tensor([*(w / sum(raw) for w in raw), 0.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(log_rank_weights(5, 3), expected)


def test_fewer_accepted_than_parents_share_the_weight() -> None:
    weights = recombination_weights(torch.tensor([math.inf, 2.0, math.nan, 1.0]), 3)
    raw = [math.log(3.5), math.log(3.5 / 2)]
    expected = torch.tensor([0.0, raw[1] / sum(raw), 0.0, raw[0] / sum(raw)], dtype=torch.float64)
    torch.testing.assert_close(weights, expected)


@settings(deadline=None, max_examples=60)
@given(vectors(anything), st.integers(1, 40))
def test_the_best_places_are_those_with_weight(fitness: Tensor, count: int) -> None:
    places = best_places(fitness, min(count, len(fitness)))
    values = fitness[places].tolist()
    assert values == sorted(values)
    assert all(math.isfinite(value) for value in values)
    weights = recombination_weights(fitness, min(count, len(fitness)))
    # Equal candidates share their weights, so that more may have one than there are parents.
    assert set(places) <= set(weights.nonzero().squeeze(1).tolist())
    assert len(places) == min(count, int((~rejected(fitness)).sum()), len(fitness))


def test_of_equal_candidates_the_first_is_the_better_place() -> None:
    assert best_places(torch.tensor([2.0, 1.0, 2.0, 1.0]), 3) == [1, 3, 0]
    assert best_places(torch.full((4,), math.inf), 2) == []
