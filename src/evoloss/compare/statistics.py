"""Means and paired differences over the seeds of a comparison."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from evoloss.compare.inference import (
    holm,
    holm_intervals,
    paired_sampling_error,
    paired_t_test,
    sampling_error,
    t_interval,
)
from evoloss.training import RunResult


@dataclass(frozen=True, kw_only=True)
class LossSummary:
    """One loss over its seeds; accuracies in percent.

    Attributes:
        loss: name of the loss.
        lr: learning rate of its runs.
        n_seeds: finished runs.
        n_diverged: how many of them diverged (they count, as uniform predictions).
        mean_test_accuracy: last epoch.
        sd_test_accuracy: sample standard deviation over seeds; None with one seed.
        mean_best_test_accuracy: test accuracy at the best validation epoch.
        sd_best_test_accuracy: likewise.
        mean_validation_accuracy: last epoch.
        mean_test_nll: nats.
        mean_test_ece: in ``[0, 1]``.
        mean_train_seconds: one run.
        mean_temperature: see :func:`~evoloss.training.temperature.fit_temperature`; None, as
            all below, where a run has no such value.
        mean_test_nll_scaled: at each run's temperature.
        mean_test_ece_scaled: likewise.
        mean_best_test_nll: at the best validation epoch.
        mean_best_test_ece: likewise.
        mean_balanced_accuracy: mean recall of the classes. Not in a file.
        test_sampling_error: standard error of ``mean_test_accuracy`` that comes from the finite test set, in
            points; see :func:`~evoloss.compare.inference.sampling_error`. Not in a file.
    """

    loss: str
    lr: float
    n_seeds: int
    n_diverged: int
    mean_test_accuracy: float
    sd_test_accuracy: float | None
    mean_best_test_accuracy: float
    sd_best_test_accuracy: float | None
    mean_validation_accuracy: float
    mean_test_nll: float
    mean_test_ece: float
    mean_train_seconds: float
    mean_temperature: float | None = None
    mean_test_nll_scaled: float | None = None
    mean_test_ece_scaled: float | None = None
    mean_best_test_nll: float | None = None
    mean_best_test_ece: float | None = None
    mean_balanced_accuracy: float | None = None
    test_sampling_error: float | None = None


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A paired difference of some test value; fields as in :class:`PairedDifference`."""

    mean_difference: float
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    p_holm: float | None
    ci_low_holm: float | None = None
    ci_high_holm: float | None = None


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """Test accuracy of a loss minus that of the baseline, seed by seed, in points.

    Attributes:
        loss: name of the loss.
        baseline: what it is compared with.
        mean_difference: over the seeds that both have.
        ci_low: lower end of the 95 % t interval of the mean, this difference taken for itself.
        ci_high: upper end.
        p_value: two-sided paired t-test, likewise.
        p_holm: the same, corrected for the number of losses compared (Holm 1979).
        ci_low_holm: lower end of the interval that is corrected as ``p_holm`` is: it excludes 0 exactly if
            ``p_holm`` is below 0.05; see :func:`~evoloss.compare.inference.holm_confidences`.
        ci_high_holm: upper end.
        n_seeds: seeds that both have.
        best_accuracy: the same for the accuracy at the best validation epoch, in points.
        nll: the same for the negative log-likelihood, in nats; below 0 where the loss is better.
        nll_scaled: the same after temperature scaling.
        test_sampling_error: bound of the standard error that comes from the finite test set, which all seeds
            share, in points; see :func:`~evoloss.compare.inference.paired_sampling_error`.

    Intervals and p-values are None below three seeds, and where all differences are equal. The p-values of
    each of the four values are corrected among themselves. The contrasts are None where a run has no such
    value. The corrected intervals and the sampling error follow from the runs and are not in a file.
    """

    loss: str
    baseline: str
    mean_difference: float
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    p_holm: float | None
    n_seeds: int
    best_accuracy: Contrast | None = None
    nll: Contrast | None = None
    nll_scaled: Contrast | None = None
    ci_low_holm: float | None = None
    ci_high_holm: float | None = None
    test_sampling_error: float | None = None


def summarise_losses(runs: Iterable[RunResult]) -> list[LossSummary]:
    """Average the runs of each loss, in order of first appearance."""
    return [_summarise(name, group) for name, group in _by_loss(runs).items()]


def paired_differences(runs: Iterable[RunResult], baseline: str) -> list[PairedDifference]:
    """Compare every other loss with the baseline over the seeds that both have."""
    pairs = pairs_by_loss(runs, baseline)
    accuracy, best, nll, scaled = (_contrasts(pairs, value) for value in _COMPARED)
    return [
        PairedDifference(
            loss=name,
            baseline=baseline,
            n_seeds=len(couples),
            best_accuracy=best.get(name),
            nll=nll.get(name),
            nll_scaled=scaled.get(name),
            test_sampling_error=_paired_sampling_error(couples),
            **asdict(accuracy[name]),
        )
        for name, couples in pairs.items()
    ]


