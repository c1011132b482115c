from __future__ import annotations

import pytest
import scipy.stats

from evoloss.compare.inference import holm
from evoloss.compare.statistics import paired_differences, summarise_losses
from tests.compare.runs import make_run


def test_differences_are_paired_by_seed() -> None:
    table = ((0, 50.0), (1, 70.0), (2, 90.0), (3, 80.0))
    base = [make_run("cross_entropy", seed, value) for seed, value in table]
    other = [make_run("gce", seed, value) for seed, value in ((2, 91.0), (0, 51.5), (7, 0.0), (3, 80.5))]
    (row,) = paired_differences([*base, *other], "cross_entropy")
    assert (row.loss, row.baseline, row.n_seeds) == ("gce", "cross_entropy", 3)
    assert row.mean_difference == pytest.approx(1.0)
    reference = scipy.stats.ttest_rel([51.5, 91.0, 80.5], [50.0, 90.0, 80.0])
    assert row.p_value == pytest.approx(reference.pvalue)
    assert row.p_holm == row.p_value
    assert (row.ci_low, row.ci_high) == pytest.approx(tuple(reference.confidence_interval(0.95)))
    assert (row.ci_low_holm, row.ci_high_holm) == pytest.approx((row.ci_low, row.ci_high)), "one comparison"
    assert row.test_sampling_error == pytest.approx(100 * (2 * 0.74 * 0.26 / 359) ** 0.5, rel=0.01)


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
    assert d.nll.p_value is None


@pytest.mark.parametrize("accuracies", [(52.0,), (52.0, 53.5), (52.0, 52.0), (52.0, 52.0, 52.0)])
def test_few_seeds_or_equal_differences_have_a_mean_and_no_test(accuracies: tuple[float, ...]) -> None:
    runs = [
        make_run(loss, seed, value)
        for seed, other in enumerate(accuracies)
        for loss, value in (("a", 50.0), ("b", other))
    ]
    (row,) = paired_differences(runs, "a")
    assert row.mean_difference == pytest.approx(sum(accuracies) / len(accuracies) - 50)
    for found in (row, row.best_accuracy, row.nll, row.nll_scaled):
        assert found is not None
        assert (found.ci_low, found.ci_high, found.p_value, found.p_holm) == (None, None, None, None)
        assert (found.ci_low_holm, found.ci_high_holm) == (None, None)


def test_a_loss_that_is_not_tested_does_not_weigh_on_the_others() -> None:
    values = {"a": (50.0, 60.0, 70.0), "b": (51.0, 62.0, 71.5), "c": (50.5, 61.0), "d": (52.0, 62.0, 72.0)}
    runs = [make_run(loss, seed, value) for loss, row in values.items() for seed, value in enumerate(row)]
    b, c, d = paired_differences(runs, "a")
    assert b.p_holm == b.p_value is not None
    assert (b.ci_low_holm, b.ci_high_holm) == pytest.approx((b.ci_low, b.ci_high))
    assert c.p_holm is d.p_holm is None


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
    assert first.test_sampling_error == pytest.approx(100 * (0.52 * 0.48 / 359) ** 0.5)
    runs = [make_run("a", 0, temperature=2.0), make_run("a", 1, temperature=8.0, test_nll_scaled=None)]
    (only,) = summarise_losses(runs)
    assert only.mean_temperature == 5.0
    assert only.mean_test_nll_scaled is None
