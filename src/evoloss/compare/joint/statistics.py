"""Losses over several data sets: mean, median and worst difference to the baseline."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from evoloss.compare.inference import holm, holm_intervals, is_significant
from evoloss.compare.results import Results
from evoloss.compare.statistics import pairs_by_loss

Finding = Literal["better", "worse", "not distinguishable", "not tested"]


@dataclass(frozen=True, kw_only=True)
class DatasetDifference:
    """A loss against the baseline on one data set, in points of test accuracy, paired by seed.

    Attributes:
        dataset: label of the data set.
        loss: name of the loss.
        accuracy: mean over its seeds, last epoch, in percent.
        mean_difference: its accuracy less the baseline's, over the seeds that both have.
        ci_low: lower end of the 95 % t interval, this difference taken for itself; None, as all below, below
            three seeds and where all differences are equal.
        ci_high: upper end.
        p_value: paired t-test, likewise.
        p_holm: the same, corrected for all losses on all data sets (Holm 1979).
        ci_low_holm: lower end of the interval that is corrected as ``p_holm`` is: it excludes 0 exactly if
            ``p_holm`` is below 0.05.
        ci_high_holm: upper end.
        n_seeds: seeds that both have.
        finding: ``better`` or ``worse`` where ``p_holm`` is below 0.05.
    """

    dataset: str
    loss: str
    accuracy: float
    mean_difference: float
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    p_holm: float | None
    ci_low_holm: float | None
    ci_high_holm: float | None
    n_seeds: int
    finding: Finding


@dataclass(frozen=True, kw_only=True)
class JointSummary:
    """One loss over the data sets; accuracies in percent, differences in points.

    Attributes:
        loss: name of the loss.
        n_datasets: data sets on which it has finished runs.
        mean_accuracy: over these data sets, each counted once.
        mean_difference: to the baseline, over the data sets that both have; None, as all below but the
            counts, for the baseline itself and where there is none.
        median_difference: likewise.
        worst_difference: the lowest of them.
        worst_dataset: the data set that it is on.
        best_difference: the highest.
        best_dataset: the data set that it is on.
        n_better: data sets on which it is better, corrected for all comparisons.
        n_worse: likewise.
    """

    loss: str
    n_datasets: int
    mean_accuracy: float
    mean_difference: float | None
    median_difference: float | None
    worst_difference: float | None
    worst_dataset: str | None
    best_difference: float | None
    best_dataset: str | None
    n_better: int
    n_worse: int


def joint_differences(comparisons: Mapping[str, Results]) -> list[DatasetDifference]:
    """Return every difference to the baseline, data set by data set.

    P-values are corrected for the number of all tests, since whoever looks at many data sets finds one on
    which some loss is better by chance.

    Args:
        comparisons: results by the labels of their data sets.
    """
    found = [(label, results, row) for label, results in comparisons.items() for row in results.summary]
    tests = [row.p_value for _, _, row in found]
    intervals = holm_intervals([_by_seed(results, row.loss) for _, results, row in found], tests)
    rows = []
    for (label, results, row), p, interval in zip(found, holm(tests), intervals, strict=True):
        accuracy = next(loss.mean_test_accuracy for loss in results.losses if loss.loss == row.loss)
        finding: Finding = "not tested" if p is None else "not distinguishable"
        if is_significant(p):
            finding = "better" if row.mean_difference > 0 else "worse"
        rows.append(
            DatasetDifference(
                dataset=label,
                loss=row.loss,
                accuracy=accuracy,
                mean_difference=row.mean_difference,
                ci_low=row.ci_low,
                ci_high=row.ci_high,
                p_value=row.p_value,
                p_holm=p,
                ci_low_holm=None if interval is None else interval[0],
                ci_high_holm=None if interval is None else interval[1],
                n_seeds=row.n_seeds,
                finding=finding,
            )
        )
    return rows


def joint_summaries(comparisons: Mapping[str, Results]) -> list[JointSummary]:
    """Return every loss over all data sets, in order of first appearance.

    Args:
        comparisons: results by the labels of their data sets.
    """
    accuracies: dict[str, list[float]] = {}
    for results in comparisons.values():
        for row in results.losses:
            accuracies.setdefault(row.loss, []).append(row.mean_test_accuracy)
    differences: dict[str, list[DatasetDifference]] = {}
    for found in joint_differences(comparisons):
        differences.setdefault(found.loss, []).append(found)
    return [_summary(loss, values, differences.get(loss, [])) for loss, values in accuracies.items()]


def _by_seed(results: Results, loss: str) -> list[float]:
    """Differences of accuracy to the baseline, seed by seed."""
    return [
        run.test_accuracy - base.test_accuracy
        for run, base in pairs_by_loss(results.runs, results.baseline)[loss]
        if run.test_accuracy is not None and base.test_accuracy is not None
    ]


def _summary(loss: str, accuracies: list[float], rows: list[DatasetDifference]) -> JointSummary:
    points = [row.mean_difference for row in rows]
    worst = min(rows, key=lambda row: row.mean_difference, default=None)
    best = max(rows, key=lambda row: row.mean_difference, default=None)
    return JointSummary(
        loss=loss,
        n_datasets=len(accuracies),
        mean_accuracy=statistics.fmean(accuracies),
        mean_difference=statistics.fmean(points) if points else None,
        median_difference=statistics.median(points) if points else None,
        worst_difference=None if worst is None else worst.mean_difference,
        worst_dataset=None if worst is None else worst.dataset,
        best_difference=None if best is None else best.mean_difference,
        best_dataset=None if best is None else best.dataset,
        n_better=sum(row.finding == "better" for row in rows),
        n_worse=sum(row.finding == "worse" for row in rows),
    )
