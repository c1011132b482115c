"""The best usable loss is kept, and a search that is stuck or hopeless is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from evoloss.networks import NETWORKS
from evoloss.pairs import PairsConfig, sample_pairs
from evoloss.pretraining.checks import AIM, EVERY, HOPELESS, Attempt, Checks, Incumbent, _sharpened
from evoloss.pretraining.components import make_network
from evoloss.random_streams import stream
from tests.pretraining.runs import tiny


def attempt(*errors: float, began: int = 0, usable: bool = True) -> Attempt:
    scores = 1 - torch.tensor(errors, dtype=torch.float64)
    return Attempt(0, began, usable, False, scores)


def decaying(first: float, halved_in: float, checks: int) -> list[float]:
    return [first * 0.5 ** (EVERY * at / halved_in) for at in range(checks)]


@pytest.mark.parametrize(
    ("errors", "stuck"),
    [
        (decaying(0.4, 90, 10), False),
        (decaying(0.4, 110, 10), True),
        ([0.2] * 10, True),
        ([0.2] * 9, False),  # too young
        ([0.3] * 9 + [0.04], False),  # on its way
        ([0.3, 0.001] + [0.3] * 8, False),  # it has been near, and may be again: the best counts
        ([0.005] * 16, False),  # near, and not yet long enough there
        ([0.005] * 17, True),
        (decaying(0.009, 300, 30), False),
        ([1 - AIM] * 40, False),  # settled
    ],
)
def test_a_search_is_stuck_when_its_error_is_not_halved(errors: list[float], stuck: bool):
    assert attempt(*errors).is_stuck(EVERY * len(errors)) is stuck
    began = attempt(*errors, began=3 * EVERY)
    assert began.is_stuck(EVERY * (len(errors) + 3)) is stuck
    assert began.is_stuck(EVERY * (len(errors) + 3) + 1) is False, "told at checks only"


def test_a_search_without_scores_is_not_stuck():
    assert not Attempt().is_stuck(40 * EVERY)


def test_a_start_is_hopeless_when_nothing_usable_turns_up():
    assert not attempt(usable=False).is_hopeless(HOPELESS - 1)
    assert attempt(usable=False).is_hopeless(HOPELESS)
    assert not attempt(usable=True).is_hopeless(100 * HOPELESS)
    assert not attempt(usable=False, began=30).is_hopeless(30 + HOPELESS - 1)


# A basis network is linear in its parameters, cross-entropy's term first: losses by hand.
CONFIG = tiny(network="basis", hidden=(8, 8), classes=(10,))
CHECKS = Checks(CONFIG, make_network(CONFIG))


def basis(**terms: float) -> Tensor:
    """Weights of cross-entropy, of MAE and of the constant pull of all classes."""
    params = torch.zeros(10)
    for name, at in {"ce": 0, "mae": 1, "every": 6}.items():
        params[at] = terms.get(name, 0.0)
    return params


GOOD, WORSE, DOWN = basis(ce=1.0), basis(ce=1.0, every=4.0), basis(ce=-1.0)


def test_the_score_is_the_share_of_couples_in_the_right_order():
    assert CHECKS.score(GOOD) == 1.0
    assert 0.5 < CHECKS.score(WORSE) < 0.99
    assert CHECKS.score(DOWN) == 0.0, "without canonical form"
    assert CHECKS.score(torch.full((10,), torch.nan)) == 0.0


def test_the_score_is_that_of_the_worst_class_count():
    by_count = [
        Checks(replace(CONFIG, classes=(count,)), CHECKS.network).score(WORSE) for count in (2, 10, 100)
    ]
    assert Checks(replace(CONFIG, classes=(2, 10, 100)), CHECKS.network).score(WORSE) == min(by_count)
    assert len(set(by_count)) == 3


def test_a_loss_that_falls_where_labels_are_least_likely_has_not_settled():
    falling = basis(ce=-1e-3)
    falling[4] = 1.0  # the square root of p: the sum falls below p = 1e-6
    CHECKS.score(falling)
    assert CHECKS._fitness is not None
    mixture, sharpened = CHECKS._fitness.consistency_by_count(falling[None].double())[:, 0].tolist()
    assert mixture > sharpened + 0.05
    assert CHECKS.score(falling) == sharpened


@pytest.mark.parametrize("slots", [0, 16])
def test_sharpened_predictions_are_predictions(slots: int):
    pairs = sample_pairs(PairsConfig(slots=slots), 200, 100, stream(1, "pairs"), torch.float64)
    sharp = _sharpened(pairs, stream(1, "temperatures"))
    counts = torch.ones(100) if sharp.counts is None else sharp.counts
    total = (sharp.log_probs.exp() * counts).sum(dim=1)
    torch.testing.assert_close(total, torch.ones_like(total))
    assert torch.equal(sharp.target, pairs.target)
    assert bool((sharp.log_probs.amax(1) >= pairs.log_probs.amax(1) - 1e-12).all()), "never flatter"
    lowest = [drawn.log_probs.gather(1, drawn.target[:, None]).min() for drawn in (pairs, sharp)]
    assert lowest[1] < lowest[0] - 50


@pytest.mark.parametrize(
    "changes", [{"seed": 9}, {"eval_pairs": 99}, {"eval_every": 1}, {"pairs": 99}], ids=str
)
def test_the_score_of_a_loss_is_the_same_in_every_run(changes: dict[str, Any]):
    other = Checks(replace(CONFIG, **changes), CHECKS.network)
    assert other.score(WORSE) == CHECKS.score(WORSE)


def after(
    generation: int, mean: Tensor, best: Tensor, was: Attempt, kept: Incumbent | None, checks: Checks = CHECKS
) -> tuple[Attempt, Incumbent | None]:
    return checks.after(generation, was, kept, mean, best)


def test_the_best_of_all_checks_is_kept_and_the_later_of_equals():
    state, kept = after(1, WORSE, WORSE, Attempt(), None)
    assert (state.usable, state.constrained, len(state.scores)) == (True, False, 0)
    assert kept is not None
    assert (kept.score, kept.generation) == (0.0, 1), "kept before it is measured"
    assert after(2, GOOD, GOOD, state, kept) == (state, kept), "no check is due"
    for generation, mean, expected in (
        (EVERY, WORSE, EVERY),
        (2 * EVERY, GOOD, 2 * EVERY),
        (3 * EVERY, WORSE, 2 * EVERY),
        (4 * EVERY, 3 * GOOD, 4 * EVERY),
    ):
        state, kept = after(generation, mean, WORSE, state, kept)
        assert kept is not None
        assert kept.generation == expected
    assert torch.equal(kept.params, 3 * GOOD)
    assert kept.score == 1.0
    assert state.scores.tolist() == [CHECKS.score(params) for params in (WORSE, GOOD, WORSE, GOOD)]


def test_the_best_candidate_stands_in_for_a_mean_that_cannot_be_used():
    state, kept = after(EVERY, DOWN, GOOD, Attempt(), None)
    assert kept is not None
    assert torch.equal(kept.params, GOOD)
    assert (state.usable, state.constrained) == (True, True), "from now on unusable candidates are rejected"
    state, kept = after(2 * EVERY, DOWN, DOWN, state, kept)
    assert kept is not None
    assert kept.generation == EVERY
    assert state.scores.tolist() == [1.0, 0.0]


def test_a_search_that_has_nothing_usable_is_constrained_at_once():
    state, kept = after(1, DOWN, DOWN, Attempt(), None)
    assert (state.usable, state.constrained, kept) == (False, True, None)
    state, kept = after(2, GOOD, DOWN, state, kept)
    assert (state.usable, state.constrained) == (True, True)
    assert kept is not None


def test_a_kept_loss_does_not_change_with_the_search():
    mean = GOOD.clone()
    _, kept = after(EVERY, mean, mean, Attempt(), None)
    mean.zero_()
    assert kept is not None
    assert torch.equal(kept.params, GOOD)


def test_with_learnability_the_latest_usable_loss_is_kept():
    checks = Checks(replace(CONFIG, fitness="learnability", prior="few-shot"), CHECKS.network)
    state, kept = after(1, GOOD, GOOD, Attempt(), None, checks)
    state, kept = after(2, WORSE, GOOD, state, kept, checks)
    state, kept = after(3, DOWN, DOWN, state, kept, checks)
    assert kept is not None
    assert (kept.generation, kept.score) == (2, 0.0)
    assert not state.constrained, "students' filters reject already"
    assert not len(state.scores)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_of_network_can_be_checked(name: str):
    config = tiny(network=name, classes=(10,), **({"hidden": (6,)} if name == "concat" else {}))
    network = make_network(config)
    params = network.initial(torch.Generator().manual_seed(4))
    for error in ("one_minus_p", "total_variation", "dominance"):
        if (name, error) != ("concat", "dominance"):
            assert 0 <= Checks(replace(config, error=error), network).score(params) <= 1


def test_a_young_search_is_looked_at_for_usability_alone():
    state, kept = after(1, GOOD, GOOD, Attempt(), None)
    state, kept = after(5, DOWN, WORSE, state, kept)
    assert state.constrained
    assert kept is not None
    assert (kept.score, kept.generation) == (0.0, 5), "later and not measured"
    measured = replace(kept, score=0.5)
    assert after(10, GOOD, GOOD, state, measured)[1] == measured
    assert not len(state.scores)
    assert after(30, DOWN, DOWN, Attempt(usable=True), kept)[0].constrained is False, "old enough"
