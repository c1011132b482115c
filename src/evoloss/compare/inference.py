"""Intervals and tests of a mean over seeds, and their correction for several comparisons.

Nothing is tested and no interval is given below three seeds, nor where all values are equal: two values have
one degree of freedom, and their interval is 12.7 standard errors wide to each side, if they differ at all;
equal ones say nothing of the spread that the t statistic divides by.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from evoloss.errors import MissingExtraError

CONFIDENCE = 0.95
"""Coverage of every interval in a results file."""
SIGNIFICANCE = 0.05
"""A corrected p-value below this is a difference."""
MIN_SEEDS = 3
"""Fewer values than this are not tested and have no interval."""
_NO_SPREAD = 1e-9
"""Differences of percentages or nats that are this close are equal: what is left is rounding."""

Interval = tuple[float, float]


def has_spread(values: Sequence[float]) -> bool:
    """Test whether values differ by more than the rounding of the numbers that they are differences of."""
    return len(values) > 1 and max(values) - min(values) > _NO_SPREAD


def is_significant(p_corrected: float | None) -> bool:
    """Test whether there is a corrected p-value below :data:`SIGNIFICANCE`."""
    return p_corrected is not None and p_corrected < SIGNIFICANCE


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    r"""Interval of a mean, :math:`\bar d \pm t_{n-1} s / \sqrt n`.

    None with fewer than :data:`MIN_SEEDS` values, and where all are equal: see the module.
    """
    if len(values) < MIN_SEEDS or not has_spread(values):
        return None
    mean, half = statistics.fmean(values), _t_quantile(len(values) - 1, confidence) * _standard_error(values)
    return mean - half, mean + half


def paired_t_test(differences: Sequence[float]) -> float | None:
    """Two-sided p-value of a mean of zero (Student 1908).

    None with fewer than :data:`MIN_SEEDS` differences. None also where all are equal: the statistic is then
    a mean divided by zero. Its limit would be p = 0, which claims more than any number of seeds can show; the
    test's premise, normal differences of an unknown spread above 0, has failed. Test sets of some hundred
    samples do give equal differences, since accuracies are multiples of 100 / n.
    """
    if len(differences) < MIN_SEEDS or not has_spread(differences):
        return None
    mean, error = statistics.fmean(differences), _standard_error(differences)
    return float(2 * _scipy_t().sf(abs(mean) / error, len(differences) - 1))


def paired_effect_size(differences: Sequence[float]) -> float | None:
    """Cohen's d_z: mean of the differences in units of their standard deviation.

    None with fewer than two differences, or where all are equal and the unit is missing.
    """
    if not has_spread(differences):
        return None
    return statistics.fmean(differences) / statistics.stdev(differences)


def signed_rank_test(differences: Sequence[float]) -> float | None:
    """Two-sided p-value of Wilcoxon's signed-rank test; None with fewer than :data:`MIN_SEEDS` differences.

    Exact, also with ties and zeros: the null distribution is that of all sign flips of the ranks at hand.
    Zeros are ranked with the rest and then dropped (Pratt 1959), so that many of them make the others weigh
    less. Counts of runs that were cut off at the same bound give zeros. Equal differences are tested too: the
    test asks for their signs and not for their spread, so p is never below ``2 / 2**n``.
    """
    if len(differences) < MIN_SEEDS:
        return None
    ordered = sorted(abs(value) for value in differences)
    # Twice the mean rank of a value is a whole number: first and last position, counted from 1, added.
    ranks = {value: 2 * ordered.index(value) + 1 + ordered.count(value) for value in set(ordered)}
    weights = [ranks[abs(value)] for value in differences if value != 0]
    positive = sum(ranks[abs(value)] for value in differences if value > 0)
    # A digit of one number holds how many sign patterns have positive ranks that add up to its place.
    bits, ways = len(weights) + 2, 1
    for weight in weights:
        ways += ways << (bits * weight)
    tail = min(positive, sum(weights) - positive)
    lowest = ways & ((1 << (bits * (tail + 1))) - 1)
    n_extreme = lowest % ((1 << bits) - 1)  # the sum of its digits, which is below the base
    return min(1.0, 2 * n_extreme / (1 << len(weights)))


def signed_rank_interval(differences: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Interval of a shift: all values that :func:`signed_rank_test` does not reject.

    It goes from one Walsh average (mean of two differences, or one of them) to another (Hodges and Lehmann
    1963). It holds 0 exactly if the test does not reject 0, also where ties make the set of the values that
    are not rejected ragged. None with fewer than :data:`MIN_SEEDS` differences or where all are equal, and
    where so few seeds can reject nothing at this confidence.
    """
    if len(differences) < MIN_SEEDS or not has_spread(differences):
        return None
    level, n = 1 - confidence, len(differences)
    if 2 / 2**n >= level:
        return None
    means = sorted({(differences[i] + differences[j]) / 2 for i in range(n) for j in range(i, n)})

    def accepted(shift: float) -> bool:
        p = signed_rank_test([value - shift for value in differences])
        return p is not None and p >= level

    # Between two averages p is constant; on one of them a tie changes it.
    gaps = [(low, high) for low, high in pairwise(means) if accepted((low + high) / 2)]
    centre = statistics.median(means)
    low, high = (gaps[0][0], gaps[-1][1]) if gaps else (centre, centre)
    if accepted(0.0):
        return min(low, 0.0), max(high, 0.0)
    return _without_zero(low, high, centre)


