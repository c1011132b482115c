from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from evoloss.compare.inference import (
    holm,
    holm_confidences,
    holm_intervals,
    is_significant,
    paired_effect_size,
    paired_sampling_error,
    paired_t_test,
    sampling_error,
    signed_rank_interval,
    signed_rank_test,
    t_interval,
)

values = st.lists(st.integers(-1000, 1000).map(lambda n: n / 10), min_size=3, max_size=12)


@settings(deadline=None, max_examples=50)
@given(values=values.filter(lambda v: len(set(v)) > 1))
def test_interval_and_test_agree_with_scipy(values: list[float]) -> None:
    reference = scipy.stats.ttest_1samp(values, 0.0)
    low, high = reference.confidence_interval(0.95)
    found = t_interval(values)
    assert found is not None
    assert found == pytest.approx((low, high), rel=1e-9, abs=1e-9)
    assert paired_t_test(values) == pytest.approx(reference.pvalue, rel=1e-9, abs=1e-15)


def test_interval_by_hand() -> None:
    # Mean 2, standard deviation 1, n 3, t quantile 4.3026527.
    assert t_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 4.3026527 / 3**0.5, 2 + 4.3026527 / 3**0.5))


@pytest.mark.parametrize("differences", [[], [1.0], [1.0, 1.5], [0.0, 0.0], [2.0, 2.0], [0.5] * 3, [0.0] * 9])
def test_too_few_seeds_or_no_spread_have_no_test_and_no_interval(differences: list[float]) -> None:
    assert paired_t_test(differences) is None
    assert t_interval(differences) is None
    assert signed_rank_interval(differences) is None


def test_what_rounding_leaves_of_equal_differences_is_no_spread() -> None:
    # 1.1 each, but for the last digits: their t statistic would be above 1e15.
    differences = [97.2 - 96.1, 95.3 - 94.2, 93.4 - 92.3]
    assert len(set(differences)) > 1
    assert paired_t_test(differences) is None
    assert t_interval(differences) is None
    assert paired_effect_size(differences) is None
    assert paired_t_test([1.1, 1.1, 1.1 + 1e-3]) is not None


def test_interval_covers_the_mean_in_95_of_100_experiments() -> None:
    rng = np.random.default_rng(0)
    n = 2000
    covered = 0
    for _ in range(n):
        low, high = t_interval(rng.normal(1.0, 3.0, size=4).tolist()) or (math.nan, math.nan)
        covered += low <= 1.0 <= high
    # Four standard deviations of the count.
    assert abs(covered / n - 0.95) < 4 * (0.95 * 0.05 / n) ** 0.5


def test_effect_size_by_hand() -> None:
    assert paired_effect_size([1.0, 2.0, 3.0]) == pytest.approx(2.0)
    assert paired_effect_size([5.0]) is None
    assert paired_effect_size([5.0, 5.0]) is None


@settings(deadline=None, max_examples=60)
@given(differences=st.lists(st.integers(-40, 40).filter(bool), min_size=3, max_size=11, unique_by=abs))
def test_signed_ranks_agree_with_scipy_where_nothing_is_tied(differences: list[int]) -> None:
    reference = scipy.stats.wilcoxon(differences, method="exact").pvalue
    assert signed_rank_test([float(value) for value in differences]) == pytest.approx(reference)


@settings(deadline=None, max_examples=60)
@given(differences=st.lists(st.integers(-3, 3), min_size=3, max_size=8))
def test_signed_ranks_with_ties_and_zeros_count_all_sign_patterns(differences: list[int]) -> None:
    ranks = scipy.stats.rankdata([abs(value) for value in differences])
    moving = [(value, rank) for value, rank in zip(differences, ranks, strict=True) if value]
    found = abs(sum(math.copysign(rank, value) for value, rank in moving))
    patterns = itertools.product((-1, 1), repeat=len(moving))
    sums = [
        abs(sum(sign * rank for sign, (_, rank) in zip(pattern, moving, strict=True))) for pattern in patterns
    ]
    expected = sum(value >= found - 1e-9 for value in sums) / len(sums)
    assert signed_rank_test([float(value) for value in differences]) == pytest.approx(expected)


def test_signed_ranks_at_the_edges() -> None:
    assert signed_rank_test([]) is None
    assert signed_rank_test([1.0, 2.0]) is None
    assert signed_rank_test([0.0, 0.0, 0.0]) == 1.0
    assert signed_rank_test([0.0, 0.0, 2.0]) == 1.0
    assert signed_rank_test([2.0] * 30) == pytest.approx(2 / 2**30)
    # Zeros take the low ranks, so one reversal among many of them weighs much.
    assert signed_rank_test([0.0] * 20 + [1.0, 1.0, -1.0]) == 1.0


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.02, None, 0.5]) == [pytest.approx(0.04), None, pytest.approx(0.5)]
    assert holm([]) == []


@settings(deadline=None, max_examples=100)
@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_no_correction_and_bonferroni(p_values: list[float]) -> None:
    found = holm(p_values)
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected = [found[i] for i in order]
    assert corrected == sorted(corrected), "the order stays"
    for p, q in zip(p_values, found, strict=True):
        assert q is not None
        assert p <= q <= min(1.0, len(p_values) * p)


