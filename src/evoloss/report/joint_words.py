"""Losses over several data sets in a sentence, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from evoloss.compare.inference import MIN_SEEDS
from evoloss.compare.joint.results import JointResults
from evoloss.compare.joint.statistics import JointSummary
from evoloss.report.tables import counted
from evoloss.safe_text import one_line

Kind = Literal["better", "mixed", "none", "untested", "alone", "empty"]


class JointVerdict(NamedTuple):
    """Verdict on losses over several data sets.

    Attributes:
        kind: ``better`` if some loss is so on a data set and worse on none; ``mixed`` if those that are
            better somewhere are worse elsewhere; ``none`` if none is better; ``untested`` where no difference
            has a test; ``alone`` without differences; ``empty`` without runs.
        text: one sentence.
        advice: what to do, one sentence.
        loss: the one that the sentence is about; empty where it is about none.
    """

    kind: Kind
    text: str
    advice: str
    loss: str = ""


def joint_verdict(joint: JointResults) -> JointVerdict:
    """The verdict on the accuracy that trainings are judged by, over all data sets.

    A difference counts where its p-value, corrected for all losses on all data sets (Holm), is below 0.05.

    Args:
        joint: complete or not.
    """
    baseline, places = one_line(joint.baseline), counted(len(joint.datasets), "data set")
    anywhere = f"any of {places}" if len(joint.datasets) > 1 else "this data set"
    rows = [row for row in joint.losses if row.mean_difference is not None]
    if not joint.losses:
        return JointVerdict("empty", "No run has finished yet.", "Run the command again.")
    if not rows:
        text = f"There is nothing to compare {one_line(joint.losses[0].loss)} with."
        return JointVerdict("alone", text, "Name a second loss with --losses.", joint.losses[0].loss)
    highest = max(rows, key=_mean)
    tests = sum(row.p_holm is not None for row in joint.differences)
    if not tests:
        fewest = min(row.n_seeds for row in joint.differences)
        text = f"No difference could be tested; the highest mean is that of {_told(highest)}."
        advice = f"Run at least {MIN_SEEDS} seeds, better 5, before you choose: --seeds 0 1 2 3 4."
        if fewest >= MIN_SEEDS:
            advice = "Compare on more test samples, or with more seeds."
        return JointVerdict("untested", text, advice, highest.loss)
    corrected = f"; corrected for {tests} comparisons" if tests > 1 else ""
    better = [row for row in rows if row.n_better]
    whole = [row for row in better if not row.n_worse]
    if whole:
        best = max(whole, key=_mean)
        text = (
            f"{one_line(best.loss)} is better than {baseline} on {best.n_better} of {places} and worse on "
            f"none ({_numbers(best)}{corrected})."
        )
        everywhere = best.n_better == len(joint.datasets)
        advice = "Use it." if everywhere else f"Use it where it is better; elsewhere keep {baseline}."
        return JointVerdict("better", text, advice, best.loss)
    if better:
        best = max(better, key=_mean)
        text = (
            f"{one_line(best.loss)} is better than {baseline} on {best.n_better} of {places}, and worse on "
            f"{best.n_worse} ({_numbers(best)}{corrected})."
        )
        return JointVerdict("mixed", text, "Choose by data set.", best.loss)
    worse = [f"{one_line(row.loss)} on {row.n_worse}" for row in rows if row.n_worse]
    if worse:
        text = f"No loss is better than {baseline} on {anywhere}; worse: {', '.join(worse)}{corrected}."
    else:
        text = (
            f"No loss is distinguishable from {baseline} on {anywhere}; the highest mean is that of "
            f"{_told(highest)}{corrected}."
        )
    return JointVerdict("none", text, f"Keep {baseline}.", highest.loss)


def joint_cautions(joint: JointResults) -> list[str]:
    """Return a sentence on each thing that limits what the data sets say together.

    Args:
        joint: complete or not.
    """
    found = []
    unfinished = [row.label for row in joint.datasets if not row.complete]
    if unfinished:
        found.append(f"Not complete: {_names(unfinished)}; some runs are still to come.")
    losses = [row.loss for row in joint.losses]
    lacking = [
        row.label
        for row, results in zip(joint.datasets, joint.comparisons.values(), strict=True)
        if {loss.loss for loss in results.losses} != set(losses)
    ]
    if lacking:
        found.append(f"Not all losses were run on {_names(lacking)}, so means are over different data sets.")
    edges = [
        row.label
        for row, results in zip(joint.datasets, joint.comparisons.values(), strict=True)
        if results.edges
    ]
    if edges:
        found.append(f"A learning rate was chosen at an end of its grid on {_names(edges)}.")
    return found


def signed(value: float) -> str:
    """A number of points with its sign, a minus that is one, and two digits."""
    return f"{value:+.2f}".replace("-", "−")


def _numbers(row: JointSummary) -> str:
    assert row.median_difference is not None, "of rows with differences"
    assert row.worst_difference is not None, "likewise"
    return (
        f"mean {signed(_mean(row))} points, median {signed(row.median_difference)}, worst "
        f"{signed(row.worst_difference)} on {one_line(row.worst_dataset)}"
    )


def _told(row: JointSummary) -> str:
    return f"{one_line(row.loss)} ({_numbers(row)})"


def _mean(row: JointSummary) -> float:
    assert row.mean_difference is not None, "of rows with differences"
    return row.mean_difference


def _names(names: Sequence[str]) -> str:
    return ", ".join(one_line(name) for name in names)
