from __future__ import annotations

import statistics

import pytest
from scipy import stats

from evoloss.compare.joint.statistics import joint_differences, joint_summaries
from tests.compare.joint.made_up import ACCURACIES, make_joint, results_on


def differences(dataset: str, loss: str) -> list[float]:
    table = ACCURACIES[dataset]
    return [ours - theirs for ours, theirs in zip(table[loss], table["cross_entropy"], strict=True)]


def test_differences_are_those_of_each_data_set() -> None:
    rows = make_joint().differences
    assert [(row.dataset, row.loss) for row in rows] == [
        (dataset, loss) for dataset in ACCURACIES for loss in ("gce", "mae")
    ]
    for row in rows:
        found = differences(row.dataset, row.loss)
        assert row.mean_difference == pytest.approx(statistics.fmean(found))
        assert row.accuracy == pytest.approx(statistics.fmean(ACCURACIES[row.dataset][row.loss]))
        assert row.p_value == pytest.approx(stats.ttest_1samp(found, 0).pvalue)
        assert row.n_seeds == 3


def test_tests_are_corrected_for_all_losses_on_all_data_sets() -> None:
    rows = make_joint().differences
    order = sorted(rows, key=lambda row: row.p_value or 0.0)
    highest = 0.0
    for rank, row in enumerate(order):
        highest = max(highest, min(1.0, (len(rows) - rank) * (row.p_value or 0.0)))
        assert row.p_holm == pytest.approx(highest)
    for row in rows:
        assert row.p_holm is not None
        assert row.ci_low_holm is not None
        assert row.ci_high_holm is not None
        excludes = row.ci_low_holm > 0 or row.ci_high_holm < 0
        assert excludes == (row.p_holm < 0.05)
        assert (row.finding in ("better", "worse")) == excludes
    alone = {row.loss: row.p_holm for row in make_joint().comparisons["digits"].summary}
    together = {row.loss: row.p_holm for row in rows if row.dataset == "digits"}
    assert all(together[loss] >= alone[loss] for loss in alone), "more comparisons, larger p-values"


def test_a_loss_over_all_data_sets() -> None:
    baseline, gce, mae = make_joint().losses
    means = [statistics.fmean(differences(dataset, "gce")) for dataset in ACCURACIES]
    assert gce.mean_difference == pytest.approx(statistics.fmean(means))
    assert gce.median_difference == pytest.approx(statistics.median(means))
    assert (gce.worst_difference, gce.worst_dataset) == (pytest.approx(min(means)), "iris")
    assert (gce.best_difference, gce.best_dataset) == (pytest.approx(max(means)), "digits")
    assert (gce.n_better, gce.n_worse) == (1, 1)
    assert gce.mean_accuracy == pytest.approx(
        statistics.fmean(statistics.fmean(ACCURACIES[dataset]["gce"]) for dataset in ACCURACIES)
    )
    assert (mae.n_better, mae.n_worse) == (1, 1)
    assert baseline.mean_difference is baseline.worst_dataset is None
    assert (baseline.n_datasets, baseline.n_better, baseline.n_worse) == (3, 0, 0)


def test_a_data_set_on_which_a_loss_was_not_run_does_not_count_for_it() -> None:
    lacking = {name: values for name, values in ACCURACIES["wine"].items() if name != "mae"}
    comparisons = {
        "digits": results_on("digits", ACCURACIES["digits"]),
        "wine": results_on("wine", lacking),
    }
    rows = {row.loss: row for row in joint_summaries(comparisons)}
    assert (rows["gce"].n_datasets, rows["mae"].n_datasets) == (2, 1)
    assert rows["mae"].mean_difference == pytest.approx(statistics.fmean(differences("digits", "mae")))


def test_below_three_seeds_nothing_is_tested() -> None:
    two = {loss: values[:2] for loss, values in ACCURACIES["digits"].items()}
    rows = joint_differences({"digits": results_on("digits", two)})
    assert {row.finding for row in rows} == {"not tested"}
    assert {(row.p_value, row.p_holm, row.ci_low_holm) for row in rows} == {(None, None, None)}


def test_nothing_is_nothing() -> None:
    empty = results_on("digits", {}, complete=False)
    assert joint_differences({"digits": empty}) == []
    assert joint_summaries({"digits": empty}) == []
