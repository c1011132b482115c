from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from evoloss.errors import ConfigError
from evoloss.fitness import ranking_scores
from evoloss.random_streams import stream

# Few distinct values, so that most samples have ties; and reals, where there are none.
few = st.integers(-2, 3).map(float)
reals = st.floats(-1e300, 1e300, allow_subnormal=True)
couples_of_values = st.one_of(*(st.lists(st.tuples(v, v), min_size=2, max_size=25) for v in (few, reals)))


def brute_force_consistency(losses: list[float], errors: list[float]) -> float:
    score = total = 0.0
    for i, j in itertools.combinations(range(len(losses)), 2):
        if errors[i] == errors[j]:
            continue
        total += 1
        if losses[i] == losses[j]:
            score += 0.5
        else:
            score += (losses[i] < losses[j]) == (errors[i] < errors[j])
    return score / total


@settings(deadline=None, max_examples=100)
@given(values=couples_of_values)
def test_scores_are_those_of_scipy_and_of_counting(values: list[tuple[float, float]]) -> None:
    losses, errors = (list(side) for side in zip(*values, strict=True))
    assume(len(set(losses)) > 1 and len(set(errors)) > 1)
    scores = ranking_scores(
        torch.tensor(losses, dtype=torch.float64), torch.tensor(errors, dtype=torch.float64)
    )
    assert scores.kendall_tau == pytest.approx(stats.kendalltau(losses, errors).statistic, abs=1e-12)
    assert scores.spearman_rho == pytest.approx(stats.spearmanr(losses, errors).statistic, abs=1e-12)
    assert scores.consistency == pytest.approx(brute_force_consistency(losses, errors), abs=1e-12)


def test_more_pairs_than_are_counted_at_once() -> None:
    losses, errors = torch.randint(0, 400, (2, 1300), generator=stream(0, "scores")).double()
    errors += losses
    scores = ranking_scores(losses, errors)
    assert scores.kendall_tau == pytest.approx(stats.kendalltau(losses, errors).statistic, abs=1e-12)
    assert scores.spearman_rho == pytest.approx(stats.spearmanr(losses, errors).statistic, abs=1e-12)
    one, other = torch.combinations(torch.arange(1300)).T
    by_error, by_loss = errors[one] - errors[other], losses[one] - losses[other]
    agree = 0.5 + 0.5 * torch.sign(by_error * by_loss)
    assert scores.consistency == pytest.approx(float(agree[by_error != 0].mean()), abs=1e-12)


def test_the_same_order_and_the_opposite_one() -> None:
    errors = torch.tensor([0.1, 0.5, 0.5, 0.9])
    assert ranking_scores(errors.exp(), errors) == pytest.approx((1.0, 1.0, 1.0))
    assert ranking_scores(-errors, errors) == pytest.approx((0.0, -1.0, -1.0))


def test_equal_losses_of_different_errors_count_one_half() -> None:
    scores = ranking_scores(torch.tensor([1.0, 1.0, 2.0]), torch.tensor([0.1, 0.2, 0.3]))
    assert scores.consistency == pytest.approx(2.5 / 3)


def test_float32_is_compared_exactly() -> None:
    losses = torch.tensor([1.0, 1.0 + 2**-23], dtype=torch.float32)
    assert ranking_scores(losses, torch.tensor([0.0, 1e-30])).consistency == 1.0


@pytest.mark.parametrize(
    ("losses", "errors", "message"),
    [
        ([1.0], [1.0], r"one length of at least 2, got \(1,\) and \(1,\)"),
        ([1.0, 2.0], [1.0], r"one length of at least 2, got \(2,\) and \(1,\)"),
        ([[1.0, 2.0]], [[1.0, 2.0]], "must be two vectors"),
        ([1.0, float("nan")], [1.0, 2.0], "losses and errors must be finite"),
        ([1.0, 2.0], [1.0, float("inf")], "losses and errors must be finite"),
        ([1.0, 1.0], [1.0, 2.0], "all losses or all errors are equal; there is no order to compare"),
        ([1.0, 2.0], [1.0, 1.0], "all losses or all errors are equal; there is no order to compare"),
    ],
)
def test_what_has_no_order(losses: list[float], errors: list[float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ranking_scores(torch.tensor(losses), torch.tensor(errors))
