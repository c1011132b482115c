"""The shipped losses against the losses that each was to beat, paired by seed, from what has been run.

``benchmarks.transfer.page`` puts these tables into ``docs/transfer.md``. Everywhere else cross-entropy is
what losses are compared with; two intervals against it say little about two losses against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.harness.markdown import difference_text, numbers_table
from evoloss.compare.results import Results
from evoloss.compare.statistics import PairedDifference, paired_differences
from evoloss.report.tables import NOTHING

ROBUST = ("gce", "sce", "nce_rce", "anl_ce", "jal_ce")


@dataclass(frozen=True, kw_only=True)
class Rivalry:
    """A loss and those that it was to beat.

    Attributes:
        loss: a shipped one.
        rivals: names of the others.
        words: a condition counts if its name has one of these; empty for all.
    """

    loss: str
    rivals: tuple[str, ...]
    words: tuple[str, ...] = ()


NOISY = ("sym",)  # asymmetric too
FEW = ("-50",)
RIVALRIES = (
    Rivalry(loss="evolved-base", rivals=("cross_entropy", "label_smoothing")),
    Rivalry(loss="evolved-noise", rivals=ROBUST, words=NOISY),
    Rivalry(loss="evolved-noise-strong", rivals=ROBUST, words=NOISY),
    Rivalry(loss="evolved-noise-long", rivals=ROBUST, words=NOISY),
    Rivalry(loss="evolved-small", rivals=("label_smoothing",), words=FEW),
)


def rivals(found: Mapping[str, Results]) -> list[str]:
    """One table for each of :data:`RIVALRIES`: points of last-epoch accuracy, with half the 95 % interval.

    P-values are corrected (Holm) over the rivals of a condition; bold is below 0.05.
    """
    lines: list[str] = []
    for each in RIVALRIES:
        names = [name for name in found if not each.words or any(word in name for word in each.words)]
        rows = {name: _differences(found[name], each) for name in names}
        shown = [name for name in names if rows[name]]
        if not shown:
            continue
        body = [(rival, *(_cell(rows[name].get(rival)) for name in shown)) for rival in each.rivals]
        lines += [f"`{each.loss}` less", "", *numbers_table(("loss", *shown), body), ""]
    return lines[:-1] or ["Nothing to compare yet."]


def _differences(results: Results, each: Rivalry) -> dict[str, PairedDifference]:
    """What the rivals have over the loss, by rival."""
    taking_part = (each.loss, *each.rivals)
    runs = [run for run in results.runs if run.loss in taking_part]
    return {row.loss: row for row in paired_differences(runs, each.loss)}


def _cell(row: PairedDifference | None) -> str:
    return NOTHING if row is None else difference_text(row, -1)