def test_holm_keeps_the_familywise_error() -> None:
    """With three true null hypotheses at least one is rejected in at most 5 % of the experiments."""
    rng = np.random.default_rng(1)
    n = 4000
    rejected = sum(min(p for p in holm(row) if p is not None) < 0.05 for row in rng.random((n, 3)).tolist())
    assert rejected / n < 0.05 + 4 * (0.05 * 0.95 / n) ** 0.5
    assert rejected / n > 0.035, "and it is not needlessly strict"


@settings(deadline=None, max_examples=60)
@given(
    differences=st.lists(st.floats(-9, 9).map(lambda v: round(v, 3)), min_size=6, max_size=12, unique_by=abs)
)
def test_signed_rank_interval_holds_what_scipy_does_not_reject(differences: list[float]) -> None:
    interval = signed_rank_interval(differences)
    assert interval is not None
    low, high = interval
    for shift, kept in ((low - 1e-4, False), (high + 1e-4, False), (low + 1e-4, True), (high - 1e-4, True)):
        if abs(shift) > 1e-2:  # zero is looked at by itself
            moved = [value - shift for value in differences]
            assert bool(scipy.stats.wilcoxon(moved, method="exact").pvalue >= 0.05) is kept


def test_signed_rank_interval_by_hand() -> None:
    # Of 1 to 6 the Walsh averages go from 1 to 6; at 6 seeds 2 / 2**6 = 0.03 rejects only beyond all of them.
    assert signed_rank_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == (1.0, 6.0)
    # With five seeds not even five equal signs are below 0.05.
    assert signed_rank_interval([1.0, 2.0, 3.0, 4.0, 5.0]) is None


FAMILIES = st.lists(
    st.lists(st.integers(-30, 90).map(lambda n: n / 10), min_size=2, max_size=9), min_size=1, max_size=7
)


@pytest.mark.parametrize(
    ("test", "interval"), [(paired_t_test, t_interval), (signed_rank_test, signed_rank_interval)]
)
@settings(deadline=None, max_examples=150)
@given(samples=FAMILIES)
def test_corrected_intervals_exclude_0_exactly_where_corrected_p_is_small(test, interval, samples) -> None:
    p_values = [test(differences) for differences in samples]
    for p, ends, alone in zip(
        holm(p_values),
        holm_intervals(samples, p_values, interval),
        [interval(differences) for differences in samples],
        strict=True,
    ):
        if ends is None:
            assert interval is signed_rank_interval or p is None
        elif interval is t_interval:
            assert p is not None
            assert is_significant(p) is not (ends[0] <= 0 <= ends[1])
            assert ends[0] <= alone[0] + 1e-9
            assert ends[1] >= alone[1] - 1e-9
        else:
            assert is_significant(p) is not (ends[0] <= 0 <= ends[1])


def test_confidences_by_hand() -> None:
    # Holm rejects the first two of four (4 x 0.001, 3 x 0.01) and stops at the third (2 x 0.04).
    found = holm_confidences([0.04, 0.001, None, 0.9, 0.01])
    assert found == [
        pytest.approx(1 - 0.05 / 2),
        pytest.approx(1 - 0.05 / 4),
        None,
        pytest.approx(1 - 0.05 / 2),
        pytest.approx(1 - 0.05 / 3),
    ]
    assert holm_confidences([0.2]) == [pytest.approx(0.95)]


def test_corrected_intervals_keep_the_familywise_error() -> None:
    """Of three true null hypotheses any interval excludes 0 in at most 5 % of the experiments."""
    rng = np.random.default_rng(3)
    n = 1500
    wrong = 0
    for _ in range(n):
        samples: Sequence[Sequence[float]] = rng.normal(size=(3, 5)).tolist()
        ends = holm_intervals(samples, [paired_t_test(row) for row in samples])
        wrong += any(low > 0 or high < 0 for low, high in filter(None, ends))
    assert wrong / n < 0.05 + 4 * (0.05 * 0.95 / n) ** 0.5
    assert wrong / n > 0.025, "and they are not needlessly wide"


def test_sampling_error_is_that_of_drawn_test_sets() -> None:
    assert sampling_error(90.0, 400) == pytest.approx(1.5)
    assert sampling_error(100.0, 400) == 0.0
    assert paired_sampling_error(90.0, 90.0, 400) == pytest.approx(1.5 * 2**0.5)
    rng = np.random.default_rng(2)
    drawn = 100 * rng.binomial(400, 0.9, size=20_000) / 400
    assert float(drawn.std()) == pytest.approx(sampling_error(90.0, 400), rel=0.03)


def test_paired_sampling_error_bounds_that_of_mcnemar() -> None:
    """Two classifiers that err on the same samples more often than by chance differ with a smaller error."""
    rng = np.random.default_rng(4)
    hard = rng.random((4000, 300)) < 0.2
    right = [np.where(hard, rng.random(hard.shape) < 0.5, rng.random(hard.shape) < 0.98) for _ in range(2)]
    first, second = (100 * row.mean(axis=1) for row in right)
    bound = paired_sampling_error(float(first.mean()), float(second.mean()), 300)
    assert 0.7 * bound < float((first - second).std()) < bound