def _without_zero(low: float, high: float, centre: float) -> Interval:
    """Cut an interval on the side of 0 that its centre is not on."""
    if not low <= 0 <= high:
        return low, high
    least = abs(centre) * 1e-6
    return (least, high) if centre > 0 else (low, -least)


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


def holm_confidences(p_values: Sequence[float | None]) -> list[float | None]:
    r"""The confidence of the interval that belongs to each p-value under :func:`holm`; None stays None.

    Of m p-values of which Holm rejects r at :math:`\alpha = 0.05`, the k-th smallest (counted from 0) has
    :math:`1 - \alpha / (m - k)` where it is rejected, and the others share :math:`1 - \alpha / (m - r)`, the
    step at which Holm stopped. An interval of that confidence, made by inverting the test, excludes 0
    exactly if the corrected p-value is below :math:`\alpha`.

    What holds: the chance that any interval wrongly excludes 0 is at most :math:`\alpha` (it is Holm's), and
    each interval holds its own mean with at least 95 %, being no narrower than the uncorrected one. The
    chance that all hold their means at once may be below 95 %; Bonferroni's intervals, ``1 - alpha / m``
    each, have that, and do not fit Holm's p-values.

    References:
        Serlin 1993, *Confidence intervals and the scientific method: a case for Holm on the range*.
        Ludbrook 2000, *Multiple inferences using confidence intervals*.
    """
    corrected = holm(p_values)
    order = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    n_rejected = sum(map(is_significant, corrected))
    confidences: list[float | None] = [None] * len(p_values)
    for rank, (_, index) in enumerate(order):
        confidences[index] = 1 - SIGNIFICANCE / (len(order) - min(rank, n_rejected))
    return confidences


def holm_intervals(
    samples: Sequence[Sequence[float]],
    p_values: Sequence[float | None],
    interval: Callable[[Sequence[float], float], Interval | None] = t_interval,
) -> list[Interval | None]:
    """Intervals that fit the Holm-corrected p-values of a family, see :func:`holm_confidences`.

    Args:
        samples: the differences of each comparison.
        p_values: of each, before the correction.
        interval: inverts the test that the p-values are of.
    """
    return [
        None if confidence is None else interval(values, confidence)
        for values, confidence in zip(samples, holm_confidences(p_values), strict=True)
    ]


def sampling_error(accuracy: float, n_test: int) -> float:
    r"""Standard error of an accuracy that comes from the finite test set, in points.

    Binomial, :math:`100 \sqrt{p (1 - p) / n}`. It does not shrink with more seeds, which share the test set;
    for a mean over seeds it is an upper bound, since runs differ in what they get right.

    Args:
        accuracy: percent, 0 to 100.
        n_test: samples of the test split, at least 1.
    """
    share = accuracy / 100
    return 100 * math.sqrt(max(share * (1 - share), 0.0) / n_test)


def paired_sampling_error(first: float, second: float, n_test: int) -> float:
    r"""Bound of the standard error of a difference of two accuracies on one test set, in points.

    The error itself is McNemar's, :math:`\sqrt{b + c - (b - c)^2 / n} / n` with b and c samples that only one
    of the two gets right. Results keep accuracies and not single predictions, so b + c is not known; this
    is the root of the sum of the two binomial variances, which is the error of two independent test sets and
    an upper bound wherever the two are not right on different samples more often than by chance.

    Args:
        first: percent, 0 to 100.
        second: likewise.
        n_test: samples of the test split, at least 1.

    References:
        McNemar 1947; Dietterich 1998, *Approximate statistical tests for comparing supervised
        classification learning algorithms*.
    """
    return math.hypot(sampling_error(first, n_test), sampling_error(second, n_test))


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
