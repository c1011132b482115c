from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from evoloss.compare.statistics import (
    holm,
    paired_differences,
    paired_effect_size,
    paired_t_test,
    signed_rank_test,
    summarise_losses,
    t_interval,
)
from tests.compare.runs import make_run

values = st.lists(st.integers(-1000, 1000).map(lambda n: n / 10), min_size=2, max_size=12)


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


@pytest.mark.parametrize(
    ("differences", "p"), [([], None), ([1.0], None), ([0.0, 0.0], 1.0), ([0.5, 0.5, 0.5], 0.0)]
)
def test_p_value_at_the_edges(differences: list[float], p: float | None) -> None:
    assert paired_t_test(differences) == p


def test_one_value_has_no_interval() -> None:
    assert t_interval([3.0]) is None


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
@given(differences=st.lists(st.integers(-40, 40), min_size=1, max_size=11, unique_by=abs))
def test_signed_ranks_agree_with_scipy_where_nothing_is_tied(differences: list[int]) -> None:
    differences = [value for value in differences if value] or [1]
    reference = scipy.stats.wilcoxon(differences, method="exact").pvalue
    assert signed_rank_test([float(value) for value in differences]) == pytest.approx(reference)


@settings(deadline=None, max_examples=60)
@given(differences=st.lists(st.integers(-3, 3), min_size=1, max_size=8))
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
    assert signed_rank_test([0.0, 0.0]) == 1.0
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


def test_differences_are_paired_by_seed() -> None:
    base = [make_run("cross_entropy", seed, value) for seed, value in ((0, 50.0), (1, 70.0), (2, 90.0))]
    other = [make_run("gce", seed, value) for seed, value in ((2, 91.0), (0, 51.5), (7, 0.0))]
    (row,) = paired_differences([*base, *other], "cross_entropy")
    assert (row.loss, row.baseline, row.n_seeds) == ("gce", "cross_entropy", 2)
    assert row.mean_difference == pytest.approx(1.25)
    reference = scipy.stats.ttest_rel([51.5, 91.0], [50.0, 90.0])
    assert row.p_value == pytest.approx(reference.pvalue)
    assert row.p_holm == row.p_value
    assert (row.ci_low, row.ci_high) == pytest.approx(tuple(reference.confidence_interval(0.95)))


def test_other_values_are_paired_and_corrected_among_themselves() -> None:
    values = {"a": (0.5, 0.7, 0.9), "b": (0.4, 0.65, 0.7), "c": (0.5, 0.8, 0.8), "d": (0.1, 0.2, None)}
    runs = [
        make_run(loss, seed, 90.0 + seed, test_nll_scaled=value, best_test_accuracy=80.0 + 2 * seed)
        for loss, row in values.items()
        for seed, value in enumerate(row)
    ]
    b, c, d = paired_differences(runs, "a")
    assert b.nll_scaled is not None
    assert c.nll_scaled is not None
    assert b.nll_scaled.mean_difference == pytest.approx(-0.35 / 3)
    ps = [scipy.stats.ttest_rel(values[name], values["a"]).pvalue for name in "bc"]
    assert [b.nll_scaled.p_value, c.nll_scaled.p_value] == pytest.approx(ps)
    assert [b.nll_scaled.p_holm, c.nll_scaled.p_holm] == pytest.approx(holm(ps)), "two losses have the value"
    assert d.nll_scaled is None
    assert d.best_accuracy is not None
    assert d.best_accuracy.mean_difference == 0.0
    assert d.nll == d.best_accuracy, "no difference at all, in either"


def test_one_seed_has_a_difference_and_nothing_else() -> None:
    (row,) = paired_differences([make_run("a", 0, 50.0), make_run("b", 0, 52.0)], "a")
    assert row.mean_difference == 2.0
    assert (row.ci_low, row.ci_high, row.p_value, row.p_holm) == (None, None, None, None)


def test_losses_without_a_shared_seed_are_left_out() -> None:
    assert paired_differences([make_run("a", 0), make_run("b", 1)], "a") == []


def test_summary_of_a_loss() -> None:
    runs = [make_run("a", 0, 50.0), make_run("b", 0), make_run("a", 1, 54.0, diverged=True)]
    first, second = summarise_losses(runs)
    assert (first.loss, first.n_seeds, first.n_diverged) == ("a", 2, 1)
    assert first.mean_test_accuracy == 52.0
    assert first.sd_test_accuracy == pytest.approx(8**0.5)
    assert first.mean_best_test_accuracy == 52.5
    assert second.sd_test_accuracy is None
    assert first.mean_test_nll_scaled == pytest.approx(0.2)
    runs = [make_run("a", 0, temperature=2.0), make_run("a", 1, temperature=8.0, test_nll_scaled=None)]
    (only,) = summarise_losses(runs)
    assert only.mean_temperature == 5.0
    assert only.mean_test_nll_scaled is None
