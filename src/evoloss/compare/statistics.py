"""Means, paired differences, intervals and tests over the seeds of a comparison."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from evoloss.errors import MissingExtraError
from evoloss.training import RunResult

CONFIDENCE = 0.95
"""Coverage of every interval in a results file."""


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


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A paired difference of some test value; fields as in :class:`PairedDifference`."""

    mean_difference: float
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    p_holm: float | None


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """Test accuracy of a loss minus that of the baseline, seed by seed, in points.

    Attributes:
        loss: name of the loss.
        baseline: what it is compared with.
        mean_difference: over the seeds that both have.
        ci_low: lower end of the 95 % t interval of the mean; None with one seed.
        ci_high: upper end.
        p_value: two-sided paired t-test; None with one seed.
        p_holm: the same, corrected for the number of losses compared (Holm 1979).
        n_seeds: seeds that both have.
        best_accuracy: the same for the accuracy at the best validation epoch, in points.
        nll: the same for the negative log-likelihood, in nats; below 0 where the loss is better.
        nll_scaled: the same after temperature scaling.

    The p-values of each of the four values are corrected among themselves. The last three are None where a
    run has no such value.
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


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    r"""Interval of a mean, :math:`\bar d \pm t_{n-1} s / \sqrt n`; None with fewer than two values."""
    if len(values) < 2:
        return None
    mean, half = statistics.fmean(values), _t_quantile(len(values) - 1, confidence) * _standard_error(values)
    return mean - half, mean + half


def paired_t_test(differences: Sequence[float]) -> float | None:
    """Two-sided p-value of a mean of zero; None with fewer than two differences.

    Where all differences are equal the statistic is undefined; its limit is taken: 1 for zeros, else 0.
    """
    if len(differences) < 2:
        return None
    mean, error = statistics.fmean(differences), _standard_error(differences)
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * _scipy_t().sf(abs(mean) / error, len(differences) - 1))


def paired_effect_size(differences: Sequence[float]) -> float | None:
    """Cohen's d_z: mean of the differences in units of their standard deviation.

    None with fewer than two differences, or where all are equal and the unit is missing.
    """
    if len(differences) < 2 or (deviation := statistics.stdev(differences)) == 0:
        return None
    return statistics.fmean(differences) / deviation


def signed_rank_test(differences: Sequence[float]) -> float | None:
    """Two-sided p-value of Wilcoxon's signed-rank test; None without differences.

    Exact, also with ties and zeros: the null distribution is that of all sign flips of the ranks at hand.
    Zeros are ranked with the rest and then dropped (Pratt 1959), so that many of them make the others weigh
    less. Counts of runs that were cut off at the same bound give zeros.
    """
    if not differences:
        return None
    ordered = sorted(abs(value) for value in differences)
    # Twice the mean rank of a value is a whole number: first and last position, counted from 1, added.
    ranks = {value: 2 * ordered.index(value) + 1 + ordered.count(value) for value in set(ordered)}
    weights = [ranks[abs(value)] for value in differences if value != 0]
    positive = sum(ranks[abs(value)] for value in differences if value > 0)
    ways = [1] + [0] * sum(weights)  # ways[s]: sign patterns whose positive ranks add up to s
    for weight in weights:
        ways = [a + b for a, b in zip(ways, [0] * weight + ways, strict=False)]
    tail = min(positive, sum(weights) - positive)
    return min(1.0, 2 * sum(ways[: tail + 1]) / (1 << len(weights)))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for their number, step down (Holm 1979); None stays None and does not count.

    The k-th smallest of m becomes the largest of ``(m - j) p_j`` over all ``j <= k`` (counted from 0), at
    most 1.
    """
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        corrected[index] = highest
    return corrected


def summarise_losses(runs: Iterable[RunResult]) -> list[LossSummary]:
    """Average the runs of each loss, in order of first appearance."""
    return [_summarise(name, group) for name, group in _by_loss(runs).items()]


def paired_differences(runs: Iterable[RunResult], baseline: str) -> list[PairedDifference]:
    """Compare every other loss with the baseline over the seeds that both have."""
    groups = {name: {run.seed: run for run in group} for name, group in _by_loss(runs).items()}
    reference = groups.pop(baseline, {})
    pairs = {
        name: [(group[seed], reference[seed]) for seed in sorted(group.keys() & reference.keys())]
        for name, group in groups.items()
    }
    pairs = {name: couples for name, couples in pairs.items() if couples}
    accuracy, best, nll, scaled = (_contrasts(pairs, value) for value in _COMPARED)
    return [
        PairedDifference(
            loss=name,
            baseline=baseline,
            n_seeds=len(couples),
            best_accuracy=best.get(name),
            nll=nll.get(name),
            nll_scaled=scaled.get(name),
            **asdict(accuracy[name]),
        )
        for name, couples in pairs.items()
    ]


_COMPARED = ("test_accuracy", "best_test_accuracy", "test_nll", "test_nll_scaled")


def _contrasts(pairs: Mapping[str, list[tuple[RunResult, RunResult]]], value: str) -> dict[str, Contrast]:
    """Compare one test value for each loss whose runs all have it; Holm among these losses."""
    found = {}
    for name, couples in pairs.items():
        values = [(getattr(run, value), getattr(base, value)) for run, base in couples]
        if all(None not in couple for couple in values):
            found[name] = _contrast([ours - theirs for ours, theirs in values])
    corrected = holm([row.p_value for row in found.values()])
    return {name: replace(row, p_holm=p) for (name, row), p in zip(found.items(), corrected, strict=True)}


def _contrast(differences: list[float]) -> Contrast:
    low, high = t_interval(differences) or (None, None)
    return Contrast(
        mean_difference=statistics.fmean(differences),
        ci_low=low,
        ci_high=high,
        p_value=paired_t_test(differences),
        p_holm=None,
    )


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


def _standard_error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values))


def _t_quantile(freedom: int, confidence: float) -> float:
    return float(_scipy_t().ppf((1 + confidence) / 2, freedom))


def _scipy_t() -> Any:
    try:
        from scipy.stats import t
    except ImportError as error:
        raise MissingExtraError.of("scipy", "experiments", "intervals and tests") from error
    return t