def pairs_by_loss(runs: Iterable[RunResult], baseline: str) -> dict[str, list[tuple[RunResult, RunResult]]]:
    """Return for every other loss its runs beside the baseline's of equal seeds, where there are some."""
    groups = {name: {run.seed: run for run in group} for name, group in _by_loss(runs).items()}
    reference = groups.pop(baseline, {})
    pairs = {
        name: [(group[seed], reference[seed]) for seed in sorted(group.keys() & reference.keys())]
        for name, group in groups.items()
    }
    return {name: couples for name, couples in pairs.items() if couples}


_COMPARED = ("test_accuracy", "best_test_accuracy", "test_nll", "test_nll_scaled")


def _contrasts(pairs: Mapping[str, list[tuple[RunResult, RunResult]]], value: str) -> dict[str, Contrast]:
    """Compare one test value for each loss whose runs all have it; Holm among these losses."""
    found: dict[str, list[float]] = {}
    for name, couples in pairs.items():
        values = [(getattr(run, value), getattr(base, value)) for run, base in couples]
        if all(None not in couple for couple in values):
            found[name] = [ours - theirs for ours, theirs in values]
    samples = list(found.values())
    p_values = [paired_t_test(differences) for differences in samples]
    corrected, intervals = holm(p_values), holm_intervals(samples, p_values)
    return {
        name: _contrast(differences, p, p_holm, interval)
        for (name, differences), p, p_holm, interval in zip(
            found.items(), p_values, corrected, intervals, strict=True
        )
    }


def _contrast(
    differences: list[float], p: float | None, p_holm: float | None, corrected: tuple[float, float] | None
) -> Contrast:
    low, high = t_interval(differences) or (None, None)
    low_holm, high_holm = corrected or (None, None)
    return Contrast(
        mean_difference=statistics.fmean(differences),
        ci_low=low,
        ci_high=high,
        p_value=p,
        p_holm=p_holm,
        ci_low_holm=low_holm,
        ci_high_holm=high_holm,
    )


def _paired_sampling_error(couples: Sequence[tuple[RunResult, RunResult]]) -> float:
    ours = statistics.fmean(_required(run.test_accuracy) for run, _ in couples)
    theirs = statistics.fmean(_required(base.test_accuracy) for _, base in couples)
    return paired_sampling_error(ours, theirs, couples[0][0].n_test)


def _summarise(loss: str, runs: list[RunResult]) -> LossSummary:
    last = [_required(run.test_accuracy) for run in runs]
    best = [_required(run.best_test_accuracy) for run in runs]
    return LossSummary(
        loss=loss,
        lr=runs[0].lr,
        n_seeds=len(runs),
        n_diverged=sum(run.diverged for run in runs),
        mean_test_accuracy=statistics.fmean(last),
        sd_test_accuracy=_deviation(last),
        mean_best_test_accuracy=statistics.fmean(best),
        sd_best_test_accuracy=_deviation(best),
        mean_validation_accuracy=statistics.fmean(run.validation_accuracy for run in runs),
        mean_test_nll=statistics.fmean(_required(run.test_nll) for run in runs),
        mean_test_ece=statistics.fmean(_required(run.test_ece) for run in runs),
        mean_train_seconds=statistics.fmean(run.train_seconds for run in runs),
        mean_temperature=_mean_if_all(run.temperature for run in runs),
        mean_test_nll_scaled=_mean_if_all(run.test_nll_scaled for run in runs),
        mean_test_ece_scaled=_mean_if_all(run.test_ece_scaled for run in runs),
        mean_best_test_nll=_mean_if_all(run.best_test_nll for run in runs),
        mean_best_test_ece=_mean_if_all(run.best_test_ece for run in runs),
        mean_balanced_accuracy=_mean_if_all(run.balanced_accuracy for run in runs),
        test_sampling_error=sampling_error(statistics.fmean(last), runs[0].n_test),
    )


def _mean_if_all(values: Iterable[float | None]) -> float | None:
    known = list(values)
    present = [value for value in known if value is not None]
    return statistics.fmean(present) if len(present) == len(known) else None


def _by_loss(runs: Iterable[RunResult]) -> dict[str, list[RunResult]]:
    groups: dict[str, list[RunResult]] = {}
    for run in runs:
        groups.setdefault(run.loss, []).append(run)
    return groups


def _required(value: float | None) -> float:
    assert value is not None, "runs that are reported have been tested"
    return value


def _deviation(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
