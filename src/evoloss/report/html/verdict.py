"""Verdict on a comparison: one sentence with its interval, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evoloss.compare.inference import MIN_SEEDS, is_significant
from evoloss.compare.results import Results
from evoloss.compare.statistics import PairedDifference
from evoloss.report.tables import counted
from evoloss.safe_text import one_line

Kind = Literal["better", "none", "untested", "alone", "empty"]
_ERRORS = 2.0
"""A difference below so many standard errors of the test set may be one of these test samples alone."""
_OPEN = 2.0
"""Points that an interval has to exclude before no difference is more than too few seeds."""
_LONGEST_NAME = 200
_SHOWN = 5  # of a list in a sentence


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Verdict on a comparison.

    Attributes:
        kind: ``better`` if some loss is; ``none`` if losses were tested and none is; ``untested`` where no
            difference has a test; ``alone`` with one loss; ``empty`` without runs.
        text: one sentence.
        advice: what to do, one sentence or two.
        loss: the one that the sentence is about; empty where it is about none.
        difference: its accuracy less the baseline's, in points.
        low: lower end of the corrected 95 % interval; None without a test.
        high: upper end.
        n_seeds: seeds of the difference; 0 where there is none.
    """

    kind: Kind
    text: str
    advice: str
    loss: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    n_seeds: int = 0


def verdict_of(results: Results) -> Verdict:
    """The verdict on the accuracy that trainings are judged by.

    A loss is better or worse where its p-value, corrected for the number of losses (Holm), is below 0.05;
    below three seeds nothing is.

    Args:
        results: complete or not.
    """
    if not results.runs:
        return Verdict(kind="empty", text="No run has finished yet.", advice="Run the command again.")
    rows, baseline = results.summary, _name(results.baseline)
    if not rows:
        only = results.losses[0]
        return Verdict(
            kind="alone",
            text=f"Only {_name(only.loss)} was run: {only.mean_test_accuracy:.1f} % of the test samples are "
            f"right, {counted(only.n_seeds, 'seed')}; there is nothing to compare it with.",
            advice="Name a second loss with --losses.",
            loss=only.loss,
        )
    tested = [row for row in rows if row.p_holm is not None]
    if not tested:
        return _untested(rows, baseline)
    better = [row for row in tested if is_better(row)]
    if better:
        return _better(results, better, baseline)
    return _none(tested, baseline)


def is_better(row: PairedDifference) -> bool:
    """Test whether a loss is better than the baseline, corrected for the number of losses."""
    return is_significant(row.p_holm) and row.mean_difference > 0


def is_worse(row: PairedDifference) -> bool:
    """Test whether a loss is worse than the baseline, corrected for the number of losses."""
    return is_significant(row.p_holm) and row.mean_difference < 0


def is_within_test_error(row: PairedDifference) -> bool:
    """Test whether the finite test set alone might make a difference of this size."""
    error = row.test_sampling_error
    return error is not None and 0 < abs(row.mean_difference) < _ERRORS * error


def _better(results: Results, better: Sequence[PairedDifference], baseline: str) -> Verdict:
    best = max(better, key=lambda row: row.mean_difference)
    name, count = _name(best.loss), len(results.summary)
    others = [_name(row.loss) for row in better if row is not best]
    text = (
        f"{name} is {points(best.mean_difference)} points better than {baseline} ({interval(best)}"
        f"{f', corrected for {count} comparisons' if count > 1 else ''}, {counted(best.n_seeds, 'seed')})."
    )
    if others:
        text += f" So, by less, {'is' if len(others) == 1 else 'are'} {some(others)}."
    n_test, error = results.runs[0].n_test, best.test_sampling_error or 0.0
    if is_within_test_error(best):
        advice = (
            f"That is on these {n_test:,} test samples, which alone may move a difference by "
            f"{error:.1f} points "
            "(standard error): check it on more test data before you use it."
        )
    elif best.loss in results.edges or results.baseline in results.edges:
        advice = "Widen the grid of learning rates before you use it: one of the two rates is at its end."
    else:
        advice = "Use it."
    if not results.complete:
        advice += " The comparison is not complete."
    return _about(best, kind="better", text=text, advice=advice)


def _none(tested: Sequence[PairedDifference], baseline: str) -> Verdict:
    worse = [row for row in tested if is_worse(row)]
    largest = max(tested, key=lambda row: row.mean_difference)
    if len(tested) == 1 and not worse:
        text = (
            f"{_name(largest.loss)} is not distinguishable from {baseline} "
            f"({signed(largest.mean_difference)} points, {interval(largest)}, "
            f"{counted(largest.n_seeds, 'seed')})."
        )
    elif worse:
        told = [f"{_name(row.loss)} ({signed(row.mean_difference)} points, {interval(row)})" for row in worse]
        text = f"No loss is better than {baseline}; worse: {some(told)}; {counted(worse[0].n_seeds, 'seed')}."
    else:
        text = (
            f"No loss is distinguishable from {baseline}: the largest difference is that of "
            f"{_name(largest.loss)}, {signed(largest.mean_difference)} points ({interval(largest)}, "
            f"corrected for {len(tested)} comparisons, {counted(largest.n_seeds, 'seed')})."
        )
    advice = f"Keep {baseline}."
    if not worse and (largest.ci_high_holm or 0.0) >= _OPEN:
        advice = (
            f"This does not show that there is no difference: up to {signed(largest.ci_high_holm or 0.0)} "
            f"points are not excluded. Run more seeds, or keep {baseline}."
        )
    return _about(largest, kind="none", text=text, advice=advice)


def _untested(rows: Sequence[PairedDifference], baseline: str) -> Verdict:
    largest = max(rows, key=lambda row: row.mean_difference)
    told = f"{_name(largest.loss)}, {signed(largest.mean_difference)} points to {baseline}"
    if largest.n_seeds < MIN_SEEDS:
        few = counted(largest.n_seeds, "seed")
        text = f"With {few} no difference can be told from chance; the highest is {told}."
        advice = f"Run at least {MIN_SEEDS} seeds, better 5, before you choose: --seeds 0 1 2 3 4."
    else:
        text = (
            f"No difference could be tested, since it is the same with all {largest.n_seeds} seeds; the "
            f"highest is {told}."
        )
        advice = "Compare on more test samples, or with more seeds."
    return _about(largest, kind="untested", text=text, advice=advice)


def _about(row: PairedDifference, *, kind: Kind, text: str, advice: str) -> Verdict:
    return Verdict(
        kind=kind,
        text=text,
        advice=advice,
        loss=row.loss,
        difference=row.mean_difference,
        low=row.ci_low_holm,
        high=row.ci_high_holm,
        n_seeds=row.n_seeds,
    )


def interval(row: PairedDifference) -> str:
    """The corrected interval in words; why there is none, where there is none."""
    if row.ci_low_holm is None or row.ci_high_holm is None:
        return "no interval"
    return f"95 % interval {signed(row.ci_low_holm)} to {signed(row.ci_high_holm)}"


def points(value: float) -> str:
    """A number of points, with two digits where one would hide it."""
    return f"{value:.1f}" if abs(value) >= 0.95 or value == 0 else f"{value:.2f}"


def signed(value: float) -> str:
    """A number of points with its sign, and a minus that is one."""
    return f"{'−' if value < 0 else '+'}{points(abs(value))}"


def _name(loss: str) -> str:
    return one_line(loss, _LONGEST_NAME)


def some(names: Sequence[str]) -> str:
    """The first few of a list in words, and how many more there are."""
    if len(names) > _SHOWN + 1:
        return f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
